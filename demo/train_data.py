"""Stage 2: draws the training images once, into one big file next to their scenes."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from drawing.captions import random_scene
from drawing.world import draw
from numpy.typing import NDArray

from ti_core.demo.scene import SIZE, Scene

_CHUNK = 512


def draw_pictures(folder: Path, count: int, workers: int = 2) -> None:
    """`count` random scenes as pictures.npy (count, 96, 96, 3) uint8 and scenes.json."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "scenes.json").exists():
        return
    shape = (count, SIZE, SIZE, 3)
    sheet = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.uint8, shape)
    scenes: list[Scene] = []
    with get_context("fork").Pool(workers) as pool:
        chunks = pool.imap(_chunk, ((n, min(_CHUNK, count - n)) for n in range(0, count, _CHUNK)))
        for drawn, pictures in chunks:
            sheet[len(scenes) : len(scenes) + len(drawn)] = pictures
            scenes += drawn
    sheet.flush()
    (folder / "scenes.json").write_text(json.dumps([asdict(scene) for scene in scenes]))


def _chunk(job: tuple[int, int]) -> tuple[list[Scene], NDArray[np.uint8]]:
    """Scenes number `first` to `first + count`; their randomness depends on `first` alone."""
    first, count = job
    rng = random.Random(f"train {first}")
    scenes = [random_scene(rng) for _ in range(count)]
    return scenes, np.stack([np.asarray(draw(scene)) for scene in scenes])


def load_scenes(folder: Path) -> list[Scene]:
    """The scenes in the order of the images."""
    return [Scene(**fields) for fields in json.loads((folder / "scenes.json").read_text())]


def load_pictures(folder: Path) -> NDArray[np.uint8]:
    """The images, (N, 96, 96, 3) uint8, read from disk as needed."""
    return np.load(folder / "pictures.npy", mmap_mode="r")
