"""Forge's model objects, and its memory manager asked for the parts that a session needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from backend import memory_management
from backend.text_processing import emphasis
from modules import shared
from torch import Tensor

from ti_core.errors import HostError
from ti_core.hosts.port import Family, ModelFacts

from .host_forge_state import inputs_kept
from .host_lent import Lent, Part, input_channels
from .host_text import Encoder, Reading

_FAMILIES: dict[tuple[str, ...], Family] = {
    ("clip_l",): "sd1",
    ("clip_h",): "sd2",
    ("clip_l", "clip_g"): "sdxl",
}
_PREDICTIONS = ("epsilon", "v_prediction")
_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")
_FIX = "choose a checkpoint of SD 1.x, SD 2.x or SDXL"
_SHORT_HASH = 10
_ROOM = 3 * 1024**3
"""Bytes of the accelerator that are kept free of weights, for a step with its backward pass."""


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
        alphas_cumprod=_alphas(network.predictor),
        latent_scale=float(model.forge_objects_original.vae.first_stage_model.scaling_factor),
        resolution=_resolution(family, prediction),
        checkpoint_name=str(info.name_for_extra),
        checkpoint_hash=str(info.sha256 or "")[:_SHORT_HASH],
    )


def _family(encoders: tuple[Encoder, ...], unet: Any) -> Family:
    family = _FAMILIES.get(tuple(encoder.key for encoder in encoders))
    if family is None or not hasattr(unet, "input_blocks"):
        raise _refusal("its network or its text encoders are of another kind")
    if input_channels(unet) not in (4, 9):
        raise _refusal(f"its network wants {input_channels(unet)} channels; it edits pictures")
    return family


def _prediction(predictor: Any) -> str:
    kind = str(getattr(predictor, "prediction_type", ""))
    if kind not in _PREDICTIONS or not hasattr(predictor, "sigmas"):
        raise _refusal("its network predicts neither noise (eps) nor v")
    return kind


def _refusal(why: str) -> HostError:
    return HostError("the loaded checkpoint cannot be taught a word here", why, _FIX)


def _alphas(predictor: Any) -> tuple[float, ...]:
    """ᾱ = 1/(1 + σ²) for every timestep, with which Forge makes pictures."""
    sigmas = predictor.sigmas.detach().cpu().double()
    return tuple((1 / (1 + sigmas**2)).tolist())


def _resolution(family: Family, prediction: str) -> int:
    """SD 2's v-models were trained at 768."""
    if family == "sdxl":
        return 1024
    return 768 if family == "sd2" and prediction == "v_prediction" else 512


class Loading:
    """Which parts are on the device; Forge's manager puts them there and knows about it."""

    def __init__(self, model: Any) -> None:
        """Loads all three: whatever Forge would do to them at first use is done then."""
        original = model.forge_objects_original
        self._patchers = {
            "unet": original.unet,
            "text_encoder": original.clip.patcher,
            "vae": original.vae.patcher,
        }
        self._wanted: dict[str, Any] = {}
        for part in ("vae", "text_encoder", "unet"):
            self.ready(part)

    def ready(self, part: Part) -> None:
        """Load this part beside those that are loaded already."""
        self._wanted[part] = self._patchers[part]
        if not all(self._is_loaded(patcher) for patcher in self._wanted.values()):
            memory_management.load_models_gpu([*self._wanted.values()], memory_required=_ROOM)

    def release(self, part: Part) -> None:
        """Send it where Forge keeps what is not in use."""
        patcher = self._wanted.pop(part, None)
        for loaded in list(memory_management.current_loaded_models):
            if patcher is not None and loaded.model is patcher:
                memory_management.current_loaded_models.remove(loaded)
                loaded.model_unload()
        memory_management.soft_empty_cache()

    def _is_loaded(self, patcher: Any) -> bool:
        loaded = memory_management.current_loaded_models
        return any(entry.model is patcher for entry in loaded)


def lent_by(model: Any, loading: Loading, check: Callable[[], None]) -> Lent:
    """The parts of the loaded model, without the patches of LoRAs."""
    original = model.forge_objects_original
    return Lent(
        facts=facts_of(model),
        device=torch.device(original.unet.load_device),
        unet=original.unet.model.diffusion_model,
        vae=original.vae.first_stage_model,
        encoders=encoders_of(model),
        reading=_reading,
        check=check,
        ready=loading.ready,
        release=loading.release,
        inside=inputs_kept,
        unet_options=lambda: {"transformer_options": {}},
    )


def _reading() -> Reading:
    """Settings > Emphasis mode."""
    name = getattr(shared.opts, "emphasis", "Original")

    def weigh(states: Tensor, ids: list[list[int]], weights: list[list[float]]) -> Tensor:
        mode = emphasis.get_current_option(name)()
        mode.tokens, mode.z = ids, states
        mode.multipliers = torch.tensor(weights, device=states.device)
        mode.after_transformers()
        weighed: Tensor = mode.z
        return weighed

    return Reading(emphasis=name != "None", weigh=weigh)


def encoders_of(model: Any) -> tuple[Encoder, ...]:
    """The text encoders with Forge's own code around them, clip_l before clip_g."""
    engines = [getattr(model, name) for name in _ENGINES if hasattr(model, name)]
    if not engines or not all(hasattr(engine, "embedding_key") for engine in engines):
        raise _refusal("its text encoders are of another kind")
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
        spell=lambda number: str(engine.tokenizer.convert_ids_to_tokens(number)),
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
