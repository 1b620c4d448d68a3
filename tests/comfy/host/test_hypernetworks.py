"""Hypernetworks on a MODEL: the same pictures as previews, and as ComfyUI's own loader makes."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.comfy import program
from tests.comfy.host.learning import noise
from tests.comfy.host.test_pictures import REQUEST, sampled, train_a_little
from tests.comfy.pack import pack_module
from tests.hypernetworks.made import hypernetwork as by_formula
from ti_core.errors import ConfigError
from ti_core.hypernetworks.applying import Applied, in_turn
from ti_core.hypernetworks.hypernetwork import Hypernetwork, shapes
from ti_core.hypernetworks.structure import Structure
from ti_core.hypernetworks.writing import write_hypernetwork
from ti_core.train.hypernetwork import attention_widths

SWISH = Structure((1, 2, 1), "swish")
PORTABLE = {
    "linear": Structure(),
    "swish": SWISH,
    "wide": Structure((1, 2, 4, 2, 1), "relu"),
    "norm": Structure((1, 2, 1), "linear", layer_norm=True),
    "activated": Structure((1, 2, 1), "tanh", layer_norm=True, activate_output=True),
    "dropout": Structure((1, 1.5, 1.5, 1), "mish", dropout=(0, 0.1, 0.3, 0)),
}
"""Structures with whose files ComfyUI's loader computes the same."""
GOLDEN = Path(__file__).parents[2] / "golden" / "hypernetworks.json"
NEEDS_REAL = pytest.mark.skipif(
    not program.is_real(), reason="ComfyUI's own loader is not in the stand-in"
)


def patches() -> Any:
    return pack_module("comfy_nodes.applied_hypernetwork")


def made(host: Any, structure: Structure = SWISH, seed: int = 0) -> Hypernetwork:
    """One that changes something, for every width of the host's model."""
    with host.session() as session:
        widths = attention_widths(host.describe(), session)
    wanted = shapes(structure, widths)
    tensors = {
        name: noise(*shape, seed=seed + number) * 2 / shape[-1] ** 0.5
        for number, (name, shape) in enumerate(wanted.items())
    }
    return Hypernetwork("style", structure, tensors)


def changed(loaded: program.Loaded, *given: tuple[Hypernetwork, float]) -> program.Loaded:
    """The same with hypernetworks applied, one after the other."""
    model = loaded.model
    for hypernetwork, strength in given:
        model = patches().with_hypernetwork(model, hypernetwork, strength)
    return replace(loaded, model=model)


def previewed(host: Any, changes: Any) -> bytes:
    """The picture of `sampled` by our preview."""
    with host.session() as session:
        request = replace(REQUEST, seed=3, steps=3)
        return session.preview(request, {}, changes)[0].tobytes()


def as_saved(data: bytes) -> bytes:
    pixels = torch.frombuffer(bytearray(data), dtype=torch.float32)
    return (pixels * 255).clamp(0, 255).to(torch.uint8).numpy().tobytes()


def apart(one: bytes, other: bytes) -> int:
    """The largest difference of two pictures, in steps of 255."""
    both = (torch.frombuffer(bytearray(each), dtype=torch.uint8).int() for each in (one, other))
    first, second = both
    return int((first - second).abs().max())


def test_a_picture_with_it_applied_is_that_of_our_preview(load: Any, host_of: Any) -> None:
    loaded = load("sd1")
    host = host_of(loaded)
    style = made(host)
    found = as_saved(sampled(changed(loaded, (style, 0.7)), noise_seed=3))
    assert apart(found, previewed(host, Applied(style.structure, style.tensors, 0.7))) <= 1
    assert apart(found, previewed(host, Applied(style.structure, style.tensors, 1.0))) > 1
    assert apart(found, previewed(host, None)) > 1


def test_several_are_applied_in_turn(load: Any, host_of: Any) -> None:
    loaded = load("sd1")
    host = host_of(loaded)
    given = [(made(host), 0.7), (made(host, PORTABLE["norm"], seed=50), -0.4)]
    applied = [Applied(one.structure, one.tensors, strength) for one, strength in given]
    found = as_saved(sampled(changed(loaded, *given), noise_seed=3))
    assert apart(found, previewed(host, in_turn(applied))) <= 1
    assert apart(found, previewed(host, in_turn(applied[:1]))) > 1


@pytest.mark.parametrize("kind", ["sd1", "sd2-v", "sdxl"] if not program.is_real() else ["sd1"])
def test_the_model_stays_as_it_was_found(load: Any, host_of: Any, kind: str) -> None:
    loaded = load(kind)
    host = host_of(loaded)
    before, options = sampled(loaded), copy.deepcopy(loaded.model.model_options)
    style = made(host)
    tensors = {name: each.clone() for name, each in style.tensors.items()}
    lent = changed(loaded, (style, 0.7))
    assert sampled(lent) != before
    train_a_little(host_of(lent))
    assert loaded.model.model_options == options
    assert sampled(loaded) == before
    assert all(torch.equal(each, tensors[name]) for name, each in style.tensors.items())


