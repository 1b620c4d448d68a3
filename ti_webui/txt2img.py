"""The fields of a web UI's txt2img page as settings of the previews."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ti_core.options import SettingValues


def preview_settings(fields: Mapping[str, Any], samplers: Collection[str]) -> SettingValues:
    """Settings of PreviewConfig from the values of TXT2IMG_FIELDS.

    The whole of it is one preview line as kohya writes them. A random seed (-1) becomes 0, as
    previews are there to be compared; a sampler that the host does not offer is left to it.
    """
    line = _one_line(fields.get("prompt"))
    negative = _one_line(fields.get("negative_prompt"))
    options = [f"--n {negative}"] if negative else []
    options += [f"--{letter} {int(fields[name])}" for name, letter in _SIDES if fields.get(name)]
    settings: SettingValues = {"sample_prompts": " ".join([line, *options])}
    for name, setting in (("steps", "sample_steps"), ("cfg_scale", "sample_cfg_scale")):
        if fields.get(name):
            settings[setting] = fields[name]
    settings["sample_seed"] = max(0, int(fields.get("seed") or 0))
    if fields.get("sampler") in samplers:
        settings["sample_sampler"] = fields["sampler"]
    return settings


_SIDES = (("width", "w"), ("height", "h"))


def _one_line(text: object) -> str:
    """ " --" would begin an option."""
    return " ".join(str(text or "").replace("--", " ").split())
