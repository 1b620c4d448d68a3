"""How modules are built, and what cannot be built."""

from __future__ import annotations

import pytest

from ti_core.errors import ConfigError
from ti_core.hypernetworks.structure import Structure, check_width, old_dropout, read_numbers


def test_pieces_are_numbered_as_in_a1111() -> None:
    structure = Structure((1, 1.5, 1), "swish", True, False, (0, 0.3, 0))
    assert [(p.kind, p.wide_in, p.wide_out) for p in structure.pieces(5)] == [
        ("linear", 5, 7),
        ("activation", 7, 7),
        ("norm", 7, 7),
        ("dropout", 7, 7),
        ("linear", 7, 5),
        ("norm", 5, 5),
    ]
    assert structure.shapes(5) == {
        "linear.0.weight": (7, 5),
        "linear.0.bias": (7,),
        "linear.2.weight": (7,),
        "linear.2.bias": (7,),
        "linear.4.weight": (5, 7),
        "linear.4.bias": (5,),
        "linear.5.weight": (5,),
        "linear.5.bias": (5,),
    }
    assert structure.numbers(5) == 35 + 7 + 14 + 35 + 5 + 10


def test_the_default_has_two_linear_layers() -> None:
    assert list(Structure().shapes(320)) == [
        *("linear.0.weight", "linear.0.bias", "linear.1.weight", "linear.1.bias")
    ]


def test_dropout_of_nothing_is_none() -> None:
    assert Structure(dropout=(0, 0, 0)) == Structure()


@pytest.mark.parametrize(
    ("built", "says"),
    [
        ({"layers": (1,)}, "it has 1 numbers"),
        ({"layers": (2, 1)}, "begin and end with 1"),
        ({"layers": (1, 2, 2)}, "begin and end with 1"),
        ({"layers": (1, 0, 1)}, "larger than 0"),
        ({"layers": (1, float("nan"), 1)}, "larger than 0"),
        ({"layers": (1, float("inf"), 1)}, "larger than 0"),
        ({"layers": (1,) * 65}, "it has 65 numbers"),
        ({"activation": "threshold"}, "no activation function 'threshold'"),
        ({"dropout": (0, 0.1)}, "it has 2 numbers, and the layer structure has 3"),
        ({"dropout": (0, 1, 0)}, "less than 1"),
        ({"dropout": (0, -0.1, 0)}, "at least 0"),
    ],
)
def test_what_a1111_cannot_build_is_an_error(built: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Structure(**built)  # type: ignore[arg-type]


@pytest.mark.parametrize(("layers", "width"), [((1, 0.001, 1), 320), ((1, 100, 1), 1280)])
def test_layers_have_a_width_that_can_be_built(layers: tuple[float, ...], width: int) -> None:
    with pytest.raises(ConfigError, match="are possible"):
        check_width(Structure(layers), width)


@pytest.mark.parametrize(
    ("layers", "last", "means"),
    [
        ((1, 2, 1), False, (0, 0, 0)),
        ((1, 2, 1), True, (0, 0.3, 0)),
        ((1, 2, 2, 1), False, (0, 0.3, 0, 0)),
        ((1, 2, 2, 1), True, (0, 0.3, 0.3, 0)),
    ],
)
def test_old_files_meant_a_dropout_of_a_third(
    layers: tuple[float, ...], last: bool, means: tuple[float, ...]
) -> None:
    assert old_dropout(layers, last) == means


def test_fields_hold_numbers_between_commas() -> None:
    assert read_numbers("1, 2,0.5 ,1", "layer_structure") == (1, 2, 0.5, 1)
    with pytest.raises(ConfigError, match="not a list of numbers"):
        read_numbers("1, two, 1", "layer_structure")
