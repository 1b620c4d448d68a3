"""Reads files that were honest until random bytes of them were changed.

    python -m tests.fuzz.fuzz_files --seed 1 --seconds 60 [--keep FOLDER]

Every file must be read as an embedding of finite numbers, or be refused by an error with a name,
soon and with little memory. What breaks this promise is kept in FOLDER, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import codecs
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import torch

from tests.files import test_reading as programs
from tests.files.hostile.assembler import legacy, table
from tests.files.hostile.promises import Peak, described, forbidden_events
from ti_core.errors import EmbeddingError, UnsafeFileError
from ti_core.files.embedding import Embedding
from ti_core.files.formats import FORMATS
from ti_core.files.reading import read_embeddings
from ti_core.files.writing import write_embedding

_SLOWEST = 10.0
"""Seconds of processor time for one file; most take a millisecond."""
_MOST_MEMORY = 512 * 2**20
_SNIPPETS = (
    b"cos\nsystem\n cbuiltins\neval\n ccollections\nOrderedDict\n ctorch\nFloatStorage\n "
    b"ctorch._utils\n_rebuild_tensor_v2\n ctorch._utils\n_rebuild_tensor_v3\n "
    b"ctorch._tensor\n_rebuild_from_type_v2\n cnumpy.core.multiarray\n_reconstruct\n "
    b"cnumpy.core.multiarray\nscalar\n cnumpy\ndtype\n ctorch\nSize\n ctorch\ndevice\n "
    b"c_codecs\nencode\n cbuiltins\nset\n cbuiltins\ndict\n "
    b"ctorch._utils\n_rebuild_device_tensor_from_numpy\n "
    b"ctorch.nn.modules.container\nParameterDict\n P1\n R b \x81 \x92 o ( t ] } e u a s h\0 h\1 "
    b"q\0 \x85 \x86 \x87 Q K\5 J\xff\xff\xff\x7f X\2\0\0\0ab N \x88 \x8f \x90 \x91 "
    b"\xff\xff\xff\xff "
    b'\0\0\0\0\0\0\0\0 \x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f { [ " 1e999 NaN -1 \\ud800 '
    b"PK\1\2 PK\3\4 PK\5\6 PK\6\6 PK\6\7 IEND IDAT tEXt zTXt iTXt sd-ti-embedding VP8X VP8L"
).split(b" ")


def honest_files(folder: Path) -> list[bytes]:
    """One of every program's layout, of every format that we write, and of old torch."""
    path, rows = folder / "honest", programs.table(2, 8)
    found = [legacy(table())]
    for save in (*programs.PROGRAMS, programs.old_diffusers):
        save(path, rows)
        found.append(path.read_bytes())
    kept = {"set": {1, 2}, "pair": (1.5, "a", None), "string_to_param": {"*": rows.half()}}
    torch.save(kept, path, _use_new_zipfile_serialization=False)
    return [*found, path.read_bytes(), *_ours(folder, rows)]


def _ours(folder: Path, rows: torch.Tensor) -> list[bytes]:
    embedding = Embedding("cat", {"clip_l": rows}, 500, {"modelspec.trigger_phrase": "cat"})
    found = []
    for kind, form in FORMATS.items():
        for ending in form.endings:
            write_embedding(path := folder / f"ours-{kind}{ending}", embedding, kind)
            found.append(path.read_bytes())
    return found


def damaged(honest: list[bytes], dice: random.Random) -> bytes:
    """One of the files after one to eight changes."""
    data = bytearray(dice.choice(honest))
    for _ in range(dice.choice((1, 1, 2, 3, 5, 8))):
        _change(data or bytearray(b"x"), honest, dice)
    return bytes(data)


def _change(data: bytearray, honest: list[bytes], dice: random.Random) -> None:
    place, kind = dice.randrange(len(data)), dice.random()
    if kind < 0.3:
        data[place] = dice.randrange(256)
    elif kind < 0.6:
        snippet = dice.choice(_SNIPPETS)
        data[place : place + (len(snippet) if dice.random() < 0.7 else 0)] = snippet
    elif kind < 0.7:
        del data[place : place + dice.randrange(1, 9)]
    elif kind < 0.8:
        other = dice.choice(honest)
        start = dice.randrange(len(other))
        data[place:place] = other[start : start + dice.randrange(40)]
    elif kind < 0.95:
        data[place] ^= 1 << dice.randrange(8)
    else:
        del data[max(1, place) :]


class Report:
    """Figures of a run, and what was found."""

    def __init__(self, keep: Path) -> None:
        self.keep, self.outcomes, self.found = keep, Counter[str](), 0
        self.slowest = 0.0

    def take(self, path: Path) -> None:
        """Read one file and hold the reader to its promises."""
        start = time.process_time()
        try:
            outcome = _outcome(path)
        except Exception:
            self.finding(path, traceback.format_exc())
            outcome = "broke a promise"
        self.outcomes[outcome] += 1
        self.slowest = max(self.slowest, spent := time.process_time() - start)
        if spent > _SLOWEST:
            self.finding(path, f"it took {spent:.1f} s")

    def finding(self, path: Path, what: str) -> None:
        """Keep the file."""
        self.found += 1
        kept = self.keep / f"found-{self.found}{path.suffix}"
        kept.write_bytes(path.read_bytes())
        sys.stdout.write(f"{kept}: {what}\n")

    def text(self, cpu: float, memory: int) -> str:
        """For people."""
        total = sum(self.outcomes.values())
        return (
            f"{total:,} files, {dict(self.outcomes)}; slowest {self.slowest:.2f} s, "
            f"{memory / 2**20:.0f} MB above the start, {cpu:.0f} s of processor time, "
            f"{self.found} broken promises"
        )


def _outcome(path: Path) -> str:
    """What became of a file. Raises what breaks a promise."""
    try:
        described(read_embeddings(path))
        return "read"
    except (EmbeddingError, UnsafeFileError) as error:
        str(error).encode("utf-8", "replace")
        return type(error).__name__


def main() -> int:
    """Until the time is up. The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60, help="of processor time")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return _run(Path(folder), Report(options.keep), options.seed, options.seconds)


def _run(folder: Path, report: Report, seed: int, seconds: float) -> int:
    honest, dice = honest_files(folder), random.Random(seed)
    for number, data in enumerate(honest):  # what Python loads at the first use is loaded now
        (folder / f"{number}.pt").write_bytes(data)
        read_embeddings(folder / f"{number}.pt")
    codecs.lookup("raw_unicode_escape")
    events, peak = forbidden_events(), Peak()
    while time.process_time() < seconds:
        path = folder / dice.choice(("f.pt", "f.bin", "f.safetensors", "f.png"))
        path.write_bytes(damaged(honest, dice))
        report.take(path)
        if events:
            report.finding(path, f"it made Python do {events}")
            events.clear()
    text = report.text(time.process_time(), peak.above_start())
    sys.stdout.write(f"seed {seed}: {text}\n")
    return int(report.found > 0 or peak.above_start() > _MOST_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
