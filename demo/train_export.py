"""Stage 6: the averaged weights as a diffusers folder in fp16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from train_unet import Student, save, schedule
from train_vae import new_vae
from transformers import CLIPTextModel


def export(run: Path, vocabulary: dict[str, int], folder: Path, early: bool = False) -> None:
    """Writes what `StableDiffusionPipeline.from_pretrained` reads. `early`: without training."""
    student = Student(vocabulary)
    if not early:
        student.load_state_dict(torch.load(run / "unet.pt")["average"])
    shutil.rmtree(folder, ignore_errors=True)
    _vae(run).half().save_pretrained(folder / "vae")
    student.unet.half().save_pretrained(folder / "unet")
    student.text.half().save_pretrained(folder / "text_encoder")
    schedule().save_pretrained(folder / "scheduler")
    shutil.copytree(run / "tokenizer", folder / "tokenizer")
    (folder / "model_index.json").write_text(json.dumps(_index(), indent=1) + "\n")


def reopen(folder: Path, run: Path, vocabulary: dict[str, int], step: int) -> None:
    """The way back: an exported model becomes a run at `step`, to be trained further.

    The describers and the optimiser's state are not in the folder and start anew.
    """
    shutil.copytree(folder / "tokenizer", run / "tokenizer", dirs_exist_ok=True)
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    torch.save({"average": vae.state_dict()}, run / "vae.pt")
    torch.manual_seed(2)
    student = Student(vocabulary)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", torch_dtype=torch.float32)
    student.unet.load_state_dict(unet.state_dict())
    student.text.load_state_dict(text.state_dict())
    save(run / "unet.pt", step, student, student, None, step)


def _vae(run: Path) -> AutoencoderKL:
    vae = new_vae()
    vae.load_state_dict(torch.load(run / "vae.pt")["average"])
    latents = run / "latents.pt"
    scale = torch.load(latents, mmap=True)["scale"] if latents.exists() else 0.5
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
