"""Settings of a hypernetwork and of its training: A1111's names, labels and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

from ..data.config import DataConfig
from ..data.latent_cache.config import CacheConfig
from ..errors import ConfigError, setting
from ..families import by_context
from ..files.names import checked_name, composed
from ..hypernetworks.activations import ActivationName
from ..hypernetworks.hypernetwork import SIDES, Hypernetwork
from ..hypernetworks.structure import Structure, WeightInit, check_width, read_numbers
from ..options import Checked, group, option, unrecorded
from .config import (
    BaseTrainConfig,
    ComputeConfig,
    OptimizerConfig,
    OutputConfig,
    PreviewConfig,
    SavedPrecision,
    TextConfig,
)
from .optimizer_arguments import Argument, read_arguments
from .optimizers import OPTIMIZERS
from .preview_config import PROMPTS
from .validation_config import ValidationConfig

HypernetworkFormat = Literal["pt", "safetensors"]
HypernetworkOptimizer = Literal["AdamW", "AdamW8bit", "Prodigy", "AdamWScheduleFree"]
"""Those of `OptimizerName` that are not for vectors of words alone."""
_OTHER_NAMES = {"hardswish": "swish"}
"""Activation functions that files may name otherwise."""
_WEIGHT_DECAY = 0.01
"""torch's default, which A1111 leaves as it is."""
_WIDEST = 2**14
_MOST_SIZES = 32


