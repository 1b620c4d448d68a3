"""Safetensors and cards that lie, and files that are something else."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

from .assembler import NUMBERS
from .case import Case, broken, harmless

_ENTRY = {"dtype": "F32", "shape": [2, 8], "data_offsets": [0, 64]}
_CARD = "sd-ti-embedding"


def safetensors(header: Any, data: bytes = NUMBERS, length: int | None = None) -> bytes:
    """A file with this header, as JSON or as it is, which may claim another length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(**changes: Any) -> dict[str, Any]:
    return {"emb_params": {**_ENTRY, **changes}}


_SHAPES: list[Any] = [
    [-2, -8],
    [3, 8],
    [2**60, 2**60],
    [2.0, 8],
    [True, 16],
    ["2", 8],
    [[2], 8],
    None,
    "ab",
    [1] * 17,
    {},
    [2**32, 2**32],
    [16, 1, 2],
]
_NO_TENSORS: list[Any] = [None, 7, [], {}, "text", [_ENTRY]]
_PLAIN = json.dumps(_entry()).encode()
_M16 = 16 * 2**20


def _pair(start: int, count: int = 16) -> dict[str, Any]:
    """A table and, from `start` on, another tensor."""
    other = {"dtype": "F32", "shape": [count], "data_offsets": [start, start + 4 * count]}
    return {**_entry(), "emb_params_out": other}


def _nested(depth: int) -> bytes:
    return b'{"emb_params":{"x":' + b"[" * depth + b"]" * depth + b"," + _PLAIN[16:]


HEADERS: dict[str, bytes] = {
    **{
        f"a header of {n} bytes": safetensors(_entry(), length=n)
        for n in (0, 1, 8, 200, 10**8, 2**31, 2**63, 2**64 - 1)
    },
    **{
        f"a shape of {shape}".replace("/", " "): safetensors(_entry(shape=shape))
        for shape in _SHAPES
    },
    **{
        f"offsets of {offsets}": safetensors(_entry(data_offsets=offsets))
        for offsets in (
            [64, 0],
            [0, 65],
            [-64, 0],
            [0, 2**63],
            [1, 65],
            [0],
            [0, 64, 0],
            None,
            "ab",
            [0.0, 64],
            [False, 64],
        )
    },
    **{
        f"the type {kind}": safetensors(_entry(dtype=kind))
        for kind in ("F4", "", None, 7, "F64", "I32", "BOOL", "f32", ["F32"], "os.system")
    },
    **{f"instead of a tensor {entry}": safetensors({"emb_params": entry}) for entry in _NO_TENSORS},
    **{
        f"as JSON {text[:12].decode('latin1')!r}": safetensors(text)
        for text in (
            b"{",
            b"{}",
            b"{]}{",
            b'{"a":',
            b"{\xff\xfe}",
            b'{"a":1e999}',
            b'{"a":NaN}',
            b'{"a":' + b"9" * 5000 + b"}",
            b'{"__metadata__":7}',
            b'{"__metadata__":null}',
            b'{"a":' + b"[" * 100_000,
            b'{"a":[' + b"[]," * 500_001 + b"1]}",
        )
    },
    "tensors over each other": safetensors({f"t{n}": _ENTRY for n in range(900)}),
    "ten thousand tensors": safetensors(
        {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(10_001)}
    ),
    "a header of UTF-16": safetensors(json.dumps(_entry()).encode("utf-16-le")),
    "a header of UTF-32": safetensors(json.dumps(_entry()).encode("utf-32-le")),
    "a number that is nan": safetensors(_entry(), NUMBERS[:-4] + b"\0\0\xc0\x7f"),
    "an infinite number": safetensors(_entry(), NUMBERS[:-4] + b"\0\0\x80\x7f"),
    "its numbers cut off": safetensors(_entry(), NUMBERS[:-1]),
    "no numbers": safetensors(_entry(), b""),
    "something behind the end": safetensors(_entry(), NUMBERS + b"more"),
    "metadata that is not text": safetensors({**_entry(), "__metadata__": {"a": 1, "b": [2]}}),
    "half letters": safetensors({**_entry(), "__metadata__": {"name": "\ud800"}}),
    "half a letter as word": safetensors({"\ud800": _ENTRY}),
    "the same key twice": safetensors(b'{"emb_params":1,' + _PLAIN[1:]),
    "the same field twice": safetensors(_PLAIN.replace(b'{"dtype"', b'{"shape":[8,2],"dtype"')),
    "metadata twice": safetensors(b'{"__metadata__":{},"__metadata__":{},' + _PLAIN[1:]),
    "a gap before its tensor": safetensors(_entry(data_offsets=[4, 68]), NUMBERS + bytes(4)),
    "a gap between tensors": safetensors(_pair(68), NUMBERS * 3),
    "tensors that overlap": safetensors(_pair(60), NUMBERS * 2),
    "nothing inside of something": safetensors(_pair(8, 0)),
    "sizes that no machine has": safetensors(
        {"emb_params": {"dtype": "F32", "shape": [0, 2**40, 2**40], "data_offsets": [0, 0]}}, b""
    ),
    "sizes that no machine can count": safetensors(
        {"emb_params": {"dtype": "F32", "shape": [2**62, 4, 0], "data_offsets": [0, 0]}}, b""
    ),
    "a number that is not finite": safetensors(b'{"x":1e999,' + _PLAIN[1:]),
    "a nest of five hundred": safetensors(_nested(500)),
}

