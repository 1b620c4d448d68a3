"""Embeddings at work: in a CLIP, and side by side in images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import comfy.utils
import torch
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_api.latest import io
from PIL import Image

from ...ti_core.compare.copies import readable, some_of
from ...ti_core.data.config import SHORTEST_SIDE, check_sides
from ...ti_core.data.templates import fill
from ...ti_core.errors import ConfigError, FileError
from ...ti_core.families import SIDE_STEP
from ...ti_core.files.base_model import other_base, other_than
from ...ti_core.files.embedding import Embedding, for_encoders
from ...ti_core.files.names import prompt_name
from ...ti_core.port.session import Host, PreviewRequest, Vectors
from ...ti_core.prompts.missed import misspelled
from ...ti_core.train.config import PreviewConfig
from ..applied import with_embedding
from ..grid import labelled_grid
from ..loaded_model import Clip, Model, Vae, checkpoint_name, host_of
from ..node import Node, finite, node_text, schema
from ..pictures import temp_images, to_comfy
from ..prompt_words import words_of
from ..sockets import EmbeddingSocket, LogSocket, RunLog
from ..widgets import values_of, widgets

_MOST_PROMPTS = 16
_MOST_PICTURES = 128
_LARGEST = 1024
_MOST_COPIES = 16
_SAMPLING = ("sample_steps", "sample_cfg_scale", "sample_seed", "sample_sampler")


class ApplyEmbedding(Node):
    """A CLIP that knows the embedding, and a prompt encoded with it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "ApplyEmbedding",
            "Apply Embedding",
            "Uses an embedding without a file: prompts encoded by the CLIP that comes out know it "
            "as embedding:name. When it is trained further, the next image uses the new vectors.",
            search_aliases=["use embedding", "textual inversion", "embedding weight", "TI"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder that should know the embedding."),
                EmbeddingSocket.Input("embedding", tooltip="Any embedding for this model."),
                io.Float.Input(
                    "weight",
                    display_name="Weight",
                    default=1.0,
                    min=-10,
                    max=10,
                    step=0.05,
                    round=0.001,
                    tooltip="Emphasis wherever the embedding is called, as "
                    "(embedding:name:weight) would give.",
                ),
                io.String.Input(
                    "text",
                    display_name="Prompt",
                    multiline=True,
                    placeholder="Prompt",
                    dynamic_prompts=True,
                    default="a picture of [name]",
                    tooltip="Encoded for the conditioning output; [name] stands for the embedding.",
                ),
            ],
            outputs=[
                io.Clip.Output(
                    display_name="CLIP",
                    tooltip="Knows embedding:name, for any node that encodes prompts.",
                ),
                io.Conditioning.Output(
                    display_name="CONDITIONING", tooltip="The prompt above, for a sampler."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, weight: float | None = None) -> bool | str:
        """NaN is refused before it comes into ComfyUI's history."""
        return finite(weight=weight)

    @classmethod
    def work(cls, clip: Clip, embedding: Embedding, weight: float, text: str) -> io.NodeOutput:
        """See the class."""
        if clip is None:
            raise ConfigError(
                "the CLIP input is empty", "the checkpoint contains none", "connect one"
            )
        taught = with_embedding(clip, embedding, weight)
        called = f"embedding:{prompt_name(embedding.name)}"
        prompt = fill(text, called, "")
        with torch.inference_mode():
            encoded = taught.encode_from_tokens_scheduled(taught.tokenize(prompt))
        model = checkpoint_name(cls.hidden.prompt, str(cls.hidden.unique_id))
        told = [f"in prompts: {called}", *map(str, other_than(embedding, model))]
        told += words_of(taught, prompt).lines()
        return io.NodeOutput(taught, encoded, ui=node_text("\n".join(told)))


class PreviewGrid(Node):
    """Copies of a run side by side: what it knew, and when."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "PreviewGrid",
            "Preview Grid",
            "One image for each prompt and each saved copy of a run, with one seed, so that the "
            "best copy can be chosen.",
            is_output_node=True,
            search_aliases=["compare", "xy plot", "checkpoints", "textual inversion", "grid"],
            inputs=[
                io.Model.Input("model", tooltip="Makes the images."),
                io.Clip.Input("clip", tooltip="Its text encoder."),
                io.Vae.Input("vae", tooltip="Decodes them."),
                EmbeddingSocket.Input("embedding", tooltip="The last column."),
                io.String.Input(
                    "prompts",
                    display_name="Prompts",
                    multiline=True,
                    placeholder="Prompts",
                    default="a picture of [name]\na drawing of [name] on a table",
                    tooltip="A row for each line; [name] stands for the embedding.",
                ),
                io.String.Input(
                    "negative_prompt",
                    display_name="Negative prompt",
                    default="",
                    tooltip="For all images; [name] stands for the embedding.",
                ),
                *(_side(name) for name in ("width", "height")),
                *widgets(PreviewConfig, *_SAMPLING),
                io.Int.Input(
                    "most_copies",
                    display_name="Copies",
                    default=4,
                    min=0,
                    max=_MOST_COPIES,
                    tooltip="At most N of the run's copies, evenly spaced, the newest last.",
                ),
                LogSocket.Input(
                    "log", optional=True, tooltip="The run whose copies are compared, if any."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="grid", tooltip="All images with their labels."),
                io.Image.Output(
                    display_name="images", tooltip="The images alone, row by row, as a batch."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, sample_cfg_scale: float | None = None) -> bool | str:
        """NaN is refused before it comes into ComfyUI's history."""
        return finite(sample_cfg_scale=sample_cfg_scale)

    @classmethod
    def work(
        cls,
        model: Model,
        clip: Clip,
        vae: Vae,
        embedding: Embedding,
        prompts: str,
        negative_prompt: str,
        most_copies: int,
        log: RunLog | None = None,
        **sampling: Any,
    ) -> io.NodeOutput:
        """See the class."""
        node = str(cls.hidden.unique_id)
        host = host_of(model, clip, vae, checkpoint_name(cls.hidden.prompt, node))
        lines = _lines(prompts)
        copies, errors = _copies(log, most_copies, embedding.step)
        columns = {**copies, embedding_label(embedding): embedding}
        requests = [_request(line, negative_prompt, embedding.name, sampling) for line in lines]
        made = list(_made(host, requests, columns, embedding.name, node))
        rows = [made[at : at + len(columns) + 1] for at in range(0, len(made), len(columns) + 1)]
        grid = labelled_grid(rows, ["without", *columns], lines)
        told = [*map(str, other_base(embedding, host.describe()))]
        told += [f"left out: {error}" for error in errors]
        text = fill("\n".join([*lines, negative_prompt]), embedding.name, "")
        told += [str(one.notice) for one in misspelled(text, [embedding.name], host.tokenize)]
        ui = {**(node_text("\n".join(told)) if told else {}), "images": temp_images([grid])}
        return io.NodeOutput(to_comfy([grid]), to_comfy(made), ui=ui)


def embedding_label(embedding: Embedding) -> str:
    """How a column is called."""
    return f"{embedding.name}, step {embedding.step}"


def _lines(prompts: str) -> list[str]:
    lines = [line.strip() for line in prompts.splitlines() if line.strip()]
    if not lines or len(lines) > _MOST_PROMPTS:
        raise ConfigError(
            f"there are {len(lines)} prompts", "", f"give 1 to {_MOST_PROMPTS}, one per line"
        )
    return lines


def _copies(
    log: RunLog | None, most: int, last: int
) -> tuple[dict[str, Embedding], list[FileError]]:
    """Label → copy before the last step, evenly spaced over the run; and why others are missing.

    Where none were saved, that is what the run began with.
    """
    most = min(most, _MOST_COPIES)
    if log is None or most < 1:
        return {}, []
    found, errors = readable(some_of(log.copies(), most + 1))
    copies = sorted((one for _, one in found if one.step != last), key=lambda one: one.step)
    return {f"step {copy.step}": copy for copy in copies[:most]}, errors


def _side(name: str) -> io.Input:
    label = name.capitalize()
    told = f"{label} of an image (px)."
    return io.Int.Input(
        name, label, False, told, default=512, min=SHORTEST_SIDE, max=_LARGEST, step=SIDE_STEP
    )


def _request(line: str, negative: str, name: str, sampling: Mapping[str, Any]) -> PreviewRequest:
    """Raises ConfigError for numbers that no form would send."""
    chosen = PreviewConfig(**values_of(PreviewConfig, sampling))
    sides = sampling["width"], sampling["height"]
    check_sides(f"an image of {sides[0]}x{sides[1]} pixels cannot be made", sides, _LARGEST)
    return PreviewRequest(
        fill(line, name, ""),
        fill(negative, name, ""),
        *sides,
        chosen.sample_steps,
        chosen.sample_cfg_scale,
        chosen.sample_seed,
        chosen.sample_sampler,
    )


def _made(
    host: Host,
    requests: list[PreviewRequest],
    columns: dict[str, Embedding],
    name: str,
    node: str,
) -> Iterator[Image.Image]:
    """Row by row: without any embedding first, then with each."""
    if len(requests) * (len(columns) + 1) > _MOST_PICTURES:
        raise ConfigError("the grid is too large", "", f"{_MOST_PICTURES} images are possible")
    widths = host.describe().widths
    known: list[dict[str, Vectors]] = [{}]
    known += [{name: for_encoders(each, widths, each.name)} for each in columns.values()]
    bar = comfy.utils.ProgressBar(len(requests) * len(known), node_id=node)
    features = host.features()
    with host.session() as session:
        for request in requests:
            for embeddings in known:
                throw_exception_if_processing_interrupted()
                picture = session.preview(
                    replace(request, sampler=features.sampler(request.sampler)), embeddings
                )[0]
                bar.update(1)
                yield picture
