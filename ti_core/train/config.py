"""Settings of a training run: kohya's names, A1111's labels, diffusers' names as aliases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import Field, dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

from ..data.config import DataConfig
from ..data.latent_cache.config import CacheConfig
from ..files.kept import kept_option
from ..files.names import checked_name, composed
from ..options import Checked, group, newer, option, unrecorded
from ..port.precision import Precision, PrecisionChoice
from .learning_config import OptimizerConfig as OptimizerConfig
from .preview_config import PreviewConfig as PreviewConfig
from .validation_config import ValidationConfig

LogWith = Literal["none", "tensorboard", "wandb", "all"]
FillRule = Literal["stretch", "cycle", "pad"]
InitFrom = Literal["vocabulary", "encoder"]
LengthMode = Literal["free", "pull", "mean", "median"]
SavedFormat = Literal["safetensors", "pt", "bin"]
"""Some of `FormatName`."""
SavedPrecision = Literal["float", "fp16", "bf16"]
"""kohya's names."""
MOST_VECTORS = 75
"""As many as a chunk of a prompt has places."""


@dataclass(frozen=True)
class EmbeddingConfig(Checked):
    """The word: its name, its number of vectors and what they start from."""

    title = "Embedding"
    token_string: str = option(
        "",
        "the new word: name of the embedding and of its file, and its trigger in prompts",
        label="Name",
        aliases=("placeholder_token",),
    )
    init_word: str = option(
        "*",
        "initial words for the vectors; several are spread over the vectors",
        label="Initialization text",
        aliases=("initializer_token", "init_text"),
    )
    num_vectors_per_token: int = option(
        1,
        "number of vectors for the word; each takes one of the 75 tokens of a prompt chunk; 0: as "
        "many as the initial words have tokens",
        label="Number of vectors per token",
        limits=(0, MOST_VECTORS),
        aliases=("num_vectors",),
    )
    init_rule: FillRule = option(
        "stretch",
        "when the words give more or fewer vectors than requested: stretch them evenly as A1111 "
        "does, cycle through them as kohya does, or pad with '*'",
        label="Filling rule",
        advanced=True,
    )
    init_from: InitFrom = newer(
        "vocabulary",
        "what the initial words give: their vectors in the model's vocabulary, or what its text "
        "encoder makes of them (Cross Initialization), at the same length",
        label="Initialize from",
        advanced=True,
    )
    init_trial_steps: int = newer(
        0,
        "steps to train from the vectors of the initial words, and from what the text encoder "
        "makes of them, before the run; it then starts from the second if its validation loss is "
        "at least 20 % lower; 16 is enough with a batch size of 4; 0 disables",
        label="Steps to compare starts",
        limits=(0, 1000),
        unit="steps",
        advanced=True,
    )
    vector_length: LengthMode = newer(
        "free",
        "length of the vectors: not limited (free), pulled towards that of the model's words "
        "(a tenth of the way in each update), or fixed to the words' mean or median",
        label="Length of the vectors",
        advanced=True,
    )
    weights: str = unrecorded(
        "",
        "embedding file of any program to start from instead of words, or the name of one in "
        "the embeddings directory; training continues from its step, and from that place in "
        "the learning rate schedule",
        label="Start from embedding file",
        path="embeddings",
    )
    metadata_license: str = unrecorded(
        "",
        "licence of the embedding, such as CC0-1.0; stored in the file",
        label="Licence",
        advanced=True,
    )
    metadata_is_negative_embedding: bool = unrecorded(
        False,
        "note in the file that it is meant for the negative prompt",
        label="For the negative prompt",
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "token_string", composed(self.token_string))

    def vectors_for(self, tokens: int) -> int:
        """Number of vectors where the initial words have so many tokens."""
        return self.num_vectors_per_token or min(max(1, tokens), MOST_VECTORS)

    @property
    def beginning(self) -> dict[str, str]:
        """What the vectors start from, as files tell it."""
        told = {"init_word": self.init_word, "init_rule": self.init_rule}
        return told if self.init_from == "vocabulary" else {**told, "init_from": self.init_from}

    @property
    def takes_vectors_of_file(self) -> bool:
        """The default, and 0, leave their number to a file to start from."""
        return self.num_vectors_per_token <= 1


@dataclass(frozen=True)
class WordsConfig(Checked):
    """Several words in one run; see `words`."""

    title = "Several words"
    words: str = unrecorded(
        "",
        "several words in one run, each with a folder and a file of its own: a TOML or JSON file "
        "with a table [[words]] for each, or such text; a table has token_string, train_data_dir "
        "and other settings of the embedding and the dataset",
        label="Several words",
        path="text file",
        advanced=True,
    )


