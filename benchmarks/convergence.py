"""How many pictures it takes to learn a word: our preset beside the recipes of other trainers.

Every recipe runs in our own loop, on the demo model, with its own rules: optimiser, rate,
schedule, weight decay, batch and lengths. All begin with the same vectors (those of `ti demo`) and
see the same pictures, so that what differs is the rule. A score is the share of 32 pictures, of
seeds and prompts that no training saw, in which the demo's judge finds the concept.

    python benchmarks/convergence.py --write results.jsonl             # everything: hours
    python benchmarks/convergence.py --recipes ours dti --concepts brick cat --seeds 0

A result file is continued: what it holds is not measured again. Settings were tuned on seeds 10
to 12; seeds 0 to 2 are for reports. A recipe with a falling rate is run once for each count, since
its rate has to reach the end; the others once, and scored on the way.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.demo.assets import scorer_file
from ti_core.demo.job import LEARNING, DemoConfig, scored_requests, training_of
from ti_core.demo.scene import HELD_OUT
from ti_core.demo.scorer import Scorer
from ti_core.files.embedding import for_encoders
from ti_core.files.reading import read_embedding
from ti_core.options import SettingValues
from ti_core.port.session import Host
from ti_core.train.config import LengthMode, OptimizerConfig, TrainConfig
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder

COUNTS = (100, 200, 400, 800, 1600, 4000)
REPORTED = (0, 1, 2)


@dataclass(frozen=True)
class Recipe:
    """Settings of learning, and of the vectors' lengths."""

    about: str
    learning: SettingValues
    vector_length: LengthMode = "free"
    falls: bool = False
    """The rate ends at 0, so that each count is a run of its own."""


RECIPES = {
    "ours": Recipe(
        "that of `ti demo`: DTI with a rate that falls, from coarse timesteps to finer ones",
        LEARNING,
        falls=True,
    ),
    "a1111": Recipe(
        "AUTOMATIC1111's Train tab: AdamW without decay, 0.005 constant, batch 1",
        {"learning_rate": "0.005"},
    ),
    "kohya": Recipe(
        "kohya's docs/train_ti_README: AdamW with decay 0.01, 1e-6 constant, batch 1",
        {"learning_rate": "1e-6", "optimizer_args": "weight_decay=0.01"},
    ),
    "diffusers": Recipe(
        "diffusers' README: AdamW with decay 0.01, 5e-4 scaled by 4 accumulated pictures",
        {
            "learning_rate": "5e-4",
            "scale_lr": True,
            "gradient_accumulation_steps": 4,
            "optimizer_args": "weight_decay=0.01",
        },
    ),
    "dti": Recipe(
        "kunheek/dti's exps/ours_sdxl.py: 0.01 rad scaled by batch 4, κ 1e-4, mean length",
        {
            "learning_rate": "0.01",
            "scale_lr": True,
            "optimizer_type": "DTI",
            "train_batch_size": 4,
        },
        "mean",
    ),
}


@dataclass(frozen=True)
class Case:
    """One run, scored at some counts of pictures."""

    recipe: str
    concept: str
    seed: int
    counts: tuple[int, ...]


def cases(
    recipes: Sequence[str], concepts: Sequence[str], seeds: Sequence[int], counts: Sequence[int]
) -> Iterator[Case]:
    """What is to be measured."""
    for seed in seeds:
        for concept in concepts:
            for name in recipes:
                whole = [(n,) for n in counts] if RECIPES[name].falls else [tuple(counts)]
                yield from (Case(name, concept, seed, part) for part in whole)


