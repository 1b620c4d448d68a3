"""The benchmark of a step measures every stage, both ways where weights are packed."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from benchmarks.step import compared, main, table
from ti_core.hosts.common.onednn import works
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.hosts.standalone import compiled


def test_a_small_model_has_one_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["step", "--rounds", "1"])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    main()
    _, _, head, _, *rows = capsys.readouterr().out.splitlines()
    assert head == "| ms | plain |"
    assert [row.split("|")[1].strip() for row in rows] == [
        *("text encoder", "network", "backward", "step", "floor")
    ]


@pytest.mark.skipif(not works(torch.float32), reason="torch without oneDNN")
def test_both_ways_are_measured_where_weights_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSession, "packing", replace(FakeSession.packing, large=1))
    host = FakeHost()
    found = compared({"plain": host, "packed": host}, "no", 64, 2, 1)
    assert list(found) == ["plain", "packed"]
    assert all(seconds >= 0 for stages in found.values() for seconds in stages.values())


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
def test_compiled_blocks_are_a_third_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "eager")  # inductor takes a minute
    monkeypatch.setattr(sys, "argv", ["step", "--rounds", "1", "--torch_compile"])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    main()
    assert "| ms | plain | compiled |" in capsys.readouterr().out


def test_a_table_is_in_milliseconds() -> None:
    names = ("text encoder", "network", "backward", "step", "floor")
    lines = table({"plain": dict.fromkeys(names, 0.5), "packed": dict.fromkeys(names, 0.25)})
    assert lines.splitlines()[:3] == [
        "| ms | plain | packed |",
        "|---|---|---|",
        "| text encoder | 500.0 | 250.0 |",
    ]
