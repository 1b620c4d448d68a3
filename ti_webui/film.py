"""Previews over time as HTML: the first beside the one that a slider chooses, and all in a strip.

The images are in the HTML itself, so that moving the slider asks for nothing.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ti_core.train.progress import Preview

from .markup import escape
from .thumbnails import thumbnail

_FRAMES = 20
"""Of a longer run some are left out, never the first and the last."""
_SIDE = 320
"""Pixels of the longer side."""


def film(previews: Sequence[Preview]) -> str:
    """The previews of the first prompt, step by step; empty with fewer than two."""
    frames = some_of(first_of_each_step(previews))
    if len(frames) < 2:
        return ""
    first, last = frames[0], frames[-1]
    buttons = "".join(_frame(frame, frame is last) for frame in frames)
    return (
        f'<div class="ti-film"><div class="ti-film-two">{_figure(first, "ti-film-first")}'
        f"{_figure(last, 'ti-film-now')}</div>"
        f'<input type="range" min="0" max="{len(frames) - 1}" value="{len(frames) - 1}" '
        f'aria-label="Step of the preview on the right">'
        f'<div class="ti-strip">{buttons}</div></div>'
    )


def first_of_each_step(previews: Sequence[Preview]) -> list[Preview]:
    """By their steps; made with the same seed, they show what the steps between have changed."""
    found: dict[int, Preview] = {}
    for preview in previews:
        if preview.path.is_file():
            found.setdefault(preview.step, preview)
    return [found[step] for step in sorted(found)]


def some_of(frames: Sequence[Preview]) -> list[Preview]:
    """As many as are shown, evenly spread."""
    if len(frames) <= _FRAMES:
        return list(frames)
    last = len(frames) - 1
    return [frames[round(place * last / (_FRAMES - 1))] for place in range(_FRAMES)]


def _figure(preview: Preview, kind: str) -> str:
    title = escape(preview.prompt)
    picture = f'<img class="{kind}" src="{_data(preview.path)}" alt="{title}" title="{title}">'
    return f"<figure>{picture}<figcaption>{_step(preview)}</figcaption></figure>"


def _frame(preview: Preview, pressed: bool) -> str:
    state = "true" if pressed else "false"
    picture = f'<img src="{_data(preview.path)}" alt="">'
    return (
        f'<button type="button" aria-label="{_step(preview)}" aria-pressed="{state}" '
        f'title="{_step(preview)}">{picture}</button>'
    )


def _step(preview: Preview) -> str:
    return f"step {preview.step:,}"


def _data(path: Path) -> str:
    try:
        return _encoded(path, path.stat().st_mtime_ns)
    except OSError:
        return ""  # it was there a moment ago


@lru_cache(maxsize=200)
def _encoded(path: Path, changed: int) -> str:
    """An image as an address that holds it."""
    data = io.BytesIO()
    thumbnail(path, side=_SIDE).convert("RGB").save(data, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
