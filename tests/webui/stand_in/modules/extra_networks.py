"""LoRAs and hypernetworks of prompts."""

from __future__ import annotations

from typing import Any

from modules import shared

activated: list[tuple[dict[str, Any], Any]] = []
"""What was asked for, and the LoRA that the settings added."""


def activate(p: Any, data: dict[str, Any]) -> None:
    """The real one patches weights and fills `shared.loaded_hypernetworks`."""
    activated.append((data, shared.opts.sd_lora))
