"""Files of hypernetworks: A1111's of every version, and ours."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.errors import HypernetworkError, UnsafeFileError
from ti_core.files.safetensors_file import write_safetensors
from ti_core.hypernetworks.hypernetwork import Hypernetwork, models_of
from ti_core.hypernetworks.reading import FIELDS, is_hypernetwork, peek_hypernetwork
from ti_core.hypernetworks.reading import read_hypernetwork as read
from ti_core.hypernetworks.structure import Structure
from ti_core.hypernetworks.writing import ENDINGS, hypernetwork_bytes, write_hypernetwork

from .made import hypernetwork

GOLDEN = Path(__file__).parents[1] / "golden" / "hypernetwork-a1111.pt"
"""Written by A1111's own class."""
DROPPED: dict[str, Any] = {
    "layers": (1, 2, 2, 1),
    "activation": "swish",
    "dropout": (0, 0.1, 0.2, 0),
}


def content_of(made: Hypernetwork) -> dict[Any, Any]:
    """What torch reads of a `.pt`."""
    found: dict[Any, Any] = torch.load(io.BytesIO(hypernetwork_bytes(made)), weights_only=True)
    return found


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_holds_everything(tmp_path: Path, ending: str) -> None:
    made = replace(hypernetwork(**DROPPED), metadata={"ti.config": "{}"})
    path = tmp_path / f"warm{ending}"
    write_hypernetwork(path, made)
    found = read(path)
    assert replace(found, tensors={}) == replace(made, tensors={})
    assert list(found.tensors) == list(made.tensors)
    assert all(torch.equal(found.tensors[name], made.tensors[name]) for name in made.tensors)
    assert is_hypernetwork(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_equal_hypernetworks_are_equal_files(ending: str) -> None:
    assert hypernetwork_bytes(hypernetwork(), ending) == hypernetwork_bytes(hypernetwork(), ending)


def test_a1111s_file_is_read(tmp_path: Path) -> None:
    found = read(GOLDEN)
    assert found.structure == Structure((1, 2, 1), "relu", True, False, (0, 0.1, 0))
    assert (found.widths, found.step, found.weight_init) == ((4, 6), 120, "XavierNormal")
    assert (found.base_model, found.base_hash) == ("model", "0123456789")
    assert found.optional_info == "made for a test"
    theirs = torch.load(GOLDEN, weights_only=True)
    for side, module in zip("kv", theirs[6], strict=True):
        for name, each in module.items():
            assert torch.equal(found.tensors[f"6.{side}.{name}"], each)


def test_the_file_says_what_a1111s_says() -> None:
    theirs = torch.load(GOLDEN, weights_only=True)
    ours = content_of(replace(read(GOLDEN), name="gold"))
    for key in (4, 6):
        assert [list(module) for module in ours.pop(key)] == [list(m) for m in theirs.pop(key)]
    # ComfyUI never switches dropout off; A1111 reads it from the structure
    assert ours.pop("use_dropout") is False
    assert theirs.pop("use_dropout") is True
    assert ours == theirs


def test_activation_is_never_none_and_output_is_always_said() -> None:
    content = content_of(hypernetwork())
    assert (content["activation_func"], content["activate_output"]) == ("linear", False)


def _old(content: dict[Any, Any]) -> None:
    """A1111's first version."""
    for key in [key for key in content if isinstance(key, str)]:
        del content[key]
    for width in (4, 6):
        for module in content[width]:
            for number in (0, 1):
                for part in ("weight", "bias"):
                    each = module.pop(f"linear.{number}.{part}")
                    module[f"linear{number + 1}.{part}"] = each


def test_the_first_version_is_read(tmp_path: Path) -> None:
    made, path = hypernetwork("old", activate_output=True), tmp_path / "old.pt"
    content = content_of(made)
    _old(content)
    torch.save(content, path)
    found = read(path)
    assert found.structure == Structure(activate_output=True)
    assert all(torch.equal(found.tensors[name], made.tensors[name]) for name in made.tensors)
    assert (found.step, found.weight_init, found.base_model) == (0, "Normal", "")
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert read(path).structure == found.structure


@pytest.mark.parametrize(
    ("built", "missing", "means"),
    [
        ({"activate_output": True}, "activate_output", {"activate_output": True}),
        ({}, "layer_structure", {"activate_output": False}),
        ({}, "activation_func", {"activate_output": False}),
        ({}, "is_layer_norm", {"activate_output": False}),
        ({}, "dropout_structure", {}),
    ],
)
def test_what_is_missing_means_what_a1111_takes_it_for(
    tmp_path: Path, built: dict[str, Any], missing: str, means: dict[str, Any]
) -> None:
    content, path = content_of(hypernetwork(**built)), tmp_path / "a.pt"
    del content[missing]
    torch.save(content, path)
    assert read(path).structure == Structure(**means)


def test_dropout_without_a_structure(tmp_path: Path) -> None:
    built: dict[str, Any] = {"layers": (1, 2, 2, 1), "dropout": (0, 0.3, 0.3, 0)}
    content, path = content_of(hypernetwork(**built)), tmp_path / "a.pt"
    del content["dropout_structure"]
    torch.save({**content, "use_dropout": True, "last_layer_dropout": True}, path)
    assert read(path).structure == Structure(**built)


def test_halves_become_whole(tmp_path: Path) -> None:
    content, path = content_of(hypernetwork()), tmp_path / "a.pt"
    for width in (4, 6):
        content[width] = tuple({k: v.half() for k, v in each.items()} for each in content[width])
    torch.save(content, path)
    assert {each.dtype for each in read(path).tensors.values()} == {torch.float32}


def test_a_look_tells_the_same_without_the_numbers(tmp_path: Path) -> None:
    for ending in ENDINGS:
        path = tmp_path / f"warm{ending}"
        write_hypernetwork(path, made := hypernetwork(**DROPPED))
        facts = peek_hypernetwork(path)
        assert (facts.name, facts.structure, facts.step) == ("warm", made.structure, 70)
        assert (facts.widths, facts.numbers) == (made.widths, made.numbers)
        assert facts.base_model == "model"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.update({"layer_structure": [1, 3, 1]}), "does not fit its own structure"),
        (lambda c: c.update({"layer_structure": "1, 2, 1"}), "not a list of numbers"),
        (lambda c: c.update({"layer_structure": [2, 1]}), "must begin and end with 1"),
        (lambda c: c.update({"activation_func": "glu"}), "no activation function 'glu'"),
        (lambda c: c.update({"is_layer_norm": True}), "does not fit its own structure"),
        (
            lambda c: c.update({5: c[4]}),
            "5.k.linear.0.weight is 8x4, and in its structure it is 10x5",
        ),
        (lambda c: c.update({4: c[4][:1]}), "not a pair of dictionaries"),
        (lambda c: c[4][0].update({"x": 1}), "something else than tensors"),
        (
            lambda c: c[4][0].update({"x": torch.ones(1)}),
            "4.k.x is 1, and in its structure it is not there",
        ),
        (lambda c: c[4][0].pop("linear.1.bias"), "4.k.linear.1.bias is not there"),
        (lambda c: c[4][1]["linear.1.bias"].fill_(float("nan")), "not finite"),
        (lambda c: c[4][1].update({"linear.1.bias": torch.ones(4).long()}), "fractional"),
        (lambda c: (c.pop(4), c.pop(6)), "it has no modules"),
        (lambda c: c.update({0: c[4]}), "modules for the widths 4, 6, 0"),
    ],
)
def test_what_does_not_fit_is_an_error(
    tmp_path: Path, change: Callable[[dict[Any, Any]], object], says: str
) -> None:
    content, path = content_of(hypernetwork()), tmp_path / "a.pt"
    change(content)
    torch.save(content, path)
    with pytest.raises(HypernetworkError, match=says):
        read(path)


