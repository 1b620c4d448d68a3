"""What the nodes that train embeddings and hypernetworks have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...ti_core.errors import ConfigError, setting
from ...ti_core.schedule import parse_schedule
from ...ti_core.train.config import OptimizerConfig
from ...ti_core.train.standing import DRIFT, STRENGTH, greatest
from ..curve import curve_of, keep_curve, workflow_of
from ..kinds import Kind
from ..loaded_model import Clip, Model, Vae, checkpoint_name
from ..node import Node, node_text, plain_text
from ..pictures import output_images
from ..preset import NO_PRESET
from ..remembered import Remembered
from ..sockets import LogSocket, LossMapSocket, SettingsValue
from ..teaching import Lent
from ..training import resume_choices
from ..widgets import widget, widgets

MOST_STEPS = 1_000_000
_LARGEST_BATCH = 64
_PREVIEWS_SHOWN = 16


class TrainingNode(Node):
    """A node that trains: it has the inputs of `lent_inputs` and `resume_input`."""

    @classmethod
    def validate_inputs(cls, resume: str | None = None) -> bool | str:
        """A run that is active has another label than the one that was chosen: `work` finds it."""
        return resume is None or isinstance(resume, str) or "Resume is not a text."

    @classmethod
    def lent(cls, model: Model, clip: Clip, vae: Vae) -> Lent:
        """What the graph that runs lends to this node."""
        number = str(cls.hidden.unique_id)
        name = checkpoint_name(cls.hidden.prompt, number)
        workflow = workflow_of(cls.hidden.extra_pnginfo)
        return Lent(number, model, clip, vae, name, workflow)


def usual_inputs(of: SettingsValue, told: Mapping[str, str]) -> list[io.Input]:
    """What everybody wants to choose; what is `told` takes the place of a setting's own help."""
    optimizer, compute, preview = type(of.optimizer), type(of.compute), type(of.preview)
    helps: dict[str, dict[str, Any]] = {name: {"help": text} for name, text in told.items()}
    return [
        widget(optimizer, "max_train_steps", most=MOST_STEPS),
        *widgets(optimizer, "learning_rate", "lr_scheduler", "lr_warmup_steps"),
        widget(optimizer, "train_batch_size", most=_LARGEST_BATCH),
        widget(optimizer, "gradient_accumulation_steps", most=_LARGEST_BATCH),
        *(widget(compute, name, **helps.get(name, {})) for name in ("mixed_precision", "seed")),
        widget(preview, "sample_every_n_steps"),
        widget(preview, "sample_prompts", multiline=True, **helps["sample_prompts"]),
    ]


def readable_schedule(text: str | None, name: str = "learning_rate") -> bool | str:
    """What `validate_inputs` answers for a learning rate."""
    try:
        return bool(text is None or parse_schedule(text, MOST_STEPS, name))
    except ConfigError as error:
        return plain_text(str(error))


def lent_inputs() -> list[io.Input]:
    """What a graph lends to a training node."""
    return [
        io.Model.Input("model", tooltip="Trained on, and left as it is."),
        io.Clip.Input(
            "clip", tooltip="Its text encoder; a CLIP Set Last Layer before this node applies."
        ),
        io.Vae.Input("vae", tooltip="Turns the images into latents, and shows previews."),
    ]


def start_inputs(kind: Kind[Any]) -> list[io.Input]:
    """How a training of one thing begins."""
    return [
        resume_input(kind.group, f"the {kind.group} that is connected"),
        io.Combo.Input(
            "preset",
            options=[NO_PRESET, *kind.presets],
            display_name="Preset",
            default=NO_PRESET,
            optional=True,
            tooltip="Settings for what you teach. They replace learning rate, steps, template "
            "and the like of the connected nodes. Only for new runs.",
        ),
    ]


def resume_input(group: str, start: str) -> io.Input:
    """Where a training begins; `group` is a `Kind.group`, `start` what a new one starts from."""
    return io.Combo.Input(
        "resume",
        options=resume_choices(group),
        display_name="Resume",
        default="new",
        tooltip=f"new: start from {start}; latest: continue the last run of this name, exactly "
        "where it ended; or one of the unfinished runs, the newest first (key R looks for them "
        "again).",
    )


def log_outputs() -> list[io.Output]:
    """The run, and its losses alone."""
    told = "For ComfyUI's own node Plot Loss Graph."
    return [
        LogSocket.Output(display_name="log", tooltip="Losses, copies and previews of the run."),
        LossMapSocket.Output(display_name="loss_map", tooltip=told),
    ]


def taught_output(found: Remembered[Any], lent: Lent, *learned: object) -> io.NodeOutput:
    """What a training node gives and shows; `learned` are its outputs before the log."""
    pictures, log = output_images(found.made.previews[-_PREVIEWS_SHOWN:]), found.made.log
    standings = log.standings()
    both = greatest(standings, STRENGTH), greatest(standings, DRIFT)
    curve = curve_of(log.losses, *both)
    if curve:
        keep_curve(lent.workflow, lent.node, curve)
    ui = node_text(found.told, images=pictures, ti_curve=[curve] if curve else [])
    return io.NodeOutput(*learned, log, log.loss_map, ui=ui)


def require_modest_steps(optimizer: OptimizerConfig) -> None:
    """Raise ConfigError for more work than a graph may ask for."""
    require_at_most("max_train_steps", optimizer.max_train_steps, MOST_STEPS)
    require_at_most("train_batch_size", optimizer.train_batch_size, _LARGEST_BATCH)
    passes = optimizer.gradient_accumulation_steps
    require_at_most("gradient_accumulation_steps", passes, _LARGEST_BATCH)


def require_at_most(name: str, value: int, most: int) -> None:
    """Raise ConfigError for a number that is too large."""
    if value > most:
        raise ConfigError(
            f"{setting(name)} is {value}", "", f"the largest possible value is {most}"
        )
