"""The table of contents of a zip, against Python's own module and against liars."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ti_core.errors import FileError, UnsafeFileError
from ti_core.files import zip_directory
from ti_core.files.zip_directory import Member, data_start, read_comment, read_directory

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)


def write(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def directory(path: Path) -> dict[str, Member]:
    with path.open("rb") as file:
        return read_directory(file, path)


def content(path: Path, member: Member) -> bytes:
    with path.open("rb") as file:
        file.seek(data_start(file, member, path))
        return file.read(member.size)


@same_folder
@given(st.dictionaries(names.filter(lambda name: "/" not in name), st.binary(max_size=20)))
def test_every_member_of_any_stored_zip_is_found(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = write(tmp_path / "x.zip", members)
    found = {name: content(path, member) for name, member in directory(path).items()}
    assert found == members


def test_the_zip_of_torch_has_the_members_that_python_sees(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(1000)}, path)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            assert content(path, directory(path)[info.filename]) == archive.read(info.filename)


def test_sizes_of_64_bits_are_read_from_the_extra_field(tmp_path: Path) -> None:
    """As in checkpoints of more than 4 GB: both the entry and the end lead elsewhere."""
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr("other", b"xx")
        archive.writestr("name", b"12345")
    data = (tmp_path / "x").read_bytes()
    start = data.rindex(b"PK\1\2")
    table, end = bytearray(data[start : data.rindex(b"PK\5\6")]), data.rindex(b"PK\5\6")
    header = struct.unpack_from("<L", table, 42)[0]
    struct.pack_into("<2L", table, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", table, 30, 28)
    struct.pack_into("<L", table, 42, 0xFFFFFFFF)
    table += struct.pack("<HH3Q", 1, 24, 5, 5, header)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(table), start)
    place = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(table), 1)
    last = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert end > start
    (tmp_path / "x").write_bytes(data[:start] + bytes(table) + record + place + last)
    found = directory(tmp_path / "x")
    assert content(tmp_path / "x", found["name"]) == b"12345"


def test_the_comment_is_what_follows_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": b"1"})
    for comment in (b"", b"hello", b"x" * 65_535):
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = comment
        with path.open("rb") as file:
            assert read_comment(file, path) == comment
        assert set(directory(path)) == {"a"}


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": bytes(10**6)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeFileError, match="compressed"):
        directory(path)


def patched(path: Path, place: int, layout: str, *values: int) -> Path:
    """The zip with other values in the last entry of its table."""
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, data.rindex(b"PK\1\2") + place, *values)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("place", "layout", "values"),
    [
        (8, "<H", (1,)),  # encrypted
        (10, "<H", (8,)),  # deflated
        (20, "<2L", (2**31, 2**31)),
        (20, "<2L", (5, 6)),
        (42, "<L", (2**31,)),
    ],
)
def test_an_entry_that_lies_is_refused(
    tmp_path: Path, place: int, layout: str, values: tuple[int, ...]
) -> None:
    path = patched(write(tmp_path / "x", {"a": b"12345"}), place, layout, *values)
    with pytest.raises(UnsafeFileError):
        directory(path)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Thousands of names for one megabyte would become gigabytes."""
    path = write(tmp_path / "x", {"a": bytes(1000), "b": bytes(1000)})
    data = path.read_bytes()
    start, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    entry = bytearray(data[start : data.rindex(b"PK\1\2")])
    table = b""
    for number in range(10):
        entry[46:47] = str(number).encode()
        table += entry
    tail = bytearray(data[end:])
    struct.pack_into("<2L", tail, 12, len(table), start)
    path.write_bytes(data[:start] + table + bytes(tail))
    with pytest.raises(UnsafeFileError, match="larger than the file"):
        directory(path)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": b"1", "b": b"2"})
    path.write_bytes(path.read_bytes().replace(b"b", b"a"))
    with pytest.raises(UnsafeFileError, match="doubled"):
        directory(path)


def test_two_headers_with_different_names_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": b"1"})
    whole = bytearray(path.read_bytes())
    assert whole[30:31] == b"a"  # where a local header has its name; a time may hold the byte, too
    whole[30:31] = b"b"
    path.write_bytes(whole)
    with pytest.raises(UnsafeFileError, match="disagree"):
        content(path, directory(path)["a"])


def test_an_enormous_table_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x", {str(n): b"" for n in range(100)})
    monkeypatch.setattr(zip_directory, "_MOST_BYTES", 1000)
    with pytest.raises(UnsafeFileError, match="too large"):
        directory(path)


whole = {"a/data.pkl": b"12345", "a/data/0": b"6789"}


@same_folder
@given(st.data())
def test_damage_is_a_file_error_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    path = write(tmp_path / "x", whole)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        for member in directory(path).values():
            assert len(content(path, member)) == member.size
    except FileError:
        return
