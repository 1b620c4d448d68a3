"""Stage 4: the UNet and the text encoder, together, on the latents of the drawn images."""

from __future__ import annotations

import copy
import random
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from describer import JITTER, WORD_SPREAD, Describer, shape_glyph, texture_glyph
from diffusers import DDIMScheduler, UNet2DConditionModel
from drawing.captions import caption
from numpy.typing import NDArray
from torch import nn
from train_optimizer import MuonAndAdam
from train_tokenizer import END, LENGTH, START
from transformers import CLIPTextConfig, CLIPTextModel

from ti_core.demo import lexicon
from ti_core.demo.scene import Scene

Tensors = tuple[torch.Tensor, ...]
WIDTH, PICTURES, STEPS = 128, 24, 7_200
#: The rate falls linearly to 0 over the last part of the way.
RATE, WARM_UP, FALL = 2e-3, 150, 0.7
#: High noise comes more often (that is where words matter), and every third picture is one without
#: invented things.
LATE_POWER, PLAIN_SHARE = 0.8, 0.35
DROPPED, RENAMED = 0.1, 0.2  # captions left empty; named things that are described instead


def new_unet() -> UNet2DConditionModel:
    """Two levels, cross-attention at both and in the middle: words steer textures too."""
    return UNet2DConditionModel(
        sample_size=12,
        block_out_channels=(64, 112),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def new_text_encoder(vocabulary: dict[str, int]) -> CLIPTextModel:
    """CLIP's text transformer, three layers of width 128."""
    config = CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, intermediate_size=4 * WIDTH,
        projection_dim=WIDTH, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=LENGTH, bos_token_id=vocabulary[START],
        eos_token_id=vocabulary[END], pad_token_id=vocabulary[END],
    )  # fmt: skip
    model = CLIPTextModel(config)
    nn.init.normal_(word_table(model).weight, std=WORD_SPREAD)
    return model


def word_table(text: CLIPTextModel) -> nn.Embedding:
    """The table of word vectors inside a CLIPTextModel."""
    table = text.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    return table


def schedule() -> DDIMScheduler:
    """Stable Diffusion 1's noise schedule."""
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip


class Student(nn.Module):
    """All that is trained together; the describers are thrown away afterwards."""

    def __init__(self, vocabulary: dict[str, int]) -> None:
        super().__init__()
        self.unet = new_unet()
        self.unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch knows it
        self.text = new_text_encoder(vocabulary)
        self.shapes, self.textures = Describer(WIDTH), Describer(WIDTH)


@dataclass
class Sentence:
    """Token ids (77,) of a caption, and the glyphs that stand in it instead of words."""

    ids: NDArray[np.int64]
    shape: tuple[int, NDArray[np.uint8]] | None = None  # position, glyph
    texture: tuple[int, NDArray[np.uint8]] | None = None


def sentence(scene: Scene, rng: random.Random, vocabulary: dict[str, int]) -> Sentence:
    """A caption of the scene as numbers; a tenth of them empty."""
    found = Sentence(np.full(LENGTH, vocabulary[END]))
    found.ids[0] = vocabulary[START]
    if rng.random() < DROPPED:
        return found
    described = rng.random() < RENAMED, rng.random() < RENAMED
    for at, word in enumerate(caption(scene, rng).split()[: LENGTH - 2], 1):
        found.ids[at] = vocabulary.get(f"{word}</w>", vocabulary[END])
        if word.startswith("#s") or (described[0] and word in _SHAPES):
            found.shape = at, shape_glyph(word)
        elif word.startswith("#t") or (described[1] and word in _TEXTURES):
            found.texture = at, texture_glyph(word)
    return found


_SHAPES = {*lexicon.NAMED_SHAPES, *lexicon.SHAPE_NAMES}
_TEXTURES = {*lexicon.NAMED_TEXTURES, *lexicon.TEXTURE_NAMES}


def encode(student: Student, sentences: list[Sentence]) -> torch.Tensor:
    """The hidden states (n, 77, 128) of sentences whose glyphs become word vectors."""

    def insert(_module: nn.Module, _given: Tensors, vectors: torch.Tensor) -> torch.Tensor:
        for describer, kind in ((student.shapes, "shape"), (student.textures, "texture")):
            slots = [
                (row, *getattr(s, kind)) for row, s in enumerate(sentences) if getattr(s, kind)
            ]
            if slots:
                vectors = _placed(vectors, slots, describer)
        return vectors

    hook = word_table(student.text).register_forward_hook(insert)
    ids = torch.from_numpy(np.stack([s.ids for s in sentences]))
    try:
        return student.text(ids)[0]
    finally:
        hook.remove()


