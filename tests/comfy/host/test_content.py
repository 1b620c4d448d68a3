"""Two models are one content where their weights, patches and options are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.comfy import program
from tests.comfy.host.test_pictures import sampled, train_a_little
from tests.comfy.pack import pack_module


def content_of(loaded: program.Loaded) -> str:
    find = pack_module("comfy_nodes.content").content_of
    return str(find(loaded.model, loaded.clip, loaded.vae))


@pytest.fixture
def open_again(models: Path) -> Any:
    return lambda seed=0: program.load("sd1", models, seed=seed)


def test_a_model_that_is_loaded_anew_or_used_meanwhile_is_the_same_content(
    open_again: Any, host_of: Any
) -> None:
    first = open_again()
    before = content_of(first)
    assert content_of(open_again()) == before
    sampled(first)
    assert content_of(first) == before
    train_a_little(host_of(first))
    assert content_of(first) == before
    patched = program.with_lora(first)
    other = content_of(patched)
    assert other != before
    sampled(patched)  # its patches are in the weights now
    assert content_of(patched) == other
    assert content_of(first) == before
    assert content_of(program.with_lora(open_again())) == other


def test_what_changes_the_training_changes_the_content(open_again: Any) -> None:
    first = open_again()
    found = [content_of(first), content_of(program.with_lora(first, 0.25))]
    found.append(content_of(program.with_lora(first, 0.5)))
    skipped = first.clip.clone()
    skipped.clip_layer(-2)
    found.append(content_of(program.Loaded(first.model, skipped, first.vae)))
    sampling = first.model.clone()
    made = pack_module("comfy_nodes.host.facts").ModelSamplingDiscrete
    sampling.object_patches["model_sampling"] = made()
    found.append(content_of(program.Loaded(sampling, first.clip, first.vae)))
    if not program.is_real():
        found.append(content_of(open_again(seed=1)))
    assert len(set(found)) == len(found)


def test_a_weight_that_no_checkpoint_fills_does_not_count(open_again: Any) -> None:
    """ComfyUI 0.33 leaves in it what happened to be in memory."""
    first = open_again()
    before = content_of(first)
    weights = dict(first.clip.patcher.model.named_parameters())
    weights["clip_l.transformer.text_projection.weight"].data.fill_(7)
    assert content_of(first) == before
    (norm,) = (name for name in weights if name.endswith("final_layer_norm.weight"))
    weights[norm].data.fill_(7)
    assert content_of(first) != before


def test_every_dataset_counts_with_its_files(tmp_path: Path) -> None:
    """What is looked into for a moment must not be taken for something else at the same address."""
    find = pack_module("comfy_nodes.content").content_of
    kind = pack_module("ti_core.data.config").DataConfig
    captions = [tmp_path / str(number) / "0.txt" for number in range(12)]
    for caption in captions:
        caption.parent.mkdir()
        caption.write_text("a caption")
    datasets = [kind(str(caption.parent)) for caption in captions]
    found = [find(*datasets)]
    assert find(*datasets) == found[0]
    for caption in captions:
        caption.write_text("another one")
        found.append(find(*datasets))
    assert len(set(found)) == 13
