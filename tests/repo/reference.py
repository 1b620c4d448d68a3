"""Parts of the documentation that are made from the code while it is built."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ti_core.cli.main import VERBS
from ti_core.cli.options import OptionParser
from ti_core.cli.plain import with_flags
from ti_core.errors import CODES
from ti_core.foreign import verdict
from ti_core.foreign.options import OPTIONS


def parsers() -> Iterator[OptionParser]:
    """Of every command that has options, in the order of `ti --help`."""
    for module in (
        *(f"ti_core.cli.{verb.replace('-', '_')}" for verb in VERBS),
        "ti_webui.standalone",
    ):
        for name in ("parser", "create_parser", "train_parser", "sweep_parser"):
            if make := getattr(importlib.import_module(module), name, None):
                yield make()


def options() -> str:
    """Every option of every command, with the texts of `--help`."""
    return "\n\n".join(map(_command, parsers()))


def _command(parser: OptionParser) -> str:
    groups = [group for group in parser._action_groups if list(_shown(group))]
    about = " ".join((parser.description or "").split())
    return "\n\n".join([f"## {parser.prog}", _plain(about), *map(_group, groups)])


def _group(group: argparse._ArgumentGroup) -> str:
    head = "" if group.title in ("options", "positional arguments") else f"### {group.title}\n\n"
    rows = [f"| {_names(action)} | {_plain(_help(action))} |" for action in _shown(group)]
    return head + "\n".join(["| option | meaning |", "|---|---|", *rows])


def _shown(group: argparse._ArgumentGroup) -> Iterator[argparse.Action]:
    for action in group._group_actions:
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
            yield action


def _names(action: argparse.Action) -> str:
    names = action.option_strings or [str(action.metavar or action.dest)]
    choices = ", ".join(f"`{choice}`" for choice in action.choices or ())
    return "<br>".join([*(f"`{name}`" for name in names), *filter(None, [choices])])


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _plain(text: str) -> str:
    """Text of a terminal as Markdown that shows it letter by letter; `code` stays code."""
    return re.sub(r"([\\*_{}\[\]<>|#])", r"\\\1", text)


def errors() -> str:
    """Every class of errors with its exit code and HTTP status."""
    rows = [
        f"| `{kind.__name__}` | {codes.exit} | {codes.http} | {_first_line(kind)} |"
        for kind, codes in CODES.items()
    ]
    return "\n".join(["| error | exit code | HTTP status | meaning |", "|---|---|---|---|", *rows])


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n")[0]


def api() -> str:
    """Every route of `/ti/v1`, from the OpenAPI document that the program itself serves."""
    rows = [
        f"| `{method.upper()} {path}` | {_about(route)} |"
        for path, routes in openapi()["paths"].items()
        for method, route in routes.items()
    ]
    return "\n".join(["| request | what it does |", "|---|---|", *rows])


def _about(route: Mapping[str, Any]) -> str:
    return " ".join(route.get("description", "").split())


def openapi() -> dict[str, Any]:
    """The OpenAPI document of `/ti/v1`."""
    from fastapi import FastAPI

    from ti_core import __version__
    from ti_core.hosts.fake import FakeHost
    from ti_webui.api import router
    from ti_webui.studio import Settings, Studio

    app = FastAPI(title="Textual Inversion Studio", version=__version__)
    app.include_router(router(Studio(FakeHost, list, Settings)))
    return app.openapi()


def foreign_options() -> str:
    """kohya's and diffusers' options without a counterpart, and what becomes of each."""
    rows = [
        f"| `--{name}` | {_fate(entry.rule('?'))} |"
        for name, entry in sorted(OPTIONS.items())
        if entry.rule.__module__ == verdict.__name__  # others are translated, by rules of their own
    ]
    return "\n".join(["| option | here |", "|---|---|", *rows])


def _fate(known: verdict.Verdict) -> str:
    if known.refusal:
        return _plain(f"rejected: {with_flags('; '.join(filter(None, known.refusal)))}")
    return _plain(f"no effect: {with_flags(known.remark)}")