LARGE_HEADERS: dict[str, Callable[[], bytes]] = {
    "a million names": lambda: safetensors(
        b"{" + b",".join(b'"%d":1' % n for n in range(10**6)) + b"}"
    ),
    "four million fractions": lambda: safetensors(b'{"a":[' + b"0.5," * 4_000_000 + b"1]}"),
    "five million lists": lambda: safetensors(b'{"a":[' + b"[]," * 5_000_000 + b"1]}"),
    "a number of 16 MB": lambda: safetensors(b'{"a":' + b"9" * (_M16 - 9) + b"}"),
    "a fraction of 16 MB": lambda: safetensors(b'{"a":0.' + b"9" * (_M16 - 9) + b"}"),
    "a name of 16 MB": lambda: safetensors(b'{"' + b"a" * (_M16 - 9) + b'":1}'),
    "a wide name of 16 MB": lambda: safetensors(
        b'{"' + b"a" * (_M16 - 19) + "\U0001f600".encode() + b'":1}'
    ),
    "spaces of 16 MB": lambda: safetensors(b'{"a":1' + b" " * (_M16 - 9) + b"}"),
    "a header of 17 MB": lambda: safetensors(b'{"a":1' + b" " * 17 * 2**20 + b"}"),
    "fifty thousand tensors": lambda: safetensors(
        {f"t{n}": {**_ENTRY, "shape": [0], "data_offsets": [0, 0]} for n in range(50_000)}, b""
    ),
}  # fmt: skip

SOUND = {
    "a canary for a name": safetensors({**_entry(), "__metadata__": {"name": "../../canary"}}),
    "metadata that is null": safetensors({**_entry(), "__metadata__": None}),
    "a note twice": safetensors(b'{"__metadata__":{"a":"b","a":"c"},' + _PLAIN[1:]),
    "spaces around": safetensors(b"  " + _PLAIN + b" \n\n "),
    "the same tensor twice": safetensors(_PLAIN[:-1] + b"," + _PLAIN[1:]),
    "something unknown in an entry": safetensors(_entry(x=[{"dtype": 1}])),
    "a note of 15 MB": safetensors({**_entry(), "__metadata__": {"a": "[{," * 5_000_000}}),
    "a wide note of 16 MB": safetensors(
        {**_entry(), "__metadata__": {"a": "a" * (_M16 - 200) + "\U0001f600"}}
    ),
    "a name of 16 MB that no pattern tells": safetensors(
        {"bundle_emb." + "a.string_to_param." * 800_000 + "\n": _ENTRY}
    ),
}

OTHERS = {
    "nothing": b"", "one byte": b"\x80", "zeros": bytes(4096), "ones": b"\xff" * 4096,
    "plain text": b"this is a note about my cat, not an embedding\n",
    "text that begins like a memo": b"i am a text\nof two lines\n",
    "a web page": b"<!DOCTYPE html><html></html>", "lower html": b"\n <html><body>404",
    "an LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    "JSON": b'{"error": "not found"}', "XML": b'<?xml version="1.0"?><a/>',
    "a program": b"\x7fELF\2\1\1" + bytes(99), "a program of Windows": b"MZ\x90\0" + bytes(99),
    "gzip": b"\x1f\x8b\x08\0" + bytes(99), "7z": b"7z\xbc\xaf'\x1c" + bytes(99),
    "rar": b"Rar!\x1a\x07\x01\0" + bytes(99), "tar": b"x" * 257 + b"ustar" + bytes(999),
    "PDF": b"%PDF-1.7\n" + bytes(99), "sqlite": b"SQLite format 3\0" + bytes(99),
    "GIF": b"GIF89a" + bytes(99), "JPEG": b"\xff\xd8\xff\xe0" + bytes(99),
    "a script": b"#!/bin/sh\ntouch canary\n", "Python": b"import os; os.system('touch canary')\n",
    "an array of numpy": b"\x93NUMPY\x01\0v\0{'descr': '|O'}",
    "only the start of a zip": b"PK\3\4", "only the end of a zip": b"PK\5\6" + bytes(18),
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "AVIF": b"\0\0\0\x1cftypavif" + bytes(99),
}  # fmt: skip


