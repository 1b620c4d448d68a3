"""A session with a checkpoint from the disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from ...port.session import Conditioning, Hypernetwork, ModelFacts, Precision
from ..common.attention import attach_hypernetwork
from ..common.checkpointing import BlockKinds
from ..common.clip import ClipEncoder
from ..common.precision import HALF_DTYPES, autocast
from ..common.session import BaseSession, Part
from .models import Model
from .weights import Storage

if TYPE_CHECKING:
    from .compiled import CompiledBlocks


class DiffusersSession(BaseSession):
    """Fulfils `port.Session`. Open it with `DiffusersHost.session()` only.

    At half precision the U-Net is stored and computes in it as a whole, and torch adds up norms
    and softmax in fp32. Of a text encoder only the linear layers do, with the same bits as autocast
    over fp32 weights: vectors, norms and what is passed from layer to layer stay fp32, so that a
    vector is not rounded before it is used (`benchmarks/precision.py` measures what that is worth).
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
        compiles: bool = False,
    ) -> None:
        """`compiles`: whether the U-Net's blocks are, for training steps."""
        super().__init__(facts, encoders, device, model.networks())
        self._model, self._precision = model, precision
        self._dtype = HALF_DTYPES.get(precision, torch.float32)
        self._text_device = device
        self._compiled = _compiled(model.unet, self.blocks) if compiles else None

    @contextmanager
    def _computing(self, part: Part) -> Iterator[None]:
        storage = self._storage(part)
        self._model.weights[part].place(storage)
        casts = storage.only_linear
        with ExitStack() as stack:
            stack.enter_context(autocast(storage.device, self._precision if casts else "no"))
            for encoder in self._model.encoders if part == "text_encoder" else ():
                stack.enter_context(self._learnable(encoder.model))
            yield

    def _storage(self, part: Part) -> Storage:
        if part == "unet":
            return Storage(self.device, self._dtype)
        if part == "vae" or self._text_device != self.device:
            return Storage(self._text_device if part == "text_encoder" else self.device)
        return Storage(self.device, self._dtype, only_linear=self._dtype != torch.float32)

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
        def changed(context: Tensor) -> tuple[Tensor, Tensor]:
            """It is trained in fp32, and computes like a layer of the network."""
            assert hypernetwork is not None
            with autocast(self.device, self._precision):
                return hypernetwork(context)

        def attached(part: nn.Module) -> AbstractContextManager[None]:
            return attach_hypernetwork(part, hypernetwork and changed)

        unet, added = self._model.unet, None
        if conditioning.pooled is not None:
            pooled = conditioning.pooled.to(self._dtype)
            added = {"text_embeds": pooled, "time_ids": conditioning.time_ids}
        with self._compiling(hypernetwork is None), self._learnable(unet, attached):
            output: Tensor = unet(
                noisy.to(self._dtype),
                timesteps,
                encoder_hidden_states=conditioning.context.to(self._dtype),
                added_cond_kwargs=added,
            ).sample
        return output

    def _compiling(self, wanted: bool) -> AbstractContextManager[None]:
        """A hypernetwork hangs on hooks that are made for each call, which would be compiled each
        time."""
        return self._compiled.used(wanted) if self._compiled else nullcontext()

    def _trained_through(self) -> list[nn.Module]:
        parts = self._model.parts()
        return [*parts["unet"], *parts["text_encoder"]]

    def pack_weights(self) -> None:
        """Not where blocks are compiled: the compiler knows only torch's own operations."""
        if not self._compiled:
            super().pack_weights()

    def _keep_text_on_cpu(self) -> bool:
        """In fp32, as fast as anything there."""
        self._text_device = torch.device("cpu")
        self._release("text_encoder")
        return True

    def _release(self, part: Literal["vae", "text_encoder"]) -> None:
        if self._packed:
            self._packed.forget(self._model.parts()[part])
        self._model.weights[part].put_back()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _restore(self) -> None:
        if self._compiled:
            self._compiled.close()
        for weights in self._model.weights.values():
            weights.put_back()
        super()._restore()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _compiled(network: nn.Module, kinds: BlockKinds) -> CompiledBlocks:
    """PyTorch's compiler takes a second to import."""
    from .compiled import CompiledBlocks

    return CompiledBlocks(network, kinds)
