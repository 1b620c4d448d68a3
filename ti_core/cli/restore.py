"""`ti restore`: an embedding that was replaced is brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..files.kept import kept_option
from ..options import Checked, make_config, option
from .options import OptionParser, path_argument
from .plain import plain
from .telling import answer

_ABOUT = """Restore an embedding that was replaced. FILE is the embedding, which restores its newest
copy, or one of its copies, NAME.safetensors.before-2. The file that has the name now becomes a copy
itself. For a folder, --list lists the copies of all embeddings in it."""


@dataclass(frozen=True)
class RestoreConfig(Checked):
    """What is done."""

    title = "What"
    list: bool = option(False, "list the copies only", label="List")
    keep_replaced: int = kept_option()


def parser() -> OptionParser:
    """All options of `ti restore`."""
    made = OptionParser("ti restore", _ABOUT, RestoreConfig, usage="FILE [options]")
    made.add_argument(
        "file", nargs="?", type=path_argument, metavar="FILE", help="embedding, copy, or folder"
    )
    return made


def run(argv: Sequence[str]) -> int:
    """Bring it back; returns the exit code."""
    typed = parser().read(argv)
    if typed["file"] is None:
        raise ConfigError("no file is given", "", "write ti restore embeddings/NAME.safetensors")
    path, config = Path(typed["file"]), make_config(RestoreConfig, typed)
    from ..files.replaced import bring_back, copies_in, copies_of

    if config.list:
        for kept in copies_in([path]) if path.is_dir() else reversed(copies_of(path)):
            answer(plain(f"{kept.path}  {kept.told}"))
        return 0
    if path.is_dir():
        raise ConfigError(f"{path} is a folder", "", "name a file in it; --list shows the copies")
    answer(bring_back(path, config.keep_replaced))
    return 0
