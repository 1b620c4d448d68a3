"""Which layers compute with packed weights, and what they make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ti_core.hosts.common import frozen_convolution, machine, onednn, packing
from ti_core.hosts.common.frozen_convolution import FrozenConvolution, Steps
from ti_core.hosts.common.onednn import works
from ti_core.hosts.common.packing import Packing

_LAYOUTS = {"_linear_layout": onednn, "_layout": frozen_convolution}
ALL = Packing(large=1, few=1000)

needs_onednn = pytest.mark.skipif(not works(torch.float32), reason="torch without oneDNN")


def network() -> nn.Sequential:
    """Every kind of layer that there is in a model."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(8, 16, 3, padding=1),
        nn.Conv2d(16, 16, 3, stride=2, padding=1),
        nn.Conv2d(16, 16, 3, padding=2, dilation=2, bias=False),
        nn.Conv2d(16, 24, 1),
        nn.Conv2d(24, 24, 3, padding=4),
        nn.Conv2d(24, 24, 3, padding="same"),
        nn.Conv2d(24, 24, 3, groups=2),
        nn.Flatten(2),
        nn.Linear(81, 20),
        nn.Linear(20, 10, bias=False),
    ).requires_grad_(False)


def learned(network: nn.Module) -> tuple[Tensor, Tensor]:
    """What it makes of a picture, and the picture's gradient."""
    x = torch.randn(2, 8, 9, 9, generator=torch.Generator().manual_seed(1), requires_grad=True)
    output = network(x)
    output.square().sum().backward()
    assert x.grad is not None
    return output.detach(), x.grad


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the layouts that are made."""
    made: list[str] = []
    real: dict[str, Any] = {name: getattr(module, name) for name, module in _LAYOUTS.items()}
    for name, module in _LAYOUTS.items():

        def make(*args: Any, name: str = name) -> Any:
            made.append(name)
            return real[name](*args)

        monkeypatch.setattr(module, name, make)
    yield made


@needs_onednn
def test_every_layer_makes_the_same_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    plain = learned(net)
    with counted(monkeypatch) as made:
        model = ALL.of([net])
        assert model
        found = learned(net)
        model.close()
    # groups and a padding in words are left to torch, and so is the gradient of a dilation; that of
    # two strides has four kernels
    assert (made.count("_layout"), made.count("_linear_layout")) == (5 + 3 + 4, 2 + 2)
    for one, other in zip(plain, found, strict=True):
        assert (one - other).abs().max() <= 1e-5 * one.abs().max()
    assert all(map(torch.equal, plain, learned(net)))


@needs_onednn
@pytest.mark.parametrize("size", [(5, 8), (8, 5), (6, 6), (7, 9), (1, 2)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [
        ((3, 3), (2, 2), (1, 1)),
        ((3, 3), (2, 1), (0, 2)),
        ((2, 2), (2, 2), (0, 0)),
        ((4, 5), (3, 2), (1, 0)),
        ((3, 3), (3, 3), (2, 1)),
        ((1, 3), (1, 2), (0, 1)),
        ((1, 1), (2, 2), (0, 0)),
        ((3, 3), (1, 1), (3, 1)),
    ],
)
def test_the_gradient_of_any_kernel_is_torch_s_own(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *size, generator=draw, requires_grad=True)
    weight = torch.randn(4, 3, *kernel, generator=draw)
    if any(n + 2 * p < k for n, p, k in zip(size, padding, kernel, strict=True)):
        pytest.skip("the kernel is larger than the image")
    output = nn.functional.conv2d(x, weight, None, stride, padding)
    gradient = torch.randn(output.shape, generator=draw)
    (expected,) = torch.autograd.grad(output, x, gradient)
    layer = FrozenConvolution(weight, torch.float32, Steps(stride, padding))
    assert torch.allclose(layer.output(x.detach(), None), output, atol=1e-5)
    found = layer.input_gradient(gradient, x.shape)
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.stride() == expected.stride()


@needs_onednn
@pytest.mark.parametrize("channels", [640, 641, 1300])
def test_a_kernel_of_many_channels_is_computed_in_parts(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In fp32, of at most 640 channels; in bf16 as a whole."""
    x, weight = torch.randn(2, channels, 4, 4), torch.randn(8, channels, 3, 3)
    bias, steps = torch.randn(8), Steps(padding=(1, 1))
    expected = nn.functional.conv2d(x, weight, bias, 1, 1)
    with counted(monkeypatch) as made:
        found = FrozenConvolution(weight, torch.float32, steps).output(x, bias)
        assert len(made) == -(-channels // 640)
    assert torch.allclose(found, expected, atol=1e-3)
    if works(torch.bfloat16):
        with counted(monkeypatch) as made:
            layer = FrozenConvolution(weight, torch.bfloat16, steps)
            layer.output(x.bfloat16(), None)
            assert len(made) == 1


@needs_onednn
@pytest.mark.parametrize("weights_last", [False, True])
@pytest.mark.parametrize("input_last", [False, True])
def test_a_convolution_has_the_strides_of_torch_s_own(weights_last: bool, input_last: bool) -> None:
    """Programs write in place through views, which other strides would make copies."""
    orders = {False: torch.contiguous_format, True: torch.channels_last}
    x = torch.randn(2, 8, 6, 6).contiguous(memory_format=orders[input_last])
    weight = torch.randn(4, 8, 3, 3).contiguous(memory_format=orders[weights_last])
    layer = FrozenConvolution(weight, torch.float32, Steps(padding=(1, 1)))
    plain = nn.functional.conv2d(x, weight, None, 1, 1)
    assert layer.output(x, None).stride() == plain.stride()
    assert torch.allclose(layer.output(x, None), plain, atol=1e-5)
    assert layer.input_gradient(plain, x.shape).is_contiguous() == plain.is_contiguous()


@needs_onednn
@pytest.mark.parametrize("layer", [nn.Linear(8, 6), nn.Conv2d(8, 6, 1)], ids=["linear", "conv"])
def test_an_output_may_be_changed_in_place(layer: nn.Module) -> None:
    """Forge Neo's U-Net adds to it: `x += x_skip`."""
    x = torch.ones(2, 8, 4, 8, requires_grad=True)
    layer.requires_grad_(False)
    found = []
    for packs in (False, True):
        model = ALL.of([layer]) if packs else None
        output = layer(x)
        output += x.sum()
        found.append(torch.autograd.grad(output.sum(), x)[0])
        assert (model is not None) == packs
    assert model
    model.close()
    assert torch.allclose(found[0], found[1], rtol=1e-4)


@needs_onednn
def test_a_layout_made_for_one_size_gives_the_same_bits_for_any_other() -> None:
    """So that a resumed run, which begins with another size, has the same curve."""
    weight = torch.randn(64, 64, 3, 3)
    x = torch.randn(1, 64, 16, 16)
    found = []
    for first in ((1, 64, 4, 4), (1, 64, 32, 32), (4, 64, 64, 16), (1, 64, 16, 16)):
        layer = FrozenConvolution(weight, torch.float32, Steps(padding=(1, 1)))
        layer.output(torch.randn(first), None)
        layer.input_gradient(torch.randn(first), torch.Size(first))
        found.append((layer.output(x, None), layer.input_gradient(x, x.shape)))
    assert all(all(map(torch.equal, one, found[0])) for one in found)


@needs_onednn
def test_what_is_forgotten_is_made_again_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    net, other = network(), network()
    with counted(monkeypatch) as made:
        model = ALL.of([net, other])
        assert model
        before = learned(net)
        learned(other)
        count = len(made)
        model.forget([net])
        assert all(map(torch.equal, before, learned(net)))
        learned(other)
        model.close()
    assert len(made) == count * 3 // 2


@needs_onednn
def test_small_weights_many_positions_and_trained_weights_are_left_to_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = nn.Linear(8, 8).requires_grad_(False)
    with counted(monkeypatch) as made:
        assert Packing(large=65).of([net]) is None
        model = Packing(large=64, few=2).of([net])
        assert model
        net(torch.ones(3, 8))
        assert made == []
        net.requires_grad_(True)
        net(torch.ones(2, 8)).sum().backward()
        assert made == []
        assert net.weight.grad is not None
        net.requires_grad_(False)
        net(torch.ones(1, 2, 8))
        assert made == ["_linear_layout"]
        model.close()


@needs_onednn
def test_a_weight_that_changes_is_packed_anew() -> None:
    net = nn.Linear(4, 4).requires_grad_(False)
    model, x = ALL.of([net]), torch.ones(1, 4)
    assert model
    first = net(x)
    net.weight.mul_(2)  # as by a LoRA
    assert torch.allclose(net(x) - net.bias, 2 * (first - net.bias))
    net.weight.data = net.weight.data * 2
    assert torch.allclose(net(x) - net.bias, 4 * (first - net.bias))
    net.weight = nn.Parameter(net.weight * 2, requires_grad=False)
    assert torch.allclose(net(x) - net.bias, 8 * (first - net.bias))
    model.close()


@needs_onednn
def test_blocks_that_are_computed_anew_are_packed_then_as_well() -> None:
    net, x = nn.Sequential(nn.Linear(4, 4), nn.SiLU(), nn.Linear(4, 4)), torch.ones(2, 4)
    model = ALL.of([net.requires_grad_(False)])
    assert model
    found = []
    for way in (net, lambda x: checkpoint(net, x, use_reentrant=False)):
        leaf = x.clone().requires_grad_()
        output = way(leaf)
        output.square().sum().backward()
        assert leaf.grad is not None
        found.append((output.detach(), leaf.grad))
    model.close()
    assert all(map(torch.equal, *found))


@needs_onednn
def test_layers_with_a_forward_of_their_own_get_it_back() -> None:
    net = nn.Linear(4, 4).requires_grad_(False)
    own = lambda x: nn.functional.linear(x, net.weight) * 3  # noqa: E731
    net.forward = own  # type: ignore[method-assign]
    expected = net(torch.ones(1, 4))
    model = ALL.of([net, net])
    assert model
    assert torch.allclose(net(torch.ones(1, 4)), expected)
    model.close()
    assert net.forward is own


@pytest.mark.parametrize(("memory", "packs"), [(8 * 80 * 2, True), (8 * 80 * 2 - 1, False)])
@needs_onednn
def test_packed_weights_take_at_most_half_of_the_memory(
    memory: int, packs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "main_memory", lambda: memory)
    model = Packing(large=1).of([nn.Linear(8, 10)])
    assert (model is not None) == packs


def test_a_torch_without_the_operations_computes_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object) -> Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")

    monkeypatch.setattr(onednn, "_linear", missing)
    works.cache_clear()
    try:
        assert not works(torch.float32)
        assert ALL.of([network()]) is None
    finally:
        works.cache_clear()


