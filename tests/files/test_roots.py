"""Paths that people write, and folders that nothing may lead out of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ti_core.errors import ConfigError
from ti_core.files.names import is_device
from ti_core.files.roots import is_within, is_written_within, read_path, ways_out


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        '""',
        "a\0b",
        "a\nb",
        "a\x7f",
        "file://server/a.txt",
        "FILE://localhost/etc",
        "smb://server/share",
        "\ud800",
        "x" * 5000,
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        read_path(text)


@pytest.mark.parametrize(
    "text",
    ["NUL", "c:/x/nul", "con.txt", r"C:\a\AUX .png", "COM1:", "x/LPT9.txt/y", "CONIN$", "com¹"],
)
def test_devices_of_windows_are_no_paths_there(text: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        read_path(text, windows=True)


@pytest.mark.parametrize("name", ["console", "nullable.txt", "com", "com10", "auxiliary", "a.con"])
def test_names_that_begin_like_devices_are_none(name: str) -> None:
    assert not is_device(name)
    read_path(name, windows=True)


def test_a_path_is_made_absolute_without_quotes_and_keeps_bytes_that_are_no_text() -> None:
    assert read_path(' "/data/my cat" ') == Path("/data/my cat")
    assert read_path("here") == Path.cwd() / "here"
    assert os.fsencode(read_path("/caf\udce9")) == b"/caf\xe9"


def test_what_is_within_is_so_as_written_and_with_its_links_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside, tmp_path / "rooted"):
        folder.mkdir()
    (root / "out").symlink_to(outside)
    (outside / "in").symlink_to(root)
    (root / "ring").symlink_to(root / "ring")
    assert is_within(root, [root])
    assert is_within(root / "new" / "file", [root])
    for path in (
        root / "..",
        root / "out" / "x",
        root / ".." / "outside",
        tmp_path / "rooted",
        outside / "in",
        root / "ring",
        root / "a\0b",
    ):
        assert not is_within(path, [root]), path
    assert is_written_within(root / "out", [root])
    assert not is_written_within(root / "out" / ".." / "..", [root])


def test_what_is_outside_as_it_is_written_is_never_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look at another computer's folder sends it a password's hash."""
    touched: list[Path] = []

    def resolve(path: Path) -> Path:
        touched.append(path)
        return path

    monkeypatch.setattr(Path, "resolve", resolve)
    assert not is_within(Path("//server/share/x"), [tmp_path])
    assert touched == [tmp_path]


def test_ways_out_are_found_beside_pictures_and_in_numbered_folders(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "10_cat").mkdir(parents=True)
    (root / "1.png").write_bytes(b"")
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (root / "2.png").symlink_to(root / "1.png")
    assert list(ways_out(root, [root])) == []
    (root / "1.txt").symlink_to(secret)
    (root / "10_cat" / "3.txt").symlink_to(secret)
    (root / "20_dog").symlink_to(tmp_path)
    assert {path.name for path in ways_out(root, [root])} == {"1.txt", "3.txt", "20_dog"}
