"""reForge's model objects: A1111's names around ComfyUI's networks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from ldm_patched.modules import model_sampling
from torch import Tensor

from ti_core.port.session import Family, ModelFacts, Prediction

from ..a1111.model import emphasis_settings, run_encoder, table_of
from ..facts import alphas_of, family_of, refusal, resolution_of, short_hash
from ..loading import Loading
from ..networks import HostNetworks, input_channels
from ..text import Encoder

_PREDICTIONS: dict[str, Prediction] = {"EPS": "epsilon", "V_PREDICTION": "v_prediction"}


def facts_of(model: Any) -> ModelFacts:
    """Facts about the loaded model.

    Raises HostError for a model that textual inversion as done here does not fit.
    """
    encoders = encoders_of(model)
    network = model.forge_objects_original.unet.model
    family = _family(encoders, network)
    prediction = _prediction(network.model_sampling)
    info = model.sd_checkpoint_info
    return ModelFacts(
        family=family,
        encoders=tuple(encoder.facts() for encoder in encoders),
        prediction=prediction,
        alphas_cumprod=alphas_of(network.model_sampling.sigmas),
        latent_scale=float(network.latent_format.scale_factor),
        resolution=resolution_of(family, prediction),
        checkpoint_name=str(info.name_for_extra),
        checkpoint_hash=short_hash(info.sha256),
    )


def _family(encoders: tuple[Encoder, ...], network: Any) -> Family:
    family, unet = family_of(encoders), network.diffusion_model
    if not hasattr(unet, "input_blocks"):
        raise refusal("its network is of another kind")
    if input_channels(unet) not in (4, 9):
        raise refusal(f"its network wants {input_channels(unet)} channels; it edits pictures")
    if family != "sdxl" and getattr(unet, "num_classes", None) is not None:
        raise refusal("its network wants pictures beside words (unCLIP)")
    return family


def _prediction(sampling: Any) -> Prediction:
    """By the class that is mixed in; others (EDM, flow, x0) are made of these two."""
    kinds = [kind.__name__ for kind in type(sampling).__mro__ if issubclass(kind, _base())]
    known = _PREDICTIONS.get(kinds[1]) if len(kinds) > 1 else None
    if known is None or not isinstance(sampling, model_sampling.ModelSamplingDiscrete):
        raise refusal("its network predicts neither noise (eps) nor v")
    return known


def _base() -> type:
    kind: type = model_sampling.EPS
    return kind


def host_networks(model: Any, loading: Loading, check: Callable[[], None]) -> HostNetworks:
    """The parts of the loaded model, without the patches of LoRAs."""
    original = model.forge_objects_original
    return HostNetworks(
        facts=facts_of(model),
        device=torch.device(original.unet.load_device),
        unet=original.unet.model.diffusion_model,
        vae=original.vae.first_stage_model,
        encoders=encoders_of(model),
        emphasis_settings=emphasis_settings,
        check=check,
        ready=loading.ready,
        release=loading.release,
        inside=lambda network: nullcontext(),
        unet_options=lambda: {"transformer_options": {}},
    )


def encoders_of(model: Any) -> tuple[Encoder, ...]:
    """The text encoders with the web UI's own code around them, clip_l before clip_g."""
    networks = model.forge_objects_original.clip.cond_stage_model
    conditioner = getattr(model, "conditioner", None)
    parts = [model.cond_stage_model] if conditioner is None else conditioner.embedders
    words = [part for part in parts if hasattr(part, "encode_with_transformers")]
    skips = conditioner is None
    return tuple(_encoder(part, _key(part, networks), networks, skips) for part in words)


def _key(words: Any, networks: Any) -> str:
    """The name of the network that is called through this shell."""
    for key, network in networks.named_children():
        if getattr(network, "transformer", None) is words.wrapped.transformer:
            return str(key)
    raise refusal("its text encoders are of another kind")


def _encoder(words: Any, key: str, networks: Any, skips: bool) -> Encoder:
    wrapped = words.wrapped
    text_model = wrapped.transformer.text_model
    listens = skips and key == "clip_l"

    def run(ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        return run_encoder(words, ids, clip_skip if listens else 1)

    return Encoder(
        key=key,
        network=getattr(networks, key),
        table=table_of(text_model.embeddings.token_embedding),
        tokenize=lambda text: words.tokenize([text])[0],
        token_string=lambda number: str(wrapped.tokenizer.convert_ids_to_tokens(number)),
        start=words.id_start,
        end=words.id_end,
        pad=words.id_pad,
        layers=len(text_model.encoder.layers),
        run=run,
    )
