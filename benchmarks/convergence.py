"""How many images it takes to learn a word: our preset beside the recipes of other trainers.

Every recipe runs in our own loop, on the demo model, with its own rules: optimizer, rate,
schedule, weight decay, batch, start and lengths. All begin with the same words (those of `ti demo`)
and see the same images, so that what differs is the rule. A score is the share of 32 images, of
seeds and prompts that no training saw, in which the demo's judge finds the concept; `other` is how
much of what the other words of the prompt say (colour, shape, background) it finds.

    python benchmarks/convergence.py                                   # everything: hours
    python benchmarks/convergence.py --recipes ours dti --concepts brick cat --seeds 0
    python benchmarks/convergence.py --docs                            # the tables in docs

Results are added to a file as they come; what it holds is not measured again, and a training that
was interrupted continues where it was. Concepts are trained at the same time (`together.py`).
Settings were tuned on seeds 10 to 12; seeds 0 to 2 are for reports. A recipe with a falling rate is
run once for each count, since its rate has to reach the end; the others once, and scored on the
way.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.convergence_page import page, table
from benchmarks.together import AT_ONCE, SharedHost, Together
from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.demo.assets import scorer_file
from ti_core.demo.job import (
    LEARNING,
    LONG,
    LONGER,
    TRIED,
    DemoConfig,
    scored_requests,
    training_of,
)
from ti_core.demo.lexicon import COLOURS, NAMED_SHAPES
from ti_core.demo.scene import HELD_OUT, Concept
from ti_core.demo.scorer import Scorer
from ti_core.errors import TrainingError
from ti_core.files.atomic import write_bytes
from ti_core.files.embedding import for_encoders
from ti_core.files.reading import read_embedding
from ti_core.hosts.common.session import BaseSession
from ti_core.options import SettingValues
from ti_core.port.session import Host
from ti_core.train.config import LengthMode, OptimizerConfig, TrainConfig
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder
from ti_core.train.starts import CLEARLY, QUESTIONS

ROOT = Path(__file__).parents[1]
NO_RIVAL = ("one start",)
"""Recipes that are variants of ours, the first."""
RESULTS = ROOT / "benchmarks" / "convergence.jsonl"
DOCS = ROOT / "docs" / "convergence.md"
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
    longer: SettingValues = field(default_factory=dict)
    """What changes in runs of LONG steps or more."""
    tries_starts: bool = False
    """As `ti demo` does. What that takes is counted: the images of the start that is left, and
    questions about both, which have no backward pass, as half an image each. The run continues from
    the updates of the other one."""

    @property
    def digest(self) -> str:
        """Of all rules: results of others are not theirs."""
        told: list[object] = [self.learning, self.vector_length]
        told += [LONG, self.longer] if self.longer else []
        told += [TRIED, CLEARLY] if self.tries_starts else []
        rules = json.dumps(told, sort_keys=True)
        return hashlib.sha256(rules.encode()).hexdigest()[:8]

    def in_steps(self, steps: int) -> SettingValues:
        """The settings of learning, in a run of so many steps."""
        return {**self.learning, **self.longer} if steps >= LONG else self.learning


RECIPES = {
    "ours": Recipe(
        "that of `ti demo`: DTI with a rate that falls, from coarse timesteps to finer ones",
        LEARNING,
        falls=True,
        longer=LONGER,
        tries_starts=True,
    ),
    "one start": Recipe(
        "as `ti demo` was: from the vectors of the words, timesteps drawn from the whole range",
        {name: value for name, value in LEARNING.items() if name != "timestep_sampling"},
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
    """One run, scored at some counts of images."""

    recipe: str
    concept: str
    seed: int
    counts: tuple[int, ...]

    @property
    def folder(self) -> str:
        """A run that has other rules, or a rate that ends elsewhere, is another one."""
        end = f"-{self.counts[-1]}" if RECIPES[self.recipe].falls else ""
        return f"{self.recipe}-{RECIPES[self.recipe].digest}-{self.concept}-{self.seed}{end}"


def cases(
    recipes: Sequence[str], concepts: Sequence[str], seeds: Sequence[int], counts: Sequence[int]
) -> Iterator[list[Case]]:
    """What is to be measured; each list has the same recipe, seed and counts, and is trained at
    the same time."""
    for seed in seeds:
        for name in recipes:
            for part in [(n,) for n in counts] if RECIPES[name].falls else [tuple(counts)]:
                yield [Case(name, concept, seed, part) for concept in concepts]


def settings_of(case: Case, folder: Path) -> TrainConfig:
    """The training of a case, with a copy at each of its counts."""
    recipe = RECIPES[case.recipe]
    size = OptimizerConfig(**recipe.learning).update_size
    steps = max(case.counts) // size
    demo = DemoConfig(out=str(folder), concept=case.concept, seed=case.seed, max_train_steps=steps)
    base = training_of(demo, HELD_OUT[case.concept], folder)
    learning = recipe.in_steps(steps)
    tried = base.embedding.init_trial_steps if recipe.tries_starts else 0
    if tried:
        steps -= (tried * size + QUESTIONS) // size
    every = steps if recipe.falls else math.gcd(*case.counts) // size
    return replace(
        base,
        optimizer=OptimizerConfig(**learning, max_train_steps=steps),
        embedding=replace(
            base.embedding, vector_length=recipe.vector_length, init_trial_steps=tried
        ),
        output=replace(base.output, write_sidecars=False, save_every_n_steps=every),
    )


def measured(
    group: Sequence[Case], host: Host, pictures: int, work: Path
) -> Iterator[SettingValues]:
    """A line for each count of each case, as `known` has them."""
    with host.session() as session:
        assert isinstance(session, BaseSession)
        together, shared = Together[Any](session), SharedHost(host, session)
        together.results([partial(_trained, case, shared, work) for case in group])
        for count in group[0].counts:
            for case in group:
                demo = DemoConfig(concept=case.concept, seed=case.seed, pictures=pictures)
                images = images_of(together, _copy(case, count, work), demo, host)
                yield {
                    "recipe": case.recipe,
                    "rules": RECIPES[case.recipe].digest,
                    "concept": case.concept,
                    "seed": case.seed,
                    "count": count,
                    "pictures": pictures,
                    **judged(images, HELD_OUT[case.concept]),
                }


def _trained(case: Case, host: Host, work: Path) -> None:
    """Up to the last of its counts, from where an earlier attempt was."""
    config = settings_of(case, work / case.folder)
    train(config, host, resume=run_of(config))


def run_of(config: TrainConfig) -> RunFolder | None:
    """What an earlier attempt has left."""
    try:
        return RunFolder.find("latest", Path(config.output.logging_dir), config.name)
    except TrainingError:
        return None


def _copy(case: Case, count: int, work: Path) -> Path:
    config = settings_of(case, work / case.folder)
    run, options = run_of(config), config.optimizer
    is_last = count == case.counts[-1]
    step = options.max_train_steps if is_last else count // options.update_size
    assert run
    return run.copy_path(config.name, step, "embeddings", ".safetensors")


def images_of(
    together: Together[Any], copy: Path, demo: DemoConfig, host: Host
) -> list[Image.Image]:
    """What the demo scores, with the vectors of a copy."""
    concept = HELD_OUT[demo.concept]
    rows = for_encoders(read_embedding(copy), host.describe().widths, str(copy))
    asked = scored_requests(concept, demo, host)
    jobs = [partial(together.session.preview, request, {concept.name: rows}) for request in asked]
    parts = [jobs[at : at + AT_ONCE] for at in range(0, len(jobs), AT_ONCE)]
    return [made[0] for part in parts for made in together.results(part)]


def judged(images: Sequence[Image.Image], concept: Concept) -> dict[str, float]:
    """Shares of images that show the concept, and of what the other words ask for."""
    scorer, shown, right, asked = Scorer.load(scorer_file()), 0, 0, 0
    for number, image in enumerate(images):
        read = asdict(scorer.read(image))
        shown += all(read[field] == value for field, value in concept.wanted.items())
        others = other_words(concept.prompts[number % len(concept.prompts)])
        right += sum(read[field] == value for field, value in others.items())
        asked += len(others)
    return {"score": shown / len(images), "other": right / asked}


def other_words(prompt: str) -> dict[str, str]:
    """Fields of a scene that a prompt names: "a red [name] on a white background" has two."""
    words, found = prompt.split(), {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in COLOURS:
            found["background" if following == "background" else "colour"] = word
        elif word in NAMED_SHAPES:
            found["shape"] = word
    return found


def known(path: Path) -> list[SettingValues]:
    """Lines of a result file that today's recipes made, of each run and count the last; a line
    that was cut off is left out."""
    found: dict[tuple[Any, ...], SettingValues] = {}
    for text in path.read_text().splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            line = json.loads(text)
            if line["rules"] == RECIPES[line["recipe"]].digest:
                found[_key(line)] = line
    return list(found.values())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    options.add_argument("--concepts", nargs="+", choices=list(HELD_OUT), default=list(HELD_OUT))
    options.add_argument("--seeds", type=int, nargs="+", default=list(REPORTED))
    options.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    options.add_argument("--pictures", type=int, default=32, help="scored for each")
    options.add_argument("--model", default="demo", help="diffusers folder; the bundled one")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--write", type=Path, default=RESULTS, help="JSON lines; continued")
    options.add_argument("--work", type=Path, help="folder of trainings, to continue them")
    options.add_argument("--docs", action="store_true", help=f"write {DOCS.name}, measure nothing")
    given = options.parse_args()
    if given.docs:
        write_bytes(DOCS, page(known(RESULTS), DOCS.read_text(), list(RECIPES), NO_RIVAL).encode())
        return
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as made:
        _measure(given, given.work or Path(made))
    print(table(known(given.write), list(RECIPES), given.counts, "score"))


def _measure(given: argparse.Namespace, work: Path) -> None:
    host = open_host(ModelConfig(given.model))
    unet: Any = host.model.unet
    unet.to(memory_format=torch.channels_last)  # a fifth faster here
    enough = [line for line in known(given.write) if line["pictures"] >= given.pictures]
    have = set(map(_key, enough))
    for group in cases(given.recipes, given.concepts, given.seeds, given.counts):
        for part in _left(group, have):
            for line in measured(part, host, given.pictures, work):
                print(json.dumps(line), flush=True)
                given.write.parent.mkdir(parents=True, exist_ok=True)
                with given.write.open("a") as file:  # at once: a kill costs a line, not the file
                    file.write(json.dumps(line) + "\n")


def _key(line: SettingValues) -> tuple[Any, ...]:
    return line["recipe"], line["concept"], line["seed"], line["count"]


def _left(group: Sequence[Case], have: Collection[tuple[Any, ...]]) -> list[list[Case]]:
    """What of a group is not measured yet, again in groups with the same counts."""
    found: dict[tuple[int, ...], list[Case]] = {}
    for case in group:
        key = case.recipe, case.concept, case.seed
        left = tuple(n for n in case.counts if (*key, n) not in have)
        if left:
            found.setdefault(left, []).append(replace(case, counts=left))
    return list(found.values())


if __name__ == "__main__":
    main()
