"""What differs from the run that is resumed: settings and images; and which may not differ."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field
from pathlib import Path
from typing import TypeVar

from ..data.dataset import Dataset
from ..errors import TIError, TrainingError, setting
from ..events import Notice
from ..options import SettingValues, about, flat, from_dict, leaves, make_config, to_dict
from .config import BaseTrainConfig
from .run_folder import RunFolder

Noted = Mapping[str, Sequence[str]]
"""Path of an image → hashes of its file and of its caption."""
_SHARED = frozenset(BaseTrainConfig.__annotations__)
"""Groups of settings of every learnable; the others say how what is learned began."""
_NAMED = 3
_LONGEST = 60


C = TypeVar("C", bound=BaseTrainConfig)


def saved_config(resume: RunFolder, kind: type[C]) -> C | None:
    """The settings that a run had; None where this version cannot read them."""
    try:
        return from_dict(kind, resume.read_settings().get("train", {}))
    except TIError:
        return None


def resumed_with(before: C, changes: SettingValues) -> C:
    """The settings of a run with some of them changed, by name.

    Raises ConfigError for what is not possible, TrainingError as `changed_settings` does.
    """
    config = make_config(type(before), changes, to_dict(before))
    list(changed_settings(before, config.as_begun(before)))
    return config


def changed_settings(before: BaseTrainConfig, config: BaseTrainConfig) -> Iterator[Notice]:
    """A notice of all settings that are not those `before`, if there are any.

    Raises TrainingError for one that has had its effect when the run began: the file would tell
    what is not so.
    """
    old, new = flat(before), flat(config)
    changed = [
        (path, item)
        for path, item in leaves(type(config))
        if _plain(item, old[item.name]) != _plain(item, new[item.name])
    ]
    for path, item in changed:
        if _is_fixed(path, item):
            raise _fixed(item.name, old[item.name])
    if changed:
        told = (_told(item.name, old[item.name], new[item.name]) for _, item in changed)
        learned = any(about(item).recorded for _, item in changed)
        why = "what is learned from here on follows them" if learned else ""
        yield Notice("info", f"settings of the run have changed: {', '.join(told)}", why)


def _plain(item: Field[object], value: object) -> object:
    """Paths as they are meant; nothing is the same folder twice."""
    is_path = about(item).path and isinstance(value, str) and value
    return os.path.abspath(str(value)) if is_path else value


def _is_fixed(path: Sequence[str], item: Field[object]) -> bool:
    known = about(item)
    begins = path[0] not in _SHARED and (known.recorded or bool(known.path))
    return begins or item.name == "initial_step"


def _fixed(name: str, before: object) -> TrainingError:
    return TrainingError(
        f"{setting(name)} cannot change when a run is resumed",
        f"it had its effect when the run began, with {str(before)[:_LONGEST]!r}",
        f"leave it out, or begin a new run with {setting('weights')}, the file of this one",
    )


def _told(name: str, before: object, now: object) -> str:
    one, two = (str(value)[:_LONGEST] or "''" for value in (before, now))
    return f"{setting(name)} {one} → {two}"


def noted_pictures(dataset: Dataset) -> dict[str, list[str]]:
    """What a run folder keeps of its images."""
    return {str(item.path): [item.digest, _hash(item.caption.text)] for item in dataset.items}


def changed_pictures(before: Noted, now: Noted) -> Iterator[Notice]:
    """A notice of images and captions that came, went or changed; a folder may have moved."""
    files = {digest for digest, _ in before.values()}, {digest for digest, _ in now.values()}
    both = [path for path in now if path in before]
    same = [path for path in both if before[path][0] == now[path][0]]
    found = {
        "added": [path for path in now if path not in before and now[path][0] not in files[0]],
        "removed": [p for p in before if p not in now and before[p][0] not in files[1]],
        "changed": [path for path in both if path not in set(same)],
        "with another caption": [path for path in same if before[path][1] != now[path][1]],
    }
    told = [f"{len(paths)} {how}: {_names(paths)}" for how, paths in found.items() if paths]
    if told:
        what = f"the images of the run are not those that it had: {'; '.join(told)}"
        why = "steps to come see other images, or see them in another order"
        yield Notice("warning", what, why)


def _names(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(Path(path).name for path in sorted(paths)[:_NAMED]) + more


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()
