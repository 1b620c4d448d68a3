"""What one pass sees, and its loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ti_core.families import FAMILIES, SD2
from ti_core.hosts.fake import NOISE, FakeHost
from ti_core.train.batches import Batch, Batches, batch_loss, encode_pictures
from ti_core.train.config import TrainConfig
from ti_core.train.plan import make_plan
from ti_core.train.vectors import EmbeddingKind

from ..conftest import Configure


def batches_of(config: TrainConfig, host: FakeHost, step: int) -> list[Batch]:
    plan = make_plan(config, host)
    with host.session() as session:
        return list(Batches(plan, encode_pictures(plan, session)).of_step(step))


def gradients(config: TrainConfig, host: FakeHost, step: int = 3) -> dict[str, Tensor]:
    """Of one update."""
    plan = make_plan(config, host)
    with host.session() as session:
        vectors, _ = EmbeddingKind(config).start(plan.facts, session, None)
        batches = list(Batches(plan, encode_pictures(plan, session)).of_step(step))
        for batch in batches:
            (batch_loss(batch, session, vectors.extra_networks(), plan) / len(batches)).backward()
    return {key: value.grad for key, value in vectors.tensors.items() if value.grad is not None}


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_accumulating_small_batches_equals_one_large_batch(
    configure: Configure, family: Any
) -> None:
    one = configure(train_batch_size=4)
    two = configure(train_batch_size=2, gradient_accumulation_steps=2)
    large, small = (gradients(config, FakeHost(family=FAMILIES[family])) for config in (one, two))
    for key in large:
        assert large[key].abs().max() > 0
        assert torch.allclose(large[key], small[key], rtol=1e-5, atol=1e-7)


def test_slots_of_a_batch_have_noise_and_times_of_their_own(configure: Configure) -> None:
    (batch,) = batches_of(configure(train_batch_size=4), FakeHost(), 0)
    assert batch.noisy.noisy.shape == (4, 4, 8, 8)
    assert len({tuple(row.flatten().tolist()) for row in batch.noisy.target}) == 4
    assert len(set(batch.noisy.timesteps.tolist())) > 1


def test_a_batch_may_be_larger_than_the_folder(configure: Configure) -> None:
    (batch,) = batches_of(configure(train_batch_size=7), FakeHost(), 0)
    assert len(batch.prompts) == len(batch.sizes) == 7


def test_batches_are_a_function_of_the_step(configure: Configure) -> None:
    config = configure(train_batch_size=2, latent_sampling_method="random")
    one, two = batches_of(config, FakeHost(), 5), batches_of(config, FakeHost(), 5)
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a.noisy.noisy, b.noisy.noisy)
        assert a.prompts == b.prompts
    (other,) = batches_of(config, FakeHost(), 6)
    assert not torch.equal(one[0].noisy.noisy, other.noisy.noisy)


def test_v_prediction_changes_the_target_only(configure: Configure) -> None:
    config = configure()
    (eps,) = batches_of(config, FakeHost(family=SD2), 0)
    (v,) = batches_of(
        config, FakeHost(family=SD2, diffusion=replace(NOISE, prediction="v_prediction")), 0
    )
    assert torch.equal(eps.noisy.noisy, v.noisy.noisy)
    assert not torch.equal(eps.noisy.target, v.noisy.target)


def test_every_distinct_prompt_is_encoded_once(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("a [name]")
    host, rows = FakeHost(), []
    host.encoders["clip_l"].register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    gradients(configure(train_batch_size=4, prompt_template=str(tmp_path / "one.txt")), host)
    assert rows == [1]


def test_sdxl_is_told_the_size_of_every_picture(configure: Configure, pictures: Path) -> None:
    from PIL import Image

    first = next(iter(sorted(pictures.glob("*.png"))))
    with Image.open(first) as image:
        image.resize((128, 64)).save(first)
    batches = [b for step in range(5) for b in batches_of(configure(), FakeHost(), step)]
    sizes = {batch.sizes[0] for batch in batches}
    assert {(size.original, size.crop) for size in sizes} == {
        ((64, 64), (0, 0)),
        ((64, 128), (0, 32)),
    }


def test_pictures_are_encoded_in_order_whatever_the_portions(configure: Configure) -> None:
    host = FakeHost()
    plan = make_plan(configure(), host)
    with host.session() as session:
        found = encode_pictures(plan, session)
        single = [session.encode_images(item.pixels()[None]).mean[0] for item in plan.dataset.items]
    means = [found[item.key][0] for item in plan.dataset.items]
    assert torch.allclose(torch.stack(means), torch.stack(single), atol=1e-6)


def test_emphasis_in_training_prompts_is_read_only_when_asked(
    configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "strong.txt").write_text("a ([name]:1.5) here")
    template = {"prompt_template": str(tmp_path / "strong.txt")}
    literal = gradients(configure(**template), FakeHost())["clip_l"]
    read = gradients(configure(**template, parse_emphasis=True), FakeHost())["clip_l"]
    assert not torch.allclose(literal, read)
