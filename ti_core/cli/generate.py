"""`ti generate`: prompts with embeddings in them → PNG files with A1111's infotext."""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, EmbeddingError
from ..families import SIDE_STEP
from ..files.names import alike
from ..options import check, make_config, option
from .collection import CollectionConfig, HypernetworkCollectionConfig
from .options import OptionParser
from .standalone import ModelConfig, open_host
from .telling import answer, said

if TYPE_CHECKING:
    from ..files.embedding import Embedding
    from ..port.session import Host, PreviewRequest
    from .prompt_words import Say

_ABOUT = """Generate images. Embeddings are used by the names of their files in the prompt and in
the negative prompt; any number of them. (x) strengthens, [x] weakens, (x:1.2) sets a weight.
<hypernet:NAME:0.7> in the prompt applies a hypernetwork."""


@dataclass(frozen=True)
class GenerateConfig:
    """The images to make."""

    title = "Images"
    prompt: str = option("", "prompt", label="Prompt")
    negative_prompt: str = option("", "negative prompt", label="Negative prompt")
    outdir: str = option(
        "outputs", "folder for the images", label="Output directory", path="output folder"
    )
    images_per_prompt: int = option(
        1, "number of images; each has the next seed", label="Batch count", limits=(1, 1000)
    )
    W: int | None = option(
        None, "width; the default is the model's own", label="Width", limits=(SIDE_STEP, 4096),
        unit="px", aliases=("width",),
    )  # fmt: skip
    H: int | None = option(
        None, "height; the default is the model's own", label="Height", limits=(SIDE_STEP, 4096),
        unit="px", aliases=("height",),
    )  # fmt: skip
    steps: int = option(20, "sampling steps", label="Sampling steps", limits=(1, 1000))
    scale: float = option(
        7.0,
        "CFG scale: how strictly the prompt is followed",
        label="CFG Scale",
        limits=(1, 30),
        aliases=("cfg_scale", "guidance_scale"),
    )
    sampler: str = option(
        "", "sampler; the default is the first one in the list of samplers", label="Sampler"
    )
    seed: int | None = option(None, "random if not given", label="Seed", limits=(0, 2**32 - 1))
    clip_skip: int = option(1, "1 = none skipped, as in A1111", label="Clip skip", limits=(1, 12))

    def __post_init__(self) -> None:
        check(self)
        if any(side and side % SIDE_STEP for side in (self.W, self.H)):
            raise ConfigError(f"the size is {self.W}x{self.H}", "", f"use multiples of {SIDE_STEP}")


def parser() -> OptionParser:
    """All options of `ti generate`."""
    usage = "--pretrained_model_name_or_path MODEL --prompt TEXT [options]"
    return OptionParser(
        "ti generate",
        _ABOUT,
        *(ModelConfig, GenerateConfig, CollectionConfig, HypernetworkCollectionConfig),
        usage=usage,
    )


def run(argv: Sequence[str]) -> int:
    """Generate; returns the exit code."""
    typed = parser().read(argv)
    config = make_config(GenerateConfig, typed)
    collection = make_config(CollectionConfig, typed)
    hypernetworks = make_config(HypernetworkCollectionConfig, typed)
    host = open_host(make_config(ModelConfig, typed))
    for path in generate(config, host, collection, hypernetworks):
        answer(path)
    return 0


def generate(
    config: GenerateConfig,
    host: Host,
    collection: CollectionConfig,
    hypernetworks: HypernetworkCollectionConfig,
    say: Say = said,
) -> Generator[Path, None, None]:
    """Make the images one after the other, and yield the path of each when it is written; the
    model is busy until the iterator is closed. `say` is told which words are embeddings."""
    from ..files.atomic import make_folder, require_writable
    from ..files.base_model import other_base
    from ..files.checksum import file_shorthash
    from ..files.embedding import for_encoders
    from ..files.infotext import infotext, save_png
    from ..files.library import Library
    from ..hypernetworks.calls import called, calls_in, misfit
    from .prompt_words import used_by

    require_writable(Path(config.outdir))
    asked = _request(config, host)
    prompt, calls = calls_in(asked.prompt)
    request, known = replace(asked, prompt=prompt), hypernetworks.known
    library = Library(collection.folders)
    library.refresh()
    used = used_by(request, _listed(collection.files), library, host, say)
    widths = host.describe().widths
    embeddings = {
        name: for_encoders(found, widths, str(path)) for name, (found, path) in used.items()
    }
    for found, _ in used.values():
        for notice in other_base(found, host.describe()):
            say(notice)
    hashes = {name: file_shorthash(path) for name, (_, path) in used.items()}
    with host.session() as session:
        changes, changed = called(calls, known, session.device)
        if told := misfit([call.name for call in calls], changed, sum(widths.values())):
            say(told)
        for seed in range(request.seed, request.seed + request.count):
            one = replace(request, seed=seed, count=1)
            image = session.preview(one, embeddings, changes)[0]
            folder = make_folder(Path(config.outdir))
            path = folder / f"{_next_number(folder):05d}-{seed}.png"
            save_png(path, image, infotext(asked, seed, host.describe(), hashes))
            yield path


def _request(config: GenerateConfig, host: Host) -> PreviewRequest:
    from ..port.session import PreviewRequest, TextOptions

    facts = host.describe()
    return PreviewRequest(
        prompt=config.prompt,
        negative_prompt=config.negative_prompt,
        width=config.W or facts.resolution,
        height=config.H or facts.resolution,
        steps=config.steps,
        cfg_scale=config.scale,
        seed=random.SystemRandom().randrange(2**32) if config.seed is None else config.seed,
        sampler=host.features().sampler(config.sampler),
        count=config.images_per_prompt,
        text=TextOptions(emphasis=True, clip_skip=config.clip_skip),
    )


def _listed(paths: Iterable[Path]) -> dict[str, tuple[Embedding, Path]]:
    from ..files.reading import read_embeddings

    found: dict[str, tuple[Embedding, Path]] = {}
    for path in paths:
        for embedding in read_embeddings(path):
            if alike(embedding.name) in map(alike, found):
                raise EmbeddingError(
                    f"two embeddings are called {embedding.name}", "", "rename one"
                )
            found[embedding.name] = embedding, path
    return found


def _next_number(folder: Path) -> int:
    """A1111's running number: one more than the highest that is there."""
    found = (re.match(r"(\d{5,})-", path.name) for path in folder.iterdir())
    return max((int(match[1]) + 1 for match in found if match), default=0)
