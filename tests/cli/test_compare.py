"""`ti compare`: the copies of a run side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.train.events import Started
from ti_core.train.loop import train

from ..conftest import Configure
from ..train.hypernetwork_runs import with_copies
from ..train.spoiled import Log

Ti = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_folder(configure: Configure, fake_host: FakeHost) -> Path:
    """A run with the copies 10, 20 and 30."""
    log = Log()
    settings = {"max_train_steps": 30, "save_every_n_steps": 10, "learning_rate": "0.05"}
    train(configure(**settings), fake_host, log)
    return log.of(Started)[0].run_folder


def test_every_copy_is_rated_and_the_best_is_named(ti: Ti, run_folder: Path) -> None:
    code, out, err = ti("compare", run_folder)
    assert code == 0
    lines = out.splitlines()
    assert [line.split("step")[1].split()[0] for line in lines[:3]] == ["10", "20", "30"]
    assert sum(line.startswith("best ") for line in lines[:3]) == 1
    assert lines[3].startswith("best copy: ")
    assert "It does not see whether" in lines[4]  # what the figure does not mean
    assert "120 of 120" in err  # 3 copies, 5 pictures, 8 draws


def test_sheets_are_made_for_prompts_only(ti: Ti, run_folder: Path, tmp_path: Path) -> None:
    pictures = ("--weights", "0.7,1", "--images_per_prompt", "2", "--outdir", "sheets")
    code, out, _ = ti("compare", run_folder, "--prompts", "a [name]", "--draws", "0", *pictures)
    assert code == 0
    assert out.split() == ["sheet", "sheets/sheet-1.png"]
    assert len(list((tmp_path / "sheets" / "pictures").iterdir())) == 3 * 2 * 2


def test_programs_get_json(ti: Ti, run_folder: Path) -> None:
    _, out, _ = ti("compare", run_folder, "--json")
    found = json.loads(out)
    assert [copy["step"] for copy in found["copies"]] == [10, 20, 30]
    assert found["best"] in [copy["file"] for copy in found["copies"]]
    assert found["measured"].startswith("The loss of each copy")


def test_the_best_copy_is_used_and_never_over_another_file_unasked(
    ti: Ti, run_folder: Path, tmp_path: Path
) -> None:
    there = tmp_path / "embeddings" / "zz-thing.safetensors"
    there.write_bytes(before := b"another file")
    code, _, err = ti("compare", run_folder, "--use_best")
    assert code == 2
    assert "zz-thing.safetensors exists already" in err
    assert there.read_bytes() == before
    code, out, _ = ti("compare", run_folder, "--use_best", "--overwrite")
    assert code == 0
    assert out.splitlines()[-1] == "embeddings/zz-thing.safetensors"
    assert read_embedding(there).step in (10, 20, 30)
    assert there.with_name("zz-thing.safetensors.before-1").read_bytes() == before


def test_files_of_no_run_need_a_name_and_pictures(ti: Ti, run_folder: Path, pictures: Path) -> None:
    files = sorted((run_folder / "embeddings").iterdir())[:2]
    code, _, err = ti("compare", *files, "--train_data_dir", pictures)
    assert code == 2
    assert "--token_string" in err
    options = ("--train_data_dir", pictures, "--token_string", "zz-thing", "--draws", "2")
    code, out, _ = ti("compare", *files, *options)
    assert code == 0
    assert len(out.splitlines()) == 2 + 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no run is given"),
        (("nowhere",), "nowhere does not exist"),
        (("RUN", "--prompts", "a cat"), "does not hold [name]"),
        (("RUN", "--prompts", "a [name]", "--weights", "x"), "the weights are 'x'"),
        (("RUN", "--prompts", "a [name]", "--sampler", "x"), "there is no sampler 'x'"),
        (("RUN", "--use_best", "--draws", "0"), "the best copy cannot be determined"),
    ],
)
def test_mistakes_are_told_before_any_work(
    options: tuple[str, ...], message: str, ti: Ti, run_folder: Path
) -> None:
    given = [str(run_folder) if option == "RUN" else option for option in options]
    code, out, err = ti("compare", *given)
    assert code in (1, 2)
    assert message in err
    assert out == ""


def test_of_many_copies_some_are_taken(ti: Ti, run_folder: Path) -> None:
    _, out, _ = ti("compare", run_folder, "--most_copies", "2", "--draws", "1")
    assert [line.split("step")[1].split()[0] for line in out.splitlines()[:2]] == ["10", "30"]


def test_prompts_may_be_in_a_text_file(ti: Ti, run_folder: Path, tmp_path: Path) -> None:
    text = "a [name]\n# not this\n[name] in fog --d 3\n"
    (tmp_path / "prompts.txt").write_bytes(text.encode("utf-16"))
    options = ("--draws", "0", "--steps", "1", "--most_copies", "1")
    code, out, _ = ti("compare", run_folder, "--prompts", "prompts.txt", *options)
    assert code == 0
    assert len(out.split("sheet ")) == 3
    assert any(path.name.endswith("-3.png") for path in (tmp_path / "compare/pictures").iterdir())


def test_a_text_file_without_prompts_is_told(ti: Ti, run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n# nothing yet\n")
    code, _, err = ti("compare", run_folder, "--prompts", "prompts.txt")
    assert code == 2
    assert "--prompts contain no prompt: their lines are empty or comments; write one" in err


def test_nothing_to_compare_by_is_an_error(ti: Ti, run_folder: Path) -> None:
    files = sorted((run_folder / "embeddings").iterdir())[:2]
    for arguments in (files, (*files, "--json"), (run_folder, "--draws", "0")):
        code, out, err = ti("compare", *arguments)
        assert (code, out) == (2, "")
        assert "there is nothing to compare the files by" in err
        assert "--prompts" in err


def test_a_negative_embedding_is_compared_where_it_is_used(ti: Ti, run_folder: Path) -> None:
    options = ("--negative_prompt", "[name], blurry", "--steps", 2, "--draws", 0, "--baseline")
    code, out, err = ti("compare", run_folder, "--prompts", "a red circle", *options)
    assert (code, err.count("error")) == (0, 0), err
    assert out.splitlines()[0].startswith("sheet ")
    found = {}
    for path in (Path("compare") / "pictures").iterdir():
        with Image.open(path) as picture:
            found[path.name] = picture.info["parameters"].partition("\nSteps")[0]
    assert found.pop("1-without-1-0.png") == "a red circle\nNegative prompt: , blurry"
    assert set(found.values()) == {"a red circle\nNegative prompt: zz-thing, blurry"}
    assert len(found) == 3


def test_copies_of_another_base_model_are_warned_of(
    ti: Ti, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("compare", run_folder, "--prompts", "a [name]", "--steps", 2, "--draws", 0)
    assert "was made on" not in ti(*line)[2]
    host = FakeHost()
    facts = replace(host.describe(), checkpoint_hash="a" * 10)
    monkeypatch.setattr(host, "describe", lambda: facts)
    monkeypatch.setattr("ti_core.cli.compare.open_host", lambda config: host)
    assert "was made on fake [0000000000], and this model is fake [aaaaaaaaaa]" in ti(*line)[2]


@pytest.fixture
def trained(fake_host: FakeHost, tmp_path: Path, pictures: Path) -> Path:
    """The folder of a run of a hypernetwork with the copies 10 and 20."""
    return with_copies(fake_host, tmp_path, pictures)


def test_the_command_compares_and_uses_the_best(ti: Ti, trained: Path, tmp_path: Path) -> None:
    pictures = ("--prompts", "a disc", "--steps", "2", "--outdir", tmp_path / "out")
    (tmp_path / "used").mkdir()
    use = ("--use_best", "--overwrite", "--hypernetwork_dir", tmp_path / "used")
    code, out, err = ti("compare", trained, *pictures, *use, "--json")
    assert code == 0, err
    told = json.loads(out.splitlines()[0])
    assert [one["step"] for one in told["copies"]] == [10, 20]
    best = read_hypernetwork(Path(told["best"]))
    assert read_hypernetwork(tmp_path / "used" / "warm.pt").step == best.step


def test_files_of_no_run_are_told_apart_by_what_they_are(
    ti: Ti, trained: Path, pictures: Path
) -> None:
    files = sorted((trained / "hypernetworks").iterdir())
    code, out, _ = ti("compare", *files, "--token_string", "warm", "--train_data_dir", pictures)
    assert code == 0
    assert sum("warm-0000" in line for line in out.splitlines()) == 3
