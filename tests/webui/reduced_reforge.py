"""What makes a real reForge take reduced checkpoints: it knows models by their sizes.

Its numbers for SD 1.5, SD 2.1 and SDXL are replaced by those of `reduced_forge.layout`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import yaml

from tests.checkpoints import Family, Layout

from .reduced_forge import layout, unet_sizes

_MODELS: dict[Family, str] = {"sd1": "SD15", "sd2": "SD20", "sdxl": "SDXL"}
_TEXT: dict[str, tuple[Family, int]] = {
    "sd1_clip_config.json": ("sd1", 0),  # also SDXL's first
    "sd2_clip_config.json": ("sd2", 0),
    "clip_config_bigg.json": ("sdxl", 1),
}
"""Config of a text encoder → whose it is, and which of its encoders."""


def reduce() -> None:
    """Change the sizes in reForge's code."""
    known = importlib.import_module("ldm_patched.modules.supported_models")
    for family, name in _MODELS.items():
        model = getattr(known, name)
        model.unet_config = model.unet_config | unet_sizes(layout(family))
    words: Any = importlib.import_module("ldm_patched.modules.sd1_clip")
    words.CLIPTextConfig = _TextConfigs(words.CLIPTextConfig)
    networks: Any = importlib.import_module("ldm_patched.modules.sd")
    networks.AutoencoderKL = _reduced_vae(networks.AutoencoderKL)


class _TextConfigs:
    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def from_json_file(self, path: str) -> Any:
        config = self._kind.from_json_file(path)
        family, index = _TEXT[Path(path).name]
        small = layout(family)
        width, layers = small.text_widths[index], small.text_layers[index]
        config.hidden_size = config.projection_dim = width
        config.intermediate_size = 4 * width
        config.num_attention_heads = max(1, width // 64)
        config.num_hidden_layers = layers
        return config


def _reduced_vae(kind: Any) -> Any:
    small = layout("sd1")
    first = small.vae_widths[0]
    sizes = {
        "ch": first,
        "ch_mult": [width // first for width in small.vae_widths],
        "num_res_blocks": small.vae_layers,
    }

    def made(ddconfig: dict[str, Any], embed_dim: int) -> Any:
        return kind(ddconfig=ddconfig | sizes, embed_dim=embed_dim)

    return made


def write_config(checkpoint: Path, kind: str, program: Path) -> None:
    """The yaml beside a checkpoint: SDXL's first encoder is asked for a layer by its number."""
    names = {"sd1": "v1-inference", "sd1-inpaint": "v1-inpainting-inference"}
    stability = program / "repositories" / "stable-diffusion-stability-ai" / "configs"
    paths = {
        "sd2": stability / "stable-diffusion" / "v2-inference.yaml",
        "sd2-v": stability / "stable-diffusion" / "v2-inference-v.yaml",
        "sdxl": program / "repositories/generative-models/configs/inference/sd_xl_base.yaml",
    }
    path = paths.get(kind) or program / "configs" / f"{names[kind]}.yaml"
    config = yaml.safe_load(path.read_text())
    if kind == "sdxl":
        _name_layer(config["model"]["params"]["conditioner_config"]["params"], layout(kind))
    checkpoint.with_suffix(".yaml").write_text(yaml.safe_dump(config))


def _name_layer(conditioner: dict[str, Any], small: Layout) -> None:
    conditioner["emb_models"][0]["params"]["layer_idx"] = small.text_layers[0] - 1
