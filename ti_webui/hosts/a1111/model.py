"""AUTOMATIC1111's model objects: CompVis', Stability's and open_clip's networks, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from modules import devices, sd_emphasis, sd_models, shared
from torch import Tensor, nn

from ti_core.diffusion import Ddpm
from ti_core.families import SD1, SD2, SDXL, Family
from ti_core.port.session import ModelFacts

from ..facts import family_in_use, model_facts
from ..networks import HostNetworks, Part
from ..text import EmphasisSettings, Encoder


def facts_of(model: Any) -> ModelFacts:
    """Facts about the loaded model.

    Raises UnsupportedModelError for one that textual inversion as done here does not fit.
    """
    encoders = encoders_of(model)
    family = family_in_use(encoders, model.model.diffusion_model)
    is_v = model.parameterization == "v"
    diffusion = Ddpm(tuple(_alphas(model).tolist()), "v_prediction" if is_v else "epsilon")
    scale = float(model.scale_factor)
    return model_facts(family, encoders, diffusion, scale, model.sd_checkpoint_info)


def host_networks(model: Any, check: Callable[[], None]) -> HostNetworks:
    """The parts of the loaded model. Raises HostError as `facts_of`."""
    encoders = encoders_of(model)
    parts: dict[Part, list[nn.Module]] = {
        "unet": [model.model.diffusion_model],
        "vae": [model.first_stage_model],
        "text_encoder": [encoder.network for encoder in encoders],
    }

    def ready(part: Part) -> None:
        _move(parts[part], devices.device)

    def release(part: Part) -> None:
        _move(parts[part], devices.cpu)
        devices.torch_gc()

    return HostNetworks(
        facts=facts_of(model),
        device=torch.device(devices.device),
        unet=model.model.diffusion_model,
        vae=model.first_stage_model,
        encoders=encoders,
        emphasis_settings=emphasis_settings,
        check=check,
        ready=ready,
        release=release,
        inside=lambda network: nullcontext(),
    )


def _move(networks: list[nn.Module], device: Any) -> None:
    for network in networks:
        if next(network.parameters()).device.type != torch.device(device).type:
            network.to(device)


def _alphas(model: Any) -> Tensor:
    """ᾱ of every timestep, with which the web UI makes pictures."""
    kept: Tensor = getattr(model, "alphas_cumprod_original", model.alphas_cumprod)
    kept = kept.detach().float().cpu()
    if getattr(shared.opts, "sd_noise_schedule", "Default") == "Zero Terminal SNR":
        return sd_models.rescale_zero_terminal_snr_abar(kept.clone())
    return kept


def emphasis_settings() -> EmphasisSettings:
    """Settings > Stable Diffusion > Emphasis mode."""
    name = getattr(shared.opts, "emphasis", "Original")

    def weigh(states: Tensor, ids: list[list[int]], weights: list[list[float]]) -> Tensor:
        emphasis = sd_emphasis.get_current_option(name)()
        emphasis.tokens, emphasis.z = ids, states
        emphasis.multipliers = torch.tensor(weights, device=states.device)
        emphasis.after_transformers()
        weighed: Tensor = emphasis.z
        return weighed

    return EmphasisSettings(emphasis=name != "None", weigh=weigh)


# --- text encoders ------------------------------------------------------------------------------


def encoders_of(model: Any) -> tuple[Encoder, ...]:
    """The text encoders with the web UI's own code around them, in the order of their family."""
    conditioner = getattr(model, "conditioner", None)
    if conditioner is None:
        return tuple(filter(None, [_encoder(model.cond_stage_model, SD1, SD2)]))
    parts = (part for part in conditioner.embedders if hasattr(part, "encode_with_transformers"))
    return tuple(filter(None, (_encoder(part, SDXL) for part in parts)))


def _encoder(words: Any, *families: Family) -> Encoder | None:
    """`words` is one of A1111's …EmbedderWithCustomWords."""
    specs = {spec.open_clip: spec for family in families for spec in family.encoders}
    wrapped = getattr(words, "wrapped", None)
    if hasattr(getattr(wrapped, "transformer", None), "text_model"):
        return _clip(words, wrapped, specs[False].key)
    if hasattr(getattr(wrapped, "model", None), "token_embedding"):
        return _open_clip(words, wrapped, specs[True].key)
    return None


def _clip(words: Any, wrapped: Any, key: str) -> Encoder:
    """OpenAI's CLIP, in transformers' code."""
    text_model = wrapped.transformer.text_model
    return Encoder(
        key=key,
        network=wrapped.transformer,
        table=table_of(text_model.embeddings.token_embedding),
        tokenize=lambda text: words.tokenize([text])[0],
        token_string=lambda number: str(wrapped.tokenizer.convert_ids_to_tokens(number)),
        start=words.id_start,
        end=words.id_end,
        pad=words.id_pad,
        layers=len(text_model.encoder.layers),
        run=lambda ids, clip_skip: run_encoder(words, ids, clip_skip),
    )


def _open_clip(words: Any, wrapped: Any, key: str) -> Encoder:
    """OpenCLIP; its vocabulary spells as CLIP's does."""
    from open_clip import tokenizer

    return Encoder(
        key=key,
        network=wrapped.model,
        table=table_of(wrapped.model.token_embedding),
        tokenize=lambda text: words.tokenize([text])[0],
        token_string=lambda number: str(tokenizer._tokenizer.decoder[number]),
        start=words.id_start,
        end=words.id_end,
        pad=words.id_pad,
        layers=len(wrapped.model.transformer.resblocks),
        run=lambda ids, clip_skip: run_encoder(words, ids, clip_skip),
    )


def table_of(token_embedding: Any) -> nn.Embedding:
    """Under the module that puts in the web UI's own embeddings."""
    table = getattr(token_embedding, "wrapped", token_embedding)
    assert isinstance(table, nn.Embedding)
    return table


def run_encoder(words: Any, ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
    """States (N, 77, width) of a shell around a text encoder, and SDXL's pooled text."""
    with _clip_skip(clip_skip):
        states = words.encode_with_transformers(ids)
    return states, getattr(states, "pooled", None)


@contextmanager
def _clip_skip(layers: int) -> Iterator[None]:
    """While open, the web UI's settings say so; SDXL's first encoder does not listen."""
    wanted = {"CLIP_stop_at_last_layers": layers, "sdxl_clip_l_skip": False}
    found = {key: shared.opts.data[key] for key in wanted if key in shared.opts.data}
    try:
        shared.opts.data.update(wanted)
        yield
    finally:
        for key in wanted:
            del shared.opts.data[key]
        shared.opts.data.update(found)