@dataclass(frozen=True)
class HypernetworkConfig(Checked):
    """The hypernetwork: its name and how its modules are built and begin."""

    title = "Hypernetwork"
    hypernetwork_name: str = option(
        "",
        "name of the hypernetwork and of its file; prompts call it by <hypernet:NAME:1>",
        label="Name",
        aliases=("name",),
    )
    enable_sizes: str = option(
        "",
        "widths that get modules, such as 768, 320, 640, 1280; all that the model has if not given",
        label="Modules",
    )
    layer_structure: str = option(
        "1, 2, 1",
        "widths of the input, of each layer's output and of the result, as multiples of the "
        "module's width; the first and the last number must be 1",
        label="Enter hypernetwork layer structure",
    )
    activation_func: ActivationName = option(
        "linear",
        "activation function; swish and linear (none) are recommended",
        label="Select activation function of hypernetwork",
    )
    weight_init: WeightInit = option(
        "Normal",
        "how weights are initialized: Kaiming for functions like relu, Xavier for those like "
        "sigmoid, Normal otherwise",
        label="Select Layer weights initialization",
    )
    add_layer_norm: bool = option(
        False, "add layer normalization after each layer", label="Add layer normalization"
    )
    activate_output: bool = option(
        False,
        "apply the activation function after the last layer as well",
        label="Activate output",
        advanced=True,
    )
    use_dropout: bool = option(
        False, "randomly set values to 0 during training", label="Use dropout"
    )
    dropout_structure: str = option(
        "0, 0, 0",
        "fraction to drop after each layer, one number for each number of the layer structure; "
        "the first and the last must be 0. Recommended: rising, up to 0.35, such as 0, 0.05, "
        "0.15, 0",
        label="Enter hypernetwork Dropout structure (or empty)",
    )
    weights: str = unrecorded(
        "",
        "hypernetwork file to start from; its structure takes the place of the settings here",
        label="Start from hypernetwork file",
        path="file",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "hypernetwork_name", composed(self.hypernetwork_name))
        structure = self.structure  # it is read once, here
        for width in self.sizes:
            check_width(structure, width)

    @cached_property
    def structure(self) -> Structure:
        """How the modules are built. Raises ConfigError for what A1111 cannot build."""
        return Structure(
            read_numbers(self.layer_structure, "layer_structure"),
            self.activation_func,
            self.add_layer_norm,
            self.activate_output,
            self._dropout(),
        )

    def _dropout(self) -> tuple[float, ...]:
        if not self.use_dropout or not self.dropout_structure.strip():
            return ()
        found = read_numbers(self.dropout_structure, "dropout_structure")
        if found[0] or found[-1]:
            what = f"{setting('dropout_structure')} is {self.dropout_structure!r:.100}"
            raise ConfigError(what, "its first and last number must be 0", "write 0, 0.1, 0")
        return found

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Widths that get modules, ascending; none for all that the model has."""
        if not self.enable_sizes.strip():
            return ()
        found = read_numbers(self.enable_sizes, "enable_sizes")
        if len(found) > _MOST_SIZES or not all(0 < n <= _WIDEST and n == int(n) for n in found):
            what = f"{setting('enable_sizes')} is {self.enable_sizes!r:.100}"
            raise ConfigError(what, f"widths are whole numbers up to {_WIDEST}", "write 320, 640")
        return tuple(sorted(set(map(int, found))))

    def as_built(self, found: Hypernetwork) -> HypernetworkConfig:
        """These settings with what a file tells of its modules and of how they began."""
        structure, init = found.structure, found.weight_init
        about: dict[str, Any] = {"weight_init": init} if init in get_args(WeightInit) else {}
        about["activation_func"] = _OTHER_NAMES.get(structure.activation, structure.activation)
        return replace(
            self,
            **about,
            enable_sizes=_spelled(found.widths),
            layer_structure=_spelled(structure.layers),
            add_layer_norm=structure.layer_norm,
            activate_output=structure.activate_output,
            use_dropout=bool(structure.dropout),
            dropout_structure=_spelled(structure.dropout or (0,) * len(structure.layers)),
        )

    def require_name(self) -> None:
        """Raise ConfigError for a name that a file cannot have."""
        if not self.hypernetwork_name.strip():
            fix = f"give {setting('hypernetwork_name')}"
            raise ConfigError("the hypernetwork has no name", "", fix)
        checked_name(self.hypernetwork_name)


def _spelled(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


@dataclass(frozen=True)
class HypernetworkDataConfig(DataConfig):
    """Images and captions; prompts need not name the hypernetwork."""

    prompt_template: str = unrecorded(
        "hypernetwork",
        "text file with one prompt per line, which can contain [filewords]; or such lines; or a "
        "built-in template: hypernetwork, style_filewords, subject_filewords, none; 'captions' "
        "uses each caption as it is",
        label="Prompt template",
        path="text file",
        aliases=("template_file",),
    )


@dataclass(frozen=True)
class HypernetworkOptimizerConfig(OptimizerConfig):
    """How the modules are learned. AdamW has A1111's weight decay of 0.01 here."""

    learning_rate: str = option(
        "0.000005",
        "a number, or a schedule 'rate:until, rate:until, rate', such as '5e-6:12000, 5e-7'; "
        "hypernetworks need very low rates, such as 0.000005 or 0.0000005",
        label="Hypernetwork Learning rate",
    )
    optimizer_type: HypernetworkOptimizer = option(
        "AdamW",
        "optimizer",
        label="Optimizer",
        advanced=True,
        quiet=True,
    )
    max_train_steps: int = option(
        10_000,
        "optimizer updates over the whole life of the hypernetwork",
        label="Max steps",
        unit="steps",
        limits=(1, 10_000_000),
    )

    @cached_property
    def arguments(self) -> dict[str, Argument]:
        """Of the optimizer, all of them; AdamW has a weight decay, as in A1111."""
        name = self.optimizer_type
        known = dict(OPTIMIZERS[name].arguments)
        if name in ("AdamW", "AdamW8bit"):
            known["weight_decay"] = _WEIGHT_DECAY
        return read_arguments(self.optimizer_args, name, known)


