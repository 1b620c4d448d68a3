"""The benchmark of convergence trains by each recipe's rules, and continues its result file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.convergence import RECIPES, Case, cases, main, settings_of, table

COUNTS = (400, 800)


def test_a_rate_that_falls_needs_a_run_for_each_count() -> None:
    found = list(cases(["ours", "dti"], ["cat"], [3], COUNTS))
    assert found == [
        Case("ours", "cat", 3, (400,)),
        Case("ours", "cat", 3, (800,)),
        Case("dti", "cat", 3, COUNTS),
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_sees_as_many_pictures(name: str, tmp_path: Path) -> None:
    config = settings_of(Case(name, "cat", 3, COUNTS), tmp_path)
    size = config.optimizer.update_size
    assert config.optimizer.last_step * size == 800
    assert config.output.save_every_n_steps * size == 400
    assert (config.compute.seed, config.embedding.num_vectors_per_token) == (3, 3)


def test_recipes_are_those_of_the_others(tmp_path: Path) -> None:
    def rate(name: str) -> float:
        return settings_of(Case(name, "cat", 0, COUNTS), tmp_path).optimizer.rate(7)

    rates = {name: rate(name) for name in RECIPES if name != "ours"}
    assert rates == pytest.approx({"a1111": 5e-3, "kohya": 1e-6, "diffusers": 2e-3, "dti": 0.04})


def test_a_table_tells_mean_weakest_and_runs() -> None:
    lines = [
        {"recipe": "ours", "concept": concept, "seed": seed, "count": 400, "score": score}
        for concept, seed, score in [("cat", 0, 0.5), ("cat", 1, 0.7), ("brick", 0, 1.0)]
    ]
    assert table(lines, [400, 800]).splitlines()[2:] == ["| ours | 80 (cat 60; 3) |  |"]


def test_a_result_file_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.jsonl"
    options = ["--concepts", "comic", "--seeds", "3", "--counts", "4", "--pictures", "4"]
    argv = ["convergence", "--recipes", "ours", "diffusers", *options, "--write", str(file)]
    monkeypatch.setattr(sys, "argv", argv)
    main()
    written = file.read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    assert [line["recipe"] for line in lines] == ["ours", "diffusers"]
    assert all(0 <= line["score"] <= 1 and line["count"] == 4 for line in lines)
    main()
    assert file.read_text() == written
    assert "| diffusers |" in capsys.readouterr().out
