"""`ti merge` and `ti from-text` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ti_core.files.embedding import Embedding
from ti_core.files.names import composed
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost

Ti = Callable[..., tuple[int, str, str]]
MODEL = ("--pretrained_model_name_or_path", "any")


def rows(name: str) -> torch.Tensor:
    return read_embedding(Path(f"{name}.safetensors")).vectors["emb_params"]


@pytest.fixture
def style(tmp_path: Path) -> torch.Tensor:
    """`styles/my-style.safetensors` with two vectors."""
    vectors = torch.arange(24.0).reshape(2, 12)
    (tmp_path / "styles").mkdir()
    write_embedding(
        tmp_path / "styles" / "my-style.safetensors", Embedding("my-style", {"emb_params": vectors})
    )
    return vectors


def test_words_and_embeddings_are_mixed(ti: Ti, fake_host: FakeHost, style: torch.Tensor) -> None:
    code, out, err = ti(
        "merge", "'cat' * 0.7 + my-style", "--out", "mix.safetensors", *MODEL,
        "--embeddings_dir", "styles",
    )  # fmt: skip
    assert (code, out) == (0, "mix.safetensors\n"), err
    assert "'cat' * 0.7 + my-style: 2 vector(s)" in err
    with fake_host.session() as session:
        cat = session.token_embeddings_of("cat")["clip_l"]
    assert torch.equal(rows("mix"), torch.cat([cat * 0.7, torch.zeros(1, 12)]) + style)


def test_the_file_tells_its_expression_without_paths(ti: Ti, style: torch.Tensor) -> None:
    path = Path("styles/my-style.safetensors").absolute()
    assert ti("merge", f"<{path}> / 2", "--out", "half")[0] == 0
    data = Path("half.safetensors").read_bytes()
    config = read_embedding(Path("half.safetensors")).metadata["ti.config"]
    assert json.loads(config) == {"tool": "merge", "expression": "my-style.safetensors / 2"}
    assert str(path.parent).encode() not in data
    assert torch.equal(rows("half"), style / 2)


def test_embeddings_alone_need_no_model(
    ti: Ti, style: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ti_core.cli import merge

    monkeypatch.setattr(merge, "open_host", lambda config: pytest.fail("a model was opened"))
    file = "styles/my-style.safetensors"
    assert ti("merge", "my-style[1], my-style[0]", "--out", "x", "--embeddings", file)[0] == 0
    assert torch.equal(rows("x"), style.flip(0))


def test_equal_merges_are_equal_files(ti: Ti, style: torch.Tensor) -> None:
    for name in ("a/x", "b/x"):
        ti("merge", "my-style * 2", "--out", name, "--embeddings_dir", "styles")
    assert Path("a/x.safetensors").read_bytes() == Path("b/x.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "there is no expression"),
        (["'a'"], 2, "the result has no name; add --out"),
        (["'a' *", "--out", "x"], 2, "a number is expected, not the end"),
        (["'a'", "--out", "x"], 2, "there is no model to look 'a' up in"),
        (["nobody", "--out", "x"], 1, "there is no embedding 'nobody'"),
        (["'cat' + my-style", "--out", "taken", *MODEL], 2, "exists already"),
        (["'cat'", "--out", "a:b", *MODEL], 2, "other characters than letters"),
        (["'cat', 99999", "--out", "x", *MODEL], 2, "there is no token 99999"),
        (["''", "--out", "x", *MODEL], 1, "'' has no vectors"),
        (["'a'", "more", "--out", "x"], 2, "unexpected word more"),
    ],
)
def test_what_goes_wrong_is_told_and_nothing_is_written(
    ti: Ti, arguments: list[str], code: int, message: str
) -> None:
    Path("taken.safetensors").write_bytes(b"mine")
    before = sorted(Path().rglob("*"))
    found, out, err = ti("merge", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert sorted(Path().rglob("*")) == before
    assert Path("taken.safetensors").read_bytes() == b"mine"


def test_the_error_of_an_expression_has_its_caret_under_the_place(ti: Ti) -> None:
    _, _, err = ti("merge", "'cat' * dog", "--out", "x")
    first, expression, caret = err.splitlines()
    assert first.startswith("ti: the expression cannot be read at column 9")
    assert expression[caret.index("^") :] == "dog"


def test_help_shows_examples_line_by_line(ti: Ti, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ti("merge", "--help")
    assert "\n  'cat' * 0.7 + my-style     sum; " in capsys.readouterr().out


def test_an_expression_may_begin_with_a_minus(ti: Ti, style: torch.Tensor) -> None:
    for expression in (["-my-style * 2"], ["--", "-my-style*2"]):
        use = ("--out", "x", "--overwrite", "--embeddings_dir", "styles")
        code, _, err = ti("merge", *use, *expression)
        assert code == 0, err
        assert torch.equal(rows("x"), style * -2)


def test_names_of_strangers_cannot_steer_the_terminal(ti: Ti) -> None:
    _, _, err = ti("merge", "<\x1b[2Jname>", "--out", "x")
    assert "\x1b" not in err
    assert "name" in err


def test_a_prompt_becomes_an_embedding_that_is_the_prompt(ti: Ti, fake_host: FakeHost) -> None:
    code, out, err = ti("from-text", "a tall tree", "--out", "tall.safetensors", *MODEL)
    assert (code, out) == (0, "tall.safetensors\n"), err
    with fake_host.session() as session:
        assert torch.equal(rows("tall"), session.token_embeddings_of("a tall tree")["clip_l"])
        embedding = {"tall": {"clip_l": rows("tall")}}
        assert torch.equal(
            session.encode_prompts(["a tall tree"], {}).context,
            session.encode_prompts(["tall"], embedding).context,
        )
    metadata = read_embedding(Path("tall.safetensors")).metadata
    assert json.loads(metadata["ti.config"]) == {"tool": "from-text", "text": "a tall tree"}
    assert metadata["ti.base_model"] == "fake"


def test_names_in_a_prompt_are_embeddings(ti: Ti, style: torch.Tensor) -> None:
    use = (*MODEL, "--embeddings_dir", "styles")
    assert ti("from-text", "a My-Style tree", "--out", "x", *use)[0] == 0
    assert torch.equal(rows("x")[1:3], style)
    assert len(rows("x")) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "there is no text"),
        (["cat", "--out", "x"], 2, "no model is given"),
        ([" ", "--out", "x", *MODEL], 1, "the text has no tokens"),
    ],
)
def test_from_text_tells_what_is_missing(
    ti: Ti, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    from ti_core.cli import from_text, standalone

    if MODEL[0] not in arguments:
        monkeypatch.setattr(from_text, "open_host", standalone.open_host)
    found, _, err = ti("from-text", *arguments)
    assert found == code
    assert message in err


def test_more_vectors_than_a_prompt_has_room_for_are_warned_of(ti: Ti) -> None:
    long = " , ".join(["'a red cat on a mat'"] * 20)
    code, _, error = ti("merge", long, "--model", "x", "--out", "long.pt")
    assert code == 0
    assert "long has" in error
    assert "a prompt has room for 75" in error


def test_more_vectors_than_files_are_read_with_are_not_written(ti: Ti, tmp_path: Path) -> None:
    text = "cat " * 1100
    for verb in (["merge", f"'{text}'"], ["from-text", text]):
        code, _, error = ti(*verb, "--model", "x", "--out", "long.pt")
        assert code == 1
        assert "no file of more than 1024 is read" in error
    assert not (tmp_path / "long.pt").exists()


def test_the_name_of_a_file_that_is_there_may_be_kept(ti: Ti, tmp_path: Path) -> None:
    for name in ("EasyNegative (1)", "cafe\u0301"):
        (tmp_path / "in").mkdir(exist_ok=True)
        file = tmp_path / "in" / f"{name}.pt"
        write_embedding(file, Embedding("x", {"emb_params": torch.ones(1, 768)}), "pt")
        for verb in (["merge", f"<{file}> * 2"], ["scale", file, "--factor", "0.5"]):
            out = f"{composed(name)}.pt"
            assert ti(*verb, "--out", out, "--overwrite")[0] == 0
            assert read_embedding(tmp_path / out).name == composed(name)
        assert ti("convert", file, "--to", "safetensors")[0] == 0
        assert file.with_name(f"{composed(name)}.safetensors").is_file()
    code, _, error = ti("merge", f"<{file}>", "--out", "EasyNegative (2).pt")
    assert code == 2
    assert "call it 'EasyNegative 2'" in error


def test_a_result_whose_name_hides_words_is_told(ti: Ti) -> None:
    _, _, err = ti("from-text", "a tree", "--out", "photo of.safetensors")
    assert "'photo of' is a phrase of words that the model knows" in err