def test_strength_0_changes_nothing_and_clones_share_the_numbers(load: Any, host_of: Any) -> None:
    loaded = load("sd1")
    style = made(host_of(loaded))
    assert sampled(changed(loaded, (style, 0.0))) == sampled(loaded)
    lent = changed(loaded, (style, 1.0)).model
    (patch,) = lent.model_options["transformer_options"]["patches"]["attn1_patch"]
    (twin,) = lent.clone().model_options["transformer_options"]["patches"]["attn2_patch"]
    assert twin is patch


def test_the_patch_goes_where_comfyui_wants_it_and_keeps_its_precision(load: Any) -> None:
    structure = Structure()
    tensors = {name: torch.ones(shape) for name, shape in shapes(structure, (8,)).items()}
    patch = patches().HypernetworkPatch(Hypernetwork("ones", structure, tensors), 0.5)
    for place in (torch.device("meta"), torch.float16, torch.device("cpu")):
        assert patch.to(place) is patch
    x = torch.ones(1, 2, 8, dtype=torch.float16)
    queries, keys, values = patch(x, x, x * 2, {})
    assert queries is x
    assert keys.dtype == values.dtype == torch.float16
    assert float(keys[0, 0, 0]) == 1 + 0.5 * (16 * 9 + 1)
    other = torch.ones(1, 2, 7)
    assert patch(other, other, other, {})[1] is other


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), 11.0, -11.0])
def test_a_strength_that_no_form_would_send_is_rejected(load: Any, strength: float) -> None:
    none = Hypernetwork("none", Structure(), {})
    with pytest.raises(ConfigError, match="the strength is"):
        patches().with_hypernetwork(load("sd1").model, none, strength)


def test_training_on_a_model_that_has_one_applied_is_told(load: Any, host_of: Any) -> None:
    loaded = load("sd1")
    about = patches().about_applied
    assert list(about(loaded.model)) == []
    (told,) = about(changed(loaded, (made(host_of(loaded)), 1.0)).model)
    assert "previews only" in told.what


def test_one_for_another_kind_of_model_is_told(load: Any) -> None:
    loaded, structure = load("sd1"), Structure()
    context = loaded.model.model.model_config.unet_config["context_dim"]
    for width, count in ((context, 0), (context + 8, 1)):
        tensors = {name: torch.ones(shape) for name, shape in shapes(structure, (width,)).items()}
        fit = patches().about_fit(loaded.model, Hypernetwork("one", structure, tensors))
        assert len(fit) == count


@NEEDS_REAL
def test_comfyuis_own_loader_computes_the_same_for_every_portable_file(tmp_path: Path) -> None:
    """Those of A1111's choices of which we say that ComfyUI reads them rightly."""
    program.start()
    extra, width = import_module("comfy_extras.nodes_hypernetwork"), 8
    context, compared, path = noise(2, 5, width, seed=3), 0, tmp_path / "style.pt"
    for row in json.loads(GOLDEN.read_text()):
        built = {name: row[name] for name in ("activation", "layer_norm", "activate_output")}
        lists = {name: tuple(row[name]) for name in ("layers", "dropout")}
        style = by_formula("style", width, **built, **lists)
        if style.structure.only_a1111():
            continue
        write_hypernetwork(path, style)
        _, *theirs = extra.load_hypernetwork_patch(str(path), 0.7)(context, context, context, {})
        ours = Applied(style.structure, style.tensors, 0.7)(context)
        torch.testing.assert_close(theirs, list(ours), rtol=1e-6, atol=1e-6)
        compared += 1
    assert compared >= 16


@NEEDS_REAL
@pytest.mark.parametrize("name", PORTABLE)
def test_comfyuis_own_loader_makes_the_same_picture_of_the_file(
    load: Any, host_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    loaded = load("sd1")
    style = made(host_of(loaded), PORTABLE[name])
    path = tmp_path / "style.pt"
    write_hypernetwork(path, style)
    extra = import_module("comfy_extras.nodes_hypernetwork")
    patch = extra.load_hypernetwork_patch(str(path), 0.7)
    theirs = loaded.model.clone()
    theirs.set_model_attn1_patch(patch)
    theirs.set_model_attn2_patch(patch)
    assert list(patches().about_applied(theirs))
    found = as_saved(sampled(replace(loaded, model=theirs), noise_seed=3))
    ours = as_saved(sampled(changed(loaded, (style, 0.7)), noise_seed=3))
    assert apart(found, ours) <= 1
    assert apart(found, as_saved(sampled(loaded, noise_seed=3))) > 1
