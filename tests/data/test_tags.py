"""Captions that change from step to step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ti_core.data.tags import (
    TagConfig,
    holds_trigger,
    insert_trigger,
    split_tags,
    vary_caption,
)
from ti_core.errors import ConfigError

CAPTION = "a cat,  red ball , sofa,window, lamp"
TAGS = ["a cat", "red ball", "sofa", "window", "lamp"]


def vary(caption: str = CAPTION, step: int = 0, seed: int = 0, slot: int = 0, **rules: Any) -> str:
    return vary_caption(caption, TagConfig(**rules), "zz-cat", seed, step, slot)


def many(count: int = 300, **rules: Any) -> list[str]:
    return [vary(step=step, **rules) for step in range(count)]


# --- nothing asked, nothing done --------------------------------------------------------------


@given(st.text(), st.integers(0, 2**40), st.integers(0, 10**6))
@settings(deadline=None)
def test_without_a_rule_every_caption_stays_as_it_is(caption: str, seed: int, step: int) -> None:
    assert vary(caption, step, seed) == caption


def test_a_draw_depends_on_seed_step_and_slot_and_on_nothing_else() -> None:
    rules: dict[str, Any] = {"shuffle_caption": True, "caption_tag_dropout_rate": 0.3}
    for later, seed, slot in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        assert any(
            vary(step=later + i, seed=seed, slot=slot, **rules) != vary(step=i, **rules)
            for i in range(5)
        )
    assert vary(step=7, **rules) == vary(step=7, **rules)


# --- A1111: "Shuffle tags by ','", "Drop out tags" ---------------------------------------------


def test_shuffling_gives_every_order_and_spaces_do_not_move_along() -> None:
    orders = Counter(vary("b ,a,  c", step=step, shuffle_caption=True) for step in range(600))
    assert set(orders) == {"a, b, c", "a, c, b", "b, a, c", "b, c, a", "c, a, b", "c, b, a"}
    assert min(orders.values()) > 60


def test_each_tag_is_dropped_with_its_probability_and_the_order_stays() -> None:
    found = [text.split(", ") for text in many(2000, caption_tag_dropout_rate=0.25)]
    assert all(tags == [tag for tag in TAGS if tag in tags] for tags in found if tags != [""])
    kept = Counter(tag for tags in found for tag in tags if tag)
    assert all(kept[tag] / 2000 == pytest.approx(0.75, abs=0.04) for tag in TAGS)


def test_drop_out_may_leave_nothing() -> None:
    assert set(many(10, caption_tag_dropout_rate=1.0)) == {""}


def test_shuffling_does_not_change_which_tags_are_dropped() -> None:
    plain = many(50, caption_tag_dropout_rate=0.5)
    mixed = many(50, caption_tag_dropout_rate=0.5, shuffle_caption=True)
    assert [sorted(text.split(", ")) for text in plain] == [sorted(t.split(", ")) for t in mixed]
    assert plain != mixed


@pytest.mark.parametrize("tag", ["[name]", "photo of zz-cat", "ZZ-CAT"])
def test_the_trigger_is_never_dropped(tag: str) -> None:
    assert vary(f"red, {tag}, blue", caption_tag_dropout_rate=1.0) == tag


def test_a_longer_word_is_not_the_trigger() -> None:
    assert vary("zz-cats, red", caption_tag_dropout_rate=1.0) == ""


# --- kohya: tags to keep ------------------------------------------------------------------------


def test_kept_tokens_stay_in_front_and_in() -> None:
    for text in many(50, shuffle_caption=True, caption_tag_dropout_rate=0.5, keep_tokens=2):
        assert text.startswith("a cat, red ball")
    assert set(many(5, caption_tag_dropout_rate=1.0, keep_tokens=2)) == {"a cat, red ball"}


def test_more_tokens_to_keep_than_there_are_keeps_all_in_order() -> None:
    assert set(many(20, shuffle_caption=True, keep_tokens=9)) == {", ".join(TAGS)}


def test_the_separator_divides_head_free_part_and_tail() -> None:
    config = TagConfig(keep_tokens_separator="|||", keep_tokens=1)
    tags = split_tags("1girl, hat ||| red, blue ||| best, new", config)
    assert (tags.head, tags.free, tags.tail) == (("1girl", "hat"), ("red", "blue"), ("best", "new"))
    assert split_tags("a, b ||| c", config).tail == ()
    assert split_tags("a, b, c", config).head == ("a",)


def test_the_separator_never_stays_in_the_prompt() -> None:
    assert vary("a, b ||| c", keep_tokens_separator="|||") == "a, b, c"
    assert vary("a ||| b ||| c ||| d", keep_tokens_separator="|||") == "a, b, c, d"


def test_another_separator_of_tags_is_read_and_commas_are_written() -> None:
    assert vary("a; b,c", caption_separator=";", caption_tag_dropout_rate=1e-9) == "a, b,c"


# --- kohya: prefix, suffix, no caption at all ---------------------------------------------------


def test_prefix_and_suffix_are_joined_by_a_space_and_count_as_tags() -> None:
    assert vary("red, blue", caption_prefix="photo", caption_suffix="new") == "photo red, blue new"
    rules: dict[str, Any] = {
        "caption_prefix": "zz,",
        "keep_tokens": 1,
        "caption_tag_dropout_rate": 1.0,
    }
    assert vary("red, blue", **rules) == "zz"
    assert vary("", caption_prefix="photo") == "photo"


def test_captions_are_dropped_with_their_probability() -> None:
    found = Counter(many(2000, caption_dropout_rate=0.3, caption_prefix="new"))
    assert set(found) == {"", f"new {CAPTION}"}
    assert found[""] / 2000 == pytest.approx(0.3, abs=0.04)


def test_a_dropped_caption_leaves_the_trigger_if_it_was_there() -> None:
    assert vary("a zz-cat, red", caption_dropout_rate=1.0) == "[name]"
    assert vary("red", caption_dropout_rate=1.0) == ""
    assert vary("red", caption_dropout_rate=1.0, insert_trigger=True) == "[name]"


# --- the trigger, where it is missing -----------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("red, blue", "[name], red, blue"),
        ("", "[name]"),
        ("  ", "[name]"),
        ("a [name] here", "a [name] here"),
        ("a Zz-Cat here", "a Zz-Cat here"),
        ("zz-cat2", "[name], zz-cat2"),
    ],
)
def test_the_trigger_is_put_in_front_where_it_is_missing(caption: str, expected: str) -> None:
    assert insert_trigger(caption, "zz-cat") == expected
    assert vary(caption, insert_trigger=True) == expected


texts = st.text(st.sampled_from("ab ,;|[]name-z"), max_size=40)
rates = st.sampled_from([0.0, 0.3, 1.0])


@given(texts, st.booleans(), st.integers(0, 4), rates, rates, st.integers(0, 10**6))
@settings(deadline=None)
def test_with_insertion_the_trigger_is_in_every_prompt(
    caption: str, shuffle: bool, keep: int, drop: float, drop_all: float, step: int
) -> None:
    text = vary(
        caption,
        step,
        shuffle_caption=shuffle,
        keep_tokens=keep,
        keep_tokens_separator="|",
        caption_tag_dropout_rate=drop,
        caption_dropout_rate=drop_all,
        insert_trigger=True,
    )
    assert holds_trigger(text, "zz-cat")


@given(texts, st.integers(0, 4), rates, st.integers(0, 10**6))
@settings(deadline=None)
def test_tags_are_moved_or_dropped_but_never_made_or_doubled(
    caption: str, keep: int, drop: float, step: int
) -> None:
    config = TagConfig(shuffle_caption=True, keep_tokens=keep, caption_tag_dropout_rate=drop)
    before = Counter(tag.strip() for tag in caption.split(",") if tag.strip())
    text = vary_caption(caption, config, "zz-cat", 0, step, 0)
    after = Counter(tag for tag in text.split(", ") if tag)
    assert after <= before
    assert drop > 0 or after == before


def test_settings_out_of_range_are_refused() -> None:
    for rules in ({"caption_dropout_rate": 1.1}, {"keep_tokens": -1}, {"caption_separator": ""}):
        with pytest.raises(ConfigError):
            TagConfig(**rules)