def _placed(
    vectors: torch.Tensor, slots: list[tuple[int, int, NDArray[np.uint8]]], describer: Describer
) -> torch.Tensor:
    glyphs = torch.from_numpy(np.stack([glyph for _, _, glyph in slots]))[:, None].float() / 127.5
    made = describer(glyphs - 1)
    made = made + JITTER * torch.randn_like(made)
    rows, places = (
        torch.tensor([row for row, _, _ in slots]),
        torch.tensor([p for _, p, _ in slots]),
    )
    return vectors.index_put((rows, places), made)


@dataclass
class Latents:
    """Means and spreads of the scaled latents, (N, 4, 12, 12) each, and their scenes."""

    means: torch.Tensor
    spreads: torch.Tensor
    scenes: list[Scene]

    @cached_property
    def plain(self) -> list[int]:
        """Numbers of images of one thing without anything invented, held-out things included."""
        return [number for number, scene in enumerate(self.scenes) if _is_plain(scene)]


_REAL = {
    *lexicon.NAMED_SHAPES, *lexicon.NAMED_TEXTURES, *lexicon.NAMED_STYLES,
    *lexicon.HELD_OUT_SHAPES, *lexicon.HELD_OUT_TEXTURES, *lexicon.HELD_OUT_STYLES,
}  # fmt: skip


def _is_plain(scene: Scene) -> bool:
    return scene.count == "one" and {scene.shape, scene.texture, scene.style} <= _REAL


def rate_at(step: int, steps: int) -> float:
    """The learning rate of a step, of as many."""
    return RATE * min(1, (step + 1) / WARM_UP, (1 - step / steps) / FALL)


def train_unet(
    run: Path, latents: Latents, vocabulary: dict[str, int], seed: int = 0, steps: int = STEPS
) -> Student:
    """Trains, resuming from run/unet.pt if it exists; returns the averaged weights."""
    torch.manual_seed(2 + seed)
    student = Student(vocabulary)
    average = copy.deepcopy(student).requires_grad_(False)
    optimiser = MuonAndAdam(student, RATE)
    first = _resume(run / "unet.pt", student, average, optimiser)
    began, losses = time.time(), []
    alphas = schedule().alphas_cumprod
    for step in range(first, steps):
        student.zero_grad()
        loss = _loss(student, latents, vocabulary, alphas, seed * STEPS + step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step(rate_at(step, steps))
        _follow(average, student, min(0.999, (step + 1) / (step + 20)))
        losses.append(loss.item())
        if step % 100 == 99:
            text = f"unet {step + 1}/{steps} loss {np.mean(losses[-100:]):.4f}"
            print(f"{text} {time.time() - began:.0f}s", flush=True)
        if step % 500 == 499 or step == steps - 1:
            _save(run / "unet.pt", step + 1, student, average, optimiser)
    return average.eval()


def _loss(
    student: Student,
    latents: Latents,
    vocabulary: dict[str, int],
    alphas: torch.Tensor,
    number: int,
) -> torch.Tensor:
    """Min-SNR weighted error of the predicted noise; `number` decides images, words and noise."""
    torch.manual_seed(number)
    rng = random.Random(f"unet {number}")
    picked = [_pick(latents, rng) for _ in range(PICTURES)]
    told = encode(student, [sentence(latents.scenes[i], rng, vocabulary) for i in picked])
    clean = latents.means[picked].float()
    clean = clean + latents.spreads[picked].float() * torch.randn_like(clean)
    times = _spread_times(len(clean), LATE_POWER)
    keep = alphas[times].view(-1, 1, 1, 1)
    noise = torch.randn_like(clean)
    noisy = (keep.sqrt() * clean + (1 - keep).sqrt() * noise).contiguous(
        memory_format=torch.channels_last
    )
    error = (student.unet(noisy, times, told).sample - noise) ** 2
    signal = alphas[times] / (1 - alphas[times])
    return (error.mean((1, 2, 3)) * (5 / signal).clamp(max=1)).mean()


def _pick(latents: Latents, rng: random.Random) -> int:
    """The number of an image, every third time one of plain words only."""
    if rng.random() < PLAIN_SHARE:
        return rng.choice(latents.plain)
    return rng.randrange(len(latents.scenes))


def _spread_times(count: int, power: float) -> torch.Tensor:
    """`count` timesteps in 0..999, one from each of `count` parts, shuffled; power < 1: later."""
    place = ((torch.arange(count) + torch.rand(count)) / count) ** power
    return (place[torch.randperm(count)] * 1000).long().clamp(max=999)


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, keep: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - keep)


def _save(
    path: Path, step: int, student: Student, average: Student, optimiser: MuonAndAdam
) -> None:
    state = {"step": step, "student": student.state_dict(), "average": average.state_dict()}
    torch.save({**state, "optimiser": optimiser.state_dict()}, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def _resume(path: Path, student: Student, average: Student, optimiser: MuonAndAdam) -> int:
    """The step to go on from."""
    if not path.exists():
        return 0
    state = torch.load(path)
    student.load_state_dict(state["student"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"]
