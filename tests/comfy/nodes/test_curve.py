"""The loss on the training node."""

from __future__ import annotations

import asyncio
import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import settings, trained

OURS = {"host": "127.0.0.1:8188"}


def curve_of(losses: list[float]) -> Any:
    points = [(step, loss, 0.005) for step, loss in enumerate(losses, 1)]
    return program.nodes("curve").curve_of(points)


def drawn() -> list[Any]:
    return [data for kind, data in program.sent if kind == "ti.curve"]


def asked(node: str, workflow: str = "", **headers: str) -> Any:
    query = {"node": node, "workflow": workflow}
    request = SimpleNamespace(headers={**OURS, **headers}, query=query)
    return asyncio.run(program.nodes("routes").curve(request))


def test_a_short_run_is_drawn_step_by_step_and_with_its_mean() -> None:
    curve = curve_of([0.4, 0.2, math.nan, 0.3])
    assert curve["steps"] == [1, 2, 4]
    assert curve["losses"] == [0.4, 0.2, 0.3]
    assert curve["means"][0] == 0.4
    assert 0.2 < curve["means"][1] < 0.4
    assert 0 <= curve["low"] <= 0.2 < 0.4 <= curve["high"]


@pytest.mark.parametrize("losses", [[], [0.1], [0.1, math.nan]])
def test_nothing_is_drawn_of_fewer_than_two_updates(losses: list[float]) -> None:
    assert curve_of(losses) is None


def test_a_long_run_is_drawn_by_few_points_its_last_step_among_them() -> None:
    curve = curve_of([1.0, 3.0] * 500)
    assert len(curve["steps"]) == len(curve["losses"]) == len(curve["means"]) <= 240
    assert curve["steps"][-1] == 1000
    assert set(curve["losses"][1:]) <= {1.8, 2.2}, "each is the mean of its steps"


def test_strength_and_drift_are_drawn_on_a_scale_of_their_own() -> None:
    points = [(step, 0.1, 0.005) for step in (1, 2)]
    strengths = [(step, step / 100) for step in range(1000)]
    curve = program.nodes("curve").curve_of(points, strengths, [(0, 0.0), (999, 12.5)])
    assert curve["strengths"][-1] == (999, 9.99)
    assert len(curve["strengths"]) <= 240
    assert curve["drifts"] == [(0, 0.0), (999, 12.5)]
    assert curve["top"] == 12.5


def test_the_node_is_told_while_it_trains_and_keeps_the_curve(pictures: str) -> None:
    shown = trained(pictures).ui
    assert drawn()[-1]["node"] == "7"
    assert drawn()[-1]["steps"][-1] == 6
    assert drawn()[-1]["drifts"][0] == [0, 0.0]
    (last,) = shown["ti_curve"]
    assert last["steps"] == [1, 2, 3, 4, 5, 6]
    assert asked("7") == (200, {"curve": last})
    assert asked("8") == (200, {"curve": None})
    assert asked("7", "another graph") == (200, {"curve": None})
    assert asked("7", origin="http://evil.example")[0] == 403


def test_a_run_of_one_step_has_no_curve(pictures: str) -> None:
    assert trained(pictures, steps=1).ui["ti_curve"] == []


def test_a_graph_in_the_browser_has_curves_of_its_own(
    pictures: str, comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = program.every_node()["TI_TrainEmbedding"]
    extra = {"workflow": {"id": "abc"}}
    hidden = SimpleNamespace(unique_id="3:7", prompt={}, extra_pnginfo=extra)
    monkeypatch.setattr(node, "hidden", hidden)
    curve = trained(pictures).ui["ti_curve"][0]
    assert asked("3:7", "abc") == (200, {"curve": curve})


def test_a_run_that_is_resumed_shows_the_steps_before(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, asked = program.nodes("runs").RunControl, itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(control, "finishing", property(lambda self: next(asked) > 30))
        ended = trained(pictures, how=settings(60)).args[1].losses[-1][0]
    program.sent.clear()
    trained(pictures, how=settings(60), resume="latest")
    assert 1 < ended < 60
    assert drawn()[0]["steps"][0] == 1
    assert drawn()[0]["steps"][-1] > ended


def test_the_oldest_curves_are_forgotten() -> None:
    module = program.nodes("curve")
    for number in range(100):
        module.keep_curve("many", str(number), {"steps": [number]})
    assert module.kept_curve("many", "99") == {"steps": [99]}
    assert module.kept_curve("many", "0") is None


@pytest.mark.parametrize("extra", [None, {}, {"workflow": None}, {"workflow": []}, []])
def test_without_a_browser_the_graph_has_no_number(extra: Any) -> None:
    assert program.nodes("curve").workflow_of(extra) == ""
