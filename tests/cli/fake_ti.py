"""`python tests/cli/fake_ti.py …` is `ti …` on the fake host: for tests that kill a process."""

import sys
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from ti_core.cli import sweep, train
from ti_core.cli.main import main
from ti_core.hosts import fake

PAUSE = 0.02
"""Seconds a prediction takes, so that there is time to interrupt."""


class SlowSession(fake.FakeSession):
    """A session that leaves time for a signal."""

    def predict(self, *args: Any, **kwargs: Any) -> Tensor:
        """See FakeSession."""
        time.sleep(PAUSE)
        return super().predict(*args, **kwargs)


if __name__ == "__main__":
    vars(fake).update(FakeSession=SlowSession)
    for command in (sweep, train):
        vars(command).update(open_host=lambda config: fake.FakeHost(Path("embeddings")))
    sys.exit(main())
