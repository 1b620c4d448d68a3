"""A checkpoint file → its tensors by name."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from ....errors import CheckpointError, FileError, UnsafeFileError
from ....files.advice import AGAIN
from ....files.safetensors_file import map_safetensors
from ....files.torch_pickle import read_torch_file

_PICKLES = (".ckpt", ".pt", ".pth", ".bin")


class CheckpointFile:
    """A checkpoint on the disk, whose tensors are read when they are used.

    Copy what is changed, or kept for long: the tensors are the file, in the dtype that it has.
    """

    def __init__(self, path: Path) -> None:
        """Raises:
        UnsafeFileError: a pickle that asks for code to be run, or lies about its sizes.
        CheckpointError: the file is missing, damaged, or of an unknown format.
        """
        self.path = path
        _require_content(path)
        self._found = _identity(path)
        self.tensors, self._map = _read(path)

    def forget(self) -> None:
        """Give back the memory that was taken by reading; it is read again when it is needed."""
        advice = getattr(mmap, "MADV_DONTNEED", None)  # Windows trims by itself
        if self._map is not None and advice is not None:
            self._map.madvise(advice)

    def require_unchanged(self) -> None:
        """Raise CheckpointError if the file was written to: its numbers would be others now.

        A file that was deleted or replaced is another one, and this one is still there.
        """
        try:
            now = _identity(self.path)
        except OSError:
            return
        if now[:2] == self._found[:2] and now != self._found:
            raise CheckpointError(
                f"{self.path.name} has changed since it was opened",
                "another program has written to it",
                "open the model again",
            )


def _identity(path: Path) -> tuple[int, int, int, int]:
    """Which file it is, and which content it has."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _require_content(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}", "", "check the path")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path.name} is empty", "", AGAIN)


def _read(path: Path) -> tuple[dict[str, Tensor], mmap.mmap | None]:
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    if path.suffix.lower() in _PICKLES:
        return _read_pickle(path), None
    raise CheckpointError(
        f"{path.name} cannot be opened",
        f"'{path.suffix}' is not a checkpoint format",
        "give a .safetensors or .ckpt file, or a diffusers folder",
    )


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], mmap.mmap]:
    try:
        return map_safetensors(path)
    except FileError as error:
        raise CheckpointError(error.what, error.why, error.fix) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = read_torch_file(path, map_memory=True)
    except UnsafeFileError:
        raise
    except FileError as error:
        raise CheckpointError(error.what, error.why, error.fix or AGAIN) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path.name} is not a checkpoint", "it contains no table of tensors")
    return dict(_tensors(state))


def _tensors(state: Mapping[object, object]) -> Iterator[tuple[str, Tensor]]:
    for key, value in state.items():
        if isinstance(key, str) and isinstance(value, Tensor):
            yield key, value
