"""Teaches the demo model every held-out concept with several seeds, and scores it.

    python demo/teach_concepts.py --write              # all concepts, seeds 0 1 2: about 25 minutes

A concept's score is the share of 32 images (the concept's prompts, seeds that training never saw)
in which the scorer finds it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ti_core.cli.standalone import ModelConfig, open_host  # noqa: E402
from ti_core.demo.job import DemoConfig, run_demo  # noqa: E402
from ti_core.demo.scene import HELD_OUT  # noqa: E402
from ti_core.port.session import Host  # noqa: E402
from ti_core.train.control import Control  # noqa: E402


def taught(host: Host, concept: str, seed: int, folder: Path) -> tuple[float, float, float]:
    """Score before, score after, seconds."""
    config = DemoConfig(out=str(folder / f"{concept}-{seed}"), concept=concept, seed=seed)
    report = run_demo(config, host, lambda _event: None, Control(), lambda _text: None)
    assert report is not None
    assert report.score_before is not None
    assert report.score_after is not None
    return report.score_before, report.score_after, report.seconds


def over_seeds(host: Host, concept: str, seeds: list[int], folder: Path) -> dict[str, object]:
    """The scores of every seed and their means."""
    runs = [taught(host, concept, seed, folder) for seed in seeds]
    before, after, seconds = (list(values) for values in zip(*runs, strict=True))
    return {
        "kind": HELD_OUT[concept].kind,
        "before": before, "after": after, "seeds": seeds, "seconds": seconds,
        "mean_before": round(sum(before) / len(before), 4),
        "mean_after": round(sum(after) / len(after), 4),
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("concepts", nargs="*", default=list(HELD_OUT))
    options.add_argument("--model", default="demo", help="diffusers folder; the bundled one")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--out", type=Path, help="keep the sheets here")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--write", action="store_true", help="write demo/concepts.json")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    folder = given.out or Path(tempfile.mkdtemp())
    host, found = open_host(ModelConfig(given.model)), {}
    for concept in given.concepts:
        found[concept] = over_seeds(host, concept, given.seeds, folder)
        print(concept, json.dumps(found[concept]), flush=True)
    if given.write:
        (ROOT / "demo" / "concepts.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
