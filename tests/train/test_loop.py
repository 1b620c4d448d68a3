"""The training loop."""

from __future__ import annotations

import datetime
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from ti_core.errors import (
    HostMemoryError,
    NoGradientError,
    NotFiniteError,
    ScheduleError,
    StorageError,
)
from ti_core.events import Event, Notice
from ti_core.families import FAMILIES, SDXL
from ti_core.files.checksum import file_shorthash
from ti_core.files.embedding import Embedding
from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import Conditioning
from ti_core.train.events import (
    Failed,
    Finished,
    Measured,
    Previewing,
    PreviewReady,
    Saved,
    Started,
    StepDone,
)
from ti_core.train.loop import train
from ti_core.train.run_folder import CSV_NAME, RunFolder
from ti_core.train.state import latest_state, list_states, step_of

from ..conftest import Configure
from .spoiled import Log, SpoiledHost, StopAfter


def vectors_of(path: Path) -> dict[str, Tensor]:
    return read_embedding(path).vectors


def run_folder(log: Log) -> RunFolder:
    return RunFolder(log.of(Started)[0].run_folder)


# --- a run ------------------------------------------------------------------------------------


def test_a_run_leaves_an_embedding_and_a_folder_that_explains_it(configure: Configure) -> None:
    log, host = Log(), FakeHost()
    config = configure(save_every_n_steps=5, sample_every_n_steps=5, loss_csv_every=2)
    path = train(config, host, log, extra_settings={"host": {"model": "x"}})
    found = read_embedding(path)
    assert (found.name, found.step, found.count) == ("zz-thing", 10, 1)
    assert log.steps == list(range(1, 11))
    assert host.saved == [path]
    folder = run_folder(log)
    assert {p.name for p in folder.path.iterdir()} == {
        *("settings.json", "events.jsonl", CSV_NAME, "loss.png", "results.json", "lock"),
        *("pictures.json", "strength.csv", "strength.png"),
        *("embeddings", "images", "state"),
    }
    assert {p.name for p in (folder.path / "embeddings").iterdir()} == {
        "zz-thing-000005.safetensors",
        "zz-thing-000010.safetensors",
    }
    assert len(list((folder.path / "images").iterdir())) == 3
    assert len((folder.path / CSV_NAME).read_text().splitlines()) == 6
    settings = folder.read_settings()
    assert settings["host"] == {"model": "x"}
    assert (settings["model_name"], settings["model_hash"]) == ("fake", "0000000000")
    assert (settings["num_of_dataset_images"], settings["size"]) == (5, "1 vector(s)")
    assert (settings["initial_step"], settings["template"]) == (0, "subject_filewords")
    assert datetime.datetime.fromisoformat(settings["datetime"])


def test_training_ends_where_its_schedule_does_and_says_so_before(configure: Configure) -> None:
    """As in A1111, which does not say it."""
    log, rates = Log(), "0.005:2, 1e-3:6"
    path = train(configure(learning_rate=rates, lr_scheduler="linear"), FakeHost(), log)
    assert [e.rate for e in log.of(StepDone)][-1] == pytest.approx(1e-3 / 6)
    assert (read_embedding(path).step, log.of(Started)[0].max_steps) == (6, 6)
    assert log.of(Finished)[0].reason == "done"
    assert log.of(Notice)[0].what == "training ends at step 6, before step 10"
    alone = train(configure(overwrite=True, learning_rate="0.005:2, 1e-3", max_train_steps=6,
                            lr_scheduler="linear"), FakeHost())  # fmt: skip
    vectors = read_embedding(path).vectors
    assert all(torch.equal(vectors[key], rows) for key, rows in vectors_of(alone).items())


def test_a_run_whose_schedule_has_ended_goes_on_with_a_last_rate(configure: Configure) -> None:
    log = Log()
    train(configure(learning_rate="0.005:6"), FakeHost(), log)
    again, folder = Log(), run_folder(log)
    train(configure(learning_rate="0.005:6"), FakeHost(), again, resume=folder)
    assert again.of(Notice)[-1].fix == "to continue training, add a last rate without a step number"
    path = train(configure(learning_rate="0.005:6, 1e-3"), FakeHost(), resume=folder)
    assert read_embedding(path).step == 10
    with pytest.raises(ScheduleError, match="ends at step 6, and training is at step 10"):
        train(configure(learning_rate="0.005:6"), FakeHost(), resume=folder)


