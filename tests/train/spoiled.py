"""A fake host whose session goes wrong on purpose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ti_core.events import Event
from ti_core.families import SD1, Family
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.port.session import (
    Conditioning,
    Hypernetwork,
    Precision,
    PreviewRequest,
    Vectors,
)
from ti_core.train.control import Control
from ti_core.train.events import StepDone

Change = Callable[[int, Tensor, Conditioning], Tensor]
"""(number of the call from 0, output, conditioning) → what `predict` returns instead."""


class SpoiledHost(FakeHost):
    """Changes what `predict` returns, or fails in `preview`; takes fp16 for fp32."""

    def __init__(
        self,
        change: Change | None = None,
        preview_error: BaseException | None = None,
        family: Family = SD1,
    ) -> None:
        super().__init__(Path("embeddings"), family)
        self.change, self.preview_error = change, preview_error
        self.calls = 0

    @contextlib.contextmanager
    def session(self, precision: Precision = "no") -> Iterator[FakeSession]:
        """As the fake host's."""
        with super().session("no" if precision == "fp16" else precision):
            yield SpoiledSession(self, "no" if precision == "fp16" else precision)


class SpoiledSession(FakeSession):
    """See `SpoiledHost`."""

    host: SpoiledHost

    def predict(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None = None,
    ) -> Tensor:
        """As the fake session's, then changed."""
        output = super().predict(noisy, timesteps, conditioning, hypernetwork)
        number, self.host.calls = self.host.calls, self.host.calls + 1
        return self.host.change(number, output, conditioning) if self.host.change else output

    def preview(
        self,
        request: PreviewRequest,
        embeddings: Mapping[str, Vectors],
        hypernetwork: Hypernetwork | None = None,
    ) -> list[Image.Image]:
        """As the fake session's, or an error."""
        if self.host.preview_error is not None:
            raise self.host.preview_error
        return super().preview(request, embeddings, hypernetwork)


class Log(list[Event]):
    """A listener that remembers everything."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        """Events of one kind."""
        return [event for event in self if isinstance(event, kind)]

    @property
    def steps(self) -> list[int]:
        """Steps in the order in which they were made."""
        return [event.step for event in self.of(StepDone)]


class StopAfter(Control):
    """Asks to finish once so many steps were made."""

    def __init__(self, log: Log, steps: int) -> None:
        super().__init__()
        self.log, self.most = log, steps

    @property
    def finishing(self) -> bool:
        return len(self.log.steps) >= self.most
