"""Forge's model objects, and Forge Neo's: everything is made in inference mode."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import stand_in_words
import torch
from modules import sd_models, shared
from modules.embedding_database import EmbeddingDatabase
from stand_in_networks import SIZE_WIDTH, VAE, CLIPTextModel, UNet, randomise
from torch import Tensor, nn

import backend.nn.unet
from backend import memory_management
from backend.text_processing import emphasis

Program = Literal["forge", "forge_neo", "forge_neo-autumn"]
"""The last has marks around its tokens, and emphasis that is called."""
WIDTH = 16
_KEYS = {"sd1": ["clip_l"], "sd2": ["clip_h"], "sdxl": ["clip_l", "clip_g"]}


class Patcher:
    """Around a network."""

    load_device = torch.device("cpu")
    offload_device = torch.device("meta")
    """Another place; nothing is moved here."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.loads = self.unloads = 0

    def patch(self) -> None:
        """Called when it is loaded."""


class ForgePatcher(Patcher):
    """LoRAs are put on, and taken off, when that is asked for."""

    refreshes = 0

    def refresh_loras(self) -> None:
        """Weights as this patcher wants them."""
        self.refreshes += 1


class NeoPatcher(Patcher):
    """LoRAs are put on, and taken off, when it is loaded."""

    def __init__(self, model: nn.Module, backup: dict[str, nn.Parameter] | None = None) -> None:
        super().__init__(model)
        self.patches: dict[str, float] = {}
        self.backup: dict[str, nn.Parameter] = {} if backup is None else backup

    def clone(self) -> NeoPatcher:
        """Another one for the same network."""
        return NeoPatcher(self.model, self.backup)

    def patch(self) -> None:
        """Weights as this patcher wants them: each patch is added to a weight."""
        for name, weight in self.backup.items():
            self._set(name, weight)
        self.backup.clear()
        for name, added in self.patches.items():
            self.backup[name] = self.model.get_parameter(name)
            self._set(name, nn.Parameter(self.backup[name] + added, requires_grad=False))

    def _set(self, name: str, weight: nn.Parameter) -> None:
        place, _, last = name.rpartition(".")
        self.model.get_submodule(place)._parameters[last] = weight


class TokenTable(nn.Module):
    """The table, with the vectors of embeddings; its weight is tied to the inner one's."""

    def __init__(self, wrapped: nn.Embedding, embeddings: Any, key: str) -> None:
        super().__init__()
        self.wrapped, self.key = wrapped, key
        self.embeddings: Any = embeddings
        self.weight = wrapped.weight

    def forward(self, ids: Tensor) -> Tensor:
        """(N, 77) → (N, 77, width)"""
        fixes, self.embeddings.fixes = self.embeddings.fixes, None
        rows: Tensor = self.wrapped(ids)
        for offset, embedding in fixes or ():
            vectors = embedding.vec
            vectors = vectors[self.key] if isinstance(vectors, dict) else vectors
            rows[0, offset + 1 : offset + 1 + len(vectors)] = vectors
        return rows


