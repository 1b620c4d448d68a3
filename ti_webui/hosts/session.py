"""A session with the checkpoint that a web UI has loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ti_core.hosts.common.attention import attach_hypernetwork
from ti_core.hosts.common.precision import autocast
from ti_core.hosts.common.session import BaseSession, Part
from ti_core.port.memory import memory_errors
from ti_core.port.session import Conditioning, Hypernetwork, Precision

from .base import check_loaded
from .networks import HostNetworks, split_moments


class WebUISession(BaseSession):
    """Fulfils `port.Session` with the networks of a program.

    The VAE computes in fp32 whatever the program has chosen for it: SDXL's overflows in fp16. In
    full precision the other networks are widened to fp32 for the time, too, which is exact.
    """

    blocks = frozenset(
        {"BasicTransformerBlock", "ResBlock"}  # of the UNet
        | {"CLIPEncoderLayer", "ResidualAttentionBlock", "CLIPLayer"}  # of text encoders
    )

    def __init__(self, networks: HostNetworks, precision: Precision, moves: bool = True) -> None:
        """`moves`: networks go back to where they were; off where the program sees to that."""
        super().__init__(networks.facts, networks.encoders, networks.device, networks.all(), moves)
        self._networks, self._precision = networks, precision
        self._beside: dict[tuple[int, int], Tensor] = {}
        with ExitStack() as undo:
            undo.callback(self._snapshot.restore)
            with memory_errors():
                self._snapshot.widen(networks.all() if precision == "no" else [networks.vae])
            undo.pop_all()

    def _check(self) -> None:
        super()._check()
        check_loaded(self._networks.model)

    @contextmanager
    def _computing(self, part: Part) -> Iterator[None]:
        self._networks.ready(part)
        with ExitStack() as stack:
            stack.enter_context(autocast(self.device, "no" if part == "vae" else self._precision))
            for encoder in self._networks.encoders if part == "text_encoder" else ():
                stack.enter_context(self._learnable(encoder.network, self._networks.inside))
            yield

    def _encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        vae: Any = self._networks.vae
        moments = vae.encoder(pixels)
        return split_moments(moments if vae.quant_conv is None else vae.quant_conv(moments))

    def _decode(self, latents: Tensor) -> Tensor:
        vae: Any = self._networks.vae
        if vae.post_quant_conv is not None:
            latents = vae.post_quant_conv(latents)
        pixels: Tensor = vae.decoder(latents)
        return pixels

    def _network(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Tensor:
        networks = self._networks

        @contextmanager
        def inside(part: nn.Module) -> Iterator[None]:
            with networks.inside(part), attach_hypernetwork(part, hypernetwork):
                yield

        if networks.inpaints:
            noisy = torch.cat([noisy, self._nothing(noisy)], dim=1)
        with self._learnable(networks.unet, inside):
            output: Tensor = networks.unet(
                noisy,
                timesteps,
                context=conditioning.context,
                y=self._labels(conditioning),
                **networks.unet_options(),
            )
        return output

    def _trained_through(self) -> list[nn.Module]:
        networks = self._networks
        return [networks.unet, *(encoder.network for encoder in networks.encoders)]

    def _release(self, part: Literal["vae", "text_encoder"]) -> None:
        self._networks.release(part)

    def _nothing(self, noisy: Tensor) -> Tensor:
        """What an inpainting network sees beside the latent: all of a grey image is masked.

        So A1111 uses such a model in txt2img.
        """
        height, width = noisy.shape[-2:]
        if (height, width) not in self._beside:
            stride = self.facts.latent.stride
            grey = torch.zeros(1, 3, height * stride, width * stride)
            self._beside[height, width] = self.encode_images(grey).mean
        latent = self._beside[height, width]
        rows = torch.cat([torch.ones_like(latent[:, :1]), latent], dim=1)
        return rows.expand(len(noisy), -1, -1, -1)

    def _labels(self, conditioning: Conditioning) -> Tensor | None:
        """SDXL's second input (B, 2816): the pooled text and six embedded sizes."""
        pooled, sizes = conditioning.pooled, conditioning.time_ids
        if pooled is None or sizes is None:
            return None
        first: Any = self._networks.unet.get_submodule("label_emb.0.0")
        width = (first.weight.shape[1] - pooled.shape[1]) // sizes.shape[1]
        waves = _waves(sizes.flatten(), width).reshape(len(sizes), -1)
        return torch.cat([pooled, waves], dim=1)


def _waves(numbers: Tensor, width: int) -> Tensor:
    """(N,) → (N, width): cosines, then sines (Vaswani et al. 2017, as in CompVis' code)."""
    half = width // 2
    slowing = torch.arange(half, dtype=torch.float32, device=numbers.device) / half
    angles = numbers.float()[:, None] * torch.exp(-math.log(10_000) * slowing)[None]
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
