"""reForge's model objects: A1111's names around ComfyUI's networks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import stand_in_words
import torch
from modules import sd_hijack, sd_models, shared
from stand_in_networks import SIZE_WIDTH, VAE, CLIPTextModel, UNet, randomise
from torch import Tensor, nn

from ldm_patched.ldm.modules import attention
from ldm_patched.modules import model_management, model_sampling
from ldm_patched.modules.model_management import ModelPatcher

WIDTH = 16
_KEYS = {"sd1": ["clip_l"], "sd2": ["clip_h"], "sdxl": ["clip_l", "clip_g"]}


class Words(sd_hijack.WithCustomWords):
    """All three kinds: transformers' code, called through A1111's names."""

    def __init__(self, wrapped: nn.Module, key: str, alone: bool) -> None:
        super().__init__(wrapped, stand_in_words.END if key == "clip_l" else 0)
        self.key, self.alone = key, alone
        self.minimal_clip_skip = 1 if alone and key == "clip_l" else 2

    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """Every kind listens to clip skip, from a layer of its own on."""
        if self.alone:
            _move_clip_to_gpu()
        transformer = self.wrapped.transformer
        outputs = transformer(tokens, output_hidden_states=True)
        skip = max(shared.opts.CLIP_stop_at_last_layers, self.minimal_clip_skip)
        z: Tensor = outputs.hidden_states[-skip]
        if self.alone:
            z = transformer.text_model.final_layer_norm(z)
        if self.key == "clip_g":
            z.pooled = outputs.pooler_output @ self.wrapped.text_projection  # type: ignore[attr-defined]
        return z


def _move_clip_to_gpu() -> None:
    """What the last picture has used, with its LoRAs."""
    used = sd_models.model_data.sd_model.forge_objects.clip.patcher
    model_management.load_models_gpu([used])


def _text_encoder(key: str, seed: int) -> nn.Module:
    network: Any = nn.Module()
    network.transformer = CLIPTextModel(stand_in_words.COUNT, WIDTH)
    network.text_projection = nn.Parameter(torch.zeros(WIDTH, WIDTH))
    return randomise(network, seed)


def _words(key: str, network: Any, alone: bool) -> Words:
    embedder: Any = nn.Module()
    embedder.transformer, embedder.tokenizer = network.transformer, stand_in_words.Tokenizer()
    embedder.text_projection = network.text_projection
    places = network.transformer.text_model.embeddings
    name = "clip_g" if key == "clip_g" else "clip_l"
    places.token_embedding = sd_hijack.EmbeddingsWithFixes(places.token_embedding, name)
    return Words(embedder, key, alone)


def _network(kind: str, seed: int) -> nn.Module:
    family = kind.split("-")[0]
    keys = _KEYS[family]
    added = WIDTH + 6 * SIZE_WIDTH if family == "sdxl" else None
    channels = 9 if "inpaint" in kind else 4
    network: Any = nn.Module()
    unet = UNet(WIDTH * len(keys), channels, added, lambda: attention.optimized_attention)
    network.diffusion_model = randomise(unet, seed)
    base = model_sampling.V_PREDICTION if kind.endswith("-v") else model_sampling.EPS
    network.model_sampling = model_sampling.mixed(base)
    scale = 0.13025 if family == "sdxl" else 0.18215
    network.latent_format = SimpleNamespace(scale_factor=scale)
    return network


class LatentDiffusion(nn.Module):
    """The shell."""

    def __init__(self, kind: str, seed: int) -> None:
        super().__init__()
        keys = _KEYS[kind.split("-")[0]]
        texts = nn.Module()
        for i, key in enumerate(keys):
            setattr(texts, key, _text_encoder(key, seed + i + 1))
        words = [_words(key, getattr(texts, key), len(keys) == 1) for key in keys]
        if len(words) == 1:
            self.cond_stage_model = words[0]
        else:
            self.conditioner = nn.Module()
            self.conditioner.embedders = nn.ModuleList([*words, nn.Identity()])
        lent = SimpleNamespace(
            unet=ModelPatcher(_network(kind, seed)),
            clip=SimpleNamespace(cond_stage_model=texts, patcher=ModelPatcher(texts)),
            vae=SimpleNamespace(first_stage_model=randomise(VAE(), seed + 3)),
        )
        lent.vae.patcher = ModelPatcher(lent.vae.first_stage_model)
        self.forge_objects_original: Any = lent
        self.forge_objects: Any = SimpleNamespace(**vars(lent))
        self.sd_checkpoint_info = SimpleNamespace(name_for_extra=kind, sha256="0123456789abcdef")


def load_random(kind: str, seed: int = 0) -> LatentDiffusion:
    """Have a checkpoint of random weights in use, moved in inference mode as for a picture."""
    model_management.current_loaded_models.clear()
    model = LatentDiffusion(kind, seed)
    sd_models.model_data.sd_model = model
    lent = model.forge_objects
    with torch.inference_mode():
        model_management.load_models_gpu([lent.unet, lent.clip.patcher, lent.vae.patcher])
    return model