def test_a_torch_whose_results_differ_computes_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "_linear", lambda x, layout, bias: x.new_zeros(len(x), 4))
    works.cache_clear()
    try:
        assert not works(torch.float32)
    finally:
        works.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions_are_left_to_torch(dtype: torch.dtype) -> None:
    assert not works(dtype)


def test_trying_it_out_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    works.cache_clear()
    works(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)


@needs_onednn
def test_in_autocast_layers_compute_in_its_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where oneDNN has no bf16 on this machine, torch computes, in the same precision."""
    net = network()
    with torch.autocast("cpu", torch.bfloat16):
        plain = learned(net)
        model = ALL.of([net])
        assert model
        found = learned(net)
        model.close()
    assert found[0].dtype == plain[0].dtype == torch.bfloat16
    assert found[1].dtype == torch.float32
    for one, other in zip(plain, found, strict=True):
        assert (one - other).abs().max() <= 0.05 * one.abs().max()


@pytest.mark.parametrize(
    ("limit", "expected"), [("4096\n", 4096), ("max\n", 8192), (None, 8192), ("99999999", 8192)]
)
def test_memory_is_what_the_container_may_use(
    limit: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "memory.max"
    if limit:
        file.write_text(limit)
    monkeypatch.setattr(machine, "_LIMITS", (str(file), str(tmp_path / "missing")))
    monkeypatch.setattr(machine, "_physical", lambda: 8192)
    assert machine.main_memory() == expected
