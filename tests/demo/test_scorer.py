"""The scorer reads drawings right and refuses what it was not asked for."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing.world import draw
from PIL import Image

from ti_core.demo.scene import HELD_OUT, Concept, Scene
from ti_core.demo.scorer import Scorer

WEIGHTS = Path(__file__).parents[2] / "demo" / "scorer.safetensors"


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load(WEIGHTS)


def _drawings(wanted: Mapping[str, Any], count: int = 12) -> list[Image.Image]:
    """Plain scenes that show what is wanted, with everything else varied."""
    rng = random.Random(str(wanted))
    scenes = (
        Scene(
            shape=rng.choice(("circle", "square", "star", "hexagon")),
            colour=rng.choice(("red", "blue", "green", "orange")),
            background=rng.choice(("white", "yellow", "gray")),
            size=rng.choice(("medium", "big")),
            seed=rng.getrandbits(30),
        )
        for _ in range(count)
    )
    return [draw(replace(scene, **wanted)) for scene in scenes]


@pytest.mark.parametrize("concept", HELD_OUT.values(), ids=list(HELD_OUT))
def test_drawings_of_a_concept_score_high(scorer: Scorer, concept: Concept) -> None:
    assert scorer.concept_score(_drawings(concept.wanted), concept) > 0.8


@pytest.mark.parametrize("concept", HELD_OUT.values(), ids=list(HELD_OUT))
def test_drawings_of_other_things_score_low(scorer: Scorer, concept: Concept) -> None:
    others = [c for c in HELD_OUT.values() if c.name != concept.name]
    pictures = [picture for other in others for picture in _drawings(other.wanted, 4)]
    assert scorer.concept_score(pictures, concept) < 0.1


def test_plain_readings(scorer: Scorer) -> None:
    reading = scorer.read(draw(Scene("star", "purple", "yellow", texture="checkered", size="big")))
    assert (reading.colour, reading.background) == ("purple", "yellow")
    assert (reading.shape, reading.texture, reading.style) == ("star", "checkered", "flat")
    assert 0 < reading.sure <= 1


def test_bigger_pictures_are_read_too(scorer: Scorer) -> None:
    assert scorer.read(draw(Scene("ring", "green", size="big"), 256)).shape == "ring"


def test_noise_is_no_concept(scorer: Scorer) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
    pictures = [Image.fromarray(one) for one in noise]
    assert all(scorer.concept_score(pictures, concept) < 0.5 for concept in HELD_OUT.values())


def test_matches_takes_plain_fields(scorer: Scorer) -> None:
    picture = draw(Scene("triangle", "red", size="big"))
    assert scorer.matches(picture, {"shape": "triangle", "colour": "red"})
    assert not scorer.matches(picture, {"shape": "triangle", "colour": "blue"})
