"""Which family a checkpoint belongs to, or what else the file looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ....diffusion import Prediction
from ....errors import CheckpointError, FileError
from ....families import ENCODER_KEYS, SD1, SD2, SDXL, Family
from ....files.regular_file import read_bytes
from ....files.text_file import MOST_BYTES

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT_PREFIXES = {
    SD1: ("cond_stage_model.transformer.",),
    SD2: ("cond_stage_model.model.",),
    SDXL: ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."),
}
"""Where the original files keep the text encoders of `Family.encoders`; this alone tells the
families apart, since reduced networks may have any width."""

_LOOKS_LIKE = (
    (r"model\.diffusion_model\.joint_blocks\.", "an SD3 checkpoint"),
    (r"(model\.diffusion_model\.)?double_blocks\.", "a Flux model"),
    (r"conditioner\.embedders\.0\.model\.", "an SDXL refiner"),
    (r"(lora_unet_|lora_te|.*\.lora_(up|down|A|B)\.)", "a LoRA"),
    (r"(down_blocks|up_blocks)\.\d+\.(attentions|resnets)", "a diffusers UNet without its folder"),
    (r"(encoder|decoder)\.mid\.block_1\.", "a VAE"),
    (r"(encoder|decoder)\.(down|up)_blocks\.", "a diffusers VAE without its folder"),
    (r"control_model\.|input_hint_block\.", "a ControlNet"),
    (r"(text_model\.)?encoder\.layers\.\d+\.self_attn", "a text encoder"),
    (rf"(emb_params|{'|'.join(ENCODER_KEYS)}|string_to_param)$", "an embedding"),
    (r"linear\.\d+\.weight$", "a hypernetwork"),
)


def recognise(state: Mapping[str, Tensor], path: Path) -> Family:
    """The family of a checkpoint with a UNet, a VAE and text encoders.

    Raises CheckpointError that names what the file looks like, or what it lacks.
    """
    families = [
        family
        for family, prefixes in TEXT_PREFIXES.items()
        if all(_has(state, prefix) for prefix in prefixes)
    ]
    missing = [name for name, prefix in (("UNet", UNET), ("VAE", VAE)) if not _has(state, prefix)]
    if not families:
        missing.append("text encoder")
    if missing:
        raise _not_whole(state, path, missing)
    return families[0]


def prediction_marker(state: Mapping[str, Tensor], path: Path) -> Prediction | None:
    """What the file itself says about its prediction type, if anything.

    Two customs: an empty tensor named `v_pred` (SDXL), and a yaml of the same name beside the
    file, with `parameterization: "v"`.
    """
    if "v_pred" in state:
        return "v_prediction"
    config = path.with_suffix(".yaml")
    if not config.is_file():
        return None
    try:
        lines = read_bytes(config, MOST_BYTES).decode("utf-8", "replace").splitlines()
    except FileError as error:
        raise CheckpointError(error.what, error.why, error.fix) from error
    marks = (re.match(r"\s*parameterization:\s*[\"']?(\w+)", line) for line in lines)
    kind = next((mark[1] for mark in marks if mark), "")
    return "v_prediction" if kind == "v" else "epsilon"


def _has(state: Mapping[str, Tensor], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in state)


def _not_whole(state: Mapping[str, Tensor], path: Path, missing: list[str]) -> CheckpointError:
    for pattern, name in _LOOKS_LIKE:
        if any(re.match(pattern, key) for key in state):
            why = f"it looks like {name}"
            break
    else:
        why = f"it has no {' and no '.join(missing)}"
    return CheckpointError(
        f"{path.name} is not a complete SD1, SD2 or SDXL checkpoint",
        why,
        "choose the file of a whole model: UNet, VAE and text encoder in one",
    )
