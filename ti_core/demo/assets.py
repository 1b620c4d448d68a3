"""Where the bundled model, images and scorer lie: in the checkout, or in the package."""

from __future__ import annotations

from pathlib import Path

from ..errors import HostError

_PLACES = (
    Path(__file__).parents[2] / "demo",
    Path(__file__).parent / "bundled",
)


def model_folder() -> Path:
    """The demo model, a diffusers folder."""
    return _find("model/model_index.json").parent


def pictures_folder(concept: str) -> Path:
    """The five training images of a held-out concept, with captions."""
    return _find(f"pictures/{concept}")


def scorer_file() -> Path:
    """The weights of the pixel scorer."""
    return _find("scorer.safetensors")


def _find(name: str) -> Path:
    for place in _PLACES:
        if (place / name).exists():
            return place / name
    raise HostError(
        f"the demo's {name} is missing", "this copy of the program is incomplete", "clone it again"
    )
