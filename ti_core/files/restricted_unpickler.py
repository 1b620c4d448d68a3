"""Runs the pickle of a torch file on a machine that only knows tensors and plain containers.

A pickle is a program that builds objects by calling functions that it names. Here no name is
ever imported; a name that is asked for is one of

- known (tensors, storages, OrderedDict, numbers…): built by code of ours,
- unknown, as the settings and callbacks in Lightning checkpoints: an `Inert` object that
  swallows everything, or
- something that only an attacker wants (`os.system`, `builtins.eval`…): `UnsafeFileError`.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import torch
from torch import Tensor

from ..errors import FileError, UnsafeFileError


class Storages(Protocol):
    """Where the numbers of the tensors come from."""

    def load(self, key: str, size: int) -> torch.UntypedStorage:
        """Storage `key`, `size` bytes long."""


class Inert:
    """Stands for an object of a class that means nothing here; does nothing when built."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, *args: object, **kwargs: object) -> Inert:
        return Inert()

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """Ignored."""

    def extend(self, values: object) -> None:
        """Ignored."""

    def add(self, value: object) -> None:
        """Ignored."""


class _ParameterDict(OrderedDict[str, object]):
    """torch's ParameterDict, as the first textual-inversion embeddings have it."""

    def __init__(self, *args: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        parameters = state.get("_parameters") if isinstance(state, dict) else None
        if isinstance(parameters, dict):
            self.update(parameters)


@dataclass(frozen=True)
class _StorageType:
    """What the name `torch.FloatStorage` stands for."""

    dtype: torch.dtype
    counts_bytes: bool = False
    """An untyped storage: its length is in bytes."""


@dataclass(frozen=True)
class _Storage:
    """A loaded storage with the type that its tensors have."""

    content: torch.UntypedStorage
    dtype: torch.dtype


class _NumpyDtype:
    """numpy's description of a number, e.g. '<f8'."""

    def __init__(self, code: object = "", *args: object) -> None:
        self.code = str(code).lstrip("<|=")

    def __setstate__(self, state: object) -> None:
        pass


_STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
_DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
_NUMPY_CODES = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "u1": "B", "b1": "?"}
_CONTAINERS: dict[str, type] = {
    "set": set,
    "frozenset": frozenset,
    "list": list,
    "dict": dict,
    "tuple": tuple,
    "object": Inert,
}
_DANGEROUS = frozenset(
    "__builtin__ _frozen_importlib _io _pickle _posixsubprocess _thread asyncio bdb builtins "
    "cPickle cloudpickle code codeop codecs commands concurrent cProfile ctypes dill distutils "
    "ensurepip ftplib gc http httplib idlelib imp importlib inspect io IPython linecache marshal "
    "mmap multiprocessing nt ntpath operator os pdb pickle pickletools pip pkg_resources pkgutil "
    "platform popen2 posix posixpath profile pty py_compile pydoc requests runpy setuptools "
    "shelve shutil signal site smtplib socket sqlite3 ssl subprocess sys tarfile tempfile "
    "threading timeit trace turtle urllib urllib2 venv webbrowser winreg xmlrpc zipapp zipfile "
    "zipimport".split()
)
"""Modules (with everything below) that no file of tensors has business with."""

_DANGEROUS_NAMES = frozenset(
    {
        "torch.load",
        "torch.storage._load_from_bytes",
        "torch.serialization.load",
        "torch.hub.load",
        "torch.jit.load",
        "torch.ops.load_library",
        "torch.classes.load_library",
        "numpy.load",
        "numpy.fromfile",
        "numpy.testing._private.utils.runstring",
        "copyreg.add_extension",
        "types.CodeType",
        "types.FunctionType",
    }
)