def chunk(kind: bytes, body: bytes, length: int | None = None, crc: int | None = None) -> bytes:
    """A chunk of a PNG, which may lie about its length and checksum."""
    real = zlib.crc32(kind + body) if crc is None else crc
    return (
        struct.pack(">I", len(body) if length is None else length)
        + kind
        + body
        + struct.pack(">I", real)
    )


def png(*chunks: bytes, width: int = 8, height: int = 8, data: bytes | None = None) -> bytes:
    """A PNG with these chunks before its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = zlib.compress(bytes(8 * 25)) if data is None else data
    tail = chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + tail


def card(text: Any) -> bytes:
    """A card with this JSON."""
    content = text if isinstance(text, bytes) else json.dumps(text).encode()
    return png(chunk(b"tEXt", f"{_CARD}\0".encode() + base64.b64encode(content)))


def _numbers(rows: Any) -> dict[str, Any]:
    return {"string_to_param": {"*": {"TORCHTENSOR": rows}}}


_KEY = f"{_CARD}\0".encode()
_BOMB = zlib.compress(bytes(2**27), 9)
_ROWS: list[Any] = [
    [],
    [[]],
    None,
    "x",
    [[1], [2, 3]],
    [["a"]],
    [[float("nan")]],
    [[float("inf")]],
    [[1e300]],
    [[[1.0]]],
    {"a": 1},
    [[None]],
    [[10**4000]],
    7,
    [{"TORCHTENSOR": [1]}],
]
CARDS = {
    **{f"numbers like {str(rows)[:24]}": card(_numbers(rows)) for rows in _ROWS},
    **{
        f"text number {number}": card(text)
        for number, text in enumerate(
            (
                b"",
                b"{",
                b"[]",
                b"7",
                b"null",
                b"{}",
                b"\xff\xfe{",
                b"[" * 50_000,
                b"{" * 30_000,
                b'{"a":' + b"9" * 5000 + b"}",
                b"[" + b"1," * 1_010_001 + b"1]",
                json.dumps(_numbers([[1.0]])).encode("utf-16"),
            )
        )
    },
    "broken base64": png(chunk(b"tEXt", _KEY + b"A")),
    "a text that lies": png(chunk(b"tEXt", _KEY + b"AAAA", length=2**31 - 1)),
    "a text of 4 GB": png(chunk(b"tEXt", _KEY + b"AAAA", length=2**32 - 1)),
    "a wrong checksum": png(chunk(b"tEXt", _KEY + b"AAAA", crc=1)),
    "a packed bomb": png(chunk(b"zTXt", _KEY + b"\0" + _BOMB)),
    "an international bomb": png(chunk(b"iTXt", _KEY + b"\1\0\0\0" + _BOMB)),
    "a packed text cut off": png(chunk(b"zTXt", _KEY + b"\0" + _BOMB[:99])),
    "a packed text of noise": png(chunk(b"zTXt", _KEY + b"\0noise")),
    "an international text without ends": png(chunk(b"iTXt", _KEY + b"\0\0en")),
    "only a head": png(chunk(b"tEXt", _KEY + b"AAAA"))[:70],
}

_M24 = 24 * 2**20


def _head(size: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))


def _rows(size: int) -> bytes:
    """Pixels of a large picture in few bytes."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(3 * size + 1)) for _ in range(size)) + packer.flush()


def _moving() -> bytes:
    out = io.BytesIO()
    first, *others = (Image.new("RGB", (900, 900), color) for color in ("red", "blue", "green"))
    first.save(out, "PNG", save_all=True, append_images=others)
    return out.getvalue()


