"""Files of every pickled and safetensors format, loaded by diffusers' own loader."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from diffusers.loaders import TextualInversionLoaderMixin
from transformers import CLIPTextConfig, CLIPTextModel

from ti_core.files.embedding import Embedding
from ti_core.files.formats import FORMATS
from ti_core.files.writing import write_embedding
from ti_core.hosts.standalone.vocabulary import standard_vocabulary

FILES = [(name, end) for name, kind in FORMATS.items() for end in kind.endings if name != "png"]


class Pipeline(TextualInversionLoaderMixin):
    """As much of a pipeline as the loader asks for."""

    components: dict[str, object] = {}  # noqa: RUF012
    hf_device_map = None
    _exclude_from_cpu_offload: list[str] = []  # noqa: RUF012


def table(width: int) -> torch.Tensor:
    """Two vectors, with the smallest and largest numbers among them."""
    rows = torch.randn(2, width, generator=torch.Generator().manual_seed(width))
    rows[0, :2] = torch.tensor([1e-45, 3.4e38])
    return rows


def loaded(source: Any, token: str | None, width: int) -> torch.Tensor:
    """What the loader puts into the vocabulary of a text encoder of this width."""
    tokenizer = copy.deepcopy(standard_vocabulary(None, open_clip=False).tokenizer)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1,
    )  # fmt: skip
    encoder = CLIPTextModel(config)
    Pipeline().load_textual_inversion(
        source, token=token, tokenizer=tokenizer, text_encoder=encoder, local_files_only=True
    )
    ids = tokenizer.convert_tokens_to_ids(["zz-new", "zz-new_1"])
    table = encoder.get_input_embeddings()
    assert isinstance(table, torch.nn.Embedding)
    return table.weight[ids].detach()


@pytest.mark.parametrize(("format", "ending"), FILES)
def test_diffusers_finds_exactly_the_vectors_that_were_written(
    tmp_path: Path, format: str, ending: str
) -> None:
    path = tmp_path / f"zz-new{ending}"
    write_embedding(path, Embedding("zz-new", {"clip_l": table(8)}, 5), format)
    token = None if format in ("pt", "bin") else "zz-new"  # these two tell their word
    assert torch.equal(loaded(str(path), token, 8), table(8))


@pytest.mark.parametrize("format", ["safetensors", "pt"])
def test_diffusers_takes_the_two_tables_of_sdxl_in_turn(tmp_path: Path, format: str) -> None:
    widths = {"clip_l": 8, "clip_g": 12}
    path = tmp_path / f"zz-new.{format}"
    tables = {key: table(width) for key, width in widths.items()}
    write_embedding(path, Embedding("zz-new", tables, 5), format)
    read = safetensors.torch.load_file if format == "safetensors" else torch.load
    found = read(path)
    for key, width in widths.items():
        assert torch.equal(loaded({key: found[key]}, "zz-new", width), table(width))


def test_diffusers_loads_the_two_files_of_sdxl_with_their_own_word(tmp_path: Path) -> None:
    """As `textual_inversion_sdxl.py` writes them; no token is given."""
    tables = {"clip_l": table(8), "clip_g": table(12)}
    path = tmp_path / "learned_embeds.safetensors"
    notes = {"modelspec.trigger_phrase": "zz-new"}
    write_embedding(path, Embedding("learned_embeds", tables, 5, notes), "diffusers")
    second = tmp_path / "learned_embeds_2.safetensors"
    assert sorted(tmp_path.iterdir()) == [path, second]
    for file, rows in zip((path, second), tables.values(), strict=True):
        assert list(safetensors.torch.load_file(file)) == ["zz-new"]
        assert torch.equal(loaded(str(file), None, rows.shape[1]), rows)
