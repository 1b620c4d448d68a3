"""The only place where the command line writes: results, remarks and errors, on any terminal."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..errors import StorageError, TIError, codes_of
from ..events import Notice
from .plain import plain, with_flags

_WIDTH = 60


def open_streams() -> None:
    """Let both streams take every letter: what their encoding lacks (a Windows console's code
    page, a name that is not UTF-8) is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def answer(result: object) -> None:
    """Print what was asked for, to standard output.

    Raises StorageError when it is a file on a full disk, BrokenPipeError when its reader has gone.
    """
    try:
        print(plain(str(result), keep="\n"), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()
        what, why = "cannot write the result to standard output", error.strerror or str(error)
        raise StorageError(what, why, "send it elsewhere") from error


def drop_output() -> None:
    """Let standard output, which no one takes, go nowhere, so that Python's end is silent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def silenced(silent: bool = True) -> Iterator[None]:
    """While it is open nothing is printed, if so: an error that ends the work is told behind it."""
    if not silent:
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        yield


def remark(text: object) -> None:
    """Print what is to be known besides, to standard error."""
    print(plain(str(text), keep="\n"), file=sys.stderr, flush=True)


def remark_on(notice: Notice) -> None:
    """The same for a notice."""
    remark(with_flags(f"{notice.level}: {notice}"))


def said(told: Notice | str) -> None:
    """A notice, or a remark that is one line, as one of these two prints it."""
    if isinstance(told, Notice):
        remark_on(told)
    else:
        remark(plain(told))


def asked(question: str) -> str:
    """What the user types behind a question."""
    print(plain(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def progress(text: str, last: bool) -> None:
    """Print over the line that was printed so before."""
    end = "\n" if last else ""
    print(f"\r{plain(text):<{_WIDTH}}", end=end, file=sys.stderr, flush=True)


def tell(error: TIError) -> int:
    """Print an error; returns its exit code."""
    remark(f"ti: {error.reworded(with_flags)}")
    return codes_of(type(error)).exit


def for_each(files: Iterable[Path], work: Callable[[Path], object]) -> int:
    """Do the work for every file. One that it fails for is told, and the others follow.

    Returns the exit code of the last error, or 0.
    """
    code = 0
    for path in files:
        try:
            work(path)
        except TIError as error:
            code = tell(error)
    return code
