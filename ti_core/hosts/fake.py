"""A host with a tiny deterministic model: for tests, for documentation, to try an idea.

It is small enough to read in one go, and real enough to train: words have vectors, a text encoder
mixes them, a network denoises latents with the text as its condition, and the latent is a linear
image of the pixels. It takes any family and any diffusion. Everything follows from one seed.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention as attention

from ..diffusion import Ddpm, Diffusion
from ..errors import UnsupportedModelError
from ..families import SD1, Family
from ..port.session import Conditioning, Hypernetwork, ModelFacts, Precision
from .common.clip import ClipEncoder
from .common.host import BaseHost
from .common.precision import autocast
from .common.session import BaseSession, Part
from .common.text import EncodedText, encoder_facts

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


class FakeHost(BaseHost):
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
        self.hypernetworks_saved: list[Path] = []
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
        self.text_encoders = [self._text_encoder(e.key, e.pooled) for e in family.encoders]
        self.busy = threading.Lock()

    def describe(self) -> ModelFacts:
        """A model for images of 64 pixels."""
        return ModelFacts(
            family=self.family,
            encoders=tuple(map(encoder_facts, self.text_encoders)),
            diffusion=self.diffusion,
            latent=self.latent,
            resolution=64,
            checkpoint_name="fake",
            checkpoint_hash="0" * 10,
        )

    def embeddings_dir(self) -> Path:
        """As given."""
        return self.folder

    def embedding_saved(self, path: Path) -> None:
        """Remembers the path."""
        self.saved.append(path)

    def hypernetwork_saved(self, path: Path) -> None:
        """Remembers the path."""
        self.hypernetworks_saved.append(path)

    def _read(self, text: str) -> list[int]:
        """Words and signs; a word that is longer than eight letters has two tokens."""
        words = re.findall(r"[a-z]{1,8}|[0-9]|[^a-z0-9\s]", text.lower())
        numbers = [3 + zlib.crc32(word.encode()) % (_VOCABULARY - 3) for word in words]
        self.spellings.update(zip(numbers, words, strict=True))
        return numbers

    def _text_encoder(self, key: str, pooled: bool) -> ClipEncoder:
        network = self.encoders[key]
        assert isinstance(network, FakeEncoder)

        def forward(ids: Tensor, clip_skip: int) -> EncodedText:
            states = network(network.tokens(ids))
            return states, states[:, -1] if pooled else None

        return ClipEncoder(
            key=key,
            network=network,
            embedding=network.tokens,
            read=self._read,
            spell=lambda number: self.spellings.get(number, f"#{number}"),
            start=0,
            end=1,
            pad=1,
            layers=12,  # clip skip may be anything; there is one
            forward=forward,
        )

    def _encoder(self) -> ClipEncoder:
        return self.text_encoders[0]

    def _device(self) -> torch.device:
        return torch.device("cpu")

    def _open(self, precision: Precision, stack: ExitStack) -> FakeSession:
        if precision == "fp16":
            raise UnsupportedModelError(
                "this host cannot compute in fp16", "", "choose 'no' or 'bf16'"
            )
        return FakeSession(self, precision)


class FakeSession(BaseSession):
    """Implements `Session`."""

    blocks = frozenset({"FakeNetwork", "FakeEncoder"})

    def __init__(self, host: FakeHost, precision: Precision) -> None:
        device = torch.device("cpu")
        super().__init__(host.describe(), host.text_encoders, device, [host.model])
        self.host, self._precision = host, precision
        self._end = host.diffusion.timestep_of(host.diffusion.sigmas()[-1]) + 1

    @contextmanager
    def _computing(self, part: Part) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(autocast(self.device, "no" if part == "vae" else self._precision))
            for encoder in self.host.text_encoders if part == "text_encoder" else ():
                stack.enter_context(self._learnable(encoder.network))
            yield

    def _encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.host.vae(pixels)
        return mean, torch.full_like(mean, 0.1)

    def _decode(self, latents: Tensor) -> Tensor:
        """By the encoder's transpose."""
        weight, stride = self.host.vae.weight, self.host.latent.stride
        return nn.functional.conv_transpose2d(latents, weight, stride=stride) * 2

    def _network(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Tensor:
        context = conditioning.context
        if conditioning.pooled is not None and conditioning.time_ids is not None:
            more = conditioning.pooled.mean(dim=1) + conditioning.time_ids.mean(dim=1) / 1e4
            context = context + more[:, None, None]
        time = timesteps.float() / self._end
        with self._learnable(self.host.network):
            return self.host.network(noisy, time, context, hypernetwork)

    def _trained_through(self) -> list[nn.Module]:
        return [self.host.network, *self.host.encoders.values()]

    def _keep_text_on_cpu(self) -> bool:
        return True  # where it is already

    def _release(self, part: Literal["vae", "text_encoder"]) -> None:
        """Nothing is on an accelerator."""
