"""Prompt templates: lines with `[name]` and `[filewords]` in them.

`[filewords]` is replaced first, so a caption may itself hold `[name]` (A1111 since PR #4688).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError, FileError, setting
from ..files.text_file import read_text
from ..paths import given_path
from ..port.prompt import find_triggers

SHIPPED_FOLDER = Path(__file__).parent / "templates_shipped"
SHIPPED = ("style", "style_filewords", "subject", "subject_filewords", "hypernetwork", "none")
"""The six files that A1111 ships; the lines are our own."""


def template_file(name_or_path: str) -> Path | None:
    """The user's own file that `prompt_template` names; None for what comes with the program, and
    where it holds the lines themselves."""
    if _is_lines(name_or_path):
        return None
    known = name_or_path in ("auto", "captions") or name_or_path.removesuffix(".txt") in SHIPPED
    return None if known else given_path(name_or_path, setting("prompt_template"))


def as_text(lines: Sequence[str]) -> str:
    """Lines as one text that `read_template` reads."""
    text = "\n".join(lines)
    return text if _is_lines(text) else f"{text}\n"


def _is_lines(text: str) -> bool:
    """No file is called so."""
    return "\n" in text or "[name]" in text or "[filewords]" in text


def read_template(name_or_path: str) -> list[str]:
    """The lines of a template: one of `SHIPPED` (with or without `.txt`), a text file, or the text
    itself.

    Blank lines and lines that start with `#` are left out.
    Raises DataError when there is no such file, it is not text, or has no line.
    """
    stem = name_or_path.removesuffix(".txt")
    path = template_file(name_or_path) or SHIPPED_FOLDER / f"{stem}.txt"
    try:
        text = name_or_path if _is_lines(name_or_path) else read_text(path)
    except FileError as error:
        raise DataError(
            f"cannot read the prompt template {name_or_path}",
            error.why,
            f"give a UTF-8 text file, or one of {', '.join(SHIPPED)}",
        ) from error
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        what = f"the prompt template {name_or_path} has no lines"
        raise DataError(what, "", "write one prompt per line")
    return lines


def fill(line: str, name: str, caption: str) -> str:
    """The prompt of a template line."""
    return line.replace("[filewords]", caption).replace("[name]", name).strip()


def names_trigger(prompt: str, name: str) -> bool:
    """Whether a prompt holds the trigger as hosts find it: a whole word, in any letter case."""
    return any(piece.trigger for piece in find_triggers(prompt, [name]))
