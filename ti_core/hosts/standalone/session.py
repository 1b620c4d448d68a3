"""A session with a checkpoint from the disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...port.session import Conditioning, Hypernetwork, ModelFacts, Precision
from ..common.attention import attach_hypernetwork
from ..common.clip import ClipEncoder
from ..common.precision import autocast
from ..common.session import BaseSession, Part
from .models import Model


class DiffusersSession(BaseSession):
    """Fulfils `port.Session`. Open it with `DiffusersHost.session()` only.

    The VAE always computes in fp32: SDXL's overflows in half precision.
    """

    blocks = frozenset({"BasicTransformerBlock", "ResnetBlock2D", "CLIPEncoderLayer"})

    def __init__(
        self,
        model: Model,
        facts: ModelFacts,
        encoders: Sequence[ClipEncoder],
        device: torch.device,
        precision: Precision,
    ) -> None:
        super().__init__(facts, encoders, device, model.networks())
        self._model, self._precision = model, precision
        self._text_device = device

    @contextmanager
    def _computing(self, part: Part) -> Iterator[None]:
        device = self._text_device if part == "text_encoder" else self.device
        for network in self._model.parts()[part]:
            if _device_of(network) != device:
                network.to(device)
        whole = part == "vae" or device != self.device
        with ExitStack() as stack:
            stack.enter_context(autocast(device, "no" if whole else self._precision))
            for encoder in self._model.encoders if part == "text_encoder" else ():
                stack.enter_context(self._learnable(encoder.model))
            yield

    def _encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        vae: Any = self._model.vae
        posterior = vae.encode(pixels).latent_dist
        return posterior.mean, posterior.std

    def _decode(self, latents: Tensor) -> Tensor:
        vae: Any = self._model.vae
        pixels: Tensor = vae.decode(latents).sample
        return pixels

    def _network(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hypernetwork: Hypernetwork | None,
    ) -> Tensor:
        def attached(part: nn.Module) -> AbstractContextManager[None]:
            return attach_hypernetwork(part, hypernetwork)

        unet, added = self._model.unet, None
        if conditioning.pooled is not None:
            added = {"text_embeds": conditioning.pooled, "time_ids": conditioning.time_ids}
        with self._learnable(unet, attached):
            output: Tensor = unet(
                noisy,
                timesteps,
                encoder_hidden_states=conditioning.context,
                added_cond_kwargs=added,
            ).sample
        return output

    def _trained_through(self) -> list[nn.Module]:
        parts = self._model.parts()
        return [*parts["unet"], *parts["text_encoder"]]

    def _keep_text_on_cpu(self) -> bool:
        """In fp32, as fast as anything there."""
        self._text_device = torch.device("cpu")
        self._release("text_encoder")
        return True

    def _release(self, part: Literal["vae", "text_encoder"]) -> None:
        for network in self._model.parts()[part]:
            network.to("cpu")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _device_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
