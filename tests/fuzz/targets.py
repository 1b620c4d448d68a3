"""The readers of strangers' files, for the search after costs: how bytes become a file.

What stands in a file to protect it (lengths, checksums, packing) is put right after each change, so
that the search gets past it.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tests.files.hostile.assembler import legacy, program, raw_zip, table, torch_zip
from tests.files.hostile.containers import card, chunk
from ti_core.data.config import DataConfig
from ti_core.data.dataset import load_dataset
from ti_core.data.latent_cache.portions import read_latent, read_portion, write_portion
from ti_core.data.latent_cache.remembered import _FORMAT as PICTURES
from ti_core.data.latent_cache.remembered import _read as read_remembered
from ti_core.files import library_index
from ti_core.files.reading import read_embeddings
from ti_core.hosts.standalone.checkpoint.reading import CheckpointFile
from ti_core.train.run_folder import RunFolder
from ti_core.train.state import TrainState, read_state, save_state

from .fuzz_files import _SNIPPETS, honest_files

_FILES = "ti_core.files"
_PICKLES = tuple(
    f"{_FILES}.{name}"
    for name in (
        "torch_pickle restricted_unpickler pickle_machine pickle_reader numpy_pickle zip_directory "
        "reading layouts notes embedding"
    ).split()
)
_SAFETENSORS = tuple(
    f"{_FILES}.{name}" for name in "safetensors_file safetensors_header layouts notes".split()
)
_JSON_WORDS = (
    b'{"":1} [[ {{ ]] , : null true -1 0 1e308 9223372036854775807 "F32" "F64" "BF16" "C64" '
    b'"shape" "dtype" "data_offsets" "__metadata__" "emb_params" "clip_l" "clip_g" '
    b'"bundle_emb. .string_to_param. \\ud800 \\u0000'
).split()
_TOML_WORDS = (
    b"[general] [[datasets]] [[datasets.subsets]] image_dir class_tokens num_repeats = [ ] { } "
    b"\"\"\" ''' 1e9 0x 1979-05-27 inf nan true false caption_extension caption_prefix keep_tokens "
    b"prompt_template resolution filename_word_regex caption_tag_dropout_rate enable_bucket "
    b"batch_size is_reg min_bucket_reso max_bucket_reso bucket_reso_steps shuffle_caption (a+)+$"
).split()


@dataclass(frozen=True)
class Target:
    """A reader."""

    read: Callable[[Path], object]
    seeds: Callable[[Path], Iterable[bytes]]
    """What to begin with; gets a folder to work in."""
    ending: str
    instrumented: tuple[str, ...]
    """Modules whose branches guide the search."""
    made: Callable[[bytes], bytes] = bytes
    """The file around the fuzzer's bytes."""
    words: Sequence[bytes] = ()
    pays: bool = False
    """Whether the reader counts what it does."""


_STORAGE = bytes(2**20)


def _pickles(folder: Path) -> list[bytes]:
    """Of every program, without their zips, and some of our own."""
    found = [program(table())]
    for data in honest_files(folder):
        start, end = data.find(b"\x80\x02"), data.find(b".PK", data.find(b"\x80\x02"))
        if data.startswith(b"PK") and 0 <= start < end:
            found.append(data[start : end + 1])
    return found


def _headers(folder: Path) -> list[bytes]:
    files = [data for data in honest_files(folder) if data[8:9] == b"{"]
    return [data[8 : 8 + struct.unpack("<Q", data[:8])[0]] for data in files]


def _with_header(text: bytes) -> bytes:
    """A safetensors file with this header and as many bytes as its tensors claim."""
    ends = re.findall(rb'"data_offsets"\s*:\s*\[\s*\d+\s*,\s*(\d{1,7})\s*\]', text)
    return struct.pack("<Q", len(text)) + text + bytes(max(map(int, ends), default=0))


def _cards(folder: Path) -> list[bytes]:
    """A picture's chunks, each as (kind, size, packed?, content), and the JSON in a card."""
    rows = {"string_to_param": {"*": {"TORCHTENSOR": [[1.0, 2.0]]}}, "name": "a", "step": 1}
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    text = b"sd-ti-embedding\0" + base64.b64encode(json.dumps(rows).encode())
    pixels = bytes(8 * 25)
    return [
        b"J" + json.dumps(rows).encode(),
        b"C" + _part(b"IHDR", head) + _part(b"IDAT", pixels, 1) + _part(b"IEND", b""),
        b"C" + _part(b"IHDR", head) + _part(b"tEXt", text) + _part(b"IEND", b""),
        b"C" + _part(b"IHDR", head) + _part(b"zTXt", text, 1) + _part(b"IEND", b""),
    ]


def _part(kind: bytes, body: bytes, packed: int = 0) -> bytes:
    return kind + struct.pack("<HB", len(body), packed) + body


def _card_of(data: bytes) -> bytes:
    if data[:1] == b"J":
        return card(data[1:])
    out, place = b"\x89PNG\r\n\x1a\n", 1
    while place + 7 <= len(data):
        kind, (size, packed) = data[place : place + 4], struct.unpack_from("<HB", data, place + 4)
        body = data[place + 7 : place + 7 + size]
        out += chunk(kind, _packed(body, packed))
        place += 7 + size
    return out


