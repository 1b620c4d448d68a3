"""Files that we write ourselves and read later, as somebody else might write them: states of runs,
cached latents, and the indexes of pictures and libraries."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ti_core.data.latent_cache import remembered
from ti_core.data.latent_cache.portions import write_portion
from ti_core.demo.assets import model_folder
from ti_core.files import library_index
from ti_core.train.state import TrainState, save_state

from . import containers, hypernetworks
from .case import Case, answered, writer
from .readers import RUN
from .texts import PLACES, SETTINGS, SUBSET, TEXTS, dataset

Make = Callable[[Path], object]
_ROWS = {"emb_params": torch.ones(2, 8)}
_MOMENTS: dict[str, Any] = {
    **{f"0.{name}": torch.ones(2, 8) for name in ("exp_avg", "exp_avg_sq")},
    "0.step": torch.tensor(3.0),
}

STATES: dict[str, dict[str, Any]] = {
    "no step": {"step": None},
    "a step of words": {"step": "a"},
    "a negative step": {"step": -1},
    "a step of many digits": {"step": 10**400},
    "a list for a step": {"step": [1]},
    "an unknown optimiser": {"optimizer": "os.system"},
    "a number for an optimiser": {"optimizer": 7},
    "an infinite scale": {"loss_scale": float("inf")},
    "a scale that is nan": {"loss_scale": float("nan")},
    "a scale of nothing": {"loss_scale": 0},
    "a factor of words": {"rate_factor": "x"},
    "a list of facts": {"facts": [1]},
    "facts of numbers": {"facts": {"model": 7}},
    "an unknown value": {"__class__": "os.system"},
    "moments without an owner": {"moments": {"x": 1}},
    "moments of a foreign owner": {"moments": {"99999999.exp_avg": 1, "group7.d": 1}},
    "moments of many digits": {"moments": {"9" * 5000 + ".a": 1}},
    "moments that are a list": {"moments": [1]},
    "a million moments": {"moments": {f"0.{n}": n for n in range(100_000)}},
}
TENSORS: dict[str, dict[str, torch.Tensor]] = {
    "no tensors": {},
    "a scalar": {"emb_params": torch.ones(())},
    "no rows": {"emb_params": torch.ones(0, 8)},
    "whole numbers": {"emb_params": torch.ones(2, 8, dtype=torch.int64)},
    "nan": {"emb_params": torch.full((2, 8), float("nan"))},
    "eight dimensions": {"emb_params": torch.ones((1,) * 8)},
    "a name of many letters": {"a" * 100_000: torch.ones(2, 8)},
    "many names": {f"t{n}": torch.ones(1) for n in range(9000)},
}
ROWS: dict[str, bytes] = {
    **TEXTS,
    "rows that are numbers": b'{"a": 1}',
    "rows that are short": b'{"a": [1]}',
    "rows of rows": b'{"a": {"b": [[[]], [], [], [], [], [], []]}}',
    "huge numbers": b'{"a.png": [' + b"9" * 4000 + b',1,1,1,"' + b"0" * 32 + b'",1,1]}',
    "negative sides": b'{"a.png": [1,1,1,1,"' + b"0" * 32 + b'",-1,1]}',
    "a digest of words": b'{"a.png": [1,1,1,1,"os.system",1,1]}',
    "forty megabytes of lists": b"[" + b"[]," * 14_000_000 + b"1]",
    "forty megabytes of text": b'{"a":"' + b"x" * 40_000_000 + b'"}',
    "a folder of numbers": b'{"f": {"a.pt": [1,2,3,4,5,[[1,2,3,4,5,6,7,8]]]}}',
    "a folder of nothing": b'{"f": {"a.pt": null}, "g": null}',
}


def cases() -> Iterator[Case]:
    """By what they are."""
    for what, values in STATES.items():
        yield answered(f"state with {what}", "state", _state(values))
    for what, tensors in TENSORS.items():
        yield answered(f"state of {what}", "state", _state({"tensors": tensors}))
        latents = {key.ljust(32, "0")[:32]: each for key, each in tensors.items()}
        yield answered(f"latents of {what}.safetensors", "latents", _portion(latents))
    for what, content in containers.HEADERS.items():
        yield answered(f"latents with {what}.safetensors"[:200], "latents", writer(content))
    for what, content in ROWS.items():
        yield answered(f"index of images with {what}", "pictures", _pictures(content))
        yield answered(f"index of a library with {what}", "library", writer(_library(content)))
    for what, make in PLACES.items():
        yield answered(f"state in place of {what}", "state", _placed(make))
        yield answered(f"latents in place of {what}", "latents", make)
        yield answered(f"library in place of {what}", "library", make)
        yield answered(f"images in place of {what}", "pictures", _index(make))
    for number, lines in enumerate(EVENTS):
        yield answered(f"run with events {number}", "run", _run(lines))


def _state(values: dict[str, Any]) -> Make:
    """A folder of states with one that the writer wrote, whatever it was given."""

    def put(path: Path) -> None:
        path.mkdir()
        try:
            save_state(path, replace(TrainState(3, dict(_ROWS), dict(_MOMENTS)), **values))
        except Exception:  # what it cannot write is written by hand
            told = json.dumps({"step": 3, "moments": {}, **values}, default=str)
            head = json.dumps({"__metadata__": {"state": told}}).encode()
            content = struct.pack("<Q", len(head)) + head
            (path / "state-000003.safetensors").write_bytes(content)

    return put


def _placed(make: Make) -> Make:
    def put(path: Path) -> None:
        path.mkdir()
        make(path / "state-000003.safetensors")

    return put


def _portion(latents: dict[str, torch.Tensor]) -> Make:
    """Written by the writer, as far as it goes."""

    def put(path: Path) -> None:
        folder = path.parent / f"{path.stem} by the writer"
        folder.mkdir()
        try:
            write_portion(folder, latents)
        except Exception:  # it refuses to read what it has written
            assert list(folder.iterdir())
        next(folder.iterdir()).rename(path)

    return put


def _library(body: bytes) -> bytes:
    head = (library_index._TITLE, zlib.crc32(body))
    return b"%s %08x\n%s" % (*head, body)


def _pictures(body: bytes) -> Make:
    content = b"%s %08x\n%s" % (remembered._FORMAT, zlib.crc32(body), body)
    return _index(writer(content))


def _index(make: Make) -> Make:
    """The index about a folder lies in it, and a picture, too."""

    def put(path: Path) -> None:
        folder = path.with_name(f"{path.name} folder")
        folder.mkdir()
        digest = hashlib.sha256(str(folder).encode()).hexdigest()
        make(folder / f"pictures-{digest[:16]}.index")
        (folder / "a.png").write_bytes(containers.png())
        path.symlink_to(folder)

    return put


_STEP = '{"event": "StepDone", "step": %s, "loss": %s, "rate": %s}\n'
EVENTS = (
    _STEP % (1, 0.5, 0.1),
    _STEP % ('"a"', 0.5, 0.1) + _STEP % (2, 0.5, 0.1),
    _STEP % ("[1]", 0.5, 0.1),
    _STEP % ("null", "null", "null") + _STEP % (1, 1, 1),
    _STEP % ("1" * 4000, "1e999", "NaN"),
    '{"event": "StepDone"}\n',
    '{"step": 1}\n',
    "7\n[]\nnull\n",
    '{"event": ["StepDone"], "step": {}}\n',
    "[" * 50_000 + "\n",
    _STEP % (1, '"x"', "[]"),
    _STEP % (1, 0.5, 0.1) * 20_000,
)


def _run(lines: str) -> Make:
    def put(path: Path) -> None:
        run = path / RUN
        run.mkdir(parents=True)
        (run / "settings.json").write_text(SETTINGS)
        (run / "events.jsonl").write_text(lines)
        (run / "state").mkdir()
        save_state(run / "state", TrainState(3, dict(_ROWS), dict(_MOMENTS)))

    return put


SOUND: dict[str, Make] = {
    "model": lambda path: path.symlink_to(model_folder()),
    "dataset": dataset(SUBSET),
    "template": writer(b"a photo of [name]"),
    "prompts": writer(b"a cat --w 64"),
    "caption": writer(b"a cat"),
    "hypernetwork": writer(hypernetworks.SOUND),
    "latents": _portion({"0" * 32: torch.ones(2, 4, 8, 8)}),
    "pictures": _pictures(b'{"a.png": [1,1,1,1,"' + b"0" * 32 + b'",1,1]}'),
    "library": writer(_library(b"{}")),
    "run": _run(_STEP % (1, 0.5, 0.1)),
    "state": _state({}),
}
"""What each reader reads: with it everything is loaded that Python loads late."""