def test_a_clip_schedule_keeps_its_last_value(configure: Configure) -> None:
    """A1111 looks at the end of the rate's schedule only."""
    same = {"clip_grad_mode": "value", "overwrite": True}
    short, held = (
        vectors_of(train(configure(clip_grad_value=text, **same), FakeHost()))
        for text in ("1:2, 1e-9:5", "1:2, 1e-9")
    )
    assert all(torch.equal(short[key], held[key]) for key in held)


def test_a_card_is_kept_with_the_first_preview_after_each_new_copy(configure: Configure) -> None:
    """A1111's rule: copies at 4 and 8, previews at every second step."""
    log = Log()
    often = {"save_every_n_steps": 4, "sample_every_n_steps": 2, "num_vectors_per_token": 2}
    config = configure(save_image_with_stored_embedding=True, sample_prompts="[name]\na", **often)
    train(config, FakeHost(), log)
    folder = run_folder(log)
    cards = sorted(path.name for path in (folder.path / "image_embeddings").iterdir())
    assert cards == ["zz-thing-000004.png", "zz-thing-000008.png"]
    for step in (4, 8):
        card, copy = folder.card_path("zz-thing", step), folder.copy_path("zz-thing", step)
        inside = read_embedding(card)
        assert (inside.step, inside.count) == (step, 2)
        assert torch.equal(inside.vectors["emb_params"], vectors_of(copy)["emb_params"])
        with Image.open(card) as shown, Image.open(folder.image_path("zz-thing", step, 0)) as plain:
            assert shown.width > plain.width
    assert [e.path.name for e in log.of(Saved) if e.kind == "card"] == cards


def test_a_card_is_of_the_last_copy_and_is_made_up_for_when_the_run_goes_on(
    configure: Configure,
) -> None:
    """Copies at 3 and 6, previews at 4 and 8; the run is stopped at 5, and its card is lost."""
    log = Log()
    config = configure(
        save_image_with_stored_embedding=True, save_every_n_steps=3, sample_every_n_steps=4
    )
    train(config, FakeHost(), log, StopAfter(log, 4))
    folder = run_folder(log)
    card = folder.card_path("zz-thing", 4)
    assert read_embedding(card).step == 3
    before = card.read_bytes()
    card.unlink()
    train(config, FakeHost(), resume=folder)
    assert card.read_bytes() == before
    assert read_embedding(folder.card_path("zz-thing", 8)).step == 6


def test_a_card_that_cannot_be_written_is_told_and_training_continues(configure: Configure) -> None:
    log = Log()
    config = configure(
        save_image_with_stored_embedding=True, save_every_n_steps=5, sample_every_n_steps=5
    )

    def blocked(event: Event) -> None:
        if isinstance(event, Started):
            (event.run_folder / "image_embeddings").write_text("in the way")
        log(event)

    train(config, FakeHost(), blocked)
    assert [n.what for n in log.of(Notice)] == [
        "the card of step 5 was not written",
        "the card of step 10 was not written",
    ]
    assert log.of(Finished)


def test_previews_name_the_embedding_by_its_hash_where_they_use_it(configure: Configure) -> None:
    """A1111's "TI hashes": the last preview's is that of the finished file."""
    log = Log()
    prompts = "a [name]\na dog\na dog --n [name]"
    path = train(configure(sample_every_n_steps=5, sample_prompts=prompts), FakeHost(), log)
    folder, texts = run_folder(log), {}
    for number in range(3):
        with Image.open(folder.image_path("zz-thing", 10, number)) as picture:
            texts[number] = picture.info["parameters"]
    hashes = f'TI hashes: "zz-thing: {file_shorthash(path)}"'
    assert [hashes in text for text in texts.values()] == [True, False, True]
    assert "TI hashes" not in texts[1]


