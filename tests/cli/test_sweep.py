"""`ti sweep` from the outside: exit codes, messages, files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ti_core.cli import sweep as command
from ti_core.cli.standalone import ModelConfig
from ti_core.errors import CheckpointError
from ti_core.hosts.fake import FakeHost

Ti = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
SAME = (
    *("--token_string", "my-cat", "--train_data_dir", "pictures", "--max_train_steps", "3"),
    *("--sample_every_n_steps", "0", "--skip_checkup", "--latent_cache_dir", "cache"),
)
RATES = ("--sweep", "learning_rate=0.005,0.001")


@pytest.fixture(autouse=True)
def _pictures(pictures: Path) -> None:
    """In the working directory."""


def record() -> dict[str, list[dict[str, object]]]:
    path = max(Path("textual_inversion").glob("*-sweep*/sweep.json"))
    found: dict[str, list[dict[str, object]]] = json.loads(path.read_text())
    return found


def test_a_sweep_trains_every_combination_and_prints_its_page(ti: Ti) -> None:
    code, out, err = ti("sweep", *RATES, "--sweep", "num-vectors=1,2", *SAME)
    assert code == 0, err
    page = Path(out.strip())
    assert page.name == "comparison.html"
    assert page.is_file()
    assert sorted(path.name for path in Path("embeddings").glob("*.safetensors")) == [
        f"my-cat-{number}.safetensors" for number in (1, 2, 3, 4)
    ]
    assert "4 of 4: my-cat-4 (num_vectors_per_token 2, learning_rate 0.001)" in err
    assert "4 run(s) done, 0 failed, 0 left" in err


def test_a_file_of_settings_gives_runs_their_names(ti: Ti) -> None:
    Path("list.toml").write_text(
        '[[variants]]\noutput_name = "quick"\nmax_train_steps = 1\n'
        '[[variants]]\noutput_name = "bright"\nlearning_rate = 0.01\n'
    )
    code, _, err = ti("sweep", "--sweep_file", "list.toml", *SAME)
    assert code == 0, err
    assert {path.stem for path in Path("embeddings").glob("*.safetensors")} == {"quick", "bright"}


def test_presets_can_be_swept(ti: Ti) -> None:
    assert ti("sweep", "--sweep", "preset=object,style", *SAME)[0] == 0
    differs = record()["variants"][0]["differs"]
    assert isinstance(differs, list)
    assert "prompt_template" in differs


def test_names_tell_the_settings_on_request(ti: Ti) -> None:
    assert ti("sweep", *RATES, "--sweep_names", "settings", *SAME)[0] == 0
    assert [one["name"] for one in record()["variants"]] == [
        "my-cat-learning_rate-0.005",
        "my-cat-learning_rate-0.001",
    ]


def test_a_failed_training_gives_code_1_and_is_made_up_for(ti: Ti) -> None:
    code, out, err = ti("sweep", "--sweep", "train_data_dir=pictures,later", *SAME)
    assert code == 1
    assert out.strip().endswith("comparison.html")
    assert "my-cat-2 failed: there is no folder later" in err
    assert "ti sweep --resume textual_inversion" in err
    Path("pictures").rename("later")
    code, _, err = ti("sweep", "--resume")
    assert code == 0, err
    assert "2 of 2: my-cat-2" in err
    assert "1 of 2" not in err


def test_hypernetworks_have_their_own_command(ti: Ti) -> None:
    same = ("--name", "warm", *SAME[2:])
    code, _, err = ti("hypernetwork", "sweep", "--sweep", "max_train_steps=1,2", *same)
    assert code == 0, err
    assert len(list(Path("hypernetworks").glob("warm-*.pt"))) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (SAME, "the sweep varies nothing"),
        (("--sweep", "learning_rat=1", *SAME), "did you mean learning_rate?"),
        (("--sweep", "seed=1,x", *SAME), "--seed is 'x'"),
        (("--sweep", "seed=1,2", *SAME[2:]), "the embedding has no name"),
        (("--sweep", "num_vectors=1,200", *SAME), "the largest possible value is 75"),
    ],
)
def test_what_is_not_possible_is_told_before_the_model_is_opened(
    ti: Ti, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    def no_model(config: ModelConfig) -> FakeHost:
        raise CheckpointError("the model was opened")

    monkeypatch.setattr(command, "open_host", no_model)
    code, _, err = ti("sweep", *arguments)
    assert code == 2
    assert told in err
    assert not Path("textual_inversion").exists()


def test_a_resumed_sweep_keeps_its_settings(ti: Ti) -> None:
    assert ti("sweep", *RATES, *SAME)[0] == 0
    for typed, told in ((("--seed", "3"), "--seed cannot"), (RATES, "--sweep cannot be changed")):
        code, _, err = ti("sweep", "--resume", "latest", *typed)
        assert code == 2
        assert told in err


def test_several_processes_cannot_sweep(ti: Ti, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    code, _, err = ti("sweep", *RATES, *SAME)
    assert code == 2
    assert "a sweep runs in one process" in err


def test_a_sweep_that_is_not_there_cannot_be_resumed(ti: Ti) -> None:
    for given, told in (
        ("latest", "there is no sweep"),
        ("elsewhere", "not the folder of a sweep"),
    ):
        code, _, err = ti("sweep", "--resume", given)
        assert code == 1
        assert told in err


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests/cli/fake_ti.py"), *arguments],
        cwd=os.getcwd(),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_ctrl_c_stops_the_sweep_and_resume_ends_it(ti: Ti) -> None:
    process = started("sweep", *RATES, *SAME, "--max_train_steps", "40")
    deadline = time.monotonic() + 60
    while not list(Path("textual_inversion").glob("*/my-cat-1/lock")) or not any(
        '"StepDone"' in path.read_text()
        for path in Path("textual_inversion").glob("*/my-cat-1/events.jsonl")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out.strip().endswith("comparison.html")
    assert [one["state"] for one in record()["variants"]] == ["stopped", "waiting"]
    code, _, err = ti("sweep", "--resume")
    assert code == 0, err
    assert [one["state"] for one in record()["variants"]] == ["done", "done"]
