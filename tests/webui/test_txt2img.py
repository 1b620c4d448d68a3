"""Fields of txt2img become previews that can be read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ti_core.train.config import TrainConfig
from ti_core.train.previews import preview_requests
from ti_webui.txt2img import preview_settings

FIELDS = {
    "prompt": "a photo of [name],\nin rain",
    "negative_prompt": "blurry, low quality",
    "steps": 12,
    "sampler": "DDIM",
    "cfg_scale": 5.5,
    "seed": 7,
    "width": 448,
    "height": 640,
}


def test_all_fields_reach_the_preview(configure: Callable[..., TrainConfig]) -> None:
    config = configure(**preview_settings(FIELDS, ("DDIM",)))
    (request,) = preview_requests(config, (512, 512), "Euler")
    assert request.prompt == "a photo of zz-thing, in rain"
    assert request.negative_prompt == "blurry, low quality"
    assert (request.width, request.height) == (448, 640)
    assert (request.steps, request.cfg_scale, request.seed) == (12, 5.5, 7)
    assert config.preview.sample_sampler == "DDIM"


def test_a_random_seed_is_a_fixed_one_and_a_strange_sampler_is_left_out() -> None:
    found = preview_settings({**FIELDS, "seed": -1, "sampler": "Nobody's"}, ("DDIM",))
    assert found["sample_seed"] == 0
    assert "sample_sampler" not in found


def test_missing_fields_are_no_matter(configure: Callable[..., TrainConfig]) -> None:
    config = configure(**preview_settings({"prompt": "[name]"}, ()))
    (request,) = preview_requests(config, (512, 512), "Euler")
    assert (request.prompt, request.width) == ("zz-thing", 512)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=st.text(max_size=60), negative=st.text(max_size=60))
def test_whatever_is_typed_can_be_read(
    configure: Callable[..., TrainConfig], prompt: str, negative: str
) -> None:
    fields: dict[str, Any] = {"prompt": prompt, "negative_prompt": negative, "width": 64}
    config = configure(**preview_settings(fields, ()))
    (request,) = preview_requests(config, (512, 512), "Euler")
    assert request.width == 64
