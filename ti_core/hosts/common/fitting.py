"""What every host checks before it encodes: do pixels, vectors and sizes fit the model?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...errors import ConfigError, DataError, EmbeddingError
from ...port.session import EncoderFacts, PictureSize, Vectors


def check_pixels(pixels: Tensor, stride: int) -> None:
    """Raise DataError unless they are (B, 3, H, W) with sides that are multiples of `stride`."""
    if pixels.dim() != 4 or pixels.shape[1] != 3 or any(n % stride for n in pixels.shape[2:]):
        why = f"{tuple(pixels.shape)} is not (B, 3, H, W) with multiples of {stride}"
        raise DataError("these pixels cannot be encoded", why)


def check_embeddings(encoders: Sequence[EncoderFacts], embeddings: Mapping[str, Vectors]) -> None:
    """Raise EmbeddingError unless every embedding has (k, width) vectors for every encoder."""
    for name, vectors in embeddings.items():
        for facts in encoders:
            rows = vectors.get(facts.key)
            if rows is None:
                why = f"it has no vectors for '{facts.key}'"
            elif rows.dim() != 2 or rows.shape[1] != facts.width:
                why = f"its shape is {tuple(rows.shape)}, '{facts.key}' needs (k, {facts.width})"
            else:
                continue
            raise EmbeddingError(
                f"the embedding '{name}' does not fit this model",
                why,
                "it was made for another kind of model",
            )


def time_ids(count: int, sizes: Sequence[PictureSize] | None, side: int) -> Tensor:
    """(count, 6) for SDXL: original size, crop, target size; by default a whole square of `side`.

    Raises ConfigError when there is not one size for each prompt.
    """
    whole = PictureSize((side, side), (0, 0), (side, side))
    if sizes is not None and len(sizes) != count:
        raise ConfigError(f"{count} prompts have {len(sizes)} image sizes")
    rows = [(*s.original, *s.crop, *s.target) for s in sizes or [whole] * count]
    return torch.tensor(rows, dtype=torch.float32)
