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
from ..errors import FileError
from ..options import SettingValues
from ..port.session import ModelFacts, PreviewRequest
from .atomic import write_bytes
from .picture_chunks import is_png, png_text
from .regular_file import open_regular

_KEYWORD = "parameters"
_MOST_BYTES = 1 << 20


def infotext(
    request: PreviewRequest, seed: int, facts: ModelFacts, ti_hashes: Mapping[str, str]
) -> str:
    """The text for one image; `ti_hashes` is embedding name → first 12 digits of SHA-256."""
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
    text.add_text(_KEYWORD, parameters)
    data = io.BytesIO()
    image.save(data, "PNG", pnginfo=text)
    write_bytes(path, data.getvalue())


def read_parameters(path: Path) -> str:
    """The text of a PNG. Raises FileError where there is none, or the file is not a whole PNG."""
    try:
        with open_regular(path) as file:
            found = png_text(file, _KEYWORD, _MOST_BYTES) if is_png(file.read(8)) else None
    except ValueError as error:
        raise FileError(f"{path.name} cannot be read", str(error)) from error
    if found is None:
        why = "it has no generation parameters in it, or is not a PNG"
        raise FileError(f"{path.name} says nothing of its making", why, "choose the original file")
    try:
        return found.decode()
    except UnicodeDecodeError:  # a tEXt chunk, which is Latin-1
        return found.decode("latin-1")


_WHOLE = {"Steps": "steps", "Seed": "seed", "Clip skip": "clip_skip"}
_FIELD = re.compile(r'\s*([\w \-/]+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')


def read_infotext(text: str) -> SettingValues:
    """The settings of `ti generate` that a text tells, A1111's own texts included; what it tells
    besides, or not as a number where one belongs, is left out."""
    *lines, last = text.strip().split("\n")
    if "Steps: " not in last:
        lines, last = [*lines, last], ""
    prompt, _, negative = "\n".join(lines).partition("Negative prompt: ")
    told = {key.strip(): value.strip('" ') for key, value in _FIELD.findall(last)}
    found: SettingValues = {"prompt": prompt.strip(), "negative_prompt": negative.strip()}
    for key, name in _WHOLE.items():
        if re.fullmatch(r"[0-9]{1,10}", told.get(key, "")):
            found[name] = int(told[key])
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", told.get("CFG scale", "")):
        found["scale"] = float(told["CFG scale"])
    if size := re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", told.get("Size", "")):
        found |= {"W": int(size[1]), "H": int(size[2])}
    if told.get("Sampler"):
        found["sampler"] = _sampler(told["Sampler"], told.get("Schedule type", ""))
    return found


def _sampler(name: str, schedule: str) -> str:
    """Since 1.9 A1111 writes the schedule beside the sampler."""
    is_apart = schedule == "Karras" and not name.endswith(schedule)
    return f"{name} {schedule}" if is_apart else name
