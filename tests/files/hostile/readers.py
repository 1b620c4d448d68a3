"""Everything that reads files of strangers, by a name; each tells what it found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ti_core.compare.copies import list_runs
from ti_core.data.captions import read_caption
from ti_core.data.config import DataConfig
from ti_core.data.dataset import load_dataset
from ti_core.data.latent_cache.portions import read_latent, read_portion
from ti_core.data.latent_cache.remembered import RememberedPictures
from ti_core.data.templates import read_template
from ti_core.demo.assets import model_folder
from ti_core.files.library_index import load_index
from ti_core.files.reading import read_embeddings
from ti_core.hosts.standalone.host import DiffusersHost
from ti_core.hypernetworks.reading import peek_hypernetwork, read_hypernetwork
from ti_core.options import make_config
from ti_core.train.config import EmbeddingConfig, PreviewConfig, TrainConfig
from ti_core.train.previews import preview_requests
from ti_core.train.run_folder import RunFolder
from ti_core.train.runs import resumable
from ti_core.train.state import latest_state

from .promises import described

WORDS = model_folder() / "tokenizer"
"""The vocabulary of reduced checkpoints."""


RUN = "2026-01-01/a"
"""The only run in a folder of logs."""


def _embeddings(path: Path) -> str:
    return described(read_embeddings(path))


def _model(path: Path) -> str:
    """Opened, and asked for all that a training asks for."""
    words = None if path.is_dir() else WORDS
    host = DiffusersHost.open(path, device="cpu", tokenizer=words)
    facts = host.describe()
    with host.session("no") as session, torch.no_grad():
        latent = session.encode_images(torch.zeros(1, 3, 64, 64)).mean
        text = session.encode_prompts(["a cat"], {})
        session.predict(latent, torch.tensor([1]), text)
    return facts.family.id


def _dataset(path: Path) -> str:
    config = DataConfig(dataset_config=str(path), use_object_template=True)
    return str(len(load_dataset(config, "cat", 64).items))


def _prompts(path: Path) -> str:
    config = TrainConfig(
        EmbeddingConfig(token_string="cat"), preview=PreviewConfig(sample_prompts=str(path))
    )
    return str(len(preview_requests(config, (64, 64), "DDIM")))


def _latents(path: Path) -> str:
    return str([read_latent(place).shape for place in read_portion(path).values()])


def _pictures(path: Path) -> str:
    """`path` leads to a folder with a picture and with the index about that folder."""
    folder = path.resolve()
    return str(RememberedPictures(folder)(folder / "a.png"))


def _hypernetwork(path: Path) -> str:
    """Looked at as a list does, and read as a training does."""
    found = read_hypernetwork(path)
    assert peek_hypernetwork(path).structure == found.structure
    assert all(torch.isfinite(each).all() for each in found.tensors.values())
    return found.structure.spelled


def _run(path: Path) -> str:
    """Everything that a list of runs, a comparison and a resume look at; `path` is a folder of
    logs with one run."""
    listed = resumable(path), list_runs(path)
    folder = RunFolder.find(str(path / RUN), path)
    make_config(TrainConfig, {"max_train_steps": 9}, folder.read_settings().get("train"))
    return f"{len(folder.losses())} {listed!r:.20} {latest_state(folder.state).step}"


READERS: dict[str, Callable[[Path], str]] = {
    "embeddings": _embeddings,
    "model": _model,
    "dataset": _dataset,
    "template": lambda path: str(read_template(str(path))),
    "prompts": _prompts,
    "caption": lambda path: read_caption(path.with_suffix(".png")).text,
    "hypernetwork": _hypernetwork,
    "latents": _latents,
    "pictures": _pictures,
    "library": lambda path: str(len(load_index(path))),
    "run": _run,
    "state": lambda path: str(latest_state(path).step),
}
"""Name → reader, which tells what it found."""
