"""Command-line options made from config dataclasses.

Names are kohya's; other programs' names are accepted as well, and so are hyphens for underscores.
An option that was not typed is absent from the result, so that typed options can be laid over
saved settings.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import Field
from pathlib import Path
from typing import NoReturn

from ..errors import ConfigError
from ..files.values import read_resolution
from ..foreign.arguments import replaced
from ..options import SettingValues, about, choices_of, leaves, nearest, owner, title_of, value_type
from ..paths import given_path
from .plain import with_flags
from .telling import remark_on

_SEVERAL: dict[str | None, str] = {None: "TEXT", "text file": "TEXT", "input folder": "FOLDER"}
"""What a setting names → the placeholder of each of its values, if not FILE."""


class OptionParser(argparse.ArgumentParser):
    """An argparse parser that raises ConfigError instead of ending the program.

    `prog` is the command, `about` what `--help` says of it, `kinds` are the config classes whose
    settings are its options. With `foreign`, options of kohya's and diffusers' scripts are
    understood, too.
    """

    def __init__(
        self, prog: str, about: str, *kinds: type, usage: str = "", foreign: bool = False
    ) -> None:
        super().__init__(
            prog=prog,
            usage=f"{prog} {usage}" if usage else None,
            description=about,
            allow_abbrev=False,
            formatter_class=_Formatter,
        )
        self._foreign = foreign
        for kind in kinds:
            add_options(self, kind)

    def error(self, message: str) -> NoReturn:
        """Say it in one sentence."""
        raise ConfigError(_readable(message), "", f"see {self.prog} --help")

    def read(self, argv: Sequence[str]) -> SettingValues:
        """The typed options, by field name. Raises ConfigError for unknown ones."""
        words = _with_underscores(argv)
        if self._foreign:
            words, notices = replaced(words)
            for notice in notices:
                remark_on(notice)
        found, extra = self.parse_known_args(words)
        if extra:
            names = [n for action in self._actions for n in action.option_strings if n[:2] == "--"]
            what = "unknown option" if extra[0].startswith("-") else "unexpected word"
            name = extra[0].split("=")[0]
            raise ConfigError(
                f"{what} {name}", "", nearest(name, names) or f"see {self.prog} --help"
            )
        return vars(found)


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=100)


def _readable(message: str) -> str:
    """argparse's own words, a little kinder."""
    match = re.fullmatch(r"argument (--\S+?)(?:/\S+)?: (.*)", message)
    return f"{match[1]}: {match[2]}" if match else message


def _with_underscores(argv: Sequence[str]) -> list[str]:
    result = []
    for arg in argv:
        name, equals, value = arg.partition("=")
        known = re.fullmatch(r"--[A-Za-z][\w-]*", name)
        result.append(f"--{name[2:].replace('-', '_')}{equals}{value}" if known else arg)
    return result


def add_options(parser: argparse.ArgumentParser, kind: type) -> None:
    """Add an option for every setting of a config class, under the titles of its groups."""
    titles: dict[type, argparse._ArgumentGroup] = {}
    for path, item in leaves(kind):
        holder = owner(kind, path)
        if holder not in titles:
            titles[holder] = parser.add_argument_group(title_of(holder))
        _add_option(titles[holder], holder, item)


def _add_option(group: argparse._ArgumentGroup, holder: type, item: Field[object]) -> None:
    known = about(item)
    names = [f"--{name}" for name in (item.name, *known.aliases)]
    wanted, choices = value_type(holder, item)[0], choices_of(holder, item)
    common: SettingValues = {"dest": item.name, "default": argparse.SUPPRESS}
    if wanted is bool:
        group.add_argument(*names, action="store_true", help=_help(item), **common)
        negative = [f"--no_{name[2:]}" for name in names]
        shown = f"switch --{item.name} off" if item.default else argparse.SUPPRESS
        group.add_argument(*negative, action="store_false", help=shown, **common)
    elif choices:
        group.add_argument(*names, choices=choices, help=_help(item), **common)
    elif wanted == tuple[str, ...]:
        shown = _SEVERAL.get(known.path, "FILE")
        group.add_argument(*names, nargs="+", metavar=shown, help=_help(item), **common)
    else:
        if known.bare:
            common |= {"nargs": "?", "const": known.bare}
        reader, shown = _readers().get(wanted, (str, "TEXT"))
        group.add_argument(*names, type=reader, metavar=shown, help=_help(item), **common)


def _readers() -> dict[type, tuple[Callable[[str], object], str]]:
    return {
        int: (int, "N"),
        float: (float, "X"),
        str: (str, "TEXT"),
        tuple[int, int]: (read_resolution, "W,H"),
    }


def path_argument(text: str) -> Path:
    """A file or folder among the words of a command. Raises ConfigError when it is blank."""
    return given_path(text, "a path")


def _help(item: Field[object]) -> str:
    known = about(item)
    text = with_flags(known.help).replace("%", "%%")
    notes = [known.unit] if known.unit else []
    if item.default not in (None, "", False, ()):
        shown = str(item.default)
        notes.append(f"default {shown if shown.strip() else repr(shown)}".replace("%", "%%"))
    return f"{text} [{', '.join(notes)}]" if notes else text
