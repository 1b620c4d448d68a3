"""Hypernetworks that lie about their sizes, or are built as nobody can build them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ti_core.errors import HypernetworkError, UnsafeFileError

from .assembler import call, storage, tensor, torch_zip, value
from .attacks import PROVEN
from .case import Case, answered, writer
from .containers import safetensors
from .texts import PLACES

_STORAGE = struct.pack("<20f", *range(20))


def _linear(wide_out: int, wide_in: int, start: int = 0, count: int = 20) -> dict[str, bytes]:
    numbers = storage("0", count)
    return {
        "weight": tensor((wide_out, wide_in), (wide_in, 1), start, numbers),
        "bias": tensor((wide_out,), (1,), start, numbers),
    }


def _module(width: int = 1, inner: int = 2, count: int = 20) -> dict[str, bytes]:
    layers = (_linear(inner, width, count=count), _linear(width, inner, count=count))
    return {
        f"linear.{number}.{part}": each
        for number, layer in enumerate(layers)
        for part, each in layer.items()
    }


def _file(changes: dict[Any, Any] | None = None, *storages: bytes, **module: int) -> bytes:
    pair = (value(_module(**module)),) * 2
    code = {1: value(pair), "activate_output": False, **(changes or {})}
    return torch_zip(value(code), *(storages or (_STORAGE,)))


FIELDS: dict[str, Any] = {
    "a structure of words": {"layer_structure": "1, 2, 1"},
    "a structure of structures": {"layer_structure": [[1], [2], [1]]},
    "a structure of nothing": {"layer_structure": []},
    "a hundred thousand layers": {"layer_structure": [1] * 100_000},
    "layers as wide as the sky": {"layer_structure": [1, 1e300, 1]},
    "layers of nothing": {"layer_structure": [1, 0.1, 1]},
    "negative layers": {"layer_structure": [1, -2, 1]},
    "layers of many digits": {"layer_structure": [1, 10**400, 1]},
    "an activation of code": {"activation_func": "os.system"},
    "an activation of numbers": {"activation_func": [7] * 10_000},
    "an activation of many letters": {"activation_func": "a" * 100_000},
    "dropout of everything": {"dropout_structure": [0, 1, 0]},
    "dropout of words": {"dropout_structure": "0"},
    "dropout of many": {"use_dropout": True, "last_layer_dropout": "yes", "is_layer_norm": "yes"},
    "a list for its norm": {"is_layer_norm": [1]},
    "a step of words": {"step": "seven", "activate_output": None},
    "a name of many letters": {"name": "a" * 1_000_000, "optional_info": "b" * 1_000_000},
    "a width of nothing": {0: value((value({}),) * 2)},
    "a negative width": {-1: value((value({}),) * 2)},
    "a width of many digits": {10**300: value((value({}),) * 2)},
    "a thousand widths": {n: value((value({}),) * 2) for n in range(1, 1000)},
    "modules of modules": {1: value((value([]), value({1: value({})})))},
    "a module of one side": {1: value((value(_module()),))},
    "a module of four sides": {1: value((value(_module()),) * 4)},
    "a module of numbers": {1: value((7, 7))},
    "a module of words": {1: value((value({"linear.0.weight": "os.system"}),) * 2)},
    "a module with more in it": {1: value((value({**_module(), "x": tensor()}),) * 2)},
}


SOUND = _file()


def cases() -> Iterator[Case]:
    """By what they are."""
    yield Case("hypernetwork.pt", writer(SOUND), None, "1, 2, 1 linear", False, "hypernetwork")
    for what, changes in FIELDS.items():
        yield answered(f"hypernetwork with {what}.pt", "hypernetwork", writer(_file(changes)))
    for what, content in _lies().items():
        yield Case(
            f"hypernetwork {what}.pt", writer(content), UnsafeFileError, "", False, "hypernetwork"
        )
    for full in PROVEN:
        module, _, attribute = full.rpartition(".")
        code = torch_zip(value({1: call(module, attribute, "x")}))
        name = f"hypernetwork asks for {full}.pt"
        yield Case(name, writer(code), UnsafeFileError, full, False, "hypernetwork")
    for what, content in _headers().items():
        name = f"hypernetwork with {what}.safetensors"
        yield replace(answered(name, "hypernetwork", writer(content)), error=HypernetworkError)
    for what, make in PLACES.items():
        yield answered(f"hypernetwork in place of {what}", "hypernetwork", make)


def _lies() -> dict[str, bytes]:
    """About sizes: what they claim, no file of theirs has."""
    return {
        "beyond its storage": _file(width=1, inner=2000),
        "beyond its file": _file(None, _STORAGE, width=1, inner=2, count=10**12),
        "of one storage for all": _file(
            {"layer_structure": [1, 1000, 1]}, bytes(4 * 1000), width=1, inner=1000, count=1000
        ),
        "of one storage for many widths": _many_widths(),
    }


def _many_widths() -> bytes:
    """30 widths share 4 MB: 240 tensors would each be copied."""
    pairs = {
        1000 + n: value((value(_module(1000 + n, 2 * (1000 + n), 2**21)),) * 2) for n in range(2)
    }
    return torch_zip(value({**pairs, "activate_output": False}), bytes(4 * 2**21))


def _headers() -> dict[str, bytes]:
    fields = {"activate_output": False}
    entry = {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}
    texts = {
        "fields of words": "os.system",
        "fields of lists": "[" * 5000,
        "fields of many digits": '{"layer_structure": [1, ' + "9" * 5000 + ", 1]}",
        "fields of infinity": '{"layer_structure": [1, Infinity, 1]}',
        "nothing but fields": json.dumps(fields),
    }
    made = {
        what: safetensors({"__metadata__": {"ti.hypernetwork": text}}, b"")
        for what, text in texts.items()
    }
    for what, name in (
        ("no width", "k.linear.0.weight"),
        ("a width of letters", "²³.k.linear.0.weight"),
        ("a width of many digits", "9" * 5000 + ".k.linear.0.weight"),
        ("one tensor", "1.k.linear.0.weight"),
    ):
        head = {"__metadata__": {"ti.hypernetwork": json.dumps(fields)}, name: entry}
        made[what] = safetensors(head, bytes(8))
    return made
