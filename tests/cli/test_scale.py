"""`ti scale`: the lasting form of brackets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ti_core.families import FAMILIES
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.tools.strength import strength_of
from ti_core.tools.vocabulary import median_lengths

Ti = Callable[..., tuple[int, str, str]]
VECTORS = torch.arange(1.0, 25).reshape(2, 12)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An embedding that is far too strong, after 500 steps."""
    path = tmp_path / "loud.safetensors"
    about = {"ti.config": '{"learning_rate": "0.005"}', "modelspec.license": "CC0"}
    write_embedding(
        path, Embedding("loud", {"emb_params": VECTORS}, 500, {"ti.step": "500", **about})
    )
    return path


def scaled_by(name: str) -> float:
    factors = read_embedding(Path(f"{name}.safetensors")).vectors["emb_params"] / VECTORS
    assert factors.max() - factors.min() < 1e-6
    return float(factors[0, 0])


@pytest.mark.parametrize(
    ("arguments", "factor"),
    [
        (("--factor", 0.25), 0.25),
        (("--factor", -1), -1),
        (("--brackets", 5), 0.6209),
        (("--brackets", -3), 1.331),
    ],
)
def test_every_vector_is_multiplied(
    ti: Ti, file: Path, arguments: tuple[object, ...], factor: float
) -> None:
    code, out, err = ti("scale", file, *arguments, "--out", "quiet.safetensors")
    assert (code, out) == (0, "quiet.safetensors\n"), err
    assert scaled_by("quiet") == pytest.approx(factor, abs=1e-4)
    assert "emb_params × " in err


def test_steps_licence_and_settings_stay_and_the_factor_is_noted(ti: Ti, file: Path) -> None:
    ti("scale", file, "--factor", 0.5, "--out", "quiet")
    found = read_embedding(Path("quiet.safetensors"))
    assert (found.name, found.step) == ("quiet", 500)
    assert found.metadata["modelspec.license"] == "CC0"
    assert found.metadata["ti.name"] == "quiet"
    assert json.loads(found.metadata["ti.config"]) == {
        "tool": "scale",
        "factors": {"emb_params": 0.5},
        "of": {"learning_rate": "0.005"},
    }


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_scaled_to_strength_one_it_is_as_loud_as_a_word(
    ti: Ti, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    from ti_core.cli import scale

    host = FakeHost(family=FAMILIES[family])
    monkeypatch.setattr(scale, "open_host", lambda config: host)
    vectors = {key: torch.full((2, width), 9.0) for key, width in host.widths.items()}
    write_embedding(tmp_path / "x.safetensors", Embedding("x", vectors))
    use = ("--pretrained_model_name_or_path", "any")
    code, _, err = ti("scale", "x.safetensors", "--strength", 1, "--out", "y", *use)
    assert code == 0, err
    found = read_embedding(tmp_path / "y.safetensors").vectors
    with host.session() as session:
        medians = median_lengths(host.describe(), session)
    ratios = strength_of(dict(zip(host.widths, found.values(), strict=True)), medians)
    assert list(ratios.all_ratios()) == pytest.approx([1] * 2 * len(host.widths))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "no file is given"),
        (["FILE", "--out", "x"], 2, "no amount is given"),
        (["FILE", "--factor", "1", "--brackets", "2", "--out", "x"], 2, "exclude each other"),
        (["FILE", "--factor", "nan", "--out", "x"], 2, "factor is nan"),
        (["FILE", "--factor", "0.5"], 2, "the result has no name"),
        (["nothing.pt", "--factor", "0.5", "--out", "x"], 1, "there is no embedding nothing.pt"),
        (["FILE", "--strength", "1", "--out", "x"], 1, ""),
    ],
)
def test_what_goes_wrong_is_told_and_nothing_is_written(
    ti: Ti, file: Path, arguments: list[str], code: int, message: str
) -> None:
    if "--strength" in arguments:
        write_embedding(file, Embedding("loud", {"emb_params": torch.ones(1, 13)}))
        message = "does not fit this model"
    found, _, err = ti("scale", *(str(file) if a == "FILE" else a for a in arguments))
    assert (found, message in err) == (code, True), err
    assert [path.name for path in Path().iterdir()] == ["loud.safetensors"]
