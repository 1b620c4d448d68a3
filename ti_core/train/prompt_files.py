"""kohya's files of preview prompts: lines in a .txt, tables in a .toml or .json (sd-scripts,
`load_prompts`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import FileError
from ..files.tables import read_table
from ..files.text_file import read_text
from ..options import nearest

PROMPT_FILES = (".txt", ".toml", ".json")
_MOST_PROMPTS = 1000
_LETTERS = {
    "negative_prompt": "n",
    "width": "w",
    "height": "h",
    "seed": "d",
    "scale": "l",
    "sample_steps": "s",
    "sample_sampler": "ss",
    "guidance_scale": "g",
    "controlnet_image": "cn",
    "cfg_trunc_ratio": "ctr",
    "renorm_cfg": "rcfg",
    "flow_shift": "fs",
}
"""Key of a table → option of a line."""
_LEFT_OUT = ("enum", "subset")


def lines_of_file(path: Path) -> list[str]:
    """The prompts of a file, as lines. Raises FileError."""
    if path.suffix.lower() == ".txt":
        lines = read_text(path).split("\n")
        return [line for line in lines if line.strip() and not line.startswith("#")]
    found = list(_entries(path, read_table(path)))
    if len(found) > _MOST_PROMPTS:
        raise _unreadable(path, f"it contains more than {_MOST_PROMPTS} prompts", "use fewer")
    return [_line(path, entry) for entry in found]


def _entries(path: Path, table: object) -> Iterator[object]:
    """JSON has a list; TOML a table `prompt` whose values hold for each of its `subset`s."""
    if isinstance(table, list):
        yield from table
        return
    common = table.get("prompt") if isinstance(table, dict) else None
    subsets = common.get("subset") if isinstance(common, dict) else None
    if not isinstance(common, dict) or not isinstance(subsets, list):
        fix = "write [prompt] and [[prompt.subset]] in TOML, or a list in JSON"
        raise _unreadable(path, "it contains no prompts", fix)
    for subset in subsets:
        yield {**common, **subset} if isinstance(subset, dict) else subset


def _line(path: Path, entry: object) -> str:
    if isinstance(entry, str):
        return " ".join(entry.split("\n"))
    if not isinstance(entry, dict):
        raise _unreadable(path, f"it holds {entry!r:.100}", "write a prompt, or a table of one")
    parts = [_text(path, "prompt", entry.get("prompt", ""))]
    for key, value in entry.items():
        if key in _LETTERS:
            parts.append(f"{_LETTERS[key]} {_text(path, key, value)}")
        elif key not in ("prompt", *_LEFT_OUT):
            fix = nearest(key, [*_LETTERS, "prompt"])
            raise _unreadable(path, f"a prompt has no {key!r:.100}", fix)
    return " --".join(parts)


def _text(path: Path, key: str, value: object) -> str:
    """On one line; options follow behind " --"."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _unreadable(path, f"{key} is {value!r:.100}", "give a text or a number")
    text = " ".join(str(value).split("\n"))
    if " --" in text:
        raise _unreadable(path, f"{key} holds ' --', which begins an option", "write it otherwise")
    return text


def _unreadable(path: Path, why: str, fix: str) -> FileError:
    return FileError(f"cannot read {path}", why, fix)
