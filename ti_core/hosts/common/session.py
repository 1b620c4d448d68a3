"""What every session does alike; a host adds the hooks at the end of `BaseSession`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn

from ...data.images import to_image
from ...errors import ConfigError, HostError
from ...port.memory import memory_errors
from ...port.session import (
    Conditioning,
    Features,
    Hypernetwork,
    LatentDistribution,
    ModelFacts,
    PictureSize,
    PreviewRequest,
    Saving,
    TextOptions,
    Vectors,
)
from ...port.transfer import sent
from .autograd import Inside, as_it_is
from .checkpointing import BlockKinds, checkpointed
from .fitting import check_embeddings, check_pixels, time_ids
from .guidance import guided_prompts
from .packing import PackedModel, Packing
from .sampling import check_request, sample
from .snapshot import ModelSnapshot
from .text import EncodedText, TextEncoder, check_ids, encode_text, side_by_side

Part = Literal["unet", "vae", "text_encoder"]
"""Of a model, as far as memory is concerned."""


class BaseSession(ABC):
    """Fulfils `port.Session` but for the hooks; open it with the host's `session()` only."""

    features = Features()
    packing = Packing()
    """Which layers are packed by `pack_weights`."""
    blocks: BlockKinds = frozenset()
    """Of the host's networks, which are computed again where memory is to be saved."""

    def __init__(
        self,
        facts: ModelFacts,
        encoders: Sequence[TextEncoder[Any]],
        device: torch.device,
        networks: Sequence[nn.Module] = (),
        moves: bool = True,
    ) -> None:
        """`networks` are restored in the end; `moves` as for `ModelSnapshot`."""
        self.facts, self.encoders = facts, encoders
        self._device, self._open = device, True
        self._packed: PackedModel | None = None
        self._checkpoints = False
        self._snapshot = ModelSnapshot(networks, moves)

    @property
    def device(self) -> torch.device:
        """Where the results are."""
        return self._device

    def close(self) -> None:
        """Leave the model as it was found; any later call is rejected with HostError."""
        self._open = False
        with ExitStack() as stack:
            stack.callback(self._restore)
            if self._packed:
                stack.callback(self._packed.close)

    # --- the port -------------------------------------------------------------------------------

    def token_embeddings_of(self, text: str) -> dict[str, Tensor]:
        """Vocabulary rows of a text: encoder key → (n, width) fp32 copies."""
        return self._rows({encoder.key: encoder.tokenize(text) for encoder in self.encoders})

    def token_embeddings_at(self, ids: Sequence[int]) -> dict[str, Tensor]:
        """Vocabulary rows by number: encoder key → (len(ids), width) fp32 copies."""
        for encoder in self.encoders:
            check_ids(encoder, ids)
        return self._rows({encoder.key: ids for encoder in self.encoders})

    def encode_images(self, pixels: Tensor) -> LatentDistribution:
        """(B, 3, H, W) in [-1, 1] → the posterior of the scaled latents."""
        self._check()
        latent = self.facts.latent
        check_pixels(pixels, latent.stride)
        with torch.no_grad(), self._using("vae"):
            mean, std = self._encode(pixels.to(self.device, torch.float32))
        mean, std = latent.scaled(mean), std * latent.scale
        return LatentDistribution(mean.to(self.device), std.to(self.device))

    def encode_prompts(
        self,
        prompts: Sequence[str],
        embeddings: Mapping[str, Vectors],
        sizes: Sequence[PictureSize] | None = None,
        text: TextOptions = TextOptions(),
    ) -> Conditioning:
        """As the port says; each distinct prompt passes the encoders once."""
        self._check()
        if not prompts:
            raise ConfigError("there is no prompt to encode")
        check_embeddings(self.facts.encoders, embeddings)
        distinct = list(dict.fromkeys(prompts))
        with self._using("text_encoder"):
            context, pooled = encode_text(self.encoders, distinct, embeddings, text, self._assemble)
        index = torch.tensor([distinct.index(prompt) for prompt in prompts])
        index = sent(index, self.device)
        found = Conditioning(context, pooled).to(self.device).rows(index)
        return Conditioning(found.context, found.pooled, self._time_ids(len(prompts), sizes))

    def predict(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None = None,
    ) -> Tensor:
        """The network's own output, in the shape of `noisy`."""
        self._check()
        noisy, timesteps = sent(noisy.float(), self.device), sent(timesteps, self.device)
        with self._using("unet"):
            output = self._network(noisy, timesteps, conditioning.to(self.device), hypernetwork)
        return output.float()

    def preview(
        self,
        request: PreviewRequest,
        embeddings: Mapping[str, Vectors],
        hypernetwork: Hypernetwork | None = None,
    ) -> list[Image.Image]:
        """Images one after the other, each with its own seed: count does not matter."""
        self._check()
        self.features.sampler(request.sampler)
        check_request(request, self.facts.latent.stride)
        seeds = range(request.seed, request.seed + request.count)
        with torch.no_grad():
            guided = self._guided(request, embeddings)
            pictures = []
            for seed in seeds:
                latents = self._sample(request, seed, guided, hypernetwork)
                with self._using("vae"):
                    pictures.append(self._image(self._decode(latents)))
        return pictures

    def release(self, part: Literal["vae", "text_encoder"]) -> None:
        """Move a part to main memory until it is next needed."""
        self._check()
        self._release(part)

    def pack_weights(self) -> None:
        """On a CPU, where it pays; see `Packing`."""
        self._check()
        if self._packed is None and self.device.type == "cpu":
            self._packed = self.packing.of(self._trained_through())

    @property
    def packs_weights(self) -> bool:
        """Whether that had an effect."""
        return self._packed is not None

    def save_memory(self, means: Saving) -> bool:
        """From now on. Every host can compute blocks again."""
        self._check()
        if means == "text_encoder":
            return self._keep_text_on_cpu()
        self._checkpoints = True
        return True

    # --- the same for every host ----------------------------------------------------------------

    def _check(self) -> None:
        """Raise HostError if the session is closed; a program may have another model by now."""
        if not self._open:
            raise HostError("this session is closed", "", "open a new one")

    @contextmanager
    def _using(self, part: Part) -> Iterator[None]:
        with memory_errors(), self._computing(part):
            yield

    def _learnable(
        self, network: nn.Module, inside: Inside = as_it_is, checkpoints: bool = False
    ) -> AbstractContextManager[None]:
        """While open, `network` can be called; `inside` holds whenever a block of it computes.

        `checkpoints`: whether blocks are computed again in any case.
        """
        if torch.is_grad_enabled() and (checkpoints or self._checkpoints):
            return checkpointed(network, self.blocks, inside)
        return inside(network)

    def _rows(self, ids: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
        self._check()
        found = {}
        with torch.no_grad(), self._using("text_encoder"):
            for encoder in self.encoders:
                index = torch.tensor(list(ids[encoder.key]), dtype=torch.long)
                rows = encoder.table[index.to(encoder.table.device)]
                found[encoder.key] = rows.to(self.device, torch.float32, copy=True)
        return found

    def _time_ids(self, count: int, sizes: Sequence[PictureSize] | None) -> Tensor | None:
        if not self.facts.family.sized:
            return None
        return sent(time_ids(count, sizes, self.facts.resolution), self.device)

    # --- hooks ----------------------------------------------------------------------------------

    @abstractmethod
    def _computing(self, part: Part) -> AbstractContextManager[None]:
        """Bring a part to its device; what must hold while it computes holds while open."""

    @abstractmethod
    def _encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the VAE's posterior, unscaled."""

    @abstractmethod
    def _decode(self, latents: Tensor) -> Tensor:
        """Unscaled latents (1, channels, h, w) → pixels (1, 3, H, W) in [-1, 1]."""

    @abstractmethod
    def _network(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Tensor:
        """See `predict`; everything is on the device."""

    @abstractmethod
    def _trained_through(self) -> Sequence[nn.Module]:
        """What a step computes with: the network and the text encoders."""

    @abstractmethod
    def _release(self, part: Literal["vae", "text_encoder"]) -> None:
        """See `release`."""

    def _keep_text_on_cpu(self) -> bool:
        """See `save_memory`; most programs place their text encoder themselves."""
        return False

    def _restore(self) -> None:
        """See `close`."""
        self._snapshot.restore()

    def _assemble(self, encoded: Sequence[EncodedText]) -> EncodedText:
        """What the encoders give, put together as the family's network wants it."""
        return side_by_side(encoded)

    def _guided(self, request: PreviewRequest, embeddings: Mapping[str, Vectors]) -> Conditioning:
        """The prompts of a preview, encoded once for all its images."""
        return guided_prompts(self, request, embeddings)

    def _image(self, pixels: Tensor) -> Image.Image:
        """The image of what `_decode` gives."""
        return to_image(pixels[0])

    def _sample(
        self,
        request: PreviewRequest,
        seed: int,
        guided: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Tensor:
        """Unscaled latents (1, channels, h, w), by the core's samplers."""

        def network(noisy: Tensor, timestep: Tensor) -> Tensor:
            count = len(guided.context)
            noisy, times = noisy.expand(count, -1, -1, -1), timestep.expand(count)
            return self.predict(noisy, times, guided, hypernetwork)

        latents = sample(self.facts, request, seed, self.device, network)
        return self.facts.latent.unscaled(latents)
