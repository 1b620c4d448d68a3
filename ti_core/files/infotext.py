"""Generation parameters as A1111 writes them into a PNG's "parameters" text chunk."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .. import __version__
from ..port.session import ModelFacts, PreviewRequest
from .atomic import write_bytes


def infotext(
    request: PreviewRequest, seed: int, facts: ModelFacts, ti_hashes: Mapping[str, str]
) -> str:
    """The text for one picture; `ti_hashes` is embedding name → first 12 digits of SHA-256."""
    fields: dict[str, object] = {
        "Steps": request.steps,
        "Sampler": request.sampler,
        "CFG scale": request.cfg_scale,
        "Seed": seed,
        "Size": f"{request.width}x{request.height}",
        "Model hash": facts.checkpoint_hash,
        "Model": facts.checkpoint_name,
        "Clip skip": request.text.clip_skip if request.text.clip_skip > 1 else "",
        "TI hashes": ", ".join(f"{name}: {digits}" for name, digits in ti_hashes.items()),
        "Version": f"textual-inversion-studio {__version__}",
    }
    last = ", ".join(f"{key}: {_quoted(value)}" for key, value in fields.items() if value != "")
    negative = f"\nNegative prompt: {request.negative_prompt}" if request.negative_prompt else ""
    return f"{request.prompt}{negative}\n{last}"


def _quoted(value: object) -> str:
    """A1111 quotes what holds a sign that its reader cuts at."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text


def save_png(path: Path, image: Image.Image, parameters: str) -> None:
    """Write a PNG with its parameters, atomically. Raises StorageError."""
    text = PngInfo()
    text.add_text("parameters", parameters)
    data = io.BytesIO()
    image.save(data, "PNG", pnginfo=text)
    write_bytes(path, data.getvalue())
