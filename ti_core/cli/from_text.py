"""`ti from-text`: the tokens of a prompt as an embedding."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ConfigError
from ..options import make_config
from .collection import CollectionConfig, open_sources
from .options import OptionParser
from .output import FileConfig, target, write_result
from .standalone import ModelConfig, open_host
from .telling import remark_on

_ABOUT = """Save a prompt as an embedding: one vector per token. Names of embeddings in the text are
replaced by their vectors. Every character is literal; (emphasis) cannot be kept."""


def parser() -> OptionParser:
    """All options of `ti from-text`."""
    usage = "TEXT --out FILE --pretrained_model_name_or_path MODEL [options]"
    made = OptionParser(
        "ti from-text", _ABOUT, FileConfig, ModelConfig, CollectionConfig, usage=usage
    )
    made.add_argument("text", nargs="?", metavar="TEXT", help="the prompt, in quotes")
    return made


def run(argv: Sequence[str]) -> int:
    """Make it; returns the exit code."""
    typed = parser().read(argv)
    if typed["text"] is None:
        raise ConfigError("there is no text", "", "write ti from-text 'a red cat' --out FILE")
    made = target(make_config(FileConfig, typed))
    host = open_host(make_config(ModelConfig, typed))
    from ..files.embedding import Embedding
    from ..prompts.missed import misspelled
    from ..tools.from_text import tree_of_text
    from ..tools.merging import evaluate
    from ..tools.recording import with_recipe
    from ..train.plan import name_clashes

    with host.session() as session:
        sources = open_sources(make_config(CollectionConfig, typed), session)
        for one in misspelled(typed["text"], sources.names(), host.tokenize):
            remark_on(one.notice)
        rows = evaluate(tree_of_text(typed["text"], sources.names()), sources.vectors_of)
    for notice in name_clashes(made.name, host):
        remark_on(notice)
    recipe = {"tool": "from-text", "text": typed["text"]}
    write_result(
        made, with_recipe(Embedding(made.name, rows), recipe, sources.used, host.describe())
    )
    return 0
