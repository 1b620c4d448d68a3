"""Lengths and milestones in epochs, and the copies that are kept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.errors import EmbeddingError
from ti_core.families import SDXL
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.control import Control
from ti_core.train.events import Started
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.run_folder import RunFolder

from ..conftest import Configure
from .spoiled import Log


def steps(folder: RunFolder, kind: str) -> list[int]:
    names = sorted(path.name for path in (folder.path / kind).glob("*"))
    return [int(re.findall(r"-([0-9]{6})", name)[-1]) for name in names]


def run(config: Any, **more: Any) -> tuple[Path, RunFolder, Log]:
    log = Log()
    path = train(config, FakeHost(), log, **more)
    return path, RunFolder(log.of(Started)[0].run_folder), log


def test_a_length_in_epochs_gives_the_same_file_as_its_steps(configure: Configure) -> None:
    pictures = len(make_plan(configure(), FakeHost()).dataset.items)
    by_epochs, folder, _ = run(configure(max_train_epochs=2, overwrite=True))
    data = by_epochs.read_bytes()
    by_steps, _, _ = run(configure(max_train_steps=2 * pictures, overwrite=True))
    assert by_steps.read_bytes() == data
    saved = folder.read_settings()["train"]["optimizer"]
    assert (saved["max_train_steps"], saved["max_train_epochs"]) == (2 * pictures, 0)


def test_an_epoch_ends_with_the_update_that_sees_its_last_picture(configure: Configure) -> None:
    """Batches continue from one epoch into the next."""
    pictures = len(make_plan(configure(), FakeHost()).dataset.items)
    plan = make_plan(configure(max_train_epochs=3, train_batch_size=3), FakeHost())
    order = plan.order
    assert plan.config.optimizer.max_train_steps == order.steps_of(3) == -(-3 * pictures // 3)
    for epochs in range(1, 9):
        assert order.epochs_done(order.steps_of(epochs)) >= epochs
        assert order.epochs_done(order.steps_of(epochs) - 1) < epochs


def test_copies_and_previews_come_at_the_ends_of_epochs(configure: Configure) -> None:
    pictures = len(make_plan(configure(), FakeHost()).dataset.items)
    config = configure(
        max_train_epochs=4, save_every_n_epochs=2, sample_every_n_epochs=1, sample_every_n_steps=1,
        sample_at_first=False,
    )  # fmt: skip
    _, folder, _ = run(config)
    assert steps(folder, "embeddings") == [2 * pictures, 4 * pictures]
    assert steps(folder, "images") == [n * pictures for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sample_every_n_steps": 4}, [0, 4, 8, 10]),
        ({"sample_every_n_steps": 5}, [0, 5, 10]),
        ({"sample_every_n_steps": 0, "sample_every_n_epochs": 50}, [0, 10]),
        ({"sample_every_n_steps": 0}, []),
    ],
)
def test_previews_are_made_after_the_last_step_on_request(
    configure: Configure, changes: dict[str, int], expected: list[int]
) -> None:
    _, folder, _ = run(configure(sample_at_last=True, **changes))
    assert steps(folder, "images") == expected


def test_a_run_that_was_stopped_has_no_previews_of_its_end(configure: Configure) -> None:
    control = Control()
    control.finish()
    _, folder, _ = run(configure(sample_at_last=True, sample_every_n_steps=4), control=control)
    assert steps(folder, "images") == [0]


def test_old_copies_are_removed_as_kohya_removes_them(configure: Configure) -> None:
    """sd-scripts: copies every 2 steps, the last 4 steps kept: at step 10 those of 6, 8, 10."""
    _, folder, _ = run(configure(save_every_n_steps=2, save_last_n_steps=4))
    assert steps(folder, "embeddings") == [6, 8, 10]


def test_copies_of_the_last_epochs_are_kept(configure: Configure) -> None:
    pictures = len(make_plan(configure(), FakeHost()).dataset.items)
    _, folder, _ = run(configure(max_train_epochs=5, save_every_n_epochs=1, save_last_n_epochs=2))
    assert steps(folder, "embeddings") == [4 * pictures, 5 * pictures]


def test_a_copy_that_was_asked_for_is_never_removed(configure: Configure) -> None:
    control = Control()
    control.save_now()
    _, folder, _ = run(configure(save_every_n_steps=2, save_last_n_steps=2), control=control)
    assert steps(folder, "embeddings") == [0, 8, 10]


@pytest.mark.parametrize(("format", "ending"), [("pt", ".pt"), ("bin", ".bin")])
def test_the_file_and_its_copies_have_the_format_that_is_set(
    configure: Configure, format: str, ending: str
) -> None:
    path, folder, _ = run(configure(save_model_as=format, save_every_n_steps=5))
    assert path.suffix == ending
    copies = sorted((folder.path / "embeddings").iterdir())
    assert [copy.name for copy in copies] == [f"zz-thing-{n:06d}{ending}" for n in (5, 10)]
    made, last = read_embedding(path), read_embedding(copies[-1])
    assert made.vectors["emb_params"].equal(last.vectors["emb_params"])


def test_a_format_that_cannot_hold_the_model_is_told_before_training(configure: Configure) -> None:
    log = Log()
    with pytest.raises(EmbeddingError, match="diffusers"):
        train(configure(save_model_as="bin"), FakeHost(family=SDXL), log)
    assert not log


@pytest.mark.parametrize("format", ["safetensors", "pt"])
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_files_hold_the_same_numbers_rounded(
    configure: Configure, format: str, precision: str
) -> None:
    whole = read_embedding(run(configure(overwrite=True))[0]).vectors["emb_params"]
    path, _, _ = run(configure(overwrite=True, save_precision=precision, save_model_as=format))
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    assert read_embedding(path).vectors["emb_params"].equal(whole.to(dtype).float())
    if format == "pt":
        loaded = torch.load(path, weights_only=True)["string_to_param"]["*"]
        assert loaded.dtype == dtype
    else:
        size = int.from_bytes(path.read_bytes()[:8], "little")
        header = json.loads(path.read_bytes()[8 : 8 + size])
        assert header["emb_params"]["dtype"] == {"fp16": "F16", "bf16": "BF16"}[precision]
