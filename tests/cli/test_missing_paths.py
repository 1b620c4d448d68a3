"""Whatever file or folder is named and is not there: every command says so and makes nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from ti_core.cli import cache, collection, compare, convert, label, named_file, output, standalone
from ti_core.cli import sweep as sweep_command
from ti_core.cli import train as train_command
from ti_core.cli.main import VERBS
from ti_core.cli.options import OptionParser
from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.errors import ConfigError, FileError
from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding
from ti_core.options import about, leaves, make_config
from ti_core.train.config import TrainConfig

Ti = Callable[..., tuple[int, str, str]]
WORD = ("--token_string", "zz-thing")
DONE = {
    "create": (*WORD, "--model", "x"),
    "train": (*WORD, "--train_data_dir", "pictures", "--max_train_steps", "1", "--skip_checkup"),
    "sweep": (*WORD, "--train_data_dir", "pictures", "--sweep", "seed=1,2", "--skip_checkup"),
    "check": ("pictures", *WORD),
    "compare": ("a.safetensors", *WORD, "--train_data_dir", "pictures"),
    "generate": ("--prompt", "a", "--steps", "1"),
    "inspect": ("a.safetensors",),
    "convert": ("a.safetensors", "--to", "png"),
    "merge": ("a * 2", "--embeddings", "a.safetensors", "--out", "m.pt"),
    "scale": ("a.safetensors", "--factor", "2", "--out", "s.pt"),
    "from-text": ("a tree", "--out", "t.pt"),
    "preprocess": ("pictures", "made"),
    "cache": (),
    "rename": ("a.safetensors", "b"),
    "delete": ("a.safetensors",),
    "label": ("a.safetensors", "--notes", "x"),
}
"""Verb → a command line that works."""
MADE = {"output_dir", "outdir", "out", "logging_dir", "latent_cache_dir"}
"""Files and folders that a command makes."""
NOT_READ = {("compare", "weights"), ("check", "words")}
"""Numbers there and a file elsewhere; and what is rejected, whatever it names."""
CLASH = ("check", "train_data_dir", "pictures")
"""The folder is given in one way only."""
FILES = (
    *("inspect", "convert", "scale", "compare", "check", "preprocess"),
    *("rename", "delete", "label"),
)
"""Verbs that work on a file or folder among their words."""
UNTYPED = {"resume", "config_file", "picture"}
"""Paths without a kind, as no page has them."""
KINDS = (
    TrainConfig,
    PreprocessConfig,
    cache.CacheOptions,
    collection.CollectionConfig,
    compare.CompareConfig,
    compare.UseConfig,
    convert.ConvertConfig,
    label.LabelConfig,
    named_file.NamedFileConfig,
    output.FileConfig,
    sweep_command.SweepConfig,
    train_command.RunConfig,
)
PATHS = {path[-1] for kind in KINDS for path, item in leaves(kind) if about(item).path} | UNTYPED


def named() -> Iterator[tuple[str, str]]:
    """Every option of every command that names a file or folder that is read."""
    for verb in VERBS:
        module = importlib.import_module(f"ti_core.cli.{verb.replace('-', '_')}")
        parser: OptionParser | None = module.parser() if hasattr(module, "parser") else None
        for action in parser._actions if parser else ():
            name, read = action.dest, verb == "cache" or action.dest not in MADE
            if name in PATHS and read and (verb, name) not in NOT_READ:
                yield verb, name


@pytest.fixture
def world(ti: Ti, pictures: Path, tmp_path: Path) -> Ti:
    """A folder of pictures and an embedding in the working directory."""
    write_embedding(tmp_path / "a.safetensors", Embedding("a", {"emb_params": torch.ones(1, 12)}))
    return ti


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_command_with_paths_is_tried() -> None:
    assert {verb for verb, _ in named()} == set(DONE) - {"inspect", "scale"}


@pytest.mark.parametrize(("verb", "name"), list(named()))
@pytest.mark.parametrize("missing", ["no-such.txt", "no/such/folder"])
def test_a_path_that_is_not_there_is_an_error(
    world: Ti, tmp_path: Path, verb: str, name: str, missing: str
) -> None:
    if name in ("sample_prompts", "prompts") and missing != "no-such.txt":
        pytest.skip("it is a prompt")
    before = files_in(tmp_path)
    known = [word for word in DONE[verb] if (verb, name, word) != CLASH]
    arguments = [*known, f"--{name}", missing]
    code, out, error = world(verb, *arguments)
    assert code != 0, out + error
    assert missing in out + error
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("verb", FILES)
def test_a_file_or_folder_to_work_on_that_is_not_there_is_an_error(world: Ti, verb: str) -> None:
    arguments = [
        "no-such" if word in ("a.safetensors", "pictures") else word for word in DONE[verb]
    ]
    code, out, error = world(verb, *arguments)
    assert code != 0
    assert "no-such" in out + error


def test_folders_to_list_and_files_to_diff_must_be_there(world: Ti) -> None:
    for arguments in (("list", "no-such"), ("diff", "a.safetensors", "no-such")):
        code, _, error = world(*arguments)
        assert code != 0
        assert "no-such" in error


def test_a_file_in_place_of_a_folder_is_told(world: Ti) -> None:
    code, _, error = world("generate", "--prompt", "a", "--embeddings_dir", "a.safetensors")
    assert code == 2
    assert "there is no folder a.safetensors: it is a file; check --embeddings_dir" in error


@pytest.mark.parametrize("name", ["pretrained_model_name_or_path", "tokenizer"])
def test_a_model_that_is_not_there_is_an_error(name: str) -> None:
    typed = {"pretrained_model_name_or_path": "demo", name: "no/such"}
    with pytest.raises((ConfigError, FileError), match="no/such"):
        standalone.open_host(make_config(standalone.ModelConfig, typed))
