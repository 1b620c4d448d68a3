"""Cards: images that carry an embedding, as A1111 writes them (PNG) and reads them (also lossless
WebP, AVIF and JPEG XL).

The same dictionary is there twice: as base64 of JSON in the PNG's text `sd-ti-embedding`, and in
the image's margins (`card_pixels`), which stay when a program drops the text. Tensors are
nested lists under the key TORCHTENSOR. JSON keeps every digit of an fp32 number, so that nothing
is lost either way.

A1111 asks for a dictionary of `clip_l` and `clip_g` and nothing else from an SDXL card, but never
looks at what stands beside TORCHTENSOR. There name, step and checkpoint of such a card are kept.
"""

from __future__ import annotations

import base64
import io
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..errors import EmbeddingError
from .card_drawing import captioned
from .card_pixels import hidden_in, with_margins
from .dictionaries import a1111, a1111_fields, checked_rows
from .embedding import Embedding
from .inflate import inflated
from .picture_chunks import PNG_SIGNATURE, bare_picture, is_png, other_format, png_text
from .picture_plugins import PACKAGES, is_known

KEYWORD = "sd-ti-embedding"
TENSOR = "TORCHTENSOR"
"""The key of a table's numbers."""
_MOST_FILE_BYTES = 64 * 2**20
_MOST_PIXELS = 8_000_000
"""Some 200 MB of memory; a card of 75 SDXL vectors around an image of 1024 pixels has 3."""
_MOST_JSON_BYTES = 24 * 2**20
_MOST_NUMBERS = 1_000_000
"""Of 488 vectors for SDXL; each is some 40 bytes in Python's lists and 25 in JSON at most."""
_MOST_COMMAS = _MOST_NUMBERS + 10_000
_MOST_BRACKETS = 20_000
_MOST_QUOTES = 50_000
"""Of names and notes; each text is some 200 bytes in Python's dictionaries."""
_MOST_SHADES = 1024
_LONGEST_REASON = 200
_LARGEST_WEBP = 16_383

Picture = Image.Image


# --- read -------------------------------------------------------------------------------------


def read_card(file: BinaryIO, path: Path) -> dict[str, object]:
    """The dictionary in a card: A1111's ("string_to_param": {word: tensor}, "name", "step",
    "sd_checkpoint", "sd_checkpoint_name"), or with "clip_l" and "clip_g"; ours has "metadata"
    too. Tensors are fp32 on the CPU. The file is read from its beginning, wherever it stands;
    `path` is its name in errors.

    The text comes first, as in A1111; the margins are looked at when there is none. What is in
    the dictionary is as trustworthy as the file: only its size has been checked.

    Raises EmbeddingError when the image is damaged, too large, or carries no embedding.
    """
    try:
        return _dictionary(_json(file))
    except (ValueError, OverflowError, RecursionError) as error:
        raise EmbeddingError(
            f"{path} contains no embedding that can be read",
            str(error)[:_LONGEST_REASON],
            "a card must not have been cut, resized or saved as JPEG",
        ) from error


def _json(file: BinaryIO) -> bytes:
    if file.seek(0, os.SEEK_END) > _MOST_FILE_BYTES:
        raise ValueError(
            f"a card of more than {_MOST_FILE_BYTES >> 20} MB was not written by this program"
        )
    text = card_text(file)
    if text is not None:
        return text
    payload = hidden_in(_pixels(file))
    if payload is None or payload[:1] != b"\x78":
        raise ValueError("there is no embedding in this image")
    return inflated(payload, _MOST_JSON_BYTES)


