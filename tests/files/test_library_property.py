"""Whatever happens to the files, looking again finds what a fresh look would find."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ti_core.files.library import Library
from ti_core.files.library_entry import Changes

from .libraries import RUBBISH, content, put, scanned

CONTENTS = [content(1), content(2), content(1, count=3), content(1, width=1024), RUBBISH, b""]
PLACES = [
    f"{folder}{name}.{ending}"
    for folder in ("", "sub/", "sub/deep/", ".hidden/")
    for name in ("cat", "Cat", "dog")
    for ending in ("safetensors", "pt", "png", "txt")
]
Step = tuple[str, str, int]
steps = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(PLACES), st.sampled_from(range(len(CONTENTS)))),
    st.tuples(st.just("write old"), st.sampled_from(PLACES), st.sampled_from(range(len(CONTENTS)))),
    st.tuples(st.just("remove"), st.sampled_from(PLACES), st.just(0)),
    st.tuples(st.just("rename"), st.sampled_from(PLACES), st.sampled_from(range(len(PLACES)))),
    st.tuples(st.just("remove folder"), st.sampled_from(PLACES), st.just(0)),
    st.tuples(st.just("look"), st.just(""), st.just(0)),
    st.tuples(st.just("start anew"), st.just(""), st.just(0)),
)


@dataclass
class World:
    """A folder, a library of it, and what the folder held when the library last looked."""

    root: Path
    cache: Path
    library: Library = field(init=False)
    seen: dict[Path, bytes] = field(default_factory=dict)
    touched: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.root.mkdir()
        self.library = Library([self.root], self.cache)

    def do(self, what: str, place: str, number: int) -> None:
        path = self.root / place
        if what.startswith("write"):
            put(path, CONTENTS[number], old=what == "write old")
            self.touched.add(path)
        elif what == "remove":
            path.unlink(missing_ok=True)
        elif what == "rename" and path.exists():
            target = self.root / PLACES[number]
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            self.touched.add(target)
        elif what == "remove folder" and path.parent != self.root:
            shutil.rmtree(path.parent, ignore_errors=True)
        elif what == "look":
            self.look()
        elif what == "start anew":
            self.library = Library([self.root], self.cache)

    def look(self) -> None:
        changes = self.library.refresh()
        fresh = scanned(self.root)
        assert self.library.entries == fresh.entries
        assert self.library.skipped == fresh.skipped
        assert self.library.clashes() == fresh.clashes()
        self.check(changes, fresh)

    def check(self, changes: Changes, fresh: Library) -> None:
        told = {entry.path for entry in fresh.entries} | {each.path for each in fresh.skipped}
        now = {path: path.read_bytes() for path in told}
        assert set(changes.added) == set(now) - set(self.seen)
        assert set(changes.removed) == set(self.seen) - set(now)
        both = set(now) & set(self.seen)
        differ = {path for path in both if now[path] != self.seen[path]}
        assert differ <= set(changes.changed) <= both & (differ | self.touched)
        self.seen, self.touched = now, set()


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=25))
def test_any_sequence_of_changes_ends_like_a_fresh_look(
    history: list[Step],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder, "root"), Path(folder, "cache"))
        for what, place, number in history:
            world.do(what, place, number)
        world.look()
