"""Training goes on with a file: from its step, and with what is remembered of exactly this file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ti_core.errors import ConfigError, TrainingError
from ti_core.events import Notice
from ti_core.files.embedding import Embedding
from ti_core.files.formats import FORMATS
from ti_core.files.reading import read_embedding
from ti_core.files.replaced import bring_back
from ti_core.files.safetensors_file import read_safetensors, to_bytes
from ti_core.files.writing import write_embedding
from ti_core.hosts import fake
from ti_core.hosts.fake import FakeHost
from ti_core.options import from_dict
from ti_core.train.config import TrainConfig
from ti_core.train.events import Finished, Started, StepDone
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder
from ti_core.train.state import latest_state, save_state

from ..conftest import Configure
from .spoiled import Log

GOLDEN = Path(__file__).parents[1] / "golden"
SCHEDULE = "0.02:3, 0.01:7, 0.005"


def rates(log: Log) -> list[tuple[int, float]]:
    return [(event.step, event.rate) for event in log.of(StepDone)]


def told(log: Log, text: str) -> Notice:
    (found,) = (notice for notice in log.of(Notice) if text in notice.what)
    return found


@pytest.fixture
def whole(configure: Configure, tmp_path: Path) -> tuple[bytes, Log]:
    """All steps in one go, and what was told."""
    log = Log()
    config = configure(
        num_vectors_per_token=2,
        learning_rate=SCHEDULE,
        output_dir=str(tmp_path / "whole"),
        logging_dir=str(tmp_path / "elsewhere"),
        metadata_license="CC0-1.0",
    )
    return train(config, FakeHost(), log).read_bytes(), log


@pytest.fixture
def first(configure: Configure) -> Path:
    """The first four of the same steps."""
    config = configure(
        num_vectors_per_token=2,
        learning_rate=SCHEDULE,
        max_train_steps=4,
        metadata_license="CC0-1.0",
    )
    return train(config, FakeHost())


def test_from_the_file_alone_it_comes_to_the_same_bytes_as_in_one_go(
    configure: Configure, first: Path, whole: tuple[bytes, Log]
) -> None:
    old, log = first.read_bytes(), Log()
    config = configure(init_word="*", weights=str(first), learning_rate=SCHEDULE)
    assert train(config, FakeHost(), log) == first
    assert first.read_bytes() == whole[0]
    assert log.of(Started)[0].step == 4
    assert rates(log) == rates(whole[1])[4:]
    assert [event.loss for event in log.of(StepDone)] == [
        event.loss for event in whole[1].of(StepDone)[4:]
    ]
    assert "with the optimizer's memory of" in told(log, "continues from step 4").why
    assert first.with_name("zz-thing.safetensors.before-1").read_bytes() == old
    assert bring_back(first).read_bytes() == old


def test_forty_steps_and_sixty_more_are_a_hundred_in_one_go(
    configure: Configure, tmp_path: Path
) -> None:
    settings = {"learning_rate": "0.02:30, 0.01:70, 0.005", "train_batch_size": 2}
    whole = {"output_dir": str(tmp_path / "whole"), "logging_dir": str(tmp_path / "elsewhere")}
    expected = train(configure(**settings, **whole, max_train_steps=100), FakeHost())
    path = train(configure(**settings, max_train_steps=40), FakeHost())
    again = configure(**settings, weights=str(path), max_train_steps=100)
    assert train(again, FakeHost()).read_bytes() == expected.read_bytes()
    assert read_embedding(path).step == 100


@pytest.mark.parametrize("format", ["pt", "safetensors", "kohya", "bin"])
def test_in_the_format_of_any_program_it_is_known(
    configure: Configure, first: Path, whole: tuple[bytes, Log], format: str
) -> None:
    path = first.with_name(f"other{FORMATS[format].endings[0]}")
    write_embedding(path, read_embedding(first), format)
    first.unlink()
    train(configure(weights=str(path), learning_rate=SCHEDULE), FakeHost())
    assert first.read_bytes() == whole[0]


def test_without_its_run_folder_steps_and_schedule_are_right(
    configure: Configure, first: Path, whole: tuple[bytes, Log], tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "log")
    log = Log()
    train(configure(weights=str(first), learning_rate=SCHEDULE), FakeHost(), log)
    assert rates(log) == rates(whole[1])[4:]
    assert log.of(StepDone)[0].loss == whole[1].of(StepDone)[4].loss
    assert "no run folder" in told(log, "continues from step 4").why
    made = read_embedding(first)
    assert made.step == 10
    assert made.metadata["modelspec.license"] == "CC0-1.0"
    assert '"init_word": "tree"' in made.metadata["ti.config"]


@pytest.mark.parametrize("change", ["numbers", "step"])
def test_the_memory_of_another_file_is_not_used(
    configure: Configure, first: Path, change: str
) -> None:
    rows, metadata = read_safetensors(first)
    if change == "numbers":
        rows["emb_params"][0, 0] += 1e-6
    else:
        metadata["ti.step"] = "3"
    first.write_bytes(to_bytes(rows, metadata))
    log = Log()
    train(configure(weights=str(first), learning_rate=SCHEDULE), FakeHost(), log)
    assert "no run folder" in told(log, "continues from step").why
    assert log.of(Started)[0].step == (4 if change == "numbers" else 3)


def test_the_memory_of_another_optimiser_is_not_used(
    configure: Configure, first: Path, tmp_path: Path
) -> None:
    (folder,) = (tmp_path / "log").glob("*/*/state")
    save_state(folder, replace(latest_state(folder), optimizer="Another"))
    log = Log()
    train(configure(weights=str(first)), FakeHost(), log)
    assert "of no use to AdamW" in told(log, "continues from step 4").why
    assert log.of(Finished)[0].step == 10


def test_a_damaged_state_belongs_to_no_file(
    configure: Configure, first: Path, tmp_path: Path
) -> None:
    (state,) = (tmp_path / "log").glob("*/*/state/state-000004.safetensors")
    state.write_bytes(b"x" + state.read_bytes())
    log = Log()
    train(configure(weights=str(first)), FakeHost(), log)
    assert "no run folder" in told(log, "continues from step 4").why


def test_a_switch_starts_at_step_0_again(configure: Configure, first: Path) -> None:
    log = Log()
    config = configure(weights=str(first), learning_rate=SCHEDULE, initial_step=0)
    train(config, FakeHost(), log)
    assert [step for step, _ in rates(log)] == list(range(1, 11))
    assert rates(log)[0] == (1, 0.02)
    assert "are not counted" in told(log, "the 4 step(s) of").what
    assert read_embedding(first).step == 10


def test_a_step_may_be_given_where_the_file_tells_none(configure: Configure, first: Path) -> None:
    rows, _ = read_safetensors(first)
    path = first.with_name("stranger.safetensors")
    path.write_bytes(to_bytes(rows, {}))
    log = Log()
    train(configure(weights=str(path), initial_step=7, overwrite=True), FakeHost(), log)
    assert [step for step, _ in rates(log)] == [8, 9, 10]
    with pytest.raises(ConfigError, match="no file is given"):
        train(configure(initial_step=7, overwrite=True), FakeHost())


@pytest.mark.parametrize("steps", [4, 3])
def test_what_has_all_its_steps_is_refused_with_the_remedy(
    configure: Configure, first: Path, steps: int
) -> None:
    before = first.read_bytes()
    with pytest.raises(TrainingError, match="trained for 4 steps already") as caught:
        train(configure(weights=str(first), max_train_steps=steps), FakeHost())
    assert "`initial_step` to 0" in caught.value.fix
    assert first.read_bytes() == before


def test_an_embedding_made_from_words_begins_at_step_0(configure: Configure) -> None:
    log, config = Log(), configure()
    path = Path(config.output.output_dir) / "zz-thing.safetensors"
    write_embedding(path, Embedding("zz-thing", {"emb_params": torch.ones(3, 12)}))
    train(configure(weights=str(path)), FakeHost(), log)
    assert log.of(Started)[0].step == 0
    assert not [notice for notice in log.of(Notice) if "continues" in notice.what]
    assert read_embedding(path).count == 3


def test_a_file_that_changed_meanwhile_is_not_replaced(configure: Configure, first: Path) -> None:
    log = Log()

    def listen(event: object) -> None:
        log(event)  # type: ignore[arg-type]
        if isinstance(event, StepDone):
            first.write_bytes(b"somebody's work")

    path = train(configure(weights=str(first)), FakeHost(), listen)
    assert path.name == "zz-thing-2.safetensors"
    assert first.read_bytes() == b"somebody's work"


def test_the_run_that_goes_on_can_be_resumed_without_the_file(
    configure: Configure, first: Path, whole: tuple[bytes, Log]
) -> None:
    log = Log()

    class StoppedError(Exception):
        pass

    def listen(event: object) -> None:
        log(event)  # type: ignore[arg-type]
        if isinstance(event, StepDone) and event.step == 6:
            raise StoppedError

    config = configure(weights=str(first), learning_rate=SCHEDULE)
    with pytest.raises(StoppedError):
        train(config, FakeHost(), listen)
    folder = RunFolder(log.of(Started)[0].run_folder)
    first.unlink()
    train(from_dict(TrainConfig, folder.read_settings()["train"]), FakeHost(), resume=folder)
    assert first.read_bytes() == whole[0]


@pytest.mark.parametrize("with_memory", [True, False])
def test_a_pt_of_a1111_goes_on_as_it_would_there(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_memory: bool
) -> None:
    """my-ref.pt and its .optim were made by A1111 v1.10.1, in 20 steps."""
    monkeypatch.setattr(fake, "_SMALLER", 1)  # vectors as wide as those of SD 1
    path = tmp_path / "embeddings" / "my-ref.pt"
    path.parent.mkdir()
    names = ["my-ref.pt", "my-ref.pt.optim"] if with_memory else ["my-ref.pt"]
    for name in names:
        shutil.copy(GOLDEN / name, path.with_name(name))
    log = Log()
    config = configure(
        token_string="my-ref", weights=str(path), max_train_steps=24, learning_rate="0.02:22, 0.01"
    )
    made = train(config, FakeHost(), log)
    assert rates(log) == [(21, 0.02), (22, 0.02), (23, 0.01), (24, 0.01)]
    why = told(log, "my-ref continues from step 20 of my-ref.pt").why
    assert ("in my-ref.pt.optim" in why) == with_memory
    first_state = latest_state(RunFolder(log.of(Started)[0].run_folder).state)
    assert float(first_state.moments["0.step"]) == (24 if with_memory else 4)  # type: ignore[arg-type]
    assert read_embedding(made).step == 24
    assert not path.exists()
    assert path.with_name("my-ref.pt.before-1").read_bytes() == (GOLDEN / path.name).read_bytes()


@pytest.mark.parametrize("damage", [b"", b"x" * 50, b"cposix\nsystem\n(S'touch hacked'\ntR."])
def test_a_strangers_optim_file_is_not_believed(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    monkeypatch.setattr(fake, "_SMALLER", 1)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my-ref.pt"
    shutil.copy(GOLDEN / "my-ref.pt", path)
    path.with_name("my-ref.pt.optim").write_bytes(damage)
    log = Log()
    train(configure(weights=str(path), max_train_steps=21), FakeHost(), log)
    assert "no run folder" in told(log, "continues from step 20").why
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_what_was_saved_in_fewer_bits_continues_with_all_of_them(
    configure: Configure, whole: tuple[bytes, Log], precision: str
) -> None:
    config = configure(
        num_vectors_per_token=2,
        learning_rate=SCHEDULE,
        max_train_steps=4,
        metadata_license="CC0-1.0",
        save_precision=precision,
    )
    first = train(config, FakeHost())
    copy = first.rename(first.with_name("copy.safetensors"))
    write_embedding(copy, read_embedding(copy))  # another file, of the same numbers
    train(configure(weights=str(copy), learning_rate=SCHEDULE), FakeHost())
    assert first.read_bytes() == whole[0]


def test_an_average_continues_with_what_it_is_the_average_of(configure: Configure) -> None:
    how = {"ema_decay": 0.5, "init_word": "tree"}
    whole = train(configure(output_name="whole", **how), FakeHost())
    first = train(configure(max_train_steps=4, **how), FakeHost())
    rows = read_embedding(first).vectors
    log = Log()
    train(configure(weights=str(first), **how), FakeHost(), log)
    assert "with the optimizer's memory of" in told(log, "continues from step 4").why
    one, two = (read_embedding(path).vectors["emb_params"] for path in (whole, first))
    assert torch.equal(one, two)
    assert not torch.equal(one, rows["emb_params"])
