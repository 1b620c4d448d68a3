"""`docs/map.md`: every module of the product by the first sentence of its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("ti_core", "ti_webui", "comfy_nodes")
_HEAD = """# Map

Every module by the first sentence of its docstring; what a room may import is in
[architecture.md](architecture.md). Written by `python -m tests.repo`."""


def markdown() -> str:
    """The whole document."""
    folders = sorted({path.parent for name in PACKAGES for path in (ROOT / name).rglob("*.py")})
    return "\n\n".join([_HEAD, *map(_section, folders)]) + "\n"


def _section(folder: Path) -> str:
    return "\n".join([f"## {folder.relative_to(ROOT).as_posix()}/", "", *_lines(folder)])


def _lines(folder: Path) -> Iterator[str]:
    """The package's own sentence, then a line for each module."""
    yield from filter(None, [first_sentence(folder / "__init__.py")])
    yield ""
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield f"- `{path.name}`: {first_sentence(path)}"


def first_sentence(path: Path) -> str:
    """Of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])(?<!et al\.)\s", paragraph)[0]
