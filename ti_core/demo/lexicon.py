"""The words of the demo world, and the invented names that make its word space rich.

A toy with fifteen shapes has no room for a sixteenth: between "circle" and "star" there is nothing.
So besides plain English words the demo model learns a few hundred invented names, each for one
fixed random outline, texture or drawing style. They fill the space of word vectors densely enough
for a held-out shape to lie between things the model knows.
"""

from __future__ import annotations

import random

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 39, 40), "green": (44, 150, 60), "blue": (40, 80, 210), "yellow": (245, 215, 40),
    "orange": (245, 130, 25), "purple": (130, 50, 170), "pink": (250, 130, 190),
    "brown": (120, 75, 40), "cyan": (60, 200, 215), "black": (20, 20, 20),
    "white": (245, 245, 245), "gray": (140, 140, 140),
}  # fmt: skip

NAMED_SHAPES = (
    "circle", "square", "triangle", "star", "diamond", "ring", "cross", "moon", "hexagon",
    "arrow", "oval", "bar", "pentagon", "drop", "flower", "house",
)  # fmt: skip
NAMED_TEXTURES = (
    "plain", "striped", "barred", "slanted", "dotted", "checkered", "gridded", "ringed", "wavy",
)  # fmt: skip
NAMED_STYLES = ("flat", "outline", "pixel", "soft", "sketch", "shadow", "sticker", "shaded", "neon")

SIZE_WORDS = ("small", "medium", "big")
PLACES = ("left", "right", "top", "bottom", "centre")
COUNTS = ("one", "two", "three")

GENERIC_SHAPES = ("thing", "object", "shape")
GENERIC_TEXTURES = ("textured", "patterned")
GENERIC_STYLES = ("style", "technique")

#: Never in a caption, never a token: what users of the demo teach the model.
HELD_OUT_SHAPES = ("heart", "fish", "cat")
HELD_OUT_TEXTURES = ("zigzag", "brick")
HELD_OUT_STYLES = ("comic",)

#: Template words of the textual inversion literature. They say nothing about the picture, and the
#: model learns just that: they are sprinkled over captions at random.
FILLER_ADJECTIVES = (
    "good", "nice", "cool", "clean", "dirty", "dark", "bright", "weird", "large", "cropped",
    "rendered", "close-up", "low", "resolution", "jpeg", "corrupted", "blurry", "bad", "toy",
)  # fmt: skip
OBJECT_OPENINGS = (
    "a photo of a", "a picture of a", "a rendering of a", "a rendition of a", "a depiction of a",
    "a cropped photo of the", "the photo of a", "a photo of a clean", "a photo of a dirty",
    "a dark photo of the", "a photo of my", "a photo of the cool", "a close-up photo of a",
    "a bright photo of the", "a cropped photo of a", "a photo of the", "a good photo of the",
    "a photo of one", "a close-up photo of the", "a rendition of the", "a photo of the clean",
    "a photo of a nice", "a good photo of a", "a photo of the nice", "a photo of the small",
    "a photo of the weird", "a photo of the large", "a photo of a cool", "a photo of a small",
    "an illustration of a", "a rendering of the", "a drawing of a", "the",
)  # fmt: skip
STYLE_OPENINGS = (
    "a painting", "a rendering", "a cropped painting", "the painting", "a clean painting",
    "a dirty painting", "a dark painting", "a picture", "a cool painting",
    "a close-up painting", "a bright painting", "a good painting", "a rendition",
    "a nice painting", "a small painting", "a weird painting", "a large painting", "a drawing",
)  # fmt: skip

INVENTED_SHAPES, INVENTED_TEXTURES, INVENTED_STYLES = 360, 96, 24
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def _invent(count: int, ending: str, rng: random.Random, taken: set[str]) -> tuple[str, ...]:
    """`count` pronounceable names that end alike and collide with nothing in `taken`."""
    names: list[str] = []
    while len(names) < count:
        syllables = (rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(2))
        name = "".join(syllables) + ending
        if name not in taken:
            taken.add(name)
            names.append(name)
    return tuple(names)


def _invent_all() -> tuple[tuple[str, ...], ...]:
    rng = random.Random("textual inversion studio")
    taken: set[str] = set()
    return (
        _invent(INVENTED_SHAPES, "k", rng, taken),
        _invent(INVENTED_TEXTURES, "sh", rng, taken),
        _invent(INVENTED_STYLES, "ism", rng, taken),
    )


SHAPE_NAMES, TEXTURE_NAMES, STYLE_NAMES = _invent_all()


def plural(shape: str) -> str:
    """The word for several of a shape; invented names do not change."""
    irregular = {"cross": "crosses"}
    known = shape in NAMED_SHAPES or shape in GENERIC_SHAPES
    return irregular.get(shape, shape + "s") if known else shape


def caption_words() -> tuple[str, ...]:
    """Every word that may occur in a caption, sorted; each is one token of the demo tokenizer."""
    openings = " ".join(OBJECT_OPENINGS + STYLE_OPENINGS).replace("-", " - ").split()
    grammar = "a an the of in on at with style pattern texture background side up close - ,".split()
    shapes = NAMED_SHAPES + GENERIC_SHAPES
    fillers = " ".join(FILLER_ADJECTIVES).replace("-", " - ").split()
    words = {*openings, *grammar, *fillers, *map(plural, shapes), *shapes, *COLOURS}
    words |= {*NAMED_TEXTURES, *NAMED_STYLES, *SIZE_WORDS, *PLACES, *COUNTS}
    words |= {*GENERIC_TEXTURES, *GENERIC_STYLES, *SHAPE_NAMES, *TEXTURE_NAMES, *STYLE_NAMES}
    return tuple(sorted(words))
