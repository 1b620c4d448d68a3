"""Captions are edited without losing anybody's words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ti_core.data import caption_editor
from ti_core.data.caption_editor import CaptionEditor
from ti_core.errors import ConfigError, DataError, StorageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures; the last has no caption, and they are never opened."""
    for name in "abcd":
        (tmp_path / f"{name}.png").touch()
    (tmp_path / "a.txt").write_text("a dog, dogs", encoding="utf-8")
    (tmp_path / "b.caption").write_bytes(b"\xef\xbb\xbfA Dog\r\n")
    (tmp_path / "c.txt").write_text("a cat", encoding="utf-8")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(editor: CaptionEditor, image: str, text: str) -> None:
    editor.write(image, text, editor.read(image).version)


# --- reading and writing ------------------------------------------------------------------------


def test_every_picture_is_listed_with_its_caption(folder: Path) -> None:
    found = CaptionEditor(folder).entries()
    assert [entry.image.name for entry in found] == ["a.png", "b.png", "c.png", "d.png"]
    assert [entry.file.name for entry in found] == ["a.txt", "b.caption", "c.txt", "d.txt"]
    assert [entry.text for entry in found] == ["a dog, dogs", "A Dog\r\n", "a cat", "d"]
    assert [entry.from_file for entry in found] == [True, True, True, False]


def test_what_is_written_is_in_the_file_and_nothing_else_is(folder: Path) -> None:
    editor, before = CaptionEditor(folder), contents(folder)
    write(editor, "d.png", "ein Kätzchen")
    write(editor, "b.png", "a dog")
    assert contents(folder) == {
        **before,
        "d.txt": "ein Kätzchen".encode(),
        "b.caption": b"a dog",
    }
    assert editor.read("d.png").from_file


def test_writing_gives_the_version_to_go_on_from(folder: Path) -> None:
    editor = CaptionEditor(folder)
    entry = editor.write("a.png", "1", editor.read("a.png").version)
    assert editor.write("a.png", "2", entry.version).text == "2"


@pytest.mark.parametrize("name", ["x.png", "../a.png", "/etc/passwd", "", "a.txt"])
def test_only_pictures_of_the_folder_can_be_named(folder: Path, name: str) -> None:
    with pytest.raises(DataError, match="there is no image"):
        CaptionEditor(folder).write(name, "words", "")


@pytest.mark.parametrize("change", [b"other", None])
def test_a_file_that_changed_since_it_was_read_is_not_written(
    folder: Path, change: bytes | None
) -> None:
    editor = CaptionEditor(folder)
    seen = editor.read("a.png").version
    if change is None:
        (folder / "a.txt").unlink()
    else:
        (folder / "a.txt").write_bytes(change)
    editor.entries()  # reading again elsewhere does not make the user's version a newer one
    before = contents(folder)
    with pytest.raises(DataError, match="changed since it was read"):
        editor.write("a.png", "mine", seen)
    assert contents(folder) == before
    assert editor.undo_levels == 0


def test_a_file_that_appeared_since_is_not_written_over(folder: Path) -> None:
    editor = CaptionEditor(folder)
    seen = editor.read("d.png").version
    (folder / "d.txt").write_text("theirs")
    with pytest.raises(DataError, match="changed since it was read"):
        editor.write("d.png", "mine", seen)


def test_a_file_that_is_no_text_is_listed_with_its_problem_and_left_alone(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"caf\xe9 dog")
    editor = CaptionEditor(folder)
    assert "a.txt" in editor.read("a.png").problem
    assert [change.file.name for change in editor.preview("o", "0")] == ["b.caption"]
    with pytest.raises(DataError, match=r"a\.txt"):
        write(editor, "a.png", "words")
    assert (folder / "a.txt").read_bytes() == b"caf\xe9 dog"


def test_text_that_cannot_be_stored_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="proper text"):
        write(CaptionEditor(folder), "a.png", "\ud800")


# --- find and replace ---------------------------------------------------------------------------


def test_a_preview_shows_what_would_change_and_changes_nothing(folder: Path) -> None:
    editor, before = CaptionEditor(folder), contents(folder)
    (change,) = editor.preview("dog", "cat")
    assert (change.before, change.after, change.hits) == ("a dog, dogs", "a cat, cats", 2)
    assert contents(folder) == before
    assert editor.apply([change]) == 1
    assert (folder / "a.txt").read_text() == "a cat, cats"


def test_case_may_be_ignored(folder: Path) -> None:
    changes = CaptionEditor(folder).preview("DOG", "cat", match_case=False)
    assert [change.after for change in changes] == ["a cat, cats", "A cat\r\n"]


