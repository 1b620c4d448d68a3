"""A model lent for training by ComfyUI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn

from ...ti_core.errors import HostError
from ...ti_core.hosts.common.attention import hypernetwork_attached
from ...ti_core.hosts.common.fitting import check_embeddings, time_ids
from ...ti_core.hosts.common.precision import HALF_DTYPES
from ...ti_core.port.memory import memory_errors
from ...ti_core.port.session import (
    Conditioning,
    Hypernetwork,
    LatentDistribution,
    ModelFacts,
    PictureSize,
    Precision,
    PreviewRequest,
    TextOptions,
    Vectors,
)
from .autograd import attention_with_backward, inputs_kept, learnable
from .latents import encode
from .loading import Loading, computing_in, without_dynamic
from .preview import check_request, sample, to_images
from .text import Encoder, encode_text

_LITERALLY = TextOptions()


class ComfySession:
    """Fulfils `port.Session`. Open it with `ComfyHost.session()` only.

    The network computes in the session's precision, text encoders in fp32 as always in ComfyUI,
    the VAE in what ComfyUI has chosen for it.
    """

    def __init__(
        self,
        model: Any,
        clip: Any,
        vae: Any,
        encoders: Sequence[Encoder],
        facts: ModelFacts,
        precision: Precision,
    ) -> None:
        self._dtype = HALF_DTYPES.get(precision, torch.float32)
        self._model = computing_in(without_dynamic(model), self._dtype)
        self._clip, self._vae = without_dynamic(clip), vae
        self._encoders, self._facts, self._open = encoders, facts, True
        vae_patcher = None if vae is None else vae.patcher
        self._loading = Loading(model, clip.patcher, vae_patcher)

    @property
    def device(self) -> torch.device:
        """Where the results lie: the UNet's device."""
        return torch.device(self._model.load_device)

    def close(self) -> None:
        """Leave the model as it was found."""
        self._open = False
        self._loading.close()

    def token_embeddings_of(self, text: str) -> dict[str, Tensor]:
        """Vocabulary rows of a text: encoder key → (n, width) fp32 copies."""
        return self._rows({e.key: e.tokenize(text) for e in self._encoders})

    def token_embeddings_at(self, ids: Sequence[int]) -> dict[str, Tensor]:
        """Vocabulary rows by number: encoder key → (len(ids), width) fp32 copies."""
        for encoder in self._encoders:
            encoder.check_ids(ids)
        return self._rows({encoder.key: ids for encoder in self._encoders})

    def _rows(self, ids: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
        self._check_open()
        with memory_errors(), torch.no_grad():
            self._loading.ready(self._clip.patcher)
            found = {}
            for encoder in self._encoders:
                index = torch.tensor(list(ids[encoder.key]), dtype=torch.long)
                rows = encoder.table[index.to(encoder.table.device)]
                found[encoder.key] = rows.to(self.device, torch.float32, copy=True)
        return found

    def encode_images(self, pixels: Tensor) -> LatentDistribution:
        """(B, 3, H, W) in [-1, 1] → the posterior of the scaled latents.

        Where ComfyUI falls back to tiles for lack of memory, the spread is given as zero.
        """
        self._check_open()
        latent = self._facts.latent
        if (
            pixels.dim() != 4
            or pixels.shape[1] != 3
            or any(n % latent.stride for n in pixels.shape[2:])
        ):
            why = f"{tuple(pixels.shape)} is not (B, 3, H, W) with multiples of {latent.stride}"
            raise HostError("these pixels cannot be encoded", why)
        with memory_errors(), self._loading.others():
            mean, std = (part.to(self.device) for part in encode(self._checked_vae(), pixels))
            return LatentDistribution(latent.scaled(mean), std * latent.scale)

    def encode_prompts(
        self,
        prompts: Sequence[str],
        embeddings: Mapping[str, Vectors],
        sizes: Sequence[PictureSize] | None = None,
        text: TextOptions = _LITERALLY,
    ) -> Conditioning:
        """As the port says; each distinct prompt passes the encoders once."""
        self._check_open()
        check_embeddings(self._facts.encoders, embeddings)
        distinct = list(dict.fromkeys(prompts))
        with memory_errors():
            self._loading.ready(self._clip.patcher)
            network, device = self._clip.cond_stage_model, self._clip.patcher.load_device
            with learnable(network, device, torch.float32, inputs_kept):
                context, pooled = encode_text(
                    self._clip, self._encoders, distinct, embeddings, text
                )
        index = torch.tensor([distinct.index(prompt) for prompt in prompts], device=self.device)
        pooled = None if pooled is None else pooled.to(self.device)
        encoded = Conditioning(context.to(self.device), pooled).rows(index)
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

        def attached(part: nn.Module) -> AbstractContextManager[None]:
            return hypernetwork_attached(part, hypernetwork)

        with memory_errors():
            needed = self._model.memory_required(noisy.shape)
            self._loading.ready(self._model, sampling_bytes=needed)
            unet = self._model.model.diffusion_model
            noisy = noisy.to(self.device, torch.float32)
            with learnable(unet, self.device, self._dtype, attached):
                output = unet(
                    self._input(noisy).to(self._dtype),
                    timesteps.to(self.device, torch.float32),
                    context=conditioning.context.to(self.device, self._dtype),
                    y=self._labels(conditioning),
                    transformer_options=attention_with_backward(),
                )
        return output.float()

    def preview(
        self,
        request: PreviewRequest,
        embeddings: Mapping[str, Vectors],
        hypernetwork: Hypernetwork | None = None,
    ) -> list[Image.Image]:
        """Pictures one after the other, each with its own seed: count does not matter."""
        self._check_open()
        check_request(request, self._facts.latent.stride)
        vae, unet = self._checked_vae(), self._model.model.diffusion_model
        with torch.no_grad():
            prompts = [request.prompt, request.negative_prompt]
            both = self.encode_prompts(prompts, embeddings, text=request.text)
            texts = (_row(both, 0), _row(both, 1))
            pictures = []
            for seed in range(request.seed, request.seed + request.count):
                with memory_errors(), self._loading.others(), torch.inference_mode():
                    with hypernetwork_attached(unet, hypernetwork):
                        latent = sample(self._model, self._facts.latent, request, seed, texts)
                    pictures += to_images(vae.decode(latent))
        return pictures

    def release(self, part: Literal["vae", "text_encoder"]) -> None:
        """Off the accelerator until it is next needed."""
        self._check_open()
        if part == "text_encoder":
            self._loading.release(self._clip.patcher)
        elif self._vae is not None:
            self._loading.release(self._vae.patcher)

    def _check_open(self) -> None:
        if not self._open:
            raise HostError("this session is closed", "", "open a new one")

    def _checked_vae(self) -> Any:
        if self._vae is None or self._vae.first_stage_model is None:
            fix = "connect the VAE of the checkpoint"
            raise HostError("there is no VAE", "pictures cannot be read or shown without", fix)
        return self._vae

    def _input(self, noisy: Tensor) -> Tensor:
        """With what an inpainting network wants beside: mask and picture of nothing at all."""
        beside = self._model.model.concat_cond(noise=noisy, latent_image=noisy, device=self.device)
        return noisy if beside is None else torch.cat([noisy, beside.to(noisy)], dim=1)

    def _labels(self, conditioning: Conditioning) -> Tensor | None:
        """SDXL's second input (B, 2816): the pooled text and six embedded sizes."""
        if conditioning.pooled is None or conditioning.time_ids is None:
            return None
        pooled, sizes = conditioning.pooled.to(self.device), conditioning.time_ids
        embedded = self._model.model.embedder(sizes.flatten().to(self.device))
        return torch.cat([pooled, embedded.reshape(len(sizes), -1)], dim=1).to(self._dtype)

    def _time_ids(self, count: int, sizes: Sequence[PictureSize] | None) -> Tensor | None:
        if not self._facts.family.sized:
            return None
        return time_ids(count, sizes, self._facts.resolution).to(self.device)


def _row(both: Conditioning, number: int) -> Conditioning:
    return both.rows(torch.tensor([number], device=both.context.device))
