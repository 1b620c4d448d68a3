"""The benchmark of convergence trains by each recipe's rules, and continues its result file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from benchmarks.convergence import (
    DOCS,
    NO_RIVAL,
    RECIPES,
    RESULTS,
    Case,
    cases,
    known,
    main,
    other_words,
    settings_of,
)
from benchmarks.convergence_page import page, table
from ti_core.demo.scene import HELD_OUT

COUNTS = (400, 800)


def test_a_rate_that_falls_needs_a_run_for_each_count() -> None:
    found = list(cases(["ours", "dti"], ["cat", "fish"], [3], COUNTS))
    assert found == [
        [Case("ours", "cat", 3, (400,)), Case("ours", "fish", 3, (400,))],
        [Case("ours", "cat", 3, (800,)), Case("ours", "fish", 3, (800,))],
        [Case("dti", "cat", 3, COUNTS), Case("dti", "fish", 3, COUNTS)],
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_sees_as_many_pictures(name: str, tmp_path: Path) -> None:
    counts = (800,) if RECIPES[name].falls else COUNTS
    config = settings_of(Case(name, "cat", 3, counts), tmp_path)
    size, tried = config.optimizer.update_size, config.embedding.init_trial_steps
    questions = 16 if tried else 0  # two times, without a backward pass
    assert (config.optimizer.last_step + tried) * size + questions == 800
    assert bool(tried) == (name == "ours")
    assert config.output.save_every_n_steps in (config.optimizer.last_step, 400 // size)
    assert (config.compute.seed, config.embedding.num_vectors_per_token) == (3, 3)


def test_recipes_are_those_of_the_others(tmp_path: Path) -> None:
    def rate(name: str) -> float:
        return settings_of(Case(name, "cat", 0, COUNTS), tmp_path).optimizer.rate(7)

    rates = {name: rate(name) for name in RECIPES if not RECIPES[name].falls}
    assert rates == pytest.approx({"a1111": 5e-3, "kohya": 1e-6, "diffusers": 2e-3, "dti": 0.04})


def line(recipe: str, concept: str, seed: int, count: int, score: float) -> dict[str, Any]:
    told = {"recipe": recipe, "concept": concept, "seed": seed, "count": count}
    return {**told, "rules": RECIPES[recipe].digest, "score": score, "other": 1 - score}


def test_a_table_tells_mean_weakest_and_runs() -> None:
    lines = [
        line("ours", concept, seed, 400, score)
        for concept, seed, score in [("cat", 0, 0.5), ("cat", 1, 0.7), ("brick", 0, 1.0)]
    ]
    found = table(lines, list(RECIPES), [400, 800], "score")
    assert found.splitlines()[2:] == ["| ours | 80 (cat 60; 3) |  |"]


def test_a_page_compares_counts_that_have_every_concept() -> None:
    lines = [
        *(line("ours", "cat", 0, n, score) for n, score in ((100, 0.5), (200, 0.9))),
        *(line("ours", "fish", 0, n, score) for n, score in ((100, 0.7), (200, 0.9))),
        *(line("dti", concept, 0, 1600, 0.8) for concept in ("cat", "fish")),
        line("a1111", "cat", 0, 4000, 1.0),
        *(line("ours", concept, 1, 200, 0.1) for concept in ("cat", "fish")),  # of no other
        *(line("one start", concept, 0, 400, 0.9) for concept in ("cat", "fish")),  # no rival
    ]
    text = "before\n<!-- results -->old<!-- end of results -->\n"
    found = page(lines, text, list(RECIPES), NO_RIVAL)
    assert (
        "80 % (dti, 1,600 images); in the same runs ours reaches it with 200, 8.0 times fewer"
        in found
    )
    assert found.startswith("before\n<!-- results -->\nShare")
    assert "| cat | fish |" in found


def test_what_is_in_docs_are_the_results() -> None:
    text = DOCS.read_text()
    assert page(known(RESULTS), text, list(RECIPES), NO_RIVAL) == text


def test_other_words_of_a_prompt_are_fields() -> None:
    told = {prompt: other_words(prompt) for prompt in HELD_OUT["brick"].prompts}
    assert told["a red [name] square on a white background"] == {
        "colour": "red", "background": "white", "shape": "square",
    }  # fmt: skip
    assert all(other_words(" ".join(c.prompts)) for c in HELD_OUT.values())


def test_results_of_other_rules_and_lines_cut_off_are_left_out(tmp_path: Path) -> None:
    good, file = line("ours", "cat", 0, 400, 0.5), tmp_path / "results.jsonl"
    whole = [json.dumps(good), json.dumps({**good, "rules": "00000000"}), json.dumps(good)[:-9]]
    file.write_text("\n".join(whole))
    assert known(file) == [good]
    file.write_text("\n".join([*whole[:1], json.dumps({**good, "pictures": 64})]))
    assert known(file) == [{**good, "pictures": 64}]


class KilledError(Exception):
    """What ends a process, for those in the same one."""


def killed(*_: object) -> NoReturn:
    raise KilledError


@pytest.mark.slow
def test_a_result_file_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, work = tmp_path / "results.jsonl", tmp_path / "work"
    options = ["--concepts", "comic", "--seeds", "3", "--counts", "4", "--pictures", "4"]
    argv = ["convergence", "--recipes", "ours", "diffusers", *options, "--write", str(file)]
    monkeypatch.setattr(sys, "argv", [*argv, "--work", str(work)])
    with monkeypatch.context() as broken:
        broken.setattr("benchmarks.convergence.images_of", killed)
        with pytest.raises(KilledError):
            main()
    trained = {path: path.stat().st_mtime_ns for path in work.glob("ours*/embedding/*")}
    assert trained
    assert not file.exists()
    main()
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    written = file.read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    assert [line["recipe"] for line in lines] == ["ours", "diffusers"]
    assert all(0 <= line["score"] <= 1 and line["count"] == 4 for line in lines)
    main()
    assert file.read_text() == written
    assert "| diffusers |" in capsys.readouterr().out
