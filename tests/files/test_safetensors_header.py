"""A header is taken where the reference implementation takes it, and refused where it does not."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from ti_core.errors import FileError
from ti_core.files.safetensors_file import read_safetensors
from ti_core.files.safetensors_header import header_of

DATA = bytes(range(32))


def entry(dtype: Any = "F32", shape: Any = (2, 3), offsets: Any = (0, 24)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


A, B = entry(), entry("F16", (4,), (24, 32))
PLAIN = json.dumps(A).encode()
FIELDS = PLAIN[1:-1]

HEADERS: dict[str, tuple[Any, int]] = {
    "two tensors": ({"a": A, "b": B}, 32),
    "in another order": ({"b": B, "a": A}, 32),
    "a gap": ({"a": A, "b": entry("F16", (4,), (26, 34))}, 34),
    "a gap before the first": ({"a": entry("F32", (2, 3), (4, 28))}, 28),
    "an overlap": ({"a": A, "b": entry("F16", (4,), (20, 28))}, 28),
    "the same bytes twice": ({"a": A, "b": A}, 24),
    "a byte behind the end": ({"a": A}, 25),
    "a byte too few": ({"a": A}, 23),
    "nothing": ({}, 0),
    "nothing but a byte": ({}, 1),
    "metadata alone": ({"__metadata__": {"a": "b"}}, 0),
    "a tensor twice": (b'{"a":%b,"a":%b}' % (PLAIN, PLAIN), 24),
    "a tensor twice, once broken": (b'{"a":1,"a":%b}' % PLAIN, 24),
    "a tensor twice, once of another size": (
        b'{"a":%b,"a":%b}' % (json.dumps(B).encode(), PLAIN),
        24,
    ),
    "metadata twice": (b'{"__metadata__":{},"__metadata__":{},"a":%b}' % PLAIN, 24),
    "a note twice": (b'{"__metadata__":{"a":"b","a":"c"},"a":%b}' % PLAIN, 24),
    "a field twice": (b'{"a":{"dtype":"F32",%b}}' % FIELDS, 24),
    "another field": (b'{"a":{"x":1,%b}}' % FIELDS, 24),
    "another field twice": (b'{"a":{"x":1,"x":2,%b}}' % FIELDS, 24),
    "metadata that is null": ({"__metadata__": None, "a": A}, 24),
    "a note that is a number": ({"__metadata__": {"a": 1}, "a": A}, 24),
    "a note that is null": ({"__metadata__": {"a": None}, "a": A}, 24),
    "metadata that is a list": ({"__metadata__": [], "a": A}, 24),
    "metadata that is a tensor": ({"__metadata__": A}, 24),
    "half a letter as name": ({"\ud800": A}, 24),
    "half a letter as note": ({"__metadata__": {"a": "\udfff"}, "a": A}, 24),
    "two halves": ({"\U0001f600": A}, 24),
    "two halves turned round": (b'{"\\udc00\\ud800":%b}' % PLAIN, 24),
    "not a number": (b'{"a":{"x":NaN,%b}}' % FIELDS, 24),
    "minus infinity": (b'{"a":{"x":-Infinity,%b}}' % FIELDS, 24),
    "a number too large": (b'{"a":{"x":1e999,%b}}' % FIELDS, 24),
    "fifty digits": (b'{"a":{"x":%b,%b}}' % (b"9" * 50, FIELDS), 24),
    "four hundred digits": (b'{"a":{"x":%b,%b}}' % (b"9" * 400, FIELDS), 24),
    "minus zero": (b'{"a":{"dtype":"F32","shape":[-0,3],"data_offsets":[0,0]}}', 0),
    "a fraction": ({"a": entry(shape=(2.0, 3))}, 24),
    "true": ({"a": entry(shape=(True, 6))}, 24),
    "negative": ({"a": entry(shape=(-2, -3))}, 24),
    "a single number": ({"a": entry(shape=(), offsets=(0, 4))}, 4),
    "no numbers": ({"a": entry(shape=(0, 5), offsets=(0, 0))}, 0),
    "no numbers within others": ({"a": A, "z": entry(shape=(0,), offsets=(8, 8))}, 24),
    "no numbers between others": ({"a": A, "z": entry(shape=(0,), offsets=(24, 24)), "b": B}, 32),
    "no numbers before others": ({"z": entry(shape=(0,), offsets=(0, 0)), "a": A}, 24),
    "no numbers, and huge": ({"a": entry(shape=(2**40, 2**40, 0), offsets=(0, 0))}, 0),
    "too many numbers": ({"a": entry(shape=(2**62, 2**62), offsets=(0, 0))}, 0),
    "three offsets": ({"a": entry(offsets=(0, 24, 24))}, 24),
    "offsets turned round": ({"a": entry(shape=(0,), offsets=(4, 0))}, 4),
    "a space before": (b' {"a":%b}' % PLAIN, 24),
    "spaces behind": (b'{"a":%b} \n\t ' % PLAIN, 24),
    "a zero behind": (b'{"a":%b}\0' % PLAIN, 24),
    "a mark of the byte order": (b'\xef\xbb\xbf{"a":%b}' % PLAIN, 24),
    "a control character": (b'{"a\n":%b}' % PLAIN, 24),
    "a name without letters": ({"": A}, 24),
    "no UTF-8": (b'{"\xff":%b}' % PLAIN, 24),
    "a comma too many": (b'{"a":%b,}' % PLAIN, 24),
    "a nest of 125": (b'{"a":{"x":%b%b,%b}}' % (b"[" * 125, b"]" * 125, FIELDS), 24),
    "a nest of 126": (b'{"a":{"x":%b%b,%b}}' % (b"[" * 126, b"]" * 126, FIELDS), 24),
    "an escaped type": (b'{"a":{"dtype":"F\\u00332","shape":[1],"data_offsets":[0,4]}}', 4),
    "an exponent": (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4e0]}}', 4),
    "a zero before a number": (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,04]}}', 4),
    **{
        f"{count} of {dtype} in {size} bytes": ({"a": entry(dtype, (count,), (0, size))}, size)
        for dtype in "BOOL U8 F8_E8M0 I16 U16 BF16 I32 F32 U64 C64 F4 F6_E2M3 f32 I4".split()
        for count, size in ((1, 1), (2, 1), (4, 3), (1, 2), (1, 4), (1, 8), (2, 8))
    },
}


def packed(header: Any, room: int) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + (DATA * 2)[:room]


def theirs(path: Path) -> str:
    """What the reference says, "" when it takes the file."""
    try:
        with safe_open(path, framework="pt"):
            return ""
    except Exception as error:  # the package has no common base for its errors
        return str(error)


def ours(path: Path) -> str:
    try:
        read_safetensors(path, lambda header: [])
        return ""
    except FileError as error:
        return str(error)


@pytest.mark.parametrize(("header", "room"), HEADERS.values(), ids=HEADERS.keys())
def test_ours_and_the_reference_agree(tmp_path: Path, header: Any, room: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(packed(header, room))
    said = theirs(path)
    if said.startswith("Error while deserializing header: invalid JSON in header: unknown variant"):
        pytest.skip("this version of the reference does not know the type")
    assert bool(ours(path)) == bool(said), said


PIECES = (
    *(b'"__metadata__":{"a":"b"},', b'"__metadata__":null,', b'"a":', b'"dtype":"F16"', b'"F32"'),
    *(b'"shape":[2,3]', b'"data_offsets":[0,24]', b'"x":1,', b"NaN", b"null", b"true", b"1e400"),
    *(b"2.0", b"-0", b"24", b"8", b"0", b"9" * 20, b"\\ud800", b"\\u0061", b"\xc3\xa9", b"\xff"),
    *(bytes([each]) for each in b',{}[]":\\ -\n\0'),
)


def changed(text: bytes, dice: random.Random) -> bytes:
    """A header after a change that often makes no difference."""
    place, kind = dice.randrange(len(text) + 1), dice.random()
    if kind < 0.3:
        return text[:place] + dice.choice(PIECES) + text[place:]
    if kind < 0.6:
        return text[:place] + text[place + dice.choice((1, 1, 2, 5)) :]
    digits = [number for number, each in enumerate(text) if each in b"0123456789"]
    if kind < 0.9 and digits:
        place = dice.choice(digits)
        return text[:place] + dice.choice((b"0", b"2", b"4", b"8")) + text[place + 1 :]
    return text + text[place : place + 40]


def test_ours_and_the_reference_agree_about_damage(tmp_path: Path) -> None:
    """Three thousand files, of which a twentieth or more are taken."""
    dice, path, taken = random.Random(5), tmp_path / "a.safetensors", 0
    sound = [
        each for each in HEADERS.values() if path.write_bytes(packed(*each)) and not theirs(path)
    ]
    for _ in range(3000):
        header, room = dice.choice(sound)
        text = packed(header, 0)[8:]
        for _ in range(dice.choice((1, 1, 2))):
            text = changed(text, dice)
        path.write_bytes(packed(text, max(0, room + dice.choice((0, 0, 0, 0, 1, -1)))))
        said = theirs(path)
        assert bool(ours(path)) == bool(said), (path.read_bytes(), said, ours(path))
        taken += not said
    assert 150 < taken < 2000


LIMITS = {
    "many names": b"{" + b",".join(b'"%d":1' % n for n in range(250_001)) + b"}",
    "many numbers": b'{"a":[' + b"0.5," * 600_001 + b"1]}",
    "many lists": b'{"a":[' + b"[]," * 200_001 + b"1]}",
    "many ends": b'{"a":' + b"]" * 600_001,
}


@pytest.mark.parametrize("text", LIMITS.values(), ids=LIMITS.keys())
def test_more_than_a_model_needs_is_not_even_parsed(text: bytes) -> None:
    with pytest.raises(ValueError, match="more entries than any model needs"):
        header_of(text, 0)


def test_what_is_in_notes_is_not_counted() -> None:
    """A LoRA's note of all tags of its pictures is JSON within JSON."""
    tags = json.dumps({f"tag, {n}": [{"[": n}] for n in range(200_000)})
    note = {"ss_tag_frequency": tags, "path": "C:\\\\", "quote": '\\"'}
    assert header_of(json.dumps({"__metadata__": note}).encode(), 0) == {"__metadata__": note}


def test_a_tensor_of_more_dimensions_than_any_has_is_refused() -> None:
    """The reference takes it."""
    text = json.dumps({"a": entry(shape=(1,) * 17, offsets=(0, 4))}).encode()
    with pytest.raises(ValueError, match="not described correctly"):
        header_of(text, 4)
