"""What the trainer needs from a program that has a model loaded, and nothing more.

A host implements two small protocols: `Host` answers questions at any time and cheaply; a
`Session` owns the model while it is open. Rules that hold for every method:

- tensors go in on any device and come out on `Session.device`; they are fp32 at this border,
  whatever precision the model computes in;
- no method touches the global random state;
- when the session closes, by whatever road, the host's model is bit for bit as it was found:
  parameters, buffers, `requires_grad`, train/eval flags, hooks, dtype, device and random state.

`tests/contract/` proves these promises for every host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from PIL import Image
from torch import Tensor

from ..diffusion import Diffusion
from ..errors import ConfigError
from ..families import Family, LatentFormat
from .precision import Precision as Precision
from .prompt import TOKENS_PER_CHUNK
from .samplers import SAMPLERS as SAMPLERS
from .samplers import sampler_named
from .transfer import sent

Vectors = Mapping[str, Tensor]
"""One embedding: encoder key → (k, width) fp32, k rows that stand for one word."""

Saving = Literal["checkpointing", "text_encoder"]
"""A way to need less memory; see `Session.save_memory`."""

Hypernetwork = Callable[[Tensor], tuple[Tensor, Tensor]]
"""(B, n, width) input of an attention layer → what its keys and what its values are made from."""


@dataclass(frozen=True)
class EncoderFacts:
    """One text encoder of the model, which may be smaller than its family's `EncoderSpec`."""

    key: str
    """As in `EncoderSpec`."""
    width: int
    """Length of one vector."""
    vocabulary: int
    """Number of known tokens; ids from here up can name placeholders."""
    tokens_per_chunk: int = TOKENS_PER_CHUNK
    """Places for tokens between the start and the end mark."""


@dataclass(frozen=True)
class ModelFacts:
    """Enough about the loaded model to check a configuration before touching the GPU."""

    family: Family
    encoders: tuple[EncoderFacts, ...]
    diffusion: Diffusion
    latent: LatentFormat
    """As the checkpoint says, where it differs from its family."""
    resolution: int
    """Side in pixels of the square images that the model was trained on."""
    checkpoint_name: str
    checkpoint_hash: str
    """First 10 hex digits of the file's SHA-256, as A1111 shows it; empty if unknown."""

    @property
    def widths(self) -> dict[str, int]:
        """Encoder key → vector width."""
        return {encoder.key: encoder.width for encoder in self.encoders}

    @property
    def architecture(self) -> str:
        """`modelspec.architecture` of the base model."""
        return self.family.release(self.diffusion.prediction).architecture


@dataclass(frozen=True)
class Features:
    """What this host can do; user interfaces ask here, never by the host's name."""

    previews: bool = True
    hypernetworks: bool = True
    """Whether the program itself uses files of hypernetworks, as `<hypernet:…>` in its prompts or
    in its graphs. A session trains and previews them in any case."""
    samplers: tuple[str, ...] = SAMPLERS
    """Names that `PreviewRequest.sampler` may have; the first is the default."""
    precision: Precision = "no"
    """What it trains in, unless the user says otherwise."""
    packs: tuple[Precision, ...] = ()
    """In what `Session.pack_weights` has an effect on full-size models."""
    room_for_packing: int = 0
    """Bytes of main memory that packed weights may take; a model whose own take more has none."""

    def sampler(self, wanted: str = "") -> str:
        """The sampler to use, A1111's name or kohya's. Raises ConfigError for one that this host
        does not have."""
        wanted = sampler_named(wanted)
        if wanted and wanted not in self.samplers:
            what = f"there is no sampler {wanted!r}"
            raise ConfigError(what, "", f"choose one of {', '.join(self.samplers)}")
        return wanted or self.samplers[0]


@dataclass(frozen=True)
class TextOptions:
    """How a prompt is read. The default takes every character literally."""

    emphasis: bool = False
    """Read `(x)`, `[x]` and `(x:1.2)` as the host does when it generates."""
    clip_skip: int = 1
    """A1111's counting: 1 = last layer, 2 = one layer skipped."""


@dataclass(frozen=True)
class PictureSize:
    """Where a training image comes from, in pixels, (height, width); for a sized family."""

    original: tuple[int, int]
    crop: tuple[int, int]
    """Top and left of the cut, in the resized image."""
    target: tuple[int, int]


@dataclass(frozen=True)
class Conditioning:
    """Encoded prompts, one row each."""

    context: Tensor
    """(B, n, width): input of the cross-attention; n is 77 for each chunk of 75 tokens."""
    pooled: Tensor | None = None
    """(B, width): for a family with a pooled encoder (SDXL)."""
    time_ids: Tensor | None = None
    """(B, 6): original size, crop, target size; for a sized family (SDXL)."""

    def rows(self, index: Tensor) -> Conditioning:
        """Rows picked by a (N,) index tensor; a row may be picked several times."""
        return self.mapped(lambda part: part[index])

    def to(self, device: torch.device) -> Conditioning:
        """The same on another device."""
        return self.mapped(lambda part: sent(part, device))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Conditioning:
        """Each of its tensors changed."""
        pooled, time_ids = (p if p is None else change(p) for p in (self.pooled, self.time_ids))
        return Conditioning(change(self.context), pooled, time_ids)


