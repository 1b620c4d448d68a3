"""Prompts in which nothing is trained: they are encoded once, and the text encoder is released."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..port.session import Conditioning, PictureSize, Session, TextOptions

_MOST = 512
"""Prompts that are remembered; one takes 0.2 MB of main memory (SD 1.x) to 0.6 MB (SDXL)."""
_Key = tuple[str, PictureSize, TextOptions]


class RememberedPrompts:
    """What a session made of prompts, in main memory.

    While new prompts come in, the text encoder stays where it is; once all of a pass are known,
    its memory is given back (A1111's "Move VAE and CLIP to RAM when training if possible").
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rows: dict[_Key, Conditioning] = {}
        self._in_use = True

    def encode(
        self, prompts: Sequence[str], sizes: Sequence[PictureSize], text: TextOptions
    ) -> Conditioning:
        """As `Session.encode_prompts` without embeddings.

        Prompts of different numbers of chunks are padded for each other: these are encoded
        together, each time.
        """
        keys = [(prompt, size, text) for prompt, size in zip(prompts, sizes, strict=True)]
        new = [key for key in dict.fromkeys(keys) if key not in self._rows]
        for key in new:
            self._rows[key] = self._encoded([key[0]], [key[1]], text).to(torch.device("cpu"))
        found = [self._rows[key] for key in keys]
        alike = len({row.context.shape for row in found}) == 1
        made = _joined(found) if alike else self._encoded(prompts, sizes, text)
        self._release(used=bool(new) or not alike)
        return made

    def _encoded(
        self, prompts: Sequence[str], sizes: Sequence[PictureSize], text: TextOptions
    ) -> Conditioning:
        with torch.no_grad():
            return self._session.encode_prompts(prompts, {}, sizes, text)

    def _release(self, used: bool) -> None:
        if self._in_use and not used:
            self._session.release("text_encoder")
        self._in_use = used
        for key in list(self._rows)[:-_MOST]:
            del self._rows[key]


def _joined(rows: Sequence[Conditioning]) -> Conditioning:
    return Conditioning(
        torch.cat([row.context for row in rows]),
        _whole([row.pooled for row in rows]),
        _whole([row.time_ids for row in rows]),
    )


def _whole(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None
