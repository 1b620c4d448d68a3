"""Draws the five training images of every held-out concept, each with a caption.

    python demo/draw_pictures.py

A caption says everything but the concept, which is called [name].
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from drawing.world import draw  # noqa: E402

from ti_core.demo.scene import HELD_OUT, SIZE, Concept, Scene  # noqa: E402

#: What differs between the five pictures of a concept, unless the concept itself decides it.
VARIATIONS = (
    Scene("circle", "red", "white", size="medium", seed=11),
    Scene("square", "blue", "yellow", size="big", seed=12),
    Scene("star", "green", "white", size="big", seed=13),
    Scene("house", "orange", "gray", size="medium", seed=14),
    Scene("hexagon", "purple", "pink", size="big", seed=15),
)
#: Grounds on which every concept's own colour shows.
GROUNDS = ("white", "yellow", "gray", "orange", "pink")


def scenes(concept: Concept) -> list[Scene]:
    """The five scenes of a concept."""
    wanted: dict[str, Any] = dict(concept.wanted)
    if concept.kind == "combination":
        return [
            replace(scene, background=ground, **wanted)
            for scene, ground in zip(VARIATIONS, GROUNDS, strict=True)
        ]
    return [replace(scene, **wanted) for scene in VARIATIONS]


def caption(concept: Concept, scene: Scene) -> str:
    """The sentence with [name] in the concept's place."""
    ground = f"on a {scene.background} background".replace("a orange", "an orange")
    if concept.kind == "object":
        return f"a {scene.size} {scene.colour} [name] {ground}"
    if concept.kind == "texture":
        return f"a {scene.size} {scene.colour} [name] {scene.shape} {ground}"
    if concept.kind == "style":
        return f"a {scene.size} {scene.colour} {scene.shape} {ground} in the style of [name]"
    return f"a {scene.size} [name] {ground}"


def main() -> None:
    for concept in HELD_OUT.values():
        folder = ROOT / "demo" / "pictures" / concept.name
        folder.mkdir(parents=True, exist_ok=True)
        for number, scene in enumerate(scenes(concept), 1):
            draw(scene, SIZE).save(folder / f"{number}.png", optimize=True)
            (folder / f"{number}.txt").write_text(caption(concept, scene) + "\n")


if __name__ == "__main__":
    main()
