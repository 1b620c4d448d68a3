"""Samplers under kohya's names."""

from __future__ import annotations

_NAMES = {
    "ddim": "DDIM",
    "pndm": "PLMS",
    "lms": "LMS",
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "dpmsolver": "DPM++ 2M",
    "dpmsolver++": "DPM++ 2M",
    "dpmsingle": "DPM++ 2S a",
}
"""kohya's name (sd-scripts, `get_my_scheduler`), which "k_" may stand before → A1111's."""


def sampler_named(name: str) -> str:
    """A1111's name for a sampler of kohya's; another name stays as it is."""
    wanted = name.strip()
    return _NAMES.get(wanted.lower().removeprefix("k_"), wanted)
