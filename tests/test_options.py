"""Settings that describe themselves."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import ConfigError, setting
from ti_core.options import (
    about,
    check,
    choices_of,
    from_dict,
    group,
    leaves,
    make_config,
    nearest,
    option,
    owner,
    recorded,
    setting_names,
    title_of,
    to_dict,
    value_type,
    with_names,
)


@dataclass(frozen=True)
class Inner:
    """A group."""

    title = "Amounts"
    amount: int = option(3, "how many", label="Amount", limits=(1, 9), unit="px")
    factor: float = option(0.5, "how much", label="Factor", limits=(0, None))
    kind: Literal["a", "b"] = option("a", "which", label="Kind")
    on: bool = option(False, "whether", label="On", recorded=False)
    size: tuple[int, int] | None = option(None, "size", label="Size", aliases=("dimensions",))

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Place:
    """Another group."""

    title = "Place"
    name: str = option("", "name", label="Name", recorded=False)


@dataclass(frozen=True)
class Outer:
    """All."""

    moved = (("name", "inner", "place"),)
    inner: Inner = group(Inner)
    place: Place = group(Place)


def test_leaves_are_all_settings_in_order_with_their_path() -> None:
    paths = [path for path, _ in leaves(Outer)]
    assert paths == [("inner", f.name) for f in dataclasses.fields(Inner)] + [("place", "name")]


def test_a_field_says_everything_about_itself() -> None:
    item = next(iter(leaves(Inner)))[1]
    known = about(item)
    assert (known.help, known.label, known.unit) == ("how many", "Amount", "px")
    assert (known.limits, item.default) == ((1, 9), 3)


def test_the_type_of_a_field_comes_without_none() -> None:
    types = {item.name: value_type(Inner, item) for item in dataclasses.fields(Inner)}
    assert types["amount"] == (int, False)
    assert types["size"] == (tuple[int, int], True)


def test_the_owner_of_a_path_is_the_group_it_ends_in() -> None:
    assert owner(Outer, ("inner", "amount")) is Inner
    assert owner(Outer, ("place", "name")) is Place


def test_choices_are_those_of_the_type() -> None:
    found = {item.name: choices_of(Inner, item) for item in dataclasses.fields(Inner)}
    assert found == {**dict.fromkeys(found, ()), "kind": ("a", "b")}
    assert value_type(Inner, next(f for f in dataclasses.fields(Inner) if f.name == "kind")) == (
        str,
        False,
    )


def test_a_group_has_a_title_that_is_no_setting() -> None:
    assert (title_of(Inner), title_of(Outer)) == ("Amounts", "")
    assert "title" not in {path[-1] for path, _ in leaves(Outer)}


@pytest.mark.parametrize("old", [{"name": "x"}, {"name": "x", "amount": 4}])
def test_a_setting_of_an_older_version_is_read_from_the_group_it_was_in(
    old: dict[str, Any],
) -> None:
    assert from_dict(Outer, {"inner": old}).place == Place("x")
    assert from_dict(Outer, {"inner": old}).inner.amount == old.get("amount", 3)
    assert make_config(Outer, {"name": "typed"}, {"inner": old}).place == Place("typed")
    assert from_dict(Outer, {"inner": old, "place": {"name": "new"}}).place == Place("new")


@pytest.mark.parametrize("value", [1, 9, 5])
def test_limits_are_inclusive(value: int) -> None:
    assert Inner(amount=value).amount == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("amount", value) for value in (0, 10, 2.5, "5", None, True, float("nan"))],
        *[("factor", value) for value in (-0.1, float("inf"), float("nan"), "1", None)],
        *[("kind", value) for value in ("c", "", None, 1)],
        *[("on", value) for value in ("yes", 1, None)],
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_setting(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        Inner(**{name: value})


def test_a_refusal_says_what_is_possible() -> None:
    with pytest.raises(ConfigError, match="the largest possible value is 9"):
        Inner(amount=10)
    with pytest.raises(ConfigError, match="choose one of a, b"):
        Inner(kind="c")  # type: ignore[arg-type]


def test_an_unknown_key_is_an_error_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match=r"'amuont'.*did you mean amount\?"):
        from_dict(Outer, {"inner": {"amuont": 1}})
    assert nearest("xyz", ["amount"]) == ""


@pytest.mark.parametrize("values", [{"inner": 5}, {"inner": None}, {"inner": {"amount": "x"}}])
def test_values_of_the_wrong_shape_are_config_errors(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        from_dict(Outer, values)


def test_a_form_may_give_whole_numbers_as_fractions() -> None:
    """JSON from web forms has 3.0 for 3; a range() over it must still work."""
    found = from_dict(Inner, {"amount": 3.0, "factor": 1})
    assert isinstance(found.amount, int)
    assert found == Inner(amount=3, factor=1.0)


def test_a_number_may_be_given_where_a_text_is_kept() -> None:
    """Learning rates are texts, as they may be schedules."""
    assert from_dict(Place, {"name": 0.005}).name == "0.005"
    assert from_dict(Place, {"name": 1e-5}).name == "1e-05"


@given(
    st.builds(
        Outer,
        inner=st.builds(
            Inner,
            amount=st.integers(1, 9),
            factor=st.floats(0, 1e30),
            kind=st.sampled_from("ab"),
            on=st.booleans(),
            size=st.none() | st.tuples(st.integers(), st.integers()),
        ),
        place=st.builds(Place, name=st.text()),
    )
)
def test_settings_survive_the_way_through_json(config: Outer) -> None:
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config)))) == config


def test_each_surface_has_names_of_its_own_for_settings() -> None:
    with pytest.raises(ConfigError) as caught:
        Inner(amount=0)
    flags = setting_names(lambda name, _: f"--{name}", Outer)
    labels = setting_names(lambda _, known: f"“{known.label}”", Outer)
    assert with_names(str(caught.value), flags.get).startswith("--amount is 0;")
    assert with_names(str(caught.value), labels.get).startswith("“Amount” is 0;")
    assert with_names(f"{setting('other')} and `two words`", flags.get) == "`other` and `two words`"


def test_recorded_settings_are_flat_and_leave_out_what_is_not_part_of_the_result() -> None:
    found = recorded(Outer(Inner(amount=4), Place("x")))
    assert found == {"amount": 4, "factor": 0.5, "kind": "a", "size": None}
