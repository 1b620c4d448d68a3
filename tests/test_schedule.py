"""Learning-rate schedules, as A1111 reads them, without its traps."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.errors import ScheduleError
from ti_core.schedule import Decay, early_end, parse_schedule, warmup_and_decay

SEED_004 = "5e-2:100,5e-3:500,5e-4:1000, 5e-5:1500,5e-6"


def runs(text: str, max_steps: int) -> list[tuple[float, int, int]]:
    """(rate, first update, update after the last) of every segment."""
    return [(s.rate, s.start, s.until) for s in parse_schedule(text, max_steps).segments]


@pytest.mark.parametrize(
    ("text", "max_steps", "expected"),
    [
        ("0.005", 3000, [(0.005, 0, 3000)]),
        (
            "0.005:100, 1e-3:1000, 1e-5",
            3000,
            [(0.005, 0, 100), (1e-3, 100, 1000), (1e-5, 1000, 3000)],
        ),
        (
            SEED_004,
            2500,
            [
                (0.05, 0, 100),
                (0.005, 100, 500),
                (0.0005, 500, 1000),
                (5e-05, 1000, 1500),
                (5e-06, 1500, 2500),
            ],
        ),
        ("0.005:100, 1e-3:1000", 3000, [(0.005, 0, 100), (1e-3, 100, 1000)]),
        ("0.005:100,1e-3:-1", 3000, [(0.005, 0, 100), (1e-3, 100, 3000)]),
        ("0.005:100,,1e-5,", 3000, [(0.005, 0, 100), (1e-5, 100, 3000)]),
        ("0.005:300,1e-5", 200, [(0.005, 0, 200)]),
        (" 0.005 : 100 , 1e-5 ", 200, [(0.005, 0, 100), (1e-5, 100, 200)]),
    ],
)
def test_golden_schedules_of_a1111(
    text: str, max_steps: int, expected: list[tuple[float, int, int]]
) -> None:
    """Rows 58, 59, 61, 62, 64, 65, 71 of the table in docs."""
    assert runs(text, max_steps) == expected


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.005), (99, 0.005), (100, 1e-3), (500, 1e-3), (999, 1e-3), (1000, 1e-5)]
)
def test_a_part_applies_while_the_step_is_below_its_number(step: int, rate: float) -> None:
    """Row 60: a resume at 500 starts in the second part."""
    assert parse_schedule("0.005:100, 1e-3:1000, 1e-5", 3000).rate(step) == rate


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.005, 1e-3:100", "open-ended"),
        ("0.005:-1, 1e-3", "open-ended"),
        ("1e-3:100,0.005:50,1e-5", "do not increase"),
        ("1e-3:100,0.005:100,1e-5", "do not increase"),
        ("0.005:1e2", "is not a rate"),
        ("0.005;1e-3", "is not a rate"),
        ("0.005:100:5,1e-5", "is not a rate"),
        ("0.005:0", "is not a rate"),
        ("0.005:-2", "is not a rate"),
        ("0.005:", "is not a rate"),
        (":100", "is not a rate"),
        ("", "is empty"),
        (" , ,", "is empty"),
        ("nan", "is not a rate"),
        ("inf", "is not a rate"),
        ("-1", "is not a rate"),
        ("0", "is not a rate"),
        ("1e-400", "is not a rate"),
        ("fast", "is not a rate"),
    ],
)
def test_what_a1111_takes_silently_is_an_error(text: str, why: str) -> None:
    """Rows 66 to 70: each of them costs hours there."""
    with pytest.raises(ScheduleError, match=why):
        parse_schedule(text, 3000)


def test_every_error_shows_how_to_write_it() -> None:
    for text in ("", "x", "1e-3, 5", "1:9,2:8"):
        with pytest.raises(ScheduleError, match=r"0\.005:100, 1e-3:1000, 1e-5"):
            parse_schedule(text, 100)


def test_an_early_end_is_told_before_anything_is_trained() -> None:
    """Row 62, and row 63 where A1111 says "Invalid learning rate schedule"."""
    schedule = parse_schedule("0.005:100, 1e-3:1000", 3000)
    told = early_end(schedule, 3000)
    assert told is not None
    assert told[0] == "training ends at step 1000, before step 3000"
    assert early_end(schedule, 1000) is None
    with pytest.raises(ScheduleError, match="ends at step 1000, and training is at step 1000"):
        schedule.rate(1000)


def test_a_value_that_is_held_applies_to_the_end() -> None:
    """A1111's clip value, whose schedule never ends a training."""
    schedule = parse_schedule("1:5, 0.5:10", 30)
    held = schedule.held(30)
    assert [held.rate(step) for step in (0, 4, 5, 9, 10, 29)] == [1, 1, 0.5, 0.5, 0.5, 0.5]
    assert parse_schedule("1:5, 0.5", 30).held(30) == parse_schedule("1:5, 0.5", 30)


# --- against an independent reading of the grammar ---------------------------------------------


def brute_force(parts: list[tuple[float, int | None]], step: int, max_steps: int) -> float | None:
    """The rate of the update after `step` ones, read off the table's sentences; None: it ended.

    "The pair applies while step < until"; "a bare rate means until max steps and ends parsing";
    -1 is the same; "until" is capped at max steps.
    """
    for rate, until in parts:
        open_ended = until is None or until == -1
        if step < (max_steps if open_ended else min(until or 0, max_steps)):
            return rate
        if open_ended:
            break
    return None


