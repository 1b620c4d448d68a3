"""`ti …` on the fake host as one of several processes, in processes that start at once.

`python tests/train/ranked.py ti …` is one of them. Without arguments it imports everything, and
then forks a process for each line of its input: {"argv", "cwd", "env", "log"}; see `Ranks`.

RANKED_FAULT="1 kill 6" kills process 1 in its 6th prediction, "1 memory 6" has it run out of memory
there, "1 slow 6" lets it take long from there on.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # the first step of an optimiser imports it
from torch import Tensor

import ti_core.cli.progress
import ti_core.train.follower
import ti_core.train.loop  # noqa: F401  what a run needs, before any process is forked
from ti_core.cli import hypernetwork, train
from ti_core.cli.main import main
from ti_core.hosts import fake


class RankedSession(fake.FakeSession):
    """A session that goes wrong in one of the processes."""

    calls = 0

    def predict(self, *args: Any, **kwargs: Any) -> Tensor:
        """See FakeSession."""
        rank, kind, call = (os.environ.get("RANKED_FAULT") or "-1 none 0").split()
        RankedSession.calls += 1
        if rank == os.environ.get("RANK") and RankedSession.calls >= int(call):
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "memory" and RankedSession.calls == int(call):
                raise RuntimeError("out of memory")
            if kind == "slow":
                time.sleep(0.2)
        return super().predict(*args, **kwargs)


def serve() -> None:
    """Fork for each line; one that is a number asks how that process has ended."""
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            _answer(os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1]))
        elif child := os.fork():
            _answer(child)
        else:
            run(**asked)


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def run(argv: list[str], cwd: str, env: dict[str, str], log: str) -> None:
    """Be `ti`, and end."""
    os.chdir(cwd)
    os.environ.update(env)
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = main(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    torch.set_num_threads(1)
    vars(fake).update(FakeSession=RankedSession)
    for command in (train, hypernetwork):
        vars(command).update(open_host=lambda config: fake.FakeHost(Path("embeddings")))
    sys.exit(main(sys.argv[2:])) if sys.argv[1:] else serve()
