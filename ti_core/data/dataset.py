"""Images with their words, ready to be drawn from: folders read once, nothing decided twice."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import DataError, setting
from ..events import Notice, notice_of
from ..randomness import generator
from .augment import draws_flip
from .buckets import Frame, frame_of
from .captions import Caption, read_caption
from .config import DataConfig, TagConfig
from .folder import Subset
from .folders import folders_of
from .item import Item, read_item
from .order import Order, SizeGroup, balance_repeats
from .picture_facts import Look, read_facts
from .pictures import list_folder, masks_among, no_pictures, open_mask, pictures_in
from .tags import holds_trigger, vary_caption
from .templates import fill, names_trigger, read_template

_NAMED = 3
"""Images that are left out for the same reason."""
_MOST_LETTERS = 50_000
"""In a prompt."""


@dataclass(frozen=True)
class Source:
    """A folder, and the lines that make the prompts of its images."""

    folder: Subset
    template: tuple[str, ...]
    """Lines with [name] and [filewords]; ("[filewords]",) takes each caption as it is."""
    template_name: str
    error: DataError | None = None
    """Why the template cannot be read; there are no lines then."""
    word: str = ""
    """The word that its prompts name, where a run has several; "" is the one that there is."""


class SkippedPicture(NamedTuple):
    """An image that is left out."""

    path: Path
    error: DataError
    """A CaptionError where only its caption cannot be read."""


@dataclass(frozen=True)
class Dataset:
    """Training images and what makes their prompts."""

    items: tuple[Item, ...]
    sources: tuple[Source, ...]
    origin: tuple[int, ...]
    """Number of the source of each image."""
    repeats: tuple[int, ...]
    """How often each image comes in an epoch."""
    folders: tuple[Subset, ...] = ()
    """All that were read, those without an image that can be read included."""
    skipped: tuple[SkippedPicture, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def template_name(self) -> str:
        """That of every folder with training images, each once."""
        names = [each.template_name for each in self.sources if not each.folder.regular]
        return ", ".join(dict.fromkeys(names))

    def about_skipped(self) -> list[Notice]:
        """A notice for each image that is left out, or for each reason that many of them have."""
        reasons: dict[tuple[str, str], list[SkippedPicture]] = {}
        for each in self.skipped:
            reasons.setdefault((each.error.why, each.error.fix), []).append(each)
        found = []
        for (why, fix), alike in reasons.items():
            if len(alike) <= _NAMED:
                found += [notice_of(each.error) for each in alike]
            else:
                names = ", ".join(each.path.name for each in alike[:_NAMED])
                what = f"{len(alike)} images are skipped ({names}, …)"
                found.append(Notice("warning", what, why, fix))
        return found

    def source(self, index: int) -> Source:
        """Where image `index` comes from."""
        return self.sources[self.origin[index]]

    def require_trainable(self, name: str, needs_trigger: bool = True) -> None:
        """Raise DataError unless there are images to train on and prompts for all of them, with
        the name in each where it `needs_trigger`."""
        if all(source.folder.regular for source in self.sources):
            where = ", ".join(str(each.path) for each in self.folders if not each.regular)
            first = self.skipped[0].error if self.skipped else DataError("")
            raise DataError(f"no image in {where} can be read", first.why, first.fix)
        for number, source in enumerate(self.sources):
            if source.error:
                raise source.error
            if needs_trigger and not source.folder.regular:
                own = (item for item, n in zip(self.items, self.origin, strict=True) if n == number)
                _require_trigger(source, source.word or name, own)

    def views(self) -> list[Item]:
        """The images as they may be seen in training, each key once: what is to be encoded."""
        found = {}
        for index, item in enumerate(self.items):
            flips = self.source(index).folder.config.flip_aug
            for view in (item, item.mirrored) if flips else (item,):
                found[view.key] = view
        return list(found.values())

    def view(self, index: int, seed: int, step: int, slot: int) -> Item:
        """Image `index` as it is seen at a step, in a place of its batch."""
        item = self.items[index]
        flips = self.source(index).folder.config.flip_aug
        return item.mirrored if flips and draws_flip(seed, step, slot) else item

    def prompt(self, index: int, name: str, seed: int, step: int, slot: int) -> str:
        """The prompt of image `index` at a step, in a place of its batch. `name` is the word
        where there is one."""
        source = self.source(index)
        name = source.word or name
        config = source.folder.config
        place = (index,) if config.template_choice == "once" else (step, slot)
        line = _draw(source.template, generator(seed, "template", *place))
        tags = _tags_for(line, config.tags, name, source.folder.regular)
        text = self.items[index].caption.text
        return fill(line, name, vary_caption(text, tags, name, seed, step, slot))

    def order(self, seed: int, batch_size: int, passes: int) -> Order:
        """Which images each update sees; `batch_size` where a folder has none of its own."""
        groups: dict[tuple[tuple[int, int], int], list[int]] = {}
        for index, (item, times) in enumerate(zip(self.items, self.repeats, strict=True)):
            size = self.source(index).folder.batch_size or batch_size
            groups.setdefault((item.size.target, size), []).extend([index] * times)
        alike = (SizeGroup(tuple(numbers), size) for (_, size), numbers in groups.items())
        return Order(tuple(alike), seed, passes)

    def of_word(self, word: str) -> Dataset:
        """The images of one of several words."""
        sources = [number for number, source in enumerate(self.sources) if source.word == word]
        kept = [index for index, number in enumerate(self.origin) if number in sources]
        return dataclasses.replace(
            self,
            items=tuple(self.items[index] for index in kept),
            sources=tuple(self.sources[number] for number in sources),
            origin=tuple(sources.index(self.origin[index]) for index in kept),
            repeats=tuple(self.repeats[index] for index in kept),
        )

    def sizes(self) -> dict[tuple[int, int], int]:
        """(width, height) → images of that size in an epoch, repeats counted."""
        found: Counter[tuple[int, int]] = Counter()
        for item, times in zip(self.items, self.repeats, strict=True):
            found[item.size.target[1], item.size.target[0]] += times
        return dict(sorted(found.items()))


def joined(datasets: Mapping[str, Dataset]) -> Dataset:
    """Word → its dataset; all of them as one, in which every image keeps its word."""
    sources: list[Source] = []
    origin: list[int] = []
    for word, each in datasets.items():
        origin += [len(sources) + number for number in each.origin]
        sources += [dataclasses.replace(source, word=word) for source in each.sources]
    every = datasets.values()
    return Dataset(
        tuple(item for each in every for item in each.items),
        tuple(sources),
        tuple(origin),
        tuple(times for each in every for times in each.repeats),
        tuple(folder for each in every for folder in each.folders),
        tuple(skipped for each in every for skipped in each.skipped),
        tuple(notice for each in every for notice in each.notices),
    )


def _draw(lines: tuple[str, ...], source: torch.Generator) -> str:
    return lines[int(torch.randint(len(lines), (1,), generator=source))]


def _tags_for(line: str, tags: TagConfig, name: str, regular: bool) -> TagConfig:
    """Where the line names the word, or where it must not come in, it is not inserted."""
    if tags.insert_trigger and (regular or names_trigger(fill(line, name, ""), name)):
        return dataclasses.replace(tags, insert_trigger=False)
    return tags


def load_dataset(
    config: DataConfig,
    name: str,
    resolution: int,
    look: Look = read_facts,
    needs_trigger: bool = True,
) -> Dataset:
    """What `read_dataset` reads. Raises DataError, too, unless it can be trained on."""
    dataset = read_dataset(config, name, resolution, look)
    dataset.require_trainable(name, needs_trigger)
    return dataset


def read_dataset(
    config: DataConfig, name: str, resolution: int, look: Look = read_facts
) -> Dataset:
    """Read images with captions for an embedding called `name`; see `folders_of`.

    `resolution` is the model's own, for a config without one. Unreadable images are skipped
    and listed; `look` may remember what it saw of a file. Raises DataError for a folder that is
    missing, closed or without images, and ConfigError for a dataset file that is wrong.
    """
    folders = folders_of(config)
    paths = [(folder, _paths_of(folder)) for folder in folders.folders]
    empty = _empty(paths)
    skipped: list[SkippedPicture] = []
    pictures = [_read_folder(f, found, resolution, look, skipped) for f, found in paths]
    read = [each for each in zip(folders.folders, pictures, strict=True) if each[1]]
    return _with_repeats(
        Dataset(
            tuple(item for _, items in read for item in items),
            tuple(_source(folder, items, name) for folder, items in read),
            tuple(number for number, (_, items) in enumerate(read) for _ in items),
            (),
            folders.folders,
            tuple(skipped),
            (*folders.notices, *empty),
        )
    )


def _paths_of(folder: Subset) -> list[Path]:
    return pictures_in(folder.path, folder.origin) if folder.repeats else []


def _empty(paths: list[tuple[Subset, list[Path]]]) -> list[Notice]:
    """What is to be said of folders without an image: kohya's scripts continue without them.

    Raises DataError when there is none to train on."""
    whys = [(folder, _why_empty(folder)) for folder, found in paths if not found]
    if not any(found and not folder.regular for folder, found in paths):
        raise next(why for folder, why in whys if not folder.regular)
    return [notice_of(why) for _, why in whys]


def _why_empty(folder: Subset) -> DataError:
    if folder.repeats:
        return no_pictures(folder.path)
    what = f"the images in {folder.path} are left out"
    return DataError(what, "num_repeats is 0", "give 1 or more, to train on them")


def _read_folder(
    folder: Subset,
    paths: list[Path],
    resolution: int,
    look: Look,
    skipped: list[SkippedPicture],
) -> list[Item]:
    items = []
    masks = masks_among(list_folder(folder.path)) if folder.config.masked_loss else {}
    for path in paths:
        mask = masks.get(path.stem, path) if folder.config.masked_loss else None
        try:
            items.append(_read_item(path, folder, resolution, look, mask))
        except DataError as error:
            skipped.append(SkippedPicture(path, error))
    return items


def _read_item(path: Path, folder: Subset, resolution: int, look: Look, mask: Path | None) -> Item:
    size = folder.config.resolution or (resolution, resolution)

    def frame(found: tuple[int, int]) -> Frame:
        return frame_of(found, folder.config, size)

    if mask is not None and mask != path:
        open_mask(mask)  # a mask that cannot be read is to show now, not at some step
    return read_item(path, caption_of(path, folder), frame, look, mask)


def caption_of(path: Path, folder: Subset) -> Caption:
    """The caption of an image of a folder. Raises DataError for one that is not text."""
    config = folder.config
    return read_caption(
        path,
        config.caption_extension,
        config.filename_word_regex,
        config.filename_join_string,
        folder.words,
        config.caption_lines == "first",
    )


def _source(folder: Subset, items: list[Item], name: str) -> Source:
    """Regularization images have their captions for prompts, and need not name the word."""
    if folder.regular:
        return Source(folder, ("[filewords]",), "captions")
    chosen = template_name(folder.config, name, [item.caption for item in items])
    try:
        lines = ["[filewords]"] if chosen == "captions" else read_template(chosen)
        _require_short(lines, items, chosen)
    except DataError as error:
        return Source(folder, (), chosen, error)
    return Source(folder, tuple(lines), chosen)


def _require_short(lines: list[str], items: list[Item], template: str) -> None:
    longest = max(len(item.caption.text) for item in items)
    letters = max(len(line) + line.count("[filewords]") * longest for line in lines)
    if letters > _MOST_LETTERS:
        what = f"prompts of the template {template} would have {letters:,} characters"
        raise DataError(what, f"{_MOST_LETTERS:,} are enough", "shorten its lines or the captions")


def _with_repeats(dataset: Dataset) -> Dataset:
    """kohya's numbers: training images as their folders say, and as many of the others."""
    repeats = [dataset.source(index).folder.repeats for index in range(len(dataset.items))]
    notices = list(dataset.notices)
    for number in {source.folder.dataset for source in dataset.sources}:
        own = [i for i in range(len(repeats)) if dataset.source(i).folder.dataset == number]
        regular = [i for i in own if dataset.source(i).folder.regular]
        wanted = sum(repeats[i] for i in own) - sum(repeats[i] for i in regular)
        found = balance_repeats([repeats[i] for i in regular], wanted)
        for i, times in zip(regular, found, strict=True):
            repeats[i] = times
    unused = repeats.count(0)
    if unused:
        what = f"{unused} regularization image(s) are not used"
        notices.append(Notice("info", what, "the others are as many as the training images"))
    kept = [i for i, times in enumerate(repeats) if times]
    return dataclasses.replace(
        dataset,
        items=tuple(dataset.items[i] for i in kept),
        origin=tuple(dataset.origin[i] for i in kept),
        repeats=tuple(repeats[i] for i in kept),
        notices=tuple(notices),
    )


