"""The checkup before a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ti_core.checkup.finding import Finding
from ti_core.data.captions import read_caption
from ti_core.data.pictures import Opened, open_picture, pictures_in
from ti_core.errors import DataError
from ti_core.events import Notice
from ti_core.hosts.fake import FakeHost
from ti_core.schedule import parse_schedule
from ti_core.train.loop import train
from ti_core.train.plan import make_plan

from ..conftest import Configure


def test_warnings_become_notices_with_reason_and_remedy(
    configure: Configure, pictures: Path
) -> None:
    plan = make_plan(configure(skip_checkup=False, num_vectors_per_token=6), FakeHost())
    (notice,) = [each for each in plan.notices if "6 vectors for 5 image(s)" in each.what]
    assert isinstance(notice, Notice)
    assert notice.level == "warning"
    assert notice.why
    assert notice.fix


def test_it_can_be_skipped(configure: Configure) -> None:
    assert make_plan(configure(num_vectors_per_token=6), FakeHost()).notices == ()


def test_pictures_that_repeat_in_a_batch_are_told_of(configure: Configure) -> None:
    """A1111 takes fewer without a word; five pictures are there."""
    some, all_of_them = (
        make_plan(
            configure(skip_checkup=False, train_batch_size=4, gradient_accumulation_steps=passes),
            FakeHost(),
        ).notices
        for passes in (2, 1)
    )
    said = "an update takes 8 images, and the dataset has 5"
    (notice,) = [each for each in some if said in each.what]
    assert notice.level == "info"
    assert not any("an update takes" in each.what for each in all_of_them)


def test_flips_of_what_is_one_sided_are_warned_of(configure: Configure, pictures: Path) -> None:
    for path in pictures.glob("*.txt"):
        path.write_text("a man with a tattoo")
    plain = make_plan(configure(skip_checkup=False), FakeHost()).notices
    flipped = make_plan(configure(skip_checkup=False, flip_aug=True), FakeHost()).notices
    assert not any("mirrored" in notice.what for notice in plain)
    assert any("mirrored copies" in notice.what for notice in flipped)


def test_an_error_stops_before_anything_is_written(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(DataError, match="are free") as caught:
        train(configure(skip_checkup=False), FakeHost())
    assert "`skip_checkup`" in caught.value.fix
    assert not (tmp_path / "embeddings").exists()
    assert not (tmp_path / "log").exists()


def test_unreadable_pictures_are_left_out_and_told_once(
    configure: Configure, pictures: Path
) -> None:
    (pictures / "broken.png").touch()
    plan = make_plan(configure(skip_checkup=False), FakeHost())
    assert [n.what for n in plan.notices if "broken" in n.what] == ["broken.png is skipped"]


def test_of_very_many_pictures_only_some_are_opened(
    configure: Configure, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def watched(path: Path, enough: int = 0) -> Opened:
        opened.append(path)
        return open_picture(path, enough)

    monkeypatch.setattr("ti_core.data.item.open_picture", watched)
    monkeypatch.setattr("ti_core.train.plan.PICTURES", 2)
    make_plan(configure(skip_checkup=False), FakeHost())
    assert len(opened) == 2


def test_folder_schedule_and_model_are_read_once(
    configure: Configure, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: Counter[str] = Counter()

    def count(target: str, function: Callable[..., Any]) -> None:
        def counted(*values: Any, **named: Any) -> Any:
            called[target.rpartition(".")[2]] += 1
            return function(*values, **named)

        monkeypatch.setattr(target, counted)

    count("ti_core.data.dataset.pictures_in", pictures_in)
    count("ti_core.data.dataset.read_caption", read_caption)
    count("ti_core.train.learning_config.parse_schedule", parse_schedule)
    count("ti_core.hosts.fake.FakeHost.describe", FakeHost.describe)
    plan = make_plan(configure(skip_checkup=False, max_grad_norm=1.0), FakeHost())
    assert called == {"pictures_in": 1, "read_caption": 5, "parse_schedule": 2, "describe": 1}
    assert plan.config.optimizer.rate(0) == 0.005


def test_whoever_takes_the_findings_gets_them_before_an_error_ends_the_plan(
    configure: Configure, pictures: Path
) -> None:
    found: list[Finding] = []
    config = configure(skip_checkup=False, prompt_template="captions", num_vectors_per_token=6)
    with pytest.raises(DataError, match="does not hold 'zz-thing'"):
        make_plan(config, FakeHost(), on_findings=found.extend)
    assert {"trigger_missing", "many_vectors"} <= {finding.rule for finding in found}
    plan = make_plan(
        configure(skip_checkup=False, num_vectors_per_token=6, token_string="my-style"),
        FakeHost(),
        taken=["My-Style"],
        on_findings=found.extend,
    )
    assert "trigger_taken" in {finding.rule for finding in found}
    assert plan.notices == ()
