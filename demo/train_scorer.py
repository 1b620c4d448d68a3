"""Trains the small network of the scorer on drawings (never on generated images).

    python demo/train_scorer.py

Its drawings come from other seeds than the model's; a third of them go through the model's VAE,
because whatever the model makes has been through it. The last 3000 are kept apart for the test.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from describer import shape_glyph, texture_glyph  # noqa: E402
from drawing.captions import random_scene  # noqa: E402
from drawing.styles import style  # noqa: E402
from drawing.world import draw  # noqa: E402

from ti_core.demo.scene import Scene  # noqa: E402
from ti_core.demo.scorer import HEADS, SHAPES, TEXTURES, UNNAMED, Eye, Scorer  # noqa: E402
from ti_core.files.safetensors_file import write_safetensors  # noqa: E402

TRAIN, TEST, EPOCHS, BATCH, RATE = 32_000, 3_000, 8, 64, 2e-3
IGNORED = -100


def worn(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The drawing as a generator might render it: uneven, soft, noisy, reduced or compressed."""
    if rng.random() < 0.5:
        picture = picture.transform((96, 96), Image.Transform.MESH, _uneven(rng), 2)
    if rng.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.0)))
    if rng.random() < 0.3:
        small = rng.randint(56, 90)
        picture = picture.resize((small, small)).resize((96, 96), Image.Resampling.BICUBIC)
    if rng.random() < 0.3:
        memory = io.BytesIO()
        picture.save(memory, "JPEG", quality=rng.randint(35, 90))
        picture = Image.open(memory).convert("RGB")
    if rng.random() < 0.4:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(1, 9), (96, 96, 3))
        picture = Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))
    return picture


def _uneven(rng: random.Random) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    """A mesh of 16 px cells whose inner corners are moved by a pixel or so."""
    reach = rng.uniform(0.5, 2.0)
    moved = {
        (x, y): (x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach))
        for x in range(0, 97, 16)
        for y in range(0, 97, 16)
    }
    around = ((0, 0), (0, 16), (16, 16), (16, 0))
    return [
        ((x, y, x + 16, y + 16), tuple(v for dx, dy in around for v in moved[x + dx, y + dy]))
        for x in range(0, 96, 16)
        for y in range(0, 96, 16)
    ]


@torch.no_grad()
def through_vae(
    pictures: list[Image.Image], rng: random.Random, share: float = 0.33
) -> list[Image.Image]:
    """A share of the images as the model's VAE gives them back."""
    vae = AutoencoderKL.from_pretrained(ROOT / "demo/model/vae", torch_dtype=torch.float32)
    chosen = rng.sample(range(len(pictures)), int(share * len(pictures)))
    for at in range(0, len(chosen), BATCH):
        rows = chosen[at : at + BATCH]
        pixels = _floats(np.stack([np.asarray(pictures[row]) for row in rows])) * 2 - 1
        got = vae.decode(vae.encode(pixels).latent_dist.mean).sample
        made = ((got.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        for row, picture in zip(rows, made, strict=True):
            pictures[row] = Image.fromarray(picture)
    return pictures


def random_scenes(rng: random.Random, count: int) -> list[Scene]:
    """Scenes of which nameless shapes and textures are a fair part, not half."""
    found: list[Scene] = []
    while len(found) < count:
        scene = random_scene(rng, described=0.2, held_out=0.18)
        nameless = scene.shape not in SHAPES or scene.texture not in TEXTURES
        if not nameless or rng.random() < 0.35:
            found.append(scene)
    return found


def examples(
    seed: str, count: int
) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]], list[Scene]]:
    """Images (n, 96, 96, 3) uint8, labels per head (n,), and the scenes."""
    rng = random.Random(f"scorer {seed}")
    scenes = random_scenes(rng, count)
    drawn = through_vae([draw(scene) for scene in scenes], rng)
    pictures = np.stack([np.asarray(worn(picture, rng)) for picture in drawn])
    return pictures, {head: _labels(scenes, head) for head in HEADS}, scenes


def _labels(scenes: list[Scene], head: str) -> NDArray[np.int64]:
    return np.array([_label(scene, head) for scene in scenes])


def _label(scene: Scene, head: str) -> int:
    """The class number; textures of hollow figures cannot be seen and are not asked for, and what
    has no name but looks like something that has one is neither right nor wrong."""
    if head == "texture" and style(scene.style).hollow:
        return IGNORED
    name = getattr(scene, head)
    if name not in HEADS[head] and _twin(head, name):
        return IGNORED
    return HEADS[head].index(name if name in HEADS[head] else UNNAMED)


@lru_cache(maxsize=100_000)
def _twin(head: str, name: str) -> bool:
    """Whether a nameless outline or texture is all but equal to a named one."""
    if head in ("style", "colour"):
        return False
    glyph, names = (shape_glyph, SHAPES) if head == "shape" else (texture_glyph, TEXTURES)
    own = glyph(name) / 255.0
    known = [glyph(other) / 255.0 for other in names if other != UNNAMED]
    overlaps = [np.minimum(own, k).sum() / max(np.maximum(own, k).sum(), 1) for k in known]
    return max(overlaps) > 0.84


def train(pictures: NDArray[np.uint8], labels: dict[str, NDArray[np.int64]]) -> Eye:
    """Cross-entropy on the four answers; AdamW with a cosine rate."""
    torch.manual_seed(3)
    eye, steps = Eye(), EPOCHS * (len(pictures) // BATCH)
    eye.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch knows it
    optimiser = torch.optim.AdamW(eye.parameters(), RATE, weight_decay=0.02)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE * 1.5, steps)
    order, began = np.random.default_rng(3), time.time()
    for step in range(steps):
        rows = order.integers(0, len(pictures), BATCH)
        told = eye(_floats(pictures[rows]))
        losses = [
            functional.cross_entropy(
                told[head], torch.from_numpy(labels[head][rows]), label_smoothing=0.02,
                ignore_index=IGNORED,
            )
            for head in HEADS
        ]  # fmt: skip
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        optimiser.step()
        rates.step()
        if step % 200 == 0:
            text = " ".join(f"{loss.item():.3f}" for loss in losses)
            print(f"scorer {step}/{steps} {text} {time.time() - began:.0f}s", flush=True)
    return eye


def _floats(pictures: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def accuracy(scorer: Scorer, seed: str, count: int) -> dict[str, float]:
    """The share of right answers on fresh drawings, for each kind of answer."""
    pictures, labels, scenes = examples(seed, count)
    readings = [scorer.read(Image.fromarray(picture)) for picture in pictures]
    found = {}
    for head, classes in HEADS.items():
        asked = [n for n in range(count) if labels[head][n] != IGNORED]
        right = [getattr(readings[n], head) == classes[labels[head][n]] for n in asked]
        found[head] = float(np.mean(right))
    right = [r.background == s.background for r, s in zip(readings, scenes, strict=True)]
    return {**found, "background": float(np.mean(right))}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=ROOT / "demo" / "scorer.safetensors")
    options.add_argument("--threads", type=int, default=2)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    pictures, labels, _ = examples("train", TRAIN)
    eye = train(pictures, labels)
    tensors = {name: value.half().contiguous() for name, value in eye.state_dict().items()}
    write_safetensors(given.out, tensors, {"title": "demo scorer"})
    result = accuracy(Scorer.load(given.out), "test", TEST)
    print(json.dumps(result, indent=1))
    given.out.with_name("scorer.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
