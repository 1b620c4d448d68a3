"""Captions listed, edited, searched and put back: what a panel needs, without a panel.

    editor = CaptionEditor(folder)
    entry = editor.read("001.png")                             or entries() for all of them
    editor.write("001.png", "a red cat", entry.version)        whole or not at all
    changes = editor.preview("dog", "cat")                     nothing is written yet
    editor.apply(changes)
    editor.undo()

What the user has not seen is never written over: a file that has changed since it was read (its
version is another one then) is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, DataError, FileError
from ..files.atomic import storage_error, write_bytes
from ..files.regular_file import read_bytes
from ..files.text_file import MOST_BYTES, decode
from .captions import caption_file, file_words
from .patterns import Pattern
from .pictures import list_images

MOST_UNDO = 100
"""Levels of undo; older ones are forgotten."""


@dataclass(frozen=True)
class CaptionEntry:
    """One image and its words, as they were on the disk."""

    image: Path
    file: Path
    """Where its caption is, or would be written to."""
    text: str
    """The caption as it is in the file; without a file, A1111's file words."""
    from_file: bool
    version: str
    """Stands for the file's content; empty where there is no file."""
    problem: str = ""
    """Why the caption file cannot be read; it cannot be edited here then."""


@dataclass(frozen=True)
class Change:
    """A caption file before and after; several images may share it (`a.png`, `a.jpg`)."""

    file: Path
    before: str
    after: str
    hits: int
    """How many places were found."""
    version: str
    """The file's, at the time of the preview."""


@dataclass(frozen=True)
class _Swap:
    """What was done to one file, byte for byte; None is not a file."""

    file: Path
    before: bytes | None
    after: bytes | None


class CaptionEditor:
    """The captions of one folder, and the steps that can be undone.

    Files are written as UTF-8 without a mark and exactly as given: A1111 takes a mark or a
    newline at the end into the prompt. Not thread-safe: one editor for each panel.
    """

    def __init__(self, folder: Path, extension: str = ".txt") -> None:
        self.folder = folder
        self.extension = extension
        self._done: list[tuple[_Swap, ...]] = []

    # --- reading ------------------------------------------------------------------------------

    def entries(self) -> list[CaptionEntry]:
        """Every image with its caption, by name, read again from the disk.

        Raises DataError when there is no such folder or no image in it.
        """
        return [self._entry(image) for image in list_images(self.folder)]

    def read(self, image: str) -> CaptionEntry:
        """One image, by its file name, read again. Raises DataError when it is not there."""
        return self._entry(self._image(image))

    def _image(self, name: str) -> Path:
        """Only what is in the list: a panel's text is not a path."""
        for image in list_images(self.folder):
            if image.name == name:
                return image
        raise DataError(f"there is no image {name!r} in {self.folder}")

    def _entry(self, image: Path) -> CaptionEntry:
        file = caption_file(image, self.extension)
        data: bytes | None = b""
        try:
            data = _content(file)
            text = file_words(image.stem) if data is None else decode(data)
        except (FileError, ValueError) as error:
            why = error.why if isinstance(error, FileError) else str(error)
            problem = f"cannot read {file.name}: {why}"
            return CaptionEntry(image, file, "", True, _version(data), problem)
        return CaptionEntry(image, file, text, data is not None, _version(data))

    # --- writing ------------------------------------------------------------------------------

    def write(self, image: str, text: str, version: str) -> CaptionEntry:
        """Make `text` the caption of an image (by its file name), and read it back.

        `version` is that of the entry which the user saw. Raises DataError when the caption file
        is not text or has changed since, StorageError when it cannot be written.
        """
        entry = self.read(image)
        if entry.problem:
            raise DataError(entry.problem, "", "save it as UTF-8 text")
        self._do([_swap(entry.file, version, text)])
        return self.read(image)

    def preview(
        self, find: str, replacement: str, regex: bool = False, match_case: bool = True
    ) -> list[Change]:
        """What `find` → `replacement` would change in the caption files; nothing is written.

        With `regex`, Python's regular expressions, and `\\1` or `\\g<name>` in the replacement.
        Raises ConfigError for an empty or broken pattern or replacement.
        """
        if not find:
            raise ConfigError("there is nothing to find", "", "give some text")
        pattern = Pattern(find if regex else re.escape(find), "the search", not match_case)
        new = replacement if regex else lambda match: replacement
        found: dict[Path, Change] = {}
        for entry in self.entries():
            if entry.from_file and not entry.problem:
                after, hits = pattern.replace(new, entry.text)
                found[entry.file] = Change(entry.file, entry.text, after, hits, entry.version)
        return [change for change in found.values() if change.after != change.before]

    def apply(self, changes: Iterable[Change]) -> int:
        """Carry out changes that `preview` found, all as one step of undo; returns their number.

        Raises DataError, before anything is written, when a file has changed since the preview.
        """
        swaps = [_swap(change.file, change.version, change.after) for change in changes]
        self._do(swaps)
        return len(swaps)

    def _do(self, swaps: list[_Swap]) -> None:
        """When a write fails, what was written before it is still a step that can be undone."""
        done: list[_Swap] = []
        try:
            for swap in swaps:
                if swap.before != swap.after:
                    _put(swap.file, swap.after)
                    done.append(swap)
        finally:
            if done:
                self._done = [*self._done, tuple(done)][-MOST_UNDO:]

    # --- undo ---------------------------------------------------------------------------------

    @property
    def undo_levels(self) -> int:
        """How many steps `undo` can take back."""
        return len(self._done)

    def undo(self) -> list[Path]:
        """Take back the last step, byte for byte; returns the files that were put back.

        A file that was made is removed again. Raises DataError when there is nothing to undo, or
        when one of the files has changed since; nothing is put back then.
        """
        if not self._done:
            raise DataError("there is nothing to undo")
        left = list(self._done[-1])
        for swap in left:
            _require_version(swap.file, _version(swap.after))
        files = [swap.file for swap in left]
        while left:
            _put(left[-1].file, left[-1].before)
            left.pop()
            self._done[-1] = tuple(left)  # a full disk half-way leaves a step that can continue
        self._done.pop()
        return files


def _content(file: Path) -> bytes | None:
    """The bytes of a file; None when there is none. Raises FileError."""
    return read_bytes(file, MOST_BYTES) if file.is_file() else None


def _version(data: bytes | None) -> str:
    return "" if data is None else hashlib.blake2b(data, digest_size=12).hexdigest()


def _swap(file: Path, version: str, text: str) -> _Swap:
    try:
        return _Swap(file, _require_version(file, version), text.encode("utf-8"))
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise DataError("the caption is not proper text", str(error)) from error


def _require_version(file: Path, version: str) -> bytes | None:
    """The file's content. Raises DataError when it is of another version."""
    try:
        data = _content(file)
    except FileError as error:
        raise DataError(f"{file.name} is not written", error.why, error.fix) from error
    if _version(data) != version:
        raise DataError(
            f"{file.name} is not written", "it has changed since it was read", "read it again"
        )
    return data


def _put(file: Path, data: bytes | None) -> None:
    if data is not None:
        write_bytes(file, data)
        return
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(file, error) from error
