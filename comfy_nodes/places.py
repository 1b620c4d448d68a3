"""Where nodes may read and write: ComfyUI's own folders, and nothing else.

A prompt comes from anyone who can reach the server. The values of combo boxes are also text that
anybody can send. Every name is checked here before it becomes a path.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import folder_paths

from ..ti_core.data.folders import holds_pictures
from ..ti_core.data.picture_formats import is_picture_name
from ..ti_core.errors import ConfigError
from ..ti_core.files.atomic import write_bytes
from ..ti_core.files.names import checked_name, composed, prompt_name
from ..ti_core.files.replaced import Kept, copies_in
from ..ti_core.files.roots import is_within, ways_out
from ..ti_core.hypernetworks.writing import ENDINGS

CARD_ENDINGS = (".png", ".webp", ".avif", ".jxl")
"""Of images that hold an embedding."""
EMBEDDING_ENDINGS = (".safetensors", ".pt", ".bin", *CARD_ENDINGS)
"""Endings of files that can hold an embedding."""
HERE = "(directly in input)"
"""In lists of folders: the images of the input folder itself, without the folders in it."""
_NUMBERED = re.compile(r"\d+_")
"""kohya's folders, `10_cat`: the folder above them is the dataset."""
_MOST_FOLDERS = 2000
_DEEPEST = 4
_MOST_NAME = 300
_MOST_ENTRIES = 20_000


def input_dir() -> Path:
    """Where ComfyUI looks for images."""
    return Path(folder_paths.get_input_directory())


def temp_dir() -> Path:
    """Our part of the folder that ComfyUI empties when it starts."""
    return Path(folder_paths.get_temp_directory()) / "textual_inversion"


def runs_dir() -> Path:
    """Where trainings keep logs, previews, copies and what is needed to resume."""
    return Path(folder_paths.get_output_directory()) / "textual_inversion"


def embeddings_dirs() -> list[Path]:
    """Where ComfyUI looks for embeddings; the first is where new ones go."""
    return [Path(folder) for folder in folder_paths.get_folder_paths("embeddings")]


def inside(root: Path, name: str, what: str) -> Path:
    """The path of `name` in a folder, links followed.

    Raises ConfigError for anything that is or leads outside of the folder; `what` names the folder
    for people.
    """
    path = root / name
    if not _plain(name) or not is_within(path, [root]):
        raise outside(name, what)
    return path.resolve()


def outside(name: str, what: str) -> ConfigError:
    """The error for what is not in a folder, or is a link out of it."""
    return ConfigError(
        f"{name[:_MOST_NAME]!r} is not in the {what} folder",
        "nodes open nothing outside of ComfyUI's own folders",
        f"put it into the {what} folder; a link that leads elsewhere does not do",
    )


def _plain(name: str) -> bool:
    """No absolute path of any system, no step upwards, nothing that ends a string in C."""
    parts = re.split(r"[/\\]", name)
    drive = re.match(r"[A-Za-z]:", name)
    return (
        bool(name)
        and len(name) <= _MOST_NAME
        and not ("\0" in name or ".." in parts or parts[0] == "" or drive)
    )


# --- pictures ---------------------------------------------------------------------------------


def picture_folders() -> list[str]:
    """Folders below the input folder that hold images, for a combo box; "/" on every system.
    The last one is HERE, if there are images that are in none."""
    root, found = input_dir(), set[Path]()
    for folder, files in _walk(root):
        if any(is_picture_name(Path(name)) for name in files):
            found |= {folder, folder.parent} if _NUMBERED.match(folder.name) else {folder}
    below = sorted(folder.relative_to(root).as_posix() for folder in found - {root})
    return [*below, HERE] if root.is_dir() and holds_pictures(root) else below


def picture_folder(name: str) -> Path:
    """A folder with images. Raises ConfigError when it is outside of the input folder, that
    folder itself under another name than HERE, or not there."""
    if name == HERE:
        return _pictures_here()
    folder = inside(input_dir(), name, "input")
    if folder == input_dir().resolve():
        raise ConfigError(
            f"{name!r} is the whole input folder", "", "name a folder in it, with the images"
        )
    if not folder.is_dir():
        raise ConfigError(
            f"the input folder does not contain a folder {name!r}",
            "",
            "create it and put images into it",
        )
    for link in ways_out(folder, [input_dir()]):
        raise outside(link.name, "input")
    return folder


def _pictures_here() -> Path:
    folder = input_dir().resolve()
    if not holds_pictures(folder):
        fix = "put some there, or name a folder in it"
        raise ConfigError("the input folder itself contains no images", "", fix)
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.is_dir() and not is_within(entry, [folder]):
            raise outside(entry.name, "input")
    return folder


def fingerprint(path: Path) -> str:
    """Changes when a file changes, or anything in a folder or the folders in it; of the input
    folder only what is directly in it counts."""
    deeper = () if path == input_dir().resolve() else path.glob("*/*")
    entries = sorted((*path.iterdir(), *deeper)) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for entry in entries[:_MOST_ENTRIES]:
        try:
            facts = entry.stat()
        except OSError:
            continue
        digest.update(
            f"{entry.name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(errors="replace")
        )
    return digest.hexdigest()


