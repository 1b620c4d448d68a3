"""Names of samplers; needs no torch, so that command lines are read without it."""

SAMPLERS = ("Euler", "Euler a", "Heun", "DPM++ 2M", "DPM++ 2M Karras", "DDIM")
"""Samplers of preview images that every host has, under A1111's names."""

_KOHYAS = {
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
    return _KOHYAS.get(wanted.lower().removeprefix("k_"), wanted)