class RestrictedUnpickler(pickle._Unpickler):
    """Builds tensors from storages that `storages` loads; see the head of this file.

    Raises UnsafeFileError and FileError; damaged pickles also raise whatever comes up.
    """

    # The Python one on purpose: the one in C lets a few bytes reserve gigabytes for its memo.

    def __init__(self, file: IO[bytes], storages: Storages, path: Path) -> None:
        super().__init__(file, encoding="latin1")  # Python 2 wrote some of the old checkpoints
        self._storages, self._path = storages, path

    def find_class(self, module: str, name: str) -> object:
        """What a name in the file stands for; nothing is imported."""
        full_name = f"{module}.{name}"
        if module in ("builtins", "__builtin__") and name in _CONTAINERS:
            return _CONTAINERS[name]
        known = self._known(module, name) or self._known_functions().get(full_name)
        if known is not None:
            return known
        if module.split(".")[0] in _DANGEROUS or full_name in _DANGEROUS_NAMES:
            raise UnsafeFileError(
                f"{self._path.name} was refused",
                f"it asks for '{full_name}', which no model or embedding needs",
                "do not use this file; it may be an attack",
            )
        return type("Inert", (Inert,), {})  # a fresh class, so that files cannot share changes

    def _known(self, module: str, name: str) -> object:
        if module in ("torch", "torch.storage", "torch.cuda"):
            if name in _STORAGE_TYPES:
                return _StorageType(_STORAGE_TYPES[name])
            if name == "UntypedStorage":
                return _StorageType(torch.uint8, counts_bytes=True)
            return _DTYPES.get(f"torch.{name}")
        return None

    def _known_functions(self) -> dict[str, Callable[..., object]]:
        return {
            "collections.OrderedDict": OrderedDict,
            "torch.Size": torch.Size,
            "torch.device": str,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_v3,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch._utils._rebuild_parameter_with_state": self._parameter,
            "torch._tensor._rebuild_from_type_v2": self._from_type,
            "torch.nn.parameter.Parameter": self._parameter,
            "torch.nn.modules.container.ParameterDict": _ParameterDict,
            "numpy.dtype": _NumpyDtype,
            "numpy.core.multiarray.scalar": self._number,
            "numpy._core.multiarray.scalar": self._number,
            "_codecs.encode": self._encode,
        }

    def persistent_load(self, pid: Any) -> object:
        """A storage: ('storage', type, key, location, length[, view])."""
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module":
            return pid[1]  # old files carry the source text of classes; it is not looked at
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise FileError(f"{self._path.name} is damaged", "it refers to an unknown thing")
        kind, key, length = pid[1], pid[2], pid[4]
        if not isinstance(kind, _StorageType) or not isinstance(key, str) or not _counts(length):
            raise FileError(f"{self._path.name} is damaged", "a storage is not described rightly")
        if len(pid) > 5 and pid[5] is not None:
            raise FileError(f"{self._path.name} cannot be read", "it has views of storages")
        width = 1 if kind.counts_bytes else kind.dtype.itemsize
        return _Storage(self._storages.load(key, length * width), kind.dtype)

    def _tensor(
        self, storage: object, offset: object, size: object, stride: object, *rest: object
    ) -> Tensor:
        if not isinstance(storage, _Storage):
            raise FileError(f"{self._path.name} is damaged", "a tensor has no storage")
        return self._view(storage.content, storage.dtype, offset, size, stride)

    def _tensor_v3(
        self, storage: object, offset: object, size: object, stride: object, *rest: object
    ) -> Tensor:
        dtype = rest[2] if len(rest) > 2 else None
        if not isinstance(storage, _Storage) or not isinstance(dtype, torch.dtype):
            raise FileError(f"{self._path.name} is damaged", "a tensor has no storage or type")
        return self._view(storage.content, dtype, offset, size, stride)

    def _view(
        self,
        content: torch.UntypedStorage,
        dtype: torch.dtype,
        offset: Any,
        size: Any,
        stride: Any,
    ) -> Tensor:
        """A tensor over a storage, if it stays within and does not repeat it (a memory bomb)."""
        shapes = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)
        if not shapes or not _counts(offset, *size, *stride):
            raise UnsafeFileError(f"{self._path.name} was refused", "a tensor has no sane shape")
        count, last = 1, offset
        for n, step in zip(size, stride, strict=True):
            count *= n
            last += (n - 1) * step
        available = content.nbytes() // dtype.itemsize
        if count and (last >= available or count > available):
            raise UnsafeFileError(
                f"{self._path.name} was refused", "a tensor reaches beyond its storage"
            )
        flat = torch.empty(0, dtype=dtype)
        return flat.set_(content, offset if count else 0, size, stride)

    def _parameter(self, data: object = None, *rest: object) -> object:
        return data

    def _from_type(self, build: Any, kind: object, args: Any, state: object) -> object:
        if getattr(build, "__self__", None) is not self:
            raise FileError(f"{self._path.name} cannot be read", "it has tensors of another kind")
        return build(*args)

    def _number(self, dtype: object, content: object = b"") -> object:
        code = _NUMPY_CODES.get(dtype.code) if isinstance(dtype, _NumpyDtype) else None
        if code is None or not isinstance(content, bytes):
            return Inert()
        return struct.unpack(f"<{code}", content)[0]

    def _encode(self, text: object, encoding: object = "latin1") -> bytes:
        """How pickle writes bytes in its old protocols."""
        if not isinstance(text, str) or encoding != "latin1":
            raise FileError(f"{self._path.name} is damaged", "it has text in an odd encoding")
        return text.encode("latin1")


def _counts(*values: object) -> bool:
    """All are whole numbers from 0 up."""
    return all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in values)
