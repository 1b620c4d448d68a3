"""How to train, and the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ...ti_core.data.latent_cache.config import CacheConfig
from ...ti_core.errors import ConfigError, setting
from ...ti_core.files.embedding import Embedding
from ...ti_core.schedule import parse_schedule
from ...ti_core.train.config import (
    ComputeConfig,
    OptimizerConfig,
    OutputConfig,
    PreviewConfig,
    TextConfig,
)
from ...ti_core.train.presets import PRESETS
from ..bridge import Bridge
from ..content import content_of
from ..loaded_model import Clip, Model, Vae, checkpoint_name, host_of
from ..node import Node, finite, node_text, plain_text, schema
from ..pictures import output_images
from ..preset import NO_PRESET, about_preset, with_preset
from ..remembered import Remembered, recall, remember
from ..runs import track_training
from ..sockets import (
    DatasetSocket,
    DatasetValue,
    EmbeddingSocket,
    LogSocket,
    SettingsSocket,
    SettingsValue,
)
from ..training import resume_choices, run
from ..widgets import widget, widgets
from .dataset import optional

_MOST_STEPS = 1_000_000
_LARGEST_BATCH = 64
_PREVIEWS_SHOWN = 16


class TrainingSettings(Node):
    """What everybody wants to choose."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "TrainingSettings",
            "Training Settings",
            "How fast, how long and in what precision to train, and which previews to make.",
            search_aliases=["learning rate", "steps", "textual inversion", "hyperparameters"],
            inputs=[
                widget(OptimizerConfig, "max_train_steps", most=_MOST_STEPS),
                *widgets(OptimizerConfig, "learning_rate", "lr_scheduler", "lr_warmup_steps"),
                widget(OptimizerConfig, "train_batch_size", most=_LARGEST_BATCH),
                widget(OptimizerConfig, "gradient_accumulation_steps", most=_LARGEST_BATCH),
                *widgets(ComputeConfig, "mixed_precision", "seed"),
                widget(PreviewConfig, "sample_every_n_steps", label="Preview every N steps"),
                widget(
                    PreviewConfig,
                    "sample_prompts",
                    multiline=True,
                    help="prompts of the previews, one a line, [name] is the embedding; without "
                    "one the training prompt of the step; a line may end with kohya's --n negative "
                    "--w width --h height --d seed --l scale --s steps",
                ),
            ],
            outputs=[_settings_output()],
        )

    @classmethod
    def validate_inputs(cls, learning_rate: str | None = None) -> bool | str:
        """A schedule that cannot be read is refused before anything is loaded."""
        try:
            return bool(learning_rate is None or parse_schedule(learning_rate, _MOST_STEPS))
        except ConfigError as error:
            return plain_text(str(error))

    @classmethod
    def work(cls, **options: Any) -> io.NodeOutput:
        """See the class."""
        made = SettingsValue().changed(options)
        require_modest_steps(made.optimizer)
        return io.NodeOutput(made)


class AdvancedSettings(Node):
    """What most people leave alone."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "AdvancedSettings",
            "Training Settings (advanced)",
            "Clipping, clip skip, how often to save, previews, optimizer, timesteps. Goes between "
            "Training Settings and Train Embedding.",
            search_aliases=["gradient clipping", "clip skip", "textual inversion", "checkpoints"],
            inputs=[
                SettingsSocket.Input("settings", tooltip="The settings to be completed."),
                *widgets(OptimizerConfig, "clip_grad_mode", "clip_grad_value"),
                *widgets(TextConfig, "clip_skip", "parse_emphasis"),
                widget(OutputConfig, "save_every_n_steps", label="Save a copy every N steps"),
                *widgets(OutputConfig, "save_state_every_n_steps"),
                *widgets(
                    PreviewConfig,
                    "sample_at_first",
                    "sample_steps",
                    "sample_cfg_scale",
                    "sample_seed",
                    "sample_sampler",
                    "save_image_with_stored_embedding",
                ),
                widget(OptimizerConfig, "initial_step", most=_MOST_STEPS),
                *optional(widgets(CacheConfig, "cache_latents", "cache_latents_to_disk")),
                # behind the others: saved graphs have values by their place
                *optional(
                    widgets(
                        OptimizerConfig,
                        "optimizer_type",
                        "optimizer_args",
                        "ema_decay",
                        "min_timestep",
                        "final_min_timestep",
                        "max_timestep",
                        "timestep_sampling",
                    )
                ),
            ],
            outputs=[_settings_output()],
        )

    @classmethod
    def validate_inputs(
        cls, sample_cfg_scale: float | None = None, ema_decay: float | None = None
    ) -> bool | str:
        """NaN is refused before it comes into ComfyUI's history."""
        return finite(sample_cfg_scale=sample_cfg_scale, ema_decay=ema_decay)

    @classmethod
    def work(cls, settings: SettingsValue, **options: Any) -> io.NodeOutput:
        """See the class."""
        _require_at_most("initial_step", options.get("initial_step", -1), _MOST_STEPS)
        return io.NodeOutput(settings.changed(options))


