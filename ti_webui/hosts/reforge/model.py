"""reForge's model objects: A1111's names around ComfyUI's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ldm_patched.modules import model_sampling
from modules import sd_emphasis
from torch import Tensor, nn

from ti_core.diffusion import Ddpm, Prediction
from ti_core.families import by_encoders, unsupported
from ti_core.hosts.common.clip import ClipEncoder
from ti_core.hosts.common.text import EncodedText
from ti_core.port.session import ModelFacts

from ..facts import family_in_use, model_facts
from ..words import clip_encoder, run_words

if TYPE_CHECKING:
    from modules.sd_hijack_clip import FrozenCLIPEmbedderWithCustomWordsBase
    from modules.sd_models_types import WebuiSdModel

_PREDICTIONS: dict[str, Prediction] = {"EPS": "epsilon", "V_PREDICTION": "v_prediction"}


def facts_of(model: WebuiSdModel) -> ModelFacts:
    """Facts about the loaded model.

    Raises UnsupportedModelError for one that textual inversion as done here does not fit.
    """
    encoders = encoders_of(model)
    network = model.forge_objects_original.unet.model
    family = family_in_use(encoders, network.diffusion_model)
    scale = float(network.latent_format.scale_factor)
    diffusion = _diffusion(network.model_sampling)
    return model_facts(family, encoders, diffusion, scale, model.sd_checkpoint_info)


def _diffusion(sampling: model_sampling.ModelSamplingDiscrete) -> Ddpm:
    """By the class that is mixed in; others (EDM, flow, x0) are made of these two."""
    bases = [kind for kind in type(sampling).__mro__ if issubclass(kind, model_sampling.EPS)]
    known = _PREDICTIONS.get(bases[1].__name__) if len(bases) > 1 else None
    if known is None or not isinstance(sampling, model_sampling.ModelSamplingDiscrete):
        raise unsupported("its network predicts neither noise (eps) nor v")
    return Ddpm.from_sigmas(sampling.sigmas, known)


def encoders_of(model: WebuiSdModel) -> tuple[ClipEncoder, ...]:
    """The text encoders with the web UI's own code around them, in the order of their family."""
    networks = model.forge_objects_original.clip.cond_stage_model
    conditioner = getattr(model, "conditioner", None)
    parts = [model.cond_stage_model] if conditioner is None else conditioner.embedders
    words = [part for part in parts if hasattr(part, "encode_with_transformers")]
    keys = [_key(part, networks) for part in words]
    skips = by_encoders(keys).clip_skip
    return tuple(
        _encoder(part, key, networks, skips) for part, key in zip(words, keys, strict=True)
    )


def _key(words: FrozenCLIPEmbedderWithCustomWordsBase, networks: nn.Module) -> str:
    """The name of the network that is called through this shell."""
    for key, network in networks.named_children():
        if getattr(network, "transformer", None) is words.wrapped.transformer:
            return str(key)
    raise unsupported("its text encoders are of another kind")


def _encoder(
    words: FrozenCLIPEmbedderWithCustomWordsBase, key: str, networks: nn.Module, skips: bool
) -> ClipEncoder:
    def forward(ids: Tensor, clip_skip: int) -> EncodedText:
        return run_words(words, ids, clip_skip if skips else 1)

    return clip_encoder(
        words,
        words.wrapped.transformer,
        words.wrapped.tokenizer,
        key=key,
        network=networks.get_submodule(key),
        forward=forward,
        modes=sd_emphasis,
    )
