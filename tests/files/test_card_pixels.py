"""A1111's code for data in the margins of a picture."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ti_core.files.card_pixels import hidden_in, with_margins

PAYLOAD = bytes(i * i % 251 for i in range(9000))
SHADES = np.array([17, 34, 51, 255, 0], np.uint8)


def picture(height: int, width: int = 50, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (width, height), (200, 100, 50)).convert(mode)


def card(height: int = 64, payload: bytes = PAYLOAD) -> Any:
    """Pixels of a card."""
    return np.array(with_margins(picture(height), payload, SHADES))


A1111_CARDS = {
    64: ((64, 148, 3), "379c412c152d0c461ad0cc98aa085aadbb4cb671e7ae1af0cbb67dfdd0ad7221"),
    97: ((97, 116, 3), "c864fb6482f4fc8db552e57a6d76a249991068d92dbdb9e0dc6285b4210c57d9"),
}
"""Height of the picture → size of the card that A1111 v1.10.1 makes of it and of PAYLOAD, and the
SHA-256 of the lower four bits of its colours."""


@pytest.mark.parametrize("height", A1111_CARDS)
def test_a_card_has_the_very_bits_of_a1111s_cards(height: int) -> None:
    found = card(height)
    digest = hashlib.sha256((found & 0x0F).tobytes()).hexdigest()
    assert (found.shape, digest) == A1111_CARDS[height]


def noise(count: int) -> list[int]:
    """The generator in its plainest form."""
    state, found = 0, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        found.append(state % 255 & 15)
    return found


def test_the_veil_is_right_beyond_what_is_made_at_once() -> None:
    zeros = bytes(200_000)
    left = card(64, zeros)[:, :1043].reshape(-1)  # 200,000 halves and what fills the columns
    assert (left & 0x0F).tolist() == noise(len(left))


def test_margins_are_dotted_in_the_given_shades() -> None:
    bright = np.array(with_margins(picture(64), PAYLOAD, np.array([255], np.uint8)))
    dark = np.array(with_margins(picture(64), PAYLOAD, np.array([0], np.uint8)))
    margin = slice(0, 48)
    assert (dark[:, margin] < 16).all()
    lit = (bright[:, margin] >= 0xF0).all(axis=2)
    assert 0.4 < lit.mean() < 0.9
    assert (bright[:, margin][~lit] < 16).all()


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=5000), st.integers(8, 300))
def test_any_payload_is_found_again_in_a_picture_of_any_height(payload: bytes, height: int) -> None:
    found = hidden_in(card(height, payload))
    assert found is not None
    assert found[: len(payload)] == payload
    assert found[len(payload) : 2 * len(payload)] == payload[: len(found) - len(payload)]


def test_a_black_border_around_a_card_does_no_harm() -> None:
    framed = np.zeros((100, 200, 3), np.uint8)
    framed[20:84, 30:178] = card()
    assert hidden_in(framed) == hidden_in(card())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((20, 20, 3), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.full((20, 20, 3), 255, np.uint8),
        np.full((1, 1, 3), 255, np.uint8),
        np.full((20, 20, 3), 0xF0, np.uint8),
        card()[:, :60],
        card()[:, 3:],
        card()[:, :49],
    ],
    ids=["black", "empty", "white", "one pixel", "even", "left half", "left cut", "no black"],
)
def test_a_picture_without_whole_margins_hides_nothing(pixels: Any) -> None:
    assert hidden_in(pixels) is None
