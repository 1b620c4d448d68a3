"""`ti diff`: in what two embeddings differ."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..options import Checked, make_config, option
from .options import OptionParser, path_argument
from .plain import plain
from .telling import answer

if TYPE_CHECKING:
    from ..tools.comparing import EmbeddingDiff

_ABOUT = """Compare two embeddings: vectors, vector by vector, and metadata. The exit code is 0
whether they differ or not."""
_MOST_SHOWN = 60
"""Characters of a metadata value."""


@dataclass(frozen=True)
class DiffConfig(Checked):
    """How the comparison is printed."""

    title = "Output"
    json: bool = option(False, "print one JSON object", label="JSON")
    terms: tuple[str, ...] = option(
        (), "which one of each, in files of several", label="Terms", aliases=("term",)
    )


def run(argv: Sequence[str]) -> int:
    """Compare; returns the exit code."""
    parser = OptionParser("ti diff", _ABOUT, DiffConfig, usage="FILE FILE [options]")
    parser.add_argument(
        "files", nargs="*", type=path_argument, metavar="FILE", help="two embedding files"
    )
    typed = parser.read(argv)
    if len(typed["files"]) != 2:
        raise ConfigError(
            f"two files are needed, not {len(typed['files'])}", "", "write ti diff FILE FILE"
        )
    config = make_config(DiffConfig, typed)
    from ..files.reading import read_embedding
    from ..tools.comparing import diff

    terms = [*config.terms, "", ""]
    one, two = (
        read_embedding(Path(name), term or None)
        for name, term in zip(typed["files"], terms, strict=False)
    )
    found = diff(one, two)
    if config.json:
        answer(json.dumps(dataclasses.asdict(found)))
    else:
        answer("\n".join(map(plain, _spelled(found))))
    return 0


def _spelled(found: EmbeddingDiff) -> Iterator[str]:
    yield "the vectors are equal" if found.equal else "the vectors differ"
    for what, (one, two) in (
        ("vectors", found.counts), ("step", found.steps), ("widths", found.widths)
    ):  # fmt: skip
        if one != two:
            yield f"  {what}: {one} | {two}"
    for key, pairs in () if found.equal else found.vectors.items():
        for number, pair in enumerate(pairs):
            lengths = " | ".join(f"{length:.4g}" for length in pair.lengths)
            apart = f"cosine {pair.cosine:.4f}, distance {pair.distance:.4g}"
            yield f"  {key} {number}: {apart}, lengths {lengths}"
    for key, values in found.metadata.items():
        yield f"  {key}: {' | '.join(map(_short, values))}"


def _short(value: str | None) -> str:
    if value is None:
        return "–"
    return value if len(value) <= _MOST_SHOWN else value[: _MOST_SHOWN - 1] + "…"