@dataclass(frozen=True)
class ComputeConfig(Checked):
    """What the model computes in, and where randomness begins."""

    title = "Precision and seed"
    mixed_precision: PrecisionChoice = option(
        "auto",
        "precision of the model; auto: fp32 on a CPU, bf16 on a graphics card that supports it"
        " and otherwise fp16, in a web UI its own precision; the vectors stay fp32",
        label="Precision",
    )
    seed: int = option(
        0,
        "same seed, same embedding, on the same device with the same number of threads",
        label="Seed",
        limits=(0, 2**63 - 1),
    )
    gradient_checkpointing: bool = unrecorded(
        False,
        "compute parts of the model again in the backward pass: much less memory, a third more "
        "time, and the same embedding",
        label="Gradient checkpointing",
        advanced=True,
    )

    pack_weights: bool = newer(
        True,
        "on a CPU, keep a copy of the large weights of a full-size model in the processor's "
        "own layout: faster steps, above all at 256 pixels or less, for up to twice the memory"
        " of the U-Net; no effect on graphics cards and small models; the loss may differ in "
        "its 7th digit",
        label="Pack weights on a CPU",
        advanced=True,
    )

    def precision(self, usual: Precision = "no") -> Precision:
        """The one that is meant, where a host computes in `usual` unless it is told otherwise."""
        return usual if self.mixed_precision == "auto" else self.mixed_precision


@dataclass(frozen=True)
class TextConfig(Checked):
    """How training prompts are read."""

    title = "Reading of prompts"
    clip_skip: int = option(
        1,
        "text encoder layer to use, counted from the last; 1 = none skipped, as in A1111",
        label="Clip skip",
        limits=(1, 12),
        advanced=True,
    )
    parse_emphasis: bool = option(
        False,
        "read ( ) [ ] (x:1.2) in training prompts as emphasis, as A1111 does, not literally",
        label="Read emphasis in training prompts",
        advanced=True,
    )


@dataclass(frozen=True)
class OutputConfig(Checked):
    """What a run writes, and where."""

    title = "Files"
    output_dir: str = unrecorded(
        "embeddings",
        "folder for the embedding",
        label="Embeddings directory",
        path="embeddings",
    )
    output_name: str = unrecorded(
        "",
        "file name of the embedding, without extension; the default is the new word",
        label="Output name",
        advanced=True,
    )
    overwrite: bool = unrecorded(
        False, "replace an embedding of that name", label="Overwrite Old Embedding"
    )
    keep_replaced: int = kept_option()
    write_sidecars: bool = unrecorded(
        True,
        "write NAME.preview.png and NAME.json beside the embedding, which web UIs show; your own "
        "are kept",
        label="Preview and notes beside the embedding",
        advanced=True,
    )
    logging_dir: str = unrecorded(
        "textual_inversion",
        "folder for runs: copies, previews, logs, and the state to resume from",
        label="Log directory",
        path="output folder",
    )
    save_every_n_steps: int = unrecorded(
        500,
        "save a copy of the embedding every N steps; 0 disables",
        label="Save a copy of embedding to log directory every N steps, 0 to disable",
        unit="steps",
        limits=(0, None),
        aliases=("save_steps",),
    )
    save_every_n_epochs: int = unrecorded(
        0,
        "also save a copy at the end of every Nth epoch; 0 disables",
        label="Save a copy every N epochs",
        unit="epochs",
        limits=(0, None),
        advanced=True,
    )
    save_last_n_steps: int = unrecorded(
        0,
        "keep the copies of the last N steps and remove older ones of this run; 0 keeps all",
        label="Keep copies of the last N steps",
        unit="steps",
        limits=(0, None),
        advanced=True,
    )
    save_last_n_epochs: int = unrecorded(
        0,
        "keep the copies of the last N epochs for which copies are saved and remove older ones of "
        "this run; 0 keeps all",
        label="Keep copies of the last N epochs",
        unit="epochs",
        limits=(0, None),
        advanced=True,
    )
    save_model_as: SavedFormat = unrecorded(
        "safetensors",
        "file format of the embedding and its copies: safetensors for every program, pt as "
        "AUTOMATIC1111 writes it, bin as diffusers writes it",
        label="File format",
        advanced=True,
    )
    save_precision: SavedPrecision = unrecorded(
        "float",
        "number format in the files of the embedding and its copies; training itself uses fp32",
        label="Precision of files",
        advanced=True,
    )
    save_state_every_n_steps: int = unrecorded(
        100,
        "save the state to resume from every N steps",
        label="Save state every N steps",
        unit="steps",
        limits=(1, None),
        aliases=("checkpointing_steps",),
        advanced=True,
    )
    loss_csv_every: int = unrecorded(
        20,
        "write a line of textual_inversion_loss.csv (hypernetwork_loss.csv) every N steps; 0 "
        "disables",
        label="Save a csv containing the loss every N steps",
        unit="steps",
        limits=(0, None),
        advanced=True,
    )
    log_with: LogWith = unrecorded(
        "none",
        "also log loss and rate for TensorBoard, into the run folder, or to Weights & Biases; the "
        "package must be installed",
        label="Log with",
        advanced=True,
    )
    log_tracker_name: str = unrecorded(
        "textual_inversion",
        "name of the project at Weights & Biases",
        label="Tracker name",
        advanced=True,
    )
    wandb_run_name: str = unrecorded(
        "",
        "name of the run at Weights & Biases; the default is the new word",
        label="W&B run name",
        advanced=True,
    )