def test_without_a_preview_prompt_a_preview_shows_the_training_s(configure: Configure) -> None:
    """A1111's way, and that of its version of October 2022 where the field was empty."""
    log = Log()
    config = configure(sample_every_n_steps=2, sample_prompts="", shuffle_caption=True)
    train(config, FakeHost(), log)
    trained = [event.prompt for event in log.of(StepDone)]
    shown = {event.step: event.prompt for event in log.of(PreviewReady)}
    assert len(set(trained)) > 2
    assert shown == {0: trained[0], **{step: trained[step - 1] for step in (2, 4, 6, 8, 10)}}
    with Image.open(run_folder(log).image_path("zz-thing", 4, 0)) as picture:
        assert picture.info["parameters"].startswith(trained[3])
    other = configure(sample_every_n_steps=2, shuffle_caption=True, overwrite=True)
    again = Log()
    train(other, FakeHost(), again)
    assert [event.loss for event in again.of(StepDone)] == [e.loss for e in log.of(StepDone)]


def test_each_change_of_the_rate_is_told_when_it_happens(configure: Configure) -> None:
    log = Log()
    config = configure(learning_rate="0.005:2, 1e-3:3, 1e-4")
    train(config, FakeHost(), log, StopAfter(log, 8))
    told = [e for e in log if isinstance(e, (Notice, StepDone))]
    shown = [e.what if isinstance(e, Notice) else e.step for e in told]
    assert shown == [
        1, 2, "the learning rate is now 0.001 for step 3",
        3, "the learning rate is now 0.0001 for steps 4 to 10", 4, 5, 6, 7, 8,
    ]  # fmt: skip
    again = Log()
    train(config, FakeHost(), again, resume=run_folder(log))
    assert again.of(Notice) == []


def test_epochs_are_counted_as_a1111_counts_them(configure: Configure) -> None:
    """Five pictures, batches of two."""
    log = Log()
    train(configure(train_batch_size=2), FakeHost(), log)
    assert log.of(Started)[0].steps_per_epoch == 3
    places = [(event.epoch, event.epoch_step) for event in log.of(StepDone)]
    assert places[:6] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]


def test_the_latest_preview_and_notes_lie_beside_the_embedding(configure: Configure) -> None:
    log = Log()
    path = train(configure(sample_every_n_steps=5), FakeHost(), log)
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "zz-thing.json", "zz-thing.preview.png", "zz-thing.safetensors",
    ]  # fmt: skip
    assert "Steps: 10" in json.loads(path.with_suffix(".json").read_text())["notes"]
    shown = log.of(PreviewReady)[-1].path
    with Image.open(shown) as latest, Image.open(path.with_suffix(".preview.png")) as beside:
        assert beside.tobytes() == latest.tobytes()
        assert beside.info["parameters"] == latest.info["parameters"]
    assert log.of(Notice) == []


def test_what_the_user_put_beside_an_embedding_is_kept_and_told_about(
    configure: Configure,
) -> None:
    log, config = Log(), configure()
    mine = Path(config.output.output_dir) / "zz-thing.json"
    mine.parent.mkdir(parents=True)
    mine.write_text('{"description": "mine"}')
    train(config, FakeHost(), log)
    assert mine.read_text() == '{"description": "mine"}'
    assert [notice.what for notice in log.of(Notice)] == ["zz-thing.json was kept as it is"]


def test_nothing_lies_beside_an_embedding_when_nothing_is_wanted(configure: Configure) -> None:
    path = train(configure(write_sidecars=False, sample_every_n_steps=5), FakeHost())
    assert list(path.parent.iterdir()) == [path]


