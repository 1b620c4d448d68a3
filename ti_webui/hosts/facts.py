"""What the hosts of the web UIs tell of a checkpoint in the same way."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ti_core.errors import HostError
from ti_core.port.session import Family

from .text import Encoder

_FAMILIES: dict[tuple[str, ...], Family] = {
    ("clip_l",): "sd1",
    ("clip_h",): "sd2",
    ("clip_l", "clip_g"): "sdxl",
}
_FIX = "choose a checkpoint of SD 1.x, SD 2.x or SDXL"
_SHORT_HASH = 10


def family_of(encoders: Sequence[Encoder]) -> Family:
    """The family with these text encoders. Raises HostError when there is none."""
    family = _FAMILIES.get(tuple(encoder.key for encoder in encoders))
    if family is None:
        raise refusal("its text encoders are of another kind")
    return family


def refusal(why: str) -> HostError:
    """The checkpoint in use does not fit."""
    return HostError("the loaded checkpoint cannot be taught a word here", why, _FIX)


def resolution_of(family: Family, prediction: str) -> int:
    """What the family was trained at; SD 2's v-models at 768."""
    if family == "sdxl":
        return 1024
    return 768 if family == "sd2" and prediction == "v_prediction" else 512


def alphas_of(sigmas: Tensor) -> tuple[float, ...]:
    """ᾱ = 1/(1 + σ²) for every timestep."""
    return tuple((1 / (1 + sigmas.detach().cpu().double() ** 2)).tolist())


def short_hash(sha256: str | None) -> str:
    """As the web UIs show it."""
    return str(sha256 or "")[:_SHORT_HASH]
