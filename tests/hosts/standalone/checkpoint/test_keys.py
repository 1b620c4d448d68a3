"""Names and shapes of the original layout, checked against diffusers' own converter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.checkpoints import Family, Layout, full, original_state, tiny
from ti_core.errors import CheckpointError
from ti_core.families import FAMILIES as RECORDS
from ti_core.families import SD1, SD2, SDXL
from ti_core.hosts.standalone.checkpoint.architecture import (
    clip_shape,
    heads_of_width,
    open_clip_shape,
    unet_heads,
    unet_shape,
    vae_shape,
)
from ti_core.hosts.standalone.checkpoint.keys_text import convert_clip, convert_open_clip
from ti_core.hosts.standalone.checkpoint.keys_unet import convert_unet
from ti_core.hosts.standalone.checkpoint.keys_vae import convert_vae
from ti_core.hosts.standalone.checkpoint.recognition import TEXT_PREFIXES, UNET, VAE
from ti_core.hosts.standalone.models import text_from_shape, unet_from_shape, vae_from_shape

FAMILIES: tuple[Family, ...] = ("sd1", "sd2", "sdxl")


def under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def meta_state(layout: Layout) -> dict[str, Tensor]:
    """Only shapes: full layouts cost nothing."""
    from tests.checkpoints import _shapes

    return {name: torch.empty(shape, device="meta") for name, shape in _shapes(layout)}


def assert_same_tensors(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for key, tensor in ours.items():
        assert torch.equal(tensor, theirs[key]), key


@pytest.mark.parametrize("family", FAMILIES)
def test_the_unet_is_translated_as_diffusers_does(family: Family) -> None:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    state = original_state(tiny(family))
    shape = unet_shape(under(state, UNET), RECORDS[family])
    with torch.device("meta"):
        unet = unet_from_shape(shape, 64, 64 if family == "sdxl" else None)()
    theirs = convert_ldm_unet_checkpoint(state, dict(unet.config))  # type: ignore[arg-type]
    assert_same_tensors(convert_unet(under(state, UNET), shape), theirs)
    assert unet.state_dict().keys() == theirs.keys()


def test_the_vae_is_translated_as_diffusers_does() -> None:
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    state = original_state(tiny("sd1"))
    shape = vae_shape(under(state, VAE))
    with torch.device("meta"):
        vae = vae_from_shape(shape, 512, 0.18215)()
    theirs = convert_ldm_vae_checkpoint(state, dict(vae.config))  # type: ignore[arg-type]
    assert_same_tensors(convert_vae(under(state, VAE), shape), theirs)


@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_open_clip_is_translated_as_diffusers_does(family: Family) -> None:
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    state = original_state(tiny(family))
    prefix = TEXT_PREFIXES[RECORDS[family]][-1]
    shape = open_clip_shape(under(state, prefix))
    with torch.device("meta"):
        model = text_from_shape(shape, shape.layers)()
    theirs = convert_open_clip_checkpoint(model, state, prefix=prefix)
    theirs = {name.removeprefix("text_model."): tensor for name, tensor in theirs.items()}
    theirs.setdefault("text_projection.weight", state[f"{prefix}text_projection"].T)
    assert_same_tensors(convert_open_clip(under(state, prefix), shape.layers), theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_real_layouts_give_the_real_configurations(family: Family) -> None:
    state = meta_state(full(family))
    shape = unet_shape(under(state, UNET), RECORDS[family])
    expected = {
        "sd1": ((320, 640, 1280, 1280), (1, 1, 1, 0), (8, 8, 8, 8), 768, False, None),
        "sd2": ((320, 640, 1280, 1280), (1, 1, 1, 0), (5, 10, 20, 20), 1024, True, None),
        "sdxl": ((320, 640, 1280), (0, 2, 10), (5, 10, 20), 2048, True, 2816),
    }[family]
    linear, added = shape.linear_projection, shape.added_width
    assert (shape.widths, shape.depths, shape.heads, shape.context_width, linear, added) == expected
    with torch.device("meta"):
        unet = unet_from_shape(shape, 64, 1280 if family == "sdxl" else None)()
    millions = sum(p.numel() for p in unet.parameters()) / 1e6
    assert millions == pytest.approx({"sd1": 859.5, "sd2": 865.9, "sdxl": 2567.5}[family], abs=0.1)


def test_the_real_text_encoders_and_vae_are_recognised() -> None:
    state = meta_state(full("sdxl"))
    clip = clip_shape(convert_clip(under(state, TEXT_PREFIXES[SDXL][0])))
    assert (clip.width, clip.layers, clip.heads, clip.hidden_width) == (768, 12, 12, 3072)
    big = open_clip_shape(under(state, TEXT_PREFIXES[SDXL][1]))
    assert (big.width, big.layers, big.heads, big.hidden_width) == (1280, 32, 20, 5120)
    assert big.projection == 1280
    vae = vae_shape(under(state, VAE))
    assert (vae.widths, vae.layers, vae.latent_channels) == ((128, 256, 512, 512), 2, 4)


@pytest.mark.parametrize(
    ("widths", "depths", "layers"),
    [((64,), (1,), 1), ((32, 96), (1, 1), 2), ((32, 32, 64, 64, 64), (0, 1, 1, 1, 0), 3)],
)
def test_any_number_of_levels_and_blocks_is_read(
    widths: tuple[int, ...], depths: tuple[int, ...], layers: int
) -> None:
    layout = replace(tiny("sd2"), unet_widths=widths, unet_depths=depths, unet_layers=layers)
    state = under(meta_state(layout), UNET)
    shape = unet_shape(state, SD2)
    assert (shape.widths, shape.depths, shape.layers) == (widths, depths, layers)
    with torch.device("meta"):
        unet = unet_from_shape(shape, 64)()
    converted = convert_unet(state, shape)
    assert {k: v.shape for k, v in converted.items()} == {
        k: v.shape for k, v in unet.state_dict().items()
    }


def test_heads_follow_the_family_and_always_divide_the_width() -> None:
    assert [unet_heads(w, SD1) for w in (320, 1280, 36, 6)] == [8, 8, 6, 6]
    assert [unet_heads(w, SD2) for w in (320, 1280, 32)] == [5, 20, 1]
    assert [heads_of_width(w) for w in (768, 1024, 1280, 32, 200)] == [12, 16, 20, 1, 2]


def test_widths_that_cannot_be_normalised_are_an_error() -> None:
    layout = replace(tiny("sd1"), unet_widths=(32, 40, 64))
    with pytest.raises(CheckpointError, match="multiples of 32"):
        unet_shape(under(meta_state(layout), UNET), SD1)
