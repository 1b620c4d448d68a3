"""One training, from the values on the cables to the run folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from comfy.model_management import throw_exception_if_processing_interrupted

from ..ti_core.data.config import DataConfig, check_sides
from ..ti_core.errors import ConfigError
from ..ti_core.events import Listener
from ..ti_core.files.atomic import write_bytes
from ..ti_core.files.embedding import Embedding
from ..ti_core.files.reading import read_embedding
from ..ti_core.files.writing import write_embedding
from ..ti_core.port.session import Host, PreviewRequest
from ..ti_core.train.config import EmbeddingConfig, TrainConfig
from ..ti_core.train.loop import train
from ..ti_core.train.previews import preview_requests
from ..ti_core.train.run_folder import OnNotice, RunFolder
from ..ti_core.train.runs import ResumableRun, labelled_run, resumable
from .places import runs_dir, text_file
from .runs import RunControl
from .sockets import DatasetValue, RunLog, SettingsValue

ALWAYS = ("new", "latest")
"""What can always be chosen in "Resume"."""
_MOST_UNFINISHED = 24
_MOST_PROMPTS = 16
_MOST_TEXT = 20_000
_LARGEST_PREVIEW = 2048
_MOST_SAMPLING_STEPS = 150


@dataclass(frozen=True)
class Trained:
    """What a training gives."""

    embedding: Embedding
    log: RunLog
    previews: tuple[Path, ...]


def train_config(name: str, count: int, data: DataConfig, settings: SettingsValue) -> TrainConfig:
    """The core's settings for an embedding of `count` vectors; files are still to be named.

    Raises ConfigError for preview prompts that ask for too much.
    """
    prompts = settings.preview.sample_prompts
    config = TrainConfig(
        EmbeddingConfig(token_string=name, num_vectors_per_token=count),
        data,
        settings.optimizer,
        settings.compute,
        settings.text,
        replace(settings.output, output_dir=str(runs_dir()), logging_dir=str(runs_dir())),
        replace(settings.preview, sample_prompts=str(text_file(prompts))),
        replace(settings.cache, latent_cache_dir=str(runs_dir() / "latents")),
    )
    _require_modest(prompts, preview_requests(config, (512, 512), ""))
    return config


def run(
    embedding: Embedding,
    dataset: DatasetValue,
    settings: SettingsValue,
    host: Host,
    resume: str,
    control: RunControl,
    on_event: Listener,
) -> Trained:
    """Train, in a run folder below ComfyUI's output folder, where everything stays.

    Raises TIError, and ComfyUI's own exception after an interrupt; what was learned is on the disk
    by then.
    """
    config = train_config(embedding.name, embedding.count, dataset.data, settings)
    last = _run_to_resume(config.name, resume, on_event)
    folder = last or RunFolder.create(runs_dir(), config.file_stem)
    try:
        config = _with_files(config, folder.path, embedding, settings.preview.sample_prompts)
        path = train(config, host, on_event, control, last, {"made_by": "ComfyUI"}, folder)
    finally:
        _forget_if_empty(folder)
    throw_exception_if_processing_interrupted()
    control.require_not_interrupted()
    log = RunLog(config.name, folder.path, tuple(folder.losses()))
    pictures = tuple(sorted((folder.path / "images").glob("*.png")))
    return Trained(read_embedding(path), log, pictures)


def unfinished_runs() -> list[ResumableRun]:
    """Those that can be chosen in "Resume", newest first."""
    return resumable(runs_dir())[:_MOST_UNFINISHED]


def resume_choices() -> list[str]:
    """What stands in "Resume": of the unfinished runs, their labels."""
    return [*ALWAYS, *(run.label for run in unfinished_runs())]


def _run_to_resume(name: str, resume: str, on_notice: OnNotice) -> RunFolder | None:
    """Raises TrainingError when the run that is chosen is not there, ConfigError when it is that
    of another embedding."""
    if resume == "new":
        return None
    if resume == "latest":
        return RunFolder.find("latest", runs_dir(), name, on_notice=on_notice)
    return labelled_run(runs_dir(), resume, name)


def _with_files(config: TrainConfig, folder: Path, start: Embedding, prompts: str) -> TrainConfig:
    """What the core reads from files lies in the run folder, and so does the result."""
    first, lines = folder / "start.safetensors", folder / "preview_prompts.txt"
    if not first.exists():
        write_embedding(first, start)
    write_bytes(lines, prompts.encode(errors="replace"))
    return replace(
        config,
        embedding=replace(config.embedding, weights=str(first)),
        output=replace(config.output, output_dir=str(folder), overwrite=True),
        preview=replace(config.preview, sample_prompts=str(lines)),
    )


def _forget_if_empty(folder: RunFolder) -> None:
    """A run that was refused before its first line leaves nothing behind."""
    if (folder.path / "settings.json").exists():
        return
    shutil.rmtree(folder.path)


def _require_modest(prompts: str, requests: Sequence[PreviewRequest]) -> None:
    """A prompt of anybody must not make pictures of any size in any number."""
    if len(prompts) > _MOST_TEXT or len(requests) > _MOST_PROMPTS:
        raise ConfigError(
            "there are too many preview prompts", "", f"give {_MOST_PROMPTS} lines at the most"
        )
    for request in requests:
        sides = (request.width, request.height)
        what = f"a preview of {sides[0]}x{sides[1]} pixels cannot be made"
        check_sides(what, sides, _LARGEST_PREVIEW)
        if not 1 <= request.steps <= _MOST_SAMPLING_STEPS:
            fix = f"choose 1 to {_MOST_SAMPLING_STEPS}"
            raise ConfigError(f"a preview has {request.steps} sampling steps", "", fix)
