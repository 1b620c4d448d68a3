"""A whole comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from ti_core.compare.copies import config_of, copy_files
from ti_core.compare.evaluation import Questions, questions_of
from ti_core.compare.ranking import best
from ti_core.compare.run import compare
from ti_core.compare.sheet import Sheets
from ti_core.errors import EmbeddingError
from ti_core.events import Event, Notice
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import PreviewRequest

BASE = PreviewRequest(prompt="", width=64, height=64)


def questions(run_folder: Path, host: FakeHost) -> Questions:
    config = config_of(run_folder)
    return questions_of(config.data, config.name, host, 4, config)


def test_sheets_losses_and_strengths_come_from_one_opening_of_the_model(
    run_folder: Path, host: FakeHost, tmp_path: Path
) -> None:
    sheets = Sheets("zz-thing", ("a [name]",), base=BASE)
    found = compare(
        copy_files(run_folder), host, tmp_path / "out", sheets, questions(run_folder, host)
    )
    assert [path.name for path in found.sheets] == ["sheet-1.png"]
    assert [one.copy.step for one in found.ratings] == [10, 20, 30]
    assert best(found.ratings).copy.step in (10, 20, 30)
    with host.session():
        pass  # it was closed


def test_what_is_not_asked_for_is_not_made(
    run_folder: Path, host: FakeHost, tmp_path: Path
) -> None:
    files = copy_files(run_folder)
    assert compare(files, host, tmp_path / "out", None, None).ratings == ()
    assert not (tmp_path / "out").exists()
    rate = compare(files, host, tmp_path / "out", None, questions(run_folder, host))
    assert (len(rate.ratings), rate.sheets) == (3, ())


def test_stopped_before_the_first_copy_there_is_nothing_and_no_error(
    run_folder: Path, host: FakeHost, tmp_path: Path
) -> None:
    sheets = Sheets("zz-thing", ("a [name]",), base=BASE)
    asked = questions(run_folder, host)
    found = compare(copy_files(run_folder), host, tmp_path, sheets, asked, should_stop=lambda: True)
    assert (found.sheets, found.ratings) == ((), ())


def test_a_damaged_copy_is_told_and_the_rest_is_rated(
    run_folder: Path, host: FakeHost, tmp_path: Path
) -> None:
    files, told = copy_files(run_folder), list[Event]()
    files[1].write_bytes(files[1].read_bytes()[:100])
    asked = questions(run_folder, host)
    found = compare(files, host, tmp_path, None, asked, on_event=told.append)
    assert [one.copy.step for one in found.ratings] == [10, 30]
    (notice,) = (event for event in told if isinstance(event, Notice))
    assert files[1].name in notice.what
    for path in files:
        path.write_bytes(b"")
    with pytest.raises(EmbeddingError):
        compare(files, host, tmp_path, None, asked)


def test_a_mistyped_name_in_a_prompt_is_told(
    run_folder: Path, host: FakeHost, tmp_path: Path
) -> None:
    sheets, told = Sheets("zz-thing", ("[name], zz-thign",), base=BASE), list[Event]()
    compare(copy_files(run_folder)[:1], host, tmp_path / "out", sheets, on_event=told.append)
    (notice,) = (event for event in told if isinstance(event, Notice))
    assert notice.fix == "did you mean zz-thing?"
