"""A resume tells what is not as it was, and refuses what cannot change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ti_core.errors import TrainingError
from ti_core.events import Notice
from ti_core.hosts.fake import FakeHost
from ti_core.train.events import Started, StepDone
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.run_folder import RunFolder

from ..conftest import Configure
from .spoiled import Log, StopAfter


@pytest.fixture
def run(configure: Configure) -> RunFolder:
    """A run that was stopped at step 4."""
    log = Log()
    train(configure(), FakeHost(), log, StopAfter(log, 4))
    return RunFolder(log.of(Started)[0].run_folder)


def notices(run: RunFolder, configure: Configure, **changes: Any) -> list[Notice]:
    plan = make_plan(configure(**changes), FakeHost(), run)
    return [one for one in plan.notices if "have changed" in one.what or "images" in one.what]


def test_where_nothing_has_changed_nothing_is_told(run: RunFolder, configure: Configure) -> None:
    assert notices(run, configure) == []


def test_all_changed_settings_are_told_before_a_step_is_made(
    run: RunFolder, configure: Configure
) -> None:
    log = Log()
    changes = {"learning_rate": "0.001", "seed": 5, "flip_aug": True, "max_train_steps": 12}
    train(configure(**changes), FakeHost(), log, resume=run)
    (told,) = (notice for notice in log.of(Notice) if "have changed" in notice.what)
    for text in (
        "`learning_rate` 0.005 → 0.001",
        "`seed` 0 → 5",
        "`flip_aug` False → True",
        "`max_train_steps` 10 → 12",
    ):
        assert text in told.what
    assert told.why
    assert log.index(told) < log.index(log.of(StepDone)[0])
    assert log.of(StepDone)[0].rate == 0.001, "a new rate applies"
    assert notices(run, configure, **changes) == [], "from then on these are the run's own"


def test_settings_that_change_no_number_are_told_without_a_consequence(
    run: RunFolder, configure: Configure
) -> None:
    (told,) = notices(run, configure, save_every_n_steps=2)
    assert (told.what, told.why) == (
        "settings of the run have changed: `save_every_n_steps` 0 → 2",
        "",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("init_word", "dog"),
        ("init_rule", "cycle"),
        ("token_string", "zz-other"),
        ("weights", "some.safetensors"),
        ("initial_step", 0),
    ],
)
def test_what_had_its_effect_at_the_beginning_is_refused_by_its_name(
    run: RunFolder, configure: Configure, name: str, value: Any
) -> None:
    with pytest.raises(TrainingError, match=f"`{name}` cannot change") as caught:
        make_plan(configure(**{name: value}), FakeHost(), run)
    assert "begin a new run" in caught.value.fix


def test_the_number_of_vectors_and_the_optimiser_are_refused(
    run: RunFolder, configure: Configure
) -> None:
    for name, value in (("num_vectors_per_token", 2), ("optimizer_type", "Prodigy")):
        with pytest.raises(TrainingError, match=f"`{name}`"):
            make_plan(configure(**{name: value}), FakeHost(), run)


def test_one_folder_in_two_spellings_is_no_change(
    run: RunFolder, configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert notices(run, configure, logging_dir="log", output_dir="./embeddings") == []


def test_pictures_and_captions_that_changed_are_told_by_name(
    run: RunFolder, configure: Configure, pictures: Path
) -> None:
    first, second, third, *_ = sorted(pictures.glob("*.png"))
    Image.new("RGB", (64, 64), (1, 2, 3)).save(first)
    second.with_suffix(".txt").write_text("another caption")
    third.unlink()
    Image.new("RGB", (64, 64), (3, 2, 1)).save(pictures / "new.png")
    (told,) = notices(run, configure)
    for text in (
        f"1 changed: {first.name}",
        f"1 with another caption: {second.name}",
        f"1 removed: {third.name}",
        "1 added: new.png",
    ):
        assert text in told.what
    assert told.level == "warning"
    train(configure(), FakeHost(), resume=run)
    assert notices(run, configure) == [], "what was told is the run's own now"


def test_a_folder_that_moved_has_the_same_pictures(
    run: RunFolder, configure: Configure, pictures: Path
) -> None:
    there = pictures.rename(pictures.with_name("moved"))
    (told,) = notices(run, configure, train_data_dir=str(there))
    assert "`train_data_dir`" in told.what


@pytest.mark.parametrize("damage", [None, b"{}", b"\0"])
def test_of_older_and_damaged_notes_the_number_of_pictures_is_told(
    run: RunFolder, configure: Configure, pictures: Path, damage: bytes | None
) -> None:
    noted = run.path / "pictures.json"
    noted.unlink() if damage is None else noted.write_bytes(damage)
    assert notices(run, configure) == []
    next(pictures.glob("*.png")).unlink()
    (told,) = notices(run, configure)
    assert "images and has" in told.what
