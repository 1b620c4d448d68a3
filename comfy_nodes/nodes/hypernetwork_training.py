"""How to train a hypernetwork, and the training."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...ti_core.data.latent_cache.config import CacheConfig
from ...ti_core.hypernetworks.hypernetwork import Hypernetwork
from ...ti_core.train.config import TextConfig
from ...ti_core.train.hypernetwork_config import (
    HypernetworkOptimizerConfig,
    HypernetworkOutputConfig,
    HypernetworkPreviewConfig,
    HypernetworkTrainConfig,
)
from ...ti_core.train.preview_config import LINE_OPTIONS
from ..kinds import HYPERNETWORK
from ..loaded_model import Clip, Model, Vae
from ..node import Node, finite, schema
from ..preset import NO_PRESET
from ..sockets import (
    DatasetSocket,
    DatasetValue,
    HypernetworkSettingsSocket,
    HypernetworkSettingsValue,
    HypernetworkSocket,
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
    "sample_prompts": "prompts of the previews, one per line; if empty, the training prompt of the "
    "step is used; <hypernet:NAME:0.7> sets the strength of this hypernetwork, or adds another "
    f"one; {LINE_OPTIONS}",
    "mixed_precision": "precision of the model; auto: fp32 on a CPU, bf16 on a graphics card that "
    "supports it and otherwise fp16; the hypernetwork stays fp32",
    "seed": "same seed, same hypernetwork, on the same device with the same number of threads",
    "ema_decay": "decay of the moving average of the hypernetwork that files and previews contain "
    "(0.99: over about 100 steps); 0 disables",
}
"""Where a setting's own help speaks of embeddings."""


class HypernetworkSettings(Node):
    """How a hypernetwork is trained."""

    trains = HypernetworkTrainConfig

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "HypernetworkSettings",
            "Hypernetwork Settings",
            "How fast, how long and in what precision to train a hypernetwork, and which previews "
            "to make. Its rates are a thousand times lower than those of embeddings.",
            search_aliases=["hypernetwork learning rate", "steps", "hyperparameters", "hypernet"],
            inputs=[
                *usual_inputs(HypernetworkSettingsValue(), _TOLD),
                *optional(
                    [
                        *widgets(HypernetworkPreviewConfig, "sample_beside"),
                        *widgets(HypernetworkOutputConfig, "save_every_n_steps"),
                        *_rarer_inputs(),
                    ]
                ),
            ],
            outputs=[
                HypernetworkSettingsSocket.Output(
                    display_name="settings", tooltip="For Train Hypernetwork."
                )
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        learning_rate: str | None = None,
        sample_cfg_scale: float | None = None,
        ema_decay: float | None = None,
    ) -> bool | str:
        """A schedule that cannot be read, or NaN, is refused before anything is loaded."""
        numbers = finite(sample_cfg_scale=sample_cfg_scale, ema_decay=ema_decay)
        return readable_schedule(learning_rate) if numbers is True else numbers

    @classmethod
    def work(cls, **options: Any) -> io.NodeOutput:
        """See the class."""
        made = HypernetworkSettingsValue().changed(options)
        require_modest_steps(made.optimizer)
        require_at_most("initial_step", made.optimizer.initial_step, MOST_STEPS)
        return io.NodeOutput(made)


def _rarer_inputs() -> list[io.Input]:
    """What most people leave alone."""
    learning = ("optimizer_type", "optimizer_args", "ema_decay", "clip_grad_mode")
    previews = ("sample_at_first", "sample_steps", "sample_cfg_scale", "sample_seed")
    groups: list[tuple[type, tuple[str, ...]]] = [
        (HypernetworkOptimizerConfig, (*learning, "clip_grad_value", "initial_step")),
        (TextConfig, ("clip_skip", "parse_emphasis")),
        (HypernetworkOutputConfig, ("save_state_every_n_steps",)),
        (HypernetworkPreviewConfig, (*previews, "sample_sampler")),
        (CacheConfig, ("cache_latents", "cache_latents_to_disk")),
    ]
    helps: dict[str, dict[str, Any]] = {name: {"help": text} for name, text in _TOLD.items()}
    return [
        widget(kind, name, advanced=True, **helps.get(name, {}))
        for kind, names in groups
        for name in names
    ]


class TrainHypernetwork(TrainingNode):
    """A hypernetwork is taught what the images show."""

    trains = HypernetworkTrainConfig

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "TrainHypernetwork",
            "Train Hypernetwork",
            "Teaches a hypernetwork the images of a dataset, on the model that the graph has "
            "loaded, LoRAs included. The model stays as it is. Interrupt keeps everything.",
            is_output_node=True,
            search_aliases=["hypernetwork training", "train hypernet", "learn style", "fine-tune"],
            inputs=[
                *lent_inputs(),
                HypernetworkSocket.Input(
                    "hypernetwork",
                    tooltip="What to start from. One that was trained before continues from its "
                    "step, and from that place in the learning rate schedule.",
                ),
                DatasetSocket.Input(
                    "dataset",
                    tooltip="What it is to learn. Captions say what is not to be learned; the "
                    "template auto is hypernetwork here.",
                ),
                HypernetworkSettingsSocket.Input("settings", tooltip="How to train."),
                *start_inputs(HYPERNETWORK),
            ],
            outputs=[
                HypernetworkSocket.Output(
                    display_name="hypernetwork",
                    tooltip="What was learned; save it, or apply it to the MODEL.",
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
        hypernetwork: Hypernetwork,
        dataset: DatasetValue,
        settings: HypernetworkSettingsValue,
        resume: str,
        preset: str = NO_PRESET,
    ) -> io.NodeOutput:
        """See the class."""
        lent = cls.lent(model, clip, vae)
        found = teach(HYPERNETWORK, lent, hypernetwork, dataset, settings, resume, preset)
        return taught_output(found, lent, found.made.learned)
