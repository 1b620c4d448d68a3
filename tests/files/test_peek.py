"""A glance at a file tells what reading all of it tells."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from ti_core.errors import EmbeddingError, FileError
from ti_core.files.embedding import Embedding, with_metadata
from ti_core.files.library_index import Facts
from ti_core.files.peek import peek
from ti_core.files.reading import read_embeddings
from ti_core.files.safetensors_file import to_bytes
from ti_core.files.writing import write_embedding

from .libraries import put, scanned

ROWS = torch.arange(12.0).reshape(3, 4) / 7
WIDE = torch.ones(3, 6)
GOLDEN = Path(__file__).parents[1] / "golden"


def torch_file(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def plain(tensors: dict[str, Tensor], **metadata: str) -> bytes:
    apart = {key: rows.clone() for key, rows in tensors.items()}
    return safetensors.torch.save(apart, metadata or None)


OURS = with_metadata(
    Embedding("x", {"clip_l": ROWS}, 500), "stable-diffusion-v1", "model", "0123", {}
)
FILES: dict[str, bytes] = {
    "ours.safetensors": to_bytes({"emb_params": ROWS}, OURS.metadata),
    "sdxl.safetensors": plain({"clip_l": ROWS, "clip_g": WIDE}),
    "half.safetensors": plain({"emb_params": ROWS.half()}, ss_sd_model_name="v1-5", ss_steps="9"),
    "kohya-step00000700.safetensors": plain({"emb_params": ROWS}),
    "toolkit.safetensors": plain({"emb_params": ROWS}, name='"zz"', step="12"),
    "odd step.safetensors": plain({"emb_params": ROWS}, **{"ti.step": "-1"}),
    "diffusers.safetensors": plain({"<cat>": ROWS}),
    "one row.safetensors": plain({"emb_params": ROWS[0]}),
    "out.safetensors": plain({"clip_l": ROWS, "clip_g": WIDE, "clip_l_out": ROWS}),
    "flux.safetensors": plain({"clip_l": ROWS, "t5xxl": WIDE}),
    "onetrainer.safetensors": plain({"clip_l": ROWS, "t5": WIDE}),
    "anima.safetensors": plain({"qwen3_06b": ROWS}),
    "clip.safetensors": plain({"clip_g": ROWS}),
    "gemma.safetensors": plain({"gemma": ROWS}),
    "llama.safetensors": plain({"llama": torch.ones(2, 4096)}),
    "lora.safetensors": plain({"bundle_emb.cat.emb_params": ROWS, "lora_unet.weight": WIDE}),
    "words.safetensors": plain({"<cat>": ROWS, "<dog>": ROWS}),
    "words.bin": torch_file({"<cat>": ROWS[0], "<dog>": ROWS[0]}),
    "a1111.pt": torch_file({"string_to_param": {"*": ROWS}, "name": "zz", "step": 7}),
    "golden.pt": (GOLDEN / "my-ref.pt").read_bytes(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_glance_tells_what_reading_tells(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, FILES[name])
    embeddings = read_embeddings(path)
    alone = len(embeddings) == 1
    assert peek(path) == tuple(
        Facts(
            "" if alone else each.name,
            {key: (each.count, rows.shape[1]) for key, rows in each.vectors.items()},
            each.step,
            each.metadata.get("modelspec.trigger_phrase", ""),
            each.metadata.get("ti.base_model", ""),
        )
        for each in embeddings
    )


BROKEN: dict[str, bytes] = {
    "no table.safetensors": plain({"emb_params": torch.zeros(1, 2, 3)}),
    "no vector.safetensors": plain({"emb_params": torch.zeros(0, 4)}),
    "whole numbers.safetensors": plain({"emb_params": torch.zeros(2, 4, dtype=torch.long)}),
    "too many.safetensors": plain({"emb_params": torch.zeros(2000, 4)}),
    "cut off.safetensors": plain({"emb_params": ROWS})[:-1],
    "lora.safetensors": plain({"lora_unet_down.weight": ROWS, "lora_unet_up.weight": WIDE}),
    "page.safetensors": b"<!DOCTYPE html>",
    "evil.pt": b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_reading_refuses_is_refused_in_the_same_words(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, BROKEN[name])
    with pytest.raises(FileError) as read:
        read_embeddings(path)
    with pytest.raises(type(read.value)) as seen:
        peek(path)
    assert str(seen.value) == str(read.value)


def test_the_numbers_of_a_plain_file_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ti_core.files.reading.read_embeddings", None)
    path = put(tmp_path / "cat.safetensors", FILES["ours.safetensors"])
    assert peek(path) == (Facts("", {"emb_params": (3, 4)}, 500, "x", "model"),)


def test_the_words_of_a_file_of_several_are_the_names(tmp_path: Path) -> None:
    put(tmp_path / "words.bin", FILES["words.bin"])
    library = scanned(tmp_path)
    assert [entry.name for entry in library.entries] == ["<cat>", "<dog>"]
    assert all(len(library.checksum(entry)) == 4 for entry in library.entries)


# --- pictures ---------------------------------------------------------------------------------


def test_a_card_is_an_embedding_and_its_own_preview(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    rows = torch.randn(2, 768, generator=torch.Generator().manual_seed(0))
    write_embedding(path, Embedding("cat", {"emb_params": rows}, 500), "png")
    (entry,) = scanned(tmp_path).entries
    assert (entry.name, entry.vectors, entry.step, entry.family) == ("cat", 2, 500, "sd1")
    assert entry.preview == path


def test_a_card_beside_its_embedding_is_a_preview_and_no_second_embedding(tmp_path: Path) -> None:
    embedding = Embedding("cat", {"emb_params": torch.ones(2, 768)})
    write_embedding(tmp_path / "cat.png", embedding, "png")
    file = put(tmp_path / "cat.safetensors", plain({"emb_params": ROWS}))
    library = scanned(tmp_path)
    (entry,) = library.entries
    assert (entry.path, entry.preview) == (file, tmp_path / "cat.png")
    file.unlink()
    changes = library.refresh()
    assert (changes.added, changes.removed) == ((tmp_path / "cat.png",), (file,))


@pytest.mark.parametrize("ending", ["png", "webp", "avif", "jxl"])
def test_a_picture_without_an_embedding_is_not_worth_a_word(tmp_path: Path, ending: str) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(
        buffer, "webp" if ending == "webp" else "png"
    )
    put(tmp_path / f"holiday.{ending}", buffer.getvalue())
    library = scanned(tmp_path)
    assert (library.entries, library.skipped) == ((), ())
    assert not library.refresh()


def test_a_damaged_card_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    write_embedding(path, Embedding("cat", {"emb_params": torch.ones(2, 768)}), "png")
    data = path.read_bytes()
    place = data.index(b"sd-ti-embedding") + 100
    put(path, data[:place] + b"!" + data[place + 1 :])
    with pytest.raises(EmbeddingError):
        peek(path)
    assert [each.path for each in scanned(tmp_path).skipped] == [path]
