"""A diffusers folder → a loaded model; its files are read by our own code, offline."""

from __future__ import annotations

import json
import re
from pathlib import Path

from torch import Tensor

from ...diffusion import Ddpm, Prediction
from ...errors import CheckpointError, HostError
from ...families import SD1, SD2, SDXL, EncoderSpec, Family
from ...options import SettingValues
from . import models
from .checkpoint.keys_text import PROJECTION, convert_clip
from .checkpoint.noise_schedule import alphas_from_config
from .checkpoint.reading import read_state_dict
from .models import Model, TextModel
from .single_file import refuse_inpainting
from .vocabulary import open_vocabulary

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names in the autoencoders of early folders."""
_HUB_FILES = (
    "model_index.json scheduler/*.json tokenizer*/*.json tokenizer*/*.txt unet/*.json vae/*.json "
    "text_encoder*/*.json unet/*.safetensors vae/*.safetensors text_encoder*/*.safetensors"
).split()


def open_folder(
    folder: Path, tokenizer: Path | None = None, prediction: Prediction | None = None
) -> Model:
    """Open a diffusers folder of SD1, SD2 or SDXL. Raises CheckpointError, UnsafeFileError."""
    if not (folder / "unet").is_dir():
        why = "it has no folder 'unet'"
        raise CheckpointError(f"{folder} is no diffusers folder", why, "check the path")
    unet_config, vae_config = _config(folder / "unet"), _config(folder / "vae")
    family = _family(folder, unet_config)
    refuse_inpainting(int(unet_config.get("in_channels", family.latent.channels)), family)
    scheduler = _config(folder / "scheduler", "scheduler_config.json")
    kind = prediction or _prediction(scheduler)
    unet = models.build(models.unet_from_config(unet_config), _weights(folder / "unet"), "UNet")
    vae = models.build(models.vae_from_config(vae_config), _vae_weights(folder / "vae"), "VAE")
    return Model(
        family=family,
        diffusion=Ddpm(tuple(alphas_from_config(scheduler).tolist()), kind),
        unet=unet,
        vae=vae,
        encoders=_encoders(folder, family, tokenizer),
        resolution=_resolution(unet_config, vae_config) or family.release(kind).resolution,
        name=folder.resolve().name,
        weights_file=_weight_files(folder / "unet")[0],
    )


def download(name: str) -> Path:
    """Fetch a diffusers folder from the hub into its cache; the only use of the network."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:  # the hub's client raises whatever its network layer does
        raise HostError(f"'{name}' could not be fetched from the hub", str(error)) from error


def _config(folder: Path, name: str = "config.json") -> SettingValues:
    path = folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        why = f"{folder.name}/{name} is missing"
        raise CheckpointError(f"{folder.parent} is no complete diffusers folder", why) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read", str(error)) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} cannot be read", "it is not an object")
    return content


def _family(folder: Path, unet: SettingValues) -> Family:
    """SDXL tells the UNet sizes; SD2's text encoder is OpenCLIP, whose activation is plain gelu."""
    if unet.get("addition_embed_type") == "text_time":
        return SDXL
    text = _config(folder / "text_encoder")
    return SD1 if text.get("hidden_act", "quick_gelu") == "quick_gelu" else SD2


def _prediction(scheduler: SettingValues) -> Prediction:
    kind = scheduler.get("prediction_type", "epsilon")
    if kind not in ("epsilon", "v_prediction"):
        raise CheckpointError(f"a model that predicts '{kind}' is not supported")
    return "v_prediction" if kind == "v_prediction" else "epsilon"


def _resolution(unet: SettingValues, vae: SettingValues) -> int:
    """0 if the folder does not say it."""
    size = unet.get("sample_size")
    if not isinstance(size, int):
        return 0
    return size * int(2 ** (len(vae.get("block_out_channels", (1, 1, 1, 1))) - 1))


def _encoders(folder: Path, family: Family, tokenizer: Path | None) -> tuple[TextModel, ...]:
    return tuple(
        _encoder(folder, f"_{n}" if n > 1 else "", spec, tokenizer)
        for n, spec in enumerate(family.encoders, 1)
    )


def _encoder(folder: Path, suffix: str, spec: EncoderSpec, tokenizer: Path | None) -> TextModel:
    place = folder / f"text_encoder{suffix}"
    weights = convert_clip(_weights(place))
    projection = weights.pop(PROJECTION, None)
    model = models.build_text_model(models.text_from_config(_config(place)), weights)
    vocabulary = open_vocabulary(folder / f"tokenizer{suffix}" if tokenizer is None else tokenizer)
    if spec.pooled and projection is None:
        raise CheckpointError(f"{folder} is incomplete", f"text_encoder{suffix} has no projection")
    pooled = models.build_projection(projection) if spec.pooled and projection is not None else None
    last = spec.layer == 1
    return TextModel(spec.key, model, vocabulary, spec.layer, last, projection=pooled)


def _vae_weights(folder: Path) -> dict[str, Tensor]:
    weights = {}
    for key, tensor in _weights(folder).items():
        parts = key.split(".")
        if "attentions" in parts:
            parts = [_OLD_ATTENTION.get(part, part) for part in parts]
        weights[".".join(parts)] = tensor
    return weights


def _weights(folder: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        weights.update(read_state_dict(path))
    return weights


def _weight_files(folder: Path) -> list[Path]:
    """The files of one variant: .safetensors before .bin, the plain one before fp16's."""
    for suffix in (".safetensors", ".bin"):
        variants: dict[str, list[Path]] = {}
        for path in sorted(folder.glob(f"*{suffix}")):
            shard = re.search(r"-\d+-of-(\d+)", path.name)
            variant = path.name.replace(shard[0], "") if shard else path.name
            variants.setdefault(variant, []).append(path)
        if variants:
            chosen = variants[min(variants, key=lambda name: (name.count("."), len(name)))]
            _check_shards(folder, chosen)
            return chosen
    raise CheckpointError(
        f"{folder.parent} is no complete diffusers folder", f"{folder.name} has no weights"
    )


def _check_shards(folder: Path, files: list[Path]) -> None:
    shard = re.search(r"-\d+-of-(\d+)", files[0].name)
    if shard and int(shard[1]) != len(files):
        why = f"{folder.name} has {len(files)} of {int(shard[1])} files"
        raise CheckpointError(f"{folder.parent} is no complete diffusers folder", why)
