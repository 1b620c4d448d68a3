"""The embeddings that the prompts of `ti generate` use, and what is told of their words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..files.names import alike

if TYPE_CHECKING:
    from ..events import Notice
    from ..files.embedding import Embedding
    from ..files.library import Library
    from ..port.session import Host, PreviewRequest
    from ..prompts.words import Known

Files = Mapping[str, "tuple[Embedding, Path]"]
"""Name → embedding and its file."""
Say = Callable[["Notice | str"], None]
"""What is told besides: a notice, or a line of text."""


def used_by(
    request: PreviewRequest, listed: Files, library: Library, host: Host, say: Say
) -> dict[str, tuple[Embedding, Path]]:
    """Of the listed files and the library, those that the prompts name; listed ones come first.
    Which words are used, where, and which only look so, is told."""
    from ..data.templates import names_trigger
    from ..files.reading import read_embedding
    from ..prompts.missed import unnamed

    text = f"{request.prompt}\n{request.negative_prompt}"
    used = {name: found for name, found in listed.items() if names_trigger(text, name)}
    taken, widths = set(map(alike, listed)), tuple(sorted(host.describe().widths.values()))
    for name in _told(request, _known(listed, library), host, say):
        entry = library.find(name, widths)
        if alike(name) not in taken and entry:
            used[entry.name] = read_embedding(entry.path, entry.term or None), entry.path
    for notice in unnamed(text, listed):
        say(notice)
    return used


def _known(listed: Files, library: Library) -> list[Known]:
    from ..files.embedding import widths_of
    from ..prompts.used import known_of
    from ..prompts.words import Known

    own = [
        Known(name, widths_of(found.vectors), found.count) for name, (found, _) in listed.items()
    ]
    taken = {alike(one.name) for one in own}
    return [*own, *(one for one in known_of(library) if alike(one.name) not in taken)]


def _told(request: PreviewRequest, known: list[Known], host: Host, say: Say) -> list[str]:
    """The names that are used, of which and of the others is told."""
    from ..prompts.used import words_of

    names = []
    prompts = {"prompt": request.prompt, "negative prompt": request.negative_prompt}
    for where, text in prompts.items():
        words = words_of(text, known, host)
        for found in words.found:
            say(f"{where}: {found}")
        for missed in words.missed:
            say(missed.notice)
        names += [found.name for found in words.found]
    return names
