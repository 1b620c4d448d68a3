"""What an image of the demo world shows, and the concepts that are kept out of its captions."""

from __future__ import annotations

from dataclasses import asdict, dataclass

SIZE = 96
"""Side in pixels of the world's images."""


@dataclass(frozen=True)
class Scene:
    """All that decides an image. `seed` moves, turns and tints it a little."""

    shape: str = "circle"
    colour: str = "red"
    background: str = "white"
    texture: str = "plain"
    style: str = "flat"
    size: str = "medium"
    place: str = "centre"
    count: str = "one"
    seed: int = 0


@dataclass(frozen=True)
class Concept:
    """Something the model was never told about, and how to teach and to check it."""

    name: str
    kind: str  # "object", "texture", "style" or "combination"
    sentence: str
    wanted: dict[str, str]  # Scene fields and the values the scorer has to find
    init_words: tuple[str, ...]
    template: str  # "object" or "style": which list of template lines fits
    preview: str
    prompts: tuple[str, ...]  # "[name]" stands for the embedding; the score is taken over all


_OBJECT = ("a [name]", "a blue [name]", "a red [name] on a white background", "a big green [name]")
_TEXTURE = (
    "a [name] circle", "a blue [name] square", "a big green [name] circle",
    "a red [name] square on a white background",
)  # fmt: skip
_STYLE = (
    "a blue circle in the style of [name]", "a red square in the style of [name]",
    "a green star in the style of [name]", "an orange house in the style of [name]",
)  # fmt: skip
_WHOLE = ("a [name]", "a [name] on a white background", "a big [name]", "a photo of a [name]")


def _object(name: str, near: str) -> Concept:
    return Concept(
        name, "object", f"the silhouette of a {name}, in any colour", {"shape": name},
        (near, "thing"), "object", "a red [name] on a white background", _OBJECT,
    )  # fmt: skip


def _texture(name: str, near: str, sentence: str) -> Concept:
    return Concept(
        name, "texture", sentence, {"texture": name}, (near, "textured"), "object",
        "a blue [name] circle on a white background", _TEXTURE,
    )  # fmt: skip


def _combination(name: str, colour: str, pattern: str, shape: str) -> Concept:
    return Concept(
        name, "combination", f"a {colour} {pattern} {shape}",
        {"colour": colour, "texture": pattern, "shape": shape}, (shape, "thing"), "object",
        "a [name] on a white background", _WHOLE,
    )  # fmt: skip


HELD_OUT: dict[str, Concept] = {
    concept.name: concept
    for concept in (
        _object("heart", "circle"),
        _object("fish", "oval"),
        _object("cat", "square"),
        _texture("zigzag", "dotted", "stripes folded into sharp teeth"),
        _texture("brick", "dotted", "a wall of bricks, each row shifted by half"),
        Concept(
            "comic", "style", "a thick black contour and a hard black shadow",
            {"style": "comic"}, ("shaded", "flat"), "style",
            "a blue circle in the style of [name]", _STYLE,
        ),
        _combination("lily", "cyan", "striped", "flower"),
        _combination("harlequin", "purple", "checkered", "diamond"),
    )
}  # fmt: skip


def is_held_out(scene: Scene) -> bool:
    """True if the scene shows a held-out concept."""
    fields = asdict(scene)
    return any(
        all(fields[key] == value for key, value in concept.wanted.items())
        for concept in HELD_OUT.values()
    )
