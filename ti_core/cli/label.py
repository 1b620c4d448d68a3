"""`ti label`: notes, description, licence and image of an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ConfigError
from ..files.kept import kept_option
from ..files.label import Label
from ..files.roots import present_file
from ..options import Checked, make_config, option
from .named_file import NamedFileConfig
from .options import OptionParser
from .telling import answer

_ABOUT = """Write what you want to remember of an embedding into NAME.json, where Extra Networks of
A1111 and its forks show it; other entries in that file stay. Without options, show what is there.
NAME is a name or a file. The embedding itself is not changed."""


@dataclass(frozen=True)
class LabelConfig(Checked):
    """The image."""

    title = "Image"
    picture: str = option(
        "", "make this image its preview, NAME.preview.png", label="Preview", path="file"
    )
    keep_replaced: int = kept_option()


def parser() -> OptionParser:
    """All options of `ti label`."""
    made = OptionParser(
        "ti label", _ABOUT, Label, LabelConfig, NamedFileConfig, usage="NAME [options]"
    )
    made.add_argument("name", nargs="?", metavar="NAME", help="name of an embedding, or a file")
    return made


def run(argv: Sequence[str]) -> int:
    """Write, or show; returns the exit code."""
    typed = parser().read(argv)
    if not typed["name"]:
        raise ConfigError("no name is given", "", "write ti label NAME --notes TEXT")
    config, label = make_config(LabelConfig, typed), make_config(Label, typed)
    from ..data.pictures import open_image
    from ..files.labelling import read_label, set_preview, write_label
    from ..files.renaming import require_model_file

    path = make_config(NamedFileConfig, typed).file_of(typed["name"])
    require_model_file(path)
    picture = open_image(present_file(config.picture, "picture")) if config.picture else None
    if label.given:
        write_label(path, label)
    if picture:
        answer(set_preview(path, picture, keep=config.keep_replaced))
    if not (label.given or picture):
        told = read_label(path).given.items()
        answer("\n".join(f"{key}: {text}" for key, text in told))
    return 0