class Engine:
    """One text encoder with Forge's code around it."""

    def __init__(self, key: str, family: str, seed: int, marks: bool = False) -> None:
        self.marks = marks
        shape = WIDTH * len(_KEYS[family])
        self.embeddings = EmbeddingDatabase(shape)
        self.embeddings.add_embedding_dir(shared.cmd_opts.embeddings_dir)
        self.embedding_key = key
        self.text_encoder: Any = nn.Module()
        self.text_encoder.transformer = CLIPTextModel(stand_in_words.COUNT, WIDTH)
        if key == "clip_g":
            self.text_encoder.transformer.text_projection = nn.Linear(WIDTH, WIDTH, bias=False)
        randomise(self.text_encoder, seed)
        places = self.text_encoder.transformer.text_model.embeddings
        places.half()  # the real one has all of it so, and casts the other layers for each call
        places.token_embedding = TokenTable(places.token_embedding, self.embeddings, key)
        self.tokenizer = stand_in_words.Tokenizer(stand_in_words.END if key == "clip_l" else 0)
        self.minimal_clip_skip = self.clip_skip = 2 if family == "sdxl" else 1
        self.final_layer_norm = family != "sdxl"
        self.id_start, self.id_end = stand_in_words.START, stand_in_words.END
        self.id_pad = self.tokenizer.pad_token_id

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Without marks, or with them."""
        ids = self.tokenizer(texts)["input_ids"]
        return [[self.id_start, *each, self.id_end] if self.marks else each for each in ids]

    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """The tables become fp32 on the way, for ever."""
        places = self.text_encoder.transformer.text_model.embeddings
        places.position_embedding = places.position_embedding.to(dtype=torch.float32)
        places.token_embedding = places.token_embedding.to(dtype=torch.float32)
        outputs = self.text_encoder.transformer(tokens, output_hidden_states=True)
        z: Tensor = outputs.hidden_states[-max(self.clip_skip, self.minimal_clip_skip)]
        if self.final_layer_norm:
            z = self.text_encoder.transformer.text_model.final_layer_norm(z)
        if self.embedding_key == "clip_g":
            project = self.text_encoder.transformer.text_projection
            z.pooled = project(outputs.pooler_output)  # type: ignore[attr-defined]
        return z


@torch.inference_mode()
def load_random(kind: str, seed: int = 0, program: Program = "forge") -> Any:
    """Have a checkpoint of random weights in use: sd1, sd1-inpaint, sd2-v, sdxl, sdxl-zsnr."""
    family = kind.split("-")[0]
    keys = _KEYS[family]
    emphasis.newer = program == "forge_neo-autumn"
    engines = [Engine(key, family, seed + i + 1, emphasis.newer) for i, key in enumerate(keys)]
    added = WIDTH + 6 * SIZE_WIDTH if family == "sdxl" else None
    channels = 9 if "inpaint" in kind else 4
    unet = UNet(
        WIDTH * len(keys), channels, added, lambda: backend.nn.unet.attention_function, True
    )
    network: Any = nn.Module()
    network.diffusion_model = randomise(unet, seed)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = torch.cumprod(1 - betas, 0)
    network.predictor = nn.Module()
    network.predictor.register_buffer("sigmas", ((1 - kept) / kept).sqrt().float())
    is_v = kind.endswith(("-v", "-zsnr"))
    network.predictor.prediction_type = "v_prediction" if is_v else "epsilon"
    vae = _vae(0.13025 if family == "sdxl" else 0.18215, seed + 3, program)
    patched = ForgePatcher if program == "forge" else NeoPatcher
    texts = nn.Module()
    for key, engine in zip(keys, engines, strict=True):
        setattr(texts, key, engine.text_encoder)
    model = SimpleNamespace(
        forge_objects=SimpleNamespace(),
        forge_objects_original=SimpleNamespace(
            unet=patched(network),
            clip=SimpleNamespace(cond_stage_model=texts, patcher=patched(texts)),
            vae=SimpleNamespace(first_stage_model=vae, patcher=patched(vae)),
        ),
        model_config=SimpleNamespace(ztsnr=kind.endswith("-zsnr")),
        sd_checkpoint_info=SimpleNamespace(name_for_extra=kind, sha256="0123456789abcdef"),
    )
    names = ["_l", "_g"] if family == "sdxl" else [""]
    for name, engine in zip(names, engines, strict=True):
        setattr(model, f"text_processing_engine{name}", engine)
    memory_management.current_loaded_models.clear()
    sd_models.model_data.sd_model = model
    return model


def _vae(scale: float, seed: int, program: Program) -> Any:
    """Forge Neo's encodes and decodes in inference mode, and has the scale in its latent format."""
    vae: Any = randomise(VAE(), seed)
    if program == "forge":
        vae.scaling_factor = scale
        return vae
    vae.latent_format = SimpleNamespace(scale_factor=scale)
    for part in (vae.encoder, vae.decoder):
        part.forward = torch.inference_mode()(part.forward)
    return vae
