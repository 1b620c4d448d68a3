"""A diffusers folder → a loaded model; its files are read by our own code, offline."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from ...diffusion import Ddpm, Prediction
from ...errors import CheckpointError, HostError
from ...families import SD1, SD2, SDXL, EncoderSpec, Family
from ...options import SettingValues
from . import folder_config, models
from .checkpoint.keys_text import PROJECTION, convert_clip
from .checkpoint.noise_schedule import alphas_from_config
from .checkpoint.reading import CheckpointFile
from .folder_config import read_config, read_levels
from .models import Model, TextModel
from .single_file import refuse_inpainting
from .vocabulary import Vocabulary, open_vocabulary

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names in the autoencoders of early folders."""
_CONFIG, _SCHEDULER = "config.json", "scheduler_config.json"
_TEXT_ENCODERS, _TOKENIZERS = ("text_encoder", "text_encoder_2"), ("tokenizer", "tokenizer_2")
_TEXT_WIDTH = 512
"""transformers' default."""
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
        raise CheckpointError(f"{folder} is not a diffusers folder", why, "check the path")
    unet_config = read_levels(folder / "unet" / _CONFIG, folder_config.UNET)
    vae_config = read_levels(folder / "vae" / _CONFIG, folder_config.VAE)
    texts = _text_configs(folder, unet_config)
    family = _family(unet_config, texts[0])
    refuse_inpainting(unet_config.get("in_channels", family.latent.channels), family)
    _require_fit(unet_config, vae_config, texts)
    scheduler = read_config(folder / "scheduler" / _SCHEDULER, folder_config.SCHEDULER)
    kind = prediction or scheduler.get("prediction_type", "epsilon")
    words = [open_vocabulary(tokenizer or folder / name) for name in _TOKENIZERS[: len(texts)]]
    files: list[CheckpointFile] = []
    weights = _weights(folder / "unet", files)
    unet = models.build(models.unet_from_config(unet_config), weights, "UNet")
    weights = _vae_weights(folder / "vae", files)
    vae = models.build(models.vae_from_config(vae_config), weights, "VAE")
    return Model(
        family=family,
        diffusion=Ddpm(tuple(alphas_from_config(scheduler).tolist()), kind),
        unet=unet,
        vae=vae,
        encoders=tuple(
            _encoder(folder, files, *parts)
            for parts in zip(_TEXT_ENCODERS, family.encoders, texts, words, strict=False)
        ),
        resolution=_resolution(unet_config, vae_config) or family.release(kind).resolution,
        name=folder.resolve().name,
        weights_file=_weight_files(folder / "unet")[0],
        files=files,
    )


def download(name: str) -> Path:
    """Fetch a diffusers folder from the hub into its cache; the only download."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:  # the hub's client raises whatever its network layer does
        what = f"'{name}' could not be fetched from the hub"
        fix = "check the name and the connection, or give a local folder"
        raise HostError(what, str(error), fix) from error


def _text_configs(folder: Path, unet: SettingValues) -> list[SettingValues]:
    """Of every text encoder: SDXL, which has two, tells the UNet sizes."""
    names = _TEXT_ENCODERS[: 2 if _is_sized(unet) else 1]
    return [read_config(folder / name / _CONFIG, folder_config.TEXT_ENCODER) for name in names]


def _is_sized(unet: SettingValues) -> bool:
    return unet.get("addition_embed_type") == "text_time"


def _family(unet: SettingValues, text: SettingValues) -> Family:
    """SD2's text encoder is OpenCLIP, whose activation is plain gelu."""
    if _is_sized(unet):
        return SDXL
    return SD1 if text.get("hidden_act", "quick_gelu") == "quick_gelu" else SD2


def _require_fit(unet: SettingValues, vae: SettingValues, texts: list[SettingValues]) -> None:
    """Raise CheckpointError unless the networks take what the others give."""
    width = sum(text.get("hidden_size", _TEXT_WIDTH) for text in texts)
    pooled = texts[-1].get("projection_dim") or texts[-1].get("hidden_size", _TEXT_WIDTH)
    sizes = 6 * (unet.get("addition_time_embed_dim") or 0)
    added = unet.get("projection_class_embeddings_input_dim") or 0
    channels = unet.get("in_channels", 4), unet.get("out_channels", 4)
    for broken, what in (
        (unet.get("cross_attention_dim", 1280) != width, "the text encoders"),
        (_is_sized(unet) and added != pooled + sizes, "the pooled text"),
        (channels != (vae.get("latent_channels", 4),) * 2, "the VAE"),
    ):
        if broken:
            why = "their configurations have different widths"
            raise CheckpointError(f"the UNet does not fit {what}", why)


def _resolution(unet: SettingValues, vae: SettingValues) -> int:
    """0 if the folder does not say it."""
    size = unet.get("sample_size")
    return size * 2 ** (len(vae["block_out_channels"]) - 1) if isinstance(size, int) else 0


def _encoder(
    folder: Path,
    files: list[CheckpointFile],
    name: str,
    spec: EncoderSpec,
    config: SettingValues,
    vocabulary: Vocabulary,
) -> TextModel:
    weights = convert_clip(_weights(folder / name, files))
    projection = weights.pop(PROJECTION, None)
    model = models.build_text_model(models.text_from_config(config), weights)
    if spec.pooled and projection is None:
        raise CheckpointError(f"{folder} is incomplete", f"{name} has no projection")
    pooled = models.build_projection(projection) if spec.pooled and projection is not None else None
    last = spec.layer == 1
    return TextModel(spec.key, model, vocabulary, spec.layer, last, projection=pooled)


def _vae_weights(folder: Path, files: list[CheckpointFile]) -> dict[str, Tensor]:
    weights = {}
    for key, tensor in _weights(folder, files).items():
        parts = key.split(".")
        if "attentions" in parts:
            parts = [_OLD_ATTENTION.get(part, part) for part in parts]
        weights[".".join(parts)] = tensor
    return weights


def _weights(folder: Path, files: list[CheckpointFile]) -> dict[str, Tensor]:
    """By name; the files that they are in join the list."""
    weights: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        files.append(CheckpointFile(path))
        weights.update(files[-1].tensors)
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
        f"{folder.parent} is not a complete diffusers folder",
        f"{folder.name} has no weights",
        "download the missing files",
    )


def _check_shards(folder: Path, files: list[Path]) -> None:
    shard = re.search(r"-\d+-of-(\d+)", files[0].name)
    if shard and int(shard[1]) != len(files):
        why = f"{folder.name} has {len(files)} of {int(shard[1])} files"
        what = f"{folder.parent} is not a complete diffusers folder"
        raise CheckpointError(what, why, "download the missing files")