# --- embeddings -------------------------------------------------------------------------------


def embedding_files() -> list[str]:
    """Every file that may hold an embedding, relative to its folder, for a combo box."""
    found = _files_in(embeddings_dirs(), EMBEDDING_ENDINGS)
    return [name for name in found if ".preview." not in name.lower()]


def embedding_file(name: str) -> Path:
    """An embedding file. Raises ConfigError when it is outside of the embeddings folders or is not
    there."""
    return _file_in(embeddings_dirs(), name, EMBEDDING_ENDINGS, "embedding")


def _files_in(roots: Sequence[Path], endings: tuple[str, ...]) -> list[str]:
    found = set()
    for root in roots:
        for folder, files in _walk(root):
            for name in files:
                if name.lower().endswith(endings):
                    found.add((folder / name).relative_to(root).as_posix())
    return sorted(found)


def _file_in(roots: Sequence[Path], name: str, endings: tuple[str, ...], what: str) -> Path:
    found = [inside(root, name, f"{what}s") for root in roots]
    for path in found:
        if path.is_file() and path.suffix.lower() in endings:
            return path
    raise ConfigError(
        f"there is no {what} file {name[:_MOST_NAME]!r}",
        "",
        f"put it into the {what}s folder and refresh the browser (key R)",
    )


def replaced_embeddings() -> dict[str, Kept]:
    """Copies of embeddings that were replaced, newest first, by their names in their folder."""
    found: dict[str, Kept] = {}
    for root in embeddings_dirs():
        for kept in copies_in([root]):
            if is_within(kept.path, [root]):
                found.setdefault(kept.path.relative_to(root).as_posix(), kept)
    return found


def new_embedding_file(name: str, ending: str) -> Path:
    """Where an embedding called `name`, or `folder/name`, is to be written.

    Raises ConfigError for a name that ComfyUI could not find in a prompt.
    """
    plain = composed(name.replace("\\", "/"))
    folder, _, stem = plain.rpartition("/")
    for part in [folder, stem] if folder else [stem]:
        checked_for_prompts(part)
    return inside(embeddings_dirs()[0], f"{plain}{ending}", "embeddings")


def checked_for_prompts(name: str) -> str:
    """The name, composed, if `embedding:name` can be read. Raises ConfigError."""
    name = checked_name(name)
    plain = prompt_name(name)
    if plain != name:
        why = "ComfyUI reads a name only up to the first space"
        raise ConfigError(f"the name {name!r} has a space", why, f"call it {plain!r}")
    return name


# --- hypernetworks ----------------------------------------------------------------------------


def hypernetworks_dirs() -> list[Path]:
    """Where ComfyUI looks for hypernetworks; the first is where new ones go."""
    return [Path(folder) for folder in folder_paths.get_folder_paths("hypernetworks")]


def hypernetwork_files() -> list[str]:
    """Every file that may hold a hypernetwork, relative to its folder, for a combo box."""
    return _files_in(hypernetworks_dirs(), ENDINGS)


def hypernetwork_file(name: str) -> Path:
    """A hypernetwork's file. Raises ConfigError when it is outside of the hypernetworks folders or
    is not there."""
    return _file_in(hypernetworks_dirs(), name, ENDINGS, "hypernetwork")


def new_hypernetwork_file(name: str, ending: str) -> Path:
    """Where a hypernetwork called `name`, or `folder/name`, is to be written. Raises ConfigError
    for a name that a file cannot have everywhere."""
    plain = composed(name.replace("\\", "/"))
    folder, _, stem = plain.rpartition("/")
    for part in [folder, stem] if folder else [stem]:
        checked_name(part)
    return inside(hypernetworks_dirs()[0], f"{plain}{ending}", "hypernetworks")


# --- text -------------------------------------------------------------------------------------


def text_file(text: str) -> Path:
    """A temporary file with this text; the same text gives the same file."""
    data = text.encode(errors="replace")
    path = temp_dir() / f"{hashlib.sha256(data).hexdigest()[:20]}.txt"
    write_bytes(path, data)
    return path


def hide_folders(text: str) -> str:
    """A message as anybody may read it: our folders by their names, not by where they lie."""
    roots = [("input", input_dir()), ("temp", Path(folder_paths.get_temp_directory()))]
    roots += [("output", Path(folder_paths.get_output_directory()))]
    roots += [("embeddings", folder) for folder in embeddings_dirs()]
    roots += [("hypernetworks", folder) for folder in hypernetworks_dirs()]
    roots += [("models", Path(folder_paths.models_dir)), ("ComfyUI", Path(folder_paths.base_path))]
    pairs = {str(form): name for name, root in roots for form in (root, root.resolve())}
    for path in sorted(pairs, key=len, reverse=True):
        text = re.sub(rf"{re.escape(path)}(?![\w.-])", pairs[path], text)
    return text


def _walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """(folder, names of its files), a few levels deep, links not followed."""
    for count, (folder, below, files) in enumerate(os.walk(root)):
        if count >= _MOST_FOLDERS:
            return
        here = Path(folder)
        below[:] = sorted(name for name in below if not name.startswith("."))
        if len(here.relative_to(root).parts) >= _DEEPEST:
            below.clear()
        yield here, files
