"""The formats that embeddings are written in; free of torch, so that a command line starts at
once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FormatName = Literal["safetensors", "pt", "bin", "kohya", "diffusers", "png"]


@dataclass(frozen=True)
class Format:
    """A kind of file that can be written."""

    endings: tuple[str, ...]
    """Of the file's name; the first is the usual one."""
    description: str
    """For people: whose it is and what it holds."""


A1111_TRAINS = "A1111's own trainer continues a .pt only"
"""In a `.safetensors` it finds no number of steps, and ends with an error."""

FORMATS: Mapping[str, Format] = {
    "safetensors": Format(
        (".safetensors",), "every program, InvokeAI and SD.Next too; holds everything"
    ),
    "pt": Format((".pt",), "AUTOMATIC1111's pickle"),
    "bin": Format(
        (".bin",), "diffusers' pickle; one text encoder only, not for InvokeAI and SD.Next"
    ),
    "kohya": Format((".safetensors", ".pt"), "sd-scripts' keys; .pt is a pickle"),
    "diffusers": Format((".safetensors",), "diffusers' scripts: NAME, and NAME_2 for SDXL"),
    "png": Format((".png", ".webp"), "a card: an image that carries the embedding"),
}
"""Name of the format → what it is."""
