"""What makes a real Forge or Forge Neo take reduced checkpoints: they know models by their sizes.

Their numbers for SD 1.5, SD 2.1 (Forge only) and SDXL are replaced by those of `layout`; nothing
else of them is changed.
"""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.checkpoints import Family, Layout, tiny, write_single_file

_GUESSES = {"sd1": "SD15", "sd2": "SD20", "sdxl": "SDXL"}
_ENGINES = {"sd1": "sd15", "sd2": "sd20", "sdxl": "sdxl"}
_TEXT_ENGINES = ("ClassicTextProcessingEngine", "ClipEngine")
"""The second is the name since autumn 2026, in Forge Neo."""


def layout(kind: str) -> Layout:
    """Sizes of the networks of "sd1", "sd1-inpaint", "sd2-v", "sdxl-zsnr" and so on."""
    family: Family = kind.split("-")[0]  # type: ignore[assignment]
    channels = 9 if "inpaint" in kind else 4
    small = replace(tiny(family), in_channels=channels)
    if family == "sd2":  # heads are 64 wide, on every level
        return replace(small, unet_widths=(64, 128, 128))
    return replace(small, size_width=256) if family == "sdxl" else small


def write_checkpoint(path: Path, kind: str, seed: int = 0) -> Path:
    """Random weights, as Forge and `ti train` read them."""
    zero = kind.endswith("-zsnr")
    v_yaml = kind.endswith("-v")
    return write_single_file(path, layout(kind), seed=seed, v_yaml=v_yaml, v_pred=zero, ztsnr=zero)


def reduce(home: Path) -> None:
    """Change the sizes in the program's code, and in copies of its configs below `home`."""
    loader: Any = importlib.import_module("backend.loader")
    models: Any = importlib.import_module("huggingface_guess.model_list")
    configs = Path(loader.__file__).parent / "huggingface"
    for family in (family for family in _GUESSES if hasattr(models, _GUESSES[family])):
        guess = getattr(models, _GUESSES[family])
        guess.unet_config = guess.unet_config | unet_sizes(layout(family))
        copy = home / "huggingface" / guess.huggingface_repo
        shutil.copytree(configs / guess.huggingface_repo, copy, dirs_exist_ok=True)
        _edit_configs(copy, layout(family))
        name = f"backend.diffusion_engine.{_ENGINES[family]}"
        engine: Any = importlib.import_module(name)
        kind = next(kind for kind in _TEXT_ENGINES if hasattr(engine, kind))
        width = sum(layout(family).text_widths)
        setattr(engine, kind, _narrow(getattr(engine, kind), width))
    loader.dir_path = str(home)
    loader.HF = str(home / "huggingface")  # Forge Neo's


def unet_sizes(small: Layout) -> dict[str, Any]:
    """By what Forge tells one kind of checkpoint from another."""
    sizes = {"context_dim": sum(small.text_widths), "model_channels": small.unet_widths[0]}
    if small.family != "sdxl":
        return sizes
    added = small.text_widths[-1] + 6 * small.size_width
    depths = [depth for depth in small.unet_depths for _ in range(small.unet_layers)]
    return sizes | {"transformer_depth": depths, "adm_in_channels": added}


def _edit_configs(folder: Path, small: Layout) -> None:
    _edit(folder / "vae", block_out_channels=small.vae_widths, layers_per_block=small.vae_layers)
    for i, (width, layers) in enumerate(zip(small.text_widths, small.text_layers, strict=True)):
        _edit(
            folder / ("text_encoder_2" if i else "text_encoder"),
            hidden_size=width,
            projection_dim=width,
            intermediate_size=4 * width,
            num_attention_heads=max(1, width // 64),
            # SD 2's last layer is never used, and its config does not count it.
            num_hidden_layers=layers - 1 if small.family == "sd2" else layers,
        )


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _narrow(kind: Callable[..., Any], width: int) -> Callable[..., Any]:
    """Forge passes over embeddings of other widths than that."""

    def made(**options: Any) -> Any:
        return kind(**options | {"embedding_expected_shape": width})

    return made
