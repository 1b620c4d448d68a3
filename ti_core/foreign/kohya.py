"""kohya's settings: TOML as `--config_file` of sd-scripts reads it, arguments, and scripts that
hold a command line; diffusers' command lines are read in the same way."""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from ..errors import FileError
from ..options import nearest
from .options import OPTIONS
from .verdict import Given, Verdict

Pair = tuple[str, object]
"""An option and its value: a text, or what TOML has; True for a switch."""
_CONTINUED = re.compile(r"[\\^`][ \t]*\n|\n(?=[ \t]+--\w)")
"""A line that continues: in sh, cmd and PowerShell, and where only the indentation says so."""
_SCRIPT = re.compile(
    r"(?:textual_inversion\w{0,40}\.py|\bti(?:\.exe)?[ \t]+train)(?=[ \t\"']|$)", re.MULTILINE
)
_ASSIGNED = re.compile(
    r"^[ \t]*(?:export[ \t]+|set[ \t]+|\$(?=\w+[ \t]*=))?(\w+)[ \t]*=[ \t]*(.*)$", re.MULTILINE
)
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)|%(\w+)%")
_END = ("&&", "||", ";", "|", ">", ">>", "2>&1", "&")
_LONGEST_LINE = 100_000


def pairs_of_table(table: Mapping[str, object]) -> Iterator[Pair]:
    """Every option of a TOML file, flat or in sections, whose names mean nothing."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def pairs_of_text(text: str) -> list[Pair]:
    """The options of the first command line of a training in a script, or of a list of arguments.

    Raises FileError where there is none, or it cannot be read.
    """
    joined = _CONTINUED.sub(" ", text)
    found = _SCRIPT.search(joined)
    if found:
        line = joined[found.end() :].partition("\n")[0]
    elif joined.lstrip().startswith("--"):
        line = " ".join(joined.split("\n"))
    else:
        raise _unreadable("it contains no command line of a training")
    if len(line) > _LONGEST_LINE:
        raise _unreadable("its command line is too long")
    return list(pairs_of_words(_words(_with_values(line, _assigned(joined)))))


def _assigned(text: str) -> dict[str, str]:
    return {name: value.strip().strip("'\"") for name, value in _ASSIGNED.findall(text)}


def _with_values(line: str, known: Mapping[str, str]) -> str:
    """Variables that the script sets; others stay, to be seen."""
    parts: list[str] = []
    at = length = 0
    for found in _VARIABLE.finditer(line):
        name = found[1] or found[2] or found[3]
        parts += [line[at : found.start()], known.get(name, found[0])]
        at, length = found.end(), length + len(parts[-1])
        if length > _LONGEST_LINE:
            raise _unreadable("its command line is too long")
    return "".join((*parts, line[at:]))


def _words(line: str) -> list[str]:
    """A backslash is a part of a path, as on Windows, unless something else follows than a name."""
    reader = shlex.shlex(line, posix=True, punctuation_chars=False)
    reader.whitespace_split, reader.commenters, reader.escape = True, "", ""
    try:
        return list(reader)
    except ValueError as error:
        raise _unreadable(f"its command line is not complete ({error})") from error


def _unreadable(why: str) -> FileError:
    fix = "give a script with a command line of a training, or its arguments alone"
    return FileError("the settings cannot be read", why, fix)


def pairs_of_words(words: Sequence[str]) -> Iterator[Pair]:
    """Options of a command line with what follows each."""
    waiting = deque(words)
    while waiting and waiting[0] not in _END:
        word = waiting.popleft()
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        values = [value] if equals else []
        while waiting and not equals and waiting[0][:2] != "--" and waiting[0] not in _END:
            values.append(waiting.popleft())
        entry = OPTIONS.get(name)
        switch = not values or (entry is not None and entry.takes == "nothing")
        yield name, True if switch else values[0] if len(values) == 1 else values


def verdict_of(name: str, value: object, known: Sequence[str]) -> Verdict:
    """What becomes of an option; `known` are the names of ours."""
    entry = OPTIONS.get(name)
    if value is False and name not in known:
        return Verdict()
    if entry is not None:
        return entry.rule("" if value is True else _text(value))
    if name in known:
        return Verdict({name: _given(value)})
    return Verdict(refusal=("there is no such setting here", nearest(name, known)))


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _given(value: object) -> Given:
    if isinstance(value, list):
        return tuple(map(str, value))
    return value if isinstance(value, bool) else str(value)
