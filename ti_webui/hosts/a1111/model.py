"""AUTOMATIC1111's model objects: CompVis', Stability's and open_clip's networks, by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from modules import devices, sd_emphasis, sd_models, shared
from torch import Tensor, nn

from ti_core.diffusion import Ddpm
from ti_core.families import SD1, SD2, SDXL, Family
from ti_core.hosts.common.clip import ClipEncoder
from ti_core.hosts.common.session import Part
from ti_core.port.session import ModelFacts

from ..facts import family_in_use, model_facts
from ..networks import HostNetworks
from ..words import Words, bare_embedding, clip_encoder, emphasis_settings, run_words

if TYPE_CHECKING:
    from modules.sd_hijack_clip import FrozenCLIPEmbedderWithCustomWordsBase
    from modules.sd_models_types import WebuiSdModel


def facts_of(model: WebuiSdModel) -> ModelFacts:
    """Facts about the loaded model.

    Raises UnsupportedModelError for one that textual inversion as done here does not fit.
    """
    encoders = encoders_of(model)
    family = family_in_use(encoders, model.model.diffusion_model)
    is_v = model.parameterization == "v"
    diffusion = Ddpm(tuple(_alphas(model).tolist()), "v_prediction" if is_v else "epsilon")
    scale = float(model.scale_factor)
    return model_facts(family, encoders, diffusion, scale, model.sd_checkpoint_info)


def host_networks(model: WebuiSdModel) -> HostNetworks:
    """The parts of the loaded model. Raises as `facts_of`."""
    encoders = encoders_of(model)
    parts: dict[Part, list[nn.Module]] = {
        "unet": [model.model.diffusion_model],
        "vae": [model.first_stage_model],
        "text_encoder": [encoder.network for encoder in encoders],
    }

    def ready(part: Part) -> None:
        _move(parts[part], torch.device(devices.device))

    def release(part: Part) -> None:
        _move(parts[part], devices.cpu)
        devices.torch_gc()

    return HostNetworks(
        model=model,
        facts=facts_of(model),
        device=torch.device(devices.device),
        unet=model.model.diffusion_model,
        vae=model.first_stage_model,
        encoders=encoders,
        ready=ready,
        release=release,
    )


def _move(networks: list[nn.Module], device: torch.device) -> None:
    for network in networks:
        if next(network.parameters()).device.type != device.type:
            network.to(device)


def _alphas(model: WebuiSdModel) -> Tensor:
    """ᾱ of every timestep, with which the web UI makes images."""
    kept: Tensor = getattr(model, "alphas_cumprod_original", model.alphas_cumprod)
    kept = kept.detach().float().cpu()
    if getattr(shared.opts, "sd_noise_schedule", "Default") == "Zero Terminal SNR":
        return sd_models.rescale_zero_terminal_snr_abar(kept.clone())
    return kept


# --- text encoders ------------------------------------------------------------------------------


def encoders_of(model: WebuiSdModel) -> tuple[ClipEncoder, ...]:
    """The text encoders with the web UI's own code around them, in the order of their family."""
    conditioner = getattr(model, "conditioner", None)
    if conditioner is None:
        return tuple(filter(None, [_encoder(model.cond_stage_model, SD1, SD2)]))
    parts = (part for part in conditioner.embedders if hasattr(part, "encode_with_transformers"))
    return tuple(filter(None, (_encoder(part, SDXL) for part in parts)))


def _encoder(words: FrozenCLIPEmbedderWithCustomWordsBase, *families: Family) -> ClipEncoder | None:
    """`words` is one of A1111's …EmbedderWithCustomWords."""
    specs = {spec.open_clip: spec for family in families for spec in family.encoders}
    wrapped: Any = getattr(words, "wrapped", None)
    if hasattr(getattr(wrapped, "transformer", None), "text_model"):
        return clip_encoder(
            words,
            wrapped.transformer,
            wrapped.tokenizer,
            key=specs[False].key,
            network=wrapped.transformer,
            forward=partial(run_words, words),
            modes=sd_emphasis,
        )
    if hasattr(getattr(wrapped, "model", None), "token_embedding"):
        return _open_clip(words, wrapped.model, specs[True].key)
    return None


def _open_clip(words: Words, network: Any, key: str) -> ClipEncoder:
    """OpenCLIP; its vocabulary spells as CLIP's does."""
    from open_clip import tokenizer

    return ClipEncoder(
        key=key,
        network=network,
        embedding=bare_embedding(network.token_embedding),
        read=lambda text: words.tokenize([text])[0],
        spell=lambda number: str(tokenizer._tokenizer.decoder[number]),
        start=words.id_start,
        end=words.id_end,
        pad=words.id_pad,
        layers=len(network.transformer.resblocks),
        forward=partial(run_words, words),
        emphasis_settings=lambda: emphasis_settings(sd_emphasis),
    )
