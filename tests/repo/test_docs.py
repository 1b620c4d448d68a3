"""The documentation speaks of things that are there. `make docs` checks the links of the site."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from ti_core.foreign.options import OPTIONS

from . import preset_tables, reference

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "demo/README.md")] + DOCS
THEIRS = {"--skip_until_initial_step", "--nproc_per_node", "--num_processes"}
"""Of kohya's newer scripts, mentioned to say that it is not needed; of torchrun and accelerate."""
SITE = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


@functools.cache
def known_options() -> set[str]:
    ours = {n for parser in reference.parsers() for a in parser._actions for n in a.option_strings}
    return ours | {f"--{name}" for name in OPTIONS} | THEIRS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_that_are_named_exist(page: Path) -> None:
    """Options with an underscore; those with hyphens are other programs'."""
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z0-9]+(?:_[a-z0-9]+)+(?![\w-])", text))
    assert named - known_options() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_there(page: Path) -> None:
    made = {ROOT / "docs" / "openapi.json"}
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8"))
    paths = [(page.parent / target).resolve() for target in targets]
    assert [path for path in paths if not path.exists() and path not in made] == []


def test_each_page_is_in_the_navigation() -> None:
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in DOCS}
    assert pages - set(re.findall(r"[\w./-]+\.md", SITE)) == set()


def test_the_reference_has_every_option_of_the_help() -> None:
    page = reference.options()
    for parser in reference.parsers():
        section = page.split(f"## {parser.prog}\n")[1].split("\n## ")[0]
        helped = set(re.findall(r"(?m)^  (?:-\w, )?(--\w+)", parser.format_help())) - {"--help"}
        assert helped - set(re.findall(r"`(--\w+)`", section)) == set(), parser.prog


def test_the_page_of_presets_is_that_of_the_files() -> None:
    """`python -m tests.repo` writes it."""
    page = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    assert page == preset_tables.markdown()
