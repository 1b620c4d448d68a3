"""A model lent for training by a web UI."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from ti_core.errors import HostError
from ti_core.hosts.common.attention import hypernetwork_attached
from ti_core.hosts.common.fitting import check_embeddings, time_ids
from ti_core.hosts.common.guidance import guided_prompts
from ti_core.hosts.common.precision import HALF_DTYPES
from ti_core.hosts.common.sampling import check_request, sample
from ti_core.hosts.common.snapshot import ModelSnapshot
from ti_core.port.memory import memory_errors
from ti_core.port.session import (
    Conditioning,
    Hypernetwork,
    LatentDistribution,
    PictureSize,
    Precision,
    PreviewRequest,
    TextOptions,
    Vectors,
)

from .networks import HostNetworks, Part, split_moments
from .text import encode_text

_LITERALLY = TextOptions()


class WebUISession:
    """Fulfils `port.Session` with what a program lends.

    The VAE computes in fp32 whatever the program has chosen for it: SDXL's overflows in fp16. In
    full precision the other networks are widened to fp32 for the time, too, which is exact.
    """

    def __init__(self, lent: HostNetworks, precision: Precision, moves: bool = True) -> None:
        """`moves`: networks go back to where they were; off where the program sees to that."""
        self._lent, self._precision, self._open = lent, precision, True
        self._beside: dict[tuple[int, int], Tensor] = {}
        self._found = ModelSnapshot(lent.networks(), moves)
        with ExitStack() as undo:
            undo.callback(self._found.restore)
            with memory_errors():
                self._found.widen(lent.networks() if precision == "no" else [lent.vae])
            undo.pop_all()

    @property
    def device(self) -> torch.device:
        """Where the results lie."""
        return self._lent.device

    def close(self) -> None:
        """Leave the model as it was found."""
        self._open = False
        self._found.restore()

    def token_embeddings_of(self, text: str) -> dict[str, Tensor]:
        """Vocabulary rows of a text: encoder key → (n, width) fp32 copies."""
        return self._rows({e.key: e.ids_of(text) for e in self._lent.encoders})

    def token_embeddings_at(self, ids: Sequence[int]) -> dict[str, Tensor]:
        """Vocabulary rows by number: encoder key → (len(ids), width) fp32 copies."""
        for encoder in self._lent.encoders:
            encoder.check_ids(ids)
        return self._rows({encoder.key: ids for encoder in self._lent.encoders})

    def _rows(self, ids: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
        self._check_open()
        found = {}
        for encoder in self._lent.encoders:
            weight = encoder.table.weight.detach()
            index = torch.tensor(list(ids[encoder.key]), dtype=torch.long, device=weight.device)
            found[encoder.key] = weight[index].to(self.device, torch.float32, copy=True)
        return found

    def encode_images(self, pixels: Tensor) -> LatentDistribution:
        """(B, 3, H, W) in [-1, 1] → the posterior of the scaled latents; always in fp32."""
        self._check_open()
        latent = self._lent.facts.latent
        if (
            pixels.dim() != 4
            or pixels.shape[1] != 3
            or any(n % latent.stride for n in pixels.shape[2:])
        ):
            why = f"{tuple(pixels.shape)} is not (B, 3, H, W) with multiples of {latent.stride}"
            raise HostError("these pixels cannot be encoded", why)
        with self._computing("vae"), torch.no_grad():
            vae: Any = self._lent.vae
            moments = vae.encoder(pixels.to(self.device, torch.float32))
            if vae.quant_conv is not None:
                moments = vae.quant_conv(moments)
            mean, std = split_moments(moments)
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
        lent, distinct = self._lent, list(dict.fromkeys(prompts))
        check_embeddings(lent.facts.encoders, embeddings)
        with self._computing("text_encoder"), ExitStack() as stack:
            for encoder in lent.encoders:
                stack.enter_context(lent.inside(encoder.network))
            context, pooled = encode_text(
                lent.encoders, distinct, embeddings, text, lent.emphasis_settings()
            )
        pooled = None if pooled is None else pooled.to(self.device)
        index = torch.tensor([distinct.index(prompt) for prompt in prompts], device=self.device)
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
        lent, noisy = self._lent, noisy.to(self.device, torch.float32)
        whole = torch.cat([noisy, self._nothing(noisy)], dim=1) if lent.inpaints else noisy
        with (
            self._computing("unet"),
            lent.inside(lent.unet),
            hypernetwork_attached(lent.unet, hypernetwork),
        ):
            output = lent.unet(
                whole,
                timesteps.to(self.device),
                context=conditioning.context.to(self.device),
                y=self._labels(conditioning),
                **lent.unet_options(),
            )
        return output.float()

    def preview(
        self,
        request: PreviewRequest,
        embeddings: Mapping[str, Vectors],
        hypernetwork: Hypernetwork | None = None,
    ) -> list[Image.Image]:
        """Pictures one after the other, each from its own generator: count does not matter."""
        self._check_open()
        check_request(request, self._lent.facts.latent.stride)
        with torch.no_grad():
            conditioning = guided_prompts(self, request, embeddings)
            return [
                self._preview_one(request, request.seed + i, conditioning, hypernetwork)
                for i in range(request.count)
            ]

    def release(self, part: Literal["vae", "text_encoder"]) -> None:
        """Move a part to main memory until it is next needed."""
        self._check_open()
        self._lent.release(part)

    def _check_open(self) -> None:
        if not self._open:
            raise HostError("this session is closed", "", "open a new one")
        self._lent.check()

    @contextmanager
    def _computing(self, part: Part) -> Iterator[None]:
        """The part is on the device, and computes in the session's precision."""
        with memory_errors():
            self._lent.ready(part)
            with self._autocast(part):
                yield

    def _autocast(self, part: Part) -> AbstractContextManager[Any]:
        dtype = None if part == "vae" else HALF_DTYPES.get(self._precision)
        kind = self.device.type
        if dtype is None:  # older torch knows no autocast for MPS, not even a disabled one
            return nullcontext() if kind == "mps" else torch.autocast(kind, enabled=False)
        return torch.autocast(kind, dtype=dtype)

    def _nothing(self, noisy: Tensor) -> Tensor:
        """What an inpainting network sees beside the latent: all of a grey picture is masked.

        So A1111 uses such a model in txt2img.
        """
        height, width = noisy.shape[-2:]
        if (height, width) not in self._beside:
            stride = self._lent.facts.latent.stride
            grey = torch.zeros(1, 3, height * stride, width * stride)
            self._beside[height, width] = self.encode_images(grey).mean
        latent = self._beside[height, width]
        rows = torch.cat([torch.ones_like(latent[:, :1]), latent], dim=1)
        return rows.expand(len(noisy), -1, -1, -1)

    def _labels(self, conditioning: Conditioning) -> Tensor | None:
        """SDXL's second input (B, 2816): the pooled text and six embedded sizes."""
        if conditioning.pooled is None or conditioning.time_ids is None:
            return None
        pooled, sizes = conditioning.pooled, conditioning.time_ids.to(self.device)
        first: Any = self._lent.unet.get_submodule("label_emb.0.0")
        width = (first.weight.shape[1] - pooled.shape[1]) // sizes.shape[1]
        waves = _waves(sizes.flatten(), width).reshape(len(sizes), -1)
        return torch.cat([pooled.to(self.device), waves], dim=1)

    def _time_ids(self, count: int, sizes: Sequence[PictureSize] | None) -> Tensor | None:
        facts = self._lent.facts
        if not facts.family.sized:
            return None
        return time_ids(count, sizes, facts.resolution).to(self.device)

    def _preview_one(
        self,
        request: PreviewRequest,
        seed: int,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Image.Image:
        def network(noisy: Tensor, timestep: Tensor) -> Tensor:
            rows = len(conditioning.context)
            noisy, times = noisy.expand(rows, -1, -1, -1), timestep.expand(rows)
            return self.predict(noisy, times, conditioning, hypernetwork)

        facts = self._lent.facts
        latent = facts.latent.unscaled(sample(facts, request, seed, self.device, network))
        with self._computing("vae"):
            vae: Any = self._lent.vae
            if vae.post_quant_conv is not None:
                latent = vae.post_quant_conv(latent)
            pixels = vae.decoder(latent)
        return _picture(pixels[0])


def _waves(numbers: Tensor, width: int) -> Tensor:
    """(N,) → (N, width): cosines, then sines (Vaswani et al. 2017, as in CompVis' code)."""
    half = width // 2
    slowing = torch.arange(half, dtype=torch.float32, device=numbers.device) / half
    angles = numbers.float()[:, None] * torch.exp(-math.log(10_000) * slowing)[None]
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def _picture(pixels: Tensor) -> Image.Image:
    """(3, H, W) in [-1, 1] → RGB."""
    unit = (pixels.float() / 2 + 0.5).nan_to_num().clamp(0, 1)
    return Image.fromarray((unit * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy())
