"""Reads what `torch.save` wrote (.pt, .bin, .ckpt) without executing it.

The pickle inside runs on `RestrictedUnpickler`, which imports nothing that the file names.
Sizes are believed only after a look at the real file: nothing is allocated that the file could
not fill, and no tensor reaches beyond its storage. Both formats of torch are read: the zip
(since 1.6) and the older row of pickles.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, Any, BinaryIO

import torch
from torch import Tensor

from ..errors import FileError, UnsafeFileError
from .advice import AGAIN, UNSAFE
from .numpy_pickle import swapped
from .pickle_reader import BrokenPickleError
from .regular_file import open_regular
from .restricted_unpickler import RestrictedUnpickler, Storages
from .zip_directory import ZIP_START, Member, data_start, not_torch, read_directory

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MOST_PICKLE_BYTES = 32 * 2**20
"""No honest `data.pkl` comes near: tensors lie outside of it."""
_LONGEST_NOTE = 16
_MOST_TENSOR_BYTES = 64 * 2**20
"""Of an embedding: 1024 vectors for SDXL in fp64 are 17 MB."""
_BUDGET, _CHECKPOINT_BUDGET = 64 * 2**20, 256 * 2**20
"""For the pickle, in the units of `PickleMachine`: that of a LoRA takes some 10 million, that of a
checkpoint with its optimizer some 50 million."""


def read_torch_file(path: Path, *, map_memory: bool = False) -> object:
    """What is in a file; see `read_torch`. Raises FileError for all but regular files, too."""
    with open_regular(path) as file:
        return read_torch(file, path, map_memory=map_memory)


def read_torch(file: BinaryIO, path: Path, *, map_memory: bool = False) -> object:
    """The object that was saved: nested dicts and lists of tensors and plain values.

    The file is read from its beginning, wherever it stands; `path` is its name in errors.
    Of each storage only the bytes that tensors span are read, 64 MB at most. With `map_memory`,
    for checkpoints, there is no such limit: the tensors of a zip are in the file (private copy on
    write) and only what is touched costs memory.

    Raises:
        UnsafeFileError: the file asks for code to be run, lies about its sizes, or would take
            more memory than any model or embedding.
        FileError: it is damaged, too large, or no torch file.
    """
    try:
        file.seek(0)
        return _read(file, path, map_memory)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {path.name}", str(error)) from error
    except Exception as error:  # a broken pickle can fail in any way
        known = isinstance(error, (BrokenPickleError, EOFError))
        why = str(error) if known else "its contents make no sense"
        raise FileError(f"{path.name} is damaged or not a torch file", why) from error


def _read(file: BinaryIO, path: Path, map_memory: bool) -> object:
    if file.read(4) == ZIP_START:
        return _read_zip(file, path, map_memory)
    file.seek(0)
    return _read_legacy(file, path, map_memory)


def _unpickler(
    file: IO[bytes], storages: Storages, path: Path, checkpoint: bool
) -> RestrictedUnpickler:
    budget = _CHECKPOINT_BUDGET if checkpoint else _BUDGET
    return RestrictedUnpickler(file, storages, path, budget)


class _Parts:
    """Memory for the parts of storages that tensors span, filled when all of them are known.

    Of a checkpoint a part is a whole storage, which its tensors share.
    """

    def __init__(self, path: Path, size: int, swaps: bool, whole: bool) -> None:
        self._path, self.swaps, self._whole = path, swaps, whole
        self._left = size if whole else _MOST_TENSOR_BYTES
        self._parts: dict[tuple[str, int, int, int], Tensor] = {}

    def size(self, key: str, claimed: int) -> int:
        """Bytes in storage `key`, `claimed` at least."""
        raise NotImplementedError

    def part(self, key: str, start: int, length: int, width: int) -> torch.UntypedStorage:
        """Memory for `length` bytes of storage `key` from `start` on; see `Storages`."""
        if length == 0:
            return torch.empty(0, dtype=torch.uint8).untyped_storage()
        if not self._whole:
            return self._part(key, start, length, width).untyped_storage()
        whole = self._part(key, 0, self.size(key, 0), width).untyped_storage()
        return whole[start : start + length]

    def _part(self, key: str, start: int, length: int, width: int) -> Tensor:
        part = (key, start, length, width)
        if part not in self._parts:
            self._left -= length
            if self._left < 0:
                raise self._too_large()
            self._parts[part] = torch.empty(length, dtype=torch.uint8)
        return self._parts[part]

    def fill(self, file: BinaryIO, start_of: Callable[[str], int]) -> None:
        """Read every part; `start_of` says where in the file a storage begins."""
        for (key, start, length, width), content in self._parts.items():
            file.seek(start_of(key) + start)
            if file.readinto(content.numpy()) != length:  # type: ignore[attr-defined]
                why = f"storage {key!r} is incomplete"
                raise FileError(f"{self._path.name} is cut off", why, AGAIN)
            if self.swaps:
                content.copy_(swapped(content, width))

    def _too_large(self) -> FileError:
        if self._whole:
            return _refused(self._path, "its tensors claim more bytes than the file has")
        why = (
            f"its tensors have more than {_MOST_TENSOR_BYTES >> 20} MB, like a checkpoint or a LoRA"
        )
        return FileError(f"{self._path.name} is too large", why, "give an embedding file")


def _refused(path: Path, why: str) -> UnsafeFileError:
    return UnsafeFileError(f"{path.name} was rejected", why, UNSAFE)


# --- the zip format ---------------------------------------------------------------------------


def _read_zip(file: BinaryIO, path: Path, map_memory: bool) -> object:
    members = read_directory(file, path, "/data.pkl")
    pickle_name = next((name for name in members if name.endswith("/data.pkl")), None)
    if pickle_name is None:
        raise not_torch(path)
    folder = pickle_name.removesuffix("data.pkl")
    members = {n.removeprefix(folder): m for n, m in members.items() if n.startswith(folder)}
    if "constants.pkl" in members:
        raise FileError(f"{path.name} is a TorchScript program, not a file of tensors")
    storages = _ZipStorages(file, path, members, map_memory)
    code = BytesIO(_member(file, path, members["data.pkl"], _MOST_PICKLE_BYTES))
    result = _unpickler(code, storages, path, map_memory).load()
    storages.fill(file, storages.start)
    return result


def _member(file: BinaryIO, path: Path, member: Member, most: int) -> bytes:
    """The bytes of one of the smaller members."""
    if member.size > most:
        raise _refused(path, f"its {member.name[-80:]!r} is too large")
    file.seek(data_start(file, member, path))
    return file.read(member.size)


class _ZipStorages(_Parts):
    def __init__(
        self, file: BinaryIO, path: Path, members: dict[str, Member], map_memory: bool
    ) -> None:
        self._file, self._members = file, members
        super().__init__(path, _size(file), self._is_big_endian(path), map_memory)
        self._map: mmap.mmap | None = None
        if map_memory and not self.swaps:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._starts: dict[str, int] = {}

    def _is_big_endian(self, path: Path) -> bool:
        """torch notes the order of bytes since 2.1; before, it was that of every machine."""
        note = self._members.get("byteorder")
        order = b"little" if note is None else _member(self._file, path, note, _LONGEST_NOTE)
        if order not in (b"little", b"big"):
            raise FileError(f"{path.name} is damaged", "its byte order is unknown", AGAIN)
        return order == b"big"

    def size(self, key: str, claimed: int) -> int:
        if f"data/{key}" not in self._members:
            raise FileError(f"{self._path.name} is damaged", f"storage {key!r} is missing", AGAIN)
        size = self._members[f"data/{key}"].size
        if claimed > size:
            raise _refused(self._path, f"storage {key!r} claims {claimed} bytes and has {size}")
        return size

    def start(self, key: str) -> int:
        """Where a storage begins in the file."""
        if key not in self._starts:
            member = self._members[f"data/{key}"]
            self._starts[key] = data_start(self._file, member, self._path)
        return self._starts[key]

    def part(self, key: str, start: int, length: int, width: int) -> torch.UntypedStorage:
        if self._map is None or not length:
            return super().part(key, start, length, width)
        content = memoryview(self._map)[self.start(key) + start :][:length]
        return torch.frombuffer(content, dtype=torch.uint8).untyped_storage()


# --- the format before torch 1.6 --------------------------------------------------------------


def _read_legacy(file: BinaryIO, path: Path, checkpoint: bool) -> object:
    """Five pickles in a row (magic, protocol, system, object, storage keys), then raw numbers.

    Those are little-endian on every machine, whatever is noted about the system.
    """
    storages = _LegacyStorages(path, _size(file), checkpoint)
    unpickler = _unpickler(file, storages, path, checkpoint)
    if unpickler.load() != _LEGACY_MAGIC or unpickler.load() != _LEGACY_PROTOCOL:
        raise FileError(f"{path.name} is not a torch file", "it is some other pickle")
    unpickler.load()
    result = unpickler.load()
    storages.fill(file, storages.starts(file, unpickler.load()).__getitem__)
    return result


class _LegacyStorages(_Parts):
    """Those that follow the pickles; how large they are is only claimed."""

    def __init__(self, path: Path, size: int, checkpoint: bool) -> None:
        super().__init__(path, size, False, checkpoint)
        self._room = size
        self._sizes: dict[str, int] = {}

    def size(self, key: str, claimed: int) -> int:
        if key not in self._sizes:
            self._room -= claimed
            if self._room < 0:
                raise _refused(self._path, "its tensors claim more bytes than the file has")
            self._sizes[key] = claimed
        if claimed > self._sizes[key]:
            raise _refused(self._path, f"storage {key!r} is given two sizes")
        return self._sizes[key]

    def starts(self, file: BinaryIO, keys: Any) -> dict[str, int]:
        """Where each storage begins; before it stands how many numbers it has."""
        known = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not known or len(keys) != len(self._sizes) or set(keys) != set(self._sizes):
            why = "its list of storages does not fit"
            raise FileError(f"{self._path.name} is damaged", why, AGAIN)
        starts = {}
        for key in keys:
            size, noted = self._sizes[key], file.read(8)
            count = int.from_bytes(noted, "little")
            if len(noted) != 8 or count > size or (count == 0) != (size == 0):
                why = f"storage {key!r} does not fit"
                raise FileError(f"{self._path.name} is damaged", why, AGAIN)
            starts[key] = file.tell()
            file.seek(size, os.SEEK_CUR)
        if file.tell() > _size(file):
            why = "its last storages are incomplete"
            raise FileError(f"{self._path.name} is cut off", why, AGAIN)
        return starts


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
