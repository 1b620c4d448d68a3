"""`python tests/cli/fake_ti.py …` is `ti …` on the fake host: for tests that kill a process."""

import sys
import time
from pathlib import Path

from ti_core.cli import train
from ti_core.cli.main import main
from ti_core.hosts.fake import FakeHost, FakeSession

PAUSE = 0.02
"""Seconds a prediction takes, so that there is time to interrupt."""


class SlowSession(FakeSession):
    """A session that leaves time for a signal."""

    def predict(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        """See FakeSession."""
        time.sleep(PAUSE)
        return super().predict(*args, **kwargs)


if __name__ == "__main__":
    import ti_core.hosts.fake as module

    module.FakeSession = SlowSession
    train.open_host = lambda config: FakeHost(Path("embeddings"))
    sys.exit(main())
