"""The training of several embeddings in one run."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ...ti_core.errors import ConfigError
from ...ti_core.files.embedding import Embedding
from ..kinds import SEVERAL
from ..loaded_model import Clip, Model, Vae
from ..node import schema
from ..preset import NO_PRESET
from ..several import Several
from ..sockets import (
    DatasetSocket,
    DatasetValue,
    EmbeddingSocket,
    SettingsSocket,
    SettingsValue,
)
from ..teaching import teach
from .training_parts import TrainingNode, lent_inputs, log_outputs, resume_input, taught_output

_FEWEST, _MOST = 2, 4
_TITLE = "Train Several Embeddings"


class TrainEmbeddings(TrainingNode):
    """An object and a style, or several subjects, are taught side by side."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "TrainEmbeddings",
            _TITLE,
            "Teaches up to four embeddings in one run, each the images of its own dataset: an "
            "object and a style, or several subjects. A caption may name more than one of them.",
            is_output_node=True,
            search_aliases=["textual inversion", "train several words", "multiple concepts", "TI"],
            inputs=[
                *lent_inputs(),
                SettingsSocket.Input(
                    "settings",
                    tooltip="How to train. Max steps counts the updates of all of them together.",
                ),
                *(each for number in range(1, _MOST + 1) for each in _word_inputs(number)),
                resume_input(SEVERAL.group, "the embeddings that are connected"),
            ],
            outputs=[*map(_word_output, range(1, _MOST + 1)), *log_outputs()],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def work(
        cls,
        model: Model,
        clip: Clip,
        vae: Vae,
        settings: SettingsValue,
        resume: str,
        **words: Any,
    ) -> io.NodeOutput:
        """See the class."""
        lent = cls.lent(model, clip, vae)
        numbers, start = _connected(words)
        found = teach(SEVERAL, lent, start, start.datasets[0], settings, resume, NO_PRESET)
        made = dict(zip(numbers, found.made.learned.embeddings, strict=True))
        learned = [made.get(number) or _nothing(number) for number in range(1, _MOST + 1)]
        return taught_output(found, lent, *learned)


def _word_inputs(number: int) -> list[io.Input]:
    optional = number > _FEWEST
    return [
        EmbeddingSocket.Input(
            f"embedding_{number}",
            display_name=f"embedding {number}",
            optional=optional,
            tooltip="The vectors to start from; steps of the run are counted from 0.",
        ),
        DatasetSocket.Input(
            f"dataset_{number}",
            display_name=f"dataset {number}",
            optional=optional,
            tooltip=f"What embedding {number} is to learn.",
        ),
    ]


def _word_output(number: int) -> io.Output:
    return EmbeddingSocket.Output(
        display_name=f"embedding {number}", tooltip="What was learned; save it, or apply it."
    )


def _connected(words: dict[str, Any]) -> tuple[list[int], Several]:
    """The numbers of the embeddings that are connected, and what they are. Raises ConfigError for
    one that has no dataset, and for a dataset that has none."""
    pairs: dict[int, tuple[Embedding, DatasetValue]] = {}
    for number in range(1, _MOST + 1):
        embedding, dataset = words.get(f"embedding_{number}"), words.get(f"dataset_{number}")
        if embedding and dataset:
            pairs[number] = embedding, dataset
        elif embedding or dataset:
            what = f"{'dataset' if embedding else 'embedding'} {number} is not connected"
            raise ConfigError(what, "each embedding has a dataset of its own", "connect it")
    embeddings, datasets = zip(*pairs.values(), strict=True)
    return list(pairs), Several(embeddings, datasets)


def _nothing(number: int) -> ExecutionBlocker:
    """What comes out where nothing is connected; nodes behind it say so."""
    return ExecutionBlocker(f"embedding {number} is not connected to {_TITLE}")
