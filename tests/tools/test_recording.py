"""Made embeddings tell where they come from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from ti_core.errors import EmbeddingError
from ti_core.families import SD2
from ti_core.files.embedding import Embedding
from ti_core.hosts.fake import NOISE, FakeHost
from ti_core.tools.recording import recipe_before, with_recipe


def made(width: int = 12, metadata: dict[str, str] | None = None) -> Embedding:
    return Embedding("mix", {"emb_params": torch.ones(2, width)}, 5, metadata or {})


def test_recipe_and_model_are_in_the_metadata() -> None:
    found = with_recipe(made(), {"tool": "merge", "expression": "'a'"}, [], FakeHost().describe())
    assert json.loads(found.metadata["ti.config"]) == {"tool": "merge", "expression": "'a'"}
    assert found.metadata["ti.base_model"] == "fake"
    assert found.metadata["ti.base_model_hash"] == "0" * 10
    assert found.metadata["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"
    assert (found.metadata["ti.name"], found.metadata["ti.step"]) == ("mix", "5")
    assert recipe_before(found) == {"tool": "merge", "expression": "'a'"}


def test_a_v_model_is_told_apart() -> None:
    facts = FakeHost(family=SD2, diffusion=replace(NOISE, prediction="v_prediction")).describe()
    found = with_recipe(made(16), {}, [], facts)
    assert "768-v" in found.metadata["modelspec.architecture"]


@pytest.mark.parametrize(
    ("width", "part"), [(768, "diffusion-v1/"), (1024, "diffusion-v2-512/"), (12, None)]
)
def test_without_a_model_the_width_tells_the_family(width: int, part: str | None) -> None:
    found = with_recipe(made(width), {}).metadata.get("modelspec.architecture")
    assert (found is None) == (part is None)
    assert part is None or part in str(found)


def test_what_all_sources_agree_on_is_kept() -> None:
    about = {"modelspec.license": "CC0", "ti.base_model": "m", "ti.base_model_hash": "12"}
    about["modelspec.architecture"] = "a/textual-inversion"
    one, two = (made(metadata={**about, "other": value}) for value in "12")
    found = with_recipe(made(), {}, [one, two]).metadata
    assert {key: found[key] for key in about} == about
    assert "other" not in found
    third = replace(two, metadata={**two.metadata, "ti.base_model": "n"})
    assert with_recipe(made(), {}, [one, third]).metadata["ti.base_model"] == ""


def test_vectors_that_do_not_fit_the_model_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="does not fit this model"):
        with_recipe(made(13), {}, [], FakeHost().describe())


@pytest.mark.parametrize("config", ["", "{", "[" * 100_000, "null"])
def test_a_strangers_recipe_may_be_anything(config: str) -> None:
    assert recipe_before(made(metadata={"ti.config": config})) is None
