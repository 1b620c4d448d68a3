"""Pictures. Encoded prompts are kept by their text, as in the real one."""

from __future__ import annotations

from typing import Any, ClassVar

from modules import sd_models


class StableDiffusionProcessing:
    """One order."""

    cached_c: ClassVar[list[Any]] = [None, None]
    cached_uc: ClassVar[list[Any]] = [None, None]

    def encoded(self, prompt: str) -> Any:
        """What the network would be given for a prompt, from the cache if it is there."""
        cache = StableDiffusionProcessing.cached_c
        if cache[0] != prompt:
            cache[:] = [prompt, sd_models.encode(prompt)]
        return cache[1]


class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    """With a second pass."""

    cached_hr_c: ClassVar[list[Any]] = [None, None]
    cached_hr_uc: ClassVar[list[Any]] = [None, None]