class TrainEmbedding(Node):
    """The vectors of an embedding are taught what the pictures show."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "TrainEmbedding",
            "Train Embedding",
            "Teaches an embedding the pictures of a dataset, on the model that the graph has "
            "loaded, LoRAs included. The model stays as it is. Interrupt keeps everything.",
            is_output_node=True,
            search_aliases=["textual inversion", "TI", "train token", "fine-tune", "learn word"],
            inputs=[
                io.Model.Input("model", tooltip="Trained on, and left as it is."),
                io.Clip.Input("clip", tooltip="Its text encoder; clip skip counts."),
                io.Vae.Input("vae", tooltip="Turns the pictures into latents, and shows previews."),
                EmbeddingSocket.Input(
                    "embedding",
                    tooltip="The vectors to start from. One that was trained before continues from "
                    "its step, and at that place of the learning-rate schedule.",
                ),
                DatasetSocket.Input("dataset", tooltip="What they are to learn."),
                SettingsSocket.Input("settings", tooltip="How to train."),
                io.Combo.Input(
                    "resume",
                    options=resume_choices(),
                    display_name="Resume",
                    default="new",
                    tooltip="new: start from the embedding that is connected; latest: continue "
                    "the last run of this name, exactly where it ended; or one of the unfinished "
                    "runs, the newest first (key R looks for them again).",
                ),
                io.Combo.Input(
                    "preset",
                    options=[NO_PRESET, *PRESETS],
                    display_name="Preset",
                    default=NO_PRESET,
                    optional=True,
                    tooltip="Settings for what is to be taught: learning rate, steps, template and "
                    "the like of the nodes that are connected do not count then. For new runs.",
                ),
            ],
            outputs=[
                EmbeddingSocket.Output(
                    display_name="embedding", tooltip="What was learned; save it, or apply it."
                ),
                LogSocket.Output(
                    display_name="log", tooltip="Losses, copies and previews of the run."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, resume: str | None = None) -> bool | str:
        """A run that is active has another label than the one that was chosen: `work` finds it."""
        return resume is None or isinstance(resume, str) or "Resume is not a text."

    @classmethod
    def work(
        cls,
        model: Model,
        clip: Clip,
        vae: Vae,
        embedding: Embedding,
        dataset: DatasetValue,
        settings: SettingsValue,
        resume: str,
        preset: str = NO_PRESET,
    ) -> io.NodeOutput:
        """See the class."""
        node = str(cls.hidden.unique_id)
        name = checkpoint_name(cls.hidden.prompt, node)
        host = host_of(model, clip, vae, name)
        if preset != NO_PRESET:
            settings, dataset = with_preset(preset, settings, dataset, host, resume)
        parts = (model, clip, vae, embedding, dataset, Path(dataset.data.train_data_dir), settings)
        content = content_of(name, *parts, preset)
        found = recall(content) if resume == "new" else None
        if found is None:
            with track_training(node, embedding.name) as going:
                bridge = Bridge(going)
                for notice in about_preset(preset, embedding, dataset, host):
                    bridge(notice)
                made = run(embedding, dataset, settings, host, resume, going.control, bridge)
            found = Remembered(made, bridge.told())
            if resume == "new" and bridge.is_done:
                remember(content, found)
        pictures = output_images(found.made.previews[-_PREVIEWS_SHOWN:])
        ui = node_text(found.told, images=pictures)
        return io.NodeOutput(found.made.embedding, found.made.log, ui=ui)


def _settings_output() -> io.Output:
    return SettingsSocket.Output(display_name="settings", tooltip="For Train Embedding.")


def require_modest_steps(optimizer: OptimizerConfig) -> None:
    """Raise ConfigError for more work than a graph may ask for."""
    _require_at_most("max_train_steps", optimizer.max_train_steps, _MOST_STEPS)
    _require_at_most("train_batch_size", optimizer.train_batch_size, _LARGEST_BATCH)
    passes = optimizer.gradient_accumulation_steps
    _require_at_most("gradient_accumulation_steps", passes, _LARGEST_BATCH)


def _require_at_most(name: str, value: int, most: int) -> None:
    if value > most:
        raise ConfigError(
            f"{setting(name)} is {value}", "", f"the largest possible value is {most}"
        )
