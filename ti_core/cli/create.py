"""`ti create`: an embedding made from words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..files.kept import kept_option
from ..options import Checked, make_config, option
from ..train.config import EmbeddingConfig
from .named_file import file_of
from .options import OptionParser
from .standalone import ModelConfig, open_host
from .telling import answer, remark_on

_ABOUT = """Create an embedding from an initialization text. With one vector and one word, it gives
the same images as that word, bit for bit, until it is trained. A1111's own trainer continues only
a .pt; convert it with `ti convert NAME.safetensors --to pt`."""


@dataclass(frozen=True)
class PlaceConfig(Checked):
    """Where the new file goes."""

    title = "File"
    output_dir: str = option(
        "embeddings", "folder for the embedding", label="Embeddings directory", path="embeddings"
    )
    overwrite: bool = option(
        False, "replace an embedding of that name", label="Overwrite Old Embedding"
    )
    keep_replaced: int = kept_option()


def parser() -> OptionParser:
    """All options of `ti create`."""
    usage = "--pretrained_model_name_or_path MODEL --token_string NAME [options]"
    return OptionParser("ti create", _ABOUT, ModelConfig, EmbeddingConfig, PlaceConfig, usage=usage)


def run(argv: Sequence[str]) -> int:
    """Create; returns the exit code."""
    typed = parser().read(argv)
    place, config = make_config(PlaceConfig, typed), make_config(EmbeddingConfig, typed)
    config = replace(config, weights=file_of(config.weights, place.output_dir))
    host = open_host(make_config(ModelConfig, typed))
    from ..train.create import create_embedding

    path = create_embedding(
        config,
        host,
        Path(place.output_dir),
        place.overwrite,
        place.keep_replaced,
        remark_on,
    )
    answer(path)
    return 0
