"""A host with a tiny deterministic model: for tests, for documentation, to try an idea.

It is small enough to read in one go, and real enough to train: words have vectors, a text encoder
mixes them, a network denoises latents with the text as its condition, and the latent is a linear
picture of the pixels. It takes any family and any diffusion. Everything follows from one seed.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention as attention

from ..data.images import to_image
from ..diffusion import Ddpm, Diffusion
from ..errors import HostError
from ..families import SD1, Family
from ..port.prompt import Chunk, pack, read_prompt
from ..port.session import (
    Conditioning,
    EncoderFacts,
    Features,
    Hypernetwork,
    LatentDistribution,
    ModelFacts,
    PictureSize,
    Precision,
    PreviewRequest,
    TextOptions,
    Vectors,
)
from ..randomness import generator

_VOCABULARY = 997
_SMALLER = 64
"""Times that vectors are shorter than those of the family."""
NOISE = Ddpm(tuple(torch.linspace(0.999, 0.01, 100).tolist()))


class FakeEncoder(nn.Module):
    """(B, 77) token vectors → (B, 77, width), each mixed with those before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(_VOCABULARY, width)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(0.1)  # shows whether a session runs in eval mode
        self.register_buffer("places", torch.linspace(0, 1, 77).view(1, 77, 1))

    def forward(self, rows: Tensor) -> Tensor:
        """rows: (B, 77, width)"""
        so_far = rows.cumsum(dim=1) / torch.arange(1, 78).view(1, 77, 1)
        return self.dropout(torch.tanh(self.mix(rows + so_far) + self.places))


class FakeNetwork(nn.Module):
    """(B, C, h, w) noisy latents, (B,) timesteps in [0, 1), (B, n, width) context → (B, C, h, w)"""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.into = nn.Conv2d(channels, 16, 3, padding=1)
        self.time = nn.Linear(1, 16)
        self.query, self.key, self.value = (
            nn.Linear(16, 16),
            nn.Linear(width, 16),
            nn.Linear(width, 16),
        )
        self.out = nn.Conv2d(16, channels, 3, padding=1)

    def forward(
        self, noisy: Tensor, time: Tensor, context: Tensor, hypernetwork: Hypernetwork | None
    ) -> Tensor:
        """One layer of cross-attention between two convolutions."""
        hidden = torch.tanh(self.into(noisy) + self.time(time[:, None])[:, :, None, None])
        flat = hidden.flatten(2).transpose(1, 2)
        for_keys, for_values = hypernetwork(context) if hypernetwork else (context, context)
        read = attention(self.query(flat), self.key(for_keys), self.value(for_values))
        return self.out(hidden + read.transpose(1, 2).unflatten(2, hidden.shape[2:]))


