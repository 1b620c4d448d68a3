"""The README speaks of things that are there."""

from __future__ import annotations

import re
from pathlib import Path

from ti_core.cli.main import VERBS
from ti_core.cli.train import parser

from .modules import first_sentence, markdown

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def tree_paths() -> list[str]:
    block = README.split("## What is here")[1].split("```")[1]
    found, folder = [], [""]
    for line in filter(str.strip, block.splitlines()):
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        folder[depth + 1 :] = [folder[depth] + name]
        found.append(folder[depth] + name)
    return found


def test_every_path_of_the_tree_exists() -> None:
    paths = tree_paths()
    assert len(paths) > 20
    assert [p for p in paths if not (ROOT / p).exists()] == []


def test_every_room_stands_in_the_tree() -> None:
    rooms = {
        f"{path.parent.relative_to(ROOT).as_posix()}/"
        for package in ("ti_core", "ti_webui", "comfy_nodes")
        for path in (ROOT / package).glob("**/__init__.py")
    }
    below_hosts = {room for room in rooms if room.count("/hosts/") and not room.endswith("/hosts/")}
    assert rooms - below_hosts - set(tree_paths()) == set()


def test_the_map_shows_every_module() -> None:
    """`python -m tests.repo` writes it."""
    assert (ROOT / "docs" / "map.md").read_text(encoding="utf-8") == markdown()


def test_a_module_is_shown_by_its_first_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('"""Noise of\\ntwo lines (Ho et al. 2020). More.\\n\\nAnd more."""\n')
    assert first_sentence(path) == "Noise of two lines (Ho et al. 2020)."


def verbs_of_other_packages() -> str:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return project.split('entry-points."ti.verbs"]')[1].split("\n\n")[0]


def test_commands_and_options_exist() -> None:
    known = {name for action in parser()._actions for name in action.option_strings}
    known |= {"--concept", "--help"}
    for verb in re.findall(r"\bti ([a-z][\w-]+)", README):
        assert verb in VERBS or f"\n{verb} = " in verbs_of_other_packages(), verb
    for option in re.findall(r"--[a-z_]+", README):
        assert option in known, option
