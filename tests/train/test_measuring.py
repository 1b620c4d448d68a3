"""How strong the vectors are and how far from their beginning, over a whole run."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ti_core.families import FAMILIES
from ti_core.files.embedding import for_encoders
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.events import Measured, Started
from ti_core.train.loop import train
from ti_core.train.progress import so_far
from ti_core.train.run_folder import STRENGTH_CSV, RunFolder
from ti_core.train.standing import DRIFT, STRENGTH, Standing, curves_of, greatest
from ti_core.train.state import latest_state, save_state

from ..conftest import Configure
from .spoiled import Log, StopAfter


def run(config: Any, stop: int = 0, resume: RunFolder | None = None, **about: Any) -> RunFolder:
    log = Log()
    train(config, FakeHost(**about), log, StopAfter(log, stop) if stop else None, resume)
    return RunFolder(log.of(Started)[0].run_folder)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_strength_and_drift_are_those_of_the_copies(configure: Configure, family: str) -> None:
    about: dict[str, Any] = {"family": FAMILIES[family]}
    config = configure(num_vectors_per_token=2, save_every_n_steps=4, loss_csv_every=4)
    folder, facts = run(config, **about), FakeHost(**about).describe()
    usual = RunFolder(folder.path).events("Started")[0]["usual_lengths"]
    found = {one.step: one for one in folder.standings()}
    assert list(found) == [0, 4, 8, 10]
    assert not any(number for numbers in found[0].drift.values() for number in numbers)
    begun = latest_state(folder.state).begun
    for step in (4, 8):
        copy = read_embedding(folder.copy_path("zz-thing", step))
        for key, rows in for_encoders(copy, facts.widths, "").items():
            lengths = [float(row.norm()) / usual[key] for row in rows]
            ways = [float(row.norm()) / usual[key] for row in rows - begun[key]]
            assert found[step].strength[key] == pytest.approx(lengths, abs=1e-5)
            assert found[step].drift[key] == pytest.approx(ways, abs=1e-5)
            assert min(ways) > 0


def test_a_resume_changes_nothing_in_table_and_curve(configure: Configure, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"loss_csv_every": 3, "max_train_steps": 12}
    whole = run(configure(**settings, logging_dir=str(tmp_path / "whole")))
    config = configure(**settings, logging_dir=str(tmp_path / "parts"), overwrite=True)
    folder = run(config, stop=5)
    before = so_far(folder)
    assert [step for step, _ in before["strengths"]] == [0, 3]
    assert [step for step, _ in before["drifts"]] == [0, 3]
    run(config, resume=folder)
    for name in (STRENGTH_CSV, "strength.png"):
        assert (folder.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_the_table_has_a_column_for_each_vector(configure: Configure) -> None:
    folder = run(configure(num_vectors_per_token=2, loss_csv_every=5))
    with (folder.path / STRENGTH_CSV).open(newline="") as file:
        head, *rows = csv.reader(file)
    names = [f"{what} clip_l {place}" for what in (STRENGTH, DRIFT) for place in (1, 2)]
    assert head == ["step", *names]
    assert [row[0] for row in rows] == ["0", "5", "10"]
    assert rows[0][3:] == ["0.000000", "0.000000"]
    assert all(float(cell) > 0 for cell in rows[-1][1:])
    with Image.open(folder.path / "strength.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(10**6) or []}
    assert {(37, 99, 175), (217, 119, 6)} <= colours, "strength and drift"


def test_each_of_several_words_has_its_columns(configure: Configure, pictures: Path) -> None:
    words = [{"name": name, "train_data_dir": str(pictures)} for name in ("aa-one", "bb-two")]
    config = configure(token_string="", train_data_dir="", words=json.dumps(words))
    last = run(config).standings()[-1]
    assert set(last.strength) == set(last.drift) == {"aa-one:clip_l", "bb-two:clip_l"}


def test_a_run_of_an_older_version_has_strength_and_no_drift(configure: Configure) -> None:
    config = configure(overwrite=True)
    folder = run(config, stop=5)
    save_state(folder.state, replace(latest_state(folder.state), begun={}))
    run(config, resume=folder)
    last = folder.standings()[-1]
    assert (last.step, last.drift) == (10, {})
    assert last.strength["clip_l"][0] > 0
    assert (folder.path / STRENGTH_CSV).read_text().splitlines()[-1].endswith(",")


def test_damaged_lines_and_curves_of_nothing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.record(Measured(0, {"clip_l": [1.0]}, {"clip_l": [0.0]}))
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "Measured", "step": 5, "strength": 3, "drift": {}}\n')
    found = folder.standings()
    assert found == [Standing(0, {"clip_l": [1.0]}, {"clip_l": [0.0]})]
    assert curves_of(found) == {"strength clip_l 1": [(0, 1.0)], "drift clip_l 1": [(0, 0.0)]}
    assert greatest([Standing(1, {"a": [1.0, 2.0]}, {})], DRIFT) == []


def test_nothing_of_it_moves_the_vectors(configure: Configure, tmp_path: Path) -> None:
    results = []
    for every in (1, 0):
        folder = run(configure(loss_csv_every=every, overwrite=True, ema_decay=0.9))
        results.append(latest_state(folder.state).tensors["clip_l"])
    assert torch.equal(*results)
