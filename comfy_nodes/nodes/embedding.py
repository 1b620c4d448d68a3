"""Embeddings: made from words, read from files, written to files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...ti_core.errors import ConfigError
from ...ti_core.files.embedding import Embedding, long_for_prompts
from ...ti_core.files.formats import FORMATS
from ...ti_core.files.kept import KEPT
from ...ti_core.files.names import prompt_name
from ...ti_core.files.reading import read_embedding
from ...ti_core.files.replaced import replace_embedding
from ...ti_core.files.twins import hidden_warning
from ...ti_core.files.writing import files_of
from ...ti_core.tools.making import without_tables
from ...ti_core.train.config import EmbeddingConfig, OutputConfig
from ...ti_core.train.initialization import starting_rows
from ...ti_core.train.vectors import to_embedding
from ..loaded_model import Clip, Model, checkpoint_name, host_of
from ..node import Node, node_text, plain_text, schema
from ..pictures import from_comfy
from ..places import (
    CARD_ENDINGS,
    checked_for_prompts,
    embedding_file,
    embedding_files,
    embeddings_dirs,
    fingerprint,
    new_embedding_file,
)
from ..prompt_names import IDENTIFIER, heeds_emphasis, name_in_prompts, takes_embeddings
from ..saving import WHEN_THERE, free_path, require_choice, when_there_input
from ..sockets import EmbeddingSocket
from ..widgets import make, optional, widget, widgets

_NO_FILES = "(the embeddings folder is empty)"


class CreateEmbedding(Node):
    """Words of the loaded model become vectors, ready to be trained or used."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "CreateEmbedding",
            "Create Embedding",
            "Makes a new embedding from words of the loaded model. Training starts from them.",
            search_aliases=["textual inversion", "TI", "new token", "init word", "embedding"],
            inputs=[
                io.Model.Input("model", tooltip="The model that the embedding is for."),
                io.Clip.Input("clip", tooltip="Its text encoder: the words' vectors come from it."),
                widget(EmbeddingConfig, "token_string", default="my-cat"),
                widget(EmbeddingConfig, "init_word", default="cat"),
                widget(EmbeddingConfig, "num_vectors_per_token", default=2),
                widget(EmbeddingConfig, "init_rule"),
                *widgets(EmbeddingConfig, "metadata_is_negative_embedding", "metadata_license"),
                widget(EmbeddingConfig, "init_from", optional=True),
            ],
            outputs=[
                EmbeddingSocket.Output(
                    display_name="embedding", tooltip="The vectors under their name, untrained."
                )
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, token_string: str | None = None) -> bool | str:
        """A name that no prompt could call is refused before anything is loaded."""
        try:
            return bool(token_string is None or checked_for_prompts(token_string))
        except ConfigError as error:
            return plain_text(str(error))

    @classmethod
    def work(cls, model: Model, clip: Clip, **options: Any) -> io.NodeOutput:
        """See the class."""
        from ...ti_core.train.plan import name_clashes  # ComfyUI starts sooner without it

        config = EmbeddingConfig(**options)
        checked_for_prompts(config.token_string)
        host = host_of(model, clip, None, checkpoint_name(cls.hidden.prompt, cls.hidden.unique_id))
        with host.session() as session:
            facts, start = host.describe(), starting_rows(config, host.describe(), session)
        notices = (*name_clashes(config.token_string, host), *start.notices)
        made = to_embedding(config.token_string, start.rows, 0, facts, config.beginning, config)
        told = [
            f"{made.name}: {made.count} vector(s) from {config.init_word!r}",
            *map(str, notices),
        ]
        return io.NodeOutput(made, ui=node_text("\n".join(told)))


