"""What a node raises can be shown, copied and sent by whoever catches it, whatever it is."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.comfy.nodes import program
from ti_core import errors
from ti_core.errors import TIError, setting


def kinds(of: type[TIError] = TIError) -> Iterator[type[TIError]]:
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


@pytest.mark.parametrize("kind", sorted(set(kinds()), key=str))
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_error_survives_the_words_of_a_node(
    kind: type[TIError], count: int, comfy: dict[str, Path]
) -> None:
    output = comfy["output"]
    parts = [
        f"{setting('max_train_steps')} in {output}, /opt/ComfyUI/models/x, /opt/ComfyUI/y",
        "\udcff {} %s",
        "do {0}",
        "a *\n  ^",
    ][:count]

    def work(cls: object) -> None:
        raise kind(*parts)

    node: Any = type("Failing", (program.nodes("node").Node,), {"work": classmethod(work)})
    with pytest.raises(kind) as caught:
        node.execute()
    raised = caught.value
    assert type(raised) is kind
    assert "`" not in str(raised)
    assert str(output) not in str(raised)
    assert "in output, models/x, ComfyUI/y" in str(raised)
    for again in (copy.copy(raised), copy.deepcopy(raised), pickle.loads(pickle.dumps(raised))):
        assert type(again) is kind
        assert str(again) == str(raised)
        assert repr(again) == repr(raised)
    assert str(raised.reworded(str.upper))


def test_no_error_of_the_core_is_left_out() -> None:
    named = {value for value in vars(errors).values() if isinstance(value, type)}
    assert {kind for kind in named if issubclass(kind, TIError)} <= set(kinds())
