"""A device that works behind the program, as a graphics card does, for tests without one.

Its tensors are those of the CPU in a wrapper, on which the CPU computes; torch makes attention of
other operations than there, so that results differ by rounding. Nothing mixes with tensors in main
memory: code which confuses the two fails here as it would on a card. It counts how often the
program waits: reads a number, or copies between the two memories, while something is queued.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

from ti_core.port import transfer

NAME = "queued"
_READS = {"_local_scalar_dense", "nonzero", "equal", "masked_select", "_unique2"}
"""Operations whose result the program has to wait for."""
_MADE_WHOLE = {
    "arange": torch.ops.aten.arange.default,
    "arange.start": torch.ops.aten.arange.start,
    "arange.start_step": torch.ops.aten.arange.start_step,
}
"""Whose tensor would be made empty, and then grow."""
_registered: list[torch.library.Library] = []


class Module(_DummyBackendModule):
    """What `torch.queued` is."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """As CUDA."""
        return [torch.float16, torch.bfloat16]


class Log:
    """What happened since it was cleared."""

    def __init__(self) -> None:
        self.waits: Counter[str] = Counter()
        """Operation → how often the program waited for it, with something in the queue."""
        self.queued = 0
        """Operations since the last wait."""

    def clear(self) -> None:
        """Begin again, with an empty queue."""
        self.waits.clear()
        self.queued = 0

    def note(self, name: str, is_read: bool) -> None:
        """An operation has been asked for."""
        if is_read and self.queued:
            self.waits[name] += 1
        self.queued = 0 if is_read else self.queued + 1


LOG = Log()


class Queued(Tensor):
    """A tensor on the device."""

    near: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Queued:
        found: Queued = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            inner.stride(),
            inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )
        found.near = inner
        return found

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own stub has no cls
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Every operation that has one of them among its arguments."""
        return _computed(function, *args, **(kwargs or {}))


def _computed(function: Any, *args: Any, **kwargs: Any) -> object:
    """On the CPU, and wrapped again."""
    name = function._schema.name.removeprefix("aten::")
    _require_one_device(name, args, kwargs)
    if not function.is_view:  # another look at the same memory is no work
        LOG.note(name, _is_read(name, args, kwargs))
    target = kwargs.get("device")
    given, named = _mapped(_inner, args), _mapped(_inner, kwargs)
    if target is not None:
        named["device"] = torch.device("cpu")
    found = function(*given, **named)
    if name.endswith("_") and function._schema.is_mutable:
        return args[0]
    to_main_memory = target is not None and target.type == "cpu"
    return found if to_main_memory else _mapped(Queued, found)


def _is_read(name: str, args: Any, kwargs: Any) -> bool:
    if name == "index":
        return any(isinstance(one, Tensor) and not isinstance(one, Queued) for one in args[1])
    if name == "_to_copy":
        target = kwargs.get("device")
        return target is not None and target.type == "cpu"
    if name != "copy_":
        return name in _READS
    crosses = isinstance(args[0], Queued) != isinstance(args[1], Queued)
    waits = not (kwargs.get("non_blocking") or (len(args) > 2 and args[2]))
    return crosses and (waits or isinstance(args[1], Queued))


def _require_one_device(name: str, args: Any, kwargs: Any) -> None:
    """As on a card, numbers of main memory, with no dimension, go with its tensors but are not
    joined with them; and places in them do, which torch copies to the device."""
    if name in ("copy_", "index"):
        return
    joins = name in ("stack", "cat")
    here: set[bool] = set()

    def look(one: Tensor) -> Tensor:
        if one.dim() or joins:
            here.add(isinstance(one, Queued))
        return one

    _mapped(look, (args, kwargs))
    if len(here) == 2:
        raise RuntimeError(f"{name}: tensors on {NAME} and in main memory together")


def _inner(value: Tensor) -> Tensor:
    return value.near if isinstance(value, Queued) else value


def _mapped(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Of all tensors in arguments, or in what an operation returns."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(change, one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(change, one) for one in value)
    return value


@contextmanager
def queued_device() -> Iterator[torch.device]:
    """While open, the core knows that this device has a queue."""
    if not _registered:
        _setup_privateuseone_for_python_backend(NAME, backend_module=Module())
        every, aten = (torch.library.Library(name, "IMPL") for name in ("_", "aten"))
        every.fallback(_computed, dispatch_key="PrivateUse1")
        for overload, function in _MADE_WHOLE.items():
            aten.impl(overload, partial(_computed, function), "PrivateUse1")
        _registered.extend((every, aten))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_QUEUED", frozenset({NAME}))
        patch.setattr(Tensor, "pin_memory", lambda tensor: tensor)  # there is nothing to pin for
        LOG.clear()
        yield torch.device(NAME, 0)
