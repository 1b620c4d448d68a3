"""Copies of a hypernetwork are compared by the same rules, and are at work in every prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ti_core.compare.adopt import use_hypernetwork
from ti_core.compare.copies import config_of, copy_files, list_runs, read_copies, subject_in
from ti_core.compare.evaluation import questions_of
from ti_core.compare.run import compare
from ti_core.compare.sheet import Sheets, draw_sheets
from ti_core.compare.subjects import EMBEDDINGS, HYPERNETWORKS, SUBJECTS, subject_of
from ti_core.errors import ConfigError, HypernetworkError
from ti_core.families import SDXL
from ti_core.hosts.fake import FakeHost
from ti_core.hypernetworks.applying import Applied
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.port.session import PreviewRequest
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig

BASE = PreviewRequest(prompt="", width=64, height=64, seed=5, steps=2)


def test_its_runs_are_listed_where_they_are_wanted(trained: Path) -> None:
    log = trained.parent.parent
    assert list_runs(log) == []
    (run,) = list_runs(log, SUBJECTS)
    assert (run.name, run.subject) == ("warm", HYPERNETWORKS)
    assert run.label.endswith("warm · hypernetwork · 2 copies")
    assert subject_in(trained) is subject_of(copy_files(trained)) is HYPERNETWORKS
    assert isinstance(config_of(trained), HypernetworkTrainConfig)


def test_a_damaged_first_copy_does_not_hide_what_the_others_are(trained: Path) -> None:
    files = copy_files(trained)
    files[0].write_bytes(b"")
    assert subject_of(files) is HYPERNETWORKS
    assert subject_of(files[:1]) is EMBEDDINGS


def test_a_copy_is_at_work_as_its_tag_would_be(
    trained: Path, host: FakeHost, tmp_path: Path
) -> None:
    copies = read_copies(copy_files(trained), host.describe(), subject=HYPERNETWORKS)
    sheets = Sheets("warm", ("a disc",), (0.7,), BASE, True, HYPERNETWORKS.wording)
    found = read_hypernetwork(copies[1].path)
    with host.session() as session:
        draw_sheets(sheets, copies, session, host.describe(), tmp_path / "out")
        changes = Applied(found.structure, found.tensors, 0.7)
        (wanted,) = session.preview(sheets.request("a disc", 0.7), {}, changes)
        (plain,) = session.preview(sheets.without("a disc"), {})
    made = tmp_path / "out" / "pictures"
    with Image.open(made / "1-warm-000020-0.7-5.png") as picture:
        assert picture.tobytes() == wanted.tobytes() != plain.tobytes()
        assert picture.info["parameters"].startswith("a disc <hypernet:warm-000020:0.7>\n")
        assert "TI hashes" not in picture.info["parameters"]
    with Image.open(made / "1-without-0.7-5.png") as picture:
        assert picture.tobytes() == plain.tobytes()
        assert picture.info["parameters"].startswith("a disc\n")


def test_copies_are_rated_and_their_strength_is_what_they_add(
    trained: Path, host: FakeHost, tmp_path: Path
) -> None:
    config = config_of(trained)
    asked = questions_of(config.data, "warm", host, 4, config, by_word=False)
    files = copy_files(trained)
    found = compare(files, host, tmp_path, None, asked, subject=HYPERNETWORKS).ratings
    assert [one.copy.step for one in found] == [10, 20]
    assert 0 < found[0].strength.value < found[1].strength.value
    assert found[0].to_dict()["verdict"] == ""


def test_a_hypernetwork_for_another_model_is_an_error(trained: Path, tmp_path: Path) -> None:
    other = FakeHost(family=SDXL)
    with pytest.raises(HypernetworkError, match="does not fit this model"):
        compare(copy_files(trained), other, tmp_path, subject=HYPERNETWORKS)


def test_a_copy_is_used_by_the_rule_for_replaced_files(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hypernetworks"
    path, first = folder / "warm.pt", copy_files(trained)[0]
    before, twin = path.read_bytes(), folder / "Warm.safetensors"
    with pytest.raises(ConfigError, match=r"warm\.pt exists already"):
        use_hypernetwork(first, folder, "warm")
    twin.write_bytes(b"of the same name")
    assert use_hypernetwork(first, folder, "warm", replace_present=True) == path
    found, copy = read_hypernetwork(path), read_hypernetwork(first)
    assert (found.name, found.step, found.metadata) == ("warm", 10, copy.metadata)
    assert all(found.tensors[key].equal(each) for key, each in copy.tensors.items())
    assert (folder / "warm.pt.before-1").read_bytes() == before
    assert not twin.exists()
    assert (folder / "Warm.safetensors.before-1").read_bytes() == b"of the same name"
