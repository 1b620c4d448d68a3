"""Pictures: found, opened without trust, turned upright, and cut to the training size."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..errors import DataError
from ..hosts.port import PictureSize

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jxl")
"""File endings that are tried as pictures; A1111 tries every file."""
MOST_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded."""


@dataclass(frozen=True)
class Cut:
    """A picture at training size."""

    pixels: Tensor
    """(3, H, W) fp32 in [-1, 1]"""
    size: PictureSize


def list_images(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by name.

    Raises DataError when there is no such folder or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "", "check --train_data_dir")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
    if not found:
        raise DataError(
            f"{folder} holds no pictures", "", f"put some there ({', '.join(ENDINGS[:4])}…)"
        )
    return found


def open_image(path: Path) -> Image.Image:
    """A picture as RGB, upright by its EXIF tag, transparent parts on white.

    Raises DataError for anything that is not a whole picture of sensible size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                _check_size(path, image)
                image.load()
                return _flattened(ImageOps.exif_transpose(image))
    except DataError:
        raise
    except Exception as error:  # Pillow can fail in any way on a damaged file
        raise DataError(f"{path.name} is skipped", f"it cannot be read ({error})") from error


def _check_size(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise DataError(
            f"{path.name} is skipped", f"it has {image.width}x{image.height} pixels", "shrink it"
        )


def _flattened(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _eight_bit(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Pillow clips deeper grey pictures instead of scaling them."""
    values = np.asarray(image, dtype=np.float64)
    scale = 257.0 if values.max(initial=0) > 255 else 1.0
    return Image.fromarray(np.clip(values / scale, 0, 255).astype(np.uint8))


def cut(image: Image.Image, width: int, height: int, mode: str = "cover") -> Cut:
    """Bring an RGB picture to the training size.

    "cover" scales and crops the centre (A1111's preprocessing), "stretch" distorts (A1111's
    training), "pad" adds a border of the picture's mean colour.
    """
    size = (image.height, image.width)
    if mode == "stretch":
        placed, corner = image.resize((width, height), Image.Resampling.BICUBIC), (0, 0)
    elif mode == "pad":
        placed, corner = _padded(image, width, height), (0, 0)
    else:
        placed, corner = _covered(image, width, height)
    return Cut(to_tensor(placed), PictureSize(size, corner, (height, width)))


def _covered(image: Image.Image, width: int, height: int) -> tuple[Image.Image, tuple[int, int]]:
    """Only the part that stays is resized: a very thin picture would fill the memory."""
    scale = max(width / image.width, height / image.height)
    kept = min(image.width, width / scale), min(image.height, height / scale)
    left, top = (image.width - kept[0]) / 2, (image.height - kept[1]) / 2
    box = (left, top, left + kept[0], top + kept[1])
    placed = image.resize((width, height), Image.Resampling.LANCZOS, box=box)
    return placed, (round(top * scale), round(left * scale))


def _padded(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(size, Image.Resampling.LANCZOS)
    mean = np.asarray(small).reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
    canvas = Image.new("RGB", (width, height), tuple(mean))
    canvas.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return canvas


def to_tensor(image: Image.Image) -> Tensor:
    """RGB picture → (3, H, W) fp32 in [-1, 1]."""
    values = np.array(image, dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(values).permute(2, 0, 1).contiguous()


def to_image(pixels: Tensor) -> Image.Image:
    """(3, H, W) in [-1, 1] (values outside are clipped) → RGB picture."""
    values = ((pixels.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round()
    return Image.fromarray(values.to(torch.uint8).permute(1, 2, 0).numpy())
