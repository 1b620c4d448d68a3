"""What the names in the pickle of a torch file stand for: tensors and plain containers.

No name is ever imported; a name in the file is one of

- known (tensors, storages, OrderedDict, numbers…): built by code of ours,
- unknown, as the settings and callbacks in Lightning checkpoints: an `Inert` object that
  swallows everything, or
- something that only an attacker wants (`os.system`, `builtins.eval`…): `UnsafeFileError`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, ItemsView
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, TypeGuard

import torch
from torch import Tensor

from ..errors import FileError, UnsafeFileError
from .advice import AGAIN, UNSAFE
from .numpy_pickle import NumpyArray, NumpyType, number
from .pickle_machine import Inert, PickleMachine

_MOST_DIMENSIONS = 16
_MOST_CHARACTERS_IN_A_KEY = 255
_COST_OF_VALUE = 100
_COST_OF_CONVERSION = 4
"""For each byte of an array: it is encoded, copied, and turned round."""


class Storages(Protocol):
    """Where the numbers of the tensors come from."""

    @property
    def swaps(self) -> bool:
        """Whether the file is big-endian, so that numbers are turned round when loaded."""

    def size(self, key: str, claimed: int) -> int:
        """Bytes in storage `key`, `claimed` at least."""

    def part(self, key: str, start: int, length: int, width: int) -> torch.UntypedStorage:
        """`length` bytes of storage `key` from `start` on, of numbers that take `width` bytes.
        They may come into this memory only after the pickle was read."""


@dataclass(frozen=True, eq=False)
class Name:
    """Something that a pickle may call: a name of theirs, code of ours."""

    name: str
    build: Callable[..., object]


@dataclass(frozen=True, eq=False)
class _StorageType:
    """What the name `torch.FloatStorage` stands for."""

    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class _Storage:
    """Where the numbers of tensors lie, and their type."""

    key: str
    start: int
    end: int
    """Bytes, within the storage `key`."""
    dtype: torch.dtype


class _ParameterDict(OrderedDict[object, object]):
    """torch's ParameterDict, as the first textual-inversion embeddings have it; a module, so its
    parameters come with its state."""


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
    "UntypedStorage": torch.uint8,
    "_UntypedStorage": torch.uint8,  # torch 1.11 and 1.12
}
_STORAGE_MODULES = ("torch", "torch.storage", "torch.cuda")
_DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
_DANGEROUS = frozenset(
    "__builtin__ _aix_support _frozen_importlib _io _osx_support _pickle _posixsubprocess "
    "_thread asyncio bdb builtins cPickle cloudpickle code codeop codecs commands concurrent "
    "cProfile ctypes dill distutils doctest ensurepip ftplib gc http httplib idlelib imp "
    "importlib inspect io IPython joblib lib2to3 linecache marshal mmap multiprocessing nt "
    "ntpath operator os pdb pickle pickletools pip pkg_resources pkgutil platform popen2 "
    "posix posixpath profile pty py_compile pydoc requests runpy setuptools shelve shutil "
    "signal site smtplib socket sqlite3 ssl subprocess sys tarfile tempfile threading timeit "
    "trace turtle urllib urllib2 venv webbrowser winreg xmlrpc zipapp zipfile zipimport".split()
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
        "torch.utils.cpp_extension.load",
        "torch.utils.collect_env.run",
        "torch.utils.bottleneck.__main__.run_cprofile",
        "torch.utils._config_module.load_config",
        "torch._inductor.codecache.compile_file",
        "torch._dynamo.guards.GuardBuilder.get",
        "torch.jit.unsupported_tensor_ops.execWrapper",
        "numpy.testing._private.utils.runstring",
        "numpy.f2py.crackfortran.getlincoef",
        "numpy.f2py.crackfortran.myeval",
        "numpy.genfromtxt",
        "numpy.memmap",
        "numpy.save",
        "uuid._get_command_stdout",
        "logging.config.listen",
        "copyreg.add_extension",
        "copy_reg.add_extension",
        "types.CodeType",
        "types.FunctionType",
    }
)


class RestrictedUnpickler(PickleMachine):
    """Builds tensors from storages that `storages` loads; see the head of this file.

    Raises UnsafeFileError and FileError; damaged pickles also raise whatever comes up.
    """

    def __init__(self, file: IO[bytes], storages: Storages, path: Path, budget: int) -> None:
        super().__init__(file, path, budget)
        self._storages = storages
        self._known = {name: Name(name, build) for name, build in self._builders().items()}

    def find_class(self, module: str, name: str) -> object:
        """What a name in the file stands for; nothing is imported."""
        full_name = f"{module}.{name}"
        if module in _STORAGE_MODULES and name in _STORAGE_TYPES:
            return _StorageType(_STORAGE_TYPES[name])
        known = self._known.get(full_name) or _DTYPES.get(full_name)
        if known is not None:
            return known
        parts = {module.split(".")[0], *name.split(".")[:-1]}
        if parts & _DANGEROUS or full_name in _DANGEROUS_NAMES:
            raise UnsafeFileError(
                f"{self._path.name} was rejected",
                f"it asks for '{full_name}', which a model or embedding does not need",
                UNSAFE,
            )
        return Name(full_name, Inert)

    def call(self, target: object, arguments: tuple[object, ...]) -> object:
        """Only what `find_class` gave can be called."""
        if isinstance(target, Inert):
            return Inert()
        if not isinstance(target, Name):
            raise self._damaged("it calls something that is not a function")
        return target.build(*arguments)

    def set_state(self, target: object, state: object) -> None:
        """Attributes of other objects (tensors, state dictionaries) mean nothing here."""
        if isinstance(target, _ParameterDict) and isinstance(state, dict):
            self._filled(target, state.get("_parameters", ()))
        elif isinstance(target, (NumpyType, NumpyArray)) and isinstance(state, tuple):
            content = state[-1] if state else None
            self.spend(_COST_OF_CONVERSION * _length(content))
            target.set_state(state)

    def persistent_load(self, pid: object) -> object:
        """A storage: ('storage', type, key, location, length[, view])."""
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module":
            return pid[1]  # old files carry the source text of classes; it is not looked at
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise self._damaged("it refers to an unknown object")
        kind, key, length, view = pid[1], pid[2], pid[4], (*pid[5:], None)[0]
        if not isinstance(kind, _StorageType) or not _is_key(key) or not _counts(length):
            raise self._damaged("a storage is not described correctly")
        width = kind.dtype.itemsize
        end = self._storages.size(key, length * width)
        whole = _Storage(key, 0, end, kind.dtype)
        return whole if view is None else self._part(whole, view, width)

    def _part(self, whole: _Storage, view: Any, width: int) -> _Storage:
        """A view, (key, first number, length), as torch before 0.4 had them."""
        if not isinstance(view, tuple) or len(view) != 3 or not _counts(*view[1:]):
            raise self._damaged("a view of a storage is not described correctly")
        start, end = view[1] * width, (view[1] + view[2]) * width
        if end > whole.end:
            raise self._refused("a view reaches beyond its storage")
        return _Storage(whole.key, start, end, whole.dtype)

    # --- what the names build -----------------------------------------------------------------

    def _builders(self) -> dict[str, Callable[..., object]]:
        containers: dict[str, Callable[..., object]] = {
            "set": self._set,
            "frozenset": self._frozenset,
            "list": self._list,
            "tuple": self._tuple,
            "dict": self._dict,
            "object": Inert,
        }
        return {
            **{f"builtins.{name}": build for name, build in containers.items()},
            **{f"__builtin__.{name}": build for name, build in containers.items()},
            "collections.OrderedDict": self._ordered_dict,
            "copyreg._reconstructor": self._reconstruct,
            "copy_reg._reconstructor": self._reconstruct,
            "torch.Size": self._size,
            "torch.device": _device,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_v3,
            "torch._utils._rebuild_parameter": _first,
            "torch._utils._rebuild_parameter_with_state": _first,
            "torch._utils._rebuild_device_tensor_from_numpy": self._from_numpy,
            "torch._utils._rebuild_xla_tensor": self._from_numpy,
            "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
            "torch._tensor._rebuild_from_type_v2": self._from_type,
            "torch.nn.parameter.Parameter": _first,
            "torch.nn.modules.container.ParameterDict": lambda *_: _ParameterDict(),
            "numpy.dtype": NumpyType,
            "numpy.ndarray": Inert,
            "numpy.core.multiarray._reconstruct": NumpyArray,
            "numpy._core.multiarray._reconstruct": NumpyArray,
            "numpy.core.multiarray.scalar": number,
            "numpy._core.multiarray.scalar": number,
            "_codecs.encode": self._encode,
        }

    def _items(self, values: object) -> list[Any]:
        """A copy of some values, paid for: a file could copy a long list again and again."""
        if not isinstance(values, (list, tuple, set, frozenset, dict, ItemsView)):
            raise self._damaged("a container is made of the wrong type")
        self.spend(_COST_OF_VALUE * len(values))
        return list(values)

    def _list(self, values: object = ()) -> list[object]:
        return self._items(values)

    def _tuple(self, values: object = ()) -> tuple[object, ...]:
        return tuple(self._items(values))

    def _set(self, values: object = ()) -> set[object]:
        result: set[object] = set()
        self.add_all(result, self._items(values))
        return result

    def _frozenset(self, values: object = ()) -> frozenset[object]:
        return frozenset(self._set(values))

    def _dict(self, pairs: object = ()) -> dict[object, object]:
        return self._filled({}, pairs)

    def _ordered_dict(self, pairs: object = ()) -> dict[object, object]:
        return self._filled(OrderedDict(), pairs)

    def _filled(self, target: dict[object, object], pairs: object) -> dict[object, object]:
        items = self._items(pairs.items() if isinstance(pairs, dict) else pairs)
        if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in items):
            raise self._damaged("a dictionary is not made of pairs")
        self.put_all(target, items)
        return target

    def _reconstruct(self, kind: object, *rest: object) -> object:
        """How the oldest protocols make an object of a class."""
        return self.call(kind, ())

    def _tensor(
        self, storage: object, offset: object, size: object, stride: object, *rest: object
    ) -> Tensor:
        if not isinstance(storage, _Storage):
            raise self._damaged("a tensor has no storage")
        return self._view(storage, storage.dtype, offset, size, stride)

    def _tensor_v3(
        self, storage: object, offset: object, size: object, stride: object, *rest: object
    ) -> Tensor:
        dtype = rest[2] if len(rest) > 2 else None
        if not isinstance(storage, _Storage) or not isinstance(dtype, torch.dtype):
            raise self._damaged("a tensor has no storage or type")
        if self._storages.swaps and dtype.itemsize > 1:
            raise FileError(
                f"{self._path.name} cannot be read",
                f"it has numbers of type {dtype} from a big-endian machine",
            )
        return self._view(storage, dtype, offset, size, stride)

    def _view(
        self, storage: _Storage, dtype: torch.dtype, offset: Any, size: Any, stride: Any
    ) -> Tensor:
        """A tensor over what it spans of a storage, if it stays within and does not repeat it (a
        memory bomb)."""
        shapes = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)
        if not shapes or len(size) > _MOST_DIMENSIONS or not _counts(offset, *size, *stride):
            raise self._refused("a tensor has an invalid shape")
        count, last = 1, offset
        for n, step in zip(size, stride, strict=True):
            count *= n
            last += (n - 1) * step
        available = (storage.end - storage.start) // dtype.itemsize
        if count and (last >= available or count > available):
            raise self._refused("a tensor reaches beyond its storage")
        start = storage.start + offset * dtype.itemsize if count else 0
        length = (last - offset + 1) * dtype.itemsize if count else 0
        width = _number_width(storage.dtype)
        content = self._storages.part(storage.key, start, length, width)
        return torch.empty(0, dtype=dtype).set_(content, 0, size, stride)

    def _size(self, values: object = ()) -> torch.Size:
        """A shape."""
        size = self._items(values)
        if len(size) > _MOST_DIMENSIONS or not _counts(*size):
            raise self._refused("a shape is not sane")
        return torch.Size(size)

    def _from_numpy(self, array: object, dtype: object, *rest: object) -> Tensor:
        if not isinstance(array, NumpyArray) or not isinstance(dtype, torch.dtype):
            raise self._damaged("a tensor has no array or type")
        self.spend(array.tensor.numel() * dtype.itemsize)
        return array.tensor.to(dtype)

    def _from_type(self, build: object, kind: object, arguments: object, *rest: object) -> object:
        """A tensor with attributes, or of a subclass."""
        return self.call(build, self._tuple(arguments))

    def _encode(self, text: object, encoding: object = "latin1") -> bytes:
        """How pickle writes bytes in its old protocols."""
        if not isinstance(text, str) or encoding != "latin1":
            raise self._damaged("it has text in an odd encoding")
        self.spend(_COST_OF_CONVERSION * len(text))
        return text.encode("latin1")

    def _damaged(self, why: str) -> FileError:
        return FileError(f"{self._path.name} is damaged", why, AGAIN)

    def _refused(self, why: str) -> UnsafeFileError:
        return UnsafeFileError(f"{self._path.name} was rejected", why, "do not use this file")


def _first(data: object = None, *rest: object) -> object:
    """A parameter is its tensor; a tensor of another device is the one on the CPU."""
    return data


def _device(*parts: object) -> object:
    """Everything is read to the CPU."""
    return parts[0] if parts else "cpu"


def _number_width(dtype: torch.dtype) -> int:
    """Bytes of one number: a complex one is two."""
    return dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize


def _is_key(value: object) -> TypeGuard[str]:
    """Whether it may name a storage."""
    return isinstance(value, str) and len(value) <= _MOST_CHARACTERS_IN_A_KEY


def _length(content: object) -> int:
    return len(content) if isinstance(content, (bytes, str)) else 0


def _counts(*values: object) -> bool:
    """All are whole numbers from 0 up."""
    return all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in values)
