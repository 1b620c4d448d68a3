"""Folders of real photographs to check, and a short way to ask about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image

from ti_core.checkup.finding import Finding
from ti_core.checkup.inputs import CheckupInput
from ti_core.checkup.run import check_folder
from ti_core.data.config import DataConfig
from ti_core.options import leaves, make_config

BUNDLED = Path(skimage.__file__).parent / "data"
NAMES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
"""Every photograph that comes with scikit-image."""
SIZE = (256, 256)

Check = Callable[..., dict[str, Finding]]
Save = Callable[..., Path]


@pytest.fixture(scope="session")
def photographs() -> dict[str, Image.Image]:
    """Stem → photograph, in RGB and at its own size."""
    return {Path(name).stem: Image.open(BUNDLED / name).convert("RGB") for name in NAMES}


@pytest.fixture(scope="session")
def small(photographs: dict[str, Image.Image]) -> dict[str, Image.Image]:
    """The same, 256 pixels wide and high."""
    return {name: square(image) for name, image in photographs.items()}


def square(image: Image.Image, side: int = 256) -> Image.Image:
    """The middle of a picture."""
    short = min(image.size)
    left, top = (image.width - short) / 2, (image.height - short) / 2
    box = (left, top, left + short, top + short)
    return image.resize((side, side), Image.Resampling.LANCZOS, box=box)


def pasted(back: Image.Image, front: Image.Image, share: float, x: float, y: float) -> Image.Image:
    """`front` on `back`, `share` as wide, its middle at (x, y) of 0 to 1."""
    result, side = back.copy(), round(back.width * share)
    corner = round(x * back.width - side / 2), round(y * back.height - side / 2)
    result.paste(front.resize((side, side), Image.Resampling.LANCZOS), corner)
    return result


def noise(seed: int, side: int = 256) -> Image.Image:
    """A picture of nothing."""
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Put pictures, numbered, into the folder that `check` checks."""

    def write(*images: Image.Image, caption: str = "") -> Path:
        first = len(list(tmp_path.glob("*.png")))
        for i, image in enumerate(images, first):
            image.save(tmp_path / f"{i:02}.png", compress_level=1)
            if caption:
                (tmp_path / f"{i:02}.txt").write_text(caption.replace("#", str(i)))
        return tmp_path

    return write


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Rule → finding, for the test's folder; keywords are those of DataConfig or of Aim."""
    of_data = {path[-1] for path, _ in leaves(DataConfig)}

    def ask(**changes: Any) -> dict[str, Finding]:
        data = {key: changes.pop(key) for key in list(changes) if key in of_data}
        inputs = CheckupInput(
            make_config(DataConfig, {"train_data_dir": str(tmp_path), **data}),
            **{"name": "zz-cat", "size": SIZE, **changes},
        )
        return {finding.rule: finding for finding in check_folder(inputs).findings}

    return ask
