"""Other programs' notes under our names."""

from __future__ import annotations

import json

import pytest
import torch

from ti_core.files.notes import essentials, from_comment, noted_step, step_of, texts, translated


def test_the_notes_of_a1111_have_our_names() -> None:
    noted = {"name": "cat", "sd_checkpoint": "abcdef01", "sd_checkpoint_name": "v1-5", "step": 7}
    assert translated(noted) == {
        "modelspec.trigger_phrase": "cat",
        "ti.base_model": "v1-5",
        "ti.base_model_hash": "abcdef01",
    }


def test_the_notes_of_kohya_have_our_names() -> None:
    noted = {"ss_sd_model_name": "v1-5.safetensors", "ss_sd_model_hash": "abc", "ss_steps": "40"}
    assert translated(noted) == {
        "ti.base_model": "v1-5.safetensors",
        "ti.base_model_hash": "abc",
    }
    assert noted_step(noted, "cat") == 40


def test_ai_toolkit_writes_every_value_as_json() -> None:
    noted = {"name": '"cat"', "step": "5", "sd_checkpoint": "null", "sd_checkpoint_name": '"v1'}
    assert translated(noted) == {"modelspec.trigger_phrase": "cat"}
    assert noted_step(noted, "") == 5


def test_what_stands_under_our_name_already_is_left_alone() -> None:
    assert translated({"ti.base_model": "mine", "sd_checkpoint_name": "theirs"}) == {}


def test_what_is_no_text_or_far_too_long_is_no_note() -> None:
    assert translated({"name": torch.ones(2), "sd_checkpoint": None}) == {}
    assert translated({"name": "x" * 10_000, "sd_checkpoint_name": "[1]"}) == {
        "ti.base_model": "[1]"
    }


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (5, 5),
        ("5", 5),
        (" 5 ", 5),
        *((other, 0) for other in (0, -1, True, None, "x", "²", "9" * 5000, 10**30, 5.0)),
        *((other, 0) for other in (torch.ones(2), "-1", "1e3")),
    ],
)
def test_a_step_is_a_whole_number_and_everything_else_counts_as_none(
    value: object, step: int
) -> None:
    assert step_of(value) == step


@pytest.mark.parametrize(
    ("stem", "step"),
    [
        ("learned_embeds-steps-500", 500),
        ("learned_embeds_2-steps-1500", 1500),
        ("cat-step00000500", 500),
        ("embeddings_gs-6099", 6099),
        ("cat-500", 0),
        ("cat", 0),
    ],
)
def test_a_step_in_the_name_of_the_file_counts_when_the_file_tells_none(
    stem: str, step: int
) -> None:
    assert noted_step({}, stem) == step
    assert noted_step({"step": 3}, stem) == 3


def test_of_a_loras_notes_its_name_is_not_that_of_what_is_bundled_with_it() -> None:
    noted = {"name": "lora", "ss_steps": "9", "ss_sd_model_name": "v1", "ss_tag_frequency": "{}"}
    assert essentials(noted) == {"ti.base_model": "v1", "ti.step": "9"}


def test_the_comment_of_a_zip_is_read_when_it_is_ours() -> None:
    assert from_comment(json.dumps({"ti.step": "5", "n": 5}).encode()) == {"ti.step": "5"}
    for other in (b"", b"hello", b"{", b"[1]", b'{"a":' * 5000, b"\xff{"):
        assert from_comment(other) == {}


def test_metadata_is_text_by_name() -> None:
    assert texts({"a": "b", 5: "c", "d": 6}) == {"a": "b"}
    assert texts(["a"]) == texts(None) == {}
