"""`ti rename`: an embedding gets another name, with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..options import Checked, make_config, option
from .named_file import NamedFileConfig
from .options import OptionParser
from .telling import answer, remark_on

_ABOUT = """Rename an embedding or a hypernetwork, its preview images, descriptions and numbered
copies. OLD is its name or its file, NEW the new name, which is what you write in prompts. The name
inside the file is changed where there is one; the vectors stay as they are. Either all files are
renamed or none."""


@dataclass(frozen=True)
class RunsConfig(Checked):
    """Where runs are."""

    title = "Runs"
    logging_dir: str = option(
        "textual_inversion",
        "folder of the runs; a run that is training it now must end first",
        label="Log directory",
        path="output folder",
    )


def parser() -> OptionParser:
    """All options of `ti rename`."""
    made = OptionParser("ti rename", _ABOUT, NamedFileConfig, RunsConfig, usage="OLD NEW [options]")
    made.add_argument("old", nargs="?", metavar="OLD", help="name of an embedding, or a file")
    made.add_argument("new", nargs="?", metavar="NEW", help="its new name")
    return made


def run(argv: Sequence[str]) -> int:
    """Rename; returns the exit code."""
    typed = parser().read(argv)
    if not typed["old"] or not typed["new"]:
        raise ConfigError("two names are needed", "", "write ti rename OLD NEW")
    path = make_config(NamedFileConfig, typed).file_of(typed["old"])
    logs = [Path(make_config(RunsConfig, typed).logging_dir)]
    from ..files.renaming import rename
    from ..train.runs_of_file import require_no_run, runs_that_write

    require_no_run(logs, path.stem)
    renamed = rename(path, typed["new"])
    for notice in (*renamed.notices, *runs_that_write(logs, path.stem)):
        remark_on(notice)
    answer(renamed.path)
    return 0
