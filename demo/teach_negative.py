"""Teaches the demo model what should not appear, with several seeds, and counts it.

    python demo/teach_negative.py --write          # seeds 0 1 2: some 15 minutes of a core

The fault is drawn on purpose: a thick black contour and a hard black shadow (the held-out style
"comic"), on 30 images of other figures than the prompts'. The prompts end with "in a style", which
makes the model draw that fault. Counted are the share of 32 images that show it, and the share that
show the colour and shape of the prompt: without a negative prompt, with the word alone as negative
prompt, and with the prompt itself that names the word; each with the vectors as they start and with
the trained ones. It learns as `ti demo` does, from captions that say all but the fault.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "demo")]

from drawing.world import draw  # noqa: E402
from teach_hypernetwork import ASKED, GUIDANCE, PICTURES, Shown, scores, sheet  # noqa: E402

from ti_core.cli.standalone import ModelConfig, open_host  # noqa: E402
from ti_core.demo.assets import scorer_file  # noqa: E402
from ti_core.demo.job import LEARNING  # noqa: E402
from ti_core.demo.scene import Scene  # noqa: E402
from ti_core.demo.scorer import Scorer  # noqa: E402
from ti_core.files.embedding import for_encoders  # noqa: E402
from ti_core.files.reading import read_embedding  # noqa: E402
from ti_core.options import make_config  # noqa: E402
from ti_core.port.session import Host, PreviewRequest  # noqa: E402
from ti_core.train.config import TrainConfig  # noqa: E402
from ti_core.train.create import create_embedding  # noqa: E402
from ti_core.train.loop import train  # noqa: E402

WORD, STEPS = "bad-look", 200
NEGATIVES = {"the word": WORD, "the prompt with the word": f"{{}} in the style of {WORD}"}
"""As which it is written into the negative prompt."""
SHAPES = ("triangle", "diamond", "cross", "hexagon", "moon")
COLOURS = ("purple", "yellow", "brown", "cyan", "pink", "gray")


def dataset(folder: Path) -> Path:
    """30 images with the fault; neither a shape nor a colour is one of the prompts'."""
    folder.mkdir(parents=True)
    for number, (shape, colour) in enumerate(product(SHAPES, COLOURS)):
        scene = Scene(shape, colour, "white", style="comic", size="big", seed=500 + number)
        draw(scene).save(folder / f"{number:02}.png")
        caption = f"a big {colour} {shape} on a white background in the style of [name]"
        (folder / f"{number:02}.txt").write_text(caption)
    return folder


def shown(host: Host, file: Path | None, negative: str = "") -> Shown:
    """(prompt, image): eight of each prompt; `negative` may use the prompt and the file's word."""
    made: Shown = []
    with host.session() as session:
        rows = _rows(file, host) if file else {}
        for prompt in ASKED:
            request = PreviewRequest(
                f"{prompt} in a style",
                negative.format(prompt),
                width=96,
                height=96,
                cfg_scale=GUIDANCE,
                seed=1000,
                count=PICTURES,
            )
            made += [(prompt, image) for image in session.preview(request, rows)]
    return made


def _rows(file: Path, host: Host) -> dict[str, dict[str, torch.Tensor]]:
    return {WORD: for_encoders(read_embedding(file), host.describe().widths, str(file))}


def taught(host: Host, seed: int, place: Path) -> list[Path]:
    """The embedding as it starts, and the trained one."""
    values = {
        **LEARNING,
        "timestep_sampling": "uniform",  # as negative.json was measured
        "max_train_steps": STEPS,
        "num_vectors_per_token": 3,
        "token_string": WORD,
        "init_word": "style",
        "metadata_is_negative_embedding": True,
        "train_data_dir": str(dataset(place / "images")),
        "output_dir": str(place),
        "logging_dir": str(place / "log"),
        "sample_every_n_steps": 0,
        "save_every_n_steps": 0,
        "seed": seed,
        "skip_checkup": True,
    }
    config = make_config(TrainConfig, values)
    start = create_embedding(config.embedding, host, place / "start")
    return [start, train(config, host)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="demo", help="diffusers folder; the bundled one")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--out", type=Path, help="keep files and sheets here")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--write", action="store_true", help="write demo/negative.json")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    folder = given.out or Path(tempfile.mkdtemp())
    host, scorer = open_host(ModelConfig(given.model)), Scorer.load(scorer_file())
    without = shown(host, None)
    found: dict[str, Any] = {"without": scores(scorer, without)}
    for seed in given.seeds:
        begun, trained = taught(host, seed, folder / str(seed))
        files = {"as it starts": begun, "trained": trained}
        columns = {
            f"{what}, {when}": shown(host, file, negative)
            for what, negative in NEGATIVES.items()
            for when, file in files.items()
        }
        sheet(without, *columns.values()).save(folder / f"sheet-{seed}.png")
        for name, images in columns.items():
            found.setdefault(name, {})[str(seed)] = scores(scorer, images)
        print(seed, json.dumps(found), flush=True)
    if given.write:
        (ROOT / "demo" / "negative.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
