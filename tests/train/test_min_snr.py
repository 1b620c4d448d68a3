"""Loss weights by timestep and noise with an offset, as kohya's scripts have them."""

from __future__ import annotations

import pytest
import torch

from ti_core.diffusion import Ddpm
from ti_core.errors import ConfigError
from ti_core.families import FAMILIES
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.loop import train
from ti_core.train.min_snr import min_snr_weights, require_known_snr
from ti_core.train.noise import noise_like

from ..conftest import Configure
from ..toys.flow import RectifiedFlow

ALPHAS = (0.99, 0.5, 0.1, 0.0)
"""SNR 99, 1, 1/9 and 0."""


def test_epsilon_networks_count_little_noise_less() -> None:
    weights = min_snr_weights(Ddpm(ALPHAS), torch.arange(4), 5.0)
    assert weights.tolist() == pytest.approx([5 / 99, 1.0, 1.0, 1.0])


def test_v_networks_are_divided_by_one_more() -> None:
    weights = min_snr_weights(Ddpm(ALPHAS, "v_prediction"), torch.arange(4), 5.0)
    assert weights.tolist() == pytest.approx([5 / 100, 1 / 2, 0.1, 0.0])


def test_other_networks_have_no_such_weights() -> None:
    require_known_snr(RectifiedFlow(), 0.0)
    with pytest.raises(ConfigError, match="velocity"):
        require_known_snr(RectifiedFlow(), 5.0)


def test_an_offset_is_one_number_for_each_channel() -> None:
    latent = torch.zeros(4, 8, 8)
    plain, moved = noise_like(latent, 7, 3, 1), noise_like(latent, 7, 3, 1, 0.1)
    added = moved - plain
    assert torch.allclose(added, added[:, :1, :1].expand_as(added), atol=1e-6)
    assert len(set(added[:, 0, 0].tolist())) == 4
    assert noise_like(latent, 7, 3, 1, 0.0).equal(plain)


@pytest.mark.parametrize("change", [{"min_snr_gamma": 1.0}, {"noise_offset": 0.1}])
@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_both_change_what_is_learned(
    configure: Configure, change: dict[str, float], family: str
) -> None:
    def learned(**changes: float) -> torch.Tensor:
        host = FakeHost(family=FAMILIES[family])
        return read_embedding(train(configure(overwrite=True, **changes), host)).vectors[
            "emb_params"
        ]

    assert not learned(**change).equal(learned())
    assert learned(**change).equal(learned(**change))


def test_a_scaled_rate_is_that_of_diffusers(configure: Configure) -> None:
    options = {"learning_rate": "5e-4:4, 1e-4", "train_batch_size": 2}
    config = configure(**options, gradient_accumulation_steps=4, scale_lr=True)
    assert config.optimizer.rate(0) == 5e-4 * 8
    assert config.optimizer.rate(5) == 1e-4 * 8


def test_a_warm_up_may_be_a_part_of_all_steps(configure: Configure) -> None:
    part, count = configure(lr_warmup_ratio=0.35), configure(lr_warmup_steps=3)
    assert [part.optimizer.rate(n) for n in range(10)] == [
        count.optimizer.rate(n) for n in range(10)
    ]
    with pytest.raises(ConfigError, match="lr_warmup_ratio"):
        configure(lr_warmup_ratio=0.35, lr_warmup_steps=3)
