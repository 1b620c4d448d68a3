"""`ti train` from the outside: exit codes, messages, files."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from ti_core.cli import resume
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.seal import write_sealed_json
from ti_core.files.writing import write_embedding

Ti = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (80, 64), (60 * number, 90, 120)).save(folder / f"{number}.png")
    return folder


def options(pictures: Path, **changes: object) -> list[object]:
    given: dict[str, object] = {
        "token_string": "my-cat",
        "init_word": "cat",
        "train_data_dir": pictures,
        "max_train_steps": 4,
        "sample_every_n_steps": 0,
        **changes,
    }
    return [part for name, value in given.items() for part in (f"--{name}", value)]


def test_training_writes_the_embedding_and_a_run_folder(ti: Ti, pictures: Path) -> None:
    code, _, err = ti("train", *options(pictures))
    assert code == 0
    assert Path("embeddings/my-cat.safetensors").is_file()
    run = next(Path("textual_inversion").glob("*/my-cat"))
    assert {"settings.json", "events.jsonl", "loss.png"} <= {p.name for p in run.iterdir()}
    assert "finished at step 4" in err


def test_the_last_lines_say_where_the_file_is_and_how_prompts_call_it(
    ti: Ti, pictures: Path
) -> None:
    _, _, err = ti("train", *options(pictures))
    lines = err[err.index("finished at step") :].splitlines()[1:]
    rows = dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in lines)
    assert len({line.index(rows[label]) for line, label in zip(lines, rows, strict=True)}) == 1
    assert rows["saved as"] == str(Path("embeddings/my-cat.safetensors"))
    assert rows["in prompts"] == "my-cat (ComfyUI: embedding:my-cat)"
    assert Path(rows["run folder"].split(" (")[0]).is_dir()


def test_resume_needs_nothing_but_the_run(ti: Ti, pictures: Path) -> None:
    ti("train", *options(pictures))
    first = Path("embeddings/my-cat.safetensors").read_bytes()
    code, _, err = ti("train", "--resume", "latest", "--max_train_steps", 6)
    assert (code, "finished at step 6" in err) == (0, True)
    assert Path("embeddings/my-cat.safetensors").read_bytes() != first


def test_a_run_folder_of_version_0_1_goes_on_to_the_same_bytes(ti: Ti, pictures: Path) -> None:
    """Four settings have moved to other groups of settings.json since."""
    made = {}
    for old in (False, True):
        typed = options(pictures, mixed_precision="bf16", seed=5, clip_skip=2)
        ti("train", *typed, "--overwrite")
        path = sorted(Path("textual_inversion").glob("*/my-cat*/settings.json"))[-1]
        settings = json.loads(path.read_text())
        if old:
            del settings["ti.seal"]
            train = settings["train"]
            came_later = ("pack_weights", "gradient_checkpointing")
            compute = {k: v for k, v in train.pop("compute").items() if k not in came_later}
            train["optimizer"] |= {**compute, **train.pop("text")}
            path.write_text(json.dumps(settings))
        assert ti("train", "--resume", path.parent, "--max_train_steps", 6)[0] == 0
        made[old] = Path("embeddings/my-cat.safetensors").read_bytes()
        assert json.loads(path.read_text())["train"]["compute"]["seed"] == 5
    assert made[False] == made[True]


def test_settings_of_another_run_can_be_used(ti: Ti, pictures: Path) -> None:
    ti("train", *options(pictures))
    settings = next(Path("textual_inversion").glob("*/my-cat/settings.json"))
    assert json.loads(settings.read_text())["train"]["embedding"]["init_word"] == "cat"
    code, _, _ = ti("train", "--config_file", settings, "--token_string", "my-dog")
    assert code == 0
    cat, dog = (
        read_embedding(Path(f"embeddings/{name}.safetensors")).vectors["emb_params"]
        for name in ("my-cat", "my-dog")
    )
    assert torch.equal(cat, dog)


def test_settings_that_a_windows_editor_has_saved_are_read(ti: Ti, pictures: Path) -> None:
    ti("train", *options(pictures))
    settings = next(Path("textual_inversion").glob("*/my-cat/settings.json"))
    text = settings.read_text(encoding="utf-8").replace("\n", "\r\n")
    settings.write_bytes(text.encode("utf-16"))
    assert ti("train", "--config_file", settings, "--token_string", "my-dog")[0] == 0
    assert ti("train", "--resume", settings.parent, "--max_train_steps", 6)[0] == 0


def test_debug_dataset_steers_no_terminal_and_tells_what_is_left_out(
    ti: Ti, pictures: Path
) -> None:
    (pictures / "1.txt").write_text("a \x1b[31mmy-cat \x9b2J \u202e")
    (pictures / "broken.png").write_bytes(b"hello")
    code, out, err = ti("train", *options(pictures), "--debug_dataset")
    assert code == 0
    assert "a \\x1b[31mmy-cat \\x9b2J \\u202e" in out
    assert out.isascii()
    assert "broken.png is skipped" in err


def test_debug_dataset_prints_placeholder_ids_and_trains_nothing(ti: Ti, pictures: Path) -> None:
    code, out, _ = ti(
        "train", *options(pictures, num_vectors_per_token=2), "--debug_dataset",
        "--use_object_template",
    )  # fmt: skip
    assert code == 0
    assert out.count(" 997 998") == 3  # the fake vocabulary ends at 996
    assert "<my-cat:0> <my-cat:1>" in out
    assert not Path("embeddings").exists()
    assert not Path("textual_inversion").exists()


def test_debug_dataset_shows_sizes_repeats_weights_and_masks(ti: Ti, pictures: Path) -> None:
    train = pictures.parent / "train"
    train.mkdir()
    pictures.rename(train / "3_my-cat")
    regular = pictures.parent / "reg" / "1_cat"
    regular.mkdir(parents=True)
    for i in range(2):
        Image.new("RGBA", (128, 64), (9, 9, 9, 200 * i)).save(regular / f"{i}.png")
    code, out, _ = ti(
        "train", *options(train, reg_data_dir=regular.parent, prior_loss_weight=0.5),
        "--debug_dataset", "--masked_loss", "--varsize",
    )  # fmt: skip
    assert code == 0
    assert out.count("80x64 of 80x64, 3 times an epoch\n") == 3
    assert "128x64 of 128x64, 5 times an epoch, regularization, weight 0.5, mask from 0 to 0" in out
    assert "18 images in an epoch\n  80x64: 9\n  128x64: 9\n" in out


def test_what_the_checkup_finds_is_told_before_training(ti: Ti, pictures: Path) -> None:
    for path in sorted(pictures.glob("*.png"))[1:]:
        path.unlink()
    code, _, err = ti("train", *options(pictures))
    assert code == 0
    assert "warning: there are only 1 image(s)" in err
    code, _, err = ti("train", *options(pictures, token_string="my-dog"), "--skip_checkup")
    assert code == 0
    assert "there are only" not in err


def test_an_error_of_the_checkup_stops_before_the_model_is_claimed(
    ti: Ti, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    code, _, err = ti("train", *options(pictures))
    assert code == 1
    assert "--skip_checkup" in err
    assert not Path("embeddings/my-cat.safetensors").exists()
    assert not list(Path("textual_inversion").glob("*/*"))


def test_trigger_that_is_a_word_gets_a_warning_that_names_it(ti: Ti, pictures: Path) -> None:
    code, _, err = ti("train", *options(pictures, token_string="cat"))
    assert code == 0
    assert "warning: 'cat' is already a word of the model" in err


def test_truncated_picture_is_skipped_with_a_notice(ti: Ti, pictures: Path) -> None:
    good = pictures / "good.jpg"
    Image.effect_noise((64, 64), 80).convert("RGB").save(good)
    (pictures / "half.jpg").write_bytes(good.read_bytes()[:700])
    code, _, err = ti("train", *options(pictures))
    assert code == 0
    assert "half.jpg is skipped" in err
    assert "4 image(s)" in err


def wide_embedding(folder: Path) -> Path:
    path = folder / "wide.safetensors"
    write_embedding(path, Embedding("wide", {"emb_params": torch.zeros(1, 768)}))
    return path


BAD: dict[str, tuple[dict[str, object], int, str]] = {
    "missing folder": ({"train_data_dir": "nowhere"}, 1, "there is no folder nowhere"),
    "folder without images": ({"train_data_dir": "empty"}, 1, "holds no images"),
    "empty name": ({"token_string": ""}, 2, "the embedding has no name"),
    "name with path parts": ({"token_string": "../cat"}, 2, "has path parts"),
    "name with a backslash": ({"token_string": "a\\b"}, 2, "has path parts"),
    "schedule that cannot be read": ({"learning_rate": "fast"}, 2, "'fast' is not a rate"),
    "unknown option": ({"learning_rat": "1"}, 2, "did you mean --learning_rate?"),
    "wrong width": ({"weights": "wide.safetensors"}, 1, "does not fit this model"),
    "missing weights": ({"weights": "no.safetensors"}, 1, "there is no embedding"),
    "missing template": ({"prompt_template": "no.txt"}, 1, "cannot read the prompt template"),
    "prompt without trigger": ({"prompt_template": "none"}, 1, "does not hold 'my-cat'"),
    "output under a file": ({"output_dir": "wide.safetensors/x"}, 1, "cannot write"),
    "odd resolution": ({"resolution": "100"}, 2, "multiples of 8"),
    "no steps": ({"max_train_steps": "0"}, 2, "the smallest possible value is 1"),
    "nothing to resume": ({"resume": "latest"}, 1, "to resume"),
    "fp16 here": ({"mixed_precision": "fp16"}, 1, "cannot compute in fp16"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_loses_nothing(
    case: str, ti: Ti, pictures: Path, tmp_path: Path
) -> None:
    changes, code, message = BAD[case]
    (tmp_path / "empty").mkdir()
    wide_embedding(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    given, _, err = ti("train", *options(pictures, **changes))
    assert message in err
    assert given == code
    assert err.startswith("ti: ")
    assert err.count("\n") == 1
    assert [p for p in sorted(tmp_path.rglob("*")) if p.is_file()] == [
        p for p in before if p.is_file()
    ]


def test_a_schedule_that_ends_early_is_told_and_trained_to_its_end(ti: Ti, pictures: Path) -> None:
    code, _, err = ti("train", *options(pictures, learning_rate="0.005:1, 1e-3:3"))
    assert code == 0
    told = "warning: training ends at step 3, before step 4: --learning_rate ends there"
    assert err.count(told) == 1
    assert err.index(told) < err.index("learning rate 0.005 for step 1\n")
    assert "finished at step 3" in err
    assert read_embedding(Path("embeddings/my-cat.safetensors")).step == 3


def test_a_file_to_start_from_is_found_by_its_name(ti: Ti, pictures: Path, tmp_path: Path) -> None:
    """kohya's and A1111's users say the name of an embedding, not its path."""
    assert ti("train", *options(pictures))[0] == 0
    (tmp_path / "embeddings" / "below").mkdir()
    made = tmp_path / "embeddings" / "my-cat.safetensors"
    made.rename(made.parent / "below" / "zz-old.safetensors")
    (tmp_path / "zz-old").mkdir()
    code, _, err = ti("train", *options(pictures, max_train_steps=6), "--weights", "ZZ-Old")
    assert code == 0, err
    assert "continues from step 4 of zz-old.safetensors" in err
    assert ti("check", pictures, "--weights", "zz-old")[0] == 0
    code, out, _ = ti("create", "--token_string", "zz-copy", "--weights", "zz-old")
    assert read_embedding(Path(out.strip())).vectors["emb_params"].shape[0] == 1
    code, _, err = ti("train", *options(pictures), "--weights", "zz-nothing", "--overwrite")
    assert (code, "zz-nothing" in err) == (1, True)


def test_taken_name_is_refused_unless_overwrite_is_said(ti: Ti, pictures: Path) -> None:
    ti("train", *options(pictures))
    code, _, err = ti("train", *options(pictures))
    assert (code, "exists already" in err) == (2, True)
    assert ti("train", *options(pictures), "--overwrite")[0] == 0


def test_a_preset_gives_what_is_not_typed(ti: Ti, pictures: Path) -> None:
    for number in range(3):
        (pictures / f"{number}.txt").write_text("a cat")
    assert ti("train", *options(pictures), "--preset", "style")[0] == 0
    path = next(Path("textual_inversion").glob("*/my-cat/settings.json"))
    made = json.loads(path.read_text())["train"]
    assert made["embedding"]["num_vectors_per_token"] == 6
    assert made["optimizer"]["max_train_steps"] == 4, "what is typed counts"
    assert made["data"]["prompt_template"] == "style_filewords", "there are captions"
    typed = options(pictures, token_string="other")
    assert ti("train", *typed, "--config_file", path, "--preset", "face")[0] == 0
    path = next(Path("textual_inversion").glob("*/other/settings.json"))
    assert json.loads(path.read_text())["train"]["embedding"]["num_vectors_per_token"] == 4


def test_a_preset_is_one_of_a_list_and_not_for_a_run_that_goes_on(ti: Ti, pictures: Path) -> None:
    code, _, err = ti("train", *options(pictures), "--preset", "fase")
    assert code == 2
    assert "face" in err
    ti("train", *options(pictures))
    code, _, err = ti("train", "--resume", "latest", "--preset", "face")
    assert code == 2
    assert "--preset" in err


def interrupted(ti: Ti, pictures: Path, name: str) -> Path:
    """A run that was killed after two of its four steps; its folder."""
    ti("train", *options(pictures, token_string=name, max_train_steps=2))
    (run,) = Path("textual_inversion").glob(f"*/{name}")
    settings = json.loads((run / "settings.json").read_text())
    settings["train"]["optimizer"]["max_train_steps"] = 4
    write_sealed_json(run / "settings.json", settings)
    return run


def test_resume_without_a_run_takes_the_only_one_that_is_unfinished(ti: Ti, pictures: Path) -> None:
    run = interrupted(ti, pictures, "my-cat")
    ti("train", *options(pictures, token_string="my-dog"))
    code, _, err = ti("train", "--resume")
    assert (code, "finished at step 4" in err) == (0, True)
    assert f"1  my-cat  step 2 of 4  {time.strftime('%Y-%m-%d')}" in err
    assert str(run) in err
    code, _, err = ti("train", "--resume")
    assert (code, "is unfinished" in err, "--resume latest" in err) == (1, True, True)


def test_resume_without_a_run_lists_several_and_asks(
    ti: Ti, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, age in (("my-cat", 50), ("my-dog", 10)):
        run = interrupted(ti, pictures, name)
        os.utime(max((run / "state").iterdir()), (time.time() - age,) * 2)
    code, _, err = ti("train", "--resume")
    assert (code, "2 runs can be resumed" in err) == (2, True)
    assert [line.split("  ")[1] for line in err.splitlines()[:2]] == ["my-dog", "my-cat"]
    answers = io.StringIO("7\n2\n")
    monkeypatch.setattr("sys.stdin", answers)
    monkeypatch.setattr(resume, "_can_be_asked", lambda: True)
    assert ti("train", "--resume")[0] == 2, "there is no seventh"
    code, _, err = ti("train", "--resume")
    assert (code, "my-cat.safetensors" in err) == (0, True)
    code, _, err = ti("train", "--resume", "--token_string", "my-dog")
    assert (code, "finished at step 4" in err) == (0, True)


def test_a_failed_run_says_how_to_go_on(
    ti: Ti, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **how: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.link", full)
        patch.setattr("os.rename", full)
        code, _, err = ti("train", *options(pictures))
    assert code == 1
    command = next(line for line in err.splitlines() if line.startswith("continue with: "))
    code, _, err = ti(*command.split()[3:])
    assert (code, "finished at step 4" in err) == (0, True)
    assert Path("embeddings/my-cat.safetensors").is_file()


# --- train again ------------------------------------------------------------------------------


def test_a_file_is_trained_again_from_its_own_settings(
    ti: Ti, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("train", "--train_data_dir", pictures, "--skip_checkup", "--sample_every_n_steps", 0)
    settings = ("--init_word", "tree", "--max_train_steps", 4, "--seed", 9, "--num_vectors", 2)
    assert ti(*line, "--token_string", "one", *settings)[0] == 0
    file = "embeddings/one.safetensors"
    code, _, err = ti(*line, "--from", file)
    assert (code, "exists already" in err) == (2, True)
    code, _, err = ti(*line, "--from", file, "--token_string", "two")
    assert code == 0, err
    assert "was made on" not in err
    one, two = (read_embedding(tmp_path / f"embeddings/{n}.safetensors") for n in ("one", "two"))
    assert torch.equal(one.vectors["emb_params"], two.vectors["emb_params"])
    assert one.metadata["ti.data"] == two.metadata["ti.data"]
    code, _, err = ti(*line, "--config_file", file, "--token_string", "three", "--seed", 8)
    assert code == 0, err
    three = read_embedding(tmp_path / "embeddings/three.safetensors")
    assert json.loads(three.metadata["ti.config"])["seed"] == 8


def test_a_file_that_does_not_tell_its_settings_is_no_beginning(ti: Ti, pictures: Path) -> None:
    ti("create", "--token_string", "bare", "--init_word", "tree")
    code, _, err = ti(
        "train", "--train_data_dir", pictures, "--from", "embeddings/bare.safetensors"
    )
    assert (code, "does not record how it was trained" in err) == (1, True)
