"""Pictures that were seen before are not read again, unless they have changed."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from ti_core.data.latent_cache import remembered
from ti_core.data.latent_cache.remembered import INDEX_NAME, RememberedPictures
from ti_core.data.picture_facts import PictureFacts, read_facts
from ti_core.errors import DataError, StorageError

from .pictures import paint


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, as they are read; every file counts as old."""
    names: list[str] = []

    def look(path: Path) -> PictureFacts:
        names.append(path.name)
        return read_facts(path)

    monkeypatch.setattr(remembered, "read_facts", look)
    monkeypatch.setattr(remembered, "_CLOCK_NS", 0)
    return names


def seen(cache: Path, *paths: Path) -> list[PictureFacts]:
    """One start of the program."""
    look = RememberedPictures(cache)
    found = [look(path) for path in paths]
    look.save()
    assert look.error is None
    return found


def painted(tmp_path: Path, count: int = 3) -> list[Path]:
    return [picture.path for picture in paint(tmp_path / "pictures", range(count))]


def test_a_second_start_reads_no_picture(tmp_path: Path, read: list[str]) -> None:
    paths = painted(tmp_path)
    first = seen(tmp_path / "cache", *paths)
    assert len(read) == 3
    assert seen(tmp_path / "cache", *paths) == first == [read_facts(path) for path in paths]
    assert len(read) == 3
    (index,) = (tmp_path / "cache").iterdir()
    assert INDEX_NAME.fullmatch(index.name)


def test_a_changed_picture_is_read_even_if_size_and_time_are_kept(
    tmp_path: Path, read: list[str]
) -> None:
    path, *_ = painted(tmp_path)
    (before,) = seen(tmp_path / "cache", path)
    content, stamp = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1  # the checksum of PNG's end, which Pillow passes over
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert path.stat().st_mtime_ns == stamp.st_mtime_ns
    (after,) = seen(tmp_path / "cache", path)
    assert after.digest != before.digest
    assert len(read) == 2


def test_a_picture_put_in_the_place_of_another_is_read(tmp_path: Path, read: list[str]) -> None:
    one, other, _ = painted(tmp_path)
    seen(tmp_path / "cache", one, other)
    os.replace(other, one)
    (found,) = seen(tmp_path / "cache", one)
    assert found == read_facts(one)
    assert read == [one.name, other.name, one.name]


def test_what_has_just_been_written_is_not_remembered(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_CLOCK_NS", 10**12)
    paths = painted(tmp_path, 1)
    seen(tmp_path / "cache", *paths)
    seen(tmp_path / "cache", *paths)
    assert len(read) == 2


def test_what_is_no_picture_is_refused_every_time(tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    look = RememberedPictures(tmp_path / "cache")
    for name in ("broken.png", "broken.png", "missing.png"):
        with pytest.raises(DataError, match=name):
            look(tmp_path / name)
    assert read == ["broken.png", "broken.png"]


def test_folders_are_remembered_apart_and_pictures_that_are_gone_are_forgotten(
    tmp_path: Path, read: list[str]
) -> None:
    here = [picture.path for picture in paint(tmp_path / "here", range(2))]
    there = [picture.path for picture in paint(tmp_path / "there", range(2))]
    seen(tmp_path / "cache", *here, *there)
    here[0].unlink()
    here.append(paint(tmp_path / "here", [7])[0].path)
    seen(tmp_path / "cache", *here[1:], *there)
    assert len(read) == 5
    indexes = sorted((tmp_path / "cache").iterdir())
    assert len(indexes) == 2
    assert not any(
        b"00000.png" in i.read_bytes() and b"00007.png" in i.read_bytes() for i in indexes
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data.replace(b"pictures/1", b"pictures/9"),
        lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
        lambda data: b"\xff" * 1000,
    ],
)
def test_a_damaged_memory_is_no_memory(tmp_path: Path, read: list[str], damage: Any) -> None:
    paths = painted(tmp_path)
    first = seen(tmp_path / "cache", *paths)
    (index,) = (tmp_path / "cache").iterdir()
    index.write_bytes(damage(index.read_bytes()))
    assert seen(tmp_path / "cache", *paths) == first
    assert len(read) == 6
    assert seen(tmp_path / "cache", *paths) == first
    assert len(read) == 6


@pytest.mark.parametrize(
    "rows",
    [
        "[]",
        '{"a": 3}',
        '{"a": [1, 2, 3]}',
        '{"a": [1, 2, 3, 4, "not hexadecimal", 5, 6]}',
        '{"a": [1, 2, 3, 4, "' + "0" * 32 + '", -5, 6]}',
        '{"a": [true, 2, 3, 4, "' + "0" * 32 + '", 5, 6]}',
        "[" * 10_000,
    ],
)
def test_values_that_nobody_wrote_are_not_believed(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "x.index"
    body = rows.encode()
    path.write_bytes(b"%s %08x\n%s" % (remembered._FORMAT, zlib.crc32(body), body))
    assert remembered._read(path) == {}


def test_names_that_are_no_text_are_remembered(tmp_path: Path, read: list[str]) -> None:
    (path,) = painted(tmp_path, 1)
    odd = path.with_name(os.fsdecode(b"\xff\xfe line\nbreak.png"))
    path.rename(odd)
    assert seen(tmp_path / "cache", odd) == seen(tmp_path / "cache", odd)
    assert len(read) == 1


def test_where_nothing_can_be_written_pictures_are_read_and_the_reason_is_told(
    tmp_path: Path, read: list[str]
) -> None:
    paths = painted(tmp_path)
    (tmp_path / "file").touch()
    look = RememberedPictures(tmp_path / "file" / "cache")
    assert [look(path) for path in paths] == [read_facts(path) for path in paths]
    look.save()
    assert isinstance(look.error, StorageError)
