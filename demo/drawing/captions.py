"""Random scenes, and sentences that describe a scene in the demo model's words.

What a sentence leaves out is mostly at its default (plain, flat, medium, one), as in real captions.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ti_core.demo import lexicon as words
from ti_core.demo.scene import Scene, is_held_out

_DEFAULTS = {
    "texture": "plain", "style": "flat", "size": "medium", "place": "centre", "count": "one",
}  # fmt: skip


def random_scene(rng: random.Random, described: float = 0.35, held_out: float = 0.12) -> Scene:
    """A scene nobody asked for.

    `described`: how often a shape or texture is a nameless random one ("#s…", "#t…").
    `held_out`: how often it is a held-out one, which captions then call a "thing" or "textured".
    """
    while True:
        scene = _any_scene(rng, described, held_out)
        if not _is_held_out_combination(scene):
            return scene


def _any_scene(rng: random.Random, described: float, held_out: float) -> Scene:
    colour = rng.choice(list(words.COLOURS))
    grounds = [name for name in words.COLOURS if name != colour]
    white = colour != "white" and rng.random() < 0.4
    count = rng.choices(words.COUNTS, (0.84, 0.09, 0.07))[0]
    return Scene(
        shape=_shape(rng, described, held_out),
        colour=colour,
        background="white" if white else rng.choice(grounds),
        texture=_texture(rng, described, held_out),
        style=_style(rng, held_out),
        size=rng.choices(words.SIZE_WORDS, (0.15, 0.45, 0.4))[0] if count == "one" else "small",
        place="centre" if count != "one" or rng.random() < 0.5 else rng.choice(words.PLACES),
        count=count,
        seed=rng.getrandbits(31),
    )


def _pick(
    rng: random.Random, options: Sequence[tuple[float, Sequence[str]]], described: float, mark: str
) -> str:
    """One word of weighted lists, or with chance `described` a nameless seed."""
    if rng.random() < described:
        return f"#{mark}{rng.getrandbits(30)}"
    return rng.choice(rng.choices([o for _, o in options], [w for w, _ in options])[0])


def _shape(rng: random.Random, described: float, held_out: float) -> str:
    options = (
        (0.62, words.NAMED_SHAPES), (0.38, words.SHAPE_NAMES), (held_out, words.HELD_OUT_SHAPES),
    )  # fmt: skip
    return _pick(rng, options, described, "s")


def _texture(rng: random.Random, described: float, held_out: float) -> str:
    if rng.random() < 0.42:
        return "plain"
    options = (
        (0.55, words.NAMED_TEXTURES), (0.45, words.TEXTURE_NAMES),
        (held_out, words.HELD_OUT_TEXTURES),
    )  # fmt: skip
    return _pick(rng, options, described, "t")


def _style(rng: random.Random, held_out: float) -> str:
    if rng.random() < 0.55:
        return "flat"
    options = (
        (0.6, words.NAMED_STYLES), (0.4, words.STYLE_NAMES), (held_out, words.HELD_OUT_STYLES),
    )  # fmt: skip
    return _pick(rng, options, 0.0, "")


def _is_held_out_combination(scene: Scene) -> bool:
    single = {*words.HELD_OUT_SHAPES, *words.HELD_OUT_TEXTURES, *words.HELD_OUT_STYLES}
    return is_held_out(scene) and not single & {scene.shape, scene.texture, scene.style}


def caption(scene: Scene, rng: random.Random) -> str:
    """A sentence about the scene; held-out names never occur, generic words take their place."""
    short = rng.random() < 0.35
    noun = _noun_phrase(scene, rng, short)
    style_known = scene.style not in words.HELD_OUT_STYLES
    says_style = style_known and _says(scene, "style", rng)
    tail = [_place(scene, rng), _ground(scene, rng, short)]
    if says_style and scene.style in words.NAMED_STYLES and rng.random() < 0.5:
        noun = f"{scene.style} {noun}"
    elif says_style:
        tail.append(_in_style(scene.style, rng))
    elif not style_known and rng.random() < 0.9:
        tail.append(f"in the {rng.choice(words.GENERIC_STYLES)}")
    if rng.random() < 0.3:
        rng.shuffle(tail)
    joint = " , " if rng.random() < 0.15 else " "
    return " ".join([_opening(scene, rng), joint.join([noun, *filter(None, tail)])]).strip()


def _says(scene: Scene, field: str, rng: random.Random) -> bool:
    """Whether the sentence mentions a field: nearly always if unusual, seldom if at its default."""
    default = getattr(scene, field) == _DEFAULTS[field]
    return rng.random() < (0.12 if default else 0.92)


def _noun_phrase(scene: Scene, rng: random.Random, short: bool) -> str:
    several = scene.count != "one"
    parts = [scene.count if several or rng.random() < 0.05 else ""]
    if not several and _says(scene, "size", rng):
        parts.append(scene.size)
    middle = [scene.colour if rng.random() < (0.8 if short else 0.93) else ""]
    if scene.texture in words.HELD_OUT_TEXTURES or rng.random() < 0.03:
        middle.append(rng.choice(words.GENERIC_TEXTURES) if scene.texture != "plain" else "")
    elif _says(scene, "texture", rng):
        middle.append(scene.texture)
    if rng.random() < 0.5:
        middle.reverse()
    return " ".join(filter(None, [*parts, *middle, _noun(scene, rng, several)]))


def _noun(scene: Scene, rng: random.Random, several: bool) -> str:
    generic = scene.shape in words.HELD_OUT_SHAPES or rng.random() < 0.12
    noun = rng.choice(words.GENERIC_SHAPES) if generic else scene.shape
    return words.plural(noun) if several else noun


def _place(scene: Scene, rng: random.Random) -> str:
    if scene.count != "one" or not _says(scene, "place", rng):
        return ""
    lead = "in" if scene.place == "centre" else rng.choice(("on", "at"))
    return f"{lead} the {scene.place}" + (" side" if rng.random() < 0.1 else "")


def _ground(scene: Scene, rng: random.Random, short: bool) -> str:
    if rng.random() < (0.6 if short else 0.08):
        return ""
    article = rng.choice(("a ", "", "an " if scene.background == "orange" else "a "))
    return f"{rng.choice(('on', 'on', 'with'))} {article}{scene.background} background"


def _in_style(name: str, rng: random.Random) -> str:
    return rng.choice((f"in the style of {name}", f"in {name} style", f"{name} style"))


def _opening(scene: Scene, rng: random.Random) -> str:
    """Nothing, an article, or a line of the textual inversion templates as neutral noise."""
    draw = rng.random()
    if draw < 0.4 and scene.count == "one":
        return "an" if scene.colour == "orange" else "a"
    if draw < 0.5:
        return ""
    if draw < 0.88:
        opening = rng.choice(words.OBJECT_OPENINGS)
        if scene.count != "one":
            opening = opening.rsplit(" ", 1)[0]
    else:
        opening = rng.choice(words.STYLE_OPENINGS) + " of"
    if rng.random() < 0.12:
        opening += f" {rng.choice(words.FILLER_ADJECTIVES)}"
    return opening.replace("-", " - ")
