"""An empty path in a command is told, and never the folder that the command is given in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Run = Callable[..., tuple[int, str, str]]
NEW = ("--token_string", "zz-new", "--skip_checkup")
COMMANDS = {
    "train": ("train", "--train_data_dir", "", *NEW),
    "train in a log directory without name": (
        "train",
        "--train_data_dir",
        "here",
        "--logging_dir",
        " ",
        *NEW,
    ),
    "train to nowhere": ("train", "--train_data_dir", "here", "--output_dir", "", *NEW),
    "resume": ("train", "--resume", "latest", "--logging_dir", ""),
    "resume nothing": ("train", "--resume", ""),
    "check": ("check", ""),
    "check a blank": ("check", "  "),
    "preprocess": ("preprocess", "", "there"),
    "preprocess to nowhere": ("preprocess", "here", ""),
    "list": ("list", ""),
    "inspect": ("inspect", ""),
    "convert": ("convert", ""),
    "scale": ("scale", "", "--by", "2", "--out", "x.safetensors"),
    "rename in a folder without name": ("rename", "a", "b", "--embeddings_dir", ""),
    "label": ("label", "a", "--embeddings_dir", " "),
    "delete": ("delete", "a", "--embeddings_dir", ""),
    "diff": ("diff", "", "x"),
    "compare": ("compare", ""),
    "create": ("create", "--token_string", "zz-new", "--output_dir", ""),
    "generate": ("generate", "--prompt", "x", "--outdir", " "),
    "generate with embeddings": ("generate", "--prompt", "x", "--embeddings_dir", ""),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_path_is_told(command: str, ti: Run, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "screenshot.png")
    (tmp_path / "here").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "here" / "a.png")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = ti(*COMMANDS[command])
    assert code == 2
    assert "is empty" in err
    assert sorted(tmp_path.rglob("*")) == before
