"""Cards: A1111's, ours, and pictures that lie."""

from __future__ import annotations

import base64
import io
import json
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_core.errors import EmbeddingError, FileError
from ti_core.families import FAMILIES
from ti_core.files import card as module
from ti_core.files.card import KEYWORD, card_bytes
from ti_core.files.card_pixels import with_margins
from ti_core.files.embedding import Embedding, with_metadata
from ti_core.files.library import Library
from ti_core.files.picture_plugins import is_known
from ti_core.files.reading import read_embedding
from ti_core.files.regular_file import open_regular

GOLDEN = Path(__file__).parents[1] / "golden" / "my-ref-15-card.png"
ROWS = torch.tensor([[0.1, -2.5e-39, 3.4e38, -0.0], [1 / 3, 1e-45, 7.0, -1.5]])
SDXL = {"clip_l": ROWS, "clip_g": torch.ones(2, 6) / 3}
PICTURE = Image.new("RGB", (256, 256), (90, 40, 160))


def read_card(path: Path) -> dict[str, Any]:
    with open_regular(path) as file:
        return module.read_card(file, path)


def cat(vectors: dict[str, torch.Tensor] | None = None) -> Embedding:
    """Described as a trained one is."""
    vectors = vectors or {"clip_l": ROWS}
    family = FAMILIES["sdxl" if len(vectors) > 1 else "sd1"]
    return with_metadata(
        Embedding("my cat.v2", vectors, 10**9),
        family.release().architecture,
        "v1-5",
        "e1441589a6",
        {},
    )


def put(folder: Path, data: bytes, name: str = "card.png") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def stripped(data: bytes) -> bytes:
    """The picture alone, as a program without interest in metadata saves it."""
    return saved(Image.fromarray(np.asarray(opened(data).convert("RGB"))))


def with_text(text: str | bytes, **options: Any) -> bytes:
    """A small picture with this as its embedding."""
    info = PngInfo()
    info.add_text(KEYWORD, text if isinstance(text, str) else text.decode("latin-1"), **options)
    return saved(Image.new("RGB", (3, 2)), pnginfo=info)


def with_json(text: str) -> bytes:
    return with_text(base64.b64encode(text.encode()))


def in_margins(payload: bytes) -> bytes:
    return saved(with_margins(PICTURE, payload, np.array([99], np.uint8)))


def same_bits(one: torch.Tensor, two: torch.Tensor) -> bool:
    return torch.equal(one.view(torch.int32), two.view(torch.int32))


# --- A1111's ----------------------------------------------------------------------------------


def test_a_card_of_the_real_a1111_is_read_by_its_text_and_by_its_margins(tmp_path: Path) -> None:
    by_text = read_card(GOLDEN)
    by_margins = read_card(put(tmp_path, stripped(GOLDEN.read_bytes())))
    for found in (by_text, by_margins):
        assert (found["name"], found["step"]) == ("my-ref-15", 14)
        assert (found["sd_checkpoint"], found["sd_checkpoint_name"]) == ("10d6181f58", "sd15-tiny")
        assert found["string_to_token"] == {"*": 265}
        assert found["string_to_param"]["*"].shape == (2, 768)
    assert same_bits(by_text["string_to_param"]["*"], by_margins["string_to_param"]["*"])


def test_margins_of_ours_are_those_that_the_real_a1111_drew() -> None:
    theirs = np.asarray(opened(GOLDEN.read_bytes()).convert("RGB"))
    text = base64.b64decode(opened(GOLDEN.read_bytes()).text[KEYWORD])  # type: ignore[attr-defined]
    rows = json.loads(text)["string_to_param"]["*"]["TORCHTENSOR"]
    sizes = np.abs(rows[0])
    inner = Image.fromarray(theirs[:, 22:-22])
    shades = (sizes / sizes.max() * 255).astype(np.uint8)
    ours = np.asarray(with_margins(inner, zlib.compress(text, 9), shades))
    assert ours.shape == theirs.shape
    assert (ours == theirs).mean() > 0.99  # dots may be drawn a little differently
    assert np.array_equal(ours & 0x0F, theirs & 0x0F)


# --- ours -------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda data: data, stripped], ids=["text", "margins"])
def test_every_bit_and_all_that_is_told_come_back_both_ways(tmp_path: Path, change: Any) -> None:
    found = read_card(put(tmp_path, change(card_bytes(cat(), PICTURE))))
    assert same_bits(found["string_to_param"]["*"], ROWS)
    assert (found["name"], found["step"]) == ("my cat.v2", 10**9)
    assert (found["sd_checkpoint"], found["sd_checkpoint_name"]) == ("e1441589a6", "v1-5")
    assert found["metadata"] == cat().metadata


@pytest.mark.parametrize("change", [lambda data: data, stripped], ids=["text", "margins"])
def test_sdxl_comes_back_both_ways(tmp_path: Path, change: Any) -> None:
    found = read_card(put(tmp_path, change(card_bytes(cat(SDXL), PICTURE))))
    assert all(same_bits(found[key], rows) for key, rows in SDXL.items())
    assert (found["name"], found["step"]) == ("my cat.v2", 10**9)
    assert found["metadata"] == cat(SDXL).metadata


