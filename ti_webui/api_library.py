"""`/ti/v1/embeddings/…`: rename, delete, bring back, and notes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ti_core import options
from ti_core.errors import ConfigError, NotFoundError
from ti_core.files.label import Label
from ti_core.files.library_entry import Entry

from .api_answers import plain
from .api_bodies import only
from .library_files import (
    delete_embedding,
    deleted,
    label_embedding,
    label_of,
    rename_embedding,
    undelete,
)
from .listing import listing
from .studio import Studio

_WHICH = ("name", "file")
_NOTES = tuple(item.name for item in dataclasses.fields(Label))


class LibraryApi:
    """What each route does."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def rename(self, body: options.SettingValues) -> object:
        """{"name" or "file": as GET /embeddings says it, "new_name": …}: in all its files."""
        only(body, (*_WHICH, "new_name"))
        renamed = rename_embedding(self.studio, self._entry(body), _text(body, "new_name"))
        notices = [dataclasses.asdict(notice) for notice in renamed.notices]
        return plain({"path": renamed.path, "notices": notices})

    def delete(self, body: options.SettingValues) -> object:
        """{"name" or "file"}: all its files go into the bin; "file" of the answer is for /undo."""
        only(body, _WHICH)
        return {"file": str(delete_embedding(self.studio, self._entry(body)).folder)}

    def deleted(self) -> object:
        """What is in the bin, newest first."""
        return [
            {"file": file, "original": str(each.path), "when": each.when}
            for file, each in deleted(self.studio).items()
        ]

    def undo(self, body: options.SettingValues) -> object:
        """{"file": one of /deleted, or nothing for the newest}: it is brought back."""
        only(body, ("file",))
        return {"path": str(undelete(self.studio, _text(body, "file")))}

    def notes(self, body: options.SettingValues) -> object:
        """{"name" or "file", and what is to be noted}: everything that is noted afterwards."""
        only(body, (*_WHICH, *_NOTES))
        entry = self._entry(body)
        label = Label(**{name: _text(body, name) for name in _NOTES if name in body})
        if label.given:
            label_embedding(entry, label)
        return dataclasses.asdict(label_of(entry))

    def _entry(self, body: Mapping[str, object]) -> Entry:
        """The embedding that the name means, or the one in this file."""
        name, file = _text(body, "name"), _text(body, "file")
        if bool(name) == bool(file):
            raise ConfigError('"name" or "file" is needed', "", 'give {"name": "my-cat"}')
        if name:
            found = self.studio.library().find(name)
        else:
            listed = [each.entry for each in listing(self.studio) if each.file == file]
            found = listed[0] if listed else None
        if found is None:
            raise NotFoundError(f"there is no embedding {name or file}", "", "check the name")
        return found


def _text(body: Mapping[str, object], name: str) -> str:
    text = body.get(name, "")
    if not isinstance(text, str):
        raise ConfigError(f'"{name}" is {text!r}', "", "give text")
    return text
