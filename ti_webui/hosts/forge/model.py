"""Forge's model objects, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from backend.text_processing import emphasis
from modules import shared
from torch import Tensor

from ti_core.port.session import Family, ModelFacts

from ..facts import alphas_of, family_of, refusal, resolution_of, short_hash
from ..loading import Loading
from ..networks import HostNetworks, input_channels
from ..text import EmphasisSettings, Encoder
from .state import inputs_kept

_PREDICTIONS = ("epsilon", "v_prediction")
_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")


def facts_of(model: Any) -> ModelFacts:
    """Facts about the loaded model.

    Raises HostError for a model that textual inversion as done here does not fit.
    """
    encoders = encoders_of(model)
    network = model.forge_objects_original.unet.model
    family = _family(encoders, network.diffusion_model)
    prediction = _prediction(network.predictor)
    info = model.sd_checkpoint_info
    return ModelFacts(
        family=family,
        encoders=tuple(encoder.facts() for encoder in encoders),
        prediction=prediction,  # type: ignore[arg-type]
        alphas_cumprod=alphas_of(network.predictor.sigmas),
        latent_scale=float(model.forge_objects_original.vae.first_stage_model.scaling_factor),
        resolution=resolution_of(family, prediction),
        checkpoint_name=str(info.name_for_extra),
        checkpoint_hash=short_hash(info.sha256),
    )


def _family(encoders: tuple[Encoder, ...], unet: Any) -> Family:
    family = family_of(encoders)
    if not hasattr(unet, "input_blocks"):
        raise refusal("its network is of another kind")
    if input_channels(unet) not in (4, 9):
        raise refusal(f"its network wants {input_channels(unet)} channels; it edits pictures")
    return family


def _prediction(predictor: Any) -> str:
    kind = str(getattr(predictor, "prediction_type", ""))
    if kind not in _PREDICTIONS or not hasattr(predictor, "sigmas"):
        raise refusal("its network predicts neither noise (eps) nor v")
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
        emphasis_settings=_reading,
        check=check,
        ready=loading.ready,
        release=loading.release,
        inside=inputs_kept,
        unet_options=lambda: {"transformer_options": {}},
    )


def _reading() -> EmphasisSettings:
    """Settings > Emphasis mode."""
    name = getattr(shared.opts, "emphasis", "Original")

    def weigh(states: Tensor, ids: list[list[int]], weights: list[list[float]]) -> Tensor:
        mode = emphasis.get_current_option(name)()
        mode.tokens, mode.z = ids, states
        mode.multipliers = torch.tensor(weights, device=states.device)
        mode.after_transformers()
        weighed: Tensor = mode.z
        return weighed

    return EmphasisSettings(emphasis=name != "None", weigh=weigh)


def encoders_of(model: Any) -> tuple[Encoder, ...]:
    """The text encoders with Forge's own code around them, clip_l before clip_g."""
    engines = [getattr(model, name) for name in _ENGINES if hasattr(model, name)]
    if not engines or not all(hasattr(engine, "embedding_key") for engine in engines):
        raise refusal("its text encoders are of another kind")
    return tuple(_encoder(engine, skips=len(engines) == 1) for engine in engines)


def _encoder(engine: Any, skips: bool) -> Encoder:
    text_model = engine.text_encoder.transformer.text_model
    listens = skips and engine.embedding_key == "clip_l"

    def run(ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        with _clip_skip(engine, clip_skip if listens else 1):
            states = engine.encode_with_transformers(ids)
        return states, getattr(states, "pooled", None)

    return Encoder(
        key=engine.embedding_key,
        network=engine.text_encoder,
        table=text_model.embeddings.token_embedding.wrapped,
        tokenize=lambda text: engine.tokenize([text])[0],
        token_string=lambda number: str(engine.tokenizer.convert_ids_to_tokens(number)),
        start=engine.id_start,
        end=engine.id_end,
        pad=engine.id_pad,
        layers=len(text_model.encoder.layers),
        run=run,
    )


@contextmanager
def _clip_skip(engine: Any, layers: int) -> Iterator[None]:
    """While open, Forge's engine takes this layer; SDXL's takes at least one before the last."""
    before, engine.clip_skip = engine.clip_skip, layers
    try:
        yield
    finally:
        engine.clip_skip = before
