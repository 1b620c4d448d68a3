"""Runs that are over: their copies loaded, rated, and what an embedding was trained with."""

from __future__ import annotations

from dataclasses import replace

import comfy.utils
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_api.latest import io

from ...ti_core.compare.adopt import renamed
from ...ti_core.compare.copies import PastRun, config_of, list_runs, some_of
from ...ti_core.compare.events import Progress
from ...ti_core.errors import ConfigError, DataError
from ...ti_core.events import Event, Listener
from ...ti_core.files.embedding import Embedding
from ...ti_core.files.notes import TEMPLATE
from ...ti_core.files.reading import read_embedding
from ...ti_core.options import make_config
from ...ti_core.train.again import settings_of
from ...ti_core.train.config import EmbeddingConfig, TrainConfig
from ...ti_core.train.run_folder import RunFolder
from ..loaded_model import Clip, Model, Vae, checkpoint_name, host_of
from ..node import Node, node_text, schema
from ..places import fingerprint, runs_dir, temp_dir
from ..sockets import (
    DatasetSocket,
    DatasetValue,
    EmbeddingSocket,
    LogSocket,
    RunLog,
    SettingsSocket,
    SettingsValue,
)
from .embedding import summary
from .training_parts import require_modest_steps

_NO_RUNS = "(no training has left a copy)"
_MOST_RUNS = 200
_MOST_COPIES = 32
_MOST_DRAWS = 100
_MOST_STEPS = 10_000_000


