"""`ti restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Ti = Any


def make(ti: Ti, word: str, *more: str) -> Path:
    code, out, err = ti("create", "--token_string", "zz-made", "--init_word", word, *more)
    assert code == 0, err
    return Path(out.strip())


def test_a_replaced_embedding_is_brought_back(ti: Ti) -> None:
    path = make(ti, "cat")
    first = path.read_bytes()
    make(ti, "dog", "--overwrite")
    second = path.read_bytes()
    assert second != first
    code, out, _ = ti("restore", path, "--list")
    assert code == 0
    assert out.startswith(f"{path}.before-1  step 0, replaced 2")
    assert ti("restore", path.parent, "--list")[1] == out
    assert ti("restore", path)[:2] == (0, f"{path}\n")
    assert path.read_bytes() == first
    assert ti("restore", f"{path}.before-2")[0] == 0
    assert path.read_bytes() == second


def test_the_user_s_own_notes_of_what_is_replaced_stay_and_are_told_of(ti: Ti) -> None:
    path = make(ti, "cat")
    notes = path.with_suffix(".json")
    notes.write_text('{"description": "my cat"}')
    _, _, err = ti("create", "--token_string", "zz-made", "--init_word", "dog", "--overwrite")
    assert "zz-made.json stays as it is: it is your own, and may describe" in err
    assert notes.read_text() == '{"description": "my cat"}'
    _, _, err = ti("scale", path, "--factor", "0.5", "--out", path, "--overwrite")
    assert "zz-made.json stays as it is" in err
    path.unlink()
    assert "stays" not in ti("create", "--token_string", "zz-made", "--init_word", "dog")[2]


def test_what_cannot_be_brought_back_is_said(ti: Ti) -> None:
    path = make(ti, "cat")
    code, _, err = ti("restore", path)
    assert code == 1
    assert "there is no copy of zz-made.safetensors" in err
    assert ti("restore", path.parent)[0] == 2
    assert ti("restore")[0] == 2
    assert path.is_file()


def test_the_number_of_copies_is_a_setting(ti: Ti) -> None:
    path = make(ti, "cat")
    for word in ("dog", "tree", "red"):
        make(ti, word, "--overwrite", "--keep_replaced", "2")
    assert sorted(one.name for one in path.parent.glob("*.before-*")) == [
        "zz-made.safetensors.before-2",
        "zz-made.safetensors.before-3",
    ]
