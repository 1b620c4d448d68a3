"""Pictures with their words, ready to be drawn from: a folder read once, nothing decided twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import DataError
from ..randomness import generator
from .captions import Caption, read_caption
from .config import DataConfig
from .images import list_images
from .item import Item as Item
from .item import read_item
from .picture_facts import Look, facts_of
from .templates import fill, names_trigger, read_template


@dataclass(frozen=True)
class Dataset:
    """Training pictures and the template lines that make their prompts."""

    items: tuple[Item, ...]
    template: tuple[str, ...]
    """Lines with [name] and [filewords]; ("[filewords]",) takes each caption as it is."""
    template_name: str
    skipped: tuple[DataError, ...] = ()
    """Pictures that could not be read, with the reason."""
    choice: str = "step"

    def views(self) -> list[Item]:
        """The pictures as they may be seen in training, each key once: what is to be encoded."""
        return list({item.key: item for item in self.items}.values())

    def prompt(self, index: int, name: str, seed: int, step: int, slot: int) -> str:
        """The prompt of picture `index` at a step, in a place of its batch."""
        place = (index,) if self.choice == "once" else (step, slot)
        line = _draw(self.template, generator(seed, "template", *place))
        return fill(line, name, self.items[index].caption.text)


def _draw(lines: tuple[str, ...], source: torch.Generator) -> str:
    return lines[int(torch.randint(len(lines), (1,), generator=source))]


def load_dataset(config: DataConfig, name: str, resolution: int, look: Look = facts_of) -> Dataset:
    """Read a folder of pictures with captions for an embedding called `name`.

    `resolution` is the model's own, for a config without one. Unreadable pictures are skipped
    and listed; `look` may remember what it saw of a file. Raises DataError when no picture is
    left, or when a prompt lacks the trigger.
    """
    width, height = config.resolution or (resolution, resolution)
    items: list[Item] = []
    skipped: list[DataError] = []
    for path in list_images(Path(config.train_data_dir)):
        try:
            items.append(_read_item(path, config, width, height, look))
        except DataError as error:
            skipped.append(error)
    if not items:
        raise DataError(f"no picture in {config.train_data_dir} can be read", skipped[0].why)
    chosen = template_name(config, name, [item.caption for item in items])
    lines = ["[filewords]"] if chosen == "captions" else read_template(chosen)
    _require_trigger(lines, name, items)
    return Dataset(tuple(items), tuple(lines), chosen, tuple(skipped), config.template_choice)


def _read_item(path: Path, config: DataConfig, width: int, height: int, look: Look) -> Item:
    caption = read_caption(
        path, config.caption_extension, config.filename_word_regex, config.filename_join_string
    )
    return read_item(path, caption, width, height, config.resize_mode, look)


def template_name(config: DataConfig, name: str, captions: list[Caption]) -> str:
    """The template that a config means for these captions; see DataConfig.prompt_template."""
    if config.use_object_template:
        return "subject"
    if config.use_style_template:
        return "style"
    if config.prompt_template != "auto":
        return config.prompt_template
    if all(names_trigger(fill("[filewords]", name, c.text), name) for c in captions):
        return "captions"
    return "subject_filewords" if any(c.from_file for c in captions) else "subject"


def _require_trigger(lines: list[str], name: str, items: list[Item]) -> None:
    """Without the trigger in its prompt a picture teaches nothing; A1111 trains for hours."""
    for item in items:
        for line in lines:
            prompt = fill(line, name, item.caption.text)
            if not names_trigger(prompt, name):
                raise DataError(
                    f"the prompt {prompt!r} of {item.path.name} does not hold {name!r}",
                    "nothing would be learned from it",
                    "put [name] into the caption or the template, or add --use_object_template",
                )
