"""The folder that a run leaves behind."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from ti_core.errors import StorageError, TrainingError
from ti_core.events import Notice
from ti_core.train.events import Saved, StepDone
from ti_core.train.run_folder import CSV_NAME, RunFolder

GOLDEN = Path(__file__).parents[1] / "golden"


def step(number: int, loss: float = 0.5) -> StepDone:
    epoch, place = divmod(number - 1, 5)
    return StepDone(number, epoch, place, loss, 0.005, 0.1)


def steps_in(folder: RunFolder) -> list[int]:
    return [number for number, _, _ in folder.losses()]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A new run."""
    return RunFolder.create(tmp_path, "cat")


def test_every_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    names = [RunFolder.create(tmp_path, "cat").path.name for _ in range(3)]
    assert names == ["cat", "cat-2", "cat-3"]


def test_the_csv_is_that_of_a1111(folder: RunFolder) -> None:
    golden = (GOLDEN / "textual_inversion_loss.csv").read_text()
    losses = [float(row["loss"]) for row in csv.DictReader(golden.splitlines())]
    for number, loss in enumerate(losses, 1):
        folder.record(step(number, loss), 1)
    assert (folder.path / CSV_NAME).read_bytes() == golden.replace("\r\n", "\n").encode()


@pytest.mark.parametrize(("every", "rows"), [(0, []), (1, [1, 2, 3, 4]), (2, [2, 4]), (5, [])])
def test_the_csv_has_a_line_every_so_many_steps(
    folder: RunFolder, every: int, rows: list[int]
) -> None:
    for number in range(1, 5):
        folder.record(step(number), every)
    path = folder.path / CSV_NAME
    lines = path.read_text().splitlines()[1:] if path.exists() else []
    assert [int(line.split(",")[0]) for line in lines] == rows


def test_steps_that_will_be_made_again_are_forgotten_and_notices_stay(folder: RunFolder) -> None:
    folder.record(Notice("info", "hello"))
    for number in range(1, 10):
        folder.record(step(number), 1)
        folder.record(Saved(number, Path("x"), "state"))
    folder.forget_after(6)
    assert steps_in(folder) == [1, 2, 3, 4, 5, 6]
    assert (folder.path / CSV_NAME).read_text().splitlines()[-1].startswith("6,")
    assert "hello" in (folder.path / "events.jsonl").read_text()


@pytest.mark.parametrize(
    "tail", [b'{"event": "StepDo', b'{"event": "Notice", "what": "k\xc3', b"\0\0\0\0", b"garbage\n"]
)
def test_a_half_written_last_line_is_forgotten(folder: RunFolder, tail: bytes) -> None:
    folder.record(step(1), 1)
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(tail)
    with (folder.path / CSV_NAME).open("ab") as file:
        file.write(b"2,0,1,0.5")
    folder.forget_after(1)
    folder.record(step(2), 1)
    assert steps_in(folder) == [1, 2]
    assert len((folder.path / CSV_NAME).read_text().splitlines()) == 3


def test_odd_line_ends_within_a_text_do_not_cut_an_event(folder: RunFolder) -> None:
    """A prompt or a path may hold signs that Python's splitlines() takes for line ends."""
    folder.record(Notice("info", "a\u2028b\x85c\x0cd\re\nf"))
    folder.record(step(1), 1)
    folder.forget_after(1)
    assert steps_in(folder) == [1]
    assert "\u2028" in (folder.path / "events.jsonl").read_text(encoding="utf-8")


def test_a_repeated_step_counts_once(folder: RunFolder) -> None:
    folder.record(step(1, 0.9))
    folder.record(step(1, 0.4))
    assert folder.losses() == [(1, 0.4, 0.005)]


def test_names_of_files_carry_the_step(folder: RunFolder) -> None:
    assert folder.copy_path("cat", 500).name == "cat-000500.safetensors"
    assert [folder.image_path("cat", 500, i).name for i in (0, 2)] == [
        "cat-000500.png",
        "cat-000500-2.png",
    ]


# --- found again ------------------------------------------------------------------------------


def settings(trigger: str) -> dict[str, object]:
    return {"train": {"embedding": {"token_string": trigger}}}


def make(logs: Path, folder_name: str, trigger: str, age: int) -> Path:
    found = RunFolder.create(logs, folder_name)
    found.write_settings(settings(trigger))
    os.utime(found.path / "settings.json", (1e9 - age, 1e9 - age))
    return found.path


