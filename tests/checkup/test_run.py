"""Rules about the run, the report as a whole, and folders that mean harm."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from ti_core.checkup import run as module
from ti_core.checkup.disk import spelled
from ti_core.checkup.finding import Finding
from ti_core.checkup.inputs import CheckupInput
from ti_core.checkup.memory import estimate, ladder, packed
from ti_core.checkup.run import RULES, Rule, check_folder
from ti_core.checkup.survey import Survey
from ti_core.data.config import DataConfig
from ti_core.families import SD1, SDXL, Family
from ti_core.hosts.fake import FakeHost
from ti_core.schedule import Schedule, Segment
from ti_core.train.preflight import checkup_input

from ..conftest import Configure
from .conftest import Check, Save, noise

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _one_picture(save: Save) -> None:
    save(noise(0))


# --- the schedule -------------------------------------------------------------------------------


def test_the_schedule_is_written_out_as_segments(check: Check) -> None:
    segments = (Segment(0.005, 0, 100), Segment(1e-3, 100, 101), Segment(1e-5, 101, 3000))
    found = check(schedule=Schedule(segments), max_steps=3000)
    assert found["schedule"].what == (
        "learning rate: 0.005 for steps 1 to 100, 0.001 for step 101, 1e-05 for steps 102 to 3000"
    )
    assert "schedule_short" not in found


def test_a_schedule_that_ends_early_is_warned_of(check: Check) -> None:
    found = check(schedule=Schedule((Segment(0.005, 0, 100),)), max_steps=3000)
    assert found["schedule_short"].severity == "warning"
    assert "step 100, before step 3000" in found["schedule_short"].what
    assert not {"schedule", "schedule_short"} & set(check())


# --- disk and memory ----------------------------------------------------------------------------


def test_a_disk_that_is_too_full_is_an_error(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = ((tmp_path / "new" / "folder", 600), (tmp_path, 500))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9999, 0, 1100))
    found = check(writes=writes)
    assert "1.1 kB" in found["disk_space"].what
    assert "disk_full" not in found
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9999, 0, 1099))
    found = check(writes=writes)
    assert found["disk_full"].severity == "error"
    assert "disk_space" not in found


def test_a_disk_that_gives_no_answer_is_left_unchecked(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> Usage:
        raise OSError("no such device")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    found = check(writes=((tmp_path, 1),))
    assert found["disk_space"].severity == "unchecked"
    assert "no_pictures" not in found


@pytest.mark.parametrize(
    ("family", "pixels", "batch", "half", "gigabytes"),
    [
        (SD1, 512 * 512, 1, False, 4.265 + 1.468 + 1),
        (SD1, 512 * 512, 4, True, 2.132 + 2.936 + 1),
        (SDXL, 1024 * 1024, 1, True, 6.938 + 5.190 + 1),
    ],
)
def test_memory_is_a_sum_of_weights_pictures_and_the_rest(
    family: Family, pixels: int, batch: int, half: bool, gigabytes: float
) -> None:
    assert family.memory is not None
    size, words = estimate(family.memory, pixels, batch, half)
    assert size / 1e9 == pytest.approx(gigabytes, abs=0.01)
    assert f"{batch} image(s) of {pixels:,} pixels" in words


def test_packed_weights_are_a_part_of_the_sum() -> None:
    needs = SD1.memory
    assert needs is not None
    assert packed(needs, 256 * 256, half=False) == 2 * 4 * needs.large
    assert packed(needs, 256 * 256, half=True) == 2 * 2 * needs.large
    assert packed(needs, 5 * 512 * 512, half=False) == 0, "too many positions"
    plain, more = estimate(needs, 65536, 1, False), estimate(needs, 65536, 1, False, 5_000_000_000)
    assert more[0] == plain[0] + 5_000_000_000
    assert "5 GB of them packed for the processor" in more[1]


def test_too_little_memory_is_told(check: Check) -> None:
    enough = check(memory=5_000, memory_formula="a + b", memory_free=5_000)
    assert enough["memory"].what == "needs about 5 kB: a + b"
    assert "memory_short" not in enough
    assert "memory_short" not in check(memory=5_000)
    assert check(memory=5_001, memory_free=5_000)["memory_short"].severity == "warning"
    assert check(max_steps=5)["memory"].severity == "unchecked"


@pytest.mark.parametrize(
    ("half", "otherwise", "told"),
    [
        (False, 4_000, ", or `mixed_precision` fp16"),
        (True, 4_000, ", or `mixed_precision` no"),
        (False, 6_000, ""),
    ],
)
def test_another_precision_is_a_remedy_only_where_it_takes_less(
    check: Check, half: bool, otherwise: int, told: str
) -> None:
    plan = {"memory": 5_001, "memory_free": 5_000, "memory_otherwise": otherwise, "half": half}
    assert check(**plan)["memory_short"].fix == f"use a smaller batch or resolution{told}"


def test_cards_that_people_have_are_large_enough_at_half_precision() -> None:
    assert SD1.memory is not None
    assert SDXL.memory is not None
    assert estimate(SD1.memory, 512 * 512, 1, True)[0] < 4e9
    assert estimate(SDXL.memory, 1024 * 1024, 1, True, checkpointing=True)[0] < 10e9


def test_bytes_are_spelled_as_people_read_them() -> None:
    assert [spelled(n) for n in (0, 999, 1500, 2e9, 3.21e15)] == [
        "0 bytes",
        "999 bytes",
        "1.5 kB",
        "2 GB",
        "3.21e+03 TB",
    ]


# --- the inputs of a checkup ---------------------------------------------------------------------


def test_a_training_tells_the_checkup_what_it_needs_to_know(
    configure: Configure, tmp_path: Path
) -> None:
    config = configure(
        learning_rate="0.1:4, 0.01",
        num_vectors_per_token=3,
        save_every_n_steps=5,
        sample_every_n_steps=5,
        parse_emphasis=True,
    )
    inputs = checkup_input(config, FakeHost(tmp_path), ("dog",), 7, mirrored=True)
    assert (inputs.name, inputs.vectors, inputs.emphasis, inputs.mirrored) == (
        "zz-thing",
        3,
        True,
        True,
    )
    assert inputs.schedule is not None
    assert inputs.schedule.segments == (Segment(0.1, 0, 4), Segment(0.01, 4, 10))
    assert (inputs.max_steps, inputs.memory_free, inputs.taken) == (10, 7, ("dog",))
    assert inputs.size == (FakeHost(tmp_path).describe().resolution,) * 2
    assert inputs.tokenize is not None
    assert len(inputs.tokenize("a cat")) == len(FakeHost(tmp_path).tokenize("a cat"))
    (embeddings, one), (log, many) = inputs.writes
    assert (embeddings, log) == (tmp_path / "embeddings", tmp_path / "log")
    assert many > 3 * inputs.size[0] * inputs.size[1] * 2 + 2 * one


def test_without_a_model_a_training_has_sd1_s_size_and_no_estimate(configure: Configure) -> None:
    inputs = checkup_input(configure())
    assert (inputs.size, inputs.memory, inputs.tokenize) == ((512, 512), 0, None)
    assert checkup_input(configure(resolution=(64, 128))).size == (64, 128)


def test_a_small_model_of_a_known_family_gets_no_estimate(
    configure: Configure, tmp_path: Path
) -> None:
    assert FakeHost(tmp_path).describe().family.memory is not None
    assert checkup_input(configure(), FakeHost(tmp_path)).memory == 0


# --- the report ---------------------------------------------------------------------------------


def test_the_worst_comes_first_and_everything_is_json(tmp_path: Path) -> None:
    (tmp_path / "broken.png").touch()
    (tmp_path / "stray.txt").touch()
    report = check_folder(CheckupInput(DataConfig(train_data_dir=str(tmp_path)), size=(64, 64)))
    kinds = [finding.severity for finding in report.findings]
    order = ["error", "warning", "hint", "note", "unchecked"]
    assert kinds == sorted(kinds, key=order.index)
    assert set(kinds) == set(order)
    found = json.loads(json.dumps(report.to_dict()))
    assert (found["ok"], found["pictures"]) == (False, 1)
    assert all(
        set(f) == {"rule", "severity", "what", "why", "fix", "files"} for f in found["findings"]
    )
    assert all(f.what and (f.why or f.severity in ("note", "unchecked")) for f in report.findings)
    assert str(report.findings[0]).startswith(report.findings[0].what)


def test_every_rule_is_called_and_progress_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Rule] = []
    seen = []

    def watched(rule: Rule, survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
        called.append(rule)
        return iter(())

    monkeypatch.setattr(module, "RULES", tuple(partial(watched, rule) for rule in RULES))
    inputs = CheckupInput(DataConfig(train_data_dir=str(tmp_path)))
    assert check_folder(inputs, lambda done, all_: seen.append((done, all_))).ok
    assert tuple(called) == RULES
    assert seen == [(1, 1)]


def test_nothing_is_written(tmp_path: Path, check: Check) -> None:
    before = {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))}
    check(writes=((tmp_path / "new", 1),))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))} == before


# --- folders that mean harm ---------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_pipes_loops_and_strange_names_do_no_harm(tmp_path: Path, check: Check) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "00.caption")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    for name in ("new\nline.png", "😀" * 50 + ".png", "x" * 250 + ".png"):
        noise(0, 32).save(tmp_path / name)
    Image.new("1", (32, 32), 1).save(tmp_path / "one-bit.png")
    Image.new("RGB", (1, 300)).save(tmp_path / "thin.png")
    found = check(size=(64, 64))
    assert "new\nline.png" in found["near_duplicates"].files
    assert "unreadable" not in found
    assert found["pictures_per_vector"].what.startswith("6 image(s)")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions bind nobody here")
def test_a_closed_folder_is_a_finding(tmp_path: Path, check: Check) -> None:
    tmp_path.chmod(0)
    try:
        assert list(check()) == ["no_pictures"]
    finally:
        tmp_path.chmod(0o700)


def test_what_a_run_does_when_memory_runs_out_is_told_with_what_it_needs_then(
    check: Check,
) -> None:
    needs = SD1.memory
    assert needs is not None
    pixels = 512 * 512
    rows = ladder(needs, pixels, 4, half=False, checkpointing=False)
    sizes = [estimate(needs, pixels, 4, False)[0], *(size for _, size in rows)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(rows) == 2
    assert [size for _, size in ladder(needs, pixels, 4, False, checkpointing=True)] == sizes[2:]
    assert ladder(needs, pixels, 1, False, checkpointing=True) == ()
    told = check(memory=5_000, memory_free=4_000, memory_ladder=(("a", 3_000), ("b", 2_000)))
    assert told["memory"].why == "with a about 3 kB; with b about 2 kB"
    assert "training continues with a, and needs about 2 kB" in told["memory_short"].why
