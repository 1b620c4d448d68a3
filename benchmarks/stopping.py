"""What early stopping saves and costs: runs of a preset that end by themselves, and whole ones.

    python benchmarks/stopping.py --seeds 0 1 2 --write stopping.jsonl --work stopping
    python benchmarks/stopping.py --seeds 10 --runs stop --changes '{"max_train_steps": 600}'

Each of the demo's held-out concepts is trained twice by the preset: with early stopping, and with
all steps. Scored, as in convergence.py, are the file of the first (stop), and of the second the
copy with the lowest validation loss (best) and the last one. A line has their steps and scores.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.convergence import images_of, judged, run_of
from benchmarks.together import SharedHost, Together
from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.demo.job import DemoConfig, training_of
from ti_core.demo.scene import HELD_OUT
from ti_core.files.reading import read_embedding
from ti_core.hosts.common.session import BaseSession
from ti_core.options import SettingValues, make_config, to_dict
from ti_core.port.session import Host
from ti_core.train.config import OptimizerConfig, TrainConfig
from ti_core.train.loop import train
from ti_core.train.presets import preset_settings
from ti_core.train.run_folder import VALIDATION_CSV
from ti_core.train.validations import Found, best_of

RUNS: dict[str, tuple[str, ...]] = {"stop": ("stop",), "whole": ("best", "last")}
"""Kinds of runs, and what is scored of each."""


@dataclass(frozen=True)
class Case:
    """A run of a preset."""

    preset: str
    concept: str
    seed: int
    kind: str
    """One of RUNS."""


def settings_of(case: Case, host: Host, work: Path, changes: SettingValues) -> TrainConfig:
    """The preset over the images of a concept; whole runs have a copy wherever others validate."""
    folder = work / f"{case.preset}-{case.kind}-{case.concept}-{case.seed}"
    demo = DemoConfig(out=str(folder), concept=case.concept, seed=case.seed)
    base = training_of(demo, HELD_OUT[case.concept], folder)
    plain = replace(
        base,
        embedding=replace(base.embedding, init_trial_steps=0),
        optimizer=OptimizerConfig(),
        output=replace(base.output, write_sidecars=False),
    )
    values = preset_settings(case.preset, host.describe().family, base.data.train_data_dir)
    stops = make_config(TrainConfig, {**values, "early_stopping": True, **changes}, to_dict(plain))
    if case.kind == "stop":
        return stops
    every = stops.validation.every
    return replace(
        stops,
        validation=replace(stops.validation, early_stopping=False, validate_every_n_steps=every),
        output=replace(stops.output, save_every_n_steps=every),
    )


def trained(case: Case, host: Host, work: Path, changes: SettingValues) -> dict[str, Path]:
    """The files to score, of a run that continues where it was."""
    config = settings_of(case, host, work, changes)
    path = train(config, host, resume=run_of(config))
    if case.kind == "stop":
        return {"stop": path}
    run = run_of(config)
    assert run
    with (run.path / VALIDATION_CSV).open(newline="") as file:
        found = [Found(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
    best = best_of(found)
    assert best
    return {
        "best": run.copy_path(config.name, best.step, "embeddings", ".safetensors"),
        "last": path,
    }


def measured(
    cases: Sequence[Case], host: Host, pictures: int, work: Path, changes: SettingValues
) -> Iterator[SettingValues]:
    """A line for each case."""
    with host.session() as session:
        assert isinstance(session, BaseSession)
        together, shared = Together[Any](session), SharedHost(host, session)
        jobs = [partial(trained, case, shared, work, changes) for case in cases]
        for case, files in zip(cases, together.results(jobs), strict=True):
            demo = DemoConfig(concept=case.concept, seed=case.seed, pictures=pictures)
            concept = HELD_OUT[case.concept]
            yield {
                **asdict(case),
                "changes": changes,
                "pictures": pictures,
                "steps": {name: read_embedding(path).step for name, path in files.items()},
                "scores": {
                    name: judged(images_of(together, path, demo, host), concept)["score"]
                    for name, path in files.items()
                },
            }


def summary(lines: Sequence[SettingValues]) -> str:
    """Means over all lines: steps and scores."""
    rows = ["| copy | runs | step | score |", "|---|---|---|---|"]
    for name in (name for names in RUNS.values() for name in names):
        found = [
            (line["steps"][name], line["scores"][name]) for line in lines if name in line["steps"]
        ]
        if found:
            step, score = (sum(part) / len(found) for part in zip(*found, strict=True))
            rows.append(f"| {name} | {len(found)} | {step:,.0f} | {100 * score:.1f} % |")
    return "\n".join(rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--preset", default="object")
    options.add_argument("--concepts", nargs="+", choices=list(HELD_OUT), default=list(HELD_OUT))
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--runs", nargs="+", choices=list(RUNS), default=list(RUNS))
    options.add_argument("--changes", type=json.loads, default={}, help="of settings, as JSON")
    options.add_argument("--pictures", type=int, default=32, help="scored for each")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--write", type=Path, help="JSON lines; appended to")
    options.add_argument("--work", type=Path, help="folder of trainings, to continue them")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    host, lines = open_host(ModelConfig("demo")), list[SettingValues]()
    unet: Any = host.model.unet
    unet.to(memory_format=torch.channels_last)  # a fifth faster here
    with tempfile.TemporaryDirectory() as made:
        work = given.work or Path(made)
        for seed, kind in product(given.seeds, given.runs):
            cases = [Case(given.preset, concept, seed, kind) for concept in given.concepts]
            for line in measured(cases, host, given.pictures, work, given.changes):
                lines.append(line)
                print(json.dumps(line), flush=True)
                if given.write:
                    with given.write.open("a") as file:
                        file.write(json.dumps(line) + "\n")
    print(summary(lines))


if __name__ == "__main__":
    main()
