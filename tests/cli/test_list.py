"""`ti list` shows a library, and what is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ti_core.cli.main import main
from ti_core.hypernetworks.writing import write_hypernetwork

from ..files.libraries import RUBBISH, content, put
from ..hypernetworks.made import hypernetwork

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two embeddings of one name, one for SDXL's smaller sister, a broken file; a cache of its
    own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "embeddings"
    put(root / "cat.safetensors", content(1, metadata={"modelspec.trigger_phrase": "<cat>"}))
    put(root / "sub" / "cat.safetensors", content(2))
    put(root / "wide.safetensors", content(count=5, width=1024))
    put(root / "page.pt", RUBBISH)
    return root


def test_people_see_a_table_then_clashes_then_what_was_passed_over(
    folder: Path, capsys: Captured
) -> None:
    assert main(["list", str(folder)]) == 0
    head, first, _, third, count, clash, skipped = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "for", "vectors", "step", "trigger", "file"]
    assert first.split() == ["cat", "sd1", "2", "0", "<cat>", str(folder / "cat.safetensors")]
    assert third.split()[:3] == ["wide", "sd2", "5"]
    assert count == "3 embedding(s)"
    assert clash.startswith(f"the name cat means {folder / 'sub' / 'cat.safetensors'}; it hides")
    assert skipped.startswith(f"skipped {folder / 'page.pt'}: page.pt")


def test_json_holds_the_same(folder: Path, capsys: Captured) -> None:
    assert main(["list", "--json", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["embeddings"]] == ["cat", "cat", "wide"]
    assert found["embeddings"][0]["widths"] == {"emb_params": 768}
    assert [each["file"] for each in found["skipped"]] == [str(folder / "page.pt")]
    assert found["clashes"][0]["hidden"] == [str(folder / "cat.safetensors")]
    assert "checksum" not in found["embeddings"][0]


def test_hashes_are_shown_when_asked_for(folder: Path, capsys: Captured) -> None:
    assert main(["list", "--hashes", "--json", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out)["embeddings"][0]
    assert (len(found["checksum"]), len(found["shorthash"])) == (4, 12)
    assert main(["list", "--hashes", str(folder)]) == 0
    assert found["shorthash"] in capsys.readouterr().out


def test_what_was_seen_is_remembered_unless_that_is_not_wanted(
    folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert main(["list", "--no-cache", str(folder)]) == 0
    assert not (tmp_path / "cache").exists()
    assert main(["list", str(folder)]) == 0
    assert list((tmp_path / "cache" / "textual-inversion-studio").iterdir())
    capsys.readouterr()


def test_names_and_triggers_of_strangers_cannot_steer_the_terminal(
    folder: Path, capsys: Captured
) -> None:
    evil = "\x1b]0;gotcha\x07\n"
    put(folder / f"{evil}.safetensors", content(metadata={"modelspec.trigger_phrase": evil}))
    assert main(["list", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "gotcha" in out
    assert all(char.isprintable() for line in out.split("\n") for char in line)


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["--frobnicate"]])
def test_a_mistake_is_one_sentence(arguments: list[str], capsys: Captured) -> None:
    assert main(["list", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_empty_folder_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    assert main(["list", str(tmp_path / "empty")]) == 0
    assert capsys.readouterr().out == "0 embedding(s)\n"


def test_hypernetworks_are_listed_and_damaged_ones_told(folder: Path, capsys: Captured) -> None:
    write_hypernetwork(folder / "warm.pt", hypernetwork("warm", 640, 1024, activation="swish"))
    write_hypernetwork(folder / "bad.safetensors", hypernetwork())
    content = (folder / "bad.safetensors").read_bytes()
    (folder / "bad.safetensors").write_bytes(content.replace(b'linear\\"', b'curved\\"'))
    assert main(["list", str(folder)]) == 0
    *_, head, row, count, _, bad, page = capsys.readouterr().out.splitlines()
    assert head.split() == ["hypernetwork", "for", "widths", "step", "structure", "file"]
    assert row.split("  ")[0] == "warm"
    assert "SD 2.x  640 1024  70    1, 2, 1 swish" in row
    assert count == "1 hypernetwork(s)"
    assert "no activation function 'curved'" in bad
    assert page.startswith(f"skipped {folder / 'page.pt'}")
    assert main(["list", "--json", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["widths"] for each in found["hypernetworks"]] == [[640, 1024]]
    assert {each["error"] for each in found["skipped"]} == {"HypernetworkError", "EmbeddingError"}
