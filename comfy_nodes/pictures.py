"""ComfyUI's images and ours."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import folder_paths
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..ti_core.errors import DataError
from ..ti_core.files.atomic import write_bytes
from .places import temp_dir


def from_comfy(images: Tensor) -> list[Image.Image]:
    """IMAGE, (B, H, W, C) in 0…1, → RGB images. Raises DataError for NaN and odd shapes."""
    if images.dim() != 4 or images.shape[-1] not in (1, 3, 4) or 0 in images.shape:
        shape = " × ".join(map(str, images.shape))
        why, fix = f"its shape is {shape}", "connect an image output"
        raise DataError("the IMAGE input is not an image", why, fix)
    if not torch.isfinite(images).all():
        raise DataError(
            "the IMAGE input contains numbers that are not finite",
            "a model before it failed",
            "look at the images; another VAE, or --fp32-vae, may help",
        )
    values = (images.detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return [
        Image.fromarray(v.squeeze(-1) if v.shape[-1] == 1 else v).convert("RGB") for v in values
    ]


def to_comfy(pictures: Sequence[Image.Image]) -> Tensor:
    """RGB images of one size → IMAGE."""
    values = [np.asarray(picture.convert("RGB"), dtype=np.float32) / 255 for picture in pictures]
    return torch.from_numpy(np.stack(values))


def png(picture: Image.Image) -> bytes:
    """An image as a PNG file without any metadata."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def temp_images(pictures: Sequence[Image.Image]) -> list[dict[str, str]]:
    """Images as the front end wants them, from temporary files."""
    found = []
    for picture in pictures:
        data = png(picture)
        path = temp_dir() / f"{hashlib.sha256(data).hexdigest()[:20]}.png"
        if not path.exists():
            write_bytes(path, data)
        found.append(_entry(path, Path(folder_paths.get_temp_directory()), "temp"))
    return found


def output_images(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Images that are in the output folder already."""
    return [_entry(path, Path(folder_paths.get_output_directory()), "output") for path in paths]


def _entry(path: Path, root: Path, kind: str) -> dict[str, str]:
    folder = path.parent.relative_to(root).as_posix()
    return {"filename": path.name, "subfolder": "" if folder == "." else folder, "type": kind}
