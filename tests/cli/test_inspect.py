"""`ti inspect` reads what other programs wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ti_core.cli.main import main
from ti_core.files.reading import read_embedding
from ti_core.files.safetensors_file import write_safetensors
from ti_core.files.writing import write_embedding
from ti_core.hypernetworks.writing import write_hypernetwork

from ..hypernetworks.made import hypernetwork

GOLDEN = Path(__file__).parents[1] / "golden"
Ti = Callable[..., tuple[int, str, str]]
MODEL = ("--pretrained_model_name_or_path", "any")


def test_a1111_file_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(GOLDEN / "my-ref.pt")]) == 0
    out = capsys.readouterr().out
    assert "my-ref: 2 vector(s), emb_params 768 wide (SD 1.x), step 20" in out


def test_json_is_one_object_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(GOLDEN / "my-ref.pt")
    assert main(["inspect", "--json", path, path]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [f["step"] for f in found] == [20, 20]
    assert len(found[0]["norms"]["emb_params"]) == 2


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04broken", b"\x80\x02}q\x00."])
def test_no_embedding_is_one_sentence(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    assert main(["inspect", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_with_a_model_strength_and_nearest_words_are_told(ti: Ti) -> None:
    ti("from-text", "a tree", "--out", "x", *MODEL)
    code, out, _ = ti("inspect", "x.safetensors", *MODEL, "--nearest", 2)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("x: 2 vector(s), emb_params 12 wide (unknown family), step 0")
    assert "  strength normal: as strong as an ordinary word" in lines
    assert re.match(
        r"  clip_l 1: length [\d.]+, [\d.]+ × an ordinary word's; nearest: tree… 1\.00, ", lines[-1]
    )


def test_nearest_words_can_be_left_out(ti: Ti) -> None:
    ti("from-text", "tree", "--out", "x", *MODEL)
    code, out, _ = ti("inspect", "x.safetensors", *MODEL, "--nearest", 0)
    assert code == 0
    assert out.splitlines()[-1].endswith("× an ordinary word's; nearest: –")


def test_json_with_a_model_has_every_number(ti: Ti) -> None:
    ti("from-text", "tree", "--out", "x", *MODEL)
    ti("scale", "x.safetensors", "--factor", 30, "--out", "y")
    x, y = (
        json.loads(line)
        for line in ti("inspect", "--json", "x.safetensors", "y.safetensors", *MODEL)[
            1
        ].splitlines()
    )
    assert (x["strength"]["verdict"], y["strength"]["verdict"]) == ("normal", "overtrained")
    (one,), (other,) = x["strength"]["ratios"]["clip_l"], y["strength"]["ratios"]["clip_l"]
    assert other == pytest.approx(30 * one)
    for found in (x, y):
        (near,) = found["nearest"]["clip_l"]
        assert len(near) == 5
        assert near[0]["text"] == "tree…"
        assert near[0]["cosine"] == pytest.approx(1)


def test_without_a_model_only_lengths_are_told(ti: Ti, monkeypatch: pytest.MonkeyPatch) -> None:
    from ti_core.cli import inspect

    monkeypatch.setattr(inspect, "open_host", lambda config: pytest.fail("a model was opened"))
    _, out, _ = ti("inspect", GOLDEN / "my-ref.pt")
    assert "emb_params lengths: " in out
    assert "strength" not in out


def test_an_embedding_for_another_model_is_described_all_the_same(ti: Ti) -> None:
    code, out, _ = ti("inspect", GOLDEN / "my-ref.pt", *MODEL)
    assert code == 0
    assert "my-ref: 2 vector(s)" in out
    assert "does not fit this model" in out


def test_every_term_of_a_file_is_described(ti: Ti) -> None:
    tables = {"<cat>": torch.ones(1, 768), "<dog>": torch.zeros(2, 768)}
    write_safetensors(Path("two.safetensors"), tables, {})
    code, out, _ = ti("inspect", "two.safetensors")
    assert code == 0
    assert "<cat>: 1 vector(s)" in out
    assert "<dog>: 2 vector(s)" in out


def test_a_strangers_words_cannot_steer_the_terminal(ti: Ti) -> None:
    write_safetensors(Path("x.safetensors"), {"emb_params": torch.ones(1, 768)}, {
        "modelspec.trigger_phrase": "\x1b[2Jtrigger\u202e", "ti.base_model": "\x9bm\nmodel"
    })  # fmt: skip
    for more in ((), ("--json",)):
        code, out, _ = ti("inspect", "x.safetensors", *more)
        assert code == 0
        assert not set(out) & set("\x1b\x9b\u202e")
        assert "trigger" in out


def test_another_base_model_is_warned_of(ti: Ti) -> None:
    ti("create", "--token_string", "own", "--init_word", "tree")
    code, out, _ = ti("inspect", "embeddings/own.safetensors", *MODEL)
    assert (code, "warning" in out) == (0, False)
    made_on("other", "deadbeef00")
    code, out, _ = ti("inspect", "embeddings/own.safetensors", *MODEL)
    assert code == 0
    assert (
        "  warning: own was made on other [deadbeef00], and this model is fake [0000000000]: "
        in out
    )
    _, out, _ = ti("inspect", "embeddings/own.safetensors", *MODEL, "--json")
    assert len(json.loads(out)["other_base"]) == 1


def made_on(model: str, digest: str) -> None:
    """Say so in the file of `own`."""
    path = Path("embeddings/own.safetensors")
    found = read_embedding(path)
    notes = {"ti.base_model": model, "ti.base_model_hash": digest}
    write_embedding(path, replace(found, metadata={**found.metadata, **notes}))


def test_a_hypernetwork_tells_its_structure(ti: Ti, tmp_path: Path) -> None:
    made = hypernetwork("warm", 320, 768, activation="relu", layer_norm=True)
    write_hypernetwork(tmp_path / "warm.pt", made)
    code, out, err = ti("inspect", tmp_path / "warm.pt")
    assert code == 0, err
    *lines, last = out.splitlines()
    assert lines == [
        "warm: hypernetwork for the widths 320, 768 (SD 1.x)",
        "  1, 2, 1 relu, layer norm, 5,557,376 numbers, step 70",
        "  weights initialized as XavierNormal",
        "  made on model [0123456789]",
        "  a note",
    ]
    assert "only AUTOMATIC1111 reads it correctly: with layer norm, ComfyUI applies" in last
    facts = json.loads(ti("inspect", tmp_path / "warm.pt", "--json")[1])
    assert (facts["kind"], facts["widths"], facts["step"]) == ("hypernetwork", [320, 768], 70)


def test_a_damaged_hypernetwork_is_told_as_one(ti: Ti, tmp_path: Path) -> None:
    path = tmp_path / "warm.safetensors"
    write_hypernetwork(path, hypernetwork())
    path.write_bytes(path.read_bytes().replace(b'linear\\"', b'curved\\"'))
    code, _, err = ti("inspect", path)
    assert code == 1
    assert "there is no activation function 'curved'" in err
