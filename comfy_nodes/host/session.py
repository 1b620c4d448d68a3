"""A session with the model that a graph of ComfyUI has loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch
from comfy.model_base import SDXL
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from PIL import Image
from torch import Tensor, nn

from ...ti_core.errors import NoModelError
from ...ti_core.hosts.common.attention import attach_hypernetwork
from ...ti_core.hosts.common.autograd import keep_inputs
from ...ti_core.hosts.common.precision import HALF_DTYPES
from ...ti_core.hosts.common.session import BaseSession, Part
from ...ti_core.port.memory import memory_errors
from ...ti_core.port.session import (
    Conditioning,
    Features,
    Hypernetwork,
    ModelFacts,
    Precision,
    PreviewRequest,
    Vectors,
)
from .autograd import BLOCKS, attention_with_backward, weights_are_temporary
from .dynamic import clip_over
from .interrupt import interrupt_kept
from .latents import encode
from .loading import Loading, computing_in
from .preview import KSAMPLERS, run_ksampler, saved_image
from .text import encoders_of


class ComfySession(BaseSession):
    """Fulfils `port.Session`. Open it with `ComfyHost.session()` only.

    The network computes in the session's precision, text encoders in fp32 as always in ComfyUI,
    the VAE in what ComfyUI has chosen for it. Where ComfyUI encodes images in tiles for lack of
    memory, their spread is given as zero.
    """

    features = Features(samplers=tuple(KSAMPLERS))
    blocks = BLOCKS

    def __init__(
        self,
        model: ModelPatcher,
        clip: CLIP,
        vae: VAE | None,
        facts: ModelFacts,
        precision: Precision,
    ) -> None:
        self._loading = Loading(model, clip.patcher, None if vae is None else vae.patcher)
        self._clip = clip_over(clip, self._loading.at_rest(clip.patcher))
        super().__init__(facts, encoders_of(self._clip), model.load_device)
        self._dtype = HALF_DTYPES.get(precision, torch.float32)
        self._model = computing_in(self._loading.at_rest(model), self._dtype)
        self._vae = vae

    @contextmanager
    def _using(self, part: Part) -> Iterator[None]:
        with interrupt_kept(), super()._using(part):
            yield

    @contextmanager
    def _computing(self, part: Part) -> Iterator[None]:
        with ExitStack() as stack:
            if part == "vae":
                stack.enter_context(self._loading.others())
            elif part == "text_encoder":
                patcher, network = self._clip.patcher, self._clip.cond_stage_model
                self._loading.ready(patcher)
                temporary = weights_are_temporary(network, patcher.load_device, torch.float32)
                stack.enter_context(self._learnable(network, _kept, temporary))
            yield

    def _encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return encode(self._checked_vae(), pixels)

    def _decode(self, latents: Tensor) -> Tensor:
        with torch.inference_mode():
            return self._checked_vae().decode(latents)

    def _image(self, pixels: Tensor) -> Image.Image:
        return saved_image(pixels[0])

    def _network(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Tensor:
        @contextmanager
        def inside(part: nn.Module) -> Iterator[None]:
            with interrupt_kept(), attach_hypernetwork(part, hypernetwork):
                yield

        needed = self._model.memory_required(noisy.shape)
        self._loading.ready(self._model, sampling_bytes=needed)
        unet = self._model.model.diffusion_model
        temporary = weights_are_temporary(unet, self.device, self._dtype)
        with self._learnable(unet, inside, temporary):
            output: Tensor = unet(
                self._input(noisy).to(self._dtype),
                timesteps.float(),
                context=conditioning.context.to(self._dtype),
                y=self._labels(conditioning),
                transformer_options=attention_with_backward(),
            )
        return output

    def _guided(self, request: PreviewRequest, embeddings: Mapping[str, Vectors]) -> Conditioning:
        """Two rows, the negative prompt's first: an empty one is encoded, as in a graph."""
        prompts = [request.negative_prompt, request.prompt]
        return self.encode_prompts(prompts, embeddings, text=request.text)

    def _sample(
        self,
        request: PreviewRequest,
        seed: int,
        guided: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Tensor:
        """By ComfyUI's samplers: the same image as in a graph."""
        unet = self._model.model.diffusion_model
        with (
            memory_errors(),
            self._loading.others(),
            torch.inference_mode(),
            attach_hypernetwork(unet, hypernetwork),
        ):
            return run_ksampler(self._model, self.facts.latent, request, seed, guided)

    def _trained_through(self) -> list[nn.Module]:
        return [self._model.model.diffusion_model, self._clip.cond_stage_model]

    def _release(self, part: Literal["vae", "text_encoder"]) -> None:
        if part == "text_encoder":
            self._loading.release(self._clip.patcher)
        elif self._vae is not None:
            self._loading.release(self._vae.patcher)

    def _restore(self) -> None:
        self._loading.close()

    def _checked_vae(self) -> VAE:
        if self._vae is None or self._vae.first_stage_model is None:
            fix = "connect the VAE of the checkpoint"
            raise NoModelError("there is no VAE", "images cannot be read or shown without", fix)
        return self._vae

    def _input(self, noisy: Tensor) -> Tensor:
        """With what an inpainting network wants beside: mask and image of nothing at all."""
        beside = self._model.model.concat_cond(noise=noisy, latent_image=noisy, device=self.device)
        return noisy if beside is None else torch.cat([noisy, beside.to(noisy)], dim=1)

    def _labels(self, conditioning: Conditioning) -> Tensor | None:
        """SDXL's second input (B, 2816): the pooled text and six embedded sizes."""
        network, pooled, sizes = self._model.model, conditioning.pooled, conditioning.time_ids
        if pooled is None or sizes is None or not isinstance(network, SDXL):
            return None
        embedded = network.embedder(sizes.flatten())
        return torch.cat([pooled, embedded.reshape(len(sizes), -1)], dim=1).to(self._dtype)


@contextmanager
def _kept(part: nn.Module) -> Iterator[None]:
    """What holds while a part of a text encoder computes, which adds to its input in place."""
    with interrupt_kept(), keep_inputs(part):
        yield
