"""What programs note beside the vectors, under our names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

TRIGGER = "modelspec.trigger_phrase"
CONFIG = "ti.config"
VERSION, DATA, TEMPLATE, VAE = "ti.version", "ti.data", "ti.template", "ti.vae"
"""What made a file besides its settings; see `train.provenance`."""

_SAME = {
    TRIGGER: ("name",),
    "ti.base_model": ("sd_checkpoint_name", "ss_sd_model_name"),
    "ti.base_model_hash": ("sd_checkpoint", "ss_sd_model_hash"),
}
"""Our name → what A1111 (and ai-toolkit), and kohya's scripts, call it."""
_STEPS = ("ti.step", "step", "ss_steps")
_STEP_IN_NAME = re.compile(r"(?:-steps?-?|_gs-)([0-9]{1,12})(?![0-9])")
_LONGEST = 1000


def translated(noted: Mapping[Any, object]) -> dict[str, str]:
    """Trigger, base model and its hash, where a file's dictionary or metadata has them under
    another program's name. ai-toolkit writes each value as JSON; "null" is nothing."""
    found = {}
    for ours, theirs in _SAME.items():
        value = next(filter(None, (_text(noted.get(key)) for key in theirs)), "")
        if value and ours not in noted:
            found[ours] = value
    return found


def essentials(noted: Mapping[Any, object]) -> dict[str, str]:
    """Steps, base model and its hash of a LoRA, for what is bundled with it; not its name."""
    found = {key: value for key, value in translated(noted).items() if key != TRIGGER}
    steps = noted_step(noted, "")
    return {**found, "ti.step": str(steps)} if steps else found


def recipe(metadata: Mapping[str, str]) -> object:
    """The recipe or the settings that made an embedding; None where its file does not tell."""
    try:
        return json.loads(metadata.get(CONFIG, "null"))
    except (ValueError, RecursionError):  # a stranger's file may say anything
        return None


def texts(found: object) -> dict[str, str]:
    """The texts by name in what a file holds as metadata; everything else is left out."""
    pairs = found.items() if isinstance(found, Mapping) else ()
    return {k: v for k, v in pairs if isinstance(k, str) and isinstance(v, str)}


def from_comment(comment: bytes) -> dict[str, str]:
    """Metadata that `torch_zip` leaves, as JSON, in the comment of a zip; none in any other."""
    try:
        return texts(json.loads(comment.decode())) if comment[:1] == b"{" else {}
    except (ValueError, RecursionError):
        return {}


def step_of(value: object) -> int:
    """A number of steps as files note it, in figures or as a number; 0 for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**19 else 0
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if re.fullmatch(r"[0-9]{1,19}", text) else 0


def noted_step(noted: Mapping[Any, object], stem: str) -> int:
    """Steps as noted in the file, or else in its name: "learned_embeds-steps-500" of diffusers,
    "cat-step00000500" of kohya, "embeddings_gs-500" of LDM."""
    for key in _STEPS:
        if step := step_of(noted.get(key)):
            return step
    in_name = _STEP_IN_NAME.search(stem)
    return int(in_name[1]) if in_name else 0


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        return ""
    if value[:1] == '"' or value == "null":
        try:
            value = json.loads(value)
        except ValueError:
            return ""
    return value if isinstance(value, str) else ""
