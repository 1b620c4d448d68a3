"""Everything that the command line says reaches any terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ti_core.cli import telling
from ti_core.files.embedding import Embedding
from ti_core.files.library import Library
from ti_core.files.library_entry import Entry
from ti_core.files.writing import write_embedding

from ..errors import ROOT
from .test_convert import Ti

WINDOWS = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}


def test_nothing_else_in_the_command_line_prints() -> None:
    for path in (ROOT / "ti_core" / "cli").glob("*.py"):
        found = re.search(r"(?<![\w.])print\(", path.read_text())
        assert path.name == "telling.py" or not found, path.name


def save(path: Path) -> Path:
    write_embedding(path, Embedding("x", {"emb_params": torch.ones(1, 768)}))
    return path


@pytest.mark.parametrize("verb", [["inspect"], ["convert", "--to", "pt"], ["list", "--no_cache"]])
def test_a_console_without_the_letters_gets_them_escaped(tmp_path: Path, verb: list[str]) -> None:
    path = save(tmp_path / "猫.safetensors")
    named = tmp_path if verb[0] == "list" else path
    command = [sys.executable, "-m", "ti_core", *verb, str(named)]
    settings = {**os.environ, **WINDOWS, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert rb"\u732b" in done.stdout


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_a_name_that_is_not_utf_8_is_escaped(ti: Ti, tmp_path: Path) -> None:
    """As zips from Windows leave them."""
    name = os.fsdecode(b"caf\xe9")
    path = save(tmp_path / f"{name}.safetensors")
    for arguments in (
        ["inspect", path],
        ["list", tmp_path, "--no_cache"],
        ["convert", path, "--to", "pt"],
    ):
        code, out, error = ti(*arguments)
        assert code == 0, error
        assert re.search(r"caf(\\udce9|\?)", out)
    assert (tmp_path / f"{name}.pt").is_file()


def test_half_of_a_character_has_no_tokens(ti: Ti) -> None:
    for arguments in (["from-text", "a \udce9"], ["merge", "'a \ud800'"]):
        code, _, error = ti(*arguments, "--model", "x", "--out", "x.pt")
        assert code == 1
        assert "an incomplete Unicode character" in error


def test_escape_sequences_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    telling.answer("a\x1b[2Jb")
    telling.remark("c\u202ed\n")
    assert capsys.readouterr() == ("a\\x1b[2Jb\n", "c\\u202ed\n\n")


def test_a_file_that_vanishes_while_hashes_are_told_is_no_end(
    ti: Ti, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / "e" / f"{name}.safetensors")
    real = Library.checksum

    def vanishing(self: Library, entry: Entry) -> str:
        if entry.name == "b":
            entry.path.unlink()
        digits = real(self, entry)
        if entry.name == "c":
            entry.path.unlink()
        return digits

    monkeypatch.setattr(Library, "checksum", vanishing)
    for arguments in (["list", tmp_path / "e", "--hashes", "--no_cache"],):
        code, out, error = ti(*arguments)
        assert code == 0
        assert [line.split()[0] for line in out.splitlines()[1:4]] == ["a", "b", "c"]
        assert "b.safetensors" in error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_behind_the_output_is_told(tmp_path: Path) -> None:
    save(tmp_path / "x.safetensors")
    command = [sys.executable, "-m", "ti_core", "list", str(tmp_path), "--no_cache"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"ti: cannot write the result to standard output: ")
    assert done.stderr.count(b"\n") == 1
