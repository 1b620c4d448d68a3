"""What a prompt must say for ComfyUI to find an embedding file: `embedding:` and its own lookup."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from ..ti_core.families import ENCODER_KEYS, OTHER_KEYS

IDENTIFIER = "embedding:"
_TRIED = (".safetensors", ".pt", ".bin")
"""The endings that ComfyUI tries, in this order, for a name that is not a file; lower case only."""
_CUT = " \t\n\r\v\f<["
"""Where a name ends: at white space, since 0.28 also at these brackets."""
_WITHOUT_EMPHASIS = frozenset(
    {"mistral3_24b", "qwen3_4b", "qwen3_8b", "qwen3_06b", "qwen3vl_4b", "qwen3vl_8b"}
)
_TAKING = frozenset({*ENCODER_KEYS, "emb_params", "t5xxl", "llama", *_WITHOUT_EMPHASIS})
"""Text encoders whose tokenizer looks `embedding:` up, by their keys in files; some of them take
`(x:1.2)` for plain text. As ComfyUI 0.33 has them in `comfy/text_encoders`."""


def takes_embeddings(keys: Iterable[str]) -> bool:
    """Whether ComfyUI looks embeddings with these tables up for any model."""
    return bool(set(keys) - (set(OTHER_KEYS) - _TAKING))


def heeds_emphasis(keys: Iterable[str]) -> bool:
    """Whether `(embedding:x:1.2)` is stronger than `embedding:x` there."""
    return not set(keys) <= _WITHOUT_EMPHASIS


def name_in_prompts(path: Path, roots: Sequence[Path]) -> str | None:
    """What stands behind `embedding:` for this file; None when no prompt reaches it.

    The shortest of its names by which ComfyUI finds this file and never another one. It looks into
    the `roots` and all folders below them, in no order; takes the first that has the name itself,
    or the name with one of three endings; and cannot read images.
    """
    return Lookup(roots).name_of(path)


class Lookup:
    """ComfyUI's way to files, as the folders are now: made once for many names."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = roots
        walked = [found for root in roots for found in os.walk(root, followlinks=True)]
        self._folders = [Path(folder) for folder, _, _ in walked]
        self._files = {
            _spelled(os.path.join(at, name)) for at, _, names in walked for name in names
        }

    def name_of(self, path: Path) -> str | None:
        """See `name_in_prompts`."""
        if path.suffix.lower() not in _TRIED:
            return None
        for name in _names(path, self.roots):
            found = list(self._found(name)) if _is_read_whole(name) else []
            if found and all(each.samefile(path) for each in found):
                return name.replace("(", "\\(").replace(")", "\\)")
        return None

    def _found(self, name: str) -> Iterator[Path]:
        """The file that each folder would give."""
        for folder in self._folders:
            tried = (folder / f"{name}{ending}" for ending in ("", *_TRIED))
            known = (path for path in tried if _spelled(str(path)) in self._files)
            yield from [path for path in known if path.is_file()][:1]


def _spelled(path: str) -> str:
    """The same for all spellings that a disk may take for one name."""
    return normalize("NFC", path).casefold()


def _names(path: Path, roots: Sequence[Path]) -> Iterator[str]:
    """With its folder and without, first without the ending."""
    places = [path.relative_to(root) for root in roots if path.is_relative_to(root)]
    for full in (*places, Path(path.name)):
        yield full.with_suffix("").as_posix()
        yield full.as_posix()


def _is_read_whole(name: str) -> bool:
    """Commas at the ends are not part of a name, and a backslash would escape a bracket."""
    return not set(name) & set(_CUT) and name == name.strip(",") and "\\" not in name
