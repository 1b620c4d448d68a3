"""Stage 6: the averaged weights as a diffusers folder in fp16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from train_unet import Student, schedule
from train_vae import new_vae


def export(run: Path, vocabulary: dict[str, int], folder: Path) -> None:
    """Writes what `StableDiffusionPipeline.from_pretrained` reads."""
    student = Student(vocabulary)
    student.load_state_dict(torch.load(run / "unet.pt")["average"])
    shutil.rmtree(folder, ignore_errors=True)
    _vae(run).half().save_pretrained(folder / "vae")
    student.unet.half().save_pretrained(folder / "unet")
    student.text.half().save_pretrained(folder / "text_encoder")
    schedule().save_pretrained(folder / "scheduler")
    shutil.copytree(run / "tokenizer", folder / "tokenizer")
    (folder / "model_index.json").write_text(json.dumps(_index(), indent=1) + "\n")


def _vae(run: Path) -> AutoencoderKL:
    vae = new_vae()
    vae.load_state_dict(torch.load(run / "vae.pt")["average"])
    scale = torch.load(run / "latents.pt", mmap=True)["scale"]
    vae.register_to_config(scaling_factor=round(scale, 5))
    return vae


def _index() -> dict[str, object]:
    return {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.30.0",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
