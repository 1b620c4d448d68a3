"""DynamicVRAM: sessions compute with a copy whose weights stay, LoRAs of the graph included."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.comfy import program
from tests.comfy.host.learning import gradients
from ti_core.errors import UnsupportedModelError
from ti_core.port.session import TextOptions

pytestmark = pytest.mark.skipif(not program.knows_dynamic_vram(), reason="is too old for it")
PROMPT = "a (cat:1.3) on a mat"


@pytest.fixture
def lent(models: Path) -> program.Loaded:
    return program.moving(program.load("sd1", models))


def context(session: Any) -> torch.Tensor:
    with torch.no_grad():
        found = session.encode_prompts([PROMPT], {}, None, TextOptions(emphasis=True)).context
    assert isinstance(found, torch.Tensor)
    return found


def own(clip: Any) -> torch.Tensor:
    """What CLIPTextEncode gives."""
    with torch.no_grad():
        found: torch.Tensor = clip.encode_from_tokens(clip.tokenize(PROMPT))
    return found


def count_reads(loaded: program.Loaded, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time that a part is read a second time from the disk."""
    seen: list[str] = []
    for name, patcher in (("MODEL", loaded.model), ("CLIP", loaded.clip.patcher)):
        read, *more = patcher.cached_patcher_init

        def counted(*a: Any, read: Any = read, name: str = name, **o: Any) -> Any:
            seen.append(name)
            return read(*a, **o)

        monkeypatch.setattr(patcher, "cached_patcher_init", (counted, *more))
    return seen


def test_the_network_that_computes_is_the_one_that_is_loaded(
    lent: program.Loaded, host_of: Any
) -> None:
    with_lora = program.with_lora(lent)
    plain, expected = own(lent.clip), own(with_lora.clip)
    assert not torch.allclose(plain, expected, atol=1e-3)
    with host_of(with_lora).session() as session:
        assert torch.allclose(context(session), expected, rtol=1e-4, atol=1e-4)
    with host_of(lent).session() as session:
        assert torch.allclose(context(session), plain, rtol=1e-4, atol=1e-4)


def test_gradients_are_those_of_weights_that_never_moved(
    lent: program.Loaded, host_of: Any
) -> None:
    model, clip = lent.model.clone(disable_dynamic=True), lent.clip.clone()
    clip.patcher = lent.clip.patcher.clone(disable_dynamic=True)
    clip.cond_stage_model = clip.patcher.model
    still = program.Loaded(model, clip, lent.vae)
    expected = gradients(host_of(program.with_lora(still)))
    found = gradients(host_of(program.with_lora(lent)))
    for key, rows in expected.items():
        assert torch.allclose(found[key], rows, rtol=1e-4, atol=1e-7), key


def test_a_checkpoint_is_read_once_for_all_sessions_whatever_the_loras(
    lent: program.Loaded, host_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_reads(lent, monkeypatch)
    for loaded in (lent, program.with_lora(lent), lent, program.with_lora(lent, 0.25)):
        with host_of(loaded).session() as session:
            context(session)
    assert sorted(seen) == ["CLIP", "MODEL"]


def test_the_copy_is_unloaded_in_the_end_and_goes_with_the_model(
    lent: program.Loaded, host_of: Any
) -> None:
    manager = sys.modules["comfy.model_management"]
    before = len([one for one in manager.loaded_models() if one is not None])
    gradients(host_of(lent))
    after = [one for one in manager.loaded_models() if one is not None]
    assert len(after) <= before + 2
    copies = sys.modules[f"{NAME}.comfy_nodes.host.dynamic"]._copies
    kept = [copies[lent.model.model], copies[lent.clip.patcher.model]]
    assert not any(one.model is network for one in after for network, _ in kept)
    alive = [weakref.ref(network) for network, _ in kept]
    del kept, after
    manager.current_loaded_models.clear()
    gone = weakref.ref(lent.model.model)
    lent.model.model = lent.clip.patcher.model = lent.clip.cond_stage_model = None
    gc.collect()
    assert gone() is None
    assert [one() for one in alive] == [None, None]


@pytest.mark.parametrize("part", ["model", "clip"])
def test_a_loader_that_cannot_load_again_is_explained(
    lent: program.Loaded, host_of: Any, part: str
) -> None:
    patcher = lent.model if part == "model" else lent.clip.patcher
    patcher.cached_patcher_init = None
    with (
        pytest.raises(UnsupportedModelError, match=r"DynamicVRAM.*--disable-dynamic-vram"),
        host_of(lent).session(),
    ):
        raise AssertionError("it opened")


NAME = "textual_inversion_studio_pack"