def test_the_events_tell_the_story_in_order(configure: Configure) -> None:
    log = Log()
    train(configure(max_train_steps=2, sample_every_n_steps=2), FakeHost(), log)
    kinds = [type(event) for event in log]
    drawn = [Previewing, PreviewReady]
    first, last = [Started, Measured, *drawn], [StepDone, Measured, *drawn, Saved, Finished]
    assert kinds == [*first, StepDone, *last]
    lines = (run_folder(log).path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == [kind.__name__ for kind in kinds]
    assert log.of(Finished)[0].reason == "done"
    assert log.of(Started)[0].segments == [(0, 2, 0.005)]


def test_epochs_count_as_in_a1111(configure: Configure) -> None:
    log = Log()
    train(configure(), FakeHost(), log)
    shown = [(event.epoch, event.epoch_step) for event in log.of(StepDone)]
    assert shown == [(epoch, place) for epoch in range(2) for place in range(5)]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_every_family_trains_all_its_encoders(configure: Configure, family: Any) -> None:
    config = configure(num_vectors_per_token=2, max_train_steps=1, learning_rate="1e-9")
    before = vectors_of(train(config, FakeHost(family=FAMILIES[family])))
    after = vectors_of(
        train(configure(num_vectors_per_token=2, overwrite=True), FakeHost(family=FAMILIES[family]))
    )
    assert set(after) == ({"clip_l", "clip_g"} if family == "sdxl" else {"emb_params"})
    for key, rows in after.items():
        assert (rows - before[key]).abs().min() > 0, "every number of every vector has moved"


@pytest.mark.parametrize(
    ("usual", "wanted", "made"),
    [("no", "auto", "no"), ("bf16", "auto", "bf16"), ("bf16", "no", "no"), ("no", "bf16", "bf16")],
)
def test_the_host_chooses_the_precision_unless_it_is_set(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, usual: Any, wanted: str, made: str
) -> None:
    log, host = Log(), FakeHost()
    monkeypatch.setattr(host, "_usual_precision", lambda: usual)
    vectors = vectors_of(train(configure(mixed_precision=wanted), host, log))
    settings = run_folder(log).read_settings()
    assert settings["train"]["compute"]["mixed_precision"] == made, "for a resume anywhere"
    plain = vectors_of(train(configure(mixed_precision=made, overwrite=True), FakeHost()))
    assert all(torch.equal(vectors[key], rows) for key, rows in plain.items())


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_every_precision_keeps_fp32_vectors(configure: Configure, precision: str) -> None:
    (rows,) = vectors_of(train(configure(mixed_precision=precision), FakeHost())).values()
    assert rows.dtype == torch.float32
    assert not torch.equal(rows, rows.bfloat16().float())


def test_the_rate_of_each_step_is_the_schedule_s_and_is_what_moves_the_vectors(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[float, float]] = []
    step = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *rest: Any) -> Any:
        (group,) = self.param_groups
        assert [tuple(p.shape) for p in group["params"]] == [(1, 12)]
        used.append((group["lr"], group["weight_decay"]))
        return step(self, *rest)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    log = Log()
    train(configure(learning_rate="0.01:3, 0.002"), FakeHost(), log)
    assert used == [(0.01, 0.0)] * 3 + [(0.002, 0.0)] * 7
    assert [event.rate for event in log.of(StepDone)] == [rate for rate, _ in used]


def test_training_starts_from_a_weights_file(configure: Configure, tmp_path: Path) -> None:
    rows = torch.full((3, 12), 0.25)
    write_embedding(tmp_path / "w.safetensors", Embedding("w", {"emb_params": rows}, 70))
    config = configure(
        weights=str(tmp_path / "w.safetensors"), max_train_steps=71, learning_rate="1e-6"
    )
    found = read_embedding(train(config, FakeHost()))
    assert found.step == 71
    assert torch.allclose(found.vectors["emb_params"], rows, atol=1e-5)


def test_zeros_are_a_start_and_warned_about(configure: Configure) -> None:
    log = Log()
    train(configure(init_word="", num_vectors_per_token=2), FakeHost(), log)
    (notice,) = log.of(Notice)
    assert (notice.level, notice.what) == ("warning", "`init_word` is empty")


# --- stopped ----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 4, 7])
def test_a_stop_at_any_step_leaves_a_file_with_the_right_step(
    configure: Configure, steps: int
) -> None:
    log = Log()
    path = train(configure(), FakeHost(), log, StopAfter(log, steps))
    assert read_embedding(path).step == steps
    assert latest_state(run_folder(log).state).step == steps
    assert log.of(Finished)[0].reason == "stopped"