class FakeHost:
    """Implements `Host` for a reduced model of a family."""

    name = "fake"

    def __init__(
        self,
        folder: Path = Path("embeddings"),
        family: Family = SD1,
        diffusion: Diffusion = NOISE,
        seed: int = 0,
    ) -> None:
        self.folder, self.family, self.diffusion = folder, family, diffusion
        self.saved: list[Path] = []
        self.spellings: dict[int, str] = {}
        self.widths = {key: width // _SMALLER for key, width in family.widths.items()}
        self.latent = replace(family.latent, scale=1.0, shift=0.0)
        channels, stride = self.latent.channels, self.latent.stride
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoders = nn.ModuleDict({k: FakeEncoder(w) for k, w in self.widths.items()})
            self.network = FakeNetwork(sum(self.widths.values()), channels)
            self.vae = nn.Conv2d(3, channels, stride, stride=stride)
        self.model = nn.ModuleList([self.encoders, self.network, self.vae])
        self._open = False

    def features(self) -> Features:
        """Everything, with one sampler."""
        return Features(samplers=("DDIM",))

    def describe(self) -> ModelFacts:
        """A model for pictures of 64 pixels."""
        return ModelFacts(
            family=self.family,
            encoders=tuple(EncoderFacts(k, w, _VOCABULARY) for k, w in self.widths.items()),
            diffusion=self.diffusion,
            latent=self.latent,
            resolution=64,
            checkpoint_name="fake",
            checkpoint_hash="0" * 10,
        )

    def tokenize(self, text: str) -> list[tuple[int, str]]:
        """Words and signs; a word that is longer than eight letters has two tokens."""
        words = re.findall(r"[a-z]{1,8}|[0-9]|[^a-z0-9\s]", text.lower())
        tokens = [(3 + zlib.crc32(word.encode()) % (_VOCABULARY - 3), word) for word in words]
        self.spellings.update(tokens)
        return tokens

    def token_strings(self, ids: Sequence[int]) -> list[str]:
        """The words that it has met; a token of no word yet is its number."""
        _check_ids(ids)
        return [self.spellings.get(number, f"#{number}") for number in ids]

    @contextlib.contextmanager
    def session(self, precision: Precision = "no") -> Iterator[FakeSession]:
        """See `Host.session`; only one at a time, fp32 or bf16."""
        if self._open:
            raise HostError("the model is in use", "another session is open", "wait for its end")
        if precision == "fp16":
            raise HostError("this host cannot compute in fp16", "", "choose 'no' or 'bf16'")
        before = [(module, module.training) for module in self.model.modules()]
        wanted = [(p, p.requires_grad) for p in self.model.parameters()]
        self._open = True
        try:
            self.model.eval().requires_grad_(False)
            yield FakeSession(self, precision)
        finally:
            for module, training in before:
                module.training = training
            for parameter, requires_grad in wanted:
                parameter.requires_grad_(requires_grad)
            self._open = False

    def embeddings_dir(self) -> Path:
        """As given."""
        return self.folder

    def embedding_saved(self, path: Path) -> None:
        """Remembers the path."""
        self.saved.append(path)


class FakeSession:
    """Implements `Session`."""

    device = torch.device("cpu")

    def __init__(self, host: FakeHost, precision: Precision) -> None:
        self.host = host
        self._end = host.diffusion.timestep_of(host.diffusion.sigmas()[-1]) + 1
        self._autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")

    def token_embeddings_of(self, text: str) -> dict[str, Tensor]:
        """See `Session.token_embeddings_of`."""
        return self.token_embeddings_at(self._ids(text))

    def token_embeddings_at(self, ids: Sequence[int]) -> dict[str, Tensor]:
        """See `Session.token_embeddings_at`."""
        _check_ids(ids)
        index = torch.tensor(list(ids), dtype=torch.long)
        return {k: e.tokens.weight.detach()[index].clone() for k, e in self._encoders()}

    def encode_images(self, pixels: Tensor) -> LatentDistribution:
        """See `Session.encode_images`."""
        with torch.no_grad():
            mean = self.host.vae(pixels).float()
        return LatentDistribution(mean, torch.full_like(mean, 0.1))

    def encode_prompts(
        self,
        prompts: Sequence[str],
        embeddings: Mapping[str, Vectors],
        sizes: Sequence[PictureSize] | None = None,
        text: TextOptions = TextOptions(),
    ) -> Conditioning:
        """See `Session.encode_prompts`."""
        counts = {name: len(next(iter(rows.values()))) for name, rows in embeddings.items()}
        chunked = [
            pack(read_prompt(prompt, embeddings, text.emphasis), self._ids, counts)
            for prompt in prompts
        ]
        longest = max(len(chunks) for chunks in chunked)
        with self._autocast:
            rows = [self._encode(c + [()] * (longest - len(c)), embeddings) for c in chunked]
        context = torch.stack(rows).float()
        time_ids = self._time_ids(prompts, sizes) if self.host.family.sized else None
        return Conditioning(context, self._pooled(context), time_ids)

    def _pooled(self, context: Tensor) -> Tensor | None:
        """The states at the first chunk's last place, of an encoder that gives pooled text."""
        states = context[:, 76].split(list(self.host.widths.values()), dim=1)
        pooled = [s for s, e in zip(states, self.host.family.encoders, strict=True) if e.pooled]
        return torch.cat(pooled, dim=1) if pooled else None

    def _encode(self, chunks: Sequence[Chunk], embeddings: Mapping[str, Vectors]) -> Tensor:
        """(chunks * 77, sum of widths)"""
        parts = []
        for key, encoder in self._encoders():
            rows = torch.stack([_rows(chunk, key, encoder, embeddings) for chunk in chunks])
            weights = torch.stack([_weights(chunk) for chunk in chunks])
            parts.append((encoder(rows) * weights).flatten(0, 1))
        return torch.cat(parts, dim=1)

    @staticmethod
    def _time_ids(prompts: Sequence[str], sizes: Sequence[PictureSize] | None) -> Tensor:
        sizes = sizes or [PictureSize((64, 64), (0, 0), (64, 64))] * len(prompts)
        return torch.tensor([[*s.original, *s.crop, *s.target] for s in sizes]).float()

    def predict(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None = None,
    ) -> Tensor:
        """See `Session.predict`."""
        context = conditioning.context
        if conditioning.pooled is not None and conditioning.time_ids is not None:
            more = conditioning.pooled.mean(dim=1) + conditioning.time_ids.mean(dim=1) / 1e4
            context = context + more[:, None, None]
        time = timesteps.float() / self._end
        with self._autocast:
            return self.host.network(noisy, time, context, hypernetwork).float()

    def preview(
        self,
        request: PreviewRequest,
        embeddings: Mapping[str, Vectors],
        hypernetwork: Hypernetwork | None = None,
    ) -> list[Image.Image]:
        """See `Session.preview`: one look at noise, decoded by the encoder's transpose."""
        latent, diffusion = self.host.latent, self.host.diffusion
        size, sigma = latent.shape(request.height, request.width), diffusion.sigmas()[-1]
        pictures = []
        with torch.no_grad():
            prompt = self.encode_prompts([request.prompt], embeddings, None, request.text)
            for i in range(request.count):
                noise = torch.randn(size, generator=generator(request.seed + i, "preview"))
                last = diffusion.timestep_of(sigma)
                out = self.predict(noise[None], last, prompt, hypernetwork)
                found = diffusion.clean(noise[None] * diffusion.spread(sigma), out, sigma)
                weight = self.host.vae.weight
                pixels = nn.functional.conv_transpose2d(found, weight, stride=latent.stride)
                pictures.append(to_image(pixels[0] * 2))
        return pictures

    def release(self, part: Literal["vae", "text_encoder"]) -> None:
        """Nothing lies on an accelerator."""

    def _ids(self, text: str) -> list[int]:
        return [token for token, _ in self.host.tokenize(text)]

    def _encoders(self) -> list[tuple[str, FakeEncoder]]:
        return [(key, self.host.encoders[key]) for key in self.host.widths]  # type: ignore[misc]


def _check_ids(ids: Sequence[int]) -> None:
    wrong = next((number for number in ids if not 0 <= number < _VOCABULARY), None)
    if wrong is not None:
        why = f"the vocabulary has the numbers 0 to {_VOCABULARY - 1}"
        raise HostError(f"there is no token {wrong}", why)


def _rows(
    chunk: Chunk, key: str, encoder: FakeEncoder, embeddings: Mapping[str, Vectors]
) -> Tensor:
    """(77, width): start mark (id 0), the slots, end marks (id 1)."""
    table = encoder.tokens.weight
    slots = [
        table[slot.token] if slot.trigger is None else embeddings[slot.trigger][key][slot.row]
        for slot in chunk
    ]
    return torch.stack([table[0], *slots, *[table[1]] * (76 - len(slots))])


def _weights(chunk: Chunk) -> Tensor:
    """(77, 1) emphasis"""
    return torch.tensor([1.0, *(s.weight for s in chunk), *[1.0] * (76 - len(chunk))])[:, None]
