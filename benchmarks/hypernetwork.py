"""What a learning rate reaches, and when: hypernetworks of the demo model at several rates.

    python benchmarks/hypernetwork.py --write results.jsonl     # everything: hours of two cores
    python benchmarks/hypernetwork.py --rates 5e-6 --counts 800 --seeds 0

Each rate (or schedule, such as 5e-6:12000,5e-7) is trained once for each seed; its copies are
scored at the end, as by `demo/teach_hypernetwork.py`: the share of 32 images, whose prompts name no
style, that show the style (comic), and the share that shows what the prompts ask for. The strength
is that of `ti compare`. A result file is continued: what it holds is not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))

from teach_hypernetwork import SETTINGS, scores, sheet, shown, taught

from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.compare.copies import copy_files
from ti_core.compare.subjects import HYPERNETWORKS
from ti_core.demo.assets import scorer_file
from ti_core.demo.scorer import Scorer
from ti_core.port.session import Host

RATES = ("5e-7", "5e-6", "5e-5", "2e-4", "5e-4")
COUNTS = (100, 200, 400, 800, 1600)
Result = dict[str, object]


def strength(host: Host, file: Path) -> float:
    """What it adds to contexts ÷ the contexts."""
    with host.session() as session:
        facts = host.describe()
        return HYPERNETWORKS.read(file).strength(facts, session, {}).value


def copies(host: Host, rate: str, seed: int, counts: Sequence[int], folder: Path) -> list[Path]:
    """The copies of one training after these numbers of steps."""
    steps = {"max_train_steps": max(counts), "save_every_n_steps": min(counts)}
    taught(host, seed, folder, {**SETTINGS, **steps, "learning_rate": rate})
    (run,) = (folder / f"comic-{seed}" / "log").glob("*/*")
    return [path for path in copy_files(run) if HYPERNETWORKS.read(path).step in counts]


def measured(host: Host, rate: str, seed: int, counts: Sequence[int], folder: Path) -> list[Result]:
    """The score of each copy; its sheet is kept in the folder."""
    scorer, found = Scorer.load(scorer_file()), list[Result]()
    place = folder / rate
    place.mkdir(parents=True, exist_ok=True)
    for path in copies(host, rate, seed, counts, place):
        pictures = shown(host, path)
        step = HYPERNETWORKS.read(path).step
        sheet(pictures).save(place / f"sheet-{seed}-{step}.png")
        told = {
            "rate": rate,
            "seed": seed,
            "step": step,
            "strength": round(strength(host, path), 4),
        }
        found.append({**told, **scores(scorer, pictures)})
    return found


def known(file: Path | None) -> list[Result]:
    """What was measured already."""
    if file is None or not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rates", nargs="+", default=RATES)
    options.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--out", type=Path, help="keep files and sheets here")
    options.add_argument("--write", type=Path, help="file of results, a line each")
    options.add_argument("--threads", type=int, default=2)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    host, folder = open_host(ModelConfig("demo")), given.out or Path(tempfile.mkdtemp())
    there = {(one["rate"], one["seed"], one["step"]) for one in known(given.write)}
    for rate in given.rates:
        for seed in given.seeds:
            counts = [count for count in given.counts if (rate, seed, count) not in there]
            for one in measured(host, rate, seed, counts, folder) if counts else []:
                print(json.dumps(one), flush=True)
                if given.write:
                    with given.write.open("a") as file:
                        file.write(json.dumps(one) + "\n")


if __name__ == "__main__":
    main()
