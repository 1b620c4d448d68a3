"""Settings files of A1111, kohya, diffusers and OneTrainer, read as settings of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass
from pathlib import Path

from ..errors import ConfigError, FileError
from ..events import Notice
from ..files.tables import table_of
from ..files.text_file import read_text
from ..files.values import read_value
from ..options import SettingValues, about, leaves, owner
from . import a1111, onetrainer
from .kohya import Pair, pairs_of_table, pairs_of_text, verdict_of
from .verdict import Found

_MOST_SETTINGS = 20_000
"""A1111's ui-config.json has some thousand."""
_DEEPEST = 20
"""Tables in tables; OneTrainer has four."""


@dataclass(frozen=True)
class Imported:
    """What a settings file of another program holds."""

    program: str
    """Whose file it is, in words."""
    settings: SettingValues
    """Ours by name."""
    remarks: tuple[Notice, ...]
    """What has no effect here, or is replaced by something else."""
    misfits: tuple[Notice, ...]
    """What has no counterpart, or a value that is not possible here."""
    typed: bool = False
    """A person has written these options: one that cannot be used is an error. Programs save all
    that they have."""

    def grouped(self, kind: type) -> SettingValues:
        """Those of a config class, in its groups: as a part of settings.json."""
        result: SettingValues = {}
        for path, _ in leaves(kind):
            if path[-1] in self.settings:
                place = result
                for name in path[:-1]:
                    place = place.setdefault(name, {})
                place[path[-1]] = self.settings[path[-1]]
        return result


def import_settings(path: Path, kinds: Sequence[type]) -> Imported:
    """The settings that a file holds for these config classes: A1111's `settings-*.json` or
    `ui-config.json`, OneTrainer's JSON, kohya's TOML or JSON, a script or arguments of a training.

    Raises FileError for a file that cannot be read, or is of none of them, ConfigError for TOML
    where Python has no reader.
    """
    return import_text(read_text(path), path, kinds)


def import_text(
    text: str, path: Path, kinds: Sequence[type], settled: Mapping[str, str] | None = None
) -> Imported:
    """The same of the text of a file that is called `path`, which need not be there. `settled` are
    settings that are left out because something else decides them, and what does."""
    known, settled = _known(kinds), settled or {}
    program, typed, found = _found(text, path, [*known, *settled])
    settings: SettingValues = {}
    remarks: list[Notice] = []
    misfits: list[Notice] = []
    for theirs, verdict in found:
        if verdict.refusal:
            why, fix = verdict.refusal
            misfits.append(_left_out(theirs, why, fix))
        elif verdict.remark:
            became = "replaced" if verdict.settings else "left out"
            told = f"{theirs:.100} is {became}", f"{verdict.remark:.300}"
            remarks.append(Notice("info", *told))
        for name, given in verdict.settings.items():
            if name in settled:
                remarks.append(Notice("info", f"{theirs:.100} is left out", settled[name]))
                continue
            try:
                holder, item = known[name]
                settings[item.name] = read_value(holder, item, given)
            except KeyError:
                why = "it is chosen elsewhere"
                misfits.append(_left_out(theirs, why))
            except ConfigError as error:
                misfits.append(_left_out(theirs, error.what, error.fix))
    return Imported(program, settings, tuple(remarks), tuple(misfits), typed)


def _left_out(theirs: str, why: str, fix: str = "") -> Notice:
    return Notice("warning", f"{theirs:.100} is left out", f"{why:.300}", f"{fix:.300}")


def _known(kinds: Sequence[type]) -> dict[str, tuple[type, Field[object]]]:
    """Name or alias → (config class, field)."""
    return {
        name: (owner(kind, path), item)
        for kind in kinds
        for path, item in leaves(kind)
        for name in (item.name, *about(item).aliases)
    }


def _found(text: str, path: Path, known: Sequence[str]) -> tuple[str, bool, Iterable[Found]]:
    """(whose file it is, whether a person has written it, what becomes of its settings)"""
    if path.suffix.lower() not in (".toml", ".json"):
        return "a command line of a training", True, _of_pairs(pairs_of_text(text), known)
    table = table_of(text, path)
    if not isinstance(table, dict):
        raise FileError(f"{path} contains no settings", "it is not a table", "choose another file")
    if len(table) > _MOST_SETTINGS:
        what = f"{path} contains more than {_MOST_SETTINGS:,} settings"
        raise FileError(what, "", "choose another file")
    _require_shallow(table, path)
    if isinstance(table.get("train"), dict) and path.suffix.lower() == ".json":
        raise FileError(f"{path} is a settings file of this program", "", "use it as it is")
    if a1111.is_run(table):
        return "settings of a training in A1111", False, a1111.of_run(table)
    if a1111.is_form(table):
        return "A1111's saved defaults", False, a1111.of_form(table)
    if onetrainer.is_onetrainer(table):
        return "settings of OneTrainer", False, onetrainer.of_onetrainer(table)
    found = list(_of_pairs(pairs_of_table(table), known))
    if not any(verdict.settings or verdict.remark for _, verdict in found):
        fix = "A1111, kohya and OneTrainer are known"
        raise FileError(f"{path} contains no settings of a program that is known here", "", fix)
    return "settings of kohya's scripts", True, found


def _require_shallow(table: object, path: Path) -> None:
    waiting: list[tuple[object, int]] = [(table, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            what = f"{path} contains tables that are nested too deeply"
            raise FileError(what, "", "choose another file")
        if isinstance(value, dict):
            waiting += [(each, depth + 1) for each in value.values()]
        elif isinstance(value, list):
            waiting += [(each, depth + 1) for each in value]


def _of_pairs(pairs: Iterable[Pair], known: Sequence[str]) -> Iterator[Found]:
    for name, value in pairs:
        yield name, verdict_of(name, value, known)
