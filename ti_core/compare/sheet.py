"""Copies × prompts × weights: a sheet of pictures for each prompt, all from the same seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from ..errors import ConfigError
from ..events import Listener
from ..files.checksum import file_shorthash
from ..files.infotext import infotext, save_png
from ..files.lettering import default_font, shortened
from ..port.session import ModelFacts, PreviewRequest, Session
from ..train.previews import request_of
from .copies import Copy
from .events import Progress, SheetReady

LARGEST_CELL = 384
"""Pixels of a picture's longer side in a sheet; the pictures themselves keep their size."""
MOST_PICTURES = 1000
_MARGIN, _LINE, _LETTERS = 8, 30, 18
_INK, _QUIET = (20, 20, 20), (110, 110, 110)


@dataclass(frozen=True)
class SheetCell:
    """One picture of a sheet."""

    copy: Copy
    weight: float
    request: PreviewRequest


@dataclass(frozen=True)
class Sheets:
    """What shall be drawn. `prompts` hold [name], and may end with kohya's options
    (`train.previews`); a weight w other than 1 is `(name:w)`."""

    name: str
    """The new word."""
    prompts: tuple[str, ...]
    weights: tuple[float, ...] = (1.0,)
    base: PreviewRequest = PreviewRequest(prompt="")
    """Everything but the prompts."""

    def __post_init__(self) -> None:
        if not self.prompts or not self.weights:
            raise ConfigError("there is nothing to draw", "", "give a prompt and a weight")
        for prompt in self.prompts:
            if "[name]" not in prompt:
                what = f"the prompt {prompt!r} does not hold [name]"
                raise ConfigError(what, "every copy would look the same", "put [name] into it")

    def request(self, prompt: str, weight: float = 1.0) -> PreviewRequest:
        """A prompt with the word in [name]'s place, as strong as people would write it.

        Raises ConfigError for an unknown option behind the prompt.
        """
        word = self.name if weight == 1 else f"({self.name}:{weight:g})"
        return request_of(prompt, self.base, word)

    def count(self, copies: int) -> int:
        """Pictures in all. Raises ConfigError for more than anybody can look at."""
        found = copies * len(self.prompts) * len(self.weights) * self.base.count
        if found > MOST_PICTURES:
            what = f"these are {found} pictures"
            raise ConfigError(what, f"{MOST_PICTURES} are possible", "take fewer copies or prompts")
        return found


def draw_sheets(
    sheets: Sheets,
    copies: Sequence[Copy],
    session: Session,
    facts: ModelFacts,
    folder: Path,
    on_event: Listener = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Make every picture, and from them `sheet-1.png` … in `folder`; returns the sheets.

    The pictures are kept beside them, with their parameters. When it is to stop, sheets that are
    not complete are left out. Raises ConfigError for too many pictures, StorageError.
    """
    total, done = sheets.count(len(copies)), 0
    hashes = {copy.path: file_shorthash(copy.path) for copy in copies}
    made: list[Path] = []
    for number, prompt in enumerate(sheets.prompts, 1):
        rows: list[list[Image.Image]] = []
        for cell in _cells(sheets, prompt, copies):
            if should_stop():
                return made
            added = cell.copy.added(sheets.name)
            images = session.preview(cell.request, added.embeddings, added.hypernetwork)
            digits = {sheets.name: hashes[cell.copy.path]}
            _keep(folder, number, cell, images, facts, digits)
            if cell.weight == sheets.weights[0]:
                rows.append([])
            rows[-1] += [_fitted(image) for image in images]
            done += len(images)
            on_event(Progress(f"pictures of {cell.copy.label}", done, total))
        path = folder / f"sheet-{number}.png"
        save_png(
            path,
            drawn(sheets, prompt, copies, rows),
            f"{prompt}\nSeed: {sheets.request(prompt).seed}",
        )
        on_event(SheetReady(path, prompt))
        made.append(path)
    return made


def _cells(sheets: Sheets, prompt: str, copies: Sequence[Copy]) -> Iterator[SheetCell]:
    """A row for each copy, in it a place for each weight."""
    for copy in copies:
        for weight in sheets.weights:
            yield SheetCell(copy, weight, sheets.request(prompt, weight))


def _keep(
    folder: Path,
    number: int,
    cell: SheetCell,
    images: Sequence[Image.Image],
    facts: ModelFacts,
    hashes: dict[str, str],
) -> None:
    for index, image in enumerate(images):
        seed = cell.request.seed + index
        name = f"{number}-{cell.copy.label}-{cell.weight:g}-{seed}.png"
        save_png(folder / "pictures" / name, image, infotext(cell.request, seed, facts, hashes))


# --- the drawing ------------------------------------------------------------------------------


def drawn(
    sheets: Sheets, prompt: str, copies: Sequence[Copy], rows: Sequence[Sequence[Image.Image]]
) -> Image.Image:
    """The sheet of one prompt: a row of pictures for each copy, equally large; its words above."""
    font, cell = default_font(_LETTERS), rows[0][0].size
    labels, titles = [_row_label(copy) for copy in copies], _column_labels(sheets, prompt)
    column_width = _MARGIN + max(cell[0], *(round(font.getlength(text)) for text in titles))
    left = 2 * _MARGIN + round(max(font.getlength(text) for text in (*labels, "0")))
    top = 2 * _LINE + _MARGIN
    width = left + len(rows[0]) * column_width
    image = Image.new("RGB", (width, top + len(rows) * (cell[1] + _MARGIN)), "white")
    draw = ImageDraw.Draw(image)
    title = shortened(" ".join(prompt.split()), width - 2 * _MARGIN, font)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=font)
    for column, text in enumerate(titles):
        draw.text((left + column * column_width, _LINE + _MARGIN), text, _QUIET, font)
    for number, (text, pictures) in enumerate(zip(labels, rows, strict=True)):
        y = top + number * (cell[1] + _MARGIN)
        draw.text((_MARGIN, y + cell[1] // 2 - _LINE // 2), text, fill=_INK, font=font)
        for column, picture in enumerate(pictures):
            image.paste(picture, (left + column * column_width, y))
    return image


def _row_label(copy: Copy) -> str:
    return f"step {copy.step}" if copy.step else copy.label[:40]


def _column_labels(sheets: Sheets, prompt: str) -> list[str]:
    """The seed only where there are several."""
    first = sheets.request(prompt).seed
    seeds = range(first, first + sheets.base.count)
    several = len(seeds) > 1
    return [
        f"weight {weight:g}" + (f" · seed {seed}" if several else "")
        for weight in sheets.weights
        for seed in seeds
    ]


def _fitted(image: Image.Image) -> Image.Image:
    scale = min(1.0, LARGEST_CELL / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def read_weights(text: str) -> tuple[float, ...]:
    """Weights as people write them: "0.7, 1, 1.3". Raises ConfigError."""
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    try:
        weights = tuple(dict.fromkeys(float(part) for part in parts))
    except ValueError:
        weights = ()
    if not weights or not all(0 < weight <= 10 for weight in weights):
        fix = "write numbers above 0 and up to 10, such as 0.7, 1, 1.3"
        raise ConfigError(f"the weights are {text!r}", "", fix)
    return weights
