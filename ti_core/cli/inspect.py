"""`ti inspect`: what is in an embedding file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..options import check, option
from .options import OptionParser, add_options, make_config

_ABOUT = "Tell what is in embedding files, whichever program wrote them. Nothing in them is run."
_FAMILIES = {(768,): "SD 1.x", (1024,): "SD 2.x", (768, 1280): "SDXL"}


@dataclass(frozen=True)
class InspectConfig:
    """Output"""

    json: bool = option(False, "print JSON, one object for each file", label="JSON")

    def __post_init__(self) -> None:
        check(self)


def run(argv: Sequence[str]) -> int:
    """Inspect; returns the exit code."""
    parser = OptionParser(prog="ti inspect", description=_ABOUT)
    parser.add_argument("files", nargs="*", metavar="FILE", help="embedding file")
    add_options(parser, InspectConfig)
    typed = parser.read(argv)
    if not typed["files"]:
        raise ConfigError("no file is given", "", "write ti inspect FILE")
    config = make_config(InspectConfig, typed)
    for name in typed["files"]:
        found = facts_of(Path(name))
        print(json.dumps(found, ensure_ascii=False) if config.json else _spelled(found))
    return 0


def facts_of(path: Path) -> dict[str, Any]:
    """Name, shape, step, norms and origin of an embedding, as JSON values."""
    from ..files.reading import read_embedding
    from ..train.vectors import norms

    embedding = read_embedding(path)
    widths = {key: rows.shape[1] for key, rows in embedding.vectors.items()}
    return {
        "name": embedding.name,
        "file": str(path),
        "vectors": embedding.count,
        "widths": widths,
        "family": _FAMILIES.get(tuple(sorted(widths.values())), "unknown"),
        "step": embedding.step,
        "norms": norms(embedding.vectors),
        "metadata": embedding.metadata,
    }


def _spelled(found: dict[str, Any]) -> str:
    widths = ", ".join(f"{key} {width} wide" for key, width in found["widths"].items())
    family, step = found["family"], found["step"]
    lines = [f"{found['name']}: {found['vectors']} vector(s), {widths} ({family}), step {step}"]
    for key, lengths in found["norms"].items():
        lines.append(f"  {key} lengths: {', '.join(f'{n:.3g}' for n in lengths)}")
    model = found["metadata"].get("ti.base_model")
    if model:
        lines.append(f"  made on {model} [{found['metadata'].get('ti.base_model_hash', '')}]")
    return "\n".join(lines)
