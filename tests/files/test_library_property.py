"""Whatever happens to the files, looking again finds what a fresh look would find."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ti_core.files.library import Library
from ti_core.files.library_entry import Changes

from .libraries import RUBBISH, content, put, scanned

CONTENTS = [content(1), content(2), content(1, count=3), content(1, width=1024), RUBBISH, b""]
FOLDERS = ["", "sub/", "sub/deep/", "a/", ".hidden/"]
PLACES = [
    f"{folder}{name}.{ending}"
    for folder in FOLDERS
    for name in ("cat", "Cat", "dog")
    for ending in ("safetensors", "pt", "png", "txt")
]
Step = tuple[str, str, int]


def step(what: str, numbers: int = 1) -> st.SearchStrategy[Step]:
    """Something that is done at a place, with one of so many things."""
    return st.tuples(st.just(what), st.sampled_from(PLACES), st.sampled_from(range(numbers)))


STEPS = st.one_of(
    step("write", len(CONTENTS)),
    step("write old", len(CONTENTS)),
    step("remove"),
    step("rename", len(PLACES)),
    step("link", len(PLACES)),
    step("link folder", len(FOLDERS)),
    step("remove folder"),
    step("look"),
    step("start anew"),
)


@dataclass
class World:
    """A folder, a library of it, and what the folder held when the library last looked."""

    root: Path
    cache: Path
    library: Library = field(init=False)
    seen: dict[Path, bytes] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.root.mkdir()
        self.library = Library([self.root], self.cache)

    def do(self, what: str, place: str, number: int) -> None:
        if what == "look":
            self.look()
        elif what == "start anew":
            self.library = Library([self.root], self.cache)
        else:
            with suppress(OSError):  # what the system does not allow did not happen
                self.change(what, self.root / place, number)

    def change(self, what: str, path: Path, number: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if what.startswith("write"):
            self.touch(put(path, CONTENTS[number], old=what == "write old"))
        elif what == "remove":
            path.unlink()
        elif what == "rename":
            self.touch(path.replace(self.root / PLACES[number]))
        elif what == "link":
            path.symlink_to(self.root / PLACES[number])
            self.touch(path)
        elif what == "link folder":
            link = path.with_name(f"{path.stem} folder")
            link.symlink_to(self.root / FOLDERS[number], target_is_directory=True)
            self.touch(link)
        elif path.parent != self.root:
            shutil.rmtree(path.parent)

    def touch(self, path: Path) -> None:
        self.touched |= {str(path), os.path.realpath(path)}

    def may_have_changed(self, path: Path) -> bool:
        names = (str(path), os.path.realpath(path))
        return any(name.startswith(start) for name in names for start in self.touched)

    def look(self) -> None:
        changes = self.library.refresh()
        fresh = scanned(self.root)
        assert self.library.entries == fresh.entries
        assert self.library.skipped == fresh.skipped
        assert self.library.clashes() == fresh.clashes()
        self.check(changes, fresh)

    def check(self, changes: Changes, fresh: Library) -> None:
        told = {entry.path for entry in fresh.entries} | {each.path for each in fresh.skipped}
        now = {path: held(path) for path in told}
        assert set(changes.added) == set(now) - set(self.seen)
        assert set(changes.removed) == set(self.seen) - set(now)
        both = set(now) & set(self.seen)
        assert {path for path in both if now[path] != self.seen[path]} <= set(changes.changed)
        assert set(changes.changed) <= both
        assert all(now[p] != self.seen[p] or self.may_have_changed(p) for p in changes.changed)
        self.seen, self.touched = now, set()


def held(path: Path) -> bytes:
    """What can be read there."""
    try:
        return path.read_bytes()
    except OSError:
        return b"cannot be read"


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_any_sequence_of_changes_ends_like_a_fresh_look(history: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder, "root"), Path(folder, "cache"))
        for what, place, number in history:
            world.do(what, place, number)
        world.look()
