from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

class _Words:
    """transformers' CLIPTokenizer."""

    def __call__(
        self, text: str, *, add_special_tokens: bool = ..., verbose: bool = ...
    ) -> Mapping[str, list[int]]: ...

class _TextModel(nn.Module):
    """`comfy.clip_model.CLIPTextModel`."""

    def get_input_embeddings(self) -> nn.Embedding: ...

class SDClipModel(nn.Module):
    """One text encoder."""

    transformer: _TextModel
    num_layers: int
    special_tokens: Mapping[str, int]

    def set_clip_options(self, options: Mapping[str, object]) -> None: ...
    def reset_clip_options(self) -> None: ...
    def __call__(self, tokens: Sequence[Sequence[int | Tensor]]) -> tuple[Tensor, Tensor]: ...

Place = tuple[int | Tensor, float, int]
"""Token or vector, weight, and if asked for the number of the word (0: a mark or padding)."""

class SDTokenizer:
    """Of one text encoder. What nodes replace by their own is declared as an attribute."""

    tokenizer: _Words
    max_length: int
    inv_vocab: Mapping[int, str]
    embedding_size: int
    embedding_directory: str | list[str] | None
    _try_get_embedding: Callable[..., tuple[Tensor | str | None, ...]]
    """(rows or None, rest of the text), since 0.28 with the name between them."""
    tokenize_with_weights: Callable[..., list[list[Place]]]

class SD1Tokenizer:
    """Of a CLIP: attributes `clip_l`, `clip_g` or `clip_h`, each an SDTokenizer."""

    tokenize_with_weights: Callable[..., Mapping[str, object]]
    """Short name of a text encoder ("l", "g", "h") → its chunks."""

def token_weights(string: str, current_weight: float) -> list[tuple[str, float]]: ...
def escape_important(text: str) -> str: ...
def unescape_important(text: str) -> str: ...
