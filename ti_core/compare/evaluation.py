"""How well copies explain images: their loss with the same noise for every copy.

The loss of a training step says little, as most of it is the luck of the timestep and the noise.
Here both are fixed: every copy answers the same questions, and the differences between copies are
left (the idea of DVAR, Voronov et al. 2023, arXiv 2302.04841).

What it measures is the mean squared error of the network's own output over the given images,
under the prompts that a training would use. On the images of the training it falls as long as
they are learned better, and it does not see that other prompts suffer: that is what the strength
and the sheets are for. Images that were held back tell more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.config import DataConfig
from ..data.dataset import Dataset, load_dataset
from ..diffusion import Diffusion
from ..errors import DataError
from ..events import Listener
from ..port.session import Host, ModelFacts, Session, TextOptions
from ..randomness import generator
from ..train.config import BaseTrainConfig
from ..train.learnable import ExtraNetworks
from .events import Progress
from .subject import Copy

_AT_ONCE = 4
"""Questions in one pass."""


@dataclass(frozen=True)
class Questions:
    """What every copy is asked: each image, noised in `draws` ways."""

    dataset: Dataset
    name: str
    """The word in the prompts."""
    draws: int = 8
    seed: int = 0
    text: TextOptions = TextOptions()

    @property
    def count(self) -> int:
        """Of the questions."""
        return len(self.dataset.items) * self.draws


@dataclass(frozen=True)
class _Question:
    """One image under all its noises: latent (channels, h, w), noise (n, channels, h, w),
    timesteps (n,)."""

    latent: Tensor
    noise: Tensor
    timesteps: Tensor
    prompts: list[str]
    item: int


def losses_of(
    copies: Sequence[Copy],
    questions: Questions,
    session: Session,
    facts: ModelFacts,
    on_event: Listener = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Tensor:
    """The loss of each copy at each question, (copies answered, questions) fp64.

    When it is to stop, copies that have not answered everything are left out.
    """
    asked = [_question(questions, item, session, facts) for item in range(_pictures(questions))]
    session.release("vae")
    rows: list[list[float]] = []
    for copy in copies:
        row: list[float] = []
        added = copy.added(questions.name, session.device)
        for question in asked:
            if should_stop():
                return torch.tensor(rows, dtype=torch.float64)
            row += _answers(question, questions, added, session, facts)
            done = len(rows) * questions.count + len(row)
            on_event(Progress(f"loss of {copy.label}", done, len(copies) * questions.count))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def _pictures(questions: Questions) -> int:
    if not questions.dataset.items:
        what = "the dataset for the validation loss contains no images"
        raise DataError(what, "", "put images into it, or choose another folder")
    return len(questions.dataset.items)


def _question(questions: Questions, item: int, session: Session, facts: ModelFacts) -> _Question:
    pixels = questions.dataset.items[item].pixels()
    latent = session.encode_images(pixels[None]).mean[0].cpu()
    draws, name, seed = range(questions.draws), questions.name, questions.seed
    noise = [
        torch.randn(latent.shape, generator=generator(seed, "evaluation noise", item, draw))
        for draw in draws
    ]
    prompts = [questions.dataset.prompt(item, name, seed, item, draw) for draw in draws]
    times = timesteps(facts.diffusion, questions.draws, seed, item)
    return _Question(latent, torch.stack(noise), times, prompts, item)


def timesteps(diffusion: Diffusion, draws: int, seed: int, item: int) -> Tensor:
    """(draws,) timesteps: one from each of `draws` equal parts of the range, which scatters less
    than as many from all of it."""
    luck = torch.rand(draws, generator=generator(seed, "evaluation timestep", item))
    return diffusion.timesteps_at(torch.arange(draws) + luck, draws)


@torch.no_grad()
def _answers(
    question: _Question,
    questions: Questions,
    added: ExtraNetworks,
    session: Session,
    facts: ModelFacts,
) -> list[float]:
    """The loss at each draw."""
    losses: list[float] = []
    for first in range(0, len(question.noise), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        noise, times = question.noise[part], question.timesteps[part]
        latents = question.latent.expand_as(noise)
        batch = facts.diffusion.noised(latents, noise, times)
        prompts = question.prompts[part]
        sizes = [questions.dataset.items[question.item].size] * len(prompts)
        words = session.encode_prompts(prompts, added.embeddings, sizes, questions.text)
        output = session.predict(batch.noisy, batch.timesteps, words, added.hypernetwork)
        output = output.float().cpu()
        losses += (output - batch.target).double().square().flatten(1).mean(dim=1).tolist()
    return losses


def questions_of(
    data: DataConfig,
    name: str,
    host: Host,
    draws: int,
    trained: BaseTrainConfig | None = None,
    by_word: bool = True,
) -> Questions:
    """Questions about the images of `data`, read as the training `trained` read its own.

    Raises DataError when there are no images, or, where what is compared is called `by_word`,
    prompts without the word.
    """
    dataset = load_dataset(data, name, host.describe().resolution, needs_trigger=by_word)
    if trained is None:
        return Questions(dataset, name, draws)
    text = TextOptions(trained.text.parse_emphasis, trained.text.clip_skip)
    return Questions(dataset, name, draws, text=text)
