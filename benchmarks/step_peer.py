"""A step beside other programs': diffusers' textual_inversion.py and kohya's, each unchanged.

    python benchmarks/step_peer.py --diffusers diffusers --kohya sd-scripts
    DIFFUSERS_PATH=diffusers DIFFUSERS_PYTHON=venv/bin/python make bench ARGS=peers

The paths are checkouts that you have fetched; each runs in the Python that `DIFFUSERS_PYTHON` or
`KOHYA_PYTHON` names, by default this one, with what the script requires. A program without a path
is skipped. All train on the processor, in fp32 on one thread, with the same random numbers in a
reduced layout of SD 1.x (or with `--full` in that of SD 1.5, the only one that kohya's script
knows: 4.3 GB of disk, 12 GB of memory), the same images, and AdamW: diffusers encodes its images at
each step, kohya's latents are cached. A step is the processor's time between two calls of
`AdamW.step`, and the least counts after the first ones.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SCRIPTS = {
    "diffusers": "examples/textual_inversion/textual_inversion.py",
    "kohya": "train_textual_inversion.py",
}
WARM = 3
"""The first steps are not counted: weights are packed in them, memory is taken."""
_WORD, _VECTORS = "zzthing", 2
_TOKENIZER = "openai_clip-vit-large-patch14"
_MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


@dataclass(frozen=True)
class Case:
    """What all train: `home` has the folders `model`, `tokenizers` and `images/1_thing`."""

    home: Path
    pixels: int
    steps: int

    @property
    def shared(self) -> list[str]:
        """Arguments that the three command lines have in common."""
        told = {
            "pretrained_model_name_or_path": self.home / "model",
            "resolution": self.pixels,
            "train_batch_size": 1,
            "max_train_steps": self.steps,
            "learning_rate": "0.005",
        }
        return [f"--{name}={value}" for name, value in told.items()]

    def ours(self, *more: str) -> list[str]:
        """After `python -m ti_core`."""
        images, folder = self.home / "images" / "1_thing", self.home / "ours"
        line = ["train", *self.shared, f"--train_data_dir={images}", f"--token_string={_WORD}"]
        line += ["--init_word=cat", f"--num_vectors_per_token={_VECTORS}", "--use_object_template"]
        line += [f"--output_dir={folder}", f"--logging_dir={folder}", "--sample_every_n_steps=0"]
        return [*line, "--save_every_n_steps=0", "--skip_checkup", "--overwrite", *more]

    @property
    def diffusers(self) -> list[str]:
        """Of its script."""
        images, folder = self.home / "images" / "1_thing", self.home / "diffusers"
        line = [*self.shared, f"--train_data_dir={images}", f"--placeholder_token={_WORD}"]
        line += ["--initializer_token=cat", f"--num_vectors={_VECTORS}", "--mixed_precision=no"]
        return [*line, f"--output_dir={folder}", "--learnable_property=object"]

    @property
    def kohya(self) -> list[str]:
        """Of its script."""
        line = [*self.shared, f"--train_data_dir={self.home / 'images'}", f"--token_string={_WORD}"]
        line += ["--init_word=cat", f"--num_vectors_per_token={_VECTORS}", "--use_object_template"]
        line += [f"--output_dir={self.home / 'kohya'}", "--output_name=x", "--cache_latents"]
        line += ["--mixed_precision=no", "--optimizer_type=AdamW", "--sdpa"]
        line += ["--max_data_loader_n_workers=0", "--save_model_as=safetensors"]
        return [*line, f"--tokenizer_cache_dir={self.home / 'tokenizers'}"]


def prepare(case: Case, full: bool) -> None:
    """What all read."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.hypernetwork_peer import REDUCED
    from tests import checkpoints
    from tests.conftest import draw

    layout = checkpoints.full("sd1") if full else REDUCED
    model = checkpoints.write_folder(case.home / "model", "sd1", layout=layout)
    (model / "model_index.json").write_text(json.dumps(_MODEL_INDEX))
    (model / "tokenizer" / "tokenizer_config.json").write_text('{"model_max_length": 77}')
    (case.home / "tokenizers").mkdir()
    (case.home / "tokenizers" / _TOKENIZER).symlink_to(model / "tokenizer")
    (case.home / "images").mkdir()
    draw(case.home / "images" / "1_thing", captions=False)


