"""The benchmark beside other programs measures their optimizer's steps, whatever they do else."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks import step_peer
from benchmarks.step_peer import WARM, Case, Way, marked, rows, table, ways

TRAINER = """
import sys, time, beside_trainer
from torch.optim import AdamW

optimizer = AdamW([beside_trainer.weight()])
for seconds in map(float, sys.argv[1:]):
    time.sleep(0.01)
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    optimizer.step()
print("saved")
sys.exit(0)
"""
"""Takes the seconds that are given for its steps, and reads a module beside it, as kohya's does."""
WEIGHT = "def weight():\n    import torch\n    return torch.nn.Parameter(torch.zeros(2))\n"
STAND_IN = """
import sys, types
class AdamW:
    def __init__(self, weights): ...
    def step(self): ...
optim = sys.modules["torch.optim"] = types.SimpleNamespace(AdamW=AdamW)
nn = types.SimpleNamespace(Parameter=list)
zeros = range
def set_num_threads(count): assert count == 1
"""
"""What a trainer takes of torch, which takes seconds to import."""


def script(folder: Path, code: str, torch: str = STAND_IN) -> Path:
    folder.mkdir()
    for name, text in {"trainer": code, "beside_trainer": WEIGHT, "torch": torch}.items():
        (folder / f"{name}.py").write_text(text)
    return folder / "trainer.py"


def test_steps_of_torch_s_optimizer_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = script(tmp_path / "one", TRAINER)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "argv", sys.argv[:1])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(torch.optim.AdamW, "step", torch.optim.AdamW.step)
    found = marked(made, ["0", "0.02", "0.04"])
    assert len(found) == 2
    assert found[0] >= 0.02
    assert found[1] >= 0.04
    made.write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit):
        marked(made, [])


def test_the_least_step_after_the_first_ones_counts(tmp_path: Path) -> None:
    taken = ["0", *["0.001"] * (WARM - 1), "0.2", "0.1", "0.3"]
    found = Way(sys.executable, script(tmp_path / "one", TRAINER), taken).seconds()
    assert 0.1 <= found < 0.2


def test_rows_are_compared_with_the_first_and_failures_say_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fails = script(tmp_path / "fails", "", "raise ImportError('torch is too old')")
    seconds = {"quick": 0.5, "slow": 1.25}
    real = Way.seconds
    monkeypatch.setattr(Way, "seconds", lambda way: seconds.get(way.python) or real(way))
    measured = {
        "ours": Way("quick", fails, []),
        "theirs": Way("slow", fails, []),
        "old": Way(sys.executable, fails, []),
        "nowhere": Way(str(tmp_path / "python"), fails, []),
    }
    ours, theirs, old, nowhere = rows(measured)
    assert ours == "| ours | 500 ms | 1.00 × |"
    assert theirs == "| theirs | 1250 ms | 2.50 × |"
    assert old == "| old | failed: ImportError: torch is too old | |"
    assert "failed: [Errno 2] No such file" in nowhere


def test_a_program_without_a_path_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Way] = []

    def seconds(way: Way) -> float:
        asked.append(way)
        return 1.0

    monkeypatch.setattr(step_peer, "prepare", lambda case, full: None)
    monkeypatch.setattr(Way, "seconds", seconds)
    monkeypatch.setenv("DIFFUSERS_PYTHON", "theirs/bin/python")
    given = Namespace(diffusers=tmp_path, kohya=None, full=True, pixels=64, steps=5)
    last = list(table(given))[-1]
    assert last.startswith("| kohya | skipped: set KOHYA_PATH to a checkout that has train_")
    assert [(way.python, way.script.stem) for way in asked] == [
        *[(sys.executable, "ti_core")] * 2,
        ("theirs/bin/python", "textual_inversion"),
    ]
    both = Namespace(**{**vars(given), "kohya": tmp_path, "full": False})
    assert "| kohya | skipped: its script knows the layout of SD 1.5" in list(table(both))[-1]


def test_all_train_the_same(tmp_path: Path) -> None:
    paths = dict.fromkeys(step_peer.SCRIPTS, tmp_path)
    found = ways(Case(tmp_path, 64, 8), paths)
    shared = {"--resolution=64", "--max_train_steps=8", "--train_batch_size=1"}
    assert all(shared < set(way.arguments) for way in found.values())
    assert len(found) == 4


def test_without_paths_it_ends_before_it_imports_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in step_peer.SCRIPTS:
        monkeypatch.delenv(f"{name.upper()}_PATH", raising=False)
    command = [sys.executable, "-X", "importtime", step_peer.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.split("|")[2][:9] for line in done.stdout.splitlines()[2:]] == [" skipped:"] * 2
    assert "| argparse" in done.stderr
    assert "torch" not in done.stderr
