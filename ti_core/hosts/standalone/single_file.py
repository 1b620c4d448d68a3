"""A single-file checkpoint → a loaded model. Nothing is asked of a network or a hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...diffusion import Ddpm, Prediction
from ...errors import CheckpointError
from ...families import EncoderSpec, Family
from ...files.advice import AGAIN
from . import models
from .checkpoint import architecture
from .checkpoint.architecture import TextShape, UNetShape
from .checkpoint.keys_text import PROJECTION, convert_clip, convert_open_clip
from .checkpoint.keys_unet import convert_unet
from .checkpoint.keys_vae import convert_vae
from .checkpoint.noise_schedule import stable_diffusion_alphas
from .checkpoint.reading import CheckpointFile
from .checkpoint.recognition import TEXT_PREFIXES, UNET, VAE, prediction_marker, recognise
from .models import Model, TextModel
from .vocabulary import standard_vocabulary
from .weights import Storage, Weights

_NOT_WEIGHTS = ("loss.", "model_ema.")
"""Left over from training, inside the VAE of some files."""


def open_single_file(
    path: Path, tokenizer: Path | None = None, prediction: Prediction | None = None
) -> Model:
    """Open a .safetensors or .ckpt of SD1, SD2 or SDXL.

    `prediction` overrules what the file says of itself. Raises CheckpointError, UnsafeFileError.
    """
    file = CheckpointFile(path)
    state = file.tensors
    family = recognise(state, path)
    encoders = tuple(
        _text_encoder(spec, _under(state, prefix), tokenizer)
        for spec, prefix in zip(family.encoders, TEXT_PREFIXES[family], strict=True)
    )
    unet, shape = _unet(_under(state, UNET), family, encoders)
    kind = prediction or prediction_marker(state, path) or _probe(unet, file, shape, family)
    alphas = stable_diffusion_alphas(zero_terminal_snr="ztsnr" in state)
    return Model(
        family=family,
        diffusion=Ddpm(tuple(alphas.tolist()), kind),
        unet=unet,
        vae=_vae(_under(state, VAE), family),
        encoders=encoders,
        resolution=family.release(kind).resolution,
        name=path.stem,
        weights_file=path,
        files=[file],
    )


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _unet(
    state: dict[str, Tensor], family: Family, encoders: tuple[TextModel, ...]
) -> tuple[nn.Module, UNetShape]:
    shape = architecture.unet_shape(state, family)
    refuse_inpainting(shape.in_channels, family)
    context_width = sum(encoder.token_embedding.embedding_dim for encoder in encoders)
    if shape.context_width != context_width:
        why = f"the UNet expects width {shape.context_width}, the text has {context_width}"
        raise CheckpointError("the UNet does not fit the text encoders", why)
    pooled = encoders[-1].projection
    if pooled is not None and shape.added_width is None:
        raise CheckpointError("the checkpoint is incomplete", "'label_emb' is missing", AGAIN)
    pooled_width = pooled.out_features if isinstance(pooled, nn.Linear) else None
    side = family.release().resolution // family.latent.stride
    create = models.unet_from_shape(shape, side, pooled_width)
    return models.build(create, convert_unet(state, shape), "UNet"), shape


def refuse_inpainting(channels: int, family: Family) -> None:
    """Only UNets that see nothing but the noisy image can be trained against."""
    latent = family.latent
    if channels != latent.channels:
        edits = {
            latent.inpaint_channels: "an inpainting model",
            2 * latent.channels: "InstructPix2Pix",
        }
        kind = edits.get(channels, "unknown")
        raise CheckpointError(
            "this checkpoint cannot be trained against",
            f"its UNet takes {channels} channels ({kind})",
            "use the normal model that it was made from",
        )


def _vae(state: dict[str, Tensor], family: Family) -> nn.Module:
    weights = {k: v for k, v in state.items() if not k.startswith(_NOT_WEIGHTS)}
    shape = architecture.vae_shape(weights)
    create = models.vae_from_shape(shape, family.release().resolution, family.latent.scale)
    return models.build(create, convert_vae(weights, shape), "VAE")


def _text_encoder(spec: EncoderSpec, state: dict[str, Tensor], tokenizer: Path | None) -> TextModel:
    model, projection = (_open_clip if spec.open_clip else _clip)(spec, state)
    return TextModel(
        spec.key,
        model,
        standard_vocabulary(tokenizer, spec.open_clip),
        spec.layer,
        final_norm=spec.layer == 1,
        projection=projection,
    )


def _clip(spec: EncoderSpec, state: dict[str, Tensor]) -> tuple[nn.Module, None]:
    """OpenAI's network."""
    weights = convert_clip(state)
    shape = architecture.clip_shape(weights)
    return models.build_text_model(models.text_from_shape(shape, shape.layers), weights), None


def _open_clip(spec: EncoderSpec, state: dict[str, Tensor]) -> tuple[nn.Module, nn.Module | None]:
    """OpenCLIP's network and, where it is used, the projection of the pooled text."""
    shape = architecture.open_clip_shape(state)
    layers = layers_in_use(shape, spec)
    weights = convert_open_clip(state, layers)
    projection = weights.pop(PROJECTION, None)
    if spec.pooled and projection is None:
        why = "'text_projection' is missing"
        raise CheckpointError("the checkpoint is incomplete", why, AGAIN)
    model = models.build_text_model(models.text_from_shape(shape, layers), weights)
    return model, models.build_projection(
        projection
    ) if spec.pooled and projection is not None else None


def layers_in_use(shape: TextShape, spec: EncoderSpec) -> int:
    """How many layers of an OpenCLIP encoder to load.

    SD2 never uses the last one, and files made from diffusers folders do not have it; SDXL's
    pooled output uses all.
    """
    already_cut = (shape.width, shape.layers) == (spec.width, spec.layers)
    return shape.layers if spec.pooled or already_cut else shape.layers - 1


def _probe(unet: nn.Module, file: CheckpointFile, shape: UNetShape, family: Family) -> Prediction:
    """Tell SD2's two kinds apart by asking the UNet, as A1111 does; others predict noise.

    At the last timestep an epsilon network returns about its input, since that is nearly all
    noise; a v network returns something far below a constant input.
    """
    if len(family.releases) == 1:
        return "epsilon"
    constant = torch.full((1, shape.in_channels, 8, 8), 0.5)
    context = torch.full((1, 2, shape.context_width), 0.5)
    weights = Weights([unet], [file])
    weights.place(Storage(constant.device))
    try:
        with torch.no_grad():
            output = unet(constant, torch.tensor([999]), encoder_hidden_states=context).sample
    finally:
        weights.put_back()
    return "v_prediction" if (output - constant).mean() < -1 else "epsilon"
