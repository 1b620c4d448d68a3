"""From what a page or a program asks for to a training that continues as a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ti_core.errors import ConfigError, HostBusyError, TIError, TrainingError, setting
from ti_core.events import Event, Notice
from ti_core.files.formats import A1111_TRAINS
from ti_core.files.library_entry import Entry
from ti_core.files.library_walk import CARDS
from ti_core.files.names import composed
from ti_core.files.reading import read_embedding
from ti_core.options import SettingValues, flat, from_dict
from ti_core.paths import given_path
from ti_core.train.again import settings_of
from ti_core.train.changes import resumed_with
from ti_core.train.config import BaseTrainConfig, TrainConfig
from ti_core.train.events import Started
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.progress import so_far
from ti_core.train.run_folder import RunFolder
from ti_core.train.state import latest_state

from .asking import remember_lengths
from .embeddings import all_names
from .job import Job
from .studio import Studio
from .waiting import Waiting

_TEMPLATE = f"{setting('prompt_template')} has it"
SETTLED: Mapping[str, str] = {
    "weights": "the embedding that is chosen",
    "output_dir": "where the program looks for embeddings",
    "output_name": "the word",
    "overwrite": "an existing embedding is trained further, and its old file is kept as a copy",
    "use_object_template": _TEMPLATE,
    "use_style_template": _TEMPLATE,
}
"""Settings without a field on the page, which are known already or would point out of the program,
and what is in their place."""


@dataclass(frozen=True)
class TrainRequest:
    """A requested training."""

    config: TrainConfig
    resume: RunFolder | None = None
    notices: tuple[Notice, ...] = ()
    """What was noticed while it was made ready, for the job to tell."""


def new_request(studio: Studio, config: TrainConfig) -> TrainRequest:
    """A training of a new word, or of an embedding that is there, from where it is now.

    Whatever the config says about it, the file goes where the program looks for embeddings; one
    that was there continues from its own vectors, and is replaced in its own folder by a
    .safetensors file in the end, of whatever format it was; it is kept as a numbered copy.
    Raises ConfigError for an embedding in a card or among others in a file, or when no images
    are named.
    """
    several = bool(config.several.words)
    if not (config.data.dataset_config or several):
        given_path(config.data.train_data_dir, setting("train_data_dir"))
    found = None if several else find_embedding(studio, config.name)
    output = replace(config.output, output_dir=str(studio.save_dir()), output_name="")
    if found is None:
        return TrainRequest(replace(config, output=replace(output, overwrite=False)))
    path = _own_file(found)
    notices = (_converted(path),) if path.suffix != ".safetensors" else ()
    start = replace(
        config.embedding,
        token_string=found.name,
        weights=str(path),
        num_vectors_per_token=found.vectors,
    )
    output = replace(output, output_dir=str(path.parent), overwrite=False)
    return TrainRequest(replace(config, embedding=start, output=output), notices=notices)


def _converted(path: Path) -> Notice:
    what = f"{path.with_suffix('.safetensors').name} will take the place of {path.name}"
    fix = (
        "the old file is kept as a numbered copy; to continue there, convert the new one to pt in "
        "Library"
    )
    return Notice("info", what, A1111_TRAINS, fix)


def find_embedding(studio: Studio, name: str) -> Entry | None:
    """The embedding of this name, in any letter case, that the program would use."""
    return studio.library().find(name)


def _own_file(found: Entry) -> Path:
    """The file that is trained on."""
    path = found.path
    if found.term or composed(path.stem) != found.name or path.suffix[1:].lower() in CARDS:
        raise ConfigError(
            f"{found.name} is stored in {path.name}",
            "training writes a .safetensors file, and there would be two files of one name",
            "convert it to safetensors in Library first, or choose another name",
        )
    return path


@dataclass(frozen=True)
class Resumable:
    """A run that can continue."""

    folder: RunFolder
    config: TrainConfig
    step: int
    notices: tuple[Notice, ...] = ()


def find_resumable(studio: Studio, name: str, logging_dir: str) -> Resumable | None:
    """The newest run of this name that has a state, if it is to be had.

    Raises ForbiddenError, ConfigError for a log directory that may not be opened.
    """
    logs = studio.places().within(logging_dir, "logging_dir")
    notices: list[Notice] = []
    try:
        folder = RunFolder.find("latest", logs, name, on_notice=notices.append)
        return replace(opened_run(folder), notices=tuple(notices))
    except (TIError, OSError):
        return None  # a wreck, or none: either way there is nothing to resume


def opened_run(folder: RunFolder) -> Resumable:
    """A run with its settings. Raises TrainingError, ConfigError when it cannot continue."""
    config = from_dict(TrainConfig, folder.read_settings().get("train", {}))
    return Resumable(folder, config, latest_state(folder.state).step)


def resume_request(
    found: Resumable | None, name: str, changes: SettingValues | None = None
) -> TrainRequest:
    """Continue with a run, exactly where it stopped, with its own settings but for the `changes`.

    Raises TrainingError when there is no run, or for a setting that cannot change any more,
    ConfigError for a value that is not possible.
    """
    if found is None:
        fix = "start one, or check the name and the log directory"
        raise TrainingError(f"there is no run of {name or 'this name'} to resume", "", fix)
    config = resumed_with(found.config, changes or {})
    return TrainRequest(config, found.folder, notices=found.notices)


def more_steps(own: BaseTrainConfig, steps: int) -> SettingValues:
    """Max steps as a change, where they are more than the run's own."""
    return {"max_train_steps": steps} if steps > own.optimizer.max_train_steps else {}


