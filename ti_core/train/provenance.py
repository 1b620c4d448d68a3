"""What a file tells of its making, besides the settings: version, images, prompts, VAE.

All of it is a function of the run, as the vectors are. What the machine was (device, threads,
versions of other packages) is kept in the run folder: one run gives one file wherever its numbers
come out alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from .. import __version__
from ..data.dataset import Dataset
from ..data.picture_facts import digest_of
from ..data.templates import SHIPPED, as_text
from ..errors import DataError, setting
from ..events import Notice
from ..files.notes import DATA, TEMPLATE, VERSION
from ..options import MOST_LETTERS

_DIGITS = 32


def provenance(dataset: Dataset) -> dict[str, str]:
    """Metadata for a file. What the VAE is shows only when images are encoded."""
    found = {VERSION: __version__, DATA: data_digest(dataset), TEMPLATE: template_of(dataset)}
    return {key: value for key, value in found.items() if value}


def data_digest(dataset: Dataset) -> str:
    """32 hexadecimal digits of all images, masks and captions in their order, and of how often
    each comes and how much it counts; not of names and folders. "" where a mask has gone."""
    found = hashlib.blake2b(digest_size=_DIGITS // 2)
    try:
        for parts in _told(dataset):
            found.update(repr(parts).encode("utf-8", "surrogatepass"))
    except DataError:
        return ""
    return found.hexdigest()


def other_data(dataset: Dataset, expected: str) -> Iterator[Notice]:
    """A warning where the images are not those that a file tells it was made of."""
    found = data_digest(dataset) if expected else ""
    if found and found != expected.strip():
        yield Notice(
            "warning",
            "the images or captions are not those that these settings were used with before",
            f"their hash is {found}, and {setting('expected_data')} is {expected:.60}",
            f"choose the same folder for the same result, or leave {setting('expected_data')} "
            "empty",
        )


def _told(dataset: Dataset) -> Iterator[tuple[object, ...]]:
    for index, item in enumerate(dataset.items):
        own = item.mask is not None and item.mask != item.path
        mask = digest_of(item.mask) if own and item.mask else bool(item.mask)
        weight = dataset.source(index).folder.weight
        yield item.digest, item.caption.text, dataset.repeats[index], weight, mask


def template_of(dataset: Dataset) -> str:
    """What `prompt_template` may be for the same prompts: a name, or lines. "" where folders have
    templates of their own."""
    sources = [each for each in dataset.sources if not each.folder.regular]
    if len({each.template for each in sources}) != 1:
        return ""
    name = sources[0].template_name.removesuffix(".txt")
    text = name if name in ("captions", *SHIPPED) else as_text(sources[0].template)
    return text if len(text) <= MOST_LETTERS else ""
