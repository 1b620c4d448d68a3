"""An embedding of the folders as a word for prompts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from comfy_api.latest import io
from PIL import Image

from ...ti_core.data.pictures import open_picture
from ...ti_core.errors import ConfigError, DataError
from ...ti_core.files.atomic import names_in
from ...ti_core.files.library_walk import preview_of
from ...ti_core.files.reading import read_embeddings
from ..node import Node, finite, node_text, schema
from ..pictures import temp_images
from ..places import CARD_ENDINGS, embedding_file, embedding_files
from ..prompt_names import heeds_emphasis
from .embedding import prompt_of, summary, why_uncalled

_NO_FILES = "(the embeddings folder is empty)"
_STRONGEST = 10.0
_SIDE = 512


class PickEmbedding(Node):
    """A choice becomes text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "Embedding",
            "Embedding",
            "Outputs the chosen embedding as text for a prompt, and shows its preview.",
            search_aliases=["embedding picker", "textual inversion", "TI", "embedding:"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=_files() or [_NO_FILES],
                    display_name="Embedding",
                    tooltip="A file in ComfyUI's embeddings folders.",
                ),
                io.Float.Input(
                    "strength",
                    display_name="Strength",
                    default=1.0,
                    min=-_STRONGEST,
                    max=_STRONGEST,
                    step=0.05,
                    round=0.001,
                    tooltip="Other than 1: written as (embedding:name:strength).",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="prompt",
                    tooltip='"embedding:name", to be joined with other text of a prompt.',
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, strength: float | None = None) -> bool | str:
        """NaN is refused before it comes into ComfyUI's history."""
        return finite(strength=strength)

    @classmethod
    def work(cls, file: str, strength: float) -> io.NodeOutput:
        """See the class."""
        if finite(strength=strength) is not True or abs(strength) > _STRONGEST:
            fix = f"give a number from {-_STRONGEST:g} to {_STRONGEST:g}"
            raise ConfigError(f"the strength is {strength}", "", fix)
        path = embedding_file(file)
        found = read_embeddings(path)
        prompt = prompt_of(path, found[0])
        if not prompt:
            raise ConfigError(f"no prompt reaches {path.name}", why_uncalled(path, found[0]))
        text = prompt if strength == 1 else f"({prompt}:{strength:g})"
        told = [text, *map(summary, found)]
        if strength != 1 and not heeds_emphasis(found[0].vectors):
            told.append("the strength has no effect with this text encoder; use Scale Embedding")
        ui = node_text("\n".join(told), images=temp_images(list(_picture(file))))
        return io.NodeOutput(text, ui=ui)


def _files() -> list[str]:
    """What prompts can call."""
    return [name for name in embedding_files() if not name.lower().endswith(CARD_ENDINGS)]


def _picture(file: str) -> Iterator[Image.Image]:
    """What lies beside the file, if it is an image."""
    path = embedding_file(file)
    name = preview_of(path.stem, set(names_in(path.parent)))
    with contextlib.suppress(DataError):
        if name:
            image = open_picture(path.with_name(name), _SIDE).image
            image.thumbnail((_SIDE, _SIDE))
            yield image
