"""What pictures say about themselves, honest and not."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_core.files import picture_chunks
from ti_core.files.picture_chunks import PNG_SIGNATURE, bare_picture, is_png, is_webp


def png(*texts: tuple[str, str], packed: bool = False, international: bool = False) -> bytes:
    """A picture of 3×2 pixels with texts."""
    out, info = io.BytesIO(), PngInfo()
    for key, text in texts:
        if international:
            info.add_itxt(key, text, "en", "", zip=packed)
        else:
            info.add_text(key, text, zip=packed)
    Image.new("RGB", (3, 2)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def webp(size: tuple[int, int] = (3, 2), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA" if options.get("exif") else "RGB", size).save(out, "WEBP", **options)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return (
        struct.pack(">I4s", len(body), kind)
        + body
        + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
    )


def png_text(data: bytes, keyword: str, most: int) -> bytes | None:
    return picture_chunks.png_text(io.BytesIO(data), keyword, most)


def bare(data: bytes, most: int = 10**6) -> bytes:
    return bare_picture(io.BytesIO(data), most).getvalue()


def with_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG with one chunk more behind its header."""
    data = png()
    return data[:33] + chunk(kind, body) + data[33:]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("international", [False, True])
def test_a_text_is_found_in_all_three_kinds_of_chunks(packed: bool, international: bool) -> None:
    data = png(("other", "x"), ("key", "text" * 9), packed=packed, international=international)
    assert png_text(data, "key", 100) == b"text" * 9
    assert png_text(data, "ke", 100) is None


def test_a_text_behind_the_pixels_is_found() -> None:
    data = png()
    assert png_text(data[:-12] + chunk(b"tEXt", b"key\0text") + data[-12:], "key", 9) == b"text"


@pytest.mark.parametrize(
    "data",
    [
        png(("key", "x" * 50)),
        png(("key", "x" * 50_000), packed=True),
        png(("key", "x" * 50_000), packed=True, international=True),
        png(("key", "x" * 50), international=True),
    ],
)
def test_a_text_larger_than_allowed_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"more than|larger than"):
        png_text(data, "key", 40)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (png(("key", "text"))[:45], "claims"),
        (png(("key", "text"))[:40], "cut off"),
        (png(("key", "text")).replace(b"text", b"test"), "damaged"),
        (png()[:33] + struct.pack(">I4s", 2**32 - 1, b"tEXt") + png()[33:], "claims"),
        (with_chunk(b"iTXt", b"key\0\0"), "damaged"),
        (with_chunk(b"zTXt", b"key\0\0rubbish"), "damaged"),
        (with_chunk(b"zTXt", b"key\0"), "cut off"),
    ],
)
def test_a_damaged_chunk_is_a_value_error(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        png_text(data, "key", 100)


def noise(mode: str) -> Image.Image:
    return Image.effect_noise((30, 20), 99).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_nothing_but_the_pixels_reaches_the_decoder(kind: str, mode: str) -> None:
    out, info, picture = io.BytesIO(), PngInfo(), noise(mode)
    info.add_text("key", "text")
    more = {"pnginfo": info, "icc_profile": b"profile", "exif": b"Exif\0\0"}
    picture.save(out, kind, lossless=True, exact=True, **more)
    found = bare(out.getvalue())
    for part in (b"text", b"profile", b"Exif", b"tEXt", b"iCCP", b"ICCP", b"eXIf", b"VP8X"):
        assert part not in found
    with Image.open(io.BytesIO(found)) as image:
        assert image.convert(mode).tobytes() == picture.tobytes()


def test_of_a_moving_png_only_the_first_picture_is_left() -> None:
    out, frames = io.BytesIO(), [Image.new("RGB", (3, 2), "red"), Image.new("RGB", (3, 2), "blue")]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    assert b"fdAT" in out.getvalue()
    found = bare(out.getvalue())
    assert not any(kind in found for kind in (b"acTL", b"fcTL", b"fdAT"))
    with Image.open(io.BytesIO(found)) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (with_chunk(b"IHDR", header(13_000, 13_000)[8:-4]), "header is damaged"),
        (png()[:-12] + header(13_000, 13_000) + png()[-12:], "header is damaged"),
        (PNG_SIGNATURE + chunk(b"tEXt", b"a\0b") + png()[8:], "header is damaged"),
        (PNG_SIGNATURE + chunk(b"IHDR", b"\0" * 12) + png()[33:], "header is damaged"),
        (PNG_SIGNATURE + header(1001, 1000) + png()[33:], "1001×1000 pixels is too large"),
        (PNG_SIGNATURE + header(2**31, 2**31) + png()[33:], "too large"),
        (webp((1001, 1000), lossless=True), "1001×1000 pixels is too large"),
        (png() [:33] + chunk(b"juNK", b"") * 100_001 + png()[33:], "more chunks"),
        (png()[:33].replace(b"IHDR", b"IHDr") + png()[33:], "damaged"),
    ],
)  # fmt: skip
def test_a_size_that_changes_or_is_too_large_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        bare(data)


def test_a_long_text_under_another_keyword_is_not_read() -> None:
    data = with_chunk(b"iTXt", b"other\0" + bytes(10**6))
    assert png_text(data, "key", 100) is None


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xff\xd8\xff\xe0 a JPEG", "neither"),
        (b"", "neither"),
        (png()[:20], "claims"),
        (b"RIFF\0\0\0\0WEBP", "damaged"),
        (b"RIFF\0\0\0\0WEBPVP8L\xff\xff\xff\xff", "damaged"),
        (b"RIFF\0\0\0\0WEBP" + b"JUNK\0\0\0\0" * 100_001, "damaged"),
        (webp(lossless=False), "lossy"),
        (
            webp(save_all=True, append_images=[Image.new("RGB", (3, 2), "red")], lossless=True),
            "moving",
        ),
        (webp((300, 200), lossless=True, exif=b"E").replace(b"\x2b\x01\0", b"\x2c\x01\0"), "disag"),
    ],
)
def test_other_files_and_pictures_that_cannot_carry_data_are_value_errors(
    data: bytes, what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        bare(data)


def test_kinds_are_known_by_their_first_bytes() -> None:
    assert (is_png(png()), is_webp(png()), is_png(webp()), is_webp(webp())) == (
        True,
        False,
        False,
        True,
    )


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([png()[:8], b"RIFF\0\0\0\0WEBP"]))
def test_rubbish_ends_in_an_answer_or_a_value_error(tail: bytes, head: bytes) -> None:
    for look in (lambda data: png_text(data, "key", 100), bare):
        with suppress(ValueError):
            look(head + tail)
