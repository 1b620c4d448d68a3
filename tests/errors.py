"""Every class of error, with one error of each."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ti_core.errors import TIError

ROOT = Path(__file__).parents[1]
TEXTS = ("`max_train_steps` is 0", "`seed` too", "use `overwrite`", "    a * `seed`\n        ^")
"""What happened, why, what to do, and an excerpt; settings are named in all of them."""


@cache
def error_classes() -> tuple[type[TIError], ...]:
    """TIError and all classes below it that the core and the panel define."""
    for path in sorted((ROOT / "ti_core").rglob("*.py")):
        if any(name.endswith("Error") for name in classes_in(path)):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            importlib.import_module(module)
    return tuple(sorted({TIError, *below(TIError)}, key=lambda kind: kind.__qualname__))


def classes_in(path: Path) -> list[str]:
    """Names of the classes in a file."""
    return [n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef)]


def below(kind: type[TIError]) -> Iterator[type[TIError]]:
    """All subclasses, of subclasses too."""
    for child in kind.__subclasses__():
        yield child
        yield from below(child)
