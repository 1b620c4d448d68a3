"""Teaches the demo model a style by a hypernetwork, with several seeds, and scores it.

    python demo/teach_hypernetwork.py --write          # seeds 0 1 2: some 20 minutes of two cores

The style (comic) is none of the model's words. Its score is the share of 32 images, whose prompts
name no style, in which the scorer finds it; what the prompts do name is scored as well. Five
images are trained on, whose captions do not name the style either.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ti_core.cli.standalone import ModelConfig, open_host  # noqa: E402
from ti_core.demo.assets import pictures_folder, scorer_file  # noqa: E402
from ti_core.demo.scorer import Scorer  # noqa: E402
from ti_core.hypernetworks.applying import Applied  # noqa: E402
from ti_core.hypernetworks.reading import read_hypernetwork  # noqa: E402
from ti_core.options import make_config  # noqa: E402
from ti_core.port.session import Host, PreviewRequest  # noqa: E402
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig  # noqa: E402
from ti_core.train.loop import train  # noqa: E402

ASKED = {
    "a blue circle": {"colour": "blue", "shape": "circle"},
    "a red square on a white background": {"colour": "red", "shape": "square"},
    "a big green star": {"colour": "green", "shape": "star"},
    "an orange house": {"colour": "orange", "shape": "house"},
}
PICTURES, GUIDANCE = 8, 4.0
Shown = list[tuple[str, Image.Image]]


def dataset(folder: Path) -> Path:
    """The images of the style, with captions that say all but the style."""
    for path in sorted(pictures_folder("comic").iterdir()):
        if path.suffix == ".png":
            shutil.copy(path, folder)
        else:
            text = path.read_text().replace(" in the style of [name]", "")
            (folder / path.name).write_text(text)
    return folder


def shown(host: Host, file: Path | None) -> Shown:
    """(prompt, image): eight of each prompt, with a hypernetwork or without."""
    with host.session() as session:
        found = read_hypernetwork(file) if file else None
        changes = Applied(found.structure, found.tensors) if found else None
        return [
            (prompt, picture)
            for prompt in ASKED
            for picture in session.preview(
                PreviewRequest(
                    prompt, width=96, height=96, cfg_scale=GUIDANCE, seed=1000, count=PICTURES
                ),
                {},
                changes,
            )
        ]


def scores(scorer: Scorer, pictures: Shown) -> dict[str, float]:
    """Shares of the images that show the style, and what their prompts ask for."""
    style = [scorer.matches(picture, {"style": "comic"}) for _, picture in pictures]
    asked = [scorer.matches(picture, ASKED[prompt]) for prompt, picture in pictures]
    return {
        "style": round(sum(style) / len(style), 4),
        "colour and shape": round(sum(asked) / len(asked), 4),
    }


def taught(host: Host, seed: int, folder: Path, settings: dict[str, object]) -> Path:
    """The file of a hypernetwork that was trained with this seed."""
    place = folder / f"comic-{seed}"
    (place / "pictures").mkdir(parents=True)
    values = {
        "hypernetwork_name": f"comic-{seed}",
        "train_data_dir": str(dataset(place / "pictures")),
        "prompt_template": "captions",
        "output_dir": str(place),
        "logging_dir": str(place / "log"),
        "sample_every_n_steps": 0,
        "save_every_n_steps": 0,
        "seed": seed,
        "skip_checkup": True,
        **settings,
    }
    return train(make_config(HypernetworkTrainConfig, values), host)


def sheet(*columns: Shown) -> Image.Image:
    """The images of each row side by side."""
    made = Image.new("RGB", (97 * PICTURES * len(columns), 97 * len(ASKED)), "gray")
    for number, pictures in enumerate(columns):
        for place, (_, picture) in enumerate(pictures):
            row, column = divmod(place, PICTURES)
            made.paste(picture, (97 * (column + number * PICTURES), 97 * row))
    return made


def read_setting(text: str) -> tuple[str, object]:
    """ "max_train_steps=800" """
    name, _, value = text.partition("=")
    return name, int(value) if value.isdigit() else value


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="demo", help="diffusers folder; the bundled one")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument(
        "--set", nargs="*", default=[], help="settings of the training: NAME=VALUE"
    )
    options.add_argument("--out", type=Path, help="keep files and sheets here")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--write", action="store_true", help="write demo/hypernetwork.json")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    folder = given.out or Path(tempfile.mkdtemp())
    settings: dict[str, object] = {**SETTINGS, **dict(map(read_setting, given.set))}
    host, scorer = open_host(ModelConfig(given.model)), Scorer.load(scorer_file())
    before = shown(host, None)
    found: dict[str, object] = {"settings": settings, "before": scores(scorer, before), "after": {}}
    after = {}
    for seed in given.seeds:
        file = taught(host, seed, folder, settings)
        pictures = shown(host, file)
        after[seed] = scores(scorer, pictures)
        sheet(before, pictures).save(folder / f"sheet-{seed}.png")
        print(seed, found["before"], after[seed], flush=True)
    found["after"] = after
    names = ("style", "colour and shape")
    found["mean"] = {n: round(sum(a[n] for a in after.values()) / len(after), 4) for n in names}
    print(json.dumps(found, indent=1))
    if given.write:
        (ROOT / "demo" / "hypernetwork.json").write_text(json.dumps(found, indent=1) + "\n")


SETTINGS: dict[str, object] = {
    "max_train_steps": 800,
    "learning_rate": "2e-4",
    "activation_func": "swish",
}

if __name__ == "__main__":
    main()
