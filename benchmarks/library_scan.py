"""How fast a library of 10,000 embeddings is listed, beside A1111's way in the same run.

A1111 (`EmbeddingDatabase.load_from_dir`, 1.10) opens and loads every file, each time the folder
has changed. Its restricted unpickler and the hash that it takes of every file are not counted
here: only `torch.load(weights_only=True)` and `safetensors.torch.load_file`. Everything lies in
the system's file cache for both.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from ti_core.files.library import Library

_FOLDERS = 50
_AN_HOUR_AGO = time.time() - 3600


def contents() -> list[tuple[str, bytes]]:
    """(ending, content) of twenty files: what people have, and some that are broken."""
    files = [("safetensors", _safetensors({"emb_params": _rows(n, 768)})) for n in range(1, 9)]
    files += [("pt", _a1111(n, 768)) for n in range(1, 7)]
    files += [
        ("safetensors", _safetensors({"clip_l": _rows(4, 768), "clip_g": _rows(4, 1280)})),
        ("safetensors", _safetensors({"<concept>": _rows(1, 768)})),
        ("bin", _saved({"<concept>": torch.randn(768)})),
        ("pt", _a1111(4, 1024)[:-500]),
        ("pt", b"<!DOCTYPE html><title>404</title>"),
        ("safetensors", b""),
    ]
    return files


def _rows(count: int, width: int) -> torch.Tensor:
    return torch.randn(count, width) * 0.02


def _safetensors(tensors: dict[str, torch.Tensor]) -> bytes:
    return safetensors.torch.save(tensors, {"ti.step": "500", "modelspec.title": "x" * 500})


def _saved(data: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(data, buffer)
    return buffer.getvalue()


def _a1111(count: int, width: int) -> bytes:
    rows = {"*": _rows(count, width)}
    data = {"string_to_token": {"*": 265}, "string_to_param": rows, "name": "x", "step": 500}
    return _saved({**data, "sd_checkpoint": "cc6cb27103", "sd_checkpoint_name": "v1-5"})


def make_files(root: Path, count: int) -> list[Path]:
    """`count` files in sub-folders, an hour old."""
    kinds = contents()
    paths = []
    for number in range(count):
        ending, content = kinds[number % len(kinds)]
        path = root / f"folder {number % _FOLDERS:02}" / f"embedding-{number:05}.{ending}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (_AN_HOUR_AGO, _AN_HOUR_AGO))
        paths.append(path)
    return paths


def load_all(paths: list[Path]) -> int:
    """A1111's way; how many files could be loaded."""
    loaded = 0
    for path in paths:
        try:
            _load(path)
            loaded += 1
        except Exception:  # as A1111 does
            continue
    return loaded


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def best(times: int, task: Callable[[], object]) -> float:
    """Seconds of the fastest of some attempts."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        task()
        found.append(time.perf_counter() - begin)
    return min(found)


def measure(root: Path, cache: Path, count: int) -> dict[str, float]:
    """What was done → seconds."""
    paths = make_files(root, count)
    found = {"A1111's way: open and load every file": best(2, lambda: load_all(paths))}
    starts = iter(range(2))
    cold = best(2, lambda: Library([root], cache / str(next(starts))).refresh())
    found["cold: first scan, index written"] = cold
    library = Library([root], cache)
    library.refresh()
    print(f"{len(library.entries)} embeddings, {len(library.skipped)} skipped")
    found["unchanged, same process"] = best(5, library.refresh)
    found["unchanged, new start with the index"] = best(5, lambda: Library([root], cache).refresh())
    found["  and all entries made"] = best(5, lambda: _entries(root, cache))
    paths[0].write_bytes(contents()[3][1])
    found["one file overwritten"] = best(1, library.refresh)
    return found


def _entries(root: Path, cache: Path) -> object:
    library = Library([root], cache)
    library.refresh()
    return library.entries


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    count = parser.parse_args().files
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "embeddings")
        root.mkdir()
        found = measure(root, Path(folder, "cache"), count)
    floor = next(iter(found.values()))
    print(f"{count} files")
    for name, seconds in found.items():
        print(f"  {name:40} {seconds * 1000:9.1f} ms   {floor / seconds:7.1f} x")


if __name__ == "__main__":
    main()
