"""A flow-matching family is trained, compared and looked at without a change to the product."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from ti_core.compare.copies import config_of, copy_files, read_copies
from ti_core.compare.evaluation import losses_of, questions_of
from ti_core.diffusion import Diffusion
from ti_core.files.reading import read_embedding
from ti_core.hosts.common.sampling import sample
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import SAMPLERS, PreviewRequest
from ti_core.train.events import Started
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder

from ..conftest import Configure
from ..train.spoiled import Log, StopAfter
from .flow import TOY_FLOW, RectifiedFlow

SPREAD = 0.6
"""σ of the latents that the ideal network below was trained on."""


def toy_host(shift: float = 3.0) -> FakeHost:
    return FakeHost(family=TOY_FLOW, diffusion=RectifiedFlow(shift))


def test_the_toy_is_a_diffusion_that_takes_back_its_noise() -> None:
    flow: Diffusion = RectifiedFlow(3.0)
    latents, noise = torch.randn(2, 5, 16, 2, 2, generator=torch.Generator().manual_seed(0))
    batch = flow.noised(latents, noise, flow.timesteps_at(torch.arange(5) + 0.5, 5))
    for noisy, time, target, latent in zip(*vars(batch).values(), latents, strict=True):
        sigma = time / (1000 - time)
        assert torch.allclose(flow.timestep_of(sigma), time)
        assert torch.allclose(
            flow.clean(noisy * flow.spread(sigma), target, sigma), latent, atol=1e-4
        )


@pytest.mark.parametrize("masks", [False, True])
def test_what_is_learned_lowers_the_loss_copy_by_copy(
    configure: Configure, pictures: Path, masks: bool
) -> None:
    if masks:
        for picture in pictures.glob("*.png"):
            Image.radial_gradient("L").save(picture.with_name(f"{picture.stem}_mask.png"))
    host, log = toy_host(), Log()
    settings = {"max_train_steps": 60, "save_every_n_steps": 20, "learning_rate": "0.05"}
    path = train(configure(**settings, masked_loss=masks), host, log)
    facts, config = host.describe(), config_of(log.of(Started)[0].run_folder)
    copies = read_copies(copy_files(log.of(Started)[0].run_folder), facts)
    questions = questions_of(config.data, config.name, host, 8, config)
    with host.session() as session:
        losses = losses_of(copies, questions, session, facts).mean(dim=1).tolist()
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    assert (
        read_embedding(path).metadata["modelspec.architecture"] == "toy-flow-v1/textual-inversion"
    )


def test_a_stopped_run_is_resumed_as_if_nothing_had_happened(configure: Configure) -> None:
    log = Log()
    train(configure(), toy_host(), log, StopAfter(log, 4))
    resumed = train(
        configure(), toy_host(), resume=RunFolder(log.of(Started)[0].run_folder)
    ).read_bytes()
    assert resumed == train(configure(overwrite=True), toy_host()).read_bytes()


def test_a_preview_shows_the_learned_word() -> None:
    request, host = PreviewRequest("a zz", width=64, height=32), toy_host()
    rows = {key: torch.ones(1, width) for key, width in host.describe().widths.items()}
    with host.session() as session:
        (plain,) = session.preview(request, {})
        (shown,) = session.preview(request, {"zz": rows})
    assert plain.size == shown.size == (64, 32)
    assert plain.tobytes() != shown.tobytes()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_of_every_host_ends_where_the_flow_does(sampler: str) -> None:
    """The best network for latents that are normal numbers times `SPREAD`."""

    def network(noisy: Tensor, timestep: Tensor) -> Tensor:
        share = timestep / 1000
        variance = (1 - share) ** 2 * SPREAD**2 + share**2
        return noisy * (share - (1 - share) * SPREAD**2) / variance  # E[ε - x | x_t]

    request = PreviewRequest("", width=1024, height=1024, steps=60, sampler=sampler)
    found = sample(toy_host().describe(), request, 7, torch.device("cpu"), network)
    assert found.shape == (1, 16, 64, 64)
    assert float(found.std()) == pytest.approx(SPREAD, rel=0.1)