class LoadEmbedding(Node):
    """An embedding file of any program, read again whenever it changes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "LoadEmbedding",
            "Load Embedding",
            "Reads an embedding of any program: .safetensors, .pt, .bin, and PNG or WebP cards. "
            "Nothing in the file is executed. A file that changes is read again.",
            search_aliases=["textual inversion", "TI", "open embedding", "read embedding"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=embedding_files() or [_NO_FILES],
                    display_name="File",
                    tooltip="A file in ComfyUI's embeddings folders, images that carry an "
                    "embedding included.",
                ),
                make(
                    io.String.Input,
                    "term",
                    display_name="Term",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip="Which one, in a file that holds several embeddings.",
                ),
                make(
                    io.String.Input,
                    "drop",
                    display_name="Tables to leave out",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip="Their keys, such as t5xxl or clip_l_out,t5xxl_out; empty: all are "
                    "kept.",
                ),
            ],
            outputs=[
                EmbeddingSocket.Output(display_name="embedding", tooltip="What the file holds.")
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, **others: object) -> str:
        """Another file of the same name is another value: what hangs on it runs again."""
        try:
            return fingerprint(embedding_file(file or ""))
        except ConfigError:
            return ""

    @classmethod
    def work(cls, file: str, term: str = "", drop: str = "") -> io.NodeOutput:
        """See the class."""
        found = without_tables(read_embedding(embedding_file(file), term or None), drop)
        return io.NodeOutput(found, ui=node_text(summary(found)))


class SaveEmbedding(Node):
    """An embedding becomes a file in the embeddings folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "SaveEmbedding",
            "Save Embedding",
            "Writes an embedding into ComfyUI's embeddings folder, for this and other programs. "
            "An existing embedding is never replaced unless you choose to.",
            is_output_node=True,
            search_aliases=["textual inversion", "TI", "export embedding", "embedding card", "pt"],
            inputs=[
                EmbeddingSocket.Input("embedding", tooltip="What to write."),
                io.String.Input(
                    "name",
                    display_name="Name",
                    default="",
                    tooltip="File name without extension, or folder/name. Prompts call it by this "
                    "name. Empty: the embedding's own.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    display_name="Format",
                    default="safetensors",
                    tooltip=". ".join(f"{key}: {kind.description}" for key, kind in FORMATS.items())
                    + ". ComfyUI itself reads all but png.",
                ),
                when_there_input("embedding"),
                io.Image.Input(
                    "picture",
                    optional=True,
                    tooltip="What a PNG card shows; without it the card is plain.",
                ),
                *optional(widgets(OutputConfig, "keep_replaced")),
            ],
            outputs=[
                EmbeddingSocket.Output(
                    display_name="embedding", tooltip="The same vectors under the file's name."
                ),
                io.String.Output(
                    display_name="prompt",
                    tooltip='How prompts call it: "embedding:name", to be joined with other text; '
                    "nothing for a card, which prompts cannot call.",
                ),
            ],
        )

    @classmethod
    def work(
        cls,
        embedding: Embedding,
        name: str,
        format: str,
        when_there: str,
        picture: Tensor | None = None,
        keep_replaced: int = KEPT,
    ) -> io.NodeOutput:
        """See the class."""
        require_choice("format", format, list(FORMATS))
        require_choice("when_there", when_there, WHEN_THERE)
        wanted, ending = name.strip() or prompt_name(embedding.name), FORMATS[format].endings[0]
        path = free_path(new_embedding_file(wanted, ending), when_there, "embedding")
        most = OutputConfig(keep_replaced=keep_replaced).keep_replaced
        card = from_comfy(picture)[0] if picture is not None else None
        saved = dataclasses.replace(embedding, name=path.stem)
        for other, _ in files_of(path, saved, format)[1:]:
            taken = "overwrite" if when_there == "overwrite" else "stop"
            free_path(other, taken, "embedding")
        told = [text for text in (hidden_warning(path),) if text]
        replace_embedding(path, saved, most, format, card)
        prompt = prompt_of(path, embedding)
        told += [f"saved as {path.name}", f"in prompts: {prompt or why_uncalled(path, embedding)}"]
        if prompt and not heeds_emphasis(embedding.vectors):
            told.append(
                f"({prompt}:1.2) has no effect with this text encoder; Scale Embedding makes it "
                "stronger or weaker"
            )
        return io.NodeOutput(saved, prompt, ui=node_text("\n".join(told)))


def prompt_of(path: Path, embedding: Embedding) -> str:
    """What calls a file in ComfyUI's prompts; "" if nothing does."""
    roots = [folder.resolve() for folder in embeddings_dirs()]
    called = name_in_prompts(path, roots) if takes_embeddings(embedding.vectors) else None
    return f"{IDENTIFIER}{called}" if called else ""


def why_uncalled(path: Path, embedding: Embedding) -> str:
    """Why no prompt reaches a file."""
    if path.suffix in CARD_ENDINGS:
        return "none, since ComfyUI itself reads no cards; use Load Embedding and Apply Embedding"
    if not takes_embeddings(embedding.vectors):
        return "none, since ComfyUI looks no embeddings up for this text encoder"
    return "none, since ComfyUI may find another file of this name; save it under another name"


def summary(embedding: Embedding) -> str:
    """One line on what an embedding is."""
    widths = ", ".join(f"{key} {rows.shape[1]}" for key, rows in embedding.vectors.items())
    model = embedding.metadata.get("ti.base_model", "")
    made_on = f", made on {model}" if model else ""
    warning = long_for_prompts(embedding)
    return (
        f"{embedding.name}: {embedding.count} vector(s) ({widths}), step {embedding.step}{made_on}"
        + (f"\n{warning}" if warning else "")
    )