def settings_of(case: Case, folder: Path) -> TrainConfig:
    """The training of a case, with a copy at each of its counts."""
    config = DemoConfig(out=str(folder), concept=case.concept, seed=case.seed)
    recipe = RECIPES[case.recipe]
    base = training_of(config, HELD_OUT[case.concept], folder)
    size = OptimizerConfig(**recipe.learning).update_size
    learning = {**recipe.learning, "max_train_steps": max(case.counts) // size}
    output = replace(
        base.output, write_sidecars=False, save_every_n_steps=math.gcd(*case.counts) // size
    )
    embedding = replace(base.embedding, vector_length=recipe.vector_length)
    return replace(base, optimizer=OptimizerConfig(**learning), embedding=embedding, output=output)


def measured(case: Case, host: Host, pictures: int) -> Iterator[SettingValues]:
    """A line for each count: score, seconds of training."""
    with tempfile.TemporaryDirectory() as made:
        config = settings_of(case, Path(made))
        began = time.process_time()
        train(config, host)
        seconds = time.process_time() - began
        run = RunFolder.find("latest", Path(config.output.logging_dir), config.name)
        for count in case.counts:
            step = count // config.optimizer.update_size
            copy = run.copy_path(config.name, step, "embeddings", ".safetensors")
            yield {
                "recipe": case.recipe,
                "concept": case.concept,
                "seed": case.seed,
                "count": count,
                "score": score(copy, case, host, pictures),
                "seconds": round(seconds * count / max(case.counts), 1),
            }


def score(copy: Path, case: Case, host: Host, pictures: int) -> float:
    """The share of pictures that show the concept."""
    concept = HELD_OUT[case.concept]
    rows = for_encoders(read_embedding(copy), host.describe().widths, str(copy))
    config = DemoConfig(concept=case.concept, seed=case.seed, pictures=pictures)
    with host.session() as session:
        made = [
            session.preview(request, {concept.name: rows})[0]
            for request in scored_requests(concept, config, host)
        ]
    return Scorer.load(scorer_file()).concept_score(made, concept)


def known(path: Path | None) -> list[SettingValues]:
    """Lines of a result file; none where it is not there yet."""
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def table(lines: Sequence[SettingValues], counts: Sequence[int]) -> str:
    """Mean scores in percent of each recipe at each count, the weakest concept, and how many."""
    rows = ["| recipe | " + " | ".join(f"{n:,}" for n in counts) + " |"]
    rows.append("|---" * (len(counts) + 1) + "|")
    for name in RECIPES:
        own = [line for line in lines if line["recipe"] == name]
        cells = [_cell([line for line in own if line["count"] == n]) for n in counts]
        if own:
            rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(lines: Sequence[SettingValues]) -> str:
    """ "87 (brick 72; 24)": mean, the concept with the lowest mean, runs."""
    if not lines:
        return ""
    by_concept: dict[str, list[float]] = {}
    for line in lines:
        by_concept.setdefault(line["concept"], []).append(line["score"])
    means = {concept: sum(found) / len(found) for concept, found in by_concept.items()}
    lowest = min(means, key=lambda concept: means[concept])
    mean = sum(means.values()) / len(means)
    return f"{100 * mean:.0f} ({lowest} {100 * means[lowest]:.0f}; {len(lines)})"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    options.add_argument("--concepts", nargs="+", choices=list(HELD_OUT), default=list(HELD_OUT))
    options.add_argument("--seeds", type=int, nargs="+", default=list(REPORTED))
    options.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    options.add_argument("--pictures", type=int, default=32, help="scored for each")
    options.add_argument("--model", default="demo", help="diffusers folder; the bundled one")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--write", type=Path, help="JSON lines; continued if it is there")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    lines = known(given.write)
    have = {(line["recipe"], line["concept"], line["seed"], line["count"]) for line in lines}
    host = open_host(ModelConfig(given.model))
    for case in cases(given.recipes, given.concepts, given.seeds, given.counts):
        key = case.recipe, case.concept, case.seed
        left = tuple(n for n in case.counts if (*key, n) not in have)
        for line in measured(replace(case, counts=left), host, given.pictures) if left else ():
            lines.append(line)
            print(json.dumps(line), flush=True)
            if given.write:
                with given.write.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    print(table(lines, given.counts))


if __name__ == "__main__":
    main()
