"""Drawings and captions of the demo world."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawing.captions import caption, random_scene
from drawing.styles import style
from drawing.world import draw
from numpy.typing import NDArray

from ti_core.demo import lexicon
from ti_core.demo.scene import HELD_OUT, Concept, Scene, is_held_out

ROUNDS = 400


def _pixels(scene: Scene) -> NDArray[np.int16]:
    return np.asarray(draw(scene), np.int16)


def scene_of(concept: Concept) -> Scene:
    wanted: dict[str, Any] = dict(concept.wanted)
    return replace(Scene(), **wanted)


def test_a_picture_is_a_function_of_its_scene() -> None:
    scene = random_scene(random.Random(4))
    assert np.array_equal(_pixels(scene), _pixels(scene))
    assert not np.array_equal(_pixels(scene), _pixels(replace(scene, seed=scene.seed + 1)))


@pytest.mark.parametrize("size", [64, 96, 256])
def test_pictures_have_the_asked_size(size: int) -> None:
    picture = draw(Scene(texture="brick", style="comic"), size)
    assert (picture.size, picture.mode) == ((size, size), "RGB")


def test_colours_are_where_they_belong() -> None:
    pixels = _pixels(Scene("circle", "blue", "yellow"))
    assert np.abs(pixels[48, 48] - lexicon.COLOURS["blue"]).max() < 15
    assert np.abs(pixels[2, 2] - lexicon.COLOURS["yellow"]).max() < 15


@pytest.mark.parametrize("name", lexicon.NAMED_SHAPES + lexicon.HELD_OUT_SHAPES)
def test_every_shape_is_drawn_and_differs_from_the_others(name: str) -> None:
    others = {*lexicon.NAMED_SHAPES, *lexicon.HELD_OUT_SHAPES} - {name}
    own = _pixels(Scene(name, seed=1))
    assert 300 < (np.abs(own - own[0, 0]).sum(2) > 60).sum() < 6000
    assert all((np.abs(own - _pixels(Scene(o, seed=1))).sum(2) > 60).sum() > 40 for o in others)


def test_pictures_of_random_scenes_show_something() -> None:
    rng = random.Random(5)
    for _ in range(60):
        assert _pixels(random_scene(rng)).std() > 2


def test_captions_never_say_what_is_held_out() -> None:
    rng, banned = random.Random(6), {*HELD_OUT}
    for _ in range(ROUNDS):
        words = set(caption(random_scene(rng, held_out=0.5), rng).split())
        assert not words & banned


def test_captions_use_the_vocabulary_only() -> None:
    rng, known = random.Random(7), {*lexicon.caption_words()}
    for _ in range(ROUNDS):
        words = caption(random_scene(rng, described=0), rng).split()
        assert set(words) <= known


def test_nameless_things_are_marked_in_captions() -> None:
    scene = Scene("#s5", texture="#t6")
    spoken = " ".join(caption(scene, random.Random(seed)) for seed in range(30))
    assert "#s5" in spoken
    assert "#t6" in spoken


def test_held_out_combinations_are_never_drawn_by_chance() -> None:
    combinations = [c.wanted for c in HELD_OUT.values() if c.kind == "combination"]
    rng = random.Random(8)
    for _ in range(20 * ROUNDS):
        scene = random_scene(rng, described=0)
        assert not any(all(getattr(scene, k) == v for k, v in w.items()) for w in combinations)


def test_held_out_scenes_are_recognised() -> None:
    for concept in HELD_OUT.values():
        assert is_held_out(scene_of(concept))
    assert not is_held_out(Scene())


def test_invented_names_are_distinct_and_not_held_out() -> None:
    invented = lexicon.SHAPE_NAMES + lexicon.TEXTURE_NAMES + lexicon.STYLE_NAMES
    assert len(set(invented)) == len(invented) == 480
    assert not {*HELD_OUT} & {*lexicon.caption_words()}


def test_no_random_style_is_the_held_out_one() -> None:
    for name in lexicon.STYLE_NAMES:
        drawn = style(name)
        assert not (drawn.border_tone == "black" and drawn.shadow_ink)


def test_concepts_are_complete() -> None:
    kinds = [concept.kind for concept in HELD_OUT.values()]
    assert kinds.count("object") >= 2
    assert {"texture", "style", "combination"} <= {*kinds}
    for concept in HELD_OUT.values():
        assert concept.init_words[0] in lexicon.caption_words()
        assert all("[name]" in prompt for prompt in (concept.preview, *concept.prompts))