def test_one_storage_for_many_tensors_is_refused(tmp_path: Path) -> None:
    content, path = content_of(hypernetwork("a", 64)), tmp_path / "a.pt"
    shared = torch.ones(64 * 128)
    for module in content[64]:
        for name, each in module.items():
            module[name] = shared[: each.numel()].view(each.shape)
    content |= dict.fromkeys((64,), content[64])
    torch.save(content, path)
    with pytest.raises(UnsafeFileError, match="claim more bytes than the file has"):
        read(path)


def test_embeddings_and_states_of_optimisers_are_named(tmp_path: Path) -> None:
    golden = GOLDEN.parent / "my-ref.pt"
    with pytest.raises(HypernetworkError, match="it is an embedding"):
        read(golden)
    assert not is_hypernetwork(golden)
    torch.save({"hash": "0", "optimizer_state_dict": {}}, tmp_path / "a.pt.optim")
    with pytest.raises(HypernetworkError, match=r"give the \.pt without \.optim"):
        read(tmp_path / "a.pt.optim")
    write_safetensors(tmp_path / "b.safetensors", {"emb_params": torch.ones(1, 8)}, {})
    with pytest.raises(HypernetworkError, match=r"no 'ti\.hypernetwork'"):
        read(tmp_path / "b.safetensors")
    with pytest.raises(HypernetworkError, match="there is no hypernetwork"):
        read(tmp_path / "c.pt")
    assert not is_hypernetwork(tmp_path / "c.pt")


@pytest.mark.parametrize("text", ["[]", "{", '{"layer_structure": [1, NaN, 1]}'])
def test_safetensors_of_strangers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, dict(hypernetwork().tensors), {FIELDS: text})
    with pytest.raises(HypernetworkError):
        read(path)


def test_safetensors_of_other_shapes(tmp_path: Path) -> None:
    path, fields = tmp_path / "a.safetensors", json.dumps({"activate_output": False})
    for tensors, says in (
        ({"4.k.linear.0.weight": torch.ones(8, 5)}, "is 8x5"),
        ({"x.k.linear.0.weight": torch.ones(8, 4)}, "belongs to no module"),
        ({"4.k.linear.0.weight": torch.ones(8, 4).long()}, "numbers of the type I64"),
    ):
        write_safetensors(path, tensors, {FIELDS: fields})
        with pytest.raises(HypernetworkError, match=says):
            read(path)


def test_nothing_is_written_that_cannot_be_used(tmp_path: Path) -> None:
    made = hypernetwork()
    next(iter(made.tensors.values())).fill_(float("inf"))
    with pytest.raises(HypernetworkError, match="not finite"):
        write_hypernetwork(tmp_path / "a.pt", made)
    with pytest.raises(HypernetworkError, match="unknown ending"):
        write_hypernetwork(tmp_path / "a.bin", hypernetwork())
    assert not list(tmp_path.iterdir())


def test_models_are_known_by_the_width_of_their_prompts() -> None:
    assert models_of((320, 640, 768, 1280)) == "SD 1.x"
    assert models_of((640, 1024)) == "SD 2.x"
    assert models_of((2048, 768)) == "SD 1.x, SDXL"
    assert models_of((64,)) == "unknown"
