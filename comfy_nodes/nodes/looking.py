"""What was learned, to be looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from comfy_api.latest import io
from PIL import Image

from ...ti_core.data.templates import fill
from ...ti_core.errors import ConfigError
from ...ti_core.events import Notice
from ...ti_core.files.base_model import other_base
from ...ti_core.files.embedding import Embedding, for_encoders
from ...ti_core.files.names import prompt_name
from ...ti_core.port.session import Host
from ...ti_core.tools.nearest import Neighbour, about_words, nearest_tokens
from ...ti_core.tools.strength import VERDICTS, strength_of, verdict
from ...ti_core.tools.vocabulary import median_lengths
from ...ti_core.train.plot import draw_loss, draw_strength
from ...ti_core.train.vectors import norms
from ..applied import with_embedding
from ..collection import remember_lengths
from ..loaded_model import Clip, Model, host_of
from ..node import Node, node_text, schema
from ..pictures import temp_images, to_comfy
from ..portrait import Row, portrait
from ..prompt_names import IDENTIFIER
from ..prompt_words import words_of
from ..sockets import EmbeddingSocket, LogSocket, RunLog
from .embedding import summary


class InspectEmbedding(Node):
    """How strong an embedding is, and which words it is near to."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "InspectEmbedding",
            "Inspect Embedding",
            "Shows what is in an embedding: its vectors' lengths, where it comes from, and, with "
            "MODEL and CLIP, its strength compared with an ordinary word and its nearest words.",
            is_output_node=True,
            search_aliases=["nearest words", "embedding info", "textual inversion", "norm"],
            inputs=[
                EmbeddingSocket.Input("embedding", tooltip="What to look at."),
                io.Int.Input(
                    "nearest",
                    display_name="Nearest words",
                    default=5,
                    min=0,
                    max=20,
                    tooltip="How many words to name for each vector.",
                ),
                io.Model.Input("model", optional=True, tooltip="Whose vocabulary to compare with."),
                io.Clip.Input("clip", optional=True, tooltip="Its text encoder."),
                io.String.Input(
                    "text",
                    display_name="Prompt",
                    multiline=True,
                    placeholder="Prompt to check",
                    default="",
                    optional=True,
                    tooltip="Reports which of its words are embeddings, where, in which chunk, "
                    "and why others are not; [name] is this embedding. Needs CLIP.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="Everything, as text."),
                io.Image.Output(
                    display_name="image", tooltip="Strength of each vector, and near words."
                ),
            ],
        )

    @classmethod
    def work(
        cls,
        embedding: Embedding,
        nearest: int,
        model: Model = None,
        clip: Clip = None,
        text: str = "",
    ) -> io.NodeOutput:
        """See the class."""
        nearest = max(0, min(20, nearest))
        host = host_of(model, clip) if model is not None and clip is not None else None
        rows, told = _compared(embedding, host, nearest) if host else (_alone(embedding), ())
        lines = [*_report(embedding, rows), *(f"warning: {each}" for each in told)]
        if text.strip():
            lines += _checked(text, embedding, clip)
        report = "\n".join(lines)
        picture = portrait(summary(embedding), rows)
        ui = node_text(report, images=temp_images([picture]))
        return io.NodeOutput(report, to_comfy([picture]), ui=ui)


def _checked(text: str, embedding: Embedding, clip: Clip) -> Iterator[str]:
    if clip is None:
        raise ConfigError("the prompt cannot be checked", "no CLIP is connected", "connect one")
    prompt = fill(text, f"{IDENTIFIER}{prompt_name(embedding.name)}", "")
    yield from words_of(with_embedding(clip, embedding), prompt).lines()


def _alone(embedding: Embedding) -> list[Row]:
    return [
        Row(f"{key} {number}", length, "", "")
        for key, lengths in norms(embedding.vectors).items()
        for number, length in enumerate(lengths)
    ]


def _compared(embedding: Embedding, host: Host, nearest: int) -> tuple[list[Row], Sequence[Notice]]:
    """The rows of the report, and what to be warned of."""
    vectors = for_encoders(embedding, host.describe().widths, embedding.name)
    with host.session() as session:
        medians = median_lengths(host.describe(), session)
        remember_lengths(medians, host.describe().widths)
        found = strength_of(vectors, medians)
        near = nearest_tokens(vectors, host, session, max(1, nearest))
    rows = [
        Row(f"{key} {number}", ratio, verdict(ratio), _spelled(near[key][number][:nearest]))
        for key, ratios in found.ratios.items()
        for number, ratio in enumerate(ratios)
    ]
    return rows, [*other_base(embedding, host.describe()), *about_words(embedding.step, near)]


def _spelled(words: list[Neighbour]) -> str:
    return ", ".join(f"{word.text} {word.cosine:.2f}" for word in words)


def _report(embedding: Embedding, rows: list[Row]) -> Iterator[str]:
    yield summary(embedding)
    if all(row.verdict for row in rows):
        loudest = verdict(max(row.value for row in rows))
        yield f"strength {loudest}: {VERDICTS[loudest]}"
        for row in rows:
            length = f"{row.value:.2f} × an ordinary word's length"
            yield f"{row.label}: {length}; nearest: {row.words}"
    else:
        yield from (f"{row.label}: length {row.value:.3g}" for row in rows)


class LossPlot(Node):
    """The curve of a run."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "LossPlot",
            "Loss Plot",
            "Draws the loss of every step, its moving average, and the learning rate; and how "
            "strong the vectors are and how far from their start.",
            is_output_node=True,
            search_aliases=["loss graph", "loss curve", "textual inversion", "training log"],
            inputs=[LogSocket.Input("log", tooltip="Of the run.")],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The plot."),
                io.Float.Output(
                    display_name="loss", tooltip="Mean of the last tenth of the steps."
                ),
                io.Image.Output(
                    display_name="strength",
                    tooltip="Length and distance from the start of each vector; 1 is the length "
                    "of an ordinary word.",
                ),
            ],
        )

    @classmethod
    def work(cls, log: RunLog) -> io.NodeOutput:
        """See the class."""
        picture: Image.Image = draw_loss(log.losses, log.name)
        standings = log.standings()
        strength = draw_strength(standings, log.name)
        shown = [picture, strength] if len(standings) > 1 else [picture]
        last = [loss for _, loss, _ in log.losses[-max(1, len(log.losses) // 10) :]]
        mean = sum(last) / len(last) if last else 0.0
        text = f"{len(log.losses)} steps, loss {mean:.4f} at the end"
        ui = node_text(text, images=temp_images(shown))
        mean = mean if math.isfinite(mean) else 0.0
        return io.NodeOutput(to_comfy([picture]), mean, to_comfy([strength]), ui=ui)
