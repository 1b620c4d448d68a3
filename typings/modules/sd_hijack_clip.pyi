from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

class FrozenCLIPEmbedderWithCustomWordsBase(nn.Module):
    """A1111's shell around a text encoder."""

    wrapped: Any
    """An embedder with `transformer` and `tokenizer`, or with open_clip's `model`."""
    id_start: int
    id_end: int
    id_pad: int

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]: ...
    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """(N, 77, width); SDXL's second encoder hangs `pooled` on it."""
