"""`ti merge`: a new embedding from words and embeddings, by an expression."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ..errors import ConfigError
from ..options import make_config
from .collection import CollectionConfig, open_sources
from .options import OptionParser
from .output import FileConfig, target, write_result
from .standalone import ModelConfig, open_host
from .telling import remark, remark_on

_ABOUT = """Create an embedding from words of a model ('in quotes') and embeddings (by name):

  'cat' * 0.7 + my-style     sum; the shorter part is padded with zeros
  my-style - 'cat'           difference, with spaces around the sign
  'a red', my-cat            one after the other
  (my-cat + 'dog') / 2       brackets
  my-cat[0], my-cat[2:4]     some of the vectors, counted from 0
  <my style>                 a name with spaces; also <folder/file.pt>

Factors and commas apply from left to right: 'a', 'b' * 2 doubles both, 'a', ('b' * 2) does not.
Expressions of the extension Embedding Merge mean the same here. Words need a model."""


class _WithExamples(argparse.RawDescriptionHelpFormatter):
    """Leaves the lines of the description as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=100)


def parser() -> OptionParser:
    """All options of `ti merge`."""
    usage = "EXPRESSION --out FILE [options]"
    made = OptionParser("ti merge", _ABOUT, FileConfig, CollectionConfig, ModelConfig, usage=usage)
    made.formatter_class = _WithExamples
    made.add_argument("expression", nargs="?", metavar="EXPRESSION", help="what to make")
    return made


def run(argv: Sequence[str]) -> int:
    """Merge; returns the exit code."""
    typed = parser().read(argv)
    if typed["expression"] is None:
        raise ConfigError("there is no expression", "", "write ti merge \"'cat' * 0.7 + my-style\"")
    from ..tools.expression import parse
    from ..tools.syntax import names_in, without_paths

    tree = parse(typed["expression"])  # its mistakes are told before a model is opened
    named = names_in(without_paths(tree))
    made = target(make_config(FileConfig, typed), [*named, *(Path(name).stem for name in named)])
    model = make_config(ModelConfig, typed)
    collection = make_config(CollectionConfig, typed)
    from ..tools.making import merge
    from ..train.plan import name_clashes

    with ExitStack() as stack:
        host = open_host(model) if model.pretrained_model_name_or_path else None
        session = stack.enter_context(host.session()) if host else None
        facts = host.describe() if host else None
        sources = open_sources(collection, session)
        embedding = merge(typed["expression"], made.name, sources, facts)
    expression = json.loads(embedding.metadata["ti.config"])["expression"]
    remark(f"{expression}: {embedding.count} vector(s)")
    for notice in name_clashes(made.name, host) if host else ():
        remark_on(notice)
    write_result(made, embedding)
    return 0