@dataclass(frozen=True)
class HypernetworkOutputConfig(OutputConfig):
    """What a run writes, and where."""

    output_dir: str = unrecorded(
        "hypernetworks",
        "folder for the hypernetwork",
        label="Hypernetworks directory",
        path="output folder",
    )
    output_name: str = unrecorded(
        "",
        "file name of the hypernetwork, without extension; the default is its name",
        label="Output name",
        advanced=True,
    )
    overwrite: bool = unrecorded(
        False, "replace a hypernetwork of that name", label="Overwrite Old Hypernetwork"
    )
    write_sidecars: bool = unrecorded(
        True,
        "write NAME.preview.png beside the hypernetwork, which web UIs show; your own is kept",
        label="Preview beside the hypernetwork",
        advanced=True,
    )
    save_every_n_steps: int = unrecorded(
        500,
        "save a copy of the hypernetwork every N steps; 0 disables",
        label="Save a copy of hypernetwork to log directory every N steps, 0 to disable",
        unit="steps",
        limits=(0, None),
        aliases=("save_steps",),
    )
    save_model_as: HypernetworkFormat = unrecorded(
        "pt",
        "file format of the hypernetwork and its copies: pt for AUTOMATIC1111 and ComfyUI, "
        "safetensors for this program",
        label="File format",
        advanced=True,
    )
    save_optimizer_state: bool = unrecorded(
        False,
        "write the optimizer's state beside the finished file, as NAME.pt.optim; A1111 and this "
        "program continue with it; it is twice the size of the hypernetwork",
        label="Saves Optimizer state as separate *.optim file",
        advanced=True,
    )
    save_precision: SavedPrecision = unrecorded(
        "float",
        "numbers in the files of the hypernetwork and its copies; training itself keeps fp32",
        label="Precision of files",
        advanced=True,
    )
    save_state_every_n_steps: int = unrecorded(
        500,
        "save the state to resume from every N steps; it is three times the size of the "
        "hypernetwork",
        label="Save state every N steps",
        unit="steps",
        limits=(1, None),
        aliases=("checkpointing_steps",),
        advanced=True,
    )


@dataclass(frozen=True)
class HypernetworkPreviewConfig(PreviewConfig):
    """The preview images of a run."""

    sample_prompts: str = unrecorded(
        "",
        PROMPTS,
        label="Preview prompt",
        path="text file",
        aliases=("validation_prompt",),
    )
    sample_beside: bool = unrecorded(
        True,
        "show the same image without the hypernetwork on the left of each preview",
        label="Preview with and without",
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.save_image_with_stored_embedding:
            what = f"{setting('save_image_with_stored_embedding')} is set"
            raise ConfigError(what, "a card holds an embedding, not a hypernetwork", "leave it off")


@dataclass(frozen=True)
class HypernetworkTrainConfig(BaseTrainConfig):
    """Everything about the training of a hypernetwork, but the model, which the host has."""

    hypernetwork: HypernetworkConfig = group(HypernetworkConfig)
    data: HypernetworkDataConfig = group(HypernetworkDataConfig)
    optimizer: HypernetworkOptimizerConfig = group(HypernetworkOptimizerConfig)
    compute: ComputeConfig = group(ComputeConfig)
    text: TextConfig = group(TextConfig)
    output: HypernetworkOutputConfig = group(HypernetworkOutputConfig)
    preview: HypernetworkPreviewConfig = group(HypernetworkPreviewConfig)
    cache: CacheConfig = group(CacheConfig)
    validation: ValidationConfig = group(ValidationConfig)

    vectors = 0

    def __post_init__(self) -> None:
        self.hypernetwork.require_name()
        super().__post_init__()

    @property
    def name(self) -> str:
        """Of the file."""
        return self.hypernetwork.hypernetwork_name

    def numbers(self, width: int) -> int:
        """Those of all modules, of the family's widths where the settings name none."""
        family = by_context(width)
        usual = (*family.attention, width) if family else (width,)
        widths = self.hypernetwork.sizes or usual
        return len(SIDES) * sum(map(self.hypernetwork.structure.numbers, widths))
