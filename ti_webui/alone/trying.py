"""Images made with the words of the library, and the same ones without them."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ti_core.cli.collection import CollectionConfig, HypernetworkCollectionConfig
from ti_core.cli.generate import GenerateConfig, generate
from ti_core.errors import FileError
from ti_core.events import Notice
from ti_core.files.library import Library
from ti_core.files.notes import recipe
from ti_core.files.reading import read_embedding
from ti_core.port.session import Host
from ti_core.prompts.used import known_of, words_of
from ti_core.train.progress import Preview

from ..job import Job
from ..studio import Studio

HOME = "pictures"
"""In the log directory."""
WITH, WITHOUT = "with", "without"


def pictures_folder(studio: Studio) -> Path:
    """Where the images are saved."""
    return Path(studio.settings().logging_dir).absolute() / HOME


def start_try(studio: Studio, config: GenerateConfig, beside: bool) -> Job:
    """Begin to make images; `beside`: also the same ones without the words, from the same seeds.
    What is made is the job's previews, of which `step` is the place. Raises HostBusyError while
    another job is running."""
    seed = random.SystemRandom().randrange(2**32) if config.seed is None else config.seed
    settled = replace(config, seed=seed, outdir=str(pictures_folder(studio)))

    def work(job: Job) -> Path | None:
        host = studio.host()
        rounds = [(WITH, settled)]
        if beside:
            rounds.append((WITHOUT, without_words(settled, studio.library(), host)))
        job.change(total=len(rounds) * settled.images_per_prompt, stage="drawing")
        for label, one in rounds:
            _draw(studio, host, job, label, one)
        return None

    return studio.start("generate", config.prompt[:60] or "pictures", work)


def _draw(studio: Studio, host: Host, job: Job, label: str, config: GenerateConfig) -> None:
    """Until all are made or the job is interrupted."""
    say: Callable[[Notice | str], None] = _to(job) if label == WITH else lambda told: None
    with closing(generate(config, host, *_collections(studio, host), say)) as pictures:
        for number, path in enumerate(pictures):
            caption = f"{label}, seed {(config.seed or 0) + number}: {config.prompt}"
            made = (*job.progress.previews, Preview(path, 2 * number + (label == WITHOUT), caption))
            job.change(previews=made, step=len(made))
            if job.control.finishing:
                return


def _to(job: Job) -> Callable[[Notice | str], None]:
    return lambda told: job.emit(told if isinstance(told, Notice) else Notice("info", told))


def _collections(
    studio: Studio, host: Host
) -> tuple[CollectionConfig, HypernetworkCollectionConfig]:
    """What the prompts may name; folders that are not there yet have nothing in them."""
    words, networks = studio.save_dir(), host.hypernetworks_dir()
    return (
        CollectionConfig(embeddings_dir=str(words) if words.is_dir() else None),
        HypernetworkCollectionConfig(hypernetwork_dir=str(networks) if networks.is_dir() else None),
    )


def without_words(config: GenerateConfig, library: Library, host: Host) -> GenerateConfig:
    """The same images as the model draws them without the embeddings: each is replaced by the
    initialization text that its file tells, or left out."""
    prompts = (config.prompt, config.negative_prompt)
    prompt, negative = (_without(text, library, host) for text in prompts)
    return replace(config, prompt=prompt, negative_prompt=negative)


def _without(text: str, library: Library, host: Host) -> str:
    found = words_of(text, known_of(library), host).found
    for one in sorted(found, key=lambda one: one.start, reverse=True):
        if one.end > 0:
            text = text[: one.start] + _meant(one.name, library, host) + text[one.end :]
    return text


def _meant(name: str, library: Library, host: Host) -> str:
    entry = library.find(name, tuple(sorted(host.describe().widths.values())))
    try:
        told = recipe(read_embedding(entry.path, entry.term or None).metadata) if entry else None
    except FileError:
        return ""
    meant = told.get("init_word") if isinstance(told, dict) else ""
    return meant if isinstance(meant, str) else ""
