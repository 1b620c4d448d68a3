"""`ti rename`, `ti delete` and `ti label`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ti_core.train.run_folder import RunFolder
from ti_core.train.run_lock import locked

Ti = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cat(ti: Ti) -> Path:
    """An embedding in the folder where a name is looked for."""
    code, out, err = ti("create", "--token_string", "zz-cat", "--init_word", "cat")
    assert code == 0, err
    return Path(out.strip()).absolute()


def test_an_embedding_is_renamed_by_its_name(ti: Ti, cat: Path) -> None:
    assert ti("rename", "ZZ-cat", "zz-dog") == (
        0,
        f"{cat.with_name('zz-dog.safetensors')}\n",
        "",
    )
    assert not cat.exists()
    assert "zz-dog: 1 vector(s)" in ti("inspect", "embeddings/zz-dog.safetensors")[1]
    assert ti("rename", "embeddings/zz-dog.safetensors", "zz-cat")[0] == 0
    assert cat.exists()


def test_what_cannot_be_renamed_is_said(ti: Ti, cat: Path) -> None:
    assert ti("rename", "zz-cat")[0] == 2
    assert ti("rename", "zz-no", "x")[0] == 1
    code, _, err = ti("rename", "zz-cat", "a/b")
    assert (code, "has path parts" in err) == (2, True)
    ti("create", "--token_string", "zz-dog", "--init_word", "cat")
    code, _, err = ti("rename", "zz-cat", "zz-dog")
    assert (code, "exists already" in err) == (2, True)
    assert cat.exists()


def test_runs_that_keep_the_old_name_are_told(ti: Ti, pictures: Path) -> None:
    train = ("train", "--token_string", "zz-cat", "--train_data_dir", pictures, "--skip_checkup")
    assert ti(*train, "--max_train_steps", "2")[0] == 0
    (run,) = Path("textual_inversion").glob("*/zz-cat")
    settings = RunFolder(run).read_settings()
    settings["train"]["optimizer"]["max_train_steps"] = 9
    RunFolder(run).write_settings(settings)
    with locked(run):
        code, _, err = ti("rename", "zz-cat", "zz-dog")
        assert (code, "zz-cat is being trained" in err) == (1, True)
        assert "zz-cat is being trained" in ti("delete", "zz-cat")[2]
    code, _, err = ti("rename", "zz-cat", "zz-dog")
    assert (code, "1 unfinished run(s) still train zz-cat" in err) == (0, True)
    assert Path("embeddings/zz-dog.json").exists()


def test_embeddings_are_deleted_and_brought_back(ti: Ti, cat: Path) -> None:
    data = cat.read_bytes()
    code, out, err = ti("delete", "zz-cat", "zz-no")
    assert (code, out) == (1, f"{cat.with_name('.ti-bin') / 'zz-cat'}\n")
    assert "there is no file zz-no" in err
    assert not cat.exists()
    listed = ti("delete", "--list")[1]
    assert listed.startswith(f"{cat}  zz-cat.safetensors, deleted 2")
    assert ti("delete", "--undo", "zz-other")[0] == 1
    assert ti("delete", "--undo") == (0, f"{cat}\n", "")
    assert cat.read_bytes() == data
    ti("delete", "zz-cat")
    assert ti("delete", "--undo", "zz-cat")[0] == 0
    ti("delete", cat)
    assert ti("delete", "--empty")[:2] == (0, listed)
    assert ti("delete", "--undo")[0] == 1


@pytest.mark.parametrize(
    "words", [(), ("--undo", "--list"), ("x", "--empty"), ("--list", "--embeddings_dir", "no")]
)
def test_a_delete_that_means_nothing_is_said(ti: Ti, words: tuple[str, ...]) -> None:
    assert ti("delete", *words)[0] == 2


def test_notes_are_written_and_shown(ti: Ti, cat: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    assert ti("label", "zz-cat", "--notes", "best at 0.7", "--license", "CC0") == (0, "", "")
    told = "description: \nnotes: best at 0.7\nactivation text: \nlicense: CC0\n"
    assert ti("label", cat) == (0, told, "")
    code, out, _ = ti("label", "zz-cat", "--picture", tmp_path / "red.png")
    assert (code, out) == (0, f"{cat.with_suffix('.preview.png')}\n")
    assert ti("label")[0] == 2
    assert ti("label", "zz-no", "--notes", "x")[0] == 1
