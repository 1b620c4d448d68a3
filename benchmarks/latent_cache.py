"""Starting to train on 10,000 images: latents kept on the disk, beside other programs' ways.

A1111 (`PersonalizedBase`, 1.10) encodes every image at every start and holds all latents in
memory. kohya's scripts (`--cache_latents_to_disk`) write one .npz beside each image, and open all
of them at the next start. Both are done here with the same images and the same VAE, one
convolution, so that the figures are about all the rest. Each way has a process of its own;
everything lies in the system's file cache. Last, photographs are encoded by a VAE that only waits,
as for a graphics card: each decoded before it, and beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from ti_core.data.config import DataConfig
from ti_core.data.dataset import Dataset, load_dataset
from ti_core.data.item import Item
from ti_core.data.latent_cache.config import CacheConfig
from ti_core.data.latent_cache.latents import Latents, latents_of
from ti_core.data.latent_cache.remembered import RememberedPictures
from ti_core.data.picture_facts import read_facts
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.port.session import LatentDistribution, Session

_AN_HOUR_AGO = time.time() - 3600
_DRAWN = 64
"""Side of the image files: small ones are drawn quickly, and enlarged like any other."""
_PHOTOGRAPHS, _PHOTOGRAPH = 40, (2000, 1500)
"""How many, and width and height."""
_VAE_SECONDS = 0.1
"""Of the clock, for an image."""
Ready = Callable[[int], torch.Tensor]
"""After a start: number of an image → its latent."""


def draw(folder: Path, count: int) -> None:
    """`count` images, an hour old, each with a gradient and a block of its own."""
    folder.mkdir()
    ramp = np.arange(_DRAWN, dtype=np.uint8)
    base = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(9)), axis=2) * 4
    for number in range(count):
        values = base.copy()
        left, top = number % 48, number // 48 % 48
        values[top : top + 16, left : left + 16] = number % 251
        values[0, 0] = [number >> 16, number >> 8 & 255, number & 255]
        path = folder / f"{number:05}.png"
        Image.fromarray(values).save(path, compress_level=1)
        os.utime(path, (_AN_HOUR_AGO, _AN_HOUR_AGO))


class Way:
    """One way to get ready for training; see `WAYS`."""

    def __init__(self, root: Path, side: int) -> None:
        self.root, self.side = root, side
        self.config = DataConfig(
            train_data_dir=str(root / "pictures"),
            resolution=(side, side),
            resize_mode="stretch",
            use_object_template=True,
        )

    def a1111(self, session: Session) -> Ready:
        """Encode all, draw from the posterior once, hold the latents."""
        held = []
        for path in sorted((self.root / "pictures").glob("*.png")):
            with Image.open(path) as file:
                image = file.convert("RGB").resize((self.side, self.side), Image.Resampling.BICUBIC)
            values = np.array(image).astype(np.uint8)
            values = (values / 127.5 - 1.0).astype(np.float32)
            found = session.encode_images(torch.from_numpy(values).permute(2, 0, 1)[None])
            held.append((found.mean + found.std * torch.randn(found.mean.shape))[0])
        return held.__getitem__

    def kohya(self, session: Session) -> Ready:
        """Write what is missing, look into every file that is there."""
        paths = sorted((self.root / "pictures").glob("*.png"))
        for path in paths:
            kept = path.with_name(f"{path.stem}_{self.side}x{self.side}_sd.npz")
            if not (kept.exists() and "latents" in np.load(kept)):
                self._write_npz(path, kept, session)
        kept_all = [path.with_name(f"{path.stem}_{self.side}x{self.side}_sd.npz") for path in paths]
        return lambda number: torch.from_numpy(np.load(kept_all[number])["latents"])

    def _write_npz(self, path: Path, kept: Path, session: Session) -> None:
        with Image.open(path) as file:
            image = file.convert("RGB").resize((self.side, self.side), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)
        found = session.encode_images(pixels[None])
        latents = (found.mean + found.std * torch.randn(found.mean.shape))[0].numpy()
        size = np.array([_DRAWN, _DRAWN])
        np.savez(kept, latents=latents, original_size=size, crop_ltrb=np.array([0, 0, 0, 0]))

    def memory(self, session: Session) -> Ready:
        """Ours, without a cache on the disk."""
        dataset = load_dataset(self.config, "word", self.side, read_facts)
        return _ready(dataset, latents_of(dataset.views(), session, CacheConfig()))

    def disk(self, session: Session) -> Ready:
        """Ours, with --cache_latents_to_disk."""
        cache = CacheConfig(
            cache_latents_to_disk=True,
            latent_cache_dir=str(self.root / "cache"),
            latent_cache_gb=100,
        )
        look = RememberedPictures(cache.folder)
        dataset = load_dataset(self.config, "word", self.side, look)
        look.save()
        return _ready(dataset, latents_of(dataset.views(), session, cache))


def _ready(dataset: Dataset, latents: Latents) -> Ready:
    return lambda number: latents[dataset.items[number].key]


WAYS = {
    "A1111: all in memory, every start": "a1111",
    "kohya: first start": "kohya",
    "kohya: second start": "kohya",
    "in memory, every start": "memory",
    "on disk: first start": "disk",
    "on disk: second start": "disk",
}


def measured(way: str, root: Path, side: int, count: int) -> dict[str, float]:
    """One start and then every latent once, as an epoch sees them: seconds ("busy" and "read": of
    the processor, which others may use as well) and megabytes."""
    with FakeHost().session() as session:
        before, begin, busy = _peak(), time.perf_counter(), time.process_time()
        ready = getattr(Way(root, side), way)(session)
        started, busy = time.perf_counter() - begin, time.process_time() - busy
        begin = time.process_time()
        for number in torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist():
            assert ready(number).shape[-1] == side // 8
        epoch = time.process_time() - begin
    return {"start": started, "busy": busy, "read": epoch / count, "peak": _peak() - before}


def _peak() -> float:
    """Megabytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process_of_its_own(way: str, root: Path, side: int, count: int) -> dict[str, float]:
    """See `measured`."""
    command = [sys.executable, __file__, "--way", way, "--root", str(root)]
    command += ["--side", str(side), "--pictures", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


class Waiting(FakeSession):
    """Its VAE takes its time, and no processor."""

    def encode_images(self, pixels: torch.Tensor) -> LatentDistribution:
        """As a fake session's, later."""
        time.sleep(_VAE_SECONDS)
        return super().encode_images(pixels)


def overlapped(folder: Path, side: int, count: int = _PHOTOGRAPHS) -> tuple[float, float]:
    """Seconds to encode photographs, each decoded before the VAE, and beside it."""
    folder.mkdir()
    ramp = Image.linear_gradient("L").resize(_PHOTOGRAPH)
    for number in range(count):
        colours = [ramp.rotate(angle) for angle in (0, 180, number)]
        Image.merge("RGB", colours).save(folder / f"{number:05}.jpg")
    config = DataConfig(
        train_data_dir=str(folder), resolution=(side, side), use_object_template=True
    )
    items = load_dataset(config, "word", side, read_facts).items
    return _seconds(items, once=False), _seconds(items, once=True)


def _seconds(items: Sequence[Item], once: bool) -> float:
    began = time.perf_counter()
    latents = latents_of(items, Waiting(FakeHost(), "no"), CacheConfig(cache_latents=once))
    for item in items:
        assert latents[item.key].shape[0] == 2
    return time.perf_counter() - began


def report(name: str, found: dict[str, float], count: int) -> str:
    """One line of the table."""
    speed = count / found["busy"]
    return (
        f"  {name:36} {found['start']:8.1f} s {found['busy']:8.1f} s {speed:8.0f} /s "
        f"{found['read'] * 1e3:8.2f} ms {found['peak']:8.0f} MB"
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=256, help="pixels, to train at")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    typed = parser.parse_args()
    torch.set_num_threads(1)
    if typed.way:
        print(json.dumps(measured(typed.way, typed.root, typed.side, typed.pictures)))
        return
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder, "pictures"), typed.pictures)
        print(f"{typed.pictures} pictures at {typed.side} x {typed.side}")
        heads = ("until ready", "processor", "pictures", "a latent", "memory")
        print(f"  {'':35}" + "".join(f"{head:>11}" for head in heads))
        for name, way in WAYS.items():
            found = in_a_process_of_its_own(way, Path(folder), typed.side, typed.pictures)
            print(report(name, found, typed.pictures), flush=True)
        portions = list(Path(folder, "cache").rglob("*.safetensors"))
        size = sum(path.stat().st_size for path in portions) / 1e6
        print(f"  on disk: {len(portions)} files, {size:.0f} MB")
        before, beside = overlapped(Path(folder, "photographs"), typed.side)
        print(f"  {_PHOTOGRAPHS} photographs, a VAE of {_VAE_SECONDS * 1e3:.0f} ms an image:")
        print(
            f"  decoded before it {before:.1f} s, beside it {beside:.1f} s: {beside / before:.2f}"
        )


if __name__ == "__main__":
    main()
