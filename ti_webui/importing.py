"""Settings files of other programs for the form and the API: A1111's, kohya's, OneTrainer's."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path, PurePosixPath, PureWindowsPath

from ti_core.errors import FileError
from ti_core.files.text_file import MOST_BYTES, decode
from ti_core.foreign.imported import Imported, import_text
from ti_core.train.config import TrainConfig

from .training import SETTLED

_TEMPLATES = {"use_object_template": "subject", "use_style_template": "style"}
_SETTLED = {
    **{name: why for name, why in SETTLED.items() if name not in _TEMPLATES},
    "logging_dir": "that of this program is kept",
    "pretrained_model_name_or_path": "the model that is loaded is trained on",
}
"""Settings of a file that are left out → what decides them here."""


def imported(name: str, text: str) -> Imported:
    """The settings in the text of a file that was called `name`, where it came from; without those
    that something else decides here.

    Raises FileError for what is not a settings file of a known program, ConfigError for TOML where
    Python has no reader.
    """
    found = import_text(text, Path(_plain(name)), (TrainConfig,), _SETTLED)
    for theirs, ours in _TEMPLATES.items():
        if found.settings.pop(theirs, False):
            found.settings["prompt_template"] = ours
    return found


def sent_file(sent: str) -> tuple[str, str]:
    """(name, text) of a file that a page has sent, as `tiStudio.chosenFile` does: its name, a line
    end, its bytes as base64. Raises FileError for what is not text of a reasonable size."""
    name, _, data = sent.partition("\n")
    try:
        content = base64.b64decode(data, validate=True)
        if len(content) > MOST_BYTES:
            what = f"{_plain(name)} is larger than {MOST_BYTES:,} bytes"
            raise FileError(what, "", "choose the settings file of a training")
        return name, decode(content).replace("\r\n", "\n").replace("\r", "\n")
    except (binascii.Error, ValueError) as error:
        raise FileError(f"cannot read {_plain(name)}", str(error), "save it as UTF-8") from error


def _plain(name: str) -> str:
    """Without folders: nothing is opened, and messages name it."""
    return PurePosixPath(PureWindowsPath(name).name).name[:100] or "the file"
