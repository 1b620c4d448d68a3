"""Two starts of a word are compared before the run, which begins from the better one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ti_core.events import Notice
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import Conditioning
from ti_core.train.config import EmbeddingConfig, TrainConfig
from ti_core.train.control import Control
from ti_core.train.create import create_embedding
from ti_core.train.events import Started, StepDone
from ti_core.train.group import Order, Sums
from ti_core.train.loop import train
from ti_core.train.made_before import Gradients, MadeBefore, Recorder
from ti_core.train.plan import make_plan
from ti_core.train.run_folder import RunFolder
from ti_core.train.share import identity
from ti_core.train.starts import QUESTIONS

from ..conftest import Configure
from .spoiled import Change, Log, SpoiledHost, StopAfter

TRIED = {"init_trial_steps": 3, "overwrite": True}


def judged(start: int, spoiled: float = 100.0) -> Change:
    """The questions after start number `start`, of two, get answers that are far off."""
    asked: list[int] = []

    def change(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if torch.is_grad_enabled():
            return output
        if not asked or number > asked[-1] + 1:
            asked.append(number)  # the questions of another start begin
        asked.append(number)
        starts = sum(b > a + 1 for a, b in pairwise(asked))
        return output + spoiled if starts == start else output

    return change


def losses(log: Log) -> list[float]:
    return [event.loss for event in log.of(StepDone)]


def chosen(log: Log) -> str:
    """Where the settings of the run say that it starts from."""
    settings = RunFolder(log.of(Started)[0].run_folder).read_settings()
    return str(settings["train"]["embedding"]["init_from"])


def told(log: Log) -> str:
    return "\n".join(str(event) for event in log.of(Notice))


@pytest.mark.parametrize(("worse", "start"), [(0, "encoder"), (1, "vocabulary")])
def test_a_run_is_that_of_the_start_with_the_lower_loss(
    configure: Configure, worse: int, start: str
) -> None:
    plain, log = Log(), Log()
    expected = read_embedding(train(configure(init_from=start, overwrite=True), FakeHost(), plain))
    path = train(configure(**TRIED), SpoiledHost(judged(worse)), log)
    found = read_embedding(path)
    assert losses(log) == losses(plain)
    assert all(torch.equal(found.vectors[key], expected.vectors[key]) for key in expected.vectors)
    assert chosen(log) == start
    assert "validation losses after 3 steps: " in told(log)


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("worse", [0, 1])
def test_the_updates_of_the_chosen_start_are_made_once(
    configure: Configure, worse: int, passes: int
) -> None:
    shape = {"gradient_accumulation_steps": passes, "overwrite": True}
    plain, tried = SpoiledHost(), SpoiledHost(judged(worse))
    train(configure(**shape), plain)
    train(configure(**shape, init_trial_steps=3), tried)
    batches = QUESTIONS // configure().optimizer.train_batch_size
    assert tried.calls - plain.calls == 3 * passes + 2 * batches


def test_an_update_at_other_tensors_or_another_loss_scale_is_computed() -> None:
    leaf, order = torch.ones(2, requires_grad=True), Order(0, 1.0)

    def work() -> Sums:
        leaf.grad = 2 * leaf.detach()
        return Sums((leaf.detach().sum(),))

    def recorded() -> dict[int, Gradients]:
        recorder = Recorder()
        recorder.together(order, [leaf], work)
        return recorder.made

    def asked(known: dict[int, Gradients], order: Order) -> list[int]:
        calls = list[int]()

        def counted() -> Sums:
            calls.append(order.step)
            return work()

        leaf.grad = None
        sums = MadeBefore(known).together(order, [leaf], counted)
        assert leaf.grad is not None
        assert torch.equal(leaf.grad, 2 * leaf)
        assert sums.loss == leaf.sum()
        return calls

    assert asked(recorded(), order) == []
    assert asked(recorded(), Order(0, 0.5)) == [0]
    assert asked(recorded(), Order(1, 1.0)) == [1]
    before = recorded()
    with torch.no_grad():
        leaf.add_(1)
    assert asked(before, order) == [0]
    assert asked(before, order) == [0]  # it was forgotten


def test_starts_that_are_about_as_good_leave_the_words(configure: Configure) -> None:
    def blind(_: int, output: Tensor, __: Conditioning) -> Tensor:
        return output if torch.is_grad_enabled() else output * 0

    log = Log()
    train(configure(**TRIED), SpoiledHost(blind), log)
    assert chosen(log) == "vocabulary"
    assert "from the words' vectors in the vocabulary" in told(log)


@pytest.mark.parametrize("steps", [1, 5, 9])
def test_a_resumed_run_does_not_compare_again(configure: Configure, steps: int) -> None:
    whole, first, second = Log(), Log(), Log()
    config = configure(**TRIED)
    expected = train(config, SpoiledHost(judged(0)), whole).read_bytes()
    host = SpoiledHost(judged(0))
    train(config, host, first, StopAfter(first, steps))
    calls = host.calls
    resume = RunFolder(first.of(Started)[0].run_folder)
    assert train(config, host, second, resume=resume).read_bytes() == expected
    assert losses(first) + losses(second) == losses(whole)
    assert host.calls - calls == 10 - steps
    assert "settings of the run have changed" not in told(second)


def test_a_created_file_is_compared_as_its_words_are(configure: Configure, tmp_path: Path) -> None:
    plain, log, folder = Log(), Log(), tmp_path / "created"
    folder.mkdir()
    config = configure(**TRIED)
    train(config, SpoiledHost(judged(0)), plain)
    word = EmbeddingConfig(config.name, config.embedding.init_word, config.vectors)
    file = create_embedding(word, FakeHost(), folder)
    train(configure(**TRIED, weights=str(file)), SpoiledHost(judged(0)), log)
    assert losses(log) == losses(plain)
    assert chosen(log) == "encoder"
    resumed = Log()
    resume = RunFolder(log.of(Started)[0].run_folder)
    train(
        configure(**TRIED, weights=str(file), max_train_steps=12),
        FakeHost(),
        resumed,
        resume=resume,
    )
    assert len(losses(resumed)) == 2


def test_a_file_with_vectors_of_its_own_is_not_compared(configure: Configure) -> None:
    first, log, host = Log(), Log(), FakeHost()
    path = train(configure(overwrite=True), host, first)
    config = configure(**TRIED, weights=str(path), initial_step=0, output_name="other")
    train(config, host, log)
    assert "the vectors of the file are not those of its initial words" in told(log)
    assert chosen(log) == "vocabulary"


def test_a_start_that_is_not_finite_is_not_chosen(configure: Configure) -> None:
    log = Log()

    def change(number: int, output: Tensor, _: Conditioning) -> Tensor:
        return output * torch.nan if number == broken else output

    counted = SpoiledHost()
    train(configure(**TRIED), counted, Log())
    broken = (counted.calls - (10 - 3)) // 2 + 1  # in the updates from the encoder
    train(configure(**TRIED), SpoiledHost(change), log)
    assert chosen(log) == "vocabulary"
    assert "inf from the encoder" in told(log)
    assert len(losses(log)) == 10


def test_where_no_start_is_finite_the_words_stay(configure: Configure) -> None:
    log = Log()
    host = SpoiledHost(lambda number, output, _: output * torch.nan if number < 2 else output)
    train(configure(**TRIED), host, log)
    assert "inf from the vocabulary, inf from the encoder" in told(log)
    assert chosen(log) == "vocabulary"
    assert len(losses(log)) == 10


def test_a_run_goes_on_where_memory_is_short_for_it(configure: Configure) -> None:
    def change(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if number == 1:
            raise torch.OutOfMemoryError("as a GPU says it")
        return output

    log = Log()
    train(configure(**TRIED), SpoiledHost(change), log)
    assert "the two starts are not compared: memory ran out" in told(log)
    assert len(losses(log)) == 10


def test_who_ends_the_run_meanwhile_gets_a_file_of_the_start(configure: Configure) -> None:
    control, log = Control(), Log()

    def change(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if number == 1:
            control.finish()
        return output

    host = SpoiledHost(change)
    path = train(configure(**TRIED), host, log, control)
    assert read_embedding(path).step == 0
    assert not losses(log)
    assert host.calls < 10


def test_files_tell_of_the_comparison_only_where_it_was_made(configure: Configure) -> None:
    config = configure(**TRIED)
    assert isinstance(config, TrainConfig)
    assert "init_trial_steps" not in EmbeddingConfig().beginning
    files = [train(one, FakeHost()).read_bytes() for one in (config, configure(overwrite=True))]
    assert [b"init_trial_steps" in file for file in files] == [True, False]


def test_processes_train_the_same_whichever_start_the_first_chooses(configure: Configure) -> None:
    """The others know the settings as they were given."""

    def told(**changes: object) -> str:
        return identity(make_plan(configure(**changes), FakeHost()))

    assert told(**TRIED) == told(**TRIED, init_from="encoder")
    assert told() != told(init_from="encoder")
