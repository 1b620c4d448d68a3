"""`ti delete`: embeddings go to a bin, and come back from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..options import Checked, make_config, option
from .named_file import NamedFileConfig
from .options import OptionParser
from .plain import plain
from .rename import RunsConfig
from .telling import answer, for_each

_ABOUT = """Move embeddings or hypernetworks into the bin: the hidden folder .ti-bin beside each
file, with its images, descriptions and numbered copies. Programs do not list them any more.
--undo brings one back, and never replaces a file. NAME is a name or a file; for --undo, --list and
--empty a folder of hypernetworks is given by --embeddings_dir."""


@dataclass(frozen=True)
class DeleteConfig(Checked):
    """What is done instead of deleting."""

    title = "What"
    undo: bool = option(
        False, "bring back the embedding of each NAME; without one, the newest", label="Undo"
    )
    list: bool = option(False, "only show what is in the bin", label="List")
    empty: bool = option(
        False, "remove for good what is in the bin; this cannot be undone", label="Empty the bin"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [name for name in ("undo", "list", "empty") if getattr(self, name)]
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)} exclude each other", "", "give one of them")


def parser() -> OptionParser:
    """All options of `ti delete`."""
    made = OptionParser(
        "ti delete", _ABOUT, DeleteConfig, NamedFileConfig, RunsConfig, usage="NAME... [options]"
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="name of an embedding, or a file")
    return made


def run(argv: Sequence[str]) -> int:
    """Delete, or bring back; returns the exit code."""
    typed = parser().read(argv)
    config, names = make_config(DeleteConfig, typed), typed["names"]
    places, runs = make_config(NamedFileConfig, typed), make_config(RunsConfig, typed)
    if (config.list or config.empty) and names:
        raise ConfigError("names are given", "the whole bin is meant", "leave them out")
    if config.undo or config.list or config.empty:
        return _in_bin(config, places.folder, names)
    if not names:
        raise ConfigError("no name is given", "", "write ti delete NAME")
    return for_each(map(places.file_of, names), _delete(Path(runs.logging_dir)))


def _delete(logs: Path) -> Callable[[Path], None]:
    from ..files.bin import delete
    from ..train.runs_of_file import require_no_run

    def work(path: Path) -> None:
        require_no_run([logs], path.stem)
        answer(delete(path).folder)

    return work


def _in_bin(config: DeleteConfig, folder: Path, names: Sequence[str]) -> int:
    from ..files.bin import bring_back_deleted, deleted_in, empty_bin, newest_deleted

    if config.undo:
        for name in names or [""]:
            answer(bring_back_deleted(newest_deleted([folder], name)))
        return 0
    for deleted in deleted_in([folder]) if config.list else empty_bin([folder]):
        answer(plain(f"{deleted.path}  {deleted.told}"))
    return 0
