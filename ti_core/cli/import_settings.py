"""`ti import-settings`: a settings file of another program as one for `ti train --config_file`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..files.atomic import write_bytes, write_new
from ..foreign.imported import Imported, import_settings
from ..options import Checked, make_config, option
from ..train.config import TrainConfig
from .options import OptionParser, path_argument
from .standalone import ModelConfig
from .telling import answer, remark_on

if TYPE_CHECKING:
    from ..options import SettingValues

_ABOUT = """Read the settings of another program: A1111's settings-*.json and ui-config.json,
kohya's TOML, a script with a command line for kohya's or diffusers' scripts, OneTrainer's JSON.
Writes a settings file for ti train --config_file, and lists what has no counterpart. Nothing in the
file is executed."""


@dataclass(frozen=True)
class ImportConfig(Checked):
    """The file that is written."""

    title = "Result"
    out: str = option(
        "",
        "the settings file to write, such as settings.json; without it, they are printed",
        label="Output file",
        path="output folder",
    )
    overwrite: bool = option(False, "replace a file of that name", label="Overwrite")


def parser() -> OptionParser:
    """All options of `ti import-settings`."""
    made = OptionParser("ti import-settings", _ABOUT, ImportConfig, usage="FILE [options]")
    made.add_argument("file", nargs="?", type=path_argument, metavar="FILE", help="the settings")
    return made


def run(argv: Sequence[str]) -> int:
    """Import; returns the exit code."""
    typed = parser().read(argv)
    config = make_config(ImportConfig, typed)
    if not typed.get("file"):
        raise ConfigError("no file is given", "", "write ti import-settings FILE")
    found = import_settings(Path(typed["file"]), (TrainConfig, ModelConfig))
    tell(found)
    text = json.dumps(as_file(found), indent=2, ensure_ascii=False)
    if not config.out:
        answer(text)
        return 0
    path = Path(config.out)
    if config.overwrite:
        write_bytes(path, text.encode() + b"\n")
    elif not write_new(path, text.encode() + b"\n"):
        raise ConfigError(f"{path} exists already", "", "choose another name, or add --overwrite")
    answer(f"{len(found.settings)} settings are in {path}")
    return 0


def as_file(found: Imported) -> SettingValues:
    """What `ti train --config_file` reads."""
    return {"train": found.grouped(TrainConfig), "model": found.grouped(ModelConfig)}


def tell(found: Imported) -> None:
    """What was not taken as it is."""
    for notice in (*found.remarks, *found.misfits):
        remark_on(notice)
