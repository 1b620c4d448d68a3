"""The comparison of a sweep: one page that stands on its own beside the runs.

Every text is escaped, and images are named relative to the page, so that the folder can be moved.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from ..files.atomic import write_bytes
from ..options import with_names
from .sweep_folder import Entry, SweepFolder

_HEADS = (
    *("Loss", "Last loss", "Validation loss", "at step", "Strength", "Steps", "s/step"),
    *("State", "File"),
)
_ABOUT = """Loss is the running mean of the updates at the end. Validation loss is the lowest one,
of fixed images, noise and timesteps: the better of the two to compare by. Runs that differ in
images, sizes, timesteps or weights of the loss cannot be compared by losses. Images have the
same prompt and seed in all runs, unless these vary."""
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: auto; padding: 1rem; max-width: 1600px }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { border: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top }
.best { background: #e4f5e4 } .failed { color: #b00020 }
.row { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0; width: 240px }
img { width: 100%; border: 1px solid #ddd } figcaption { font-size: 13px; overflow-wrap: anywhere }
"""


def write_page(folder: SweepFolder) -> None:
    """Write it as the sweep is now. Raises StorageError."""
    write_bytes(folder.page, page(folder).encode())


def page(folder: SweepFolder) -> str:
    """The page as HTML."""
    entries, title = folder.entries, f"{escape(folder.name)}: {len(folder.entries)} trainings"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{_ABOUT}</p>\n"
        f"{_table(entries)}\n{_pictures(folder)}\n</body></html>\n"
    )


def escape(text: object) -> str:
    """As HTML; bytes of names that are not UTF-8 are spelled out."""
    return html.escape(str(text).encode("utf-8", "backslashreplace").decode())


def _table(entries: Sequence[Entry]) -> str:
    settings = list(entries[0].variant.settings)
    heads = "".join(f"<th>{escape(head)}</th>" for head in ("Name", *settings, *_HEADS))
    best = _best(entries)
    rows = (_row(entry, settings, entry is best) for entry in entries)
    return f"<table><tr>{heads}</tr>\n" + "\n".join(rows) + "</table>"


def _best(entries: Iterable[Entry]) -> Entry | None:
    """The one with the lowest validation loss, where there are some to choose from."""
    rated = [(entry.result.validation, n, entry) for n, entry in enumerate(entries)]
    found = [(loss, n, entry) for loss, n, entry in rated if loss is not None]
    return min(found)[2] if len(found) > 1 else None


def _row(entry: Entry, settings: Sequence[str], is_best: bool) -> str:
    found, varied = entry.result, entry.variant.settings
    cells = [
        *(entry.name, *(_value(varied[name]) for name in settings)),
        *map(_number, (found.loss, found.last_loss, found.validation)),
        "" if found.validation_step is None else found.validation_step,
        f"{_number(found.strength, 2)} {found.verdict}",
        *(found.step, _number(found.seconds, 2), _state(entry), found.file),
    ]
    kinds = " ".join([*(["best"] if is_best else []), *([entry.state] if entry.error else [])])
    told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr class="{kinds}">{told}</tr>'


def _state(entry: Entry) -> str:
    """With its error, settings by their names."""
    error = with_names(entry.error, lambda name: name)
    return f"{entry.state}: {error}" if error else entry.state


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _number(value: float | None, places: int = 4) -> str:
    return "" if value is None else f"{value:.{places}f}"


def _pictures(folder: SweepFolder) -> str:
    """A row for each prompt of the previews: the last image of every training."""
    rows: dict[int, list[str]] = {}
    for entry in folder.entries:
        for number, (path, step, prompt) in enumerate(_last(folder, entry)):
            rows.setdefault(number, []).append(_figure(folder.path, entry, path, step, prompt))
    shown = ("".join(row) for row in rows.values())
    return "\n".join(f'<div class="row">{row}</div><hr>' for row in shown)


def _last(folder: SweepFolder, entry: Entry) -> list[tuple[Path, int, str]]:
    """The previews of the last step that has some."""
    found = folder.run_of(entry).pictures()
    last = max((step for _, step, _ in found), default=0)
    return [one for one in found if one[1] == last]


def _figure(base: Path, entry: Entry, path: Path, step: int, prompt: str) -> str:
    source = quote(path.relative_to(base).as_posix())
    settings = ", ".join(f"{name} {_value(v)}" for name, v in entry.variant.settings.items())
    return (
        f'<figure><a href="{source}"><img src="{source}" alt="{escape(prompt)}" loading="lazy">'
        f"</a><figcaption><b>{escape(entry.name)}</b> {escape(settings)}; step {step}; "
        f"{escape(prompt)}</figcaption></figure>"
    )