C = TypeVar("C", bound="BaseTrainConfig")


class BaseTrainConfig(ABC):
    """Everything about a run but the model, whatever is learned.

    A subclass is a frozen dataclass of these groups and the one of its learnable.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    data: DataConfig
    optimizer: OptimizerConfig
    compute: ComputeConfig
    text: TextConfig
    output: OutputConfig
    preview: PreviewConfig
    cache: CacheConfig
    validation: ValidationConfig

    @property
    @abstractmethod
    def name(self) -> str:
        """Of the files, and the trigger where there is one."""

    @property
    @abstractmethod
    def vectors(self) -> int:
        """How many stand for the trigger in a prompt; 0 where prompts need no trigger."""

    @abstractmethod
    def numbers(self, width: int) -> int:
        """How many are trained, where the text encoders of the model have this width in sum."""

    def __post_init__(self) -> None:
        checked_name(self.name)
        checked_name(self.file_stem)

    @property
    def undecided(self: C) -> C:
        """Without what the first of several processes decides when a run begins."""
        return self

    def as_begun(self: C, before: C) -> C:
        """The settings with which a run is resumed that began with those `before`: what a file
        told of its beginning is not written by anybody."""
        return self

    @property
    def file_stem(self) -> str:
        """Name of the final file, without ending."""
        return composed(self.output.output_name) or self.name


@dataclass(frozen=True)
class TrainConfig(BaseTrainConfig):
    """Everything about the training of an embedding, but the model, which the host has."""

    moved = (
        ("mixed_precision", "optimizer", "compute"),
        ("seed", "optimizer", "compute"),
        ("clip_skip", "optimizer", "text"),
        ("parse_emphasis", "optimizer", "text"),
    )
    """Version 0.1 kept them so in settings.json; see `options.from_dict`."""
    embedding: EmbeddingConfig = group(EmbeddingConfig)
    data: DataConfig = group(DataConfig)
    optimizer: OptimizerConfig = group(OptimizerConfig)
    compute: ComputeConfig = group(ComputeConfig)
    text: TextConfig = group(TextConfig)
    output: OutputConfig = group(OutputConfig)
    preview: PreviewConfig = group(PreviewConfig)
    cache: CacheConfig = group(CacheConfig)
    validation: ValidationConfig = group(ValidationConfig)
    several: WordsConfig = group(WordsConfig)

    @property
    def name(self) -> str:
        """The new word; of a run with several, what it is called."""
        return self.embedding.token_string or ("words" if self.several.words else "")

    @property
    def undecided(self) -> TrainConfig:
        """See `BaseTrainConfig.undecided`: where the word starts from, if that was tried."""
        if not self.embedding.init_trial_steps:
            return self
        return replace(self, embedding=replace(self.embedding, init_from="vocabulary"))

    def as_begun(self, before: TrainConfig) -> TrainConfig:
        """See `BaseTrainConfig.as_begun`."""
        now, old = self.embedding, before.embedding
        if old.init_trial_steps and now.init_from == "vocabulary":
            now = replace(now, init_from=old.init_from)
        if not old.weights:
            return replace(self, embedding=now)
        count = old if now.takes_vectors_of_file else now
        told = replace(
            now,
            init_word=old.init_word,
            init_rule=old.init_rule,
            init_from=old.init_from,
            num_vectors_per_token=count.num_vectors_per_token,
            metadata_license=now.metadata_license or old.metadata_license,
            metadata_is_negative_embedding=now.metadata_is_negative_embedding
            or old.metadata_is_negative_embedding,
        )
        return replace(self, embedding=told)

    @property
    def vectors(self) -> int:
        """As many as the settings say, or one; a file to start from may hold more."""
        return self.embedding.num_vectors_per_token or 1

    def numbers(self, width: int) -> int:
        """Those of the vectors."""
        return self.vectors * width
