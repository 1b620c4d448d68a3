"""Forge's model objects, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from backend.text_processing import emphasis
from modules import shared
from torch import Tensor

from ti_core.diffusion import Ddpm
from ti_core.families import by_encoders, unsupported
from ti_core.port.session import ModelFacts

from ..facts import family_in_use, model_facts
from ..loading import Loading
from ..networks import HostNetworks
from ..text import EmphasisSettings, Encoder
from .state import inputs_kept

_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")


def facts_of(model: Any) -> ModelFacts:
    """Facts about the loaded model.

    Raises UnsupportedModelError for one that textual inversion as done here does not fit.
    """
    encoders = encoders_of(model)
    network = model.forge_objects_original.unet.model
    family = family_in_use(encoders, network.diffusion_model)
    scale = float(model.forge_objects_original.vae.first_stage_model.scaling_factor)
    diffusion = _diffusion(network.predictor)
    return model_facts(family, encoders, diffusion, scale, model.sd_checkpoint_info)


def _diffusion(predictor: Any) -> Ddpm:
    kind: Any = getattr(predictor, "prediction_type", "")
    if kind not in ("epsilon", "v_prediction") or not hasattr(predictor, "sigmas"):
        raise unsupported("its network predicts neither noise (eps) nor v")
    return Ddpm.from_sigmas(predictor.sigmas, kind)


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
    """The text encoders with Forge's own code around them, in the order of their family."""
    engines = [getattr(model, name) for name in _ENGINES if hasattr(model, name)]
    if not engines or not all(hasattr(engine, "embedding_key") for engine in engines):
        raise unsupported("its text encoders are of another kind")
    family = by_encoders(engine.embedding_key for engine in engines)
    return tuple(_encoder(engine, family.clip_skip) for engine in engines)


def _encoder(engine: Any, skips: bool) -> Encoder:
    text_model = engine.text_encoder.transformer.text_model

    def run(ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        with _clip_skip(engine, clip_skip if skips else 1):
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