@st.composite
def grammar(draw: st.DrawFn) -> tuple[str, list[tuple[float, int | None]]]:
    """A valid text and what it says; spaces and empty parts thrown in."""
    untils: list[int | None] = sorted(draw(st.sets(st.integers(1, 60), max_size=5)))  # type: ignore[assignment]
    if draw(st.booleans()) or not untils:
        untils.append(draw(st.sampled_from([None, -1])))
    rates = st.floats(1e-9, 10, allow_subnormal=False)
    parts = [(draw(rates), until) for until in untils]
    space = st.sampled_from(["", " ", "  "])
    texts = []
    for rate, until in parts:
        texts += [""] * draw(st.integers(0, 1))
        end = "" if until is None else f"{draw(space)}:{draw(space)}{until}"
        texts.append(f"{draw(space)}{rate!r}{end}{draw(space)}")
    return ",".join([*texts, *[""] * draw(st.integers(0, 1))]), parts


@given(grammar(), st.integers(1, 70))
def test_every_update_has_the_rate_that_the_grammar_says(
    given_: tuple[str, list[tuple[float, int | None]]], max_steps: int
) -> None:
    text, parts = given_
    schedule = parse_schedule(text, max_steps)
    for step in range(max_steps):
        expected = brute_force(parts, step, max_steps)
        if expected is None:
            assert schedule.end <= step
        else:
            assert schedule.rate(step) == expected


@given(grammar(), st.integers(1, 70))
def test_segments_have_no_gaps_and_stay_within_the_run(
    given_: tuple[str, list[tuple[float, int | None]]], max_steps: int
) -> None:
    segments = parse_schedule(given_[0], max_steps).segments
    assert segments[0].start == 0
    assert segments[-1].until <= max_steps
    for one, two in itertools.pairwise(segments):
        assert one.start < one.until == two.start


@given(st.text(alphabet="0123456789.e-+:, naif", max_size=20) | st.text(max_size=20))
def test_any_text_is_read_or_refused_but_never_crashes(text: str) -> None:
    try:
        schedule = parse_schedule(text, 100)
    except ScheduleError:
        return
    assert all(math.isfinite(s.rate) and s.rate > 0 for s in schedule.segments)


# --- warm-up and decay ------------------------------------------------------------------------


def test_warm_up_rises_evenly_and_never_gives_zero() -> None:
    factors = [warmup_and_decay("constant", step, 3, 10) for step in range(5)]
    assert factors == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_a_decay_falls_from_one_towards_zero(kind: Decay) -> None:
    factors = [warmup_and_decay(kind, step, 2, 12) for step in range(2, 13)]
    assert factors[0] == 1.0
    assert factors[5] == pytest.approx(0.5)
    assert factors[-1] == pytest.approx(0.0)
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize(
    ("starts", "expected"),
    [(6, [1 / 3, 2 / 3, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]), (1, [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8])],
)
def test_a_decay_may_begin_later_and_never_before_the_end_of_warm_up(
    starts: int, expected: list[float]
) -> None:
    factors = [warmup_and_decay("linear", n, 2, 10, falls_from=starts) for n in range(11)]
    assert factors[: len(expected)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("cosine_with_restarts", {"cycles": 2}, [1.0, 0.853553, 0.5, 0.146447, 1.0, 0.853553]),
        ("cosine_with_restarts", {}, [1.0, 0.96194, 0.853553, 0.691342, 0.5, 0.308658]),
        ("polynomial", {"rate": 1e-3}, [1.0, 0.875013, 0.750025, 0.625037, 0.50005, 0.375063]),
        ("polynomial", {"rate": 1e-3, "power": 2.0}, [1.0, 0.765648, 0.562544, 0.390686]),
        ("polynomial", {"rate": 1e-8}, [1.0, 1.0, 1.0]),
    ],
)
def test_restarts_and_polynomials_are_those_of_diffusers(
    kind: Decay, shape: dict[str, Any], expected: list[float]
) -> None:
    """diffusers 0.42, `get_scheduler` with 2 warm-up steps of 10, from step 2 on."""
    factors = [warmup_and_decay(kind, step, 2, 10, **shape) for step in range(2, 10)]
    assert factors[: len(expected)] == pytest.approx(expected, abs=1e-6)


def test_a_schedule_can_be_multiplied() -> None:
    assert parse_schedule("1e-3:5,1", 9).times(4) == parse_schedule("4e-3:5,4", 9)


@given(
    st.sampled_from(["constant", "linear", "cosine", "cosine_with_restarts", "polynomial"]),
    st.integers(0, 200),
    st.integers(0, 200),
    st.integers(1, 200),
)
def test_the_factor_is_always_between_zero_and_one(
    kind: Decay, step: int, warmup: int, max_steps: int
) -> None:
    if step < max_steps:
        assert 0 < warmup_and_decay(kind, step, warmup, max_steps) <= 1


def test_a_schedule_is_a_value() -> None:
    one, two = parse_schedule("1e-3:5,1", 9), parse_schedule(" 1e-3:5 , 1.0 ,", 9)
    assert one == two
    assert replace(one) == two
