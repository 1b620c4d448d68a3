"""Hypernetworks: made for a model, read from files, applied to a MODEL, written to files."""

from __future__ import annotations

import dataclasses
from typing import Any

from comfy_api.latest import io

from ...ti_core.errors import ConfigError, TIError
from ...ti_core.files.replaced import put_aside, replacing
from ...ti_core.files.twins import namesakes
from ...ti_core.hypernetworks.hypernetwork import Hypernetwork, models_of
from ...ti_core.hypernetworks.reading import read_hypernetwork
from ...ti_core.hypernetworks.writing import ENDINGS, write_hypernetwork
from ...ti_core.train.config import ComputeConfig
from ...ti_core.train.hypernetwork_config import HypernetworkConfig, HypernetworkTrainConfig
from ...ti_core.train.hypernetwork_create import untrained
from ..applied_hypernetwork import STRONGEST, about_fit, with_hypernetwork
from ..loaded_model import Clip, Model, checkpoint_name, host_of
from ..node import Node, finite, node_text, schema
from ..places import fingerprint, hypernetwork_file, hypernetwork_files, new_hypernetwork_file
from ..saving import WHEN_THERE, free_path, require_choice, when_there_input
from ..sockets import HypernetworkSocket
from ..widgets import values_of, widget, widgets

_NO_FILES = "(the hypernetworks folder is empty)"
_FORMATS = tuple(ending[1:] for ending in ENDINGS)


class CreateHypernetwork(Node):
    """Modules for the attention of the loaded model, ready to be trained."""

    trains = HypernetworkTrainConfig

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "CreateHypernetwork",
            "Create Hypernetwork",
            "Makes a new hypernetwork for the loaded model: a small network before the keys and "
            "values of every attention, which changes almost nothing until it is trained.",
            search_aliases=["hypernetwork", "new hypernet", "layer structure", "style"],
            inputs=[
                io.Model.Input("model", tooltip="The model that the hypernetwork is for."),
                io.Clip.Input("clip", tooltip="Its text encoder."),
                widget(HypernetworkConfig, "hypernetwork_name", default="my-style"),
                *widgets(HypernetworkConfig, "layer_structure"),
                widget(HypernetworkConfig, "activation_func", default="swish"),
                *widgets(
                    HypernetworkConfig,
                    "weight_init",
                    "add_layer_norm",
                    "activate_output",
                    "use_dropout",
                    "dropout_structure",
                    "enable_sizes",
                ),
                widget(ComputeConfig, "seed", help="same seed, same weights"),
            ],
            outputs=[
                HypernetworkSocket.Output(
                    display_name="hypernetwork", tooltip="The hypernetwork, untrained."
                )
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, hypernetwork_name: str | None = None) -> bool | str:
        """A name that a file cannot have is refused before anything is loaded."""
        try:
            if hypernetwork_name is not None:
                HypernetworkConfig(hypernetwork_name=hypernetwork_name).require_name()
        except TIError as error:
            return cls.plain_text(str(error))
        return True

    @classmethod
    def work(cls, model: Model, clip: Clip, seed: int, **options: Any) -> io.NodeOutput:
        """See the class."""
        config = HypernetworkConfig(**values_of(HypernetworkConfig, options))
        config.require_name()
        host = host_of(model, clip, None, checkpoint_name(cls.hidden.prompt, cls.hidden.unique_id))
        made, notices = untrained(config, host, ComputeConfig(seed=seed).seed)
        told = [summary(made), *map(str, notices)]
        return io.NodeOutput(made, ui=node_text(cls.plain_text("\n".join(told))))


