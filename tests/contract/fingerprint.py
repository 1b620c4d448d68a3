"""Everything about a model and a process that a session must leave as it was."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_PLAIN = (bool, int, float, str, type(None), tuple)


class _Same:
    """Equal only to a wrapper of the very same object."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        return f"<{type(self.thing).__name__} at {id(self.thing):x}>"


def fingerprint(modules: Sequence[nn.Module], same_objects: bool = True) -> dict[str, Any]:
    """Flat: what → value; two of them compare equal only if nothing at all has changed.

    Without `same_objects` a tensor may be another Python object than before, with equal content.
    """
    found: dict[str, Any] = dict(process_state())
    for number, root in enumerate(modules):
        for name, module in root.named_modules():
            found |= {f"{number}.{name}.{key}": v for key, v in _module_state(module).items()}
    if not same_objects:
        found = {key: v[1:] if _is_of_tensor(v) else v for key, v in found.items()}
    return found


def _is_of_tensor(state: Any) -> bool:
    return (
        isinstance(state, tuple)
        and bool(state)
        and isinstance(state[0], _Same)
        and isinstance(state[0].thing, Tensor)
    )


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What has changed, for a readable failure."""
    keys = [*before, *(key for key in after if key not in before)]
    return {k: (before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k)}


def process_state() -> Iterator[tuple[str, Any]]:
    """Random state and switches that belong to the whole process."""
    yield "torch random state", _digest(torch.get_rng_state())
    yield "numpy random state", repr(np.random.get_state(legacy=True))
    yield "python random state", random.getstate()
    yield "gradients on", torch.is_grad_enabled()
    yield "inference mode", torch.is_inference_mode_enabled()
    yield "autocast", torch.is_autocast_enabled("cpu")
    yield "default dtype", torch.get_default_dtype()
    yield "deterministic", torch.are_deterministic_algorithms_enabled()
    yield "threads", torch.get_num_threads()
    yield "cudnn benchmark", torch.backends.cudnn.benchmark
    yield "tf32", torch.backends.cuda.matmul.allow_tf32
    yield "flash attention", torch.backends.cuda.flash_sdp_enabled()


def _module_state(module: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in vars(module).items():
        if key in ("_parameters", "_buffers"):
            found |= {f"{key}.{k}": _tensor_state(v) for k, v in value.items()}
        elif isinstance(value, dict):  # hooks, children
            found[key] = [(k, _Same(v)) for k, v in value.items()]
        elif isinstance(value, list):
            found[key] = [_Same(v) for v in value]
        elif isinstance(value, _PLAIN):
            found[key] = value
        else:  # a patched method, an attention processor
            found[key] = _Same(value)
    return found


def _tensor_state(tensor: Tensor | None) -> tuple[Any, ...]:
    if tensor is None:
        return ()
    about = (tensor.dtype, tensor.device, tensor.requires_grad, tuple(tensor.shape))
    grad = None if tensor.grad is None else _digest(tensor.grad)
    return (_Same(tensor), *about, _digest(tensor), grad, bool(tensor._backward_hooks))


def _digest(tensor: Tensor) -> str:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@contextlib.contextmanager
def mixed_flags(modules: Sequence[nn.Module]) -> Iterator[None]:
    """While open, flags and gradients are as nobody would set them: so a reset is noticed."""
    parts = [module for root in modules for module in root.modules()]
    parameters = [parameter for root in modules for parameter in root.parameters()]
    training = [module.training for module in parts]
    wanted = [parameter.requires_grad for parameter in parameters]
    for i, module in enumerate(parts):
        module.training = i % 2 == 0
    for i, parameter in enumerate(parameters):
        with torch.inference_mode(parameter.is_inference()):  # where alone theirs can be changed
            parameter.requires_grad_(i % 3 == 0)
        if i % 5 == 0 and parameter.numel() < 10_000:
            parameter.grad = torch.full_like(parameter, 0.5)
    try:
        yield
    finally:
        for module, flag in zip(parts, training, strict=True):
            module.training = flag
        for parameter, flag in zip(parameters, wanted, strict=True):
            with torch.inference_mode(parameter.is_inference()):
                parameter.requires_grad_(flag)
            parameter.grad = None


class Bomb:
    """Raises in the n-th call of any part of the model, like a full GPU."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.calls, self.at = 0, 0
        self.error: BaseException = KeyboardInterrupt()
        self.lasts = False
        self._handles = [
            module.register_forward_pre_hook(self._tick)
            for root in modules
            for module in root.modules()
        ]

    def arm(self, at: int, error: BaseException, lasts: bool = False) -> None:
        """Go off in the call number `at`, counted from 1, and with `lasts` in all
        after it; 0 is never."""
        self.calls, self.at, self.error, self.lasts = 0, at, error, lasts

    def remove(self) -> None:
        """Take all hooks away."""
        for handle in self._handles:
            handle.remove()

    def _tick(self, module: nn.Module, inputs: Any) -> None:
        self.calls += 1
        if self.calls == self.at or (self.lasts and 0 < self.at < self.calls):
            raise self.error