def test_the_latest_run_of_a_name_is_found(tmp_path: Path) -> None:
    make(tmp_path, "cat", "cat", age=3)
    wanted = make(tmp_path, "cat", "cat", age=2)
    other = make(tmp_path, "cat-2-b", "cat-2-b", age=1)
    assert RunFolder.find("latest", tmp_path, "cat").path == wanted
    assert RunFolder.find("latest", tmp_path).path == other


def test_runs_of_another_kind_of_learnable_are_passed_over(tmp_path: Path) -> None:
    wanted = make(tmp_path, "cat", "cat", age=2)
    other = RunFolder.create(tmp_path, "cat")
    other.write_settings({"name": "cat", "train": {"residual": {}}})
    assert RunFolder.find("latest", tmp_path, "cat").path == wanted
    assert RunFolder.find("latest", tmp_path, "cat", "residual").path == other.path


def test_a_run_under_another_file_name_is_found_by_its_word(tmp_path: Path) -> None:
    wanted = make(tmp_path, "version-2", "cat", age=1)
    assert RunFolder.find("latest", tmp_path, "cat").path == wanted


def test_a_wreck_does_not_hide_the_other_runs(tmp_path: Path) -> None:
    wanted = make(tmp_path, "cat", "cat", age=2)
    wreck = make(tmp_path, "cat", "cat", age=1)
    (wreck / "settings.json").write_text("{")
    assert RunFolder.find("latest", tmp_path, "cat").path == wanted


def test_a_folder_is_found_by_its_path(tmp_path: Path) -> None:
    wanted = make(tmp_path, "cat", "cat", age=1)
    assert RunFolder.find(str(wanted), tmp_path).read_settings() == settings("cat")


@pytest.mark.parametrize("train", [None, [], {"embedding": {}}, {"embedding": "cat"}])
def test_settings_of_another_shape_are_no_run_of_a_name(tmp_path: Path, train: object) -> None:
    RunFolder.create(tmp_path, "cat").write_settings({"train": train})
    with pytest.raises(TrainingError, match="no run of cat"):
        RunFolder.find("latest", tmp_path, "cat")


@pytest.mark.parametrize("resume", ["latest", "nowhere"])
def test_nothing_to_resume_is_an_error(tmp_path: Path, resume: str) -> None:
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(TrainingError):
        RunFolder.find(str(tmp_path / resume) if resume != "latest" else resume, tmp_path, "cat")


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_damaged_settings_are_a_training_error(folder: RunFolder, content: str) -> None:
    (folder.path / "settings.json").write_text(content)
    with pytest.raises(TrainingError, match="cannot read"):
        folder.read_settings()


def test_a_log_directory_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        RunFolder.create(tmp_path / "file", "cat")


def test_a_log_that_cannot_be_written_is_a_storage_error(folder: RunFolder) -> None:
    (folder.path / "events.jsonl").mkdir()
    with pytest.raises(StorageError):
        folder.record(step(1), 1)


def damaged(logs: Path, age: int) -> Path:
    wreck = make(logs, "cat", "cat", age)
    path = wreck / "settings.json"
    path.write_bytes(path.read_bytes().replace(b"cat", b"cot", 1))
    os.utime(path, (1e9 - age, 1e9 - age))
    return wreck


def test_a_newer_run_that_is_passed_over_is_told(tmp_path: Path) -> None:
    damaged(tmp_path, age=3)
    wanted, wreck = make(tmp_path, "cat", "cat", age=2), damaged(tmp_path, age=1)
    told: list[Notice] = []
    assert RunFolder.find("latest", tmp_path, "cat", on_notice=told.append).path == wanted
    (notice,) = told
    assert notice.level == "warning"
    assert str(wreck) in notice.what
    assert "settings.json" in notice.why
    assert notice.fix


def test_where_every_run_is_damaged_the_error_names_them(tmp_path: Path) -> None:
    wreck = damaged(tmp_path, age=1)
    with pytest.raises(TrainingError, match="no run of cat") as caught:
        RunFolder.find("latest", tmp_path, "cat")
    assert str(wreck) in caught.value.why
    assert caught.value.fix


def test_a_folder_of_runs_is_refused_with_one_of_them(tmp_path: Path) -> None:
    make(tmp_path, "cat", "cat", age=2)
    newest = make(tmp_path, "cat", "cat", age=1)
    for folder in (newest.parent, tmp_path):
        with pytest.raises(TrainingError) as caught:
            RunFolder.find(str(folder), tmp_path)
        assert caught.value.fix.endswith(f"such as {newest}")
    with pytest.raises(TrainingError) as caught:
        RunFolder.find(str(tmp_path / "nowhere"), tmp_path)
    assert caught.value.fix
