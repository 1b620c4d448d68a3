"""What a run can be asked for over HTTP."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from tests.comfy.nodes import program


class Request:
    def __init__(self, value: Any) -> None:
        self.value = value

    async def json(self) -> Any:
        if self.value is ValueError:
            raise ValueError
        return self.value


def ask(value: Any) -> tuple[int, Any]:
    return asyncio.run(program.nodes("routes").ask(Request(value)))


@pytest.mark.parametrize(
    "value", [ValueError, None, [], {}, {"action": "explode"}, {"action": ["finish"]}]
)
def test_what_is_no_wish_is_refused(value: Any) -> None:
    status, answer = ask(value)
    assert status == 400
    assert "finish" in answer["error"]


def test_without_a_run_there_is_nobody_to_ask() -> None:
    assert ask({"action": "finish"})[0] == 404


def test_a_wish_reaches_the_run_of_that_node() -> None:
    with program.nodes("runs").track_training("7", "my-cat") as going:
        assert ask({"action": "finish", "node": 8})[0] == 404
        assert not going.control.finishing
        assert ask({"action": "pause", "node": 7})[1]["runs"][0]["paused"] is True
        assert ask({"action": "go_on"})[1]["runs"][0]["paused"] is False
        assert ask({"action": "preview"})[0] == ask({"action": "save"})[0] == 200
        assert list(going.control.requests()) == ["preview", "save"]
        ask({"action": "finish"})
        assert going.control.finishing
    assert program.nodes("runs").running_trainings() == []


def test_a_loss_that_is_no_number_is_told_as_none() -> None:
    bridge = program.nodes("bridge")
    from ti_core.train.events import StepDone

    with program.nodes("runs").track_training("7", "x") as going:
        going.steps = 2
        bridge.Bridge(going)(StepDone(1, 0, 0, math.nan, 0.1, 1.0))
        assert going.to_dict()["loss"] is None


def test_long_encoding_is_told() -> None:
    from ti_core.train.events import Encoding

    with program.nodes("runs").track_training("7", "x") as going:
        program.nodes("bridge").Bridge(going)(Encoding(3, 20))
    assert program.shown == ["encoding pictures: 3 of 20"]
