from collections.abc import Sequence

from torch import Tensor, nn

from .textual_inversion import EmbeddingDatabase

class _Tokenizer:
    """transformers' CLIPTokenizer."""

    def convert_ids_to_tokens(self, ids: int) -> str: ...

class ClassicTextProcessingEngine:
    embeddings: EmbeddingDatabase
    embedding_key: str
    text_encoder: nn.Module
    tokenizer: _Tokenizer
    clip_skip: int
    id_start: int
    id_end: int
    id_pad: int

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]: ...
    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """(N, 77, width); SDXL's second encoder hangs `pooled` on it."""
