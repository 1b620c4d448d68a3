"""The checkup before a training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ti_core.data.pictures import Opened, open_picture
from ti_core.errors import DataError
from ti_core.events import Notice
from ti_core.hosts.fake import FakeHost
from ti_core.train import preflight as beforehand
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.preflight import checkup

from ..conftest import Configure


def test_warnings_become_notices_with_reason_and_remedy(
    configure: Configure, pictures: Path
) -> None:
    plan = make_plan(configure(skip_checkup=False, num_vectors_per_token=6), FakeHost())
    (notice,) = [each for each in plan.notices if "6 vectors for 5 picture(s)" in each.what]
    assert isinstance(notice, Notice)
    assert notice.level == "warning"
    assert notice.why
    assert notice.fix


def test_it_can_be_skipped(configure: Configure) -> None:
    assert make_plan(configure(num_vectors_per_token=6), FakeHost()).notices == ()


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

    monkeypatch.setattr(beforehand, "PICTURES", 2)
    monkeypatch.setattr("ti_core.checkup.survey.open_picture", watched)
    checkup(configure(skip_checkup=False), FakeHost())
    assert len(opened) == 2