class LoadRun(Node):
    """A training of another day, and its embedding as it was after some steps."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "LoadRun",
            "Load Run",
            "Loads an earlier run and one of its saved copies. Save Embedding writes the copy to "
            "the embeddings folder; Loss Plot, Preview Grid and Rate Copies take the log.",
            search_aliases=["use this copy", "checkpoint", "textual inversion", "past training"],
            inputs=[
                io.Combo.Input(
                    "run",
                    options=[_label(run) for run in _runs()] or [_NO_RUNS],
                    display_name="Run",
                    tooltip="Runs with copies, the newest first (key R looks for new ones).",
                ),
                io.Int.Input(
                    "step",
                    display_name="Step",
                    default=0,
                    min=0,
                    max=_MOST_STEPS,
                    tooltip="The newest copy with at most this number of steps; 0 is the last one.",
                ),
            ],
            outputs=[
                EmbeddingSocket.Output(display_name="embedding", tooltip="The copy."),
                LogSocket.Output(display_name="log", tooltip="The run."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, run: str | None = None, **others: object) -> str:
        """A run that is resumed has more copies later."""
        found = [each for each in _runs() if _label(each) == run]
        return fingerprint(found[0].folder) if found else ""

    @classmethod
    def work(cls, run: str, step: int) -> io.NodeOutput:
        """See the class."""
        chosen = _run(run)
        copies = [read_embedding(path) for path in chosen.copies]
        fitting = [copy for copy in copies if not step or copy.step <= step]
        if not fitting:
            steps = ", ".join(str(copy.step) for copy in copies)
            raise ConfigError(f"there is no copy with at most {step} steps", "", f"it has {steps}")
        made = renamed(max(fitting, key=lambda copy: copy.step), chosen.name)
        log = RunLog(chosen.name, chosen.folder, tuple(RunFolder(chosen.folder).losses()))
        return io.NodeOutput(made, log, ui=node_text(summary(made)))


def _runs() -> list[PastRun]:
    return list_runs(runs_dir())[:_MOST_RUNS]


def _label(run: PastRun) -> str:
    return run.folder.relative_to(runs_dir()).as_posix()


def _run(label: str) -> PastRun:
    """Only what is in the list: free text is not a path. Raises ConfigError."""
    for run in _runs():
        if _label(run) == label:
            return run
    raise ConfigError(f"there is no run {label[:300]!r}", "", "choose one of the list")


class RateCopies(Node):
    """Which copy of a run is the best, by the same noise for all of them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "RateCopies",
            "Rate Copies",
            "The loss of each copy of a run on the same images, noise and timesteps, and its "
            "strength. The output is the best one: the earliest within one standard error of the "
            "lowest loss.",
            is_output_node=True,
            search_aliases=["best copy", "overfitting", "validation loss", "textual inversion"],
            inputs=[
                io.Model.Input("model", tooltip="The model that the run was trained on."),
                io.Clip.Input("clip", tooltip="Its text encoder."),
                io.Vae.Input("vae", tooltip="Encodes the images."),
                LogSocket.Input("log", tooltip="The run, from Train Embedding or Load Run."),
                DatasetSocket.Input(
                    "dataset",
                    tooltip="Images to measure the loss on. Images that were not trained "
                    "on say more than the run's own.",
                ),
                io.Int.Input(
                    "draws",
                    display_name="Draws",
                    default=8,
                    min=1,
                    max=_MOST_DRAWS,
                    tooltip="Noise samples per image.",
                ),
                io.Int.Input(
                    "most_copies",
                    display_name="Copies",
                    default=12,
                    min=1,
                    max=_MOST_COPIES,
                    tooltip="At most N of the run's copies, evenly spaced.",
                ),
            ],
            outputs=[
                EmbeddingSocket.Output(display_name="embedding", tooltip="The best copy."),
                io.String.Output(display_name="report", tooltip="All copies in figures."),
                io.Int.Output(display_name="step", tooltip="Steps of the best copy."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def work(
        cls,
        model: Model,
        clip: Clip,
        vae: Vae,
        log: RunLog,
        dataset: DatasetValue,
        draws: int,
        most_copies: int,
    ) -> io.NodeOutput:
        """See the class."""
        from ...ti_core.compare.evaluation import questions_of  # ComfyUI starts sooner without it
        from ...ti_core.compare.ranking import MEASURED, best, line_of
        from ...ti_core.compare.run import compare

        node = str(cls.hidden.unique_id)
        host = host_of(model, clip, vae, checkpoint_name(cls.hidden.prompt, node))
        files = some_of(log.copies(), max(1, min(_MOST_COPIES, most_copies)))
        draws = max(1, min(_MOST_DRAWS, draws))
        questions = questions_of(dataset.data, log.name, host, draws, config_of(log.folder))
        found = compare(files, host, temp_dir(), None, questions, _progress(node))
        if not found.ratings:
            raise DataError("the run has no copies", "", "save some every N steps")
        chosen = best(found.ratings)
        report = "\n".join([*(line_of(one, one is chosen) for one in found.ratings), MEASURED])
        made = renamed(read_embedding(chosen.copy.path), log.name)
        return io.NodeOutput(made, report, made.step, ui=node_text(report))


def _progress(node: str) -> Listener:
    bar = comfy.utils.ProgressBar(1, node_id=node)

    def tell(event: Event) -> None:
        throw_exception_if_processing_interrupted()
        if isinstance(event, Progress):
            bar.update_absolute(event.done, event.total)

    return tell


class SettingsOfEmbedding(Node):
    """Train again: what an embedding was trained with."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "SettingsOfEmbedding",
            "Settings of Embedding",
            "The settings stored in the file of an embedding, for another training: rate, steps, "
            "batch, seed, precision. Files written by this program contain them.",
            search_aliases=["train again", "provenance", "textual inversion", "recipe"],
            inputs=[EmbeddingSocket.Input("embedding", tooltip="One that was trained.")],
            outputs=[
                SettingsSocket.Output(display_name="settings", tooltip="For Train Embedding."),
                io.String.Output(
                    display_name="template",
                    tooltip="For Own template of a dataset: the lines that it was trained with, or "
                    "nothing where a template that comes with the pack was used.",
                ),
            ],
        )

    @classmethod
    def work(cls, embedding: Embedding) -> io.NodeOutput:
        """See the class."""
        told = settings_of(embedding)
        template = told.get("prompt_template", "")
        config = make_config(TrainConfig, {**told, "prompt_template": "auto"})
        require_modest_steps(config.optimizer)
        made = replace(
            SettingsValue(),
            optimizer=config.optimizer,
            compute=config.compute,
            text=config.text,
            embedding=EmbeddingConfig(
                vector_length=config.embedding.vector_length,
                init_trial_steps=config.embedding.init_trial_steps,
            ),
        )
        lines = template if "[name]" in template or "\n" in template else ""
        data = embedding.metadata.get("ti.data", "not recorded")
        learning = config.optimizer
        shown = [
            f"steps {learning.max_train_steps}, rate {learning.learning_rate}",
            f"batch {learning.train_batch_size}, seed {config.compute.seed}",
            f"vectors {embedding.count} from {config.embedding.init_word!r}",
            f"template: {embedding.metadata.get(TEMPLATE, 'not recorded')}",
            f"images and captions: {data}",
        ]
        return io.NodeOutput(made, lines, ui=node_text("\n".join(shown)))
