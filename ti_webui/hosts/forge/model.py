"""Forge's model objects, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.modules.k_prediction import rescale_zero_terminal_snr_sigmas
from backend.text_processing import emphasis
from modules import shared
from torch import Tensor

from ti_core.diffusion import Ddpm
from ti_core.families import by_encoders, unsupported
from ti_core.hosts.common.clip import ClipEncoder
from ti_core.hosts.common.text import EncodedText
from ti_core.port.session import ModelFacts

from ..base import set_attribute
from ..facts import family_in_use, model_facts
from ..words import clip_encoder

if TYPE_CHECKING:
    from backend.diffusion_engine.base import ForgeDiffusionEngine
    from backend.text_processing.classic_engine import ClassicTextProcessingEngine

_LEFT_AT_THE_END = 1e-7
"""ᾱ, of a zero terminal SNR as Forge computes it: 4.9e-8, which is meant to be 0."""
TEXT_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")


def facts_of(model: ForgeDiffusionEngine, latent_scale: float) -> ModelFacts:
    """Facts about the loaded model.

    Raises UnsupportedModelError for one that textual inversion as done here does not fit.
    """
    encoders = encoders_of(model)
    family = family_in_use(encoders, model.forge_objects_original.unet.model.diffusion_model)
    diffusion = _diffusion(model)
    return model_facts(family, encoders, diffusion, latent_scale, model.sd_checkpoint_info)


def _diffusion(model: ForgeDiffusionEngine) -> Ddpm:
    """The noise that images are made with."""
    predictor = model.forge_objects_original.unet.model.predictor
    kind: Any = getattr(predictor, "prediction_type", "")
    if kind not in ("epsilon", "v_prediction") or not hasattr(predictor, "sigmas"):
        raise unsupported("its network predicts neither noise (eps) nor v")
    if not _ends_in_noise(model):
        return Ddpm.from_sigmas(predictor.sigmas, kind)
    sigmas = rescale_zero_terminal_snr_sigmas(predictor.sigmas.detach().cpu())
    return Ddpm.from_sigmas(sigmas, kind, _LEFT_AT_THE_END)


def _ends_in_noise(model: ForgeDiffusionEngine) -> bool:
    """Zero terminal SNR, by file or setting; the predictor has it while an image is made."""
    marked = getattr(getattr(model, "model_config", None), "ztsnr", False)
    return bool(marked) or getattr(shared.opts, "sd_noise_schedule", "") == "Zero Terminal SNR"


def encoders_of(model: ForgeDiffusionEngine) -> tuple[ClipEncoder, ...]:
    """The text encoders with Forge's own code around them, in the order of their family."""
    engines = [getattr(model, name) for name in TEXT_ENGINES if hasattr(model, name)]
    if not engines or not all(hasattr(engine, "embedding_key") for engine in engines):
        raise unsupported("its text encoders are of another kind")
    family = by_encoders(engine.embedding_key for engine in engines)
    return tuple(_encoder(engine, family.clip_skip) for engine in engines)


def _encoder(engine: ClassicTextProcessingEngine, skips: bool) -> ClipEncoder:
    def forward(ids: Tensor, clip_skip: int) -> EncodedText:
        # SDXL's engine takes at least one before the last
        with set_attribute(engine, "clip_skip", clip_skip if skips else 1):
            states = engine.encode_with_transformers(ids)
        return states, getattr(states, "pooled", None)

    return clip_encoder(
        engine,
        engine.text_encoder.transformer,
        engine.tokenizer,
        key=engine.embedding_key,
        network=engine.text_encoder,
        forward=forward,
        modes=emphasis,
    )
