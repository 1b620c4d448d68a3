"""A model lent for training by the standalone host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn

from ...errors import HostError
from ...port.memory import memory_errors
from ...port.session import (
    Conditioning,
    Hypernetwork,
    LatentDistribution,
    PictureSize,
    Precision,
    PreviewRequest,
    TextOptions,
    Vectors,
)
from ..common.attention import hypernetwork_attached
from ..common.fitting import check_embeddings, time_ids
from ..common.guidance import guided_prompts
from ..common.precision import HALF_DTYPES
from .models import Model, TextEncoder, check_ids
from .preview import Sampling, to_images
from .text import encode_text


class DiffusersSession:
    """Fulfils `port.Session`. Open it with `DiffusersHost.session()` only."""

    def __init__(self, model: Model, device: torch.device, precision: Precision) -> None:
        self._model, self._device, self._precision = model, device, precision
        self._found = ModelSnapshot(model.networks())
        self._open = True
        for network in model.networks():
            network.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the results lie."""
        return self._device

    def close(self) -> None:
        """Leave the model as it was found."""
        self._open = False
        self._found.restore()

    def token_embeddings_of(self, text: str) -> dict[str, Tensor]:
        """Vocabulary rows of a text: encoder key → (n, width) fp32 copies."""
        self._check_open()
        return {e.key: self._rows(e, e.vocabulary.tokenize(text)) for e in self._model.encoders}

    def token_embeddings_at(self, ids: Sequence[int]) -> dict[str, Tensor]:
        """Vocabulary rows by number: encoder key → (len(ids), width) fp32 copies."""
        self._check_open()
        for encoder in self._model.encoders:
            check_ids(encoder, ids)
        return {encoder.key: self._rows(encoder, ids) for encoder in self._model.encoders}

    def _rows(self, encoder: TextEncoder, ids: Sequence[int]) -> Tensor:
        table = encoder.token_embedding.weight
        index = torch.tensor(list(ids), dtype=torch.long, device=table.device)
        return table.detach()[index].to(self._device)

    def encode_images(self, pixels: Tensor) -> LatentDistribution:
        """(B, 3, H, W) in [-1, 1] → the posterior of the scaled latents; always in fp32."""
        self._check_open()
        latent = self._model.latent
        if (
            pixels.dim() != 4
            or pixels.shape[1] != 3
            or any(n % latent.stride for n in pixels.shape[2:])
        ):
            why = f"{tuple(pixels.shape)} is not (B, 3, H, W) with multiples of {latent.stride}"
            raise HostError("these pixels cannot be encoded", why)
        # SDXL's VAE overflows in half precision.
        with memory_errors(), torch.no_grad(), self._computing(half=False):
            vae: Any = self._ready(self._model.vae)
            posterior = vae.encode(pixels.to(self._device, torch.float32)).latent_dist
            return LatentDistribution(latent.scaled(posterior.mean), posterior.std * latent.scale)

    def encode_prompts(
        self,
        prompts: Sequence[str],
        embeddings: Mapping[str, Vectors],
        sizes: Sequence[PictureSize] | None = None,
        text: TextOptions = TextOptions(),
    ) -> Conditioning:
        """As the port says; each distinct prompt passes the encoders once."""
        self._check_open()
        check_embeddings([e.facts() for e in self._model.encoders], embeddings)
        distinct = list(dict.fromkeys(prompts))
        with memory_errors(), self._computing():
            for encoder in self._model.encoders:
                self._ready(encoder.model)
                if encoder.projection is not None:
                    self._ready(encoder.projection)
            context, pooled = encode_text(self._model, distinct, embeddings, text)
        encoded = Conditioning(context, pooled)
        if len(distinct) < len(prompts):
            index = [distinct.index(prompt) for prompt in prompts]
            encoded = encoded.rows(torch.tensor(index, device=self._device))
        return Conditioning(encoded.context, encoded.pooled, self._time_ids(len(prompts), sizes))

    def predict(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None = None,
    ) -> Tensor:
        """The UNet's own output, in the shape of `noisy`."""
        self._check_open()
        with memory_errors(), self._computing():
            unet = self._ready(self._model.unet)
            with hypernetwork_attached(unet, hypernetwork):
                output = unet(
                    noisy.to(self._device, torch.float32),
                    timesteps.to(self._device),
                    encoder_hidden_states=conditioning.context.to(self._device),
                    added_cond_kwargs=self._added(conditioning),
                ).sample
        return output.float()

    def preview(
        self,
        request: PreviewRequest,
        embeddings: Mapping[str, Vectors],
        hypernetwork: Hypernetwork | None = None,
    ) -> list[Image.Image]:
        """Pictures one after the other, each from its own generator: count does not matter."""
        self._check_open()
        with torch.no_grad():
            sampling = Sampling(self._model, request)
            conditioning = guided_prompts(self, request, embeddings)
            return [
                self._preview_one(sampling, request.seed + i, conditioning, hypernetwork)
                for i in range(request.count)
            ]

    def release(self, part: Literal["vae", "text_encoder"]) -> None:
        """Move a part to main memory until it is next needed."""
        self._check_open()
        encoders = self._model.encoders
        for network in (self._model.vae,) if part == "vae" else (e.model for e in encoders):
            network.to("cpu")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _check_open(self) -> None:
        if not self._open:
            raise HostError("this session is closed", "", "open a new one")

    def _ready(self, network: nn.Module) -> nn.Module:
        """The network, back on the device if it was released."""
        return network if _device_of(network) == self._device else network.to(self._device)

    def _computing(self, half: bool = True) -> AbstractContextManager[None]:
        """Autocast as the session's precision says; off where `half` is not wanted."""
        dtype = HALF_DTYPES.get(self._precision) if half else None
        kind = self._device.type
        if dtype is None:  # older torch knows no autocast for MPS, not even a disabled one
            return nullcontext() if kind == "mps" else torch.autocast(kind, enabled=False)
        return torch.autocast(kind, dtype=dtype)

    def _time_ids(self, count: int, sizes: Sequence[PictureSize] | None) -> Tensor | None:
        if not self._model.family.sized:
            return None
        return time_ids(count, sizes, self._model.resolution).to(self._device)

    def _added(self, conditioning: Conditioning) -> dict[str, Tensor] | None:
        if conditioning.pooled is None or conditioning.time_ids is None:
            return None
        return {
            "text_embeds": conditioning.pooled.to(self._device),
            "time_ids": conditioning.time_ids.to(self._device),
        }

    def _preview_one(
        self,
        sampling: Sampling,
        seed: int,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Image.Image:
        def predict(noisy: Tensor, timestep: Tensor) -> Tensor:
            rows = len(conditioning.context)
            noisy, times = noisy.expand(rows, -1, -1, -1), timestep.reshape(1).expand(rows)
            return self.predict(noisy, times, conditioning, hypernetwork)

        latent = sampling.run(seed, self._device, predict)
        with memory_errors(), self._computing(half=False):
            vae: Any = self._ready(self._model.vae)
            pixels = vae.decode(self._model.latent.unscaled(latent)).sample
        return to_images(pixels)[0]


class ModelSnapshot:
    """How the networks were found: flags of modules and parameters, and the device."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self._devices = [(network, _device_of(network)) for network in networks]
        self._training = [(m, m.training) for n in networks for m in n.modules()]
        self._trainable = [(p, p.requires_grad) for n in networks for p in n.parameters()]

    def restore(self) -> None:
        """Set everything back; every step is tried even if one before it fails."""
        with ExitStack() as stack:
            for network, device in self._devices:
                stack.callback(network.to, device)
            stack.callback(self._restore_flags)

    def _restore_flags(self) -> None:
        for module, training in self._training:
            module.training = training
        for parameter, trainable in self._trainable:
            parameter.requires_grad_(trainable)


def _device_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
