"""Files that people take for embeddings: what their first bytes say they are."""

from __future__ import annotations

from .advice import AGAIN
from .text_file import decode

START = 64
"""Bytes that are looked at."""
_CARD = "give the original PNG or WebP card"
_UNPACK = "unpack it, and give the file that is in it"
_FILE = "give an embedding file"

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "it is a pointer of git LFS", "run git lfs pull"),
    (b"\xff\xd8\xff", "JPEG cannot carry an embedding", _CARD),
    (b"GIF8", "GIF cannot carry an embedding", _CARD),
    (b"BM", "BMP cannot carry an embedding", _CARD),
    (b"II*\0", "TIFF cannot carry an embedding", _CARD),
    (b"MM\0*", "TIFF cannot carry an embedding", _CARD),
    (b"8BPS", "a Photoshop image cannot carry an embedding", _CARD),
    (b"\x1f\x8b", "it is packed with gzip", _UNPACK),
    (b"BZh", "it is packed with bzip2", _UNPACK),
    (b"\xfd7zXZ\0", "it is packed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "it is packed with zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "it is a RAR archive", _UNPACK),
    (b"\x93NUMPY", "it is an array of numpy, which says nothing of a word", _FILE),
    (b"GGUF", "it is a model in GGUF", _FILE),
    (b"\x89HDF\r\n", "it is an HDF5 file", _FILE),
    (b"SQLite format 3\0", "it is a database", _FILE),
    (b"%PDF-", "it is a PDF document", _FILE),
    (b"\x7fELF", "it is a program", _FILE),
    (b"MZ", "it is a program", _FILE),
    (b"ID3", "it is music", _FILE),
    (b"OggS", "it is sound or video", _FILE),
    (b"\x1aE\xdf\xa3", "it is a video", _FILE),
)
_IMAGE_BRANDS = (b"avif", b"avis")
"""Of the images in ISO's container that A1111 reads cards from."""
_PHOTO_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")


def mistaken(start: bytes) -> tuple[str, str] | None:
    """(what it is, what to do) for a file that is certainly no embedding, by its first bytes."""
    if not start:
        return "it is empty", AGAIN
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page: the download went wrong", AGAIN
    if start[4:8] == b"ftyp" and start[8:12] not in _IMAGE_BRANDS:
        photo = start[8:12] in _PHOTO_BRANDS
        return ("HEIC cannot carry an embedding", _CARD) if photo else ("it is a video", _FILE)
    if start[:4] == b"RIFF" and start[8:12] != b"WEBP":
        return "it is sound or video", _FILE
    found = (found for found in _SIGNATURES if start.startswith(found[0]))
    return next(((what, fix) for _, what, fix in found), None)


def unreadable(start: bytes) -> tuple[str, str] | None:
    """The same for a file that no reader could make anything of; None: it seems to be damaged."""
    if start[:1] in b"P\x80":  # torch's zip and pickles
        return None
    if _is_text(start):
        return "it is text", _FILE
    return "it is of no kind that embeddings are saved in", _FILE


def _is_text(start: bytes) -> bool:
    """Whether it begins as text; the last letter may be cut."""
    for length in range(len(start), max(0, len(start) - 4), -1):
        try:
            text = decode(start[:length])
        except ValueError:
            continue
        return all(sign.isprintable() or sign in "\t\r\n\f" for sign in text)
    return False
