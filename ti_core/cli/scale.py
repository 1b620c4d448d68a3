"""`ti scale`: an embedding weaker or stronger, for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..options import check, make_config, option
from .options import OptionParser, path_argument
from .output import FileConfig, target, write_result
from .standalone import ModelConfig, open_host
from .telling import remark

if TYPE_CHECKING:
    from ..files.embedding import Embedding

_ABOUT = """Make an embedding permanently weaker or stronger, like [[[[name]]]]. The direction of
its vectors stays the same."""


@dataclass(frozen=True)
class ScaleConfig:
    """The factor, given in one of several ways."""

    title = "How much (one of these)"
    factor: float | None = option(
        None, "factor for every vector", label="Factor", limits=(-1000, 1000)
    )
    brackets: int | None = option(
        None,
        "as N pairs of square brackets: each divides by 1.1; negative: round ones",
        label="Brackets",
        limits=(-50, 50),
    )
    strength: float | None = option(
        None,
        "length of the longest vector, in lengths of an ordinary word (see ti inspect); needs "
        "a model",
        label="Strength",
        limits=(0, 1000),
    )
    term: str = option("", "which embedding, if the file contains several", label="Term")

    def __post_init__(self) -> None:
        check(self)
        given = [n for n in ("factor", "brackets", "strength") if getattr(self, n) is not None]
        if len(given) != 1:
            what = (
                "no amount is given" if not given else f"{' and '.join(given)} exclude each other"
            )
            raise ConfigError(what, "", "give one of --factor, --brackets and --strength")


def parser() -> OptionParser:
    """All options of `ti scale`."""
    usage = "FILE --factor X --out FILE [options]"
    made = OptionParser("ti scale", _ABOUT, ScaleConfig, FileConfig, ModelConfig, usage=usage)
    made.add_argument("file", nargs="?", type=path_argument, metavar="FILE", help="embedding file")
    return made


def run(argv: Sequence[str]) -> int:
    """Scale; returns the exit code."""
    typed = parser().read(argv)
    if typed["file"] is None:
        raise ConfigError("no file is given", "", "write ti scale FILE --factor 0.6 --out FILE")
    config = make_config(ScaleConfig, typed)
    made = target(make_config(FileConfig, typed), [Path(typed["file"]).stem])
    from ..files.reading import read_embedding
    from ..tools.rescaling import rescaled

    found = read_embedding(Path(typed["file"]), config.term or None)
    factors = _factors(config, found, make_config(ModelConfig, typed))
    told = ", ".join(f"{key} × {factor:.4g}" for key, factor in factors.items())
    remark(told)
    write_result(made, rescaled(found, factors, made.name))
    return 0


def _factors(config: ScaleConfig, embedding: Embedding, model: ModelConfig) -> dict[str, float]:
    """Key in the file → what its vectors are multiplied by."""
    from ..tools.strength import factor_of_brackets

    if config.strength is not None:
        return _factors_to(config.strength, embedding, model)
    if config.brackets is not None:
        return dict.fromkeys(embedding.vectors, factor_of_brackets(config.brackets))
    assert config.factor is not None
    return dict.fromkeys(embedding.vectors, config.factor)


def _factors_to(strength: float, embedding: Embedding, model: ModelConfig) -> dict[str, float]:
    from ..tools.rescaling import factors_for

    host = open_host(model)
    with host.session() as session:
        return factors_for(strength, embedding, host.describe(), session)
