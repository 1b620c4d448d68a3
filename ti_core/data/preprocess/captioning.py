"""Captions by BLIP, through transformers, with a model that the user has. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image

from ...errors import HostError, setting
from .config import CaptionConfig

if TYPE_CHECKING:
    from .captions import Describer

T = TypeVar("T")


def blip(config: CaptionConfig) -> Describer:
    """A describer that asks BLIP; A1111's settings: 24 to 48 tokens, one
    beam.

    Raises HostError when transformers is not installed or the model is not on this computer.
    """
    try:
        import torch
        from transformers import BlipForConditionalGeneration, BlipProcessor
    except ImportError as error:
        raise HostError(
            "BLIP cannot describe the images",
            f"transformers is not installed ({error})",
            f"pip install transformers, or leave {setting('blip_model')} out",
        ) from error
    name, load = config.blip_model, BlipForConditionalGeneration.from_pretrained
    processor = _loaded(BlipProcessor.from_pretrained, name)
    model = _loaded(load, name, use_safetensors=True).eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)

    @torch.inference_mode()
    def describe(image: Image.Image, source: Path) -> str:
        inputs = processor(images=image, return_tensors="pt").to(device)
        tokens = model.generate(
            **inputs,
            min_length=config.blip_min_length,
            max_length=config.blip_max_length,
            num_beams=config.blip_num_beams,
            do_sample=False,
        )
        words: str = processor.decode(tokens[0], skip_special_tokens=True)
        return words.strip()

    return describe


def _loaded(load: Callable[..., T], name: str, **how: object) -> T:
    try:
        return load(name, local_files_only=True, **how)
    except Exception as error:  # transformers raises many kinds for files that are missing or odd
        raise HostError(
            f"the BLIP model {name} cannot be loaded",
            str(error).strip().split("\n")[0],
            "give the folder of a BLIP model with safetensors files, or download it before",
        ) from error