@dataclass(frozen=True)
class LatentDistribution:
    """The VAE's posterior, in the network's `LatentFormat`."""

    mean: Tensor
    """(B, channels, H/stride, W/stride)"""
    std: Tensor
    """In the same shape."""


@dataclass(frozen=True)
class PreviewRequest:
    """Images to make with A1111's txt2img fields; image i of `count` has seed + i."""

    prompt: str
    negative_prompt: str = ""
    width: int = 512
    height: int = 512
    steps: int = 20
    cfg_scale: float = 7.0
    seed: int = 0
    sampler: str = "Euler"
    count: int = 1
    text: TextOptions = TextOptions(emphasis=True)


class Session(Protocol):
    """A host's model, open for training. Not thread-safe."""

    @property
    def device(self) -> torch.device:
        """Where the results of the methods lie."""

    def token_embeddings_of(self, text: str) -> dict[str, Tensor]:
        """Vocabulary rows of a text, without start and end marks.

        Returns encoder key → (n, width) fp32 copies; n = 0 for an empty text.
        """

    def token_embeddings_at(self, ids: Sequence[int]) -> dict[str, Tensor]:
        """Vocabulary rows by token number, in the order asked for; the whole table goes in pieces.

        Returns encoder key → (len(ids), width) fp32 copies. Raises ConfigError for a number that
        an encoder has no row for.
        """

    def encode_images(self, pixels: Tensor) -> LatentDistribution:
        """Encode (B, 3, H, W) pixels in [-1, 1]; H and W are multiples of the stride."""

    def encode_prompts(
        self,
        prompts: Sequence[str],
        embeddings: Mapping[str, Vectors],
        sizes: Sequence[PictureSize] | None = None,
        text: TextOptions = TextOptions(),
    ) -> Conditioning:
        """Encode prompts in which every word that is a key of `embeddings` stands for its vectors.

        Words are found case-insensitively and only whole. The result is differentiable in the
        vectors, if gradients are enabled. All rows are padded to the longest prompt's chunks, and
        each distinct prompt passes the text encoders once.
        `sizes` (one per prompt) is used by sized families only; without it the model's native
        resolution is used.
        """

    def predict(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None = None,
    ) -> Tensor:
        """The network's own output, which means what `ModelFacts.diffusion` says.

        (B, channels, h, w) latents and (B,) timesteps → (B, channels, h, w); differentiable in
        the conditioning and in whatever the hypernetwork closes over.
        """

    def preview(
        self,
        request: PreviewRequest,
        embeddings: Mapping[str, Vectors],
        hypernetwork: Hypernetwork | None = None,
    ) -> list[Image.Image]:
        """`request.count` RGB images; the same request and vectors give the same pixels."""

    def release(self, part: Literal["vae", "text_encoder"]) -> None:
        """Give back the accelerator's memory of this part until it is next needed."""

    def pack_weights(self) -> None:
        """Compute with weights that are laid out once for this processor, until the session closes.

        Without effect where that cannot be had or does not pay: on other devices, for small models,
        or where main memory is short. Results differ by rounding; equal calls still give equal
        results.
        """

    @property
    def packs_weights(self) -> bool:
        """Whether `pack_weights` has an effect."""

    def save_memory(self, means: Saving) -> bool:
        """Need less memory until the session closes; False where the host has no such means.

        "checkpointing": blocks of the networks are computed again in the backward pass. Outputs and
        gradients are the same bits; a step takes about a third more time.
        "text_encoder": it stays in main memory, and computes on the CPU.
        """


class Host(Protocol):
    """A program that has a model loaded."""

    @property
    def name(self) -> str:
        """For logs only; nothing may depend on it."""

    def features(self) -> Features:
        """What can be asked of this host."""

    def describe(self) -> ModelFacts:
        """Facts about the loaded model."""

    def tokenize(self, text: str) -> list[tuple[int, str]]:
        """(id, spelling) of every token of a text, literally, without start and end marks."""

    def token_strings(self, ids: Sequence[int]) -> list[str]:
        """How tokens are spelled in the vocabulary, as `tokenize` tells it.

        Raises ConfigError for a number that the vocabulary does not have.
        """

    def session(self, precision: Precision = "no") -> AbstractContextManager[Session]:
        """Claim the model.

        Raises HostBusyError when a session is open, NoModelError when no model is loaded, and
        UnsupportedModelError when it cannot be trained, or not in `precision`.
        """

    def embeddings_dir(self) -> Path:
        """Where the host looks for embeddings."""

    def embedding_saved(self, path: Path) -> None:
        """An embedding was written to `path`: the host may refresh its list."""

    def hypernetworks_dir(self) -> Path:
        """Where the host looks for hypernetworks, or where those of a host that has none go."""

    def hypernetworks_dirs(self) -> Sequence[Path]:
        """Every folder where prompts of the host find hypernetworks."""

    def hypernetwork_saved(self, path: Path) -> None:
        """A hypernetwork was written to `path`: the host may refresh its list."""
