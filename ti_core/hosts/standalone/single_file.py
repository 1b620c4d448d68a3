"""A single-file checkpoint → a loaded model. Nothing is asked of a network or a hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import CheckpointError
from ...port.session import Family, Prediction
from .checkpoint.architecture import (
    TextShape,
    UNetShape,
    clip_shape,
    open_clip_shape,
    unet_shape,
    vae_shape,
)
from .checkpoint.keys_text import PROJECTION, convert_clip, convert_open_clip
from .checkpoint.keys_unet import convert_unet
from .checkpoint.keys_vae import convert_vae
from .checkpoint.noise_schedule import stable_diffusion_alphas
from .checkpoint.reading import read_state_dict
from .checkpoint.recognition import TEXT_PREFIXES, UNET, VAE, family_of, prediction_marker
from .models import (
    Model,
    TextEncoder,
    build,
    build_projection,
    build_text_model,
    text_from_shape,
    unet_from_shape,
    vae_from_shape,
)
from .vocabulary import standard_vocabulary

_RESOLUTION: dict[Family, int] = {"sd1": 512, "sd2": 512, "sdxl": 1024}
_LATENT_SCALE: dict[Family, float] = {"sd1": 0.18215, "sd2": 0.18215, "sdxl": 0.13025}
_NOT_WEIGHTS = ("loss.", "model_ema.")
"""Left over from training, inside the VAE of some files."""


def open_single_file(
    path: Path, tokenizer: Path | None = None, prediction: Prediction | None = None
) -> Model:
    """Open a .safetensors or .ckpt of SD1, SD2 or SDXL.

    `prediction` overrules what the file says of itself. Raises CheckpointError, UnsafeFileError.
    """
    state = read_state_dict(path)
    family = family_of(state, path)
    encoders = tuple(
        _text_encoder(key, _under(state, prefix), family, tokenizer)
        for key, prefix in TEXT_PREFIXES[family].items()
    )
    unet, shape = _unet(_under(state, UNET), family, encoders)
    kind = prediction or prediction_marker(state, path) or _probe(unet, shape, family)
    v_768 = family == "sd2" and kind == "v_prediction"
    return Model(
        family=family,
        prediction=kind,
        unet=unet,
        vae=_vae(_under(state, VAE), family),
        encoders=encoders,
        alphas_cumprod=stable_diffusion_alphas(zero_terminal_snr="ztsnr" in state),
        latent_scale=_LATENT_SCALE[family],
        resolution=768 if v_768 else _RESOLUTION[family],
        name=path.stem,
        weights_file=path,
    )


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _unet(
    state: dict[str, Tensor], family: Family, encoders: tuple[TextEncoder, ...]
) -> tuple[nn.Module, UNetShape]:
    shape = unet_shape(state, family)
    refuse_inpainting(shape.in_channels)
    context_width = sum(encoder.token_embedding.embedding_dim for encoder in encoders)
    if shape.context_width != context_width:
        why = f"the UNet expects width {shape.context_width}, the text has {context_width}"
        raise CheckpointError("the UNet does not fit the text encoders", why)
    pooled = encoders[-1].projection
    if pooled is not None and shape.added_width is None:
        raise CheckpointError("the checkpoint is incomplete", "'label_emb' is missing")
    pooled_width = pooled.out_features if isinstance(pooled, nn.Linear) else None
    create = unet_from_shape(shape, _RESOLUTION[family], pooled_width)
    return build(create, convert_unet(state, shape), "UNet"), shape


def refuse_inpainting(channels: int) -> None:
    """Only UNets that see nothing but the noisy picture can be trained against."""
    if channels != 4:
        kind = {9: "an inpainting model", 8: "an instruct-pix2pix model"}.get(channels, "unknown")
        raise CheckpointError(
            "this checkpoint cannot be trained against",
            f"its UNet takes {channels} channels ({kind})",
            "use the normal model that it was made from",
        )


def _vae(state: dict[str, Tensor], family: Family) -> nn.Module:
    weights = {k: v for k, v in state.items() if not k.startswith(_NOT_WEIGHTS)}
    shape = vae_shape(weights)
    create = vae_from_shape(shape, _RESOLUTION[family], _LATENT_SCALE[family])
    return build(create, convert_vae(weights, shape), "VAE")


def _text_encoder(
    key: str, state: dict[str, Tensor], family: Family, tokenizer: Path | None
) -> TextEncoder:
    if key == "clip_l":
        return _clip(state, family, tokenizer)
    return _open_clip(key, state, family, tokenizer)


def _clip(state: dict[str, Tensor], family: Family, tokenizer: Path | None) -> TextEncoder:
    """OpenAI's: last layer and final norm in SD1, the raw layer before it in SDXL."""
    weights = convert_clip(state)
    shape = clip_shape(weights)
    model = build_text_model(text_from_shape(shape, shape.layers), weights)
    vocabulary = standard_vocabulary(tokenizer, open_clip=False)
    sdxl = family == "sdxl"
    return TextEncoder("clip_l", model, vocabulary, 2 if sdxl else 1, final_norm=not sdxl)


def _open_clip(
    key: str, state: dict[str, Tensor], family: Family, tokenizer: Path | None
) -> TextEncoder:
    """OpenCLIP's: last state in use and final norm in SD2, the raw one before it in SDXL."""
    shape = open_clip_shape(state)
    sdxl = family == "sdxl"
    layers = layers_in_use(shape, family)
    weights = convert_open_clip(state, layers)
    projection = weights.pop(PROJECTION, None)
    if sdxl and projection is None:
        raise CheckpointError("the checkpoint is incomplete", "'text_projection' is missing")
    model = build_text_model(text_from_shape(shape, layers), weights)
    return TextEncoder(
        key,
        model,
        standard_vocabulary(tokenizer, open_clip=True),
        layer=2 if sdxl else 1,
        final_norm=not sdxl,
        projection=build_projection(projection) if sdxl and projection is not None else None,
    )


def layers_in_use(shape: TextShape, family: Family) -> int:
    """How many layers of an OpenCLIP encoder to load.

    SD2 never uses the last one, and files made from diffusers folders do not have it; SDXL's
    pooled output uses all.
    """
    already_cut = (shape.width, shape.layers) == (1024, 23)
    return shape.layers if family == "sdxl" or already_cut else shape.layers - 1


def _probe(unet: nn.Module, shape: UNetShape, family: Family) -> Prediction:
    """Tell SD2's two kinds apart by asking the UNet, as A1111 does; others predict noise.

    At the last timestep an epsilon network returns about its input, since that is nearly all
    noise; a v network returns something far below a constant input.
    """
    if family != "sd2":
        return "epsilon"
    constant = torch.full((1, 4, 8, 8), 0.5)
    context = torch.full((1, 2, shape.context_width), 0.5)
    with torch.no_grad():
        output = unet(constant, torch.tensor([999]), encoder_hidden_states=context).sample
    return "v_prediction" if (output - constant).mean() < -1 else "epsilon"
