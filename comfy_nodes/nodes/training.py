"""How to train, and the training."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...ti_core.data.latent_cache.config import CacheConfig
from ...ti_core.files.embedding import Embedding
from ...ti_core.train.config import (
    ComputeConfig,
    EmbeddingConfig,
    OptimizerConfig,
    OutputConfig,
    PreviewConfig,
    TextConfig,
)
from ...ti_core.train.preview_config import LINE_OPTIONS
from ...ti_core.train.validation_config import ValidationConfig
from ..kinds import EMBEDDING
from ..loaded_model import Clip, Model, Vae
from ..node import Node, finite, schema
from ..preset import NO_PRESET
from ..sockets import (
    DatasetSocket,
    DatasetValue,
    EmbeddingSocket,
    SettingsSocket,
    SettingsValue,
)
from ..teaching import teach
from ..widgets import optional, widget, widgets
from .training_parts import (
    MOST_STEPS,
    TrainingNode,
    lent_inputs,
    log_outputs,
    readable_schedule,
    require_at_most,
    require_modest_steps,
    start_inputs,
    taught_output,
    usual_inputs,
)

_TOLD = {
    "sample_prompts": "prompts of the previews, one per line; [name] is the embedding; if empty, "
    f"the training prompt of the step is used; {LINE_OPTIONS}"
}
_NO_RATE = ("", "0")
"""Of a text encoder: that of the others, or none."""


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
            inputs=usual_inputs(SettingsValue(), _TOLD),
            outputs=[_settings_output()],
        )

    @classmethod
    def validate_inputs(cls, learning_rate: str | None = None) -> bool | str:
        """A schedule that cannot be read is refused before anything is loaded."""
        return readable_schedule(learning_rate)

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
            "Clipping, clip skip, how often to save, previews, optimizer, timesteps, memory. Goes "
            "between Training Settings and Train Embedding.",
            search_aliases=["gradient clipping", "clip skip", "textual inversion", "checkpoints"],
            inputs=[
                SettingsSocket.Input("settings", tooltip="The settings that this node adds to."),
                *widgets(OptimizerConfig, "clip_grad_mode", "clip_grad_value"),
                *widgets(TextConfig, "clip_skip", "parse_emphasis"),
                widget(OutputConfig, "save_every_n_steps"),
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
                widget(OptimizerConfig, "initial_step", most=MOST_STEPS),
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
                *optional(widgets(ComputeConfig, "gradient_checkpointing")),
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
        require_at_most("initial_step", options.get("initial_step", -1), MOST_STEPS)
        return io.NodeOutput(settings.changed(options))


class TrainingOptions(Node):
    """What one training in ten needs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "TrainingOptions",
            "Training Options",
            "Loss weighting (min-SNR), noise offset, a rate for each text encoder, the length of "
            "the vectors, validation and early stopping, TensorBoard and W&B. Goes between "
            "Training Settings and Train Embedding.",
            search_aliases=[
                *("min-snr", "noise offset", "tensorboard", "wandb", "loss weighting"),
                *("validation loss", "early stopping", "held out"),
            ],
            inputs=[
                SettingsSocket.Input("settings", tooltip="The settings that this node adds to."),
                *optional(
                    [
                        *widgets(
                            OptimizerConfig,
                            "min_snr_gamma",
                            "noise_offset",
                            "learning_rate_te1",
                            "learning_rate_te2",
                            "lr_scheduler_num_cycles",
                            "lr_scheduler_power",
                        ),
                        widget(EmbeddingConfig, "vector_length"),
                        widget(PreviewConfig, "sample_beside"),
                        *widgets(OutputConfig, "log_with", "log_tracker_name", "wandb_run_name"),
                        *widgets(
                            ValidationConfig,
                            "validate_every_n_steps",
                            "validation_split",
                            "early_stopping",
                            "early_stopping_patience",
                            "early_stopping_threshold",
                            "max_validation_steps",
                        ),
                        widget(EmbeddingConfig, "init_trial_steps"),
                    ]
                ),
            ],
            outputs=[_settings_output()],
        )

    @classmethod
    def validate_inputs(
        cls,
        min_snr_gamma: float | None = None,
        noise_offset: float | None = None,
        lr_scheduler_power: float | None = None,
        learning_rate_te1: str | None = None,
        learning_rate_te2: str | None = None,
        validation_split: float | None = None,
        early_stopping_threshold: float | None = None,
    ) -> bool | str:
        """NaN, and a schedule that cannot be read, are refused before anything is loaded."""
        numbers = finite(
            min_snr_gamma=min_snr_gamma,
            noise_offset=noise_offset,
            lr_scheduler_power=lr_scheduler_power,
            validation_split=validation_split,
            early_stopping_threshold=early_stopping_threshold,
        )
        rates = {"learning_rate_te1": learning_rate_te1, "learning_rate_te2": learning_rate_te2}
        given = {name: text for name, text in rates.items() if (text or "").strip() not in _NO_RATE}
        answers = [numbers, *(readable_schedule(text, name) for name, text in given.items())]
        return next((answer for answer in answers if answer is not True), True)

    @classmethod
    def work(cls, settings: SettingsValue, **options: Any) -> io.NodeOutput:
        """See the class."""
        return io.NodeOutput(settings.changed(options))


class TrainEmbedding(TrainingNode):
    """The vectors of an embedding are taught what the images show."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "TrainEmbedding",
            "Train Embedding",
            "Teaches an embedding the images of a dataset, on the model that the graph has "
            "loaded, LoRAs included. The model stays as it is. Interrupt keeps everything.",
            is_output_node=True,
            search_aliases=["textual inversion", "TI", "train token", "fine-tune", "learn word"],
            inputs=[
                *lent_inputs(),
                EmbeddingSocket.Input(
                    "embedding",
                    tooltip="The vectors to start from. One that was trained before continues from "
                    "its step, and from that place in the learning rate schedule.",
                ),
                DatasetSocket.Input("dataset", tooltip="What they are to learn."),
                SettingsSocket.Input("settings", tooltip="How to train."),
                *start_inputs(EMBEDDING),
            ],
            outputs=[
                EmbeddingSocket.Output(
                    display_name="embedding", tooltip="What was learned; save it, or apply it."
                ),
                *log_outputs(),
            ],
            hidden=[io.Hidden.unique_id],
        )

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
        lent = cls.lent(model, clip, vae)
        found = teach(EMBEDDING, lent, embedding, dataset, settings, resume, preset)
        return taught_output(found, lent, found.made.learned)


def _settings_output() -> io.Output:
    return SettingsSocket.Output(display_name="settings", tooltip="For Train Embedding.")
