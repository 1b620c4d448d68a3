"""`ti generate`: prompts with embeddings in them → PNG files with A1111's infotext."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, EmbeddingError
from ..options import check, option
from .options import OptionParser, add_options, make_config
from .standalone import ModelConfig, open_host

if TYPE_CHECKING:
    from ..hosts.port import Host, PreviewRequest, Vectors

_ABOUT = """Make pictures. Embeddings are used by their file's name in the prompt and in the
negative prompt, as many as you like. (x) strengthens, [x] weakens, (x:1.2) sets a weight."""


@dataclass(frozen=True)
class GenerateConfig:
    """Pictures"""

    prompt: str = option("", "what to show", label="Prompt")
    negative_prompt: str = option("", "what not to show", label="Negative prompt")
    textual_inversion_embeddings: tuple[str, ...] = option(
        (),
        "embedding files, each used by the name of its file",
        label="Embeddings",
        aliases=("embeddings",),
    )
    embeddings_dir: str = option(
        "", "folder whose embeddings can be used as well", label="Embeddings directory"
    )
    outdir: str = option("outputs", "where the pictures go", label="Output directory")
    images_per_prompt: int = option(
        1, "number of pictures; each has the next seed", label="Batch count", low=1, high=1000
    )
    W: int | None = option(
        None, "width; the model's own if not given", label="Width", low=8, high=4096,
        unit="px", aliases=("width",),
    )  # fmt: skip
    H: int | None = option(
        None, "height; the model's own if not given", label="Height", low=8, high=4096,
        unit="px", aliases=("height",),
    )  # fmt: skip
    steps: int = option(20, "sampling steps", label="Sampling steps", low=1, high=1000)
    scale: float = option(
        7.0,
        "how strictly the prompt is followed",
        label="CFG Scale",
        low=1,
        high=30,
        aliases=("cfg_scale", "guidance_scale"),
    )
    sampler: str = option("", "sampler; the first of the host's if not given", label="Sampler")
    seed: int | None = option(None, "random if not given", label="Seed", low=0, high=2**32 - 1)
    clip_skip: int = option(1, "1 = none skipped, as in A1111", label="Clip skip", low=1, high=12)

    def __post_init__(self) -> None:
        check(self)
        if any(side and side % 8 for side in (self.W, self.H)):
            raise ConfigError(f"the size is {self.W}x{self.H}", "", "use multiples of 8")


def parser() -> OptionParser:
    """All options of `ti generate`."""
    made = OptionParser(
        prog="ti generate",
        usage="ti generate --pretrained_model_name_or_path MODEL --prompt TEXT [options]",
        description=_ABOUT,
    )
    for kind in (ModelConfig, GenerateConfig):
        add_options(made, kind)
    return made


def run(argv: Sequence[str]) -> int:
    """Generate; returns the exit code."""
    typed = parser().read(argv)
    config = make_config(GenerateConfig, typed)
    host = open_host(make_config(ModelConfig, typed))
    for path in generate(config, host):
        print(path)
    return 0


def generate(config: GenerateConfig, host: Host) -> Iterator[Path]:
    """Make the pictures and yield the path of each."""
    from ..files.atomic import make_folder, require_writable
    from ..files.infotext import infotext, save_png

    require_writable(Path(config.outdir))
    request = _request(config, host)
    files = _embedding_files(config, request)
    embeddings = _read_all(files, host)
    hashes = {name: _short_hash(path) for name, path in files.items()}
    with host.session() as session:
        images = session.preview(request, embeddings)
    folder = make_folder(Path(config.outdir))
    for number, image in enumerate(images):
        seed = request.seed + number
        path = folder / f"{_next_number(folder):05d}-{seed}.png"
        save_png(path, image, infotext(request, seed, host.describe(), hashes))
        yield path


def _request(config: GenerateConfig, host: Host) -> PreviewRequest:
    from ..hosts.port import PreviewRequest, TextOptions

    facts, samplers = host.describe(), host.features().samplers
    sampler = config.sampler or samplers[0]
    if sampler not in samplers:
        raise ConfigError(f"there is no sampler {sampler!r}", "", f"choose from {samplers}")
    return PreviewRequest(
        prompt=config.prompt,
        negative_prompt=config.negative_prompt,
        width=config.W or facts.resolution,
        height=config.H or facts.resolution,
        steps=config.steps,
        cfg_scale=config.scale,
        seed=random.SystemRandom().randrange(2**32) if config.seed is None else config.seed,
        sampler=sampler,
        count=config.images_per_prompt,
        text=TextOptions(emphasis=True, clip_skip=config.clip_skip),
    )


def _embedding_files(config: GenerateConfig, request: PreviewRequest) -> dict[str, Path]:
    """Name → file. All that were listed, and those of the folder that the prompts name."""
    from ..data.templates import names_trigger

    files: dict[str, Path] = {}
    for path in map(Path, config.textual_inversion_embeddings):
        if path.stem.lower() in (name.lower() for name in files):
            raise EmbeddingError(f"two embeddings are called {path.stem}", "", "rename one")
        files[path.stem] = path
    text = f"{request.prompt}\n{request.negative_prompt}"
    for path in sorted(Path(config.embeddings_dir).iterdir()) if config.embeddings_dir else ():
        if path.suffix in (".safetensors", ".pt", ".bin") and names_trigger(text, path.stem):
            files.setdefault(path.stem, path)
    return files


def _read_all(files: dict[str, Path], host: Host) -> dict[str, Vectors]:
    from ..files.embedding import for_encoders
    from ..files.reading import read_embedding

    widths = host.describe().widths
    return {
        name: for_encoders(read_embedding(path), widths, str(path)) for name, path in files.items()
    }


def _short_hash(path: Path) -> str:
    """As A1111's "TI hashes": the first 12 digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _next_number(folder: Path) -> int:
    """A1111's running number: one more than the highest that is there."""
    found = (re.match(r"(\d{5,})-", path.name) for path in folder.iterdir())
    return max((int(match[1]) + 1 for match in found if match), default=0)
