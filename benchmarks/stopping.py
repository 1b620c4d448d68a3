"""What early stopping saves and costs: whole runs of a preset, and where it would have ended them.

    python benchmarks/stopping.py --seeds 0 1 2 --write stopping.jsonl --work stopping
    python benchmarks/stopping.py --seeds 10 --patience 300 --threshold 0.005

Each of the demo's held-out concepts is trained with all steps of the preset, and validated as early
stopping would. The rule is then applied to the validation losses as they came. Scored, as in
convergence.py, are the copies at the step where it ends the run, at the lowest loss until then, at
the lowest loss of the whole run, and at the last step. A line has the four steps and scores.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.convergence import images_of, judged, run_of
from benchmarks.together import SharedHost, Together
from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.demo.job import DemoConfig, training_of
from ti_core.demo.scene import HELD_OUT
from ti_core.hosts.common.session import BaseSession
from ti_core.options import SettingValues, make_config, to_dict
from ti_core.port.session import Host
from ti_core.train.config import OptimizerConfig, TrainConfig
from ti_core.train.early_stopping import settled
from ti_core.train.loop import train
from ti_core.train.presets import preset_settings
from ti_core.train.run_folder import VALIDATION_CSV
from ti_core.train.validation_config import ValidationConfig
from ti_core.train.validations import Found

EVERY = ValidationConfig(early_stopping=True).every
"""Steps from one validation to the next, as early stopping has it without a setting."""


@dataclass(frozen=True)
class Case:
    """A whole run of a preset."""

    preset: str
    concept: str
    seed: int


def settings_of(case: Case, host: Host, work: Path) -> TrainConfig:
    """The preset over the images of a concept; with a copy wherever it is validated."""
    folder = work / f"{case.preset}-{case.concept}-{case.seed}"
    demo = DemoConfig(out=str(folder), concept=case.concept, seed=case.seed)
    base = training_of(demo, HELD_OUT[case.concept], folder)
    plain = replace(
        base,
        embedding=replace(base.embedding, init_trial_steps=0),
        optimizer=OptimizerConfig(),
        output=replace(base.output, write_sidecars=False),
    )
    values = preset_settings(case.preset, host.describe().family, base.data.train_data_dir)
    more = {"validate_every_n_steps": EVERY, "save_every_n_steps": EVERY, "early_stopping": False}
    return make_config(TrainConfig, {**values, **more}, to_dict(plain))


def trained(case: Case, host: Host, work: Path) -> list[Found]:
    """All validations of the run, which continues where it was."""
    config = settings_of(case, host, work)
    train(config, host, resume=run_of(config))
    run = run_of(config)
    assert run
    with (run.path / VALIDATION_CSV).open(newline="") as file:
        return [Found(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]


def steps_of(found: Sequence[Found], options: ValidationConfig) -> dict[str, int]:
    """Where the rule ends the run, or its last step; and the copies beside that."""
    rule = replace(options, early_stopping=True, validate_every_n_steps=EVERY)
    ends = (n for n in range(1, len(found)) if settled(found[:n], rule))
    until = found[: next(ends, len(found))]
    return {
        "stop": until[-1].step,
        "best until stop": _lowest(until),
        "best": _lowest(found),
        "last": found[-1].step,
    }


def _lowest(found: Sequence[Found]) -> int:
    """Of copies: there is none of step 0."""
    return min((one for one in found if one.step), key=lambda one: one.loss).step


def measured(
    cases: Sequence[Case], host: Host, options: ValidationConfig, pictures: int, work: Path
) -> Iterator[SettingValues]:
    """A line for each case."""
    with host.session() as session:
        assert isinstance(session, BaseSession)
        together, shared = Together[Any](session), SharedHost(host, session)
        runs = together.results([partial(trained, case, shared, work) for case in cases])
        for case, found in zip(cases, runs, strict=True):
            steps, scores = steps_of(found, options), dict[int, float]()
            for step in set(steps.values()):
                scores[step] = _score(case, step, together, host, pictures, work)
            yield {
                "preset": case.preset,
                "concept": case.concept,
                "seed": case.seed,
                "patience": options.early_stopping_patience,
                "threshold": options.early_stopping_threshold,
                "pictures": pictures,
                "steps": steps,
                "scores": {name: scores[step] for name, step in steps.items()},
            }


def _score(
    case: Case, step: int, together: Together[Any], host: Host, pictures: int, work: Path
) -> float:
    config = settings_of(case, host, work)
    run = run_of(config)
    assert run
    copy = run.copy_path(config.name, step, "embeddings", ".safetensors")
    demo = DemoConfig(concept=case.concept, seed=case.seed, pictures=pictures)
    images = images_of(together, copy, demo, host)
    return judged(images, HELD_OUT[case.concept])["score"]


def summary(lines: Sequence[SettingValues]) -> str:
    """Means over all lines: scores, steps, and what of the best copy's score is kept."""
    rows = ["| copy | step | score |", "|---|---|---|"]
    for name in ("stop", "best until stop", "best", "last"):
        step = sum(line["steps"][name] for line in lines) / len(lines)
        score = sum(line["scores"][name] for line in lines) / len(lines)
        rows.append(f"| {name} | {step:,.0f} | {100 * score:.1f} % |")
    return "\n".join(rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--preset", default="object")
    options.add_argument("--concepts", nargs="+", choices=list(HELD_OUT), default=list(HELD_OUT))
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    usual = ValidationConfig()
    options.add_argument("--patience", type=int, default=usual.early_stopping_patience)
    options.add_argument("--threshold", type=float, default=usual.early_stopping_threshold)
    options.add_argument("--pictures", type=int, default=32, help="scored for each")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--write", type=Path, help="JSON lines; appended to")
    options.add_argument("--work", type=Path, help="folder of trainings, to continue them")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    rule = replace(
        usual, early_stopping_patience=given.patience, early_stopping_threshold=given.threshold
    )
    host, lines = open_host(ModelConfig("demo")), list[SettingValues]()
    unet: Any = host.model.unet
    unet.to(memory_format=torch.channels_last)  # a fifth faster here
    with tempfile.TemporaryDirectory() as made:
        for seed in given.seeds:
            cases = [Case(given.preset, concept, seed) for concept in given.concepts]
            for line in measured(cases, host, rule, given.pictures, given.work or Path(made)):
                lines.append(line)
                print(json.dumps(line), flush=True)
                if given.write:
                    with given.write.open("a") as file:
                        file.write(json.dumps(line) + "\n")
    print(summary(lines))


if __name__ == "__main__":
    main()
