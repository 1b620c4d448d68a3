"""How well the demo model follows prompts: 200 images, judged by the scorer's eye on pixels.

    python demo/evaluate.py --write

An image counts when both the asked colour and the asked shape are found in it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ti_core.demo import lexicon  # noqa: E402
from ti_core.demo.scorer import Scorer  # noqa: E402

STEPS, GUIDANCE, BATCH = 20, 4.0, 20
FORMS = (
    "a {colour} {shape}",
    "a photo of a {colour} {shape}",
    "a big {colour} {shape} on a {background} background",
    "a {colour} {texture} {shape}",
    "a {colour} {shape} on a {background} background in the style of {style}",
)
#: Styles that leave colour and shape to be seen as asked.
STYLES = ("flat", "outline", "shadow", "sticker", "shaded", "soft")


def asked(count: int) -> list[tuple[str, dict[str, str]]]:
    """Prompts and what they ask for; every colour and shape in turn."""
    rng, found = random.Random("evaluate"), []
    for number in range(count):
        colour = list(lexicon.COLOURS)[number % len(lexicon.COLOURS)]
        fields = {
            "colour": colour,
            "shape": lexicon.NAMED_SHAPES[(number * 7) % len(lexicon.NAMED_SHAPES)],
            "background": rng.choice([name for name in lexicon.COLOURS if name != colour]),
            "texture": rng.choice(lexicon.NAMED_TEXTURES),
            "style": rng.choice(STYLES),
        }
        form = FORMS[number % len(FORMS)]
        wanted = {key: value for key, value in fields.items() if "{" + key in form}
        found.append((form.format(**fields), wanted))
    return found


def load(folder: Path) -> StableDiffusionPipeline:
    """The model in fp32 on the CPU, silent."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def generate(
    pipe: StableDiffusionPipeline,
    prompts: list[str],
    first_seed: int = 0,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> list[Image.Image]:
    """One 96 px image a prompt, seeds counting up from `first_seed`."""
    pictures: list[Image.Image] = []
    for at in range(0, len(prompts), BATCH):
        part = prompts[at : at + BATCH]
        seeds = [torch.Generator().manual_seed(first_seed + at + n) for n in range(len(part))]
        made = pipe(
            part, num_inference_steps=steps, guidance_scale=guidance, generator=seeds,
            height=96, width=96,
        )  # fmt: skip
        pictures += made.images
    return pictures


def judge(
    scorer: Scorer, pictures: list[Image.Image], wanted: list[dict[str, str]]
) -> dict[str, float]:
    """The share of images in which each asked field, and colour and shape together, is found."""
    right: dict[str, list[bool]] = {"colour and shape": []}
    for picture, fields in zip(pictures, wanted, strict=True):
        reading = asdict(scorer.read(picture))
        hits = {key: reading[key] == value for key, value in fields.items()}
        right["colour and shape"].append(hits["colour"] and hits["shape"])
        for key, hit in hits.items():
            right.setdefault(key, []).append(hit)
    return {key: round(sum(hits) / len(hits), 4) for key, hits in right.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, default=ROOT / "demo" / "model")
    options.add_argument("--scorer", type=Path, default=ROOT / "demo" / "scorer.safetensors")
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--guidance", type=float, default=GUIDANCE)
    options.add_argument("--write", action="store_true", help="write demo/evaluation.json")
    options.add_argument("--sheet", type=Path, help="write a contact sheet here")
    given = options.parse_args()
    prompts, wanted = zip(*asked(given.count), strict=True)
    began = time.time()
    pictures = generate(
        load(given.model), list(prompts), steps=given.steps, guidance=given.guidance
    )
    result = judge(Scorer.load(given.scorer), pictures, list(wanted))
    told = {"pictures": given.count, "steps": given.steps, "guidance": given.guidance, **result}
    print(json.dumps({**told, "seconds": round(time.time() - began, 1)}, indent=1))
    if given.write:
        (ROOT / "demo" / "evaluation.json").write_text(json.dumps(told, indent=1) + "\n")
    if given.sheet:
        contact_sheet(pictures).save(given.sheet)


def contact_sheet(pictures: list[Image.Image], columns: int = 20) -> Image.Image:
    """All images in rows."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * 98, rows * 98), "gray")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % columns * 98, number // columns * 98))
    return sheet


if __name__ == "__main__":
    main()
