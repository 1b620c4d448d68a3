"""The bytes of a pickle, and what it may cost to run them.

A unit of the budget is a byte of memory, or the 15 nanoseconds in which Python copies some values.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any

from ..errors import UnsafeFileError
from .advice import UNSAFE

_COST_OF_BYTE = 2
_COST_OF_CHARACTER = 10
"""It takes up to four bytes, and is held twice on the way."""
_MOST_BYTES_IN_A_LINE = 4096


class BrokenPickleError(ValueError):
    """The instructions make no sense."""


class PickleReader:
    """Reads what follows an instruction, and pays for it from `budget`.

    `path` is the file's name in errors. Raises UnsafeFileError when the budget is spent, EOFError
    when the file is, and BrokenPickleError.
    """

    def __init__(self, file: IO[bytes], path: Path, budget: int) -> None:
        self._file, self._path, self._left = file, path, budget

    def spend(self, amount: int) -> None:
        """Take from the budget. Raises UnsafeFileError when it does not suffice."""
        self._left -= amount
        if self._left < 0:
            raise UnsafeFileError(
                f"{self._path.name} was rejected",
                "its pickle would take more memory than any model or embedding needs",
                UNSAFE,
            )

    def take(self, count: int) -> bytes:
        """The next bytes, exactly so many."""
        if count > 1:
            self.spend(_COST_OF_BYTE * count)
        data = self._file.read(count)
        if len(data) != count:
            raise EOFError("the pickle is cut off")
        return data

    def number(self, layout: str) -> Any:
        """A number of fixed size, in `struct`'s notation."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def block(self, layout: str) -> bytes:
        """As many bytes as the number before them says."""
        count = self.number(layout)
        if count < 0:
            raise BrokenPickleError("a text has a negative length")
        return self.take(count)

    def text(self, layout: str, encoding: str) -> str:
        """As many bytes of text as the number before them says."""
        content = self.block(layout)
        self.spend(_COST_OF_CHARACTER * len(content))
        return content.decode(encoding, "surrogatepass")

    def line(self) -> str:
        """Text up to the end of the line, as the oldest protocol writes everything."""
        text = self._file.readline(_MOST_BYTES_IN_A_LINE)
        self.spend(_COST_OF_CHARACTER * len(text))
        if not text.endswith(b"\n"):
            raise BrokenPickleError("a line is cut off or too long")
        return text[:-1].decode("latin1")