def marked(script: Path, arguments: list[str]) -> list[float]:
    """Run a script or a package in this process: the processor's seconds between two steps of its
    optimizer."""
    sys.path[0], sys.argv[1:] = str(script.parent), arguments
    import torch

    marks, optimizer = list[float](), torch.optim.AdamW
    step: Any = optimizer.step

    def mark(*given: Any, **named: Any) -> Any:
        found = step(*given, **named)
        marks.append(time.process_time())
        return found

    optimizer.step = mark  # type: ignore[method-assign]
    torch.set_num_threads(1)
    try:
        runpy.run_module(script.stem, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise
    return [after - before for before, after in pairwise(marks)]


@dataclass(frozen=True)
class Way:
    """A program to measure: its Python, its script or package, and what that is given."""

    python: str
    script: Path
    arguments: list[str]

    def seconds(self) -> float:
        """Of one step, in a process of its own. Raises OSError if that Python does not exist,
        and RuntimeError with the last line that the program wrote if it failed."""
        command = [self.python, __file__, "--one", str(self.script), *self.arguments]
        alone = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
        done = subprocess.run(
            command, env={**os.environ, **alone}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["it failed"])[-1])
        found: list[float] = json.loads(done.stdout.splitlines()[-1])
        return min(found[WARM - 1 :])


def ways(case: Case, paths: dict[str, Path]) -> dict[str, Way]:
    """What is measured: this program, and each of the others that has a path."""
    found = {
        "ours": Way(sys.executable, ROOT / "ti_core", case.ours()),
        "ours, weights not packed": Way(
            sys.executable, ROOT / "ti_core", case.ours("--no_pack_weights")
        ),
    }
    for name, path in paths.items():
        python = os.environ.get(f"{name.upper()}_PYTHON", sys.executable)
        found[name] = Way(python, path.resolve() / SCRIPTS[name], getattr(case, name))
    return found


def rows(measured: dict[str, Way]) -> Iterator[str]:
    """Of the table, for each way; one that fails says why."""
    first = 0.0
    for name, way in measured.items():
        try:
            found = way.seconds()
        except (RuntimeError, OSError) as error:
            yield f"| {name} | failed: {error} | |"
            continue
        first = first or found
        yield f"| {name} | {found * 1000:.0f} ms | {found / first:.2f} × |"


def skipped(given: argparse.Namespace) -> dict[str, str]:
    """Programs that are not measured, and why."""
    why = {
        name: f"set {name.upper()}_PATH to a checkout that has {script}"
        for name, script in SCRIPTS.items()
        if getattr(given, name) is None
    }
    if not given.full:
        why.setdefault("kohya", "its script knows the layout of SD 1.5 only, which is --full")
    return why


def table(given: argparse.Namespace) -> Iterator[str]:
    """In Markdown, line by line; without another program there is nothing to compare with."""
    yield "| trainer | step | ÷ ours |"
    yield "|---|---|---|"
    why = skipped(given)
    if paths := {name: getattr(given, name) for name in SCRIPTS if name not in why}:
        with tempfile.TemporaryDirectory() as home:
            case = Case(Path(home), given.pixels, WARM + given.steps)
            prepare(case, given.full)
            yield from rows(ways(case, paths))
    for name, reason in why.items():
        yield f"| {name} | skipped: {reason} | |"


def main() -> None:
    """Measure and print a table."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(marked(Path(sys.argv[2]), sys.argv[3:])))
        return
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, script in SCRIPTS.items():
        usual = os.environ.get(f"{name.upper()}_PATH") or None
        options.add_argument(f"--{name}", type=Path, default=usual, help=f"folder with {script}")
    options.add_argument("--pixels", type=int, default=64)
    options.add_argument("--steps", type=int, default=5, help="that are counted")
    options.add_argument("--full", action="store_true", help="SD 1.5's layout")
    for row in table(options.parse_args()):
        print(row, flush=True)


if __name__ == "__main__":
    main()
