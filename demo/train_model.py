"""Trains the demo model: a small latent diffusion model on images this repository draws.

    python demo/train_model.py                    # everything; see demo/README.md for how long
    python demo/train_model.py --stage unet       # one stage; an interrupted stage continues
    python demo/train_model.py --seed 1 --vae demo/model/vae --out /tmp/second   # another model

Stages: tokenizer, data, vae, latents, unet, export. Every random number is a function of fixed
seeds and the step, so two runs on the same machine give the same model.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from train_data import draw_pictures, load_pictures, load_scenes  # noqa: E402
from train_export import export  # noqa: E402
from train_tokenizer import write_tokenizer  # noqa: E402
from train_unet import STEPS, Latents, train_unet  # noqa: E402
from train_vae import encode_all, keep_vae, new_vae, train_vae  # noqa: E402

from ti_core.demo.lexicon import caption_words  # noqa: E402

PICTURES, VAE_STEPS = 96_000, 3_400


@dataclass(frozen=True)
class Job:
    """Where a model is trained, and what distinguishes it from the bundled one."""

    run: Path
    seed: int = 0
    """Of the U-Net and the text encoder: first weights, images, captions and noise."""
    unet_steps: int = STEPS
    """Fewer make a rougher model in less time."""
    vae: Path | None = None
    """Folder of a trained one to use."""


def stage_tokenizer(job: Job) -> None:
    write_tokenizer(caption_words(), job.run / "tokenizer")


def stage_data(job: Job) -> None:
    draw_pictures(job.run / "data", PICTURES)


def stage_vae(job: Job) -> None:
    if job.vae:
        keep_vae(job.run, job.vae)
    else:
        train_vae(job.run, VAE_STEPS)


def stage_latents(job: Job) -> None:
    """Encodes images once; the scale makes the latents' standard deviation 1."""
    vae = new_vae()
    vae.load_state_dict(torch.load(job.run / "vae.pt")["average"])
    means, spreads = encode_all(vae.eval(), load_pictures(job.run / "data"))
    scale = 1 / float(means.float().std())
    stored = {"means": means, "spreads": spreads, "scale": scale}
    torch.save(stored, job.run / "latents.pt")


def stage_unet(job: Job) -> None:
    stored, words = torch.load(job.run / "latents.pt"), read_vocabulary(job.run)
    means, spreads = (stored[key].float() * stored["scale"] for key in ("means", "spreads"))
    latents = Latents(means, spreads, load_scenes(job.run / "data"))
    train_unet(job.run, latents, words, job.seed, job.unet_steps)


def stage_export(job: Job) -> None:
    export(job.run, read_vocabulary(job.run), job.run / "model")


def read_vocabulary(run: Path) -> dict[str, int]:
    """The tokenizer's words and their ids."""
    return json.loads((run / "tokenizer" / "vocab.json").read_text())


STAGES = {
    "tokenizer": stage_tokenizer, "data": stage_data, "vae": stage_vae,
    "latents": stage_latents, "unet": stage_unet, "export": stage_export,
}  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--stage", choices=[*STAGES, "all"], default="all")
    options.add_argument("--out", type=Path, default=ROOT / "demo" / "run", help="scratch folder")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--seed", type=int, default=0, help="another is another U-Net")
    options.add_argument("--steps", type=int, default=STEPS, help="of the U-Net")
    options.add_argument("--vae", type=Path, help="folder of a trained one to use; trains one")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, stage in STAGES.items():
        if given.stage in (name, "all"):
            print(f"stage {name}", flush=True)
            stage(Job(given.out, given.seed, given.steps, given.vae))


if __name__ == "__main__":
    main()