def test_plain_text_has_no_special_signs(folder: Path) -> None:
    (folder / "c.txt").write_text(r"a (cat) costs 5.5 \1")
    editor = CaptionEditor(folder)
    (change,) = editor.preview("(cat)", r"\1 \g<0> [dog]")
    assert change.after == r"a \1 \g<0> [dog] costs 5.5 \1"
    assert editor.preview("5x5", "") == []


def test_regular_expressions_have_groups(folder: Path) -> None:
    (change,) = CaptionEditor(folder).preview(r"^a (\w+), (\w+)$", r"\2 and \1", regex=True)
    assert change.after == "dogs and dog"


@pytest.mark.parametrize(
    ("find", "replacement"), [("", "x"), ("(", "x"), ("dog", r"\1"), ("dog", r"\g<no>")]
)
def test_a_broken_pattern_is_a_config_error(folder: Path, find: str, replacement: str) -> None:
    with pytest.raises(ConfigError):
        CaptionEditor(folder).preview(find, replacement, regex=True)


def test_pictures_that_share_a_caption_file_give_one_change(folder: Path) -> None:
    (folder / "a.jpg").touch()
    assert len(CaptionEditor(folder).preview("dog", "cat")) == 1


def test_if_one_file_has_changed_since_the_preview_none_is_written(folder: Path) -> None:
    editor = CaptionEditor(folder)
    changes = editor.preview("a", "e")
    assert len(changes) == 2
    (folder / "c.txt").write_text("theirs")
    before = contents(folder)
    with pytest.raises(DataError, match=r"c\.txt"):
        editor.apply(changes)
    assert contents(folder) == before


# --- undo ---------------------------------------------------------------------------------------


def test_undo_puts_back_every_byte_step_by_step(folder: Path) -> None:
    editor = CaptionEditor(folder)
    states = [contents(folder)]
    write(editor, "d.png", "new")
    states.append(contents(folder))
    editor.apply(editor.preview("dog", "cat", match_case=False))
    states.append(contents(folder))
    write(editor, "b.png", "b")
    assert editor.undo_levels == 3
    for state in reversed(states):
        editor.undo()
        assert contents(folder) == state
    with pytest.raises(DataError, match="nothing to undo"):
        editor.undo()


def test_undo_does_not_touch_what_somebody_else_has_written_since(folder: Path) -> None:
    editor = CaptionEditor(folder)
    editor.apply(editor.preview("a", "e"))
    (folder / "c.txt").write_text("theirs")
    before = contents(folder)
    with pytest.raises(DataError, match=r"c\.txt"):
        editor.undo()
    assert contents(folder) == before
    assert editor.undo_levels == 1


def test_a_full_disk_half_way_leaves_a_step_that_can_be_undone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor, before = CaptionEditor(folder), contents(folder)

    def full(path: Path, data: bytes) -> None:
        if path.name == "c.txt":
            raise StorageError(f"cannot write {path}", "the disk is full")
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr(caption_editor, "write_bytes", full)
        with pytest.raises(StorageError):
            editor.apply(editor.preview("a", "e"))
    assert contents(folder) != before
    editor.undo()
    assert contents(folder) == before


def test_writing_what_is_there_already_is_no_step(folder: Path) -> None:
    editor = CaptionEditor(folder)
    write(editor, "a.png", "a dog, dogs")
    assert editor.undo_levels == 0


def test_only_the_latest_steps_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_editor, "MOST_UNDO", 2)
    editor = CaptionEditor(folder)
    for text in "xyz":
        write(editor, "a.png", text)
    editor.undo()
    editor.undo()
    assert (editor.undo_levels, (folder / "a.txt").read_text()) == (0, "x")


words = st.text(st.sampled_from("ab \n(é"), max_size=6)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(["a.png", "b.png", "d.png"]), words),
        st.tuples(st.just("replace"), words.filter(bool), words),
    ),
    max_size=6,
)


@given(steps)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_after_any_steps_undoing_all_of_them_restores_the_folder(
    folder: Path, todo: list[tuple[str, str, str]]
) -> None:
    editor, before = CaptionEditor(folder), contents(folder)
    for kind, one, two in todo:
        if kind == "write":
            write(editor, one, two)
            assert editor.read(one).text == two
        else:
            changes = editor.preview(one, two)
            editor.apply(changes)
            assert all(c.file.read_bytes().decode("utf-8") == c.after for c in changes)
    while editor.undo_levels:
        editor.undo()
    assert contents(folder) == before
