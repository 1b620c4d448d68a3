"""Where the copies of an embedding lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ti_core.compare.copies import config_of, copy_files, list_runs, read_copies, some_of
from ti_core.compare.embeddings import EmbeddingCopy
from ti_core.errors import DataError, EmbeddingError, TrainingError
from ti_core.families import SD2
from ti_core.hosts.fake import FakeHost


def test_a_run_s_copies_are_found_by_their_steps(run_folder: Path, host: FakeHost) -> None:
    copies = read_copies(copy_files(run_folder), host.describe())
    assert [copy.step for copy in copies] == [10, 20, 30]
    assert [copy.label for copy in copies] == [f"zz-thing-{n:06d}" for n in (10, 20, 30)]
    fitted = [copy for copy in copies if isinstance(copy, EmbeddingCopy)]
    assert [set(copy.vectors) for copy in fitted] == [{"clip_l"}] * 3


def test_runs_are_listed_the_newest_first_and_wrecks_do_no_harm(run_folder: Path) -> None:
    log = run_folder.parent.parent
    other = run_folder.with_name("zz-thing-9")
    shutil.copytree(run_folder, other)
    (other / "settings.json").write_text("{", "utf-8")  # newer, and broken
    (log / "2020-01-01" / "no-copies").mkdir(parents=True)
    (log / "2020-01-01" / "no-copies" / "settings.json").write_text("{}", "utf-8")
    found = list_runs(log)
    assert [run.folder.name for run in found] == ["zz-thing-9", "zz-thing"]
    assert [run.name for run in found] == ["zz-thing-9", "zz-thing"]
    assert found[1].label.endswith("zz-thing · 3 copies")


def test_the_settings_of_a_run_can_be_read_back(run_folder: Path, tmp_path: Path) -> None:
    assert config_of(run_folder).optimizer.max_train_steps == 30
    with pytest.raises(TrainingError):
        config_of(tmp_path)


def test_any_folder_of_embeddings_will_do(run_folder: Path) -> None:
    assert len(copy_files(run_folder / "embeddings")) == 3


def test_copies_of_another_family_of_models_are_refused(run_folder: Path) -> None:
    with pytest.raises(EmbeddingError, match="does not fit this model"):
        read_copies(copy_files(run_folder), FakeHost(family=SD2).describe())


def test_nothing_chosen_is_an_error(host: FakeHost) -> None:
    with pytest.raises(DataError, match="no copies are chosen"):
        read_copies([], host.describe())


@pytest.mark.parametrize(
    ("most", "left"), [(1, [9]), (2, [0, 9]), (3, [0, 4, 9]), (10, range(10)), (99, range(10))]
)
def test_of_many_copies_some_are_taken_evenly_with_the_last(most: int, left: list[int]) -> None:
    paths = [Path(str(number)) for number in range(10)]
    assert some_of(paths, most) == [paths[number] for number in left]
