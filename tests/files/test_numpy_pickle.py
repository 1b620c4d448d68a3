"""Numbers and arrays of numpy, without numpy's own unpickler."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ti_core.files.numpy_pickle import NumpyArray, NumpyType, number, swapped

CODES = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "b1")


def array(shape: object, kind: object, content: object, fortran: bool = False) -> torch.Tensor:
    made = NumpyArray("ndarray", (0,), b"b")
    made.set_state((1, shape, kind, fortran, content))
    return made.tensor


@given(st.sampled_from(CODES), st.sampled_from("<>"), st.lists(st.integers(0, 1), max_size=6))
def test_every_type_is_read_in_both_byte_orders(code: str, order: str, values: list[int]) -> None:
    content = np.array(values, dtype=order + code)
    read = NumpyType(order + code).tensor(content.tobytes())
    assert read.tolist() == content.tolist()


def test_the_byte_order_comes_with_the_state_too() -> None:
    kind = NumpyType("f4", False, True)
    kind.set_state((3, ">", None, None, None, -1, -1, 0))
    assert kind.tensor(np.array([1.5], ">f4").tobytes()).tolist() == [1.5]


def test_bytes_as_text_of_python_2_are_understood() -> None:
    assert NumpyType("u1").tensor("\xff\x00").tolist() == [255, 0]


@given(st.lists(st.integers(1, 3), min_size=0, max_size=3), st.booleans())
def test_arrays_have_their_shape_whichever_index_runs_fastest(
    shape: list[int], fortran: bool
) -> None:
    wanted = np.arange(np.prod(shape, dtype=int), dtype="<i4").reshape(shape)
    content = wanted.tobytes("F" if fortran else "C")
    read = array(tuple(shape), NumpyType("<i4"), content, fortran)
    assert torch.equal(read, torch.from_numpy(wanted))


@pytest.mark.parametrize("shape", [(-1,), (2.0,), ([1],), ("x",), [2], (True,), ([1], 2**40)])
def test_a_shape_that_is_none_is_an_error(shape: Any) -> None:
    with pytest.raises(ValueError, match="invalid shape"):
        array(shape, NumpyType("u1"), b"ab")


@pytest.mark.parametrize("shape", [(3,), (2**40,), (1,) * 20, (2, 2)])
def test_a_shape_of_another_size_leaves_the_array_empty(shape: tuple[int, ...]) -> None:
    assert array(shape, NumpyType("u1"), b"ab").numel() == 0


def test_half_a_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="within a number"):
        NumpyType("f4").tensor(b"abc")


def test_single_numbers_become_pythons() -> None:
    assert number(NumpyType("<f8"), np.float64(0.1).tobytes()) == 0.1
    assert number(NumpyType("i8"), np.int64(-7).tobytes()) == -7
    assert number(NumpyType("b1"), b"\1") is True


def test_what_is_no_number_is_nothing() -> None:
    assert number(NumpyType("O"), b"x") is None
    assert number("f8", b"12345678") is None
    assert number(NumpyType("f4"), b"") is None


@given(st.binary(max_size=40), st.sampled_from([1, 2, 4, 8]))
def test_turning_round_twice_changes_nothing(content: bytes, width: int) -> None:
    flat = torch.tensor(list(content)[: len(content) // width * width], dtype=torch.uint8)
    assert torch.equal(swapped(swapped(flat, width), width), flat)
    if width == 1:
        assert torch.equal(swapped(flat, width), flat)
