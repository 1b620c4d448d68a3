"""The finished file, where another one may lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from ti_core.errors import ConfigError
from ti_core.events import Event, Listener, Notice
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.events import Finished, Started, StepDone
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.run_folder import RunFolder

from ..conftest import Configure
from .spoiled import Log, StopAfter

STRANGER = b"somebody's work"


@pytest.fixture
def final(configure: Configure) -> Path:
    """Where the embedding is to go."""
    return Path(configure().output.output_dir) / "zz-thing.safetensors"


def appears(final: Path, log: Log) -> Listener:
    """A listener: somebody writes that file during the run."""

    def listen(event: Event) -> None:
        log(event)
        if isinstance(event, StepDone) and event.step == 5:
            final.parent.mkdir(exist_ok=True)
            final.write_bytes(STRANGER)

    return listen


def kept(log: Log) -> list[Notice]:
    return [notice for notice in log.of(Notice) if "was not replaced" in notice.what]


def run_folder(log: Log) -> RunFolder:
    return RunFolder(log.of(Started)[0].run_folder)


def test_a_file_that_appears_during_the_run_is_kept(configure: Configure, final: Path) -> None:
    log, host = Log(), FakeHost()
    path = train(configure(), host, appears(final, log))
    assert final.read_bytes() == STRANGER
    assert path == final.with_name("zz-thing-2.safetensors") == log.of(Finished)[0].path
    assert host.saved == [path]
    found = read_embedding(path)
    assert (found.name, found.step) == ("zz-thing-2", 10)
    assert path.with_suffix(".json").exists()
    assert not final.with_suffix(".json").exists()
    (told,) = kept(log)
    assert "zz-thing-2.safetensors" in told.why
    assert "`overwrite`" in told.fix


def test_it_is_replaced_where_the_user_says_so(configure: Configure, final: Path) -> None:
    log = Log()
    assert train(configure(overwrite=True), FakeHost(), appears(final, log)) == final
    assert kept(log) == []
    assert read_embedding(final).step == 10


def test_a_resume_knows_its_own_file_from_another_one(configure: Configure, final: Path) -> None:
    log = Log()
    train(configure(), FakeHost(), log, StopAfter(log, 4))
    folder, log = run_folder(log), Log()
    train(configure(), FakeHost(), log, StopAfter(log, 3), folder)
    assert (read_embedding(final).step, kept(log)) == (7, [])
    final.write_bytes(STRANGER)
    log = Log()
    path = train(configure(), FakeHost(), log, resume=folder)
    assert final.read_bytes() == STRANGER
    assert path.name == "zz-thing-2.safetensors"
    assert len(kept(log)) == 1


def test_resuming_such_a_run_again_makes_no_third_file(configure: Configure, final: Path) -> None:
    log = Log()
    train(configure(), FakeHost(), appears(final, log))
    folder, before = run_folder(log), sorted(final.parent.iterdir())
    assert train(configure(), FakeHost(), resume=folder).name == "zz-thing-2.safetensors"
    assert sorted(final.parent.iterdir()) == before
    assert train(configure(overwrite=True), FakeHost(), resume=folder) == final
    assert read_embedding(final).step == 10


def test_a_folder_in_the_place_is_kept_too(configure: Configure, final: Path) -> None:
    log = Log()

    def listen(event: Event) -> None:
        log(event)
        if isinstance(event, StepDone) and event.step == 5:
            final.mkdir(parents=True)

    assert train(configure(), FakeHost(), listen).name == "zz-thing-2.safetensors"
    assert len(kept(log)) == 1


@pytest.mark.parametrize("finished", [False, True])
def test_a_run_of_version_0_2_knows_its_file_by_its_log(
    configure: Configure, final: Path, finished: bool
) -> None:
    log = Log()
    train(configure(), FakeHost(), log, StopAfter(log, 4))
    folder = run_folder(log)
    (folder.path / "results.json").unlink()
    if not finished:
        events = folder.path / "events.jsonl"
        lines = events.read_text().splitlines(keepends=True)
        events.write_text("".join(line for line in lines if '"Finished"' not in line))
    log = Log()
    path = train(configure(), FakeHost(), log, resume=folder)
    assert (path == final) is finished
    assert bool(kept(log)) is not finished


def test_the_file_system_need_not_know_hard_links(
    configure: Configure, final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **how: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", none)
    assert train(configure(), FakeHost()) == final
    final.unlink()
    train(configure(), FakeHost(), appears(final, Log()))
    assert final.read_bytes() == STRANGER


def test_another_format_of_the_name_is_refused_before_anything_is_done(
    configure: Configure, final: Path
) -> None:
    final.parent.mkdir(exist_ok=True)
    final.with_suffix(".pt").write_bytes(STRANGER)
    with pytest.raises(ConfigError, match=r"zz-thing\.pt exists already"):
        train(configure(), FakeHost())
    train(configure(overwrite=True), FakeHost())
    assert not final.with_suffix(".pt").exists()
    assert final.with_name("zz-thing.pt.before-1").read_bytes() == STRANGER


def test_another_format_that_appears_during_the_run_is_told(
    configure: Configure, final: Path
) -> None:
    log = Log()
    train(configure(), FakeHost(), appears(final.with_suffix(".pt"), log))
    told = [notice.what for notice in log.of(Notice) if "have the same name" in notice.what]
    assert len(told) == 1
    assert "zz-thing.pt and zz-thing.safetensors" in told[0]


def test_a_file_in_a_sub_folder_is_told_before_the_first_step(
    configure: Configure, final: Path
) -> None:
    (final.parent / "sub").mkdir(parents=True)
    (final.parent / "sub" / "ZZ-Thing.pt").write_bytes(STRANGER)
    plan = make_plan(configure(), FakeHost())
    assert [notice for notice in plan.notices if "ZZ-Thing.pt" in notice.what]


def test_what_is_replaced_is_kept_with_what_was_beside_it(
    configure: Configure, final: Path
) -> None:
    train(configure(), FakeHost())
    old, notes = final.read_bytes(), final.with_suffix(".json").read_bytes()
    train(configure(overwrite=True, seed=3, max_train_steps=12), FakeHost())
    assert final.with_name("zz-thing.safetensors.before-1").read_bytes() == old
    assert final.with_name("zz-thing.json.before-1").read_bytes() == notes
    assert final.with_suffix(".json").read_bytes() != notes
    train(configure(overwrite=True, keep_replaced=0), FakeHost())
    assert not list(final.parent.glob("*.before-*"))


def test_a_run_that_is_resumed_keeps_its_earlier_file_too(
    configure: Configure, final: Path
) -> None:
    log = Log()
    train(configure(), FakeHost(), log)
    old = final.read_bytes()
    train(configure(max_train_steps=12), FakeHost(), resume=run_folder(log))
    assert final.with_name("zz-thing.safetensors.before-1").read_bytes() == old
    assert final.with_name("zz-thing.json.before-1").exists()
    assert "Steps: 12" in final.with_suffix(".json").read_text()
