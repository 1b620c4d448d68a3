"""Files that are not what they seem, or that no one will read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..data.captions import FALLBACK
from ..data.picture_formats import ENDINGS, FORMATS, OTHER_PICTURES
from ..data.pictures import folders_below, upright_size
from ..errors import DataError
from .finding import Finding
from .inputs import CheckupInput
from .survey import Survey

_SIDECARS = (
    *(".txt", FALLBACK, ".json", ".jsonl", ".toml", ".yaml", ".yml", ".csv", ".md", ".log"),
    *(".html", ".npz", ".npy", ".safetensors", ".ini", ".db", ".py", ".zip", ".tags", ".xmp"),
)
"""Endings of what lies beside images and is none."""
_NAMED = 3
"""In one line."""


def unreadable(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images that cannot be opened."""
    if survey.unreadable:
        kinds = {error.why: (path, error) for path, error in reversed(survey.unreadable)}
        examples = list(kinds.values())[-_NAMED:][::-1]
        reasons = "; ".join(f"{path.name}: {error.why}" for path, error in examples)
        fixes = [error.fix or "export them again, or take them out" for _, error in examples]
        yield Finding(
            "unreadable",
            "error",
            f"{len(survey.unreadable)} image(s) cannot be read ({reasons})",
            "the training continues without them",
            "; ".join(dict.fromkeys(fixes)),
            tuple(path.name for path, _ in survey.unreadable),
        )


def ignored(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Images of other kinds or without an ending, and images in folders below."""
    names = [name for folder in survey.folders for name in _left_out(folder)]
    names += [name for folder in survey.folders for name in folders_below(folder)]
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield Finding(
            "ignored",
            "warning",
            f"{len(names)} file(s) or folder(s) with images are left out "
            f"({', '.join(names[:_NAMED])}{more})",
            "only files directly in the folder are read, with one of the extensions "
            f"{', '.join(FORMATS)}",
            "convert or rename them, or move them up",
            tuple(names),
        )


def _left_out(folder: Path) -> Iterator[str]:
    """Names of files that are images, by their ending or by what is in them, and are not read."""
    for path in sorted(folder.iterdir()):
        ending = path.suffix.lower()
        if path.name.startswith(".") or ending in (*ENDINGS, *_SIDECARS) or not path.is_file():
            continue
        if ending in OTHER_PICTURES or _is_picture(path):
            yield path.name


def _is_picture(path: Path) -> bool:
    try:
        return bool(upright_size(path))
    except DataError:
        return False


def no_files(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """What is called like an image or a caption, and is a link that leads nowhere, a pipe or a
    device."""
    endings = (*ENDINGS, inputs.data.caption_extension, FALLBACK)
    entries = [path for folder in survey.folders for path in sorted(folder.iterdir())]
    names = [
        path.name
        for path in entries
        if path.suffix.lower() in endings and not (path.is_file() or path.is_dir())
    ]
    if names:
        yield Finding(
            "no_files",
            "warning",
            f"{len(names)} image(s) or caption(s) are not files ({', '.join(names[:_NAMED])})",
            "they are broken links, pipes or devices, and are left out",
            "put the files there",
            tuple(names),
        )


def not_looked_at(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Of very many images some are looked at."""
    if survey.left_out:
        count = len(survey.pictures) + len(survey.unreadable) + len(survey.wordless)
        what = f"{count} of {count + survey.left_out} images were looked at"
        yield Finding(
            "sample", "note", what, "", "ti check on the command line looks at all of them"
        )


def stray_captions(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Caption files that belong to no image, such as those of misspelt names."""
    entries = [path for folder in survey.folders for path in folder.iterdir()]
    entries = [path for path in entries if not path.name.startswith("._")]
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
            f"{len(stray)} caption file(s) belong to no image ({stray[0]})",
            "they have no effect",
            "name each like its image",
            tuple(stray),
        )