class LoadHypernetwork(Node):
    """A hypernetwork's file, read again whenever it changes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "LoadHypernetwork",
            "Load Hypernetwork (file)",
            "Reads a hypernetwork: AUTOMATIC1111's .pt of every version, with dropout and every "
            "activation function, and .safetensors. Nothing in the file is executed.",
            search_aliases=["hypernetwork", "open hypernet", "read hypernetwork"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=hypernetwork_files() or [_NO_FILES],
                    display_name="File",
                    tooltip="A file in ComfyUI's hypernetworks folders.",
                )
            ],
            outputs=[
                HypernetworkSocket.Output(
                    display_name="hypernetwork",
                    tooltip="What the file holds, to be applied, or to be trained further.",
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, **others: object) -> str:
        """Another file of the same name is another value: what hangs on it runs again."""
        try:
            return fingerprint(hypernetwork_file(file or ""))
        except ConfigError:
            return ""

    @classmethod
    def work(cls, file: str) -> io.NodeOutput:
        """See the class."""
        found = read_hypernetwork(hypernetwork_file(file))
        return io.NodeOutput(found, ui=node_text(summary(found)))


class ApplyHypernetwork(Node):
    """A MODEL that the hypernetwork changes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "ApplyHypernetwork",
            "Apply Hypernetwork",
            "Uses a hypernetwork without a file, at any strength: the MODEL that comes out is "
            "changed by it. Several are applied one after the other.",
            search_aliases=["use hypernetwork", "hypernetwork strength", "hypernet multiplier"],
            inputs=[
                io.Model.Input("model", tooltip="The model to be changed; it stays as it is."),
                HypernetworkSocket.Input("hypernetwork", tooltip="One for this kind of model."),
                io.Float.Input(
                    "strength",
                    display_name="Strength",
                    default=1.0,
                    min=-STRONGEST,
                    max=STRONGEST,
                    step=0.05,
                    round=0.001,
                    tooltip="What its effect is multiplied by, as in <hypernet:name:0.7>.",
                ),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="For a sampler.")],
        )

    @classmethod
    def validate_inputs(cls, strength: float | None = None) -> bool | str:
        """NaN is refused before it comes into ComfyUI's history."""
        return finite(strength=strength)

    @classmethod
    def work(cls, model: Model, hypernetwork: Hypernetwork, strength: float) -> io.NodeOutput:
        """See the class."""
        if model is None:
            why = "the checkpoint contains none"
            raise ConfigError("the MODEL input is empty", why, "connect one")
        told = [summary(hypernetwork), *map(str, about_fit(model, hypernetwork))]
        changed = with_hypernetwork(model, hypernetwork, strength)
        return io.NodeOutput(changed, ui=node_text("\n".join(told)))


class SaveHypernetwork(Node):
    """A hypernetwork becomes a file in the hypernetworks folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "SaveHypernetwork",
            "Save Hypernetwork",
            "Writes a hypernetwork into ComfyUI's hypernetworks folder, for this program and "
            "AUTOMATIC1111. An existing one is never replaced unless you choose to.",
            is_output_node=True,
            search_aliases=["hypernetwork", "export hypernet", "pt"],
            inputs=[
                HypernetworkSocket.Input("hypernetwork", tooltip="What to write."),
                io.String.Input(
                    "name",
                    display_name="Name",
                    default="",
                    tooltip="File name without extension, or folder/name. Empty: the "
                    "hypernetwork's own.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(_FORMATS),
                    display_name="Format",
                    default=_FORMATS[0],
                    tooltip="pt: for AUTOMATIC1111 and ComfyUI's own loader; safetensors: for the "
                    "nodes of this pack and `ti`.",
                ),
                when_there_input("hypernetwork"),
            ],
            outputs=[
                HypernetworkSocket.Output(
                    display_name="hypernetwork", tooltip="The same under the file's name."
                )
            ],
        )

    @classmethod
    def work(
        cls, hypernetwork: Hypernetwork, name: str, format: str, when_there: str
    ) -> io.NodeOutput:
        """See the class."""
        require_choice("format", format, _FORMATS)
        require_choice("when_there", when_there, WHEN_THERE)
        wanted = new_hypernetwork_file(name.strip() or hypernetwork.name, f".{format}")
        path = free_path(wanted, when_there, "hypernetwork")
        saved = dataclasses.replace(hypernetwork, name=path.stem)
        with replacing(path):
            write_hypernetwork(path, saved)
        for other in namesakes(path):  # of the other format; it is to be overwritten as well
            put_aside(other)
        told = [f"saved as {path.name}", *_use(saved, format)]
        return io.NodeOutput(saved, ui=node_text("\n".join(told)))


def _use(saved: Hypernetwork, format: str) -> list[str]:
    """How other programs use the file."""
    if format != "pt":
        return ["for Load Hypernetwork (file); AUTOMATIC1111 and ComfyUI's own loader expect .pt"]
    told = f"in AUTOMATIC1111's prompts: <hypernet:{saved.name}:1>"
    why = saved.structure.only_a1111()
    return [told, f"use Load Hypernetwork (file) here: {why}"] if why else [told]


def summary(hypernetwork: Hypernetwork) -> str:
    """One line on what a hypernetwork is."""
    widths = ", ".join(map(str, hypernetwork.widths))
    made_on = f", made on {hypernetwork.base_model}" if hypernetwork.base_model else ""
    return (
        f"{hypernetwork.name}: {hypernetwork.structure.spelled}, modules for {widths} "
        f"({models_of(hypernetwork.widths)}), {hypernetwork.numbers:,} numbers, "
        f"step {hypernetwork.step}{made_on}"
    )
