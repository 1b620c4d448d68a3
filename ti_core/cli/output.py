"""The file that a tool writes: its name, its format, and never another one overwritten."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..files.formats import FORMATS, FormatName
from ..files.kept import kept_option
from ..files.names import alike, checked_name, composed, printable
from ..files.twins import hidden_warning, require_free
from ..options import Checked, option
from .telling import answer, remark, remark_on

if TYPE_CHECKING:
    from PIL import Image

    from ..files.embedding import Embedding


@dataclass(frozen=True)
class FileConfig(Checked):
    """The file that a tool writes."""

    title = "Result"
    out: str = option(
        "",
        "the file to write; its name without the extension is the embedding's",
        label="Output file",
        path="embeddings",
    )
    to: FormatName | None = option(
        None,
        "safetensors: for every program; pt: AUTOMATIC1111's; bin: diffusers'; kohya: "
        "sd-scripts' keys; diffusers: its scripts' learned_embeds, two files for SDXL; png: a "
        "card. If not given, the file's extension decides",
        label="Format",
        aliases=("save_model_as",),
    )
    overwrite: bool = option(False, "replace an embedding of that name", label="Overwrite")
    keep_replaced: int = kept_option()


@dataclass(frozen=True)
class Target:
    """A file that may be written."""

    path: Path
    format: str
    keep: int
    """Copies of what it replaces."""
    overwrite: bool = False

    @property
    def name(self) -> str:
        """What the embedding will be called."""
        return printable(self.path.stem)


def target(config: FileConfig, present: Iterable[str] = ()) -> Target:
    """Where the result goes; asked before any work is done. `present` are names of embeddings that
    it is made of: they may be kept whatever characters they have.

    Raises ConfigError when there is no name, a bad one, or an embedding of that name.
    """
    if not config.out:
        raise ConfigError("the result has no name", "", "add --out NAME.safetensors")
    made = checked_target(Path(config.out), config, present)
    if not config.overwrite:
        require_free(made.path)
    if warning := hidden_warning(made.path):
        remark(f"warning: {warning}")
    return made


def checked_target(path: Path, config: FileConfig, present: Iterable[str] = ()) -> Target:
    """The same for a path of the tool's choice; an ending is added where there is none."""
    ending = path.suffix.lower()
    fitting = [name for name, kind in FORMATS.items() if ending in kind.endings]
    chosen = config.to or (fitting[0] if fitting else "safetensors")
    if not fitting:
        path = path.with_name(path.name + FORMATS[chosen].endings[0])
    elif chosen not in fitting:
        ending = FORMATS[chosen].endings[0]
        raise ConfigError(
            f"{path.name} is not a name for {chosen}", "", f"name it {path.stem}{ending}"
        )
    path = path.with_name(composed(path.name))
    if alike(path.stem) not in map(alike, present):
        checked_name(path.stem)
    if path.exists() and not config.overwrite:
        raise ConfigError(f"{path} exists already", "", "choose another name, or add --overwrite")
    return Target(path, chosen, config.keep_replaced, config.overwrite)


def write_result(target: Target, embedding: Embedding) -> None:
    """Write the embedding under the target's name, which is its alone then, and print the path;
    what is to be known of it goes to standard error.

    Raises EmbeddingError when the format cannot hold it, StorageError when it cannot be written.
    """
    from ..files.embedding import long_for_prompts
    from ..files.replaced import replace_embedding

    named = replace(embedding, name=target.name)
    if warning := long_for_prompts(named):
        remark(f"warning: {warning}")
    with _second_kept(target, named) as second:
        told = replace_embedding(target.path, named, target.keep, format=target.format)
    for notice in told:
        remark_on(notice)
    for path in (target.path, *second):
        answer(path)


def write_beside(target: Target, embedding: Embedding, picture: Image.Image | None) -> None:
    """The same for another format of an embedding that stays where it is."""
    from ..files.embedding import long_for_prompts
    from ..files.replaced import replacing
    from ..files.twins import twin_warning
    from ..files.writing import write_embedding

    named = replace(embedding, name=target.name)
    for warning in (long_for_prompts(named), twin_warning(target.path)):
        if warning:
            remark(f"warning: {warning}")
    with _second_kept(target, named) as second, replacing(target.path, target.keep):
        write_embedding(target.path, named, target.format, picture)
    for path in (target.path, *second):
        answer(path)


@contextlib.contextmanager
def _second_kept(target: Target, embedding: Embedding) -> Iterator[list[Path]]:
    """The second file of a format that has two, as `replacing` keeps what it replaces; it belongs
    to no name of its own, and so must be free or to be overwritten."""
    from ..files.replaced import replacing
    from ..files.writing import files_of

    second = [path for path, _ in files_of(target.path, embedding, target.format)[1:]]
    with contextlib.ExitStack() as stack:
        for path in second:
            if path.exists() and not target.overwrite:
                fix = "choose another name, or add --overwrite"
                raise ConfigError(f"{path} exists already", "", fix)
            stack.enter_context(replacing(path, target.keep))
        yield second