def card_text(file: BinaryIO) -> bytes | None:
    """The JSON in a card's text; None where it has only the margins. Raises ValueError."""
    file.seek(0)
    png = is_png(file.read(len(PNG_SIGNATURE)))
    text = png_text(file, KEYWORD, _MOST_JSON_BYTES * 4 // 3 + 4) if png else None
    return None if text is None else base64.b64decode(text)


def _pixels(file: BinaryIO) -> NDArray[np.uint8]:
    """(height, width, 3) of an image whose size is bearable."""
    name = other_format(file)
    if name and not is_known(name):
        raise ValueError(f"Pillow cannot read {name} here; install {PACKAGES[name]}")
    bare = file if name else bare_picture(file, _MOST_PIXELS)
    file.seek(0)
    try:
        with Image.open(bare, formats=[name] if name else ["PNG", "WEBP"]) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise ValueError("it is too large to be searched")
            if picture.mode not in ("RGB", "RGBA"):
                raise ValueError("there is no embedding in this image")
            return np.asarray(picture)[:, :, :3]
    except ValueError:
        raise
    except Exception as error:  # a broken picture can fail in any way
        raise ValueError(f"the image is damaged ({error})") from error


def _dictionary(text: bytes) -> dict[str, object]:
    """The JSON, with tensors; its parts are counted before Python makes objects of them."""
    if len(text) > _MOST_JSON_BYTES or text.count(b",") > _MOST_COMMAS:
        raise ValueError("it contains more numbers than any embedding")
    wide = not text.isascii() and 4 * len(text) > _MOST_JSON_BYTES
    brackets, quotes = text.count(b"[") + text.count(b"{"), text.count(b'"')
    if wide or brackets > _MOST_BRACKETS or quotes > _MOST_QUOTES:
        raise ValueError("its data does not have the layout of an embedding")
    beside: dict[str, object] = {}

    def tensors(found: dict[str, object]) -> object:
        if TENSOR not in found:
            return found
        numbers = np.array(found.pop(TENSOR), dtype=np.float64)
        beside.update(found)
        return _Table(torch.from_numpy(numbers).float())

    try:
        data = json.loads(text.decode(), object_hook=tensors, parse_int=_whole)
    except TypeError as error:
        raise ValueError("its data is damaged") from error
    if not isinstance(data, dict):
        raise ValueError("its data does not have the layout of an embedding")
    return {key: _unwrapped(value) for key, value in {**beside, **data}.items()}


@dataclass(frozen=True)
class _Table:
    """A tensor while JSON is read: numpy would take a bare one inside of lists for numbers."""

    rows: Tensor


def _unwrapped(value: object) -> object:
    """Tensors stand at the top of the dictionary or one level below."""
    if isinstance(value, dict):
        return {key: getattr(item, "rows", item) for key, item in value.items()}
    return getattr(value, "rows", value)


def _whole(digits: str) -> int | float:
    """A whole number; thousands of digits would keep Python busy."""
    return int(digits) if len(digits) < 40 else float(digits)


# --- write ------------------------------------------------------------------------------------


def card_bytes(embedding: Embedding, picture: Picture, ending: str = ".png") -> bytes:
    """A card as a PNG, or as a lossless WebP (`ending` ".webp"), which has the margins only.

    Equal input gives equal bytes with one version of Pillow. Raises EmbeddingError for vectors
    that are not finite, and for more of them than a card can hold.
    """
    rows = list(checked_rows(embedding).values())
    if sum(table.numel() for table in rows) > _MOST_NUMBERS:
        what = f"{embedding.name} has too many vectors for a card"
        raise EmbeddingError(what, "", "save it as .safetensors")
    text = json.dumps(_content(embedding), default=_nested).encode()
    picture = captioned(picture, *_captions(embedding))
    card = with_margins(picture, zlib.compress(text, 9), _shades(rows[0][0]))
    return _as_webp(card) if ending.lower() == ".webp" else _as_png(card, text)


def _content(embedding: Embedding) -> dict[str, object]:
    more = {**a1111_fields(embedding), "metadata": embedding.metadata}
    data = a1111(embedding)
    if "string_to_param" in data:
        return {**data, **more}
    (first, table), *others = data.items()
    return {first: {**_nested(table), **more}, **dict(others)}


def _nested(table: Any) -> dict[str, object]:
    return {TENSOR: table.tolist()}


def _captions(embedding: Embedding) -> tuple[str, str, str, str]:
    """Title, and the footer's left, middle and right, worded as A1111 does."""
    fields = a1111_fields(embedding)
    checkpoint = str(fields["sd_checkpoint_name"] or "")
    digits = f"[{fields['sd_checkpoint']}]" if fields["sd_checkpoint"] else ""
    steps = f"{embedding.count}v {embedding.step}s"
    return f"<{embedding.name}>", checkpoint, digits, steps


def _shades(vector: Tensor) -> NDArray[np.uint8]:
    """A1111 paints the first vector's sizes into the margins."""
    sizes = vector[:_MOST_SHADES].double().abs().numpy()
    return np.asarray(sizes / (sizes.max() or 1.0) * 255).astype(np.uint8)


def _as_png(card: Picture, text: bytes) -> bytes:
    out, chunks = io.BytesIO(), PngInfo()
    chunks.add_text(KEYWORD, base64.b64encode(text).decode())
    card.save(out, "PNG", pnginfo=chunks)
    return out.getvalue()


def _as_webp(card: Picture) -> bytes:
    if max(card.size) > _LARGEST_WEBP:
        raise EmbeddingError(f"a card of {card.width} pixels is too wide for WebP", "", "write PNG")
    out = io.BytesIO()
    card.save(out, "WEBP", lossless=True)
    return out.getvalue()
