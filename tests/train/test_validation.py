"""Validation: the same questions each time, asked without disturbing what is trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ti_core.errors import ConfigError, DataError
from ti_core.events import Event, Notice
from ti_core.files.embedding import for_encoders
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import Conditioning
from ti_core.train.batches import encode_pictures
from ti_core.train.events import Finished, Saved, Started, StepDone, Validated
from ti_core.train.learnable import ExtraNetworks
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.run_folder import VALIDATION_CSV, RunFolder
from ti_core.train.state import latest_state
from ti_core.train.validation import Validation, pictures_of

from ..conftest import Configure, draw
from .spoiled import Log, SpoiledHost, StopAfter

EVERY_TWO = {"validate_every_n_steps": 2, "overwrite": True}


def told(log: Log) -> list[tuple[int, float, float | None]]:
    return [(one.step, one.loss, one.held_out_loss) for one in log.of(Validated)]


def folder_of(log: Log) -> RunFolder:
    return RunFolder(log.of(Started)[0].run_folder)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ema_decay": 0.9, "latent_sampling_method": "random", "train_batch_size": 2},
        {"optimizer_type": "DTI", "vector_length": "mean", "masked_loss": True},
        {"shuffle_caption": True, "flip_aug": True, "color_aug": True, "min_timestep": 300},
    ],
)
def test_what_is_trained_does_not_notice_it(configure: Configure, changes: Any) -> None:
    with_it, without = Log(), Log()
    one = train(configure(**EVERY_TWO, **changes), FakeHost(), with_it).read_bytes()
    two = train(configure(overwrite=True, **changes), FakeHost(), without).read_bytes()
    losses = [[event.loss for event in log.of(StepDone)] for log in (with_it, without)]
    assert one == two
    assert losses[0] == losses[1]
    assert [step for step, _, _ in told(with_it)] == [0, 2, 4, 6, 8, 10]


def test_each_step_is_asked_the_same_questions(configure: Configure) -> None:
    """The loss of the file, loaded again, is that which the run told of its last step."""
    log, config, host = Log(), configure(**EVERY_TWO), FakeHost()
    path = train(config, host, log)
    plan = make_plan(config, host)
    with host.session() as session:
        validation = Validation(plan, encode_pictures(plan, session), session)
        rows = {"zz-thing": for_encoders(read_embedding(path), plan.facts.widths, str(path))}
        first, second = (validation.found(10, ExtraNetworks(rows)) for _ in range(2))
    assert first == second
    assert (first.step, first.loss, first.held_out) == told(log)[-1]


def test_another_seed_asks_other_questions(configure: Configure) -> None:
    logs = Log(), Log()
    for seed, log in enumerate(logs):
        train(configure(**EVERY_TWO, seed=seed), FakeHost(), log)
    assert told(logs[0])[0] != told(logs[1])[0]


@pytest.mark.parametrize("steps", range(1, 10))
def test_a_run_that_stops_anywhere_tells_the_same_once(configure: Configure, steps: int) -> None:
    whole, first, second = Log(), Log(), Log()
    config = configure(**EVERY_TWO, validation_split=0.3)
    path = train(config, FakeHost(), whole)
    expected, best = path.read_bytes(), folder_of(whole)
    train(config, FakeHost(), first, StopAfter(first, steps))
    folder = folder_of(first)
    assert train(config, FakeHost(), second, resume=folder).read_bytes() == expected
    assert told(first) + told(second) == told(whole)
    kept = (latest_state(each.state).validations for each in (folder, best))
    assert len({repr(each) for each in kept}) == 1
    assert (folder.path / VALIDATION_CSV).read_text() == (best.path / VALIDATION_CSV).read_text()
    copies = (path / "embeddings/zz-thing-best.safetensors" for path in (folder.path, best.path))
    assert len({copy.read_bytes() for copy in copies}) == 1


def test_a_run_that_was_killed_before_it_could_validate_does_it_then(configure: Configure) -> None:
    """The state of an interrupted step lacks what comes behind the update."""

    class Interrupted(Log):
        def __call__(self, event: Event) -> None:
            super().__call__(event)
            if isinstance(event, StepDone) and event.step == 4:
                raise KeyboardInterrupt

    whole, log, second = Log(), Interrupted(), Log()
    config = configure(**EVERY_TWO)
    train(config, FakeHost(), whole)
    with pytest.raises(KeyboardInterrupt):
        train(config, FakeHost(), log)
    folder = folder_of(log)
    assert latest_state(folder.state).step == 4
    train(config, FakeHost(), second, resume=folder)
    assert [step for step, _, _ in told(second)] == [4, 6, 8, 10]
    assert told(log) + told(second) == told(whole)


def test_a_fall_back_forgets_what_it_makes_again(configure: Configure) -> None:
    def broken(number: int, output: Tensor, _: Conditioning) -> Tensor:
        return output * math.nan if number == 7 else output  # the update after step 4

    log = Log()
    train(configure(**EVERY_TWO, save_state_every_n_steps=3), SpoiledHost(broken), log)
    folder = folder_of(log)
    assert len(log.of(Notice)) == 1
    assert [step for step, _, _ in latest_state(folder.state).validations] == [0, 2, 4, 6, 8, 10]
    assert [event["step"] for event in folder.events("Validated")] == [0, 2, 4, 6, 8, 10]
    assert len((folder.path / VALIDATION_CSV).read_text().splitlines()) == 1 + 6


def test_the_best_copy_is_what_the_run_had_then(configure: Configure) -> None:
    """Here the third validation, of step 4, is made to be the lowest."""
    calls: list[int] = []

    def lowest(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if torch.is_grad_enabled():
            return output
        calls.append(number)
        return output if len(calls) == 3 else output + 100

    log = Log()
    config = configure(**EVERY_TWO, save_every_n_steps=4, save_last_n_steps=2)
    train(config, SpoiledHost(lowest), log)
    best = folder_of(log).path / "embeddings/zz-thing-best.safetensors"
    copy = read_embedding(best)
    assert [one.step for one in log.of(Validated) if one.is_best] == [2, 4]
    assert (copy.step, copy.name) == (4, "zz-thing-best")
    finished = log.of(Finished)[0]
    assert (finished.best_step, finished.best_path) == (4, best)
    names = sorted(path.name for path in best.parent.iterdir())
    assert names == ["zz-thing-000008.safetensors", "zz-thing-best.safetensors"]
    states = {event.step for event in log.of(Saved) if event.kind == "state"}
    assert {2, 4} <= states, "a state comes before the copy that it tells of"


def test_the_start_is_never_the_best(configure: Configure) -> None:
    log = Log()
    train(configure(validate_every_n_steps=20), FakeHost(), log)
    assert [one.is_best for one in log.of(Validated)] == [False]
    assert log.of(Finished)[0].best_path is None


def test_a_run_from_a_file_judges_its_own_copies(configure: Configure) -> None:
    first, second = Log(), Log()
    path = train(configure(**EVERY_TWO), FakeHost(), first)
    train(configure(**EVERY_TWO, weights=str(path), max_train_steps=14), FakeHost(), second)
    assert [step for step, _, _ in told(second)] == [10, 12, 14]
    assert [step for step, _, _ in latest_state(folder_of(second).state).validations] == [
        10,
        12,
        14,
    ]
    assert (folder_of(second).path / "embeddings/zz-thing-best.safetensors").is_file()


# --- pictures that are held out -----------------------------------------------------------------


def test_a_part_of_the_pictures_is_held_out(configure: Configure, pictures: Path) -> None:
    plan = make_plan(configure(validation_split=0.3), FakeHost())
    assert plan.held_out
    kept, held = ({item.path for item in d.items} for d in (plan.dataset, plan.held_out))
    assert (len(kept), len(held)) == (3, 2)
    assert kept | held == set(pictures.glob("*.png"))
    again = make_plan(configure(validation_split=0.3), FakeHost())
    assert again.dataset == plan.dataset
    seeds = [make_plan(configure(validation_split=0.3, seed=n), FakeHost()) for n in range(5)]
    assert len({plan.dataset.items for plan in seeds}) > 1


@pytest.mark.parametrize(("share", "held"), [(0.01, 1), (0.9, 4)])
def test_one_picture_is_held_out_and_one_stays(
    configure: Configure, share: float, held: int
) -> None:
    plan = make_plan(configure(validation_split=share), FakeHost())
    assert plan.held_out
    assert (len(plan.held_out.items), len(plan.dataset.items)) == (held, 5 - held)


def test_a_folder_of_other_pictures_is_validated_with(configure: Configure, tmp_path: Path) -> None:
    others = draw(tmp_path / "others", captions=True)
    for path in sorted(others.iterdir())[4:]:
        path.unlink()
    log, plain = Log(), Log()
    with_it = train(configure(**EVERY_TWO, validation_data_dir=str(others)), FakeHost(), log)
    assert with_it.read_bytes() == train(configure(**EVERY_TWO), FakeHost(), plain).read_bytes()
    assert all(held_out is not None for _, _, held_out in told(log))
    best = min((one for one in log.of(Validated) if one.step), key=lambda one: one.held_out_loss)
    assert best.step == log.of(Finished)[0].best_step


def test_what_cannot_be_held_out_is_told_before_the_start(
    configure: Configure, tmp_path: Path, pictures: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images") as caught:
        make_plan(configure(validation_data_dir=str(tmp_path / "empty")), FakeHost())
    assert "`validation_data_dir`" in caught.value.fix
    with pytest.raises(ConfigError, match="are both set"):
        configure(validation_data_dir=str(pictures), validation_split=0.2)
    for path in sorted(pictures.glob("*.png"))[1:]:
        path.unlink()
    with pytest.raises(DataError, match="`validation_split` needs two images"):
        make_plan(configure(validation_split=0.2), FakeHost())


# --- what it costs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pictures"),
    [
        ({"validate_every_n_steps": 50}, 5),
        ({"validate_every_n_steps": 50, "train_batch_size": 4}, 20),
        ({"validate_every_n_steps": 25, "gradient_accumulation_steps": 8}, 20),
        ({"validate_every_n_steps": 5}, 1),
        ({"validate_every_n_steps": 5000}, 64),
        ({"validate_every_n_steps": 50, "train_batch_size": 4, "max_validation_steps": 2}, 8),
    ],
)
def test_its_cost_is_a_twentieth_of_the_passes(
    configure: Configure, changes: Any, pictures: int
) -> None:
    """An update costs two passes for each of its pictures: forward, and back."""
    assert pictures_of(configure(**changes)) == pictures


def test_as_many_pictures_pass_the_model_as_were_reckoned(configure: Configure) -> None:
    seen: list[int] = []

    def count(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if not torch.is_grad_enabled():
            seen.append(len(output))
        return output

    config = configure(
        validate_every_n_steps=20, max_train_steps=40, train_batch_size=4, validation_split=0.4
    )
    train(config, SpoiledHost(count))
    assert pictures_of(config) == 8
    assert seen == [4, 4] * 3, "half of them of each kind, in batches of the training's size"
