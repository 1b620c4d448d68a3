"""`ti convert`: an embedding in the format of another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, DataError
from ..files.formats import FORMATS
from ..files.notes import TRIGGER
from ..options import Checked, make_config, option
from .options import OptionParser, path_argument
from .output import FileConfig, Target, checked_target, write_beside
from .plain import with_flags
from .telling import answer, for_each, remark

if TYPE_CHECKING:
    from PIL import Image

    from ..files.embedding import Embedding

_ABOUT = """Convert embeddings and hypernetworks to the format of another program, beside the
original files or to --out. Nothing in the files is executed, and no file is replaced without
--overwrite."""


@dataclass(frozen=True)
class ConvertConfig(Checked):
    """Which embedding of a file is converted, and its new metadata."""

    title = "What"
    term: str = option("", "which embedding, if the file contains several", label="Term")
    second: str = option(
        "",
        "the second file of an SDXL embedding written by diffusers' script",
        label="Second file",
        path="embeddings",
    )
    drop: str = option(
        "",
        "tables to leave out, by their keys (see ti inspect): t5xxl, or clip_l_out,t5xxl_out",
        label="Tables to leave out",
    )
    picture: str = option("", "the image that a card (png) shows", label="Image", path="file")


def parser() -> OptionParser:
    """All options of `ti convert`."""
    usage = "FILE... --to FORMAT [options]"
    made = OptionParser("ti convert", _ABOUT, ConvertConfig, FileConfig, usage=usage)
    made.add_argument("files", nargs="*", type=path_argument, metavar="FILE", help="embedding file")
    return made


def run(argv: Sequence[str]) -> int:
    """Convert; returns the exit code."""
    typed = parser().read(argv)
    files = [Path(name) for name in typed["files"]]
    config, output = make_config(ConvertConfig, typed), make_config(FileConfig, typed)
    if not files:
        raise ConfigError("no file is given", "", "write ti convert FILE --to safetensors")
    if output.to is None and not output.out:
        raise ConfigError("no format is given", "", "add --to safetensors")
    if len(files) > 1 and (config.term or config.second or _is_file_name(output.out)):
        raise ConfigError("several files are given", "", "give one, or --out a folder for all")
    from ..hypernetworks.reading import is_hypernetwork
    from ..tools.making import convert

    places = [_place(path, config, output) for path in files]
    _require_different(places)

    def convert_one(path: Path) -> None:
        made = checked_target(places[files.index(path)], output, [path.stem])
        if is_hypernetwork(path):
            _convert_hypernetwork(path, made, config)
            return
        write_beside(made, convert(_read(path, config, made.format), made.name), _picture(config))

    return for_each(files, convert_one)


def _convert_hypernetwork(path: Path, target: Target, config: ConvertConfig) -> None:
    from ..hypernetworks.reading import read_hypernetwork
    from ..hypernetworks.writing import write_hypernetwork

    given = [name for name in ("term", "second", "drop", "picture") if getattr(config, name)]
    if given or target.format not in ("pt", "safetensors"):
        what = f"{path} holds a hypernetwork"
        why = f"--{given[0]} is for embeddings" if given else f"{target.format} is for embeddings"
        raise ConfigError(what, why, "write it with --to pt or --to safetensors alone")
    found = replace(read_hypernetwork(path), name=target.name)
    write_hypernetwork(target.path, found)
    if why := found.structure.only_a1111():
        remark(f"warning: only AUTOMATIC1111 reads {found.name} correctly: {with_flags(why)}")
    answer(target.path)


def _is_file_name(out: str) -> bool:
    return bool(out) and not Path(out).is_dir()


def _read(path: Path, config: ConvertConfig, to: str) -> Embedding:
    from ..files.reading import read_embedding, read_pair
    from ..tools.making import without_tables

    second, term = config.second, config.term or None
    found = read_pair(path, Path(second)) if second else read_embedding(path, term)
    if to == "diffusers":  # it is called by the word in the file, however that is called
        found = replace(found, metadata={TRIGGER: found.name, **found.metadata})
    return without_tables(found, config.drop)


def _place(path: Path, config: ConvertConfig, output: FileConfig) -> Path:
    wanted = Path(output.out) if output.out else path.parent
    if output.out and not wanted.is_dir():
        return wanted
    ending = FORMATS[output.to or "safetensors"].endings[0]
    return wanted / f"{config.term or path.stem}{ending}"


def _require_different(places: list[Path]) -> None:
    """Told before anything is written."""
    for place in places:
        if places.count(place) > 1:
            raise ConfigError(f"two files would become {place}", "", "convert one by one")


def _picture(config: ConvertConfig) -> Image.Image | None:
    if not config.picture:
        return None
    from ..data.pictures import open_image

    try:
        return open_image(Path(config.picture))
    except DataError as error:
        raise ConfigError(f"{config.picture} is not an image for a card", error.why) from error
