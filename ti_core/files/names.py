"""Names of embeddings: file stem and trigger in one.

Letters and digits of every script are kept by A1111 and Forge (`str.isalnum`), and by ComfyUI's
lookup, which compares the bytes of a file's name. So new names are in Unicode's composed form
(NFC), which keyboards and tokenizers use; macOS spells file names decomposed.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from ..errors import ConfigError, setting

_SIGNS = "._- "
_LETTERS = 100
_BYTES = 200
"""A file system has room for 255, which must do for `-000500.preview.png` as well."""
_DEFAULT = "mycat"
_HALVES = re.compile(r"(.+?)(_2)?(-steps-\d+)?", re.DOTALL)
"""Stems of the two files of an SDXL embedding in diffusers' scripts."""


def composed(name: str) -> str:
    """The name in the form in which new files are called: é as one character."""
    return unicodedata.normalize("NFC", name)


def printable(text: str) -> str:
    """Without halves of letters (lone surrogates), which no terminal and no file takes."""
    return text.encode("utf-8", "replace").decode()


def alike(name: str) -> str:
    """What is the same for all spellings that mean one word to a model: its tokenizer composes
    letters and makes them small."""
    return composed(composed(name).lower())


def checked_name(name: str) -> str:
    """The name, composed, if it can be a file stem and a trigger everywhere.

    Raises ConfigError for an empty name, one with path parts, one with characters that A1111
    would drop, and names that loaders treat specially.
    """
    if not name.strip():
        raise ConfigError("the embedding has no name", "", f"give {setting('token_string')}")
    if re.search(r"[/\\]", name) or name.strip(".") == "":
        raise ConfigError(
            f"the name {name!r} has path parts", "", "give a plain name, and a folder separately"
        )
    fault = _fault(composed(name))
    if fault:
        raise ConfigError(f"the name {name!r} {fault}", "", f"call it {fitting_name(name)!r}")
    return composed(name)


def fitting_name(name: str) -> str:
    """A name as near to this one as possible that `checked_name` accepts."""
    kept = re.sub(r"\.(?=preview)", "-", _kept(composed(name), ""), flags=re.IGNORECASE)
    kept = re.sub(" +", " ", kept).strip(_SIGNS)
    return _shortened(f"my-{kept}" if is_device(kept) else kept).rstrip(". ") or _DEFAULT


def prompt_name(name: str) -> str:
    """The name as ComfyUI reads it behind `embedding:`, up to the first space or bracket; every
    other sign becomes "_"."""
    return _kept(composed(name), "_").replace(" ", "_")


def is_device(name: str) -> bool:
    """Whether Windows takes a file's name for a device, whatever folder it is in."""
    device = r"(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³]) *([.:].*)?"
    return bool(re.fullmatch(device, name, re.IGNORECASE | re.DOTALL))


def _fault(name: str) -> str:
    """What is wrong with a composed name; "" for nothing."""
    if _kept(name, "") != name:
        return "has other characters than letters, digits, '.', '_', '-' and spaces"
    if name != name.strip() or name[0] == ".":
        return "begins or ends with a space or a dot"
    if name.endswith(".") or is_device(name):
        return "is not a file name on Windows"
    if ".preview" in name.lower():
        return "would be taken for a preview image"
    if len(name) > _LETTERS or len(name.encode()) > _BYTES:
        return f"is longer than {_LETTERS} characters, or than {_BYTES} bytes in UTF-8"
    return ""


def _kept(name: str, instead: str) -> str:
    """The name with `instead` in place of what cannot be in one. Accents and vowel signs that do
    not compose belong to the letter before them."""
    letters: list[str] = []
    for sign in name:
        mark = unicodedata.category(sign)[0] == "M" and letters and letters[-1] not in _SIGNS
        letters.append(sign if sign.isalnum() or sign in _SIGNS or mark else instead)
    return "".join(letters)


def _shortened(name: str) -> str:
    return name[:_LETTERS].encode()[:_BYTES].decode(errors="ignore")


def sibling_path(path: Path) -> Path | None:
    """How diffusers' `textual_inversion_sdxl.py` calls the other half of an SDXL embedding:
    "learned_embeds" and "learned_embeds_2", each with "-steps-500" at the end or without."""
    parts = _HALVES.fullmatch(path.stem)
    if parts is None:
        return None
    stem = f"{parts[1]}{'' if parts[2] else '_2'}{parts[3] or ''}"
    return path.with_name(stem + path.suffix)


def is_second(path: Path) -> bool:
    """Whether it is called as the second half."""
    parts = _HALVES.fullmatch(path.stem)
    return parts is not None and bool(parts[2])