def start_training(studio: Studio, request: TrainRequest) -> Job:
    """Start. Raises HostBusyError while another job is running; also as `Places.checked`."""
    studio.jobs.require_free()
    request = replace(request, config=studio.places().checked(request.config))

    def work(job: Job) -> Path:
        return _work(studio, request, job)

    job = studio.start("train", request.config.name, work)
    job.settings = flat(request.config)
    return job


def enqueue_training(
    studio: Studio, order: Callable[[], TrainRequest], body: SettingValues
) -> Waiting:
    """Let a training wait for its turn. `order` is asked again when that has come, as there may be
    an embedding of its name by then; what is wrong already is an error now. `body` says the same
    as a program would ask for it, to be kept on disk.

    Raises what it and `Places.checked` raise, HostBusyError when too many wait.
    """
    config = studio.places().checked(order().config)
    waiting = waiting_training(studio, config.name, order, body)
    studio.jobs.enqueue(waiting)
    return waiting


def waiting_training(
    studio: Studio, name: str, order: Callable[[], TrainRequest], body: SettingValues
) -> Waiting:
    """A training that begins when its turn has come; what is wrong then is a failed job."""

    def begin() -> None:
        try:
            start_training(studio, order())
        except HostBusyError:
            raise
        except TIError as error:
            failure = error  # it is shown as a failed job, where the user looks
            studio.start("train", name, lambda job: _fail(failure))

    return Waiting(name, begin, body)


def _fail(error: TIError) -> NoReturn:
    raise error


def _work(studio: Studio, request: TrainRequest, job: Job) -> Path:
    host, config = studio.host(), request.config
    for notice in request.notices:
        job.emit(notice)
    job.change(stage="looking at the images")
    if request.resume:
        job.change(**so_far(request.resume))
    plan = make_plan(
        config,
        host,
        request.resume,
        [name for name in all_names(studio) if name != config.name],
        lambda found: job.change(findings=found),
    )
    job.change(stage="getting ready")

    def listen(event: Event) -> None:
        job.emit(event)
        if isinstance(event, Started):
            remember_lengths(studio, plan.facts, event.usual_lengths)

    made_in: dict[str, object] = {"host": host.name}
    return train(config, host, listen, job.control, request.resume, made_in, plan=plan)


def train_again(studio: Studio, found: Entry) -> SettingValues:
    """The settings that the file of an embedding tells, under a name that is free: under its own
    the embedding would be trained on. Raises EmbeddingError where its file does not tell."""
    settings = settings_of(read_embedding(found.path, found.term or None))
    return {**settings, "token_string": free_name(studio, found.name)}


def free_name(studio: Studio, name: str) -> str:
    """cat-2, cat-3 …: the first that no embedding has."""
    library, number = studio.library(), 2
    while library.find(f"{name}-{number}"):
        number += 1
    return f"{name}-{number}"


def settings_of_page(studio: Studio) -> SettingValues:
    """Defaults that come from the user's settings, for a form."""
    wanted = studio.settings()
    return {
        "logging_dir": wanted.logging_dir,
        "sample_prompts": wanted.sample_prompts,
        "mixed_precision": wanted.mixed_precision,
        "keep_replaced": wanted.keep_replaced,
    }