def template_name(config: DataConfig, name: str, captions: list[Caption]) -> str:
    """The template that a config means for these captions; see DataConfig.prompt_template."""
    if config.use_object_template:
        return "subject"
    if config.use_style_template:
        return "style"
    if config.prompt_template != "auto":
        return config.prompt_template
    if all(holds_trigger(full_caption(c.text, config.tags, name), name) for c in captions):
        return "captions"
    given = any(caption.from_file or caption.from_folder for caption in captions)
    return "subject_filewords" if given else "subject"


def full_caption(caption: str, tags: TagConfig, name: str) -> str:
    """A caption with all that is added to it, and nothing dropped: the new word stays anyhow."""
    calm = dataclasses.replace(
        tags, shuffle_caption=False, caption_tag_dropout_rate=0.0, caption_dropout_rate=0.0
    )
    return vary_caption(caption, calm, name, 0, 0, 0)


def _require_trigger(source: Source, name: str, items: Iterable[Item]) -> None:
    """Without the trigger in its prompt an image teaches nothing; A1111 trains for hours."""
    tags = source.folder.config.tags
    doubtful = [line for line in source.template if not names_trigger(fill(line, name, "x"), name)]
    for item in items:
        for line in doubtful:
            text = full_caption(item.caption.text, _tags_for(line, tags, name, regular=False), name)
            prompt = fill(line, name, text)
            if not names_trigger(prompt, name):
                raise DataError(
                    f"the prompt {prompt!r} of {item.path.name} does not hold {name!r}",
                    "nothing would be learned from it",
                    "put [name] into the caption or the template, or use "
                    f"{setting('use_object_template')}",
                )