def _packed(body: bytes, packed: int) -> bytes:
    """As it is, or packed; 128 and more repeat it, as a bomb does."""
    if not packed:
        return body
    key, mark, rest = body.partition(b"\0") if body[:2] == b"sd" else (b"", b"", body)
    head = key + mark + b"\0" if mark else b""
    times = 1 << min((packed - 128) // 8, 9) if packed >= 128 else 1  # no bomb of ours
    return head + zlib.compress(rest * times)


def _datasets(folder: Path) -> list[bytes]:
    """Of one folder with a picture and a caption."""
    pictures = folder / "in"
    pictures.mkdir(exist_ok=True)
    Image.new("RGB", (64, 64), "red").save(pictures / "1-a.png")
    (pictures / "1-a.txt").write_text("a, b, c")
    start = b'[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nimage_dir = "in"\n'
    more = b'class_tokens = "cat"\nnum_repeats = 2\nfilename_word_regex = "\\\\w+"\n'
    return [start, start + more, b"[general]\nenable_bucket = true\n" + start]


def _read_dataset(path: Path) -> None:
    config = DataConfig(dataset_config=str(path), use_object_template=True)
    for item in load_dataset(config, "cat", 64).items[:50]:
        item.pixels()


def _states(folder: Path) -> list[bytes]:
    rows = {"clip_l": torch.ones(2, 8)}
    moments: dict[str, Any] = {
        "0.exp_avg": torch.ones(2, 8),
        "0.step": torch.tensor(3.0),
        "group0.d": 0.5,
    }
    path = save_state(folder, TrainState(3, rows, moments))
    data = path.read_bytes()
    return [data[8 : 8 + struct.unpack("<Q", data[:8])[0]]]


def _latents(folder: Path) -> list[bytes]:
    latents = {f"{n:032x}": torch.ones(2, 4, 8, 8) for n in range(3)}
    place = next(iter(write_portion(folder, latents).values())).path
    data = place.read_bytes()
    return [data[8 : 8 + struct.unpack("<Q", data[:8])[0]]]


def _read_latents(path: Path) -> None:
    for place in read_portion(path).values():
        read_latent(place)


def _library(body: bytes) -> bytes:
    return b"%s %08x\n%s" % (library_index._TITLE, zlib.crc32(body), body)


def _pictures(body: bytes) -> bytes:
    return b"%s %08x\n%s" % (PICTURES, zlib.crc32(body), body)


def _run(path: Path) -> None:
    folder = RunFolder(path.parent / "run")
    folder.path.mkdir(exist_ok=True)
    (folder.path / "events.jsonl").write_bytes(path.read_bytes())
    folder.forget_after(10)
    folder.losses()


_ROW = b'{"folder":{"a.pt":[1,2,"a",3,"",[["a",{"emb_params":[2,8]},1,"","","",{}]]]}}'
_SEEN = b'{"a.png":[1,2,3,4,"' + b"0" * 32 + b'",64,64]}'
_STEP = b'{"event":"StepDone","step":1,"loss":0.5,"rate":0.1}\n'

TARGETS = {
    "pickle": Target(
        read_embeddings, _pickles, ".pt", _PICKLES, lambda data: raw_zip(data, _STORAGE),
        _SNIPPETS, pays=True,
    ),
    "checkpoint": Target(
        CheckpointFile, _pickles, ".ckpt", _PICKLES, lambda data: raw_zip(data, _STORAGE),
        _SNIPPETS, pays=True,
    ),
    "legacy": Target(
        read_embeddings, lambda folder: [legacy(table())], ".bin", _PICKLES, bytes,
        _SNIPPETS, pays=True,
    ),
    "zip": Target(
        read_embeddings, lambda folder: [torch_zip(table())], ".pt", _PICKLES, bytes,
        _SNIPPETS, pays=True,
    ),
    "safetensors": Target(
        read_embeddings, _headers, ".safetensors", _SAFETENSORS, _with_header, _JSON_WORDS
    ),
    "weights": Target(
        CheckpointFile, _headers, ".safetensors", _SAFETENSORS, _with_header, _JSON_WORDS
    ),
    "card": Target(
        read_embeddings, _cards, ".png",
        (f"{_FILES}.card", f"{_FILES}.picture_chunks", f"{_FILES}.inflate", f"{_FILES}.layouts"),
        _card_of, (*_JSON_WORDS, b"IHDR", b"IDAT", b"tEXt", b"zTXt", b"iTXt", b'"TORCHTENSOR"'),
    ),
    "dataset": Target(
        _read_dataset, _datasets, ".toml",
        ("tomllib._parser", "ti_core.data.dataset_file", "ti_core.options"), words=_TOML_WORDS,
    ),
    "state": Target(
        read_state, _states, ".safetensors", ("ti_core.train.state", *_SAFETENSORS), _with_header,
        _JSON_WORDS,
    ),
    "latents": Target(
        _read_latents, _latents, ".safetensors",
        ("ti_core.data.latent_cache.portions", *_SAFETENSORS), _with_header, _JSON_WORDS,
    ),
    "library": Target(
        library_index.load_index, lambda folder: [_ROW], ".index", (f"{_FILES}.library_index",),
        _library, _JSON_WORDS,
    ),
    "pictures": Target(
        read_remembered, lambda folder: [_SEEN], ".index",
        ("ti_core.data.latent_cache.remembered",), _pictures, _JSON_WORDS,
    ),
    "run": Target(
        _run, lambda folder: [_STEP * 3], ".jsonl", ("ti_core.train.run_folder",),
        words=(*_JSON_WORDS, b'"StepDone"', b'"step"', b'"loss"', b'"rate"', b'"event"'),
    ),
}  # fmt: skip
"""Name → reader."""