LARGE_CARDS: dict[str, Callable[[], bytes]] = {
    "a long text": lambda: card(b'{"name":"' + b"a" * (_M24 - 20) + b'"}'),
    "wide letters": lambda: card(b'{"name":"' + b"a" * (_M24 - 30) + "\U0001f600".encode() + b'"}'),
    "an escaped letter": lambda: card(b'{"name":"' + b"a" * (_M24 - 40) + b'\\ud83d\\ude00"}'),
    "a million keys": lambda: card(b"{" + b",".join(b'"%d":1' % n for n in range(10**6)) + b"}"),
    "a million notes": lambda: card(
        b'{"metadata":{' + b",".join(b'"%d":""' % n for n in range(900_000)) + b"}}"
    ),
    "a million texts": lambda: card(b"[" + b'"\\ud83d\\ude00",' * 10**6 + b"1]"),
    "a number of 24 MB": lambda: card(b'{"a":' + b"9" * (_M24 - 30) + b"}"),
    "a fraction of 24 MB": lambda: card(b'{"a":0.' + b"9" * (_M24 - 30) + b"}"),
    "a text for a number": lambda: card(_numbers("9" * (_M24 - 90))),
    "a text of letters for a number": lambda: card(_numbers("a" * (_M24 - 90))),
    "a key of 24 MB": lambda: card(b'{"' + b".weight" * 3_000_000 + b'":1}'),
    "a text of 60 MB": lambda: png(chunk(b"tEXt", _KEY + b"A" * 60_000_000)),
}
"""The largest that the limits let in, or nearly."""

LARGE_PICTURES: dict[str, Callable[[], bytes]] = {
    "a second header": lambda: png(_head(4_000), data=_rows(4_000)),
    "a header behind the pixels": lambda: png()[:-12] + _head(4_000) + png()[-12:],
    "eight million pixels": lambda: png(width=4_000, height=2_000, data=_rows(4_000)),
    "another text of 60 MB": lambda: png(chunk(b"iTXt", b"a\0\0\0\0\0" + b"a" * 60_000_000)),
    "packed texts of gigabytes": lambda: png(*[chunk(b"zTXt", b"a\0\0" + _BOMB)] * 16),
    "a profile of 128 MB": lambda: png(chunk(b"iCCP", b"a\0\0" + _BOMB)),
    "five million chunks": lambda: png(chunk(b"juNK", b"") * 5_000_000),
    "pixels of 60 MB": lambda: png(data=zlib.compress(bytes(60_000_000), 0)),
    "moving images": _moving,
}

PICTURES = {
    **{
        f"an image of {w}×{h}": png(width=w, height=h)
        for w, h in ((0, 0), (65535, 65535), (2**31 - 1, 1), (2**32 - 1, 2**32 - 1), (30000, 30000))
    },
    "an ordinary image": png(),
    "pixels of noise": png(data=b"noise"),
    "pixels that are a bomb": png(data=_BOMB),
    "only a signature": b"\x89PNG\r\n\x1a\n",
    "half a signature": b"\x89PNG",
    "pixels cut off": png()[:50],
    "a chunk without end": png(chunk(b"eXIf", b"", length=2**31)),
    "twelve million pixels": png(width=4000, height=3000, data=zlib.compress(bytes(36_003_000))),
}


def _webp(**options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(out, "WEBP", **options)
    return out.getvalue()


def _riff(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    chunk = kind + struct.pack("<I", len(body) if length is None else length) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


WEBP: dict[str, Callable[[], bytes]] = {
    "lossless": lambda: _webp(lossless=True),
    "lossy": lambda: _webp(),
    "cut off": lambda: _webp(lossless=True)[:30],
    "no chunk": lambda: b"RIFF\4\0\0\0WEBP",
    "a RIFF of sound": lambda: b"RIFF\4\0\0\0WAVE",
    "a chunk of 4 GB": lambda: _riff(b"VP8L", b"\x2f\xff\xff\xff\xff", 2**32 - 1),
    "sixteen thousand squared": lambda: _riff(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(20)),
    "a huge canvas": lambda: _riff(b"VP8X", bytes(4) + b"\xff" * 6),
    "moving images": lambda: _riff(b"ANIM", bytes(6)),
    "a million empty chunks": lambda: _riff(b"JUNK", b"JUNK\0\0\0\0" * 100_000),
}


def cases() -> Iterator[Case]:
    """All of these tables."""
    for what, content in HEADERS.items():
        yield broken(f"safetensors with {what}.safetensors"[:200], content, "")
    for what, make in LARGE_HEADERS.items():
        yield broken(f"large safetensors with {what}.safetensors", make, "")
    for what, content in SOUND.items():
        yield harmless(f"safetensors with {what}.safetensors", content)
    for what, content in OTHERS.items():
        yield broken(f"{what} as pickle.bin", content, "")
    for what, content in CARDS.items():
        yield broken(f"card with {what}.png", content, "")
    for what, content in PICTURES.items():
        yield broken(f"image, {what}.png", content, "", listed=False)
    for what, make in LARGE_CARDS.items():
        yield broken(f"large card, {what}.png", make, "")
    for what, make in LARGE_PICTURES.items():
        yield broken(f"large image, {what}.png", make, "", listed=False)
    for what, make in WEBP.items():
        yield broken(f"webp, {what}.webp", make, "", listed=False)
