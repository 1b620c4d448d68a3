"""The losses of copies with the same noise for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.compare.copies import config_of, copy_files, read_copies
from ti_core.compare.evaluation import losses_of, questions_of, timesteps
from ti_core.diffusion import Ddpm, NoisyBatch, Prediction
from ti_core.errors import DataError
from ti_core.families import SDXL
from ti_core.hosts.fake import NOISE, FakeHost

THOUSAND = Ddpm((0.5,) * 1000)


def losses(run_folder: Path, host: FakeHost, draws: int = 8, **more: Any) -> torch.Tensor:
    config = config_of(run_folder)
    questions = questions_of(config.data, config.name, host, draws, config)
    copies = read_copies(copy_files(run_folder), host.describe())
    with host.session() as session:
        return losses_of(copies, questions, session, host.describe(), **more)


def test_what_was_learned_lowers_the_loss_copy_by_copy(run_folder: Path, host: FakeHost) -> None:
    means = losses(run_folder, host).mean(dim=1).tolist()
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1]


def test_the_same_question_has_the_same_answer(run_folder: Path, host: FakeHost) -> None:
    before = torch.random.get_rng_state()
    one = losses(run_folder, host)
    torch.manual_seed(7)
    torch.random.set_rng_state(before)
    assert torch.equal(one, losses(run_folder, host))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_equal_copies_have_equal_losses_wherever_they_stand(
    run_folder: Path, host: FakeHost
) -> None:
    files = copy_files(run_folder)
    twin = files[0].with_name("twin.safetensors")
    twin.write_bytes(files[0].read_bytes())
    found = losses(run_folder, host)
    assert found.shape == (4, 5 * 8)
    assert torch.equal(found[0], found[1])  # both of step 10


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_perfect_network_has_no_loss(
    run_folder: Path, prediction: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target that is compared with is the one of the model's own kind."""
    host = FakeHost(diffusion=Ddpm(NOISE.alphas_cumprod, prediction))
    truths: list[torch.Tensor] = []
    noised = Ddpm.noised

    def remembered(self: Ddpm, *given: torch.Tensor) -> NoisyBatch:
        found = noised(self, *given)
        assert self.prediction == prediction
        truths.append(found.target)
        return found

    monkeypatch.setattr(Ddpm, "noised", remembered)
    monkeypatch.setattr(
        "ti_core.hosts.fake.FakeSession.predict", lambda self, *given: truths[-1].clone()
    )
    assert not losses(run_folder, host, draws=5).any()


def test_the_model_is_given_back_as_it_was(run_folder: Path, host: FakeHost) -> None:
    before = {name: value.clone() for name, value in host.model.state_dict().items()}
    losses(run_folder, host)
    assert all(torch.equal(value, before[n]) for n, value in host.model.state_dict().items())


def test_copies_that_have_not_answered_everything_are_left_out(
    run_folder: Path, host: FakeHost
) -> None:
    told: list[object] = []
    found = losses(
        run_folder, host, on_event=told.append, should_stop=lambda: len(told) >= 7
    )  # 5 pictures for the first copy, 2 for the second
    assert found.shape == (1, 40)


def test_timesteps_cover_the_whole_range_evenly() -> None:
    found = timesteps(THOUSAND, 10, seed=0, item=3)
    assert [int(t) // 100 for t in found] == list(range(10))
    assert not torch.equal(found, timesteps(THOUSAND, 10, seed=0, item=4))
    assert timesteps(Ddpm((0.5,) * 10), 100, 0, 0).max() <= 9


def test_without_pictures_nothing_can_be_judged(host: FakeHost, tmp_path: Path) -> None:
    from ti_core.data.config import DataConfig

    with pytest.raises(DataError):
        questions_of(DataConfig(train_data_dir=str(tmp_path)), "zz", host, 4)


def test_sdxl_copies_are_rated_as_well(configure, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from ti_core.train.loop import train

    host = FakeHost(family=SDXL)
    path = train(configure(max_train_steps=2), host)
    config = configure()
    questions = questions_of(config.data, config.name, host, 4, config)
    copies = read_copies([path], host.describe())
    with host.session() as session:
        assert losses_of(copies, questions, session, host.describe()).shape == (1, 20)