def test_a_copy_holds_exactly_as_many_updates_as_its_name_says(configure: Configure) -> None:
    """A1111's `name-500` holds 499."""
    log = Log()
    train(configure(max_train_steps=12, save_every_n_steps=5), FakeHost(), log)
    (copy,) = [e.path for e in log.of(Saved) if e.kind == "copy" and e.step == 5]
    other = train(configure(max_train_steps=5, output_name="five"), FakeHost())
    assert read_embedding(copy).step == 5
    assert torch.equal(vectors_of(copy)["emb_params"], vectors_of(other)["emb_params"])
    assert read_embedding(copy).name == read_embedding(copy).metadata["ti.name"] == copy.stem


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("host died")])
def test_after_a_crash_everything_learned_lies_in_the_run_folder(
    configure: Configure, error: BaseException
) -> None:
    def fail(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if number == 7:
            raise error
        return output

    log = Log()
    with pytest.raises(type(error)):
        train(configure(), SpoiledHost(fail), log)
    assert latest_state(run_folder(log).state).step == 7
    assert read_embedding(run_folder(log).copy_path("zz-thing", 7)).step == 7
    assert log.of(Failed)[0].step == 7


@pytest.mark.parametrize("at", [1, 5, 10])
def test_an_interrupt_in_the_listener_loses_nothing(configure: Configure, at: int) -> None:
    log = Log()

    def listen(event: Event) -> None:
        log(event)
        if isinstance(event, StepDone) and event.step == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(configure(), FakeHost(), listen)
    assert latest_state(run_folder(log).state).step == at


def test_an_interrupt_within_the_update_keeps_the_last_state(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-updated vectors must never be saved under the number of a whole step."""
    calls = []
    step = torch.optim.AdamW.step

    def interrupt(self: torch.optim.AdamW) -> None:
        step(self)
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupt)
    log = Log()
    with pytest.raises(KeyboardInterrupt):
        train(configure(save_state_every_n_steps=5), FakeHost(), log)
    assert latest_state(run_folder(log).state).step == 5


OUT_OF_MEMORY = {
    "CUDA": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate…\nmore"),
    "MPS": RuntimeError("MPS backend out of memory (MPS allocated: 18.13 GB, max allowed: …)"),
    "CPU": RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
    "CPU, Linux": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to …"),
    "Python": MemoryError(),
}


@pytest.mark.parametrize("stage", [pytest.param("forward", marks=pytest.mark.slow), "backward"])
@pytest.mark.parametrize("backend", OUT_OF_MEMORY)
def test_out_of_memory_is_an_error_with_a_remedy_and_nothing_is_lost(
    configure: Configure, backend: str, stage: str
) -> None:
    def run_out(*_: object) -> None:
        raise OUT_OF_MEMORY[backend]

    def fail(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if number >= 4 and stage == "backward":
            output.register_hook(run_out)
        elif number >= 4:
            run_out()
        return output

    log = Log()
    with pytest.raises(HostMemoryError, match="use a smaller batch size") as caught:
        train(configure(), SpoiledHost(fail), log)
    assert caught.value.__cause__ is OUT_OF_MEMORY[backend]
    assert latest_state(run_folder(log).state).step == 4
    assert "smaller batch size" in log.of(Failed)[0].error


def test_another_error_in_the_backward_pass_stays_what_it_is(configure: Configure) -> None:
    def fail(number: int, output: Tensor, _: Conditioning) -> Tensor:
        def broken(gradient: Tensor) -> Tensor:
            raise RuntimeError("element 0 of tensors does not require grad")

        output.register_hook(broken)
        return output

    with pytest.raises(RuntimeError, match="does not require grad"):
        train(configure(), SpoiledHost(fail))


# --- previews ---------------------------------------------------------------------------------


def test_previews_do_not_change_what_is_learned(configure: Configure) -> None:
    contents = []
    for every in (0, 1):
        config = configure(sample_every_n_steps=every, overwrite=True)
        contents.append(train(config, FakeHost()).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("x"), OSError("x"), AttributeError("x"), torch.cuda.OutOfMemoryError("x")],
)
def test_a_preview_that_fails_is_told_and_training_goes_on(
    configure: Configure, error: Exception
) -> None:
    log = Log()
    config = configure(sample_every_n_steps=5)
    assert read_embedding(train(config, SpoiledHost(preview_error=error), log)).step == 10
    assert [n.what for n in log.of(Notice)] == [
        f"preview 0 at step {step} failed" for step in (0, 5, 10)
    ]


def test_an_interrupt_during_a_preview_is_an_interrupt(configure: Configure) -> None:
    host = SpoiledHost(preview_error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        train(configure(sample_every_n_steps=5, sample_at_first=False), host)


def test_previews_have_always_the_same_seed_and_carry_their_settings(configure: Configure) -> None:
    from PIL import Image

    log = Log()
    train(configure(sample_every_n_steps=5, sample_seed=7), FakeHost(), log)
    texts = []
    for event in log.of(PreviewReady):
        with Image.open(event.path) as image:
            text = image.text["parameters"]  # type: ignore[attr-defined]
            texts.append(re.sub(r"TI hashes: [^,]+, ", "", text))
    assert len(texts) == 3
    assert len(set(texts)) == 1
    assert "Seed: 7" in texts[0]


# --- NaN, overflow, no gradient ---------------------------------------------------------------


@pytest.fixture
def words_of_two(pictures: Path) -> str:
    """Two words with the same images."""
    return json.dumps([{"name": n, "train_data_dir": str(pictures)} for n in ("aa-one", "bb-two")])


def nan_at(*calls: int) -> Callable[[int, Tensor, Conditioning], Tensor]:
    return lambda number, output, _: output * float("nan") if number in calls else output


def test_nan_returns_to_the_last_state_and_halves_the_rate(configure: Configure) -> None:
    log = Log()
    config = configure(save_state_every_n_steps=4)
    path = train(config, SpoiledHost(nan_at(6)), log)
    assert log.steps == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10]
    assert [e.rate for e in log.of(StepDone)] == [0.005] * 6 + [0.0025] * 6
    (notice,) = log.of(Notice)
    assert "at step 7" in notice.what
    assert "returned to step 4" in notice.why
    assert torch.isfinite(vectors_of(path)["emb_params"]).all()
    assert [step for step, _, _ in run_folder(log).losses()] == list(range(1, 11))


def test_nan_costs_no_finite_step(configure: Configure, words_of_two: str) -> None:
    """The last finite vectors are kept, whatever the run learns from its last state on."""
    for changes in ({}, {"words": words_of_two, "token_string": "", "train_data_dir": ""}):
        log, every = Log(), {"save_state_every_n_steps": 4, "overwrite": True, **changes}
        train(configure(**every), SpoiledHost(nan_at(6)), log)
        whole = Log()
        train(configure(**every, save_every_n_steps=6), FakeHost(), whole)
        kept = sorted((run_folder(log).path / "embeddings").iterdir())
        expected = sorted((run_folder(whole).path / "embeddings").iterdir())
        assert [path.name for path in kept] == [path.name for path in expected]
        (notice,) = log.of(Notice)
        for path, other in zip(kept, expected, strict=True):
            assert vectors_of(path)["emb_params"].equal(vectors_of(other)["emb_params"])
            assert str(path) in notice.fix


def test_nan_at_the_first_step_returns_to_the_start(configure: Configure) -> None:
    log = Log()
    train(configure(), SpoiledHost(nan_at(0)), log)
    assert log.steps == list(range(1, 11))
    assert log.of(StepDone)[0].rate == 0.0025


def test_nan_that_stays_is_given_up_after_three_attempts(configure: Configure) -> None:
    log = Log()

    def always(number: int, output: Tensor, _: Conditioning) -> Tensor:
        return output * float("nan") if number >= 5 else output

    with pytest.raises(NotFiniteError) as caught:
        train(configure(save_state_every_n_steps=2), SpoiledHost(always), log)
    assert "at step 5" in str(caught.value)
    assert len(log.of(Notice)) == 3
    kept = run_folder(log).copy_path("zz-thing", 5)
    assert str(kept) in str(caught.value)
    undisturbed = configure(max_train_steps=5, output_name="five")
    five = vectors_of(train(undisturbed, FakeHost()))["emb_params"]
    assert vectors_of(kept)["emb_params"].equal(five), "the first attempt's, not a later one's"
    assert latest_state(run_folder(log).state).step == 4
    assert not list(Path(configure().output.output_dir).glob("zz-thing*"))


def test_an_infinite_gradient_is_noticed_even_if_the_loss_is_finite(configure: Configure) -> None:
    def spoil(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if number == 3:
            output.register_hook(lambda gradient: gradient * float("inf"))
        return output

    log = Log()
    train(configure(), SpoiledHost(spoil), log)
    assert len(log.of(Notice)) == 1
    assert read_embedding(Path(log.of(Finished)[0].path)).step == 10


def overflow_above(limit: float) -> Callable[[int, Tensor, Conditioning], Tensor]:
    """Gradients of a number format that ends at `limit`."""

    def spoil(number: int, output: Tensor, _: Conditioning) -> Tensor:
        output.register_hook(
            lambda gradient: torch.where(gradient.abs() > limit, float("inf"), gradient)
        )
        return output

    return spoil


def test_an_overflow_is_retried_with_a_smaller_scale_and_is_no_step(configure: Configure) -> None:
    """A1111 counts the skipped update as a step."""
    log, host = Log(), SpoiledHost(overflow_above(1.0))
    path = train(configure(mixed_precision="fp16"), host, log)
    assert host.calls > 10
    assert log.steps == list(range(1, 11))
    assert log.of(Notice) == []
    plain = train(configure(output_name="plain"), FakeHost())
    scaled, exact = vectors_of(path)["emb_params"], vectors_of(plain)["emb_params"]
    assert torch.allclose(scaled, exact, atol=1e-6)


def test_the_reported_loss_is_not_scaled(configure: Configure) -> None:
    losses = []
    for precision in ("no", "fp16"):
        log = Log()
        train(configure(mixed_precision=precision, overwrite=True), SpoiledHost(), log)
        losses.append([event.loss for event in log.of(StepDone)])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_picture_that_ignores_the_vectors_is_an_error_at_once(configure: Configure) -> None:
    def ignore(number: int, output: Tensor, conditioning: Conditioning) -> Tensor:
        return output.detach()

    log = Log()
    with pytest.raises(NoGradientError, match="attention optimization"):
        train(configure(), SpoiledHost(ignore), log)
    assert log.steps == []


def test_one_encoder_without_gradient_is_enough_to_stop(configure: Configure) -> None:
    def half(number: int, output: Tensor, conditioning: Conditioning) -> Tensor:
        return conditioning.context[..., :12].mean() * torch.ones_like(output)

    with pytest.raises(NoGradientError, match="clip_g"):
        train(configure(), SpoiledHost(half, family=SDXL))


def test_a_zero_gradient_is_no_gradient(configure: Configure) -> None:
    with pytest.raises(NoGradientError):
        train(configure(), SpoiledHost(lambda number, output, _: output * 0))


# --- the disk ---------------------------------------------------------------------------------


def disk_full_for(monkeypatch: pytest.MonkeyPatch, word: str, after: int = 0) -> list[str]:
    """Naming files with `word` in their path fails, from the `after`-th on."""
    seen: list[str] = []

    def failing(real: Callable[..., None]) -> Callable[..., None]:
        def fail(source: Any, target: Any, **how: Any) -> None:
            if word in str(target):
                seen.append(str(target))
                if len(seen) > after:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(source, target, **how)

        return fail

    for name in ("replace", "rename", "link"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    return seen


def test_a_full_disk_keeps_the_state_before_and_can_be_resumed(configure: Configure) -> None:
    log, config = Log(), configure(save_state_every_n_steps=3)
    with pytest.MonkeyPatch.context() as patch:
        disk_full_for(patch, "state-", after=2)
        with pytest.raises(StorageError, match="make room and resume"):
            train(config, FakeHost(), log)
    folder = run_folder(log)
    assert [step_of(path) for path in list_states(folder.state)] == [0, 3]
    assert log.of(Failed)[0].step == 6
    resumed = train(config, FakeHost(), resume=folder).read_bytes()
    assert resumed == train(configure(overwrite=True), FakeHost()).read_bytes()


def test_a_full_disk_at_the_end_keeps_the_state(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log()
    with monkeypatch.context() as patch:
        disk_full_for(patch, "embeddings/zz-thing.safetensors")
        with pytest.raises(StorageError):
            train(configure(), FakeHost(), log)
    folder = run_folder(log)
    assert latest_state(folder.state).step == 10
    log = Log()
    resumed = train(configure(), FakeHost(), log, resume=folder).read_bytes()
    (told,) = log.of(Notice)
    assert (told.what, "is written" in told.why) == ("zz-thing has all of its 10 steps", True)
    assert resumed == train(configure(overwrite=True), FakeHost()).read_bytes()


def test_the_model_is_free_after_a_failed_run(configure: Configure) -> None:
    host = SpoiledHost(lambda number, output, _: output.detach())
    with pytest.raises(NoGradientError):
        train(configure(), host)
    host.change = None
    assert read_embedding(train(configure(), host)).step == 10
