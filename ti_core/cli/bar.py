"""A progress bar on a terminal, with lines of text around it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from .plain import plain
from .telling import remark

if TYPE_CHECKING:
    from tqdm import tqdm

B = TypeVar("B", bound="Bar")


class Bar:
    """The base of listeners that show how far some work is, and close their bar at the end."""

    bar: tqdm | None = None
    """None before the work begins, and where there is no terminal or no tqdm."""

    def __enter__(self: B) -> B:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open_bar(self, total: int, unit: str, initial: int = 0) -> None:
        """Show a bar of `total` units, `initial` of them done."""
        if not sys.stderr.isatty():
            return
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            return
        self.bar = tqdm(
            initial=initial, total=total, unit=unit, file=sys.stderr, dynamic_ncols=True
        )

    def change_total(self, total: int) -> None:
        """Show that there are `total` units after all."""
        bar: Any = self.bar  # tqdm sets its attributes where mypy does not look
        if bar is not None:
            bar.total = total
            bar.refresh()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()

    def say(self, text: str) -> None:
        """A line of text above the bar."""
        if self.bar is not None and not self.bar.disable:
            self.bar.write(plain(text, keep="\n"), file=sys.stderr)
        else:
            remark(text)
