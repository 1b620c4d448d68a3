"""Copies × prompts × weights: a sheet of images for each prompt, all from the same seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from ..data.templates import fill
from ..errors import ConfigError
from ..events import Listener
from ..files.infotext import infotext, save_png
from ..files.lettering import default_font, shortened
from ..port.session import Host, ModelFacts, PreviewRequest, Session
from ..prompts.missed import misspelled
from ..train.previews import request_of
from .events import PictureReady, Progress, SheetReady
from .subject import Copy, Wording

LARGEST_CELL = 384
"""Pixels of an image's longer side in a sheet; the images themselves keep their size."""
MOST_PICTURES = 1000
_MARGIN, _LINE, _LETTERS = 8, 30, 18
_WITHOUT = "without"
_OWN_NEGATIVE = re.compile(r" --n\b")
"""kohya's option for a negative prompt of the line's own."""
_INK, _QUIET = (20, 20, 20), (110, 110, 110)


@dataclass(frozen=True)
class SheetCell:
    """One image of a sheet."""

    copy: Copy | None
    """None: without the word."""
    weight: float
    request: PreviewRequest

    @property
    def label(self) -> str:
        """What its row is called in names of files."""
        return self.copy.label if self.copy else _WITHOUT


class Row(NamedTuple):
    """A row of a sheet."""

    label: str
    pictures: list[Image.Image]


@dataclass(frozen=True)
class Sheets:
    """What should be drawn. Prompts may hold [name], and end with kohya's options
    (`train.previews`), and so may the negative prompt; a weight w other than 1 is `(name:w)`. Where
    neither holds a word that is needed, one row is drawn, as every copy would give the same
    images."""

    name: str
    """The new word, or the name of what needs none."""
    prompts: tuple[str, ...]
    weights: tuple[float, ...] = (1.0,)
    base: PreviewRequest = PreviewRequest(prompt="")
    """Everything but the prompts."""
    baseline: bool = False
    """Begin each sheet with a row in which what is compared is left out."""
    wording: Wording = Wording(by_word=True)
    """How prompts call it: where not by the word, every prompt shows copies, and the weight is that
    of `Copy.added`."""

    def __post_init__(self) -> None:
        if not self.prompts or not self.weights:
            raise ConfigError("there is nothing to draw", "", "give a prompt and a weight")
        if not any(map(self.shows_copies, self.prompts)):
            what = f"the prompt {self.prompts[0]!r} does not hold [name]"
            fix = "put [name] into it, or into the negative prompt"
            raise ConfigError(what, "every copy would look the same", fix)

    def shows_copies(self, prompt: str) -> bool:
        """Whether copies differ in it: the word is in it, or in the negative prompt that goes with
        it, or none is needed."""
        if not self.wording.by_word:
            return True
        return "[name]" in prompt or (
            "[name]" in self.base.negative_prompt and not _OWN_NEGATIVE.search(prompt)
        )

    def request(self, prompt: str, weight: float = 1.0) -> PreviewRequest:
        """A prompt with the word in [name]'s place, as strong as people would write it.

        Raises ConfigError for an unknown option behind the prompt.
        """
        return self._with(prompt, self.wording.word(self.name, weight))

    def without(self, prompt: str) -> PreviewRequest:
        """The same for no copy at all."""
        return self._with(prompt, self.wording.without(self.name))

    def _with(self, prompt: str, word: str) -> PreviewRequest:
        base = replace(self.base, negative_prompt=fill(self.base.negative_prompt, word, ""))
        return request_of(prompt, base, word)

    def count(self, copies: int) -> int:
        """Images in all. Raises ConfigError for more than anybody can look at."""
        rows = [len(list(self._places(prompt, copies))) for prompt in self.prompts]
        found = sum(rows) * self.base.count
        if found > MOST_PICTURES:
            what = f"these are {found} images"
            raise ConfigError(
                what, f"{MOST_PICTURES} are possible", "choose fewer copies or prompts"
            )
        return found

    def _places(self, prompt: str, copies: int) -> Iterator[tuple[int | None, float]]:
        """(number of the copy, weight) of each place of a sheet, row by row."""
        shows = self.shows_copies(prompt)
        if self.baseline or not shows:
            yield None, self.weights[0]
        for number in range(copies if shows else 0):
            for weight in self.weights:
                yield number, weight

    def cells(self, prompt: str, copies: Sequence[Copy]) -> Iterator[SheetCell]:
        """A row for each copy, in it a place for each weight; the row without the word has one."""
        for number, weight in self._places(prompt, len(copies)):
            if number is None:
                yield SheetCell(None, weight, self.without(prompt))
            else:
                yield SheetCell(copies[number], weight, self.request(prompt, weight))


