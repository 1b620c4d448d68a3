"""The embeddings over HTTP, for the sidebar, the completion of prompts and the node *Embedding*.

    GET /ti/embeddings?search=cat&offset=0&limit=60     a page of the list, and what was skipped
    GET /ti/embeddings/picture?key=styles/ink.pt        its image, small

Nothing is read before somebody asks. A key is a line of the list: no path is made of it.
"""

from __future__ import annotations

import asyncio
import os

from aiohttp import web

from ..ti_core.errors import DataError, NotFoundError, RequestError
from ..ti_core.families import label_of
from .collection import Shelf, collection
from .node import plain_text
from .places import embedding_files
from .thumbnails import thumbnail

MOST = 200
"""Embeddings on a page, and skipped files that are told."""
_PATIENCE = 0.1
"""Seconds: the first look reads every file, which may take longer; later looks read what is new."""
_looks: set[asyncio.Task[Shelf]] = set()


async def listed(request: web.Request) -> dict[str, object]:
    """A page of the list. Raises RequestError for numbers that are none."""
    offset, limit = _number(request, "offset", 0), min(_number(request, "limit", 60), MOST)
    wanted = request.query.get("search", "")[:200]
    first = collection.shelf.version == 0
    # Before the look, which leaves little of Python to others while it lasts.
    names = await asyncio.to_thread(_names, wanted) if first else []
    look = _look()
    done, _ = await asyncio.wait({look}, timeout=_PATIENCE if first else None)
    if not done:
        told: list[dict[str, object]] = [{"key": name, "name": name} for name in names]
        return _page(told, offset, limit) | {"looking": True}
    return await asyncio.to_thread(_listed, look.result(), wanted, offset, limit)


def _look() -> asyncio.Task[Shelf]:
    """One at a time, for everybody who asks meanwhile."""
    look = next(iter(_looks), None) or asyncio.create_task(asyncio.to_thread(collection.look))
    _looks.add(look)
    look.add_done_callback(_looks.discard)
    return look


async def pictured(request: web.Request) -> bytes:
    """The small image of an embedding. Raises NotFoundError."""
    return await asyncio.to_thread(_picture, request.query.get("key", ""))


def _number(request: web.Request, name: str, usual: int) -> int:
    text = request.query.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise RequestError(f"{name} is {text!r:.40}", "", "give a number")
    return int(text)


def _names(wanted: str) -> list[str]:
    words = wanted.lower().split()
    return [name for name in embedding_files() if all(word in name.lower() for word in words)]


def _page(items: list[dict[str, object]], offset: int, limit: int) -> dict[str, object]:
    return {"total": len(items), "offset": offset, "embeddings": items[offset : offset + limit]}


def _listed(shelf: Shelf, wanted: str, offset: int, limit: int) -> dict[str, object]:
    keys = shelf.matching(wanted)
    return {
        "version": shelf.version,
        "total": len(keys),
        "offset": offset,
        "embeddings": [_told(shelf, key) for key in keys[offset : offset + limit]],
        "skipped": [
            {"file": one.path.name, "reason": plain_text(one.reason)}
            for one in shelf.skipped[:MOST]
        ],
    }


def _told(shelf: Shelf, key: str) -> dict[str, object]:
    entry = shelf.entries[key]
    strength = collection.strength(entry)
    return {
        "key": key,
        "name": entry.name,
        "prompt": shelf.prompt(key),
        "family": label_of(entry.tables) or entry.model,
        "vectors": entry.vectors,
        "step": entry.step,
        "trigger": entry.trigger,
        "base_model": entry.base_model,
        "strength": round(strength[0], 2) if strength else None,
        "verdict": strength[1] if strength else "",
        "lengths": [round(length, 3) for _, length in collection.lengths(entry)],
        "picture": _time(entry.picture),
    }


def _time(picture: str) -> int:
    """When an image changed last, 0 for none: with another time, browsers ask again."""
    try:
        return int(os.stat(picture).st_mtime) if picture else 0
    except OSError:
        return 0


def _picture(key: str) -> bytes:
    entry = collection.find(key)
    try:
        if entry.preview:
            return thumbnail(entry.preview)
    except (DataError, OSError) as error:
        raise NotFoundError(f"{key!r:.200} has no image", str(error)) from error
    raise NotFoundError(f"{key!r:.200} has no image")
