"""Rules about a set as a whole: what its pictures have in common."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from ti_core.checkup.duplicates import groups
from ti_core.checkup.measures import alike, difference_hashes, near

from .conftest import Check, Save, noise, pasted, square

PLACES = ((0.5, 0.6), (0.45, 0.65), (0.55, 0.6), (0.4, 0.6), (0.5, 0.55), (0.6, 0.65))
Pictures = dict[str, Image.Image]


# --- near-duplicates ----------------------------------------------------------------------------


def variants(image: Image.Image) -> list[Image.Image]:
    """Brighter, trimmed, smaller."""
    trimmed = image.crop((6, 6, image.width - 6, image.height - 6))
    return [ImageEnhance.Brightness(image).enhance(1.1), trimmed, image.resize((200, 200))]


@pytest.mark.parametrize("name", ["astronaut", "camera", "chelsea", "coffee", "coins", "rocket"])
def test_near_duplicates_of_a_photograph_are_one_group(
    save: Save, check: Check, small: Pictures, name: str
) -> None:
    others = [image for other, image in small.items() if other != name]
    save(small[name], *others[:4], *variants(small[name]))
    found = check()["near_duplicates"]
    assert found.files == ("00.png", "05.png", "06.png", "07.png")
    assert found.severity == "warning"


def test_different_photographs_and_drawings_on_white_are_no_duplicates(
    save: Save, check: Check, small: Pictures
) -> None:
    drawn = []
    for colour, place in (("red", 60), ("blue", 60), ("green", 100), ("black", 140)):
        image = Image.new("RGB", (256, 256), "white")
        ImageDraw.Draw(image).ellipse((place, 60, place + 60, 120), fill=colour)
        drawn.append(image)
    save(*small.values(), *drawn)
    assert "near_duplicates" not in check()


def test_pairs_are_found_across_the_blocks_that_are_compared_at_once() -> None:
    source = np.random.default_rng(0)
    bits = source.random((1100, 64)) < 0.5
    bits[700], bits[1099] = bits[3], bits[3]
    bits[1099, :10] ^= True
    found = {i: others.tolist() for i, others in alike(bits, bits, 10) if len(others) > 1}
    assert found == {i: [3, 700, 1099] for i in (3, 700, 1099)}


def test_two_thousand_equal_pictures_are_one_group_at_once() -> None:
    small = np.zeros((2000, 32, 32, 3), np.uint8)
    assert list(groups(small)) == [list(range(2000))]
    small[1::2] = 255
    assert list(groups(small)) == [list(range(0, 2000, 2)), list(range(1, 2000, 2))]


def test_a_hash_is_that_of_brightness_rising_to_the_right() -> None:
    ramp = np.broadcast_to(np.arange(32, dtype=np.float32)[None, None, :, None], (1, 32, 32, 3))
    assert difference_hashes(ramp).all()
    assert not difference_hashes(ramp[:, :, ::-1]).any()
    assert near(ramp[0], ramp + 9).all()
    assert not near(ramp[0], ramp[:, :, ::-1]).any()


# --- backgrounds, colours, layouts, distances ---------------------------------------------------


def test_one_background_behind_different_things_is_told(
    save: Save, check: Check, photographs: Pictures, small: Pictures
) -> None:
    wall = photographs["brick"]
    things = [small[name] for name in ("astronaut", "chelsea", "coffee", "coins", "moon", "rocket")]
    save(
        *(
            pasted(square(wall.crop((9 * i, 5 * i, 400 + 9 * i, 400 + 5 * i))), thing, 0.5, *place)
            for i, (thing, place) in enumerate(zip(things, PLACES, strict=True))
        )
    )
    found = check()
    assert found["one_background"].severity == "hint"
    assert "one_colour" not in found


def test_one_thing_on_different_backgrounds_has_one_colour_and_no_one_background(
    save: Save, check: Check, small: Pictures
) -> None:
    cat = small["chelsea"]
    backs = [small[name] for name in ("grass", "coffee", "hubble_deep_field", "ihc", "moon")]
    save(*(pasted(back, cat, 0.6, 0.5, 0.6) for back in backs))
    found = check()
    assert "one_background" not in found
    assert "clothing" in found["one_colour"].why


def test_one_layout_is_told_and_different_ones_are_not(
    save: Save, check: Check, small: Pictures
) -> None:
    """One photograph in other colours: neither its edges nor its middle stay the same."""
    tints = [(1.0, 0.3, 0.3), (0.3, 1.0, 0.3), (0.3, 0.4, 1.0), (1.2, 1.0, 0.2), (0.5, 0.1, 1.0)]
    bands = small["astronaut"].split()
    save(
        *(
            Image.merge(
                "RGB", [b.point(lambda v, f=f: v * f) for b, f in zip(bands, t, strict=True)]
            )
            for t in tints
        )
    )
    found = check()
    assert "one_layout" in found
    assert "one_background" not in found


def test_one_distance_before_plain_backgrounds_is_told(
    save: Save, check: Check, small: Pictures
) -> None:
    things = [small[name] for name in ("astronaut", "chelsea", "coffee", "coins")]
    colours = ("white", "navy", "gold", "teal")
    backs = [Image.new("RGB", (256, 256), colour) for colour in colours]
    save(*(pasted(b, t, 0.6, 0.5, 0.6) for b, t in zip(backs, things, strict=True)))
    assert "one_zoom" in check()
    assert check()["one_zoom"].severity == "hint"


def test_different_distances_are_not(save: Save, check: Check, small: Pictures) -> None:
    back = Image.new("RGB", (256, 256), "white")
    shares = (0.3, 0.45, 0.6, 0.7)
    things = [small[name] for name in ("astronaut", "chelsea", "coffee", "coins")]
    save(*(pasted(back, t, s, 0.5, 0.6) for t, s in zip(things, shares, strict=True)))
    assert "one_zoom" not in check()


def test_distance_is_said_to_be_unknown_before_other_backgrounds(
    save: Save, check: Check, small: Pictures
) -> None:
    save(*list(small.values())[:6])
    assert check()["one_zoom"].severity == "unchecked"


def test_three_pictures_are_too_few_to_call_them_alike(save: Save, check: Check) -> None:
    save(*(Image.new("RGB", (256, 256), "white") for _ in range(3)))
    assert not {"one_background", "one_colour", "one_layout", "one_zoom"} & set(check())


# --- mirrored copies ----------------------------------------------------------------------------


def test_flips_are_no_matter_unless_they_are_planned_or_there(save: Save, check: Check) -> None:
    save(*map(noise, range(4)), caption="a cat with a tattoo on its left arm")
    assert "flips" not in check()
    found = check(mirrored=True)["flips"]
    assert "'left'" in found.what
    assert "'tattoo'" in found.what


def test_symmetrical_things_may_be_mirrored(save: Save, check: Check, small: Pictures) -> None:
    save(*small.values(), caption="a cat, leftovers, a designer, rightful")
    assert "flips" not in check(mirrored=True)


@pytest.mark.parametrize("copies", [False, True])
def test_pictures_that_all_lean_to_one_side_are_told(
    save: Save, check: Check, small: Pictures, copies: bool
) -> None:
    """A bright left half: a parting, or one window. Mirrored copies do not make up for it."""
    light = Image.new("RGB", (100, 256), "white")
    lit = [small[name].copy() for name in ("astronaut", "chelsea", "coffee", "coins")]
    for picture in lit:
        picture.paste(light, (0, 0))
    save(*lit)
    assert "flips" not in check()
    if copies:
        save(*(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in lit))
    assert "one side" in check(mirrored=not copies)["flips"].what


def test_a_symmetrical_picture_that_is_there_twice_is_no_mirrored_copy(
    save: Save, check: Check
) -> None:
    disc = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(disc).ellipse((64, 64, 191, 191), fill="red")
    save(disc, disc, caption="a logo")
    found = check()
    assert "near_duplicates" in found
    assert "flips" not in found


def test_mirrored_copies_in_the_folder_are_found(save: Save, check: Check, small: Pictures) -> None:
    images = [small[name] for name in ("astronaut", "chelsea", "coffee", "coins")]
    mirrored = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images]
    save(*images, *mirrored, caption="a shop sign")
    assert check()["flips"].files == ("04.png", "05.png", "06.png", "07.png")
    assert "near_duplicates" not in check()


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pictures", "vectors", "rules"),
    [
        (2, 1, {"few_pictures"}),
        (3, 3, set()),
        (3, 4, {"many_vectors"}),
        (2, 8, {"few_pictures", "many_vectors"}),
    ],
)
def test_pictures_are_held_against_vectors(
    save: Save, check: Check, pictures: int, vectors: int, rules: set[str]
) -> None:
    save(*map(noise, range(pictures)))
    found = check(vectors=vectors)
    assert {"few_pictures", "many_vectors"} & set(found) == rules
    assert found["pictures_per_vector"].severity == "note"
