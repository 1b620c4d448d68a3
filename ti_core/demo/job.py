"""The demonstration: teach the bundled model a word it has never heard, and measure that it did."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from ..data.config import DataConfig
from ..data.pictures import list_images, open_image
from ..data.templates import fill
from ..errors import ConfigError
from ..events import Listener
from ..files.atomic import make_folder
from ..files.embedding import for_encoders
from ..files.reading import read_embedding
from ..options import SettingValues, check, nearest, option
from ..port.session import Host, PreviewRequest, Session, Vectors
from ..train.config import (
    ComputeConfig,
    EmbeddingConfig,
    OptimizerConfig,
    OutputConfig,
    PreviewConfig,
    TrainConfig,
)
from ..train.control import Control
from ..train.initialization import starting_rows
from ..train.loop import train
from .assets import pictures_folder, scorer_file
from .report import DemoReport, write_report
from .scene import HELD_OUT, Concept
from .scorer import Scorer

SAMPLING_STEPS = 20
CFG_SCALE = 8.0
LEARNING: SettingValues = {
    "optimizer_type": "DTI",
    "learning_rate": "0.1",
    "lr_scheduler": "cosine",
    "train_batch_size": 4,
    "timestep_sampling": "stratified",
    "min_timestep": 700,
    "final_min_timestep": 350,
}
"""What the demo model learns well with, found on seeds 10 to 12; benchmarks/convergence.py."""
LONG, LONGER = 200, {"min_timestep": 500, "final_min_timestep": 250}
"""Steps from which a run has time for finer timesteps, and these."""
TRIED, LONG_ENOUGH = 16, 80
"""Steps to compare starts with, in a run that has as many or more than the second number."""
OWN_PICTURES = Concept(
    name="my-word",
    kind="own images",
    sentence="what is on your own images",
    wanted={},
    init_words=("thing",),
    template="object",
    preview="a [name]",
    prompts=("a [name]", "a photo of a [name]", "a big [name]", "a [name] on a white background"),
)


@dataclass(frozen=True)
class DemoConfig:
    """The folder and the length of the demonstration."""

    title = "Demonstration"
    out: str = option(
        "ti-demo", "folder for the result", label="Output directory", path="output folder"
    )
    concept: str = option(
        "lily",
        f"what to teach, of the things that the model has no word for: {', '.join(HELD_OUT)}",
        label="Concept",
    )
    train_data_dir: str = option(
        "",
        "your own images, instead of the bundled ones",
        label="Dataset directory",
        path="input folder",
    )
    max_train_steps: int = option(
        100, "optimizer updates", label="Max steps", unit="steps", limits=(1, 100_000)
    )
    pictures: int = option(32, "images to score, before and after", label="Images", limits=(4, 256))
    seed: int = option(0, "same seed, same result", label="Seed", limits=(0, 2**31))

    def __post_init__(self) -> None:
        check(self)
        if self.concept not in HELD_OUT:
            raise ConfigError(
                f"there is no concept {self.concept!r}", "", nearest(self.concept, list(HELD_OUT))
            )


def run_demo(
    config: DemoConfig,
    host: Host,
    on_event: Listener,
    control: Control,
    say: Callable[[str], None],
) -> DemoReport | None:
    """Images before, training, images after; everything written below `config.out`.

    None when it was told to finish early. Raises TIError. `host` has the demo model loaded.
    """
    began = time.perf_counter()
    concept = OWN_PICTURES if config.train_data_dir else HELD_OUT[config.concept]
    folder = make_folder(Path(config.out))
    training = training_of(config, concept, folder)
    requests = list(scored_requests(concept, config, host))
    say(f"{len(requests)} images before training")
    before = _pictures_before(training, host, requests)
    path = train(training, host, on_event, control)
    if control.finishing:
        return None
    say(f"{len(requests)} images after training")
    after = _pictures_after(path, host, requests, concept.name)
    return _reported(concept, training, folder, path, before, after, began)


def learning(steps: int) -> SettingValues:
    """What the demo model learns well with in this number of steps."""
    return {**LEARNING, **LONGER} if steps >= LONG else LEARNING


def training_of(config: DemoConfig, concept: Concept, folder: Path) -> TrainConfig:
    """The settings of a training on the demo model."""
    source = config.train_data_dir or str(pictures_folder(concept.name))
    steps = config.max_train_steps
    word = EmbeddingConfig(
        concept.name,
        init_word=concept.init_words[0],
        num_vectors_per_token=3,
        init_trial_steps=TRIED if steps >= LONG_ENOUGH else 0,
    )
    return TrainConfig(
        word,
        DataConfig(source, skip_checkup=not config.train_data_dir),  # ours are drawn
        OptimizerConfig(max_train_steps=steps, **learning(steps)),
        ComputeConfig("no", config.seed),
        output=OutputConfig(
            output_dir=str(folder / "embedding"),
            logging_dir=str(folder / "run"),
            overwrite=True,
            save_every_n_steps=25,
        ),
        preview=PreviewConfig(sample_every_n_steps=0),
    )


def scored_requests(concept: Concept, config: DemoConfig, host: Host) -> Iterator[PreviewRequest]:
    """The same prompts and seeds before and after; no seed is used twice."""
    facts, sampler = host.describe(), host.features().sampler()
    for number in range(config.pictures):
        prompt = concept.prompts[number % len(concept.prompts)]
        yield PreviewRequest(
            prompt=fill(prompt, concept.name, ""),
            width=facts.resolution,
            height=facts.resolution,
            steps=SAMPLING_STEPS,
            cfg_scale=CFG_SCALE,
            seed=1000 * config.seed + number,
            sampler=sampler,
        )


def _pictures_before(
    training: TrainConfig, host: Host, requests: list[PreviewRequest]
) -> list[Image.Image]:
    """What the untrained embedding gives: the initialization text."""
    with host.session() as session:
        start = starting_rows(training.embedding, host.describe(), session)
        return _sampled(session, requests, training.name, start.rows)


def _pictures_after(
    path: Path, host: Host, requests: list[PreviewRequest], name: str
) -> list[Image.Image]:
    """What the file on disk gives, read back as any program would."""
    rows = for_encoders(read_embedding(path), host.describe().widths, str(path))
    with host.session() as session:
        return _sampled(session, requests, name, rows)


def _sampled(
    session: Session, requests: list[PreviewRequest], name: str, rows: Vectors
) -> list[Image.Image]:
    return [session.preview(request, {name: rows})[0] for request in requests]


def _reported(
    concept: Concept,
    training: TrainConfig,
    folder: Path,
    path: Path,
    before: list[Image.Image],
    after: list[Image.Image],
    began: float,
) -> DemoReport:
    examples = [open_image(p) for p in list_images(Path(training.data.train_data_dir))[:5]]
    embedding = read_embedding(path)
    report = DemoReport(
        concept=concept.name,
        kind=concept.kind,
        sentence=concept.sentence,
        prompts=concept.prompts,
        score_before=_score(before, concept),
        score_after=_score(after, concept),
        pictures=len(after),
        steps=embedding.step,
        seconds=0.0,
        seed=training.compute.seed,
        vectors=embedding.count,
        embedding=str(path.relative_to(folder)),
    )
    runs = sorted((folder / "run").glob("*/*/loss.png"), key=lambda p: p.stat().st_mtime)
    shutil.copyfile(runs[-1], folder / "loss.png")
    report = replace(report, seconds=round(time.perf_counter() - began, 1))
    write_report(folder, report, examples, before, after)
    return report


def _score(images: list[Image.Image], concept: Concept) -> float | None:
    """Share of images that show the concept; None for the user's own, which no one can judge."""
    if not concept.wanted:
        return None
    return Scorer.load(scorer_file()).concept_score(images, concept)
