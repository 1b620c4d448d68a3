"""Every format: written, and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from torch import Tensor

from ti_core.errors import EmbeddingError, StorageError
from ti_core.families import SD1, SDXL, Family
from ti_core.files.embedding import Embedding, with_metadata
from ti_core.files.formats import FORMATS
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding

ROWS = torch.arange(8.0).reshape(2, 4) / 7
HALVES = {"clip_l": ROWS, "clip_g": torch.ones(2, 6)}
FILES = [(name, ending) for name, kind in FORMATS.items() for ending in kind.endings]
ALONE = ("bin", "diffusers")
"""A file of these holds one text encoder."""
PICTURE = Image.new("RGB", (64, 64), (90, 40, 160))


def described(vectors: dict[str, Tensor], family: Family = SD1) -> Embedding:
    """With everything that can be told about it."""
    plain = Embedding("cat", vectors, 500)
    more: dict[str, Any] = {"licence": "CC0-1.0", "negative": True}
    return with_metadata(
        plain, family.release().architecture, "v1-5, pruned", "e1441589a6", {"seed": 7}, **more
    )


def values(found: Embedding) -> list[Tensor]:
    """The tables in the order of their encoders."""
    return [found.vectors[key] for key in sorted(found.vectors, reverse=True)]


@pytest.mark.parametrize(("format", "ending"), FILES)
def test_vectors_steps_and_all_metadata_come_back_from_every_format(
    tmp_path: Path, format: str, ending: str
) -> None:
    cat = described({"clip_l": ROWS})
    write_embedding(tmp_path / f"cat{ending}", cat, format, PICTURE)
    found = read_embedding(tmp_path / f"cat{ending}")
    assert (found.name, found.step) == ("cat", 500)
    assert torch.equal(found.vectors["emb_params"], ROWS)
    assert found.metadata == cat.metadata


@pytest.mark.parametrize(
    ("format", "ending"), [f for f in FILES if f[0] not in ("bin", "diffusers")]
)
def test_sdxl_comes_back_from_every_format_that_can_hold_it(
    tmp_path: Path, format: str, ending: str
) -> None:
    cat = described(HALVES, SDXL)
    write_embedding(tmp_path / f"cat{ending}", cat, format, PICTURE)
    found = read_embedding(tmp_path / f"cat{ending}")
    assert all(torch.equal(found.vectors[key], rows) for key, rows in HALVES.items())
    assert (found.step, found.metadata) == (500, cat.metadata)


def test_a_format_for_one_text_encoder_refuses_two_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"has clip_l and clip_g.*write the format diffusers"):
        write_embedding(tmp_path / "cat.bin", described(HALVES, SDXL), "bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t5", "gemma", "clip_l", "emb_params", "text_encoders_0"])
def test_a_name_that_other_programs_use_for_tables_makes_the_round_trip_as_bin(
    tmp_path: Path, name: str
) -> None:
    write_embedding(tmp_path / f"{name}.bin", Embedding(name, {"emb_params": ROWS}, 3), "bin")
    assert torch.equal(read_embedding(tmp_path / f"{name}.bin").vectors["emb_params"], ROWS)


def test_a_name_under_which_no_reader_would_find_it_is_refused_as_bin(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="choose another name or format"):
        write_embedding(tmp_path / "c.bin", Embedding("clip_l_out", {"emb_params": ROWS}), "bin")
    with pytest.raises(EmbeddingError, match="'qwen3_4b' means the table of a text encoder"):
        write_embedding(tmp_path / "c.bin", Embedding("qwen3_4b", {"emb_params": ROWS}), "bin")
    with pytest.raises(EmbeddingError, match="one CLIP, and this embedding has t5xxl"):
        write_embedding(tmp_path / "c.bin", Embedding("c", {"t5xxl": ROWS}), "bin")
    assert list(tmp_path.iterdir()) == []


bits = arrays.arrays("float32", st.tuples(st.integers(1, 75), st.integers(1, 7)), elements={
    "allow_nan": False, "allow_infinity": False,
})  # fmt: skip
same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=60,
)


@same_folder
@given(
    rows=bits,
    file=st.sampled_from(FILES),
    step=st.integers(0, 10**9),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,19}[A-Za-z0-9]", fullmatch=True),
    described_fully=st.booleans(),
)
def test_any_embedding_makes_the_round_trip_through_every_format_bit_for_bit(
    tmp_path: Path, rows: Any, file: tuple[str, str], step: int, name: str, described_fully: bool
) -> None:
    table = torch.from_numpy(rows)
    cat = Embedding(name, {"emb_params": table}, step)
    if described_fully:
        cat = with_metadata(cat, "", "", "", {})
    path = tmp_path / f"{name}{file[1]}"
    write_embedding(path, cat, file[0], PICTURE)
    found = read_embedding(path)
    assert (found.name, found.step) == (name, step)
    read = found.vectors["emb_params"]
    assert torch.equal(read.view(torch.int32), table.view(torch.int32))


@pytest.mark.parametrize(
    "widths", [{"emb_params": 768}, {"clip_h": 1024}, {"clip_l": 768, "clip_g": 1280}]
)
@pytest.mark.parametrize(("format", "ending"), [("pt", ".pt"), ("png", ".png")])
def test_embeddings_of_the_largest_usual_size_make_the_round_trip(
    tmp_path: Path, widths: dict[str, int], format: str, ending: str
) -> None:
    random = torch.Generator().manual_seed(7)
    tables = {key: torch.randn(75, width, generator=random) for key, width in widths.items()}
    write_embedding(tmp_path / f"cat{ending}", Embedding("cat", tables, 3), format, PICTURE)
    found = read_embedding(tmp_path / f"cat{ending}")
    assert all(map(torch.equal, values(found), [tables[k] for k in sorted(tables, reverse=True)]))


@pytest.mark.parametrize(("format", "ending"), FILES)
def test_equal_embeddings_are_equal_files(tmp_path: Path, format: str, ending: str) -> None:
    for name in ("one", "two"):
        write_embedding(tmp_path / f"{name}{ending}", described({"clip_l": ROWS}), format, PICTURE)
    assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"two{ending}").read_bytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("format", "ending"), FILES)
def test_vectors_that_are_not_finite_never_replace_a_good_file(
    tmp_path: Path, format: str, ending: str, value: float
) -> None:
    path = tmp_path / f"cat{ending}"
    path.write_bytes(b"good")
    with pytest.raises(EmbeddingError, match="not saved"):
        write_embedding(path, described({"clip_l": torch.full((2, 4), value)}), format)
    assert path.read_bytes() == b"good"


def test_a_safetensors_file_holds_nothing_but_what_programs_expect(tmp_path: Path) -> None:
    write_embedding(tmp_path / "cat.safetensors", described({"clip_l": ROWS.double()}))
    found = safetensors.torch.load_file(tmp_path / "cat.safetensors")
    assert found.keys() == {"emb_params"}
    assert found["emb_params"].dtype == torch.float32


LAYOUTS: dict[str, Any] = {
    "pt": {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": ROWS},
        "name": "cat",
        "step": 500,
        "sd_checkpoint": "e1441589a6",
        "sd_checkpoint_name": "v1-5, pruned",
    },
    "bin": {"cat": ROWS},
    "kohya": {"emb_params": ROWS},
}


@pytest.mark.parametrize(("format", "layout"), LAYOUTS.items())
def test_a_pickle_holds_exactly_what_its_program_writes(
    tmp_path: Path, format: str, layout: dict[str, Any]
) -> None:
    path = tmp_path / f"cat{'.bin' if format == 'bin' else '.pt'}"
    write_embedding(path, described({"clip_l": ROWS}), format)
    found = torch.load(path, weights_only=True)
    assert repr(found) == repr(layout)


@pytest.mark.parametrize("format", ["pt", "kohya"])
def test_for_sdxl_both_programs_take_two_tables_and_nothing_else(
    tmp_path: Path, format: str
) -> None:
    write_embedding(tmp_path / "cat.pt", described(HALVES, SDXL), format)
    assert torch.load(tmp_path / "cat.pt", weights_only=True).keys() == HALVES.keys()


def test_what_is_not_known_is_none_as_in_a1111(tmp_path: Path) -> None:
    write_embedding(tmp_path / "cat.pt", Embedding("cat", {"emb_params": ROWS}), "pt")
    found = torch.load(tmp_path / "cat.pt", weights_only=True)
    assert (found["step"], found["sd_checkpoint"], found["sd_checkpoint_name"]) == (0, None, None)


def test_the_word_in_a_diffusers_file_is_the_trigger(tmp_path: Path) -> None:
    told = {"modelspec.trigger_phrase": "<cat>"}
    write_embedding(tmp_path / "a.bin", Embedding("a", {"emb_params": ROWS}, 0, told), "bin")
    assert torch.load(tmp_path / "a.bin", weights_only=True).keys() == {"<cat>"}


def test_a_name_that_stands_for_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"name it cat\.pt"):
        write_embedding(tmp_path / "cat.safetensors", described({"clip_l": ROWS}), "pt")


def test_a_temporary_name_is_no_obstacle(tmp_path: Path) -> None:
    write_embedding(tmp_path / "cat.pt.new", described({"clip_l": ROWS}), "pt")
    assert read_embedding(tmp_path / "cat.pt.new").count == 2


def test_an_unknown_format_is_an_error_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="safetensors, pt, bin, kohya, diffusers, png"):
        write_embedding(tmp_path / "cat.ckpt", described({"clip_l": ROWS}), "ckpt")


def test_a_card_is_drawn_without_a_picture_too(tmp_path: Path) -> None:
    write_embedding(tmp_path / "cat.png", described({"clip_l": ROWS}), "png")
    with Image.open(tmp_path / "cat.png") as card:
        assert card.height == 512


def test_a_card_shows_the_picture_that_was_given(tmp_path: Path) -> None:
    picture = Image.new("RGB", (300, 300), (200, 30, 30))
    write_embedding(tmp_path / "cat.png", described({"clip_l": ROWS}), "png", picture)
    with Image.open(tmp_path / "cat.png") as card:
        red, green, blue = card.getpixel((card.width // 2, 150))  # type: ignore[misc]
    assert red > 5 * green == 5 * blue > 0


def test_a_folder_that_cannot_be_written_to_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        write_embedding(tmp_path / "file" / "cat.pt", described({"clip_l": ROWS}), "pt")
