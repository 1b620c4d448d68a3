"""The prompts of a preview, encoded for classifier-free guidance (Ho & Salimans 2022)."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ...port.session import Conditioning, PictureSize, PreviewRequest, Session, Vectors


def guided_prompts(
    session: Session, request: PreviewRequest, embeddings: Mapping[str, Vectors]
) -> Conditioning:
    """One row, or with guidance two: the negative prompt's first."""
    whole = (request.height, request.width)
    size = PictureSize(whole, (0, 0), whole)
    if request.cfg_scale == 1:
        return session.encode_prompts([request.prompt], embeddings, [size], request.text)
    prompts = [request.negative_prompt, request.prompt]
    both = session.encode_prompts(prompts, embeddings, [size, size], request.text)
    if both.pooled is None or request.negative_prompt:
        return both
    # SDXL was trained with zeros, not with an encoded empty text.
    keep = torch.tensor([0.0, 1.0], device=both.context.device)
    context = both.context * keep[:, None, None]
    return Conditioning(context, both.pooled * keep[:, None], both.time_ids)
