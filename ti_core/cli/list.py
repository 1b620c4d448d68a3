"""`ti list`: embeddings and hypernetworks in folders, files that are none, names that clash."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, EmbeddingError, FileError
from ..files.library import Library
from ..files.library_entry import Clash, Entry, Skipped
from ..hypernetworks.hypernetwork import models_of
from ..options import Checked, make_config, option
from .options import OptionParser, path_argument
from .plain import plain
from .telling import answer, remark, tell

if TYPE_CHECKING:
    from ..hypernetworks.reading import Facts as NetworkFacts

_ABOUT = """List the embeddings and hypernetworks in folders and their subfolders, whichever
program wrote them, and say which files were skipped and why. Nothing in them is executed."""
_HEAD = ("name", "for", "vectors", "step", "trigger", "file")
_NETWORK_HEAD = ("hypernetwork", "for", "widths", "step", "structure", "file")


@dataclass(frozen=True)
class ListConfig(Checked):
    """Which embeddings are listed, and how."""

    title = "Output"
    json: bool = option(False, "print one JSON object", label="JSON")
    hashes: bool = option(
        False,
        "print A1111's checksum of the vectors and the short hash of the file as well; reads "
        "every file",
        label="Hashes",
    )
    cache: bool = option(True, "store the index for the next time", label="Cache")


def run(argv: Sequence[str]) -> int:
    """List; returns the exit code."""
    parser = OptionParser("ti list", _ABOUT, ListConfig)
    parser.add_argument(
        "folders", nargs="*", type=path_argument, metavar="FOLDER", help="folder of embeddings"
    )
    typed = parser.read(argv)
    folders = [Path(name) for name in typed["folders"]]
    if not folders:
        raise ConfigError("no folder is given", "", "write ti list FOLDER")
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {plain(str(folder))}", "", "check the path")
    config = make_config(ListConfig, typed)
    library = Library(folders, _cache_folder() if config.cache else None)
    library.refresh()
    _print(library, config)
    library.save()
    return 0


def _print(library: Library, config: ListConfig) -> None:
    if config.json:
        answer(json.dumps(library_facts(library, hashes=config.hashes)))
    else:
        answer("\n".join(map(plain, _lines(library, hashes=config.hashes))))
    for notice in library.notices:
        remark(f"ti: {notice}")


def library_facts(library: Library, *, hashes: bool = False) -> dict[str, object]:
    """Everything that a library tells, as JSON values."""
    networks, skipped = _networks(library)
    return {
        "embeddings": [_facts(library, entry, hashes) for entry in library.entries],
        "hypernetworks": [
            {
                "name": facts.name,
                "file": str(path),
                "widths": facts.widths,
                "family": models_of(facts.widths),
                "step": facts.step,
                "structure": facts.structure.spelled,
                "base_model": facts.base_model,
            }
            for path, facts in networks
        ],
        "skipped": [
            {"file": str(each.path), "error": each.error, "reason": each.reason} for each in skipped
        ],
        "clashes": [_clash_facts(clash) for clash in library.clashes()],
    }


def _facts(library: Library, entry: Entry, hashes: bool) -> dict[str, object]:
    facts = {
        "name": entry.name,
        "file": entry.file,
        "term": entry.term,
        "vectors": entry.vectors,
        "widths": entry.tables,
        "family": entry.family or "unknown",
        "step": entry.step,
        "trigger": entry.trigger,
        "base_model": entry.base_model,
        "preview": entry.picture or None,
    }
    if hashes:
        facts["checksum"], facts["shorthash"] = _hashes(library, entry)
    return facts


def _clash_facts(clash: Clash) -> dict[str, object]:
    return {
        "name": clash.winner.name,
        "used": clash.winner.file,
        "hidden": [entry.file for entry in clash.hidden],
    }


def _hashes(library: Library, entry: Entry) -> tuple[str, str]:
    """Both empty, and a remark, for a file that has gone or changed since it was listed."""
    try:
        return library.checksum(entry), library.shorthash(entry)
    except FileError as error:
        tell(error)
        return "", ""


def _lines(library: Library, hashes: bool) -> Iterator[str]:
    head = (*_HEAD, "checksum", "short hash") if hashes else _HEAD
    rows = [
        (*_row(entry), *(_hashes(library, entry) if hashes else ())) for entry in library.entries
    ]
    if rows:
        yield from _table([head, *rows])
    yield f"{len(rows)} embedding(s)"
    networks, skipped = _networks(library)
    if networks:
        yield from _table([_NETWORK_HEAD, *(_network_row(*each) for each in networks)])
        yield f"{len(networks)} hypernetwork(s)"
    for clash in library.clashes():
        hidden = ", ".join(entry.file for entry in clash.hidden)
        yield f"the name {clash.winner.name} means {clash.winner.file}; it hides {hidden}"
    for each in skipped:
        yield f"skipped {each.path}: {each.reason}"


def _networks(library: Library) -> tuple[list[tuple[Path, NetworkFacts]], list[Skipped]]:
    """The hypernetworks among what contains no embedding, and the rest of that."""
    networks: list[tuple[Path, NetworkFacts]] = []
    others: list[Skipped] = []
    for each in library.skipped:
        try:
            found = _network_at(each)
        except FileError as error:
            others.append(replace(each, error=type(error).__name__, reason=str(error)))
            continue
        networks += found
        others += [] if found else [each]
    return networks, others


def _network_at(skipped: Skipped) -> list[tuple[Path, NetworkFacts]]:
    """The hypernetwork in a file, if there is one. Raises FileError for a damaged one."""
    from ..hypernetworks.reading import is_hypernetwork, peek_hypernetwork  # they load torch

    path = skipped.path
    if skipped.error != EmbeddingError.__name__ or not is_hypernetwork(path):
        return []
    return [(path, peek_hypernetwork(path))]


def _network_row(path: Path, facts: NetworkFacts) -> tuple[str, ...]:
    widths = " ".join(map(str, facts.widths))
    family, built = models_of(facts.widths), facts.structure.spelled
    return facts.name, family, widths, str(facts.step), built, str(path)


def _row(entry: Entry) -> tuple[str, ...]:
    trigger = entry.trigger if entry.trigger != entry.name else ""
    return entry.name, entry.model, str(entry.vectors), str(entry.step), trigger, entry.file


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _cache_folder() -> Path | None:
    """Where the system wants such things; none for a user without a home."""
    known = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        base = Path(known) if known else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "textual-inversion-studio"
