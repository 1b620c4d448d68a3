"""Reads what `torch.save` wrote (.pt, .bin, .ckpt) without executing it.

The pickle inside runs on `RestrictedUnpickler`, which imports nothing that the file names.
Sizes are believed only after a look at the real file: nothing is allocated that the file could
not fill, and no tensor reaches beyond its storage. Both formats of torch are read: the zip
(since 1.6) and the older row of pickles.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch

from ..errors import FileError, UnsafeFileError
from .restricted_unpickler import RestrictedUnpickler

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MAX_PICKLE_BYTES = 256 * 2**20
"""No honest `data.pkl` comes near: tensors lie outside of it."""


def read_torch_file(path: Path, *, map_memory: bool = False) -> object:
    """The object that was saved: nested dicts and lists of tensors and plain values.

    With `map_memory` the tensors of a zip lie in the file (private copy on write) and only what
    is touched costs memory; meant for checkpoints, which are larger than what is used of them.

    Raises:
        UnsafeFileError: the file asks for code to be run, or lies about its sizes.
        FileError: it is damaged or no torch file.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path, map_memory)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {path.name}", str(error)) from error
    except Exception as error:  # a broken pickle can fail in any way
        why = f"{type(error).__name__}: {error}"
        raise FileError(f"{path.name} is damaged or no torch file", why) from error


def _read(file: IO[bytes], path: Path, map_memory: bool) -> object:
    if zipfile.is_zipfile(file):
        return _read_zip(file, path, map_memory)
    file.seek(0)
    return _read_legacy(file, path)


# --- the zip format ---------------------------------------------------------------------------


def _read_zip(file: IO[bytes], path: Path, map_memory: bool) -> object:
    size = path.stat().st_size
    with zipfile.ZipFile(file) as archive:
        members = _checked_members(archive, path, size)
    pickle_name = next((name for name in members if name.endswith("/data.pkl")), None)
    if pickle_name is None:
        raise FileError(f"{path.name} is no torch file", "the zip has no data.pkl")
    folder = pickle_name.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in members:
        raise FileError(f"{path.name} is a TorchScript program, not a file of tensors")
    storages = _ZipStorages(file, path, members, folder, map_memory)
    storages.check_byte_order()
    info = members[pickle_name]
    if info.file_size > _MAX_PICKLE_BYTES:
        raise UnsafeFileError(f"{path.name} was refused", "its pickle is absurdly large")
    return RestrictedUnpickler(BytesIO(bytes(storages.member(pickle_name))), storages, path).load()


def _checked_members(archive: zipfile.ZipFile, path: Path, size: int) -> dict[str, zipfile.ZipInfo]:
    """Members by name; torch stores without compression, so every byte must be in the file."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        lies = (
            info.compress_type != zipfile.ZIP_STORED
            or info.file_size != info.compress_size
            or info.header_offset + info.file_size > size
            or info.flag_bits & 1  # encrypted
            or info.filename in members
        )
        if lies:
            why = f"member '{info.filename}' is compressed, doubled, or larger than the file"
            raise UnsafeFileError(f"{path.name} was refused", why, "torch writes no such files")
        members[info.filename] = info
    return members


class _ZipStorages:
    def __init__(
        self,
        file: IO[bytes],
        path: Path,
        members: dict[str, zipfile.ZipInfo],
        folder: str,
        map_memory: bool,
    ) -> None:
        self._file, self._path, self._members, self._folder = file, path, members, folder
        self._map: mmap.mmap | None = None
        if map_memory:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._loaded: dict[str, torch.UntypedStorage] = {}

    def check_byte_order(self) -> None:
        name = f"{self._folder}byteorder"
        if name in self._members and bytes(self.member(name)) != b"little":
            raise FileError(f"{self._path.name} cannot be read", "it is from a big-endian machine")

    def member(self, name: str) -> bytearray | memoryview:
        """The bytes of a member; writable, as torch wants them."""
        info = self._members[name]
        start = self._data_offset(info)
        if self._map is not None:
            return memoryview(self._map)[start : start + info.file_size]
        content = bytearray(info.file_size)
        self._file.seek(start)
        if self._file.readinto(content) != info.file_size:  # type: ignore[attr-defined]
            raise FileError(f"{self._path.name} is cut off", f"member '{name}' is incomplete")
        return content

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        """Where the bytes begin: after the local header, whose length only itself knows."""
        self._file.seek(info.header_offset)
        header = self._file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise UnsafeFileError(f"{self._path.name} was refused", "its zip headers disagree")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        start = info.header_offset + 30 + name_length + extra_length
        if start + info.file_size > self._path.stat().st_size:
            raise FileError(f"{self._path.name} is cut off", f"'{info.filename}' is incomplete")
        return int(start)

    def load(self, key: str, size: int) -> torch.UntypedStorage:
        if key not in self._loaded:
            name = f"{self._folder}data/{key}"
            if name not in self._members:
                raise FileError(f"{self._path.name} is damaged", f"storage '{key}' is missing")
            self._loaded[key] = _storage_of(self.member(name))
        storage = self._loaded[key]
        if size > storage.nbytes():
            why = f"storage '{key}' claims {size} bytes and has {storage.nbytes()}"
            raise UnsafeFileError(f"{self._path.name} was refused", why)
        return storage


def _storage_of(content: bytearray | memoryview) -> torch.UntypedStorage:
    if len(content) == 0:
        return torch.empty(0, dtype=torch.uint8).untyped_storage()
    return torch.frombuffer(content, dtype=torch.uint8).untyped_storage()


# --- the format before torch 1.6 --------------------------------------------------------------


def _read_legacy(file: IO[bytes], path: Path) -> object:
    """Five pickles in a row (magic, protocol, system, object, storage keys), then raw numbers."""
    storages = _LegacyStorages(path)

    def load() -> Any:
        return RestrictedUnpickler(file, storages, path).load()

    if load() != _LEGACY_MAGIC or load() != _LEGACY_PROTOCOL:
        raise FileError(f"{path.name} is no torch file", "it is some other pickle")
    system = load()
    if not isinstance(system, dict) or not system.get("little_endian", False):
        raise FileError(f"{path.name} cannot be read", "it is from a big-endian machine")
    result = load()
    storages.fill(file, load())
    return result


class _LegacyStorages:
    """Memory for the numbers that follow the pickles; filled at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = path.stat().st_size
        self._contents: dict[str, bytearray] = {}
        self._loaded: dict[str, torch.UntypedStorage] = {}

    def load(self, key: str, size: int) -> torch.UntypedStorage:
        if key not in self._loaded:
            self._left -= size
            if self._left < 0:
                why = "its tensors claim more bytes than the file has"
                raise UnsafeFileError(f"{self._path.name} was refused", why)
            self._contents[key] = bytearray(size)
            self._loaded[key] = _storage_of(self._contents[key])
        storage = self._loaded[key]
        if size > storage.nbytes():
            why = f"storage '{key}' is given two sizes"
            raise UnsafeFileError(f"{self._path.name} was refused", why)
        return storage

    def fill(self, file: IO[bytes], keys: object) -> None:
        if not isinstance(keys, list) or set(keys) != set(self._contents):
            raise FileError(f"{self._path.name} is damaged", "its list of storages does not fit")
        for key in keys:
            content = self._contents[key]
            count = int.from_bytes(file.read(8), "little")
            if count > len(content) or (count == 0) != (not content):
                raise FileError(f"{self._path.name} is damaged", f"storage '{key}' does not fit")
            if file.readinto(content) != len(content):  # type: ignore[attr-defined]
                raise FileError(f"{self._path.name} is cut off", f"storage '{key}' is incomplete")
