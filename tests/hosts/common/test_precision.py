"""What a device computes in unless the user says otherwise."""

from __future__ import annotations

import pytest
import torch

from ti_core.hosts.common.precision import usual_precision


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((6, 1), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16"), ((12, 0), "bf16")],
)
def test_a_graphics_card_takes_bf16_where_it_computes_in_it_and_else_fp16(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert usual_precision(torch.device("cuda")) == expected


@pytest.mark.parametrize("device", ["cpu", "mps", "meta"])
def test_anything_else_stays_in_fp32(device: str) -> None:
    assert usual_precision(torch.device(device)) == "no"
