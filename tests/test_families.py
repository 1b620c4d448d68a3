"""The table of model families."""

from __future__ import annotations

import pytest
import torch

from ti_core.errors import UnsupportedModelError
from ti_core.families import (
    FAMILIES,
    SD1,
    SD2,
    SDXL,
    SIDE_STEP,
    LatentFormat,
    by_encoders,
    by_widths,
    kind_of,
    label_of,
)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.id)
def test_every_family_is_found_by_its_parts(family) -> None:  # type: ignore[no-untyped-def]
    assert FAMILIES[family.id] is family
    assert by_encoders(family.widths) is family
    assert by_widths(reversed(family.widths.values())) is family
    assert SIDE_STEP % family.latent.stride == 0


def test_what_belongs_to_no_family_is_not_found() -> None:
    assert by_widths([1280]) is None
    assert by_widths([768, 768]) is None
    with pytest.raises(UnsupportedModelError, match=r"clip_l, t5.*SD 1\.x, SD 2\.x or SDXL"):
        by_encoders(["clip_l", "t5"])


@pytest.mark.parametrize(
    ("widths", "label"),
    [
        ({"emb_params": 768}, "SD 1.x"),
        ({"emb_params": 768, "emb_params_out": 768}, "SD 1.x"),
        ({"clip_l": 768, "clip_g": 1280}, "SDXL"),
        ({"emb_params": 1280}, "half of SDXL, or LDM"),
        ({"clip_l": 768, "t5xxl": 4096}, "Flux.1"),
        ({"t5xxl": 4096, "t5xxl_out": 4096}, "Chroma, PixArt, Mochi or LTX-Video"),
        ({"t5xxl": 1024}, "Cosmos"),
        ({"clip_l": 768, "clip_g": 1280, "t5xxl": 4096}, "SD 3"),
        ({"clip_g": 1280, "t5xxl": 4096}, "part of SD 3 or HiDream"),
        ({"qwen3_06b": 1024}, "Anima"),
        ({"mistral3_24b": 3072}, "Ernie-Image"),
        ({"mistral3_24b": 5120}, "Flux.2 dev"),
        ({"t5xxl": 768}, ""),
        ({"emb_params": 4096}, ""),
    ],
)
def test_tables_tell_the_models_that_they_are_for(widths: dict[str, int], label: str) -> None:
    assert label_of(widths) == label
    kind = kind_of(widths)
    assert kind is None or kind.label == label


def test_the_release_follows_the_prediction() -> None:
    assert SD2.release("v_prediction").resolution == 768
    assert SD2.release("epsilon") == SD2.release() == SD2.releases[0]
    assert SDXL.release("v_prediction").resolution == 1024  # there is only one
    assert SD1.release().architecture == "stable-diffusion-v1"


def test_latents_are_scaled_there_and_back() -> None:
    form = LatentFormat(1.5, shift=0.25, channels=16, stride=4)
    latent = torch.randn(1, 16, 4, 8, generator=torch.Generator().manual_seed(0))
    assert form.shape(16, 32) == latent.shape[1:]
    assert torch.allclose(form.scaled(latent), (latent - 0.25) * 1.5)
    assert torch.allclose(form.unscaled(form.scaled(latent)), latent, atol=1e-6)