def test_the_text_is_what_a1111_expects() -> None:
    text = opened(card_bytes(cat(), PICTURE)).text[KEYWORD]  # type: ignore[attr-defined]
    told = json.loads(base64.b64decode(text))
    assert list(told)[:6] == [
        "string_to_token", "string_to_param", "name", "step", "sd_checkpoint", "sd_checkpoint_name",
    ]  # fmt: skip
    assert told["string_to_param"]["*"].keys() == {"TORCHTENSOR"}


def test_for_sdxl_a1111_finds_two_tensors_and_nothing_else() -> None:
    text = opened(card_bytes(cat(SDXL), PICTURE)).text[KEYWORD]  # type: ignore[attr-defined]
    told = json.loads(base64.b64decode(text))
    assert told.keys() == SDXL.keys()
    assert all("TORCHTENSOR" in table for table in told.values())


@pytest.mark.parametrize(
    "change",
    [
        lambda image: saved(image.convert("RGBA")),
        lambda image: saved(image, compress_level=0),
        lambda image: saved(image, "WEBP", lossless=True),
        lambda image: saved(image.convert("RGBA"), "WEBP", lossless=True, exif=b"Exif\0\0"),
    ],
    ids=["with alpha", "unpacked", "WebP", "WebP with alpha"],
)
def test_a_card_outlives_programs_that_keep_every_pixel(tmp_path: Path, change: Any) -> None:
    data = change(opened(stripped(card_bytes(cat(), PICTURE))))
    assert same_bits(read_card(put(tmp_path, data))["string_to_param"]["*"], ROWS)


@pytest.mark.parametrize("options", [{"zip": True}, {"zip": False}])
def test_a_text_that_another_program_packed_is_read(tmp_path: Path, options: Any) -> None:
    text = opened(card_bytes(cat(), PICTURE)).text[KEYWORD]  # type: ignore[attr-defined]
    assert read_card(put(tmp_path, with_text(text, **options)))["step"] == 10**9


def test_a_webp_card_is_written_too(tmp_path: Path) -> None:
    data = card_bytes(cat(), PICTURE, ".WebP")
    assert data[8:12] == b"WEBP"
    assert same_bits(read_card(put(tmp_path, data))["string_to_param"]["*"], ROWS)


def test_vectors_of_nothing_but_zeros_make_a_card(tmp_path: Path) -> None:
    zeros = torch.zeros(1, 768)
    data = stripped(card_bytes(cat({"clip_l": zeros}), PICTURE))
    assert torch.equal(read_card(put(tmp_path, data))["string_to_param"]["*"], zeros)


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda data: data, stripped], ids=["text", "margins"])
def test_the_largest_card_with_the_longest_numbers_can_be_read(tmp_path: Path, change: Any) -> None:
    rows = torch.full((781, 1280), -1.2345678e-38)
    found = read_card(put(tmp_path, change(card_bytes(Embedding("x", {"clip_l": rows}), PICTURE))))
    assert same_bits(found["string_to_param"]["*"], rows)


def test_more_vectors_than_a_card_can_hold_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="too many vectors"):
        card_bytes(Embedding("x", {"clip_l": torch.zeros(782, 1280)}), PICTURE)


def test_a_webp_that_would_be_too_wide_is_refused() -> None:
    rows = torch.randn(1000, 768, generator=torch.Generator().manual_seed(7))
    with pytest.raises(EmbeddingError, match="write PNG"):
        card_bytes(Embedding("x", {"clip_l": rows}), PICTURE, ".webp")


# --- pictures that lie, and honest ones without anything -----------------------------------------

LOSSY = saved(opened(card_bytes(cat(), PICTURE)), "WEBP", quality=90)
CARD = card_bytes(cat(), PICTURE)
MARGINS = stripped(CARD)
TENSOR = '{"clip_l": {"TORCHTENSOR": %s}}'
HUGE_PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(
    ">I4sIIBBBBB", 13, b"IHDR", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0
)
HUGE_PNG += struct.pack(">I", zlib.crc32(HUGE_PNG[12:]))

BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "no image": b"hello",
    "a JPEG": saved(opened(CARD), "JPEG"),
    "a lossy WebP": LOSSY,
    "a plain image": saved(PICTURE),
    "a black image": saved(Image.new("RGB", (300, 300))),
    "a grey image": saved(Image.new("L", (300, 300), 7)),
    "a palette": saved(opened(MARGINS).convert("P")),
    "cut": saved(opened(MARGINS).crop((10, 0, 300, 256))),
    "resized": saved(opened(MARGINS).resize((400, 300))),
    "truncated in the text": CARD[:200],
    "truncated in the pixels": MARGINS[:-2000],
    "a wrong checksum": CARD[:100] + bytes([CARD[100] ^ 1]) + CARD[101:],
    "an image of 4 billion pixels square": HUGE_PNG,
    "a WebP of 268 million pixels": b"RIFF\x16\0\0\0WEBPVP8L\5\0\0\0\x2f\xfe\xff\xff\x0f\0",
    "text that is not base64": with_text("!!!"),
    "text that is not JSON": with_json("hello"),
    "a list": with_json("[1, 2]"),
    "a number": with_json("1"),
    "bytes of no encoding": with_text(base64.b64encode(b"\xff\xfe\xfd")),
    "a packed bomb": with_text("A" * 40_000_000, zip=True),
    "a margin bomb": in_margins(zlib.compress(bytes(40_000_000), 9)),
    "margins of rubbish": in_margins(b"\x78\xda" + bytes(range(256))),
    "margins of no zlib": in_margins(bytes(range(1, 256))),
    "deep lists": with_json("[" * 15_000),
    "a deep tensor": with_json(TENSOR % ("[" * 9_000 + "1" + "]" * 9_000)),
    "millions of lists": with_json(TENSOR % ("[" + "[]," * 1_000_000 + "[]]")),
    "millions of objects": with_json(TENSOR % ("[" + "{}," * 30_000 + "{}]")),
    "millions of numbers": with_json(TENSOR % ("[" + "0," * 1_010_001 + "0]")),
    "a ragged tensor": with_json(TENSOR % "[[1, 2], [3]]"),
    "a tensor of texts": with_json(TENSOR % '["a", "b"]'),
    "a tensor of objects": with_json(TENSOR % '[{"a": 1}]'),
    "a tensor within a tensor": with_json(TENSOR % '[{"TORCHTENSOR": [1, 2]}]'),
    "a tensor that is an object": with_json(TENSOR % '{"a": 1}'),
    "a tensor of the whole": with_json('{"TORCHTENSOR": [1, 2]}'),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_picture_without_a_readable_embedding_is_an_embedding_error_and_costs_little(
    tmp_path: Path, data: bytes
) -> None:
    path = put(tmp_path, data)
    tracemalloc.start()
    with pytest.raises(EmbeddingError) as caught:
        read_card(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000_000
    assert "card.png" in str(caught.value)
    assert caught.value.why


def test_numbers_of_thousands_of_digits_take_no_time(tmp_path: Path) -> None:
    path = put(tmp_path, with_json('{"string_to_param": {}, "step": %s}' % ("9" * 1_000_000)))
    assert read_card(path)["step"] == float("inf")


def test_a_missing_file_and_a_folder_are_file_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.png", tmp_path):
        with pytest.raises(FileError):
            read_card(path)


same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


@same_folder
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), webp=st.booleans())
def test_a_wrong_byte_is_read_or_refused_but_never_crashes(
    tmp_path: Path, place: int, byte: int, webp: bool
) -> None:
    data = bytearray(card_bytes(cat(), PICTURE, ".webp") if webp else MARGINS)
    data[place % len(data)] = byte
    try:
        found = read_card(put(tmp_path, bytes(data)))
    except EmbeddingError:
        return
    assert found["name"]


# --- kinds that a library unpacks -------------------------------------------------------------

OTHERS = {"AVIF": GOLDEN.parent / "card.avif", "JXL": GOLDEN.parent / "card.jxl"}
"""Lossless pictures of one card of two vectors: by libavif 1 and libjxl 0.11."""


@pytest.mark.parametrize("name", OTHERS)
def test_cards_in_newer_formats_are_read_bit_by_bit(name: str) -> None:
    if not is_known(name):
        pytest.skip(f"Pillow cannot read {name} here")
    found = read_embedding(OTHERS[name])
    rows = torch.randn(2, 12, generator=torch.Generator().manual_seed(3))
    assert torch.equal(found.vectors["emb_params"], rows)
    assert (found.name, found.step, found.metadata["ti.base_model"]) == ("card", 5, "m")


@pytest.mark.parametrize("name", OTHERS)
def test_without_their_plug_in_it_is_said_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ti_core.files.card.is_known", lambda name: False)
    monkeypatch.setattr("ti_core.files.peek.is_known", lambda name: False)
    with pytest.raises(EmbeddingError, match=f"Pillow cannot read {name} here; install pillow-"):
        read_embedding(OTHERS[name])
    (tmp_path / OTHERS[name].name).write_bytes(OTHERS[name].read_bytes())
    library = Library([tmp_path])
    library.refresh()
    (skipped,) = library.skipped
    assert "install pillow-" in skipped.reason


def test_an_avif_without_a_card_is_just_a_picture(tmp_path: Path) -> None:
    if not is_known("AVIF"):
        pytest.skip("Pillow cannot read AVIF here")
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "holiday.avif")
    Image.new("RGB", (8000, 1001)).save(tmp_path / "large.avif", speed=10)
    for file, told in (("holiday", "there is no embedding"), ("large", "too large")):
        with pytest.raises(EmbeddingError, match=told):
            read_embedding(tmp_path / f"{file}.avif")
    library = Library([tmp_path])
    library.refresh()
    assert (library.entries, library.skipped) == ((), ())
