"""Models whose weights move: DynamicVRAM, how newer ComfyUI loads on NVIDIA's cards.

It keeps weights in buffers that are used again and again; what autograd has saved of them would be
overwritten without notice. So a session computes with a copy whose weights stay where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from torch import nn

from ...ti_core.errors import UnsupportedModelError
from .preview import own_random_state

if TYPE_CHECKING:
    from comfy.model_patcher import SharedByClones

_copies: WeakKeyDictionary[nn.Module, SharedByClones] = WeakKeyDictionary()
"""Network → the one that stays. A checkpoint is read once more at the first session only, whatever
LoRAs the graph puts on it, and the copy goes when the graph drops the model."""


def is_dynamic(patcher: ModelPatcher) -> bool:
    """Whether its weights move; older ComfyUI does not know the question."""
    return hasattr(patcher, "is_dynamic") and patcher.is_dynamic()


def at_rest(patcher: ModelPatcher) -> ModelPatcher:
    """The patcher itself, or one with the same patches over a copy whose weights stay.

    Raises UnsupportedModelError where ComfyUI cannot make one.
    """
    if not is_dynamic(patcher):
        return patcher
    try:
        with own_random_state(patcher.load_device):  # networks are made of random weights
            still = patcher.clone(disable_dynamic=True, model_override=_copies.get(patcher.model))
    except (RuntimeError, OSError) as error:
        raise UnsupportedModelError(
            "this model cannot be trained while DynamicVRAM moves its weights",
            f"ComfyUI cannot load it a second time ({error})",
            "load it with ComfyUI's own Load Checkpoint, or start ComfyUI with "
            "--disable-dynamic-vram",
        ) from error
    still.parent = None  # a model without clones is taken for its parent's: that is another one
    _copies[patcher.model] = still.get_clone_model_override()
    return still


def clip_over(clip: CLIP, patcher: ModelPatcher) -> CLIP:
    """The CLIP with this patcher. `CLIP.clone(disable_dynamic=True)` leaves the network that moves,
    without the LoRAs of the patcher."""
    if patcher is clip.patcher:
        return clip
    still = clip.clone()
    still.patcher, still.cond_stage_model = patcher, patcher.model
    return still
