"""Loss scale, clipping, checks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ti_core.errors import NoGradientError
from ti_core.train.config import OptimizerConfig
from ti_core.train.gradients import (
    LossScale,
    all_finite,
    clip,
    require_alive,
    unscale,
)
from ti_core.train.learning_config import ClipMode


def with_gradient(*values: float) -> Tensor:
    tensor = torch.zeros(len(values), requires_grad=True)
    tensor.grad = torch.tensor(values)
    return tensor


# --- loss scale -------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "value"), [("no", 1.0), ("bf16", 1.0), ("fp16", 65536.0)])
def test_only_fp16_is_scaled(precision: str, value: float) -> None:
    assert LossScale.for_precision(precision).value == value


def test_the_scale_halves_down_to_one_and_no_further() -> None:
    scale = LossScale(4.0, good_updates=9)
    assert [scale.shrink() for _ in range(3)] == [True, True, False]
    assert (scale.value, scale.good_updates) == (1.0, 0)


def test_the_scale_grows_after_many_good_updates_but_never_from_one() -> None:
    scale, plain, full = LossScale(2.0), LossScale(1.0), LossScale(65536.0)
    for _ in range(2000):
        for each in (scale, plain, full):
            each.count_good()
    assert (scale.value, plain.value, full.value) == (4.0, 1.0, 65536.0)


def test_clipping_sees_the_true_size_of_the_gradient() -> None:
    """A1111 clips the scaled one, so that its number does not mean what it says."""
    vector, scale = with_gradient(0.0), 1024.0
    (vector * 3.0 * scale).sum().backward()
    unscale([vector], scale)
    clip([vector], OptimizerConfig(clip_grad_mode="value", clip_grad_value="5"), 0)
    assert vector.grad is not None
    assert vector.grad.tolist() == [3.0]


# --- clipping ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("disabled", [3.0, -4.0]), ("value", [1.0, -1.0]), ("norm", [0.6, -0.8])],
)
def test_clipping_limits_each_number_or_the_length(mode: ClipMode, expected: list[float]) -> None:
    vector = with_gradient(3.0, -4.0)
    clip([vector], OptimizerConfig(clip_grad_mode=mode, clip_grad_value="1"), 0)
    assert vector.grad is not None
    assert vector.grad.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_length_is_that_of_all_vectors_together() -> None:
    """kohya looks at the last text encoder only."""
    one, two = with_gradient(3.0), with_gradient(4.0)
    clip([one, two], OptimizerConfig(clip_grad_mode="norm", clip_grad_value="1"), 0)
    assert one.grad is not None
    assert two.grad is not None
    assert [one.grad.item(), two.grad.item()] == pytest.approx([0.6, 0.8], rel=1e-4)


def test_the_limit_may_be_a_schedule() -> None:
    config = OptimizerConfig(clip_grad_mode="value", clip_grad_value="2:5, 1")
    for step, expected in ((4, 2.0), (5, 1.0)):
        vector = with_gradient(3.0)
        clip([vector], config, step)
        assert vector.grad is not None
        assert vector.grad.item() == expected


def test_kohya_s_spelling_clips_by_length() -> None:
    mode, limit = OptimizerConfig(max_grad_norm=0.25).clip_limit
    assert limit is not None
    assert (mode, limit.rate(0)) == ("norm", 0.25)
    assert OptimizerConfig().clip_limit == ("disabled", None)


# --- checks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "finite"), [(1.0, True), (float("nan"), False), (float("inf"), False)]
)
def test_a_gradient_that_is_not_finite_is_noticed(value: float, finite: bool) -> None:
    found = [vector.grad for vector in (with_gradient(1.0), with_gradient(0.0, value))]
    assert all_finite(each for each in found if each is not None) is finite


@pytest.mark.parametrize("dead", [torch.zeros(2, requires_grad=True), with_gradient(0.0, 0.0)])
def test_a_dead_tensor_is_named_with_a_cause_and_a_remedy(dead: Tensor) -> None:
    require_alive(["clip_l"], [with_gradient(0.0, 1e-30)])
    with pytest.raises(NoGradientError) as caught:
        require_alive(["clip_l", "clip_g"], [with_gradient(1.0), dead])
    assert "clip_g" in caught.value.what
    assert "attention optimization" in caught.value.why
    assert caught.value.fix


def test_a_bias_that_softmax_does_not_see_is_no_reason_to_stop() -> None:
    module = ["640.k.linear.0.bias", "640.k.linear.0.weight"]
    require_alive(module, [with_gradient(0.0), with_gradient(1.0)])
    with pytest.raises(NoGradientError, match=r"640\.v gets no gradient"):
        require_alive([*module, "640.v.linear.0.bias"], [*map(with_gradient, (0.0, 1.0, 0.0))])