def tell_misspelled(sheets: Sheets, host: Host, on_event: Listener) -> None:
    """Tell which words of the prompts were probably meant to be the name of the copies."""
    if not sheets.wording.by_word:
        return
    requests = [sheets.request(prompt) for prompt in sheets.prompts]
    text = "\n".join(t for one in requests for t in (one.prompt, one.negative_prompt))
    for missed in misspelled(text, [sheets.name], host.tokenize):
        on_event(missed.notice)


def draw_sheets(
    sheets: Sheets,
    copies: Sequence[Copy],
    session: Session,
    facts: ModelFacts,
    folder: Path,
    on_event: Listener = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Make every image, and from them `sheet-1.png` … in `folder`; returns the sheets.

    The images are kept beside them, with their parameters. When it is to stop, sheets that are
    not complete are left out. Raises ConfigError for too many images, StorageError.
    """
    total, done = sheets.count(len(copies)), 0
    made: list[Path] = []
    for number, prompt in enumerate(sheets.prompts, 1):
        rows: list[Row] = []
        for cell in sheets.cells(prompt, copies):
            if should_stop():
                return made
            images = _images(cell, sheets.name, session)
            kept = _keep(folder, number, cell, images, facts, sheets.name)
            if cell.weight == sheets.weights[0]:
                rows.append(Row(_row_label(cell.copy), []))
            rows[-1].pictures.extend(map(_fitted, images))
            done += len(images)
            stage = f"images of {cell.label}" if cell.copy else "images without it"
            on_event(Progress(stage, done, total))
            for seed, path in kept:
                on_event(PictureReady(path, prompt, cell.label, cell.weight, seed))
        path = folder / f"sheet-{number}.png"
        save_png(
            path,
            drawn(sheets, prompt, rows),
            f"{prompt}\nSeed: {sheets.request(prompt).seed}",
        )
        on_event(SheetReady(path, prompt))
        made.append(path)
    return made


def _images(cell: SheetCell, name: str, session: Session) -> list[Image.Image]:
    if cell.copy is None:
        return session.preview(cell.request, {})
    added = cell.copy.added(name, session.device, cell.weight)
    return session.preview(cell.request, added.embeddings, added.hypernetwork)


def _keep(
    folder: Path,
    number: int,
    cell: SheetCell,
    images: Sequence[Image.Image],
    facts: ModelFacts,
    name: str,
) -> list[tuple[int, Path]]:
    """Write them; returns (seed, file) of each."""
    plain: tuple[PreviewRequest, Mapping[str, str]] = (cell.request, {})
    copy = cell.copy
    request, hashes = copy.credited(cell.request, name, cell.weight) if copy else plain
    kept = []
    for index, image in enumerate(images):
        seed = cell.request.seed + index
        path = folder / "pictures" / f"{number}-{cell.label}-{cell.weight:g}-{seed}.png"
        save_png(path, image, infotext(request, seed, facts, hashes))
        kept.append((seed, path))
    return kept


# --- the drawing ------------------------------------------------------------------------------


def drawn(sheets: Sheets, prompt: str, rows: Sequence[Row]) -> Image.Image:
    """The sheet of one prompt: a row of images for each copy, equally large; its words above."""
    font, cell = default_font(_LETTERS), rows[0].pictures[0].size
    columns = max(len(row.pictures) for row in rows)
    labels, titles = [row.label for row in rows], _column_labels(sheets, prompt)[:columns]
    column_width = _MARGIN + max(cell[0], *(round(font.getlength(text)) for text in titles))
    left = 2 * _MARGIN + round(max(font.getlength(text) for text in (*labels, "0")))
    top = 2 * _LINE + _MARGIN
    width = left + columns * column_width
    image = Image.new("RGB", (width, top + len(rows) * (cell[1] + _MARGIN)), "white")
    draw = ImageDraw.Draw(image)
    title = shortened(" ".join(prompt.split()), width - 2 * _MARGIN, font)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=font)
    for column, text in enumerate(titles):
        draw.text((left + column * column_width, _LINE + _MARGIN), text, _QUIET, font)
    for number, (text, pictures) in enumerate(rows):
        y = top + number * (cell[1] + _MARGIN)
        draw.text((_MARGIN, y + cell[1] // 2 - _LINE // 2), text, fill=_INK, font=font)
        for column, picture in enumerate(pictures):
            image.paste(picture, (left + column * column_width, y))
    return image


def _row_label(copy: Copy | None) -> str:
    if copy is None:
        return _WITHOUT
    return f"step {copy.step}" if copy.step else copy.label[:40]


def _column_labels(sheets: Sheets, prompt: str) -> list[str]:
    """The seed only where there are several, the weight only where there are copies."""
    first = sheets.request(prompt).seed
    seeds = [f"seed {first + number}" for number in range(sheets.base.count)]
    seeds = seeds if len(seeds) > 1 else [""]
    shows = sheets.shows_copies(prompt)
    weights = [f"weight {weight:g}" for weight in sheets.weights] if shows else [""]
    return [" · ".join(filter(None, (weight, seed))) for weight in weights for seed in seeds]


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
