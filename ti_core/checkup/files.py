"""Files that are not what they seem, or that nobody will read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..data.captions import FALLBACK
from ..data.pictures import ENDINGS
from .finding import Finding
from .inputs import CheckupInput
from .survey import Survey

_UNREAD = (".heic", ".heif", ".psd", ".xcf", ".svg", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".raw")
"""Pictures of cameras and paint programs that are not tried."""
_ENTRIES_LOOKED_AT = 1000
"""In a folder below; enough to tell whether it holds pictures."""


def unreadable(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Pictures that cannot be opened."""
    if survey.unreadable:
        path, error = survey.unreadable[0]
        yield Finding(
            "unreadable",
            "error",
            f"{len(survey.unreadable)} picture(s) cannot be read ({path.name}: {error.why})",
            "training goes on without them",
            "export them again, or take them out",
            tuple(path.name for path, _ in survey.unreadable),
        )


def ignored(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Pictures of other kinds, and pictures in folders below."""
    entries = [path for folder in survey.folders for path in sorted(folder.iterdir())]
    names = [path.name for path in entries if path.suffix.lower() in _UNREAD]
    names += [name for folder in survey.folders for name in folders_below(folder)]
    if names:
        yield Finding(
            "ignored",
            "hint",
            f"{len(names)} file(s) or folder(s) with pictures are left out ({names[0]})",
            f"only {', '.join(ENDINGS[:4])} and the like directly in the folder are read",
            "convert them, or move them up",
            tuple(names),
        )


def not_looked_at(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Of very many pictures some are looked at."""
    if survey.left_out:
        count = len(survey.pictures) + len(survey.unreadable) + len(survey.wordless)
        what = f"{count} of {count + survey.left_out} pictures were looked at"
        yield Finding("sample", "note", what, "", "ti check looks at all of them")


def folders_below(folder: Path) -> list[str]:
    """Names, with a slash at the end, of the folders in it that hold pictures."""
    entries = sorted(folder.iterdir())
    return [f"{path.name}/" for path in entries if path.is_dir() and _holds_pictures(path)]


def _holds_pictures(folder: Path) -> bool:
    try:
        entries = islice(folder.iterdir(), _ENTRIES_LOOKED_AT)
        return any(path.suffix.lower() in ENDINGS for path in entries)
    except OSError:  # a folder that may not be entered holds nothing for us
        return False


def stray_captions(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Caption files that belong to no picture, such as those of misspelt names."""
    entries = [path for folder in survey.folders for path in folder.iterdir()]
    stems = {(p.parent, p.stem) for p in entries if p.suffix.lower() in ENDINGS}
    endings = (inputs.data.caption_extension, FALLBACK)
    stray = sorted(
        path.name
        for path in entries
        if path.suffix in endings and (path.parent, path.stem) not in stems
    )
    if stray:
        yield Finding(
            "stray_caption",
            "hint",
            f"{len(stray)} caption file(s) belong to no picture ({stray[0]})",
            "nobody will read them",
            "name each like its picture",
            tuple(stray),
        )
