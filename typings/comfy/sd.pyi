from collections.abc import Mapping

from torch import Tensor, nn

from .model_patcher import ModelPatcher
from .sd1_clip import SD1Tokenizer

class CLIP:
    """What goes along a CLIP cable."""

    cond_stage_model: nn.Module
    """Children `clip_l`, `clip_g` or `clip_h`, each an SDClipModel."""
    tokenizer: SD1Tokenizer
    patcher: ModelPatcher
    layer_idx: int | None

    def clone(self) -> CLIP: ...
    def tokenize(self, text: str) -> Mapping[str, object]: ...
    def encode_from_tokens_scheduled(
        self, tokens: Mapping[str, object]
    ) -> list[tuple[Tensor, dict[str, object]]]: ...

class VAE:
    """What goes along a VAE cable."""

    first_stage_model: nn.Module
    """None where a checkpoint holds no VAE."""
    patcher: ModelPatcher

    def encode(self, pixel_samples: Tensor) -> Tensor:
        """(B, H, W, 3) in 0…1 → (B, C, h, w)."""

    def decode(self, samples_in: Tensor) -> Tensor:
        """(B, C, h, w) → (B, H, W, 3) in 0…1."""
