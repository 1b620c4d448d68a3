"""`ti check` tells what would spoil a training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_core.cli import check
from ti_core.cli.main import main
from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost

Ti = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ti:
    """Run `ti check …`; a model that is asked for is the fake host."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(check, "open_host", lambda config: FakeHost(tmp_path / "embeddings"))

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["check", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_good_folder_exits_with_0(ti: Ti, pictures: Path) -> None:
    code, out, err = ti(pictures, "--resolution", 64)
    assert (code, err) == (0, "")
    assert out.startswith(f"{pictures}: 5 image(s), 0 error(s), ")
    assert "unchecked [tokens]" in out
    assert "learning rate: 0.005 for steps 1 to 1600" in out


def test_errors_exit_with_1_and_say_why_and_what_to_do(ti: Ti, pictures: Path) -> None:
    (pictures / "broken.png").touch()
    code, out, _ = ti("--train_data_dir", pictures)
    assert code == 1
    first = out.split("\n\n")[1].splitlines()
    assert first[0].startswith("error [unreadable] 1 image(s) cannot be read (broken.png")
    assert [line.split(":")[0].strip() for line in first[1:]] == ["why", "do", "in"]


def test_json_is_one_object(ti: Ti, pictures: Path) -> None:
    (pictures / "broken.png").touch()
    code, out, _ = ti(pictures, "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["pictures"]) == (1, False, 5)
    assert {"unreadable", "trigger", "schedule"} <= {f["rule"] for f in found["findings"]}


def test_a_preset_is_checked_as_it_would_be_trained(ti: Ti, pictures: Path) -> None:
    _, out, _ = ti(pictures, "--preset", "face")
    assert "learning rate: 0.1 for steps 1 to 1200, with cosine decay" in out
    assert "fewer steps with early stopping" in out
    _, out, _ = ti(pictures, "--preset", "face", "--max_train_steps", 2000)
    assert "to 2000" in out


def test_epochs_are_checked_as_the_steps_that_they_are(ti: Ti, pictures: Path) -> None:
    line = ("--max_train_epochs", 20, "--train_batch_size", 2, "--learning_rate")
    assert "0.005 for steps 1 to 50" in ti(pictures, *line, "0.005")[1]
    assert "ends at step 30, before step 50" in ti(pictures, *line, "0.005:30")[1]
    for path in pictures.iterdir():
        path.unlink()
    assert "no images" in ti(pictures, *line, "0.005")[1]


def test_the_line_of_a_training_is_understood(ti: Ti, pictures: Path) -> None:
    line = ("--train_data_dir", pictures, "--token_string", "zz-cat", "--init_word", "cat")
    code, out, _ = ti(*line, "--prompt_template", "captions", "--learning_rate", "0.1:5")
    assert code == 1
    assert "error [trigger_missing]" in out
    assert "warning [schedule_short]" in out
    assert "[trigger] not checked" not in out


def test_with_a_model_tokens_are_counted(ti: Ti, pictures: Path) -> None:
    model = ("--pretrained_model_name_or_path", "any", "--token_string", "zz-cat")
    _, out, _ = ti(pictures, *model)
    assert "note [token_count]" in out
    assert "[tokens]" not in out
    (pictures / "00000-0-a red disc.txt").write_text("a red disc, " * 40)
    _, out, _ = ti(pictures, *model)
    assert "warning [too_long]" in out


def test_with_a_model_the_tokens_of_three_prompts_are_printed(ti: Ti, pictures: Path) -> None:
    model = ("--pretrained_model_name_or_path", "any", "--token_string", "zz-cat")
    _, out, _ = ti(pictures, *model, "--num_vectors_per_token", 2)
    dump = out.split("prompts of the first 3 image(s), and their tokens:\n")[1].splitlines()
    assert len(dump) == 9
    assert dump[0].startswith("    00000-0-a red disc.png: ")
    assert "<zz-cat:0> <zz-cat:1>" in dump[1]
    assert dump[2].endswith("of 75 tokens used")
    found = json.loads(ti(pictures, *model, "--json")[1])["prompts"]
    assert [each["picture"] for each in found] == [
        line.strip().split(": ")[0] for line in dump[::3]
    ]
    assert all(len(each["tokens"]) == len(each["token_ids"]) for each in found)
    assert "prompts of the first" not in ti(pictures)[1]


def test_of_many_findings_of_one_rule_only_the_first_are_printed(ti: Ti, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for i in range(10):
        Image.new("RGB", (8, 8), (50 * (i // 2), 0, 0)).save(folder / f"{i}.png")
    out = ti(folder)[1]
    assert out.count("[near_duplicates]") == 3
    assert "… and 2 more of this kind" in out
    found = json.loads(ti(folder, "--json")[1])["findings"]
    assert sum(f["rule"] == "near_duplicates" for f in found) == 5


def test_embeddings_that_are_there_are_seen(ti: Ti, pictures: Path, tmp_path: Path) -> None:
    there = tmp_path / "embeddings" / "ZZ-Cat.safetensors"
    write_embedding(there, Embedding("ZZ-Cat", {"emb_params": torch.ones(1, 8)}))
    there.with_suffix(".preview.png").write_bytes(b"the image beside it is not an embedding")
    assert "[trigger_nested]" not in ti(pictures, "--token_string", "zz-cat")[1]
    assert "[trigger_taken]" in ti(pictures, "--token_string", "zz-cat")[1]
    assert "[trigger_taken]" not in ti(pictures, "--token_string", "zz-cat", "--overwrite")[1]


def test_mirrored_copies_are_judged_when_asked_for(ti: Ti, pictures: Path) -> None:
    (pictures / "00000-0-a red disc.txt").write_text("a disc with a logo")
    assert "[flips]" not in ti(pictures)[1]
    assert "[flips]" in ti(pictures, "--mirrored")[1]


def test_names_cannot_command_the_terminal(ti: Ti, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a\x1b[2J\nb.png")
    out = ti(folder)[1]
    assert r"a\x1b[2J\nb.png" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no folder is given"),
        (("x", "--learning_rate", "fast"), "learning_rate"),
        (("x", "--tokenstring", "a"), "did you mean --token_string?"),
        (("x", "y"), "unexpected word y"),
        (("x", "--token_string", "a/b"), "path parts"),
    ],
)
def test_wrong_options_exit_with_2(ti: Ti, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = ti(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_missing_folder_is_an_error_of_the_checkup(ti: Ti) -> None:
    code, out, _ = ti("nowhere")
    assert code == 1
    assert "there is no folder nowhere" in out
