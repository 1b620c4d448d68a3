"""Rules about numbers that nobody can mean."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from ti_core.schedule import parse_schedule

from .conftest import Check, Save

RULES = {
    *("rate_too_high", "rate_too_low", "few_steps", "many_steps", "large_batch", "far_size"),
    "repeats_in_batch",
}


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"rate": "100"}, "rate_too_high error"),
        ({"rate": "0.005:10, 50"}, "rate_too_high error"),
        ({"rate": "0.5"}, "rate_too_high warning"),
        ({"rate": "0.1"}, "rate_too_high warning"),
        ({"rate": "1e-9"}, "rate_too_low warning"),
        ({"rate": "0.005", "max_steps": 10_000_000}, "many_steps warning"),
        ({"rate": "0.005", "max_steps": 3}, "few_steps hint"),
        ({"rate": "0.005", "batch": 1024, "max_steps": 100}, "large_batch warning"),
        ({"rate": "0.005", "batch": 9}, "repeats_in_batch hint"),
        ({"rate": "0.005", "batch": 9, "enable_bucket": True}, "repeats_in_batch hint"),
        ({"size": (2048, 2048), "model_side": 512}, "far_size warning"),
        ({"size": (64, 64), "model_side": 512}, "far_size warning"),
        ({"rate": "0.005", "model_side": 512, "batch": 8, "size": (768, 512)}, ""),
        ({"rate": "5e-2:10, 5e-3:200, 5e-6", "max_steps": 100_000}, ""),
    ],
)
def test_numbers_that_nobody_can_mean_are_told(
    save: Save, check: Check, small: dict[str, Image.Image], plan: dict[str, Any], told: str
) -> None:
    save(*list(small.values())[:8])
    plan = {"max_steps": 1600, **plan}
    if "rate" in plan:
        plan["schedule"] = parse_schedule(plan.pop("rate"), plan["max_steps"])
    found = check(**plan)
    assert " ".join(f"{rule} {found[rule].severity}" for rule in RULES & found.keys()) == told
    assert all(found[rule].why and found[rule].fix for rule in RULES & found.keys())


def test_captions_that_are_always_dropped_are_told(
    save: Save, check: Check, small: dict[str, Image.Image]
) -> None:
    save(*list(small.values())[:4])
    assert (
        check(caption_dropout_rate=1.0, prompt_template="subject_filewords")["all_dropped"].severity
        == "warning"
    )
    assert "all_dropped" not in check(caption_dropout_rate=0.5, prompt_template="subject_filewords")


def test_pictures_of_several_sizes_never_repeat_in_a_batch(
    save: Save, check: Check, small: dict[str, Image.Image]
) -> None:
    wide = [image.resize((512, 256)) for image in list(small.values())[:2]]
    save(*list(small.values())[:2], *wide)
    plan = {"schedule": parse_schedule("0.005", 100), "max_steps": 100, "batch": 9}
    assert "repeats_in_batch" in check(**plan)
    assert "repeats_in_batch" not in check(enable_bucket=True, min_bucket_reso=64, **plan)


def test_the_family_of_the_model_is_told(
    save: Save, check: Check, small: dict[str, Image.Image]
) -> None:
    save(*list(small.values())[:4])
    assert "family" not in check()
    found = check(family="SD 1.x", model_side=512)["family"]
    assert (found.severity, found.what) == (
        "note",
        "the model is of the family SD 1.x, made for 512x512",
    )
