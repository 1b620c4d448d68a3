"""The safetensors container: read without trust, written the same way every time.

The safetensors package writes metadata in an order that changes from run to run; two equal
embeddings must be equal files, so writing (a header and the bytes) is done here.
Format: 8 bytes little-endian header length, JSON header, tensor data.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from .atomic import write_bytes
from .regular_file import open_regular
from .safetensors_directory import damaged, directory_in, text_metadata
from .safetensors_header import Header, TensorEntry

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_NEWER = {
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "C64": "complex64",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
}
_DTYPES |= {name: getattr(torch, kind) for name, kind in _NEWER.items() if hasattr(torch, kind)}
"""Newer versions of torch have all of these; nothing of ours is written in them."""


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors (any device, made contiguous) and metadata, atomically."""
    write_bytes(path, to_bytes(tensors, metadata))


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The file's content; a function of its arguments alone, metadata in sorted order."""
    header: Header = {"__metadata__": dict(sorted(metadata.items()))}
    blocks: list[bytes] = []
    offset = 0
    for key, tensor in sorted(tensors.items()):
        block = _tensor_bytes(tensor)
        header[key] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(block)],
        }
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(blocks)


def _tensor_bytes(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def read_safetensors(
    path: Path, wanted: Callable[[Header], Iterable[str]] = list
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What is in a file; see `safetensors_in`."""
    with open_regular(path) as file:
        return safetensors_in(file, path, wanted)


def safetensors_in(
    file: BinaryIO, path: Path, wanted: Callable[[Header], Iterable[str]] = list
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors on the CPU, metadata). The file is read from its beginning, wherever it stands;
    `path` is its name in errors.

    `wanted` gets the header without the metadata, and gives the names of the tensors to read:
    nothing else of the file is touched. Raises FileError for a damaged file or unknown dtype.
    """
    try:
        file.seek(0)
        start, header = directory_in(file, path)
        metadata = text_metadata(header)
        tensors = {k: _read_tensor(file, path, start, k, header[k]) for k in wanted(header)}
    except OSError as error:
        raise damaged(path, str(error)) from error
    return tensors, metadata


def map_safetensors(path: Path) -> tuple[dict[str, Tensor], mmap.mmap]:
    """(tensors that are read when they are first used, the map that they are in).

    The map is private: what is written to a tensor stays in this process. It reads the file until
    the last tensor is gone; one that is cut off in the meantime ends the process. Raises FileError.
    """
    try:
        with open_regular(path) as file:
            start, header = directory_in(file, path)
            text_metadata(header)
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from error
    tensors = {k: _mapped_tensor(content, path, start, k, entry) for k, entry in header.items()}
    return tensors, content


def _mapped_tensor(
    content: mmap.mmap, path: Path, start: int, key: str, entry: TensorEntry
) -> Tensor:
    dtype = _dtype(path, key, entry)
    begin, end = entry["data_offsets"]
    if begin == end:
        return torch.empty(entry["shape"], dtype=dtype)
    count = (end - begin) // dtype.itemsize
    flat = torch.frombuffer(content, dtype=dtype, count=count, offset=start + begin)
    return flat.reshape(entry["shape"])


def _dtype(path: Path, key: str, entry: TensorEntry) -> torch.dtype:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise damaged(path, f"tensor {key[:80]!r} has the unknown type {entry['dtype']}")
    return dtype


def _read_tensor(file: BinaryIO, path: Path, start: int, key: str, entry: TensorEntry) -> Tensor:
    dtype = _dtype(path, key, entry)
    begin, end = entry["data_offsets"]
    file.seek(start + begin)
    data = bytearray(file.read(end - begin))
    if len(data) != end - begin:
        raise damaged(path, f"tensor {key[:80]!r} is cut off")
    flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
    return flat.reshape(entry["shape"])
