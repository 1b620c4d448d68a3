"""A sweep makes the trainings that its settings say, and can be stopped, killed and resumed."""

from __future__ import annotations

import html.parser
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch

from ti_core.errors import ConfigError, HostBusyError, NoModelError, TIError, TrainingError
from ti_core.events import Event
from ti_core.files.seal import write_sealed_json
from ti_core.hosts.fake import FakeHost
from ti_core.options import SettingValues, to_dict
from ti_core.train.config import BaseTrainConfig
from ti_core.train.control import Control
from ti_core.train.events import StepDone
from ti_core.train.loop import train
from ti_core.train.plan import Plan, make_plan
from ti_core.train.progress import JobProgress, after
from ti_core.train.run_folder import RunFolder
from ti_core.train.run_lock import locked
from ti_core.train.sweep import require_possible, sweep
from ti_core.train.sweep_events import SweepEnded, VariantEnded, VariantStarted
from ti_core.train.sweep_folder import SweepFolder
from ti_core.train.sweep_page import page
from ti_core.train.sweep_variants import Variant, make_variants

from ..conftest import Configure
from . import hypernetwork_runs
from .spoiled import Log

ROOT = Path(__file__).parents[2]
RATES = [{"learning_rate": "0.005"}, {"learning_rate": "0.001"}, {"learning_rate": "0.02"}]
KILLED_SWEEP = """
import os, signal, sys
from pathlib import Path
import torch
from ti_core.hosts.fake import FakeHost
from ti_core.train.events import StepDone
from ti_core.train.sweep import sweep
from ti_core.train.sweep_folder import SweepFolder

torch.set_num_threads(1)
made = 0

def listen(event):
    global made
    made += isinstance(event, StepDone)
    if made == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

sweep(SweepFolder.read(Path(sys.argv[1])), FakeHost(), listen)
"""


@pytest.fixture
def variants(configure: Configure, tmp_path: Path) -> Callable[..., list[Variant]]:
    def build(*chosen: SettingValues, **same: object) -> list[Variant]:
        def settle(settings: SettingValues) -> BaseTrainConfig:
            cache = {"latent_cache_dir": str(tmp_path / "cache")}
            return configure(**{**cache, **same, **settings})

        return make_variants(chosen or RATES, settle)

    return build


Variants = Callable[..., list[Variant]]


class StopAt(Log):
    """Asks to finish after so many updates in all."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.control, self.most = Control(), steps

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if len(self.of(StepDone)) == self.most:
            self.control.finish()


def files(folder: SweepFolder) -> dict[str, bytes]:
    return {e.name: Path(e.result.file).read_bytes() for e in folder.entries if e.result.file}


def states(folder: SweepFolder) -> list[str]:
    return [entry.state for entry in SweepFolder.read(folder.path).entries]


def test_every_variant_is_what_a_training_of_its_own_makes(
    variants: Variants, configure: Configure
) -> None:
    folder = SweepFolder.create(variants())
    sweep(folder, FakeHost())
    made = files(folder)
    assert list(made) == ["zz-thing-1", "zz-thing-2", "zz-thing-3"]
    for number, settings in enumerate(RATES, start=1):
        alone = configure(**settings, output_name=f"zz-thing-{number}", overwrite=True)
        assert train(alone, FakeHost()).read_bytes() == made[f"zz-thing-{number}"]


def test_pictures_are_encoded_once_for_all(variants: Variants) -> None:
    host, counts = FakeHost(), list[int]()
    forward = host.vae.forward

    def counting(pixels: torch.Tensor) -> torch.Tensor:
        counts.append(len(pixels))
        return forward(pixels)

    host.vae.forward = counting  # type: ignore[method-assign, assignment]
    sweep(SweepFolder.create(variants({"seed": 1})), host)
    one = len(counts)
    counts.clear()
    sweep(SweepFolder.create(variants({"seed": 2}, {"seed": 3}, overwrite=True)), host)
    # each run looks at a picture of noise and a preview or two; the five pictures are kept
    assert len(counts) <= 2 * (one - 5)


@pytest.mark.parametrize("steps", [4, 10, 13, 29])
def test_a_stopped_sweep_is_continued_to_the_same_files(variants: Variants, steps: int) -> None:
    whole = SweepFolder.create(variants(overwrite=True))
    sweep(whole, FakeHost())
    wanted = files(whole)
    folder, log = SweepFolder.create(variants(overwrite=True)), StopAt(steps)
    sweep(folder, FakeHost(), log, log.control)
    assert log.of(SweepEnded)[0].left > 0
    again = Log()
    sweep(SweepFolder.read(folder.path), FakeHost(), again)
    assert len(again.of(StepDone)) == 30 - steps
    assert states(folder) == ["done"] * 3
    assert files(SweepFolder.read(folder.path)) == wanted


@pytest.mark.parametrize("steps", [15, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 30))])
def test_a_killed_sweep_is_continued_to_the_same_files(variants: Variants, steps: int) -> None:
    whole = SweepFolder.create(variants(overwrite=True))
    sweep(whole, FakeHost())
    folder = SweepFolder.create(variants(overwrite=True))
    arguments = [sys.executable, "-c", KILLED_SWEEP, str(folder.path), str(steps)]
    assert subprocess.run(arguments, cwd=ROOT, timeout=120).returncode == -signal.SIGKILL
    assert "running" in states(folder)
    folder = SweepFolder.read(folder.path)
    sweep(folder, FakeHost())
    assert states(folder) == ["done"] * 3
    assert files(folder) == files(whole)


def test_a_finished_sweep_trains_nothing_and_writes_its_page_again(variants: Variants) -> None:
    folder, log = SweepFolder.create(variants()), Log()
    first = sweep(folder, FakeHost()).read_bytes()
    folder.page.unlink()
    assert sweep(SweepFolder.read(folder.path), FakeHost(), log).read_bytes() == first
    assert not log.of(StepDone)


def test_a_training_that_fails_is_reported_and_the_others_follow(
    variants: Variants, tmp_path: Path
) -> None:
    chosen = [{"seed": 1}, {"train_data_dir": str(tmp_path / "none")}, {"seed": 3}]
    folder, log = SweepFolder.create(variants(*chosen)), Log()
    sweep(folder, FakeHost(), log)
    assert states(folder) == ["done", "failed", "done"]
    assert [event.state for event in log.of(VariantEnded)] == ["done", "failed", "done"]
    assert "none" in log.of(VariantEnded)[1].error
    assert (log.of(SweepEnded)[0].done, log.of(SweepEnded)[0].failed) == (2, 1)
    assert "none" in folder.page.read_text()
    shutil.copytree(tmp_path / "pictures", tmp_path / "none")
    again = Log()
    sweep(SweepFolder.read(folder.path), FakeHost(), again)
    assert [event.name for event in again.of(VariantStarted)] == ["zz-thing-2"]
    assert states(folder) == ["done"] * 3


def test_a_defect_of_one_training_does_not_end_the_others(variants: Variants) -> None:
    def planner(config: BaseTrainConfig, resume: RunFolder | None) -> Plan:
        if config.optimizer.learning_rate == "0.001":
            raise ZeroDivisionError("a defect")
        return make_plan(config, FakeHost(), resume)

    folder = SweepFolder.create(variants())
    sweep(folder, FakeHost(), planner=planner)
    assert states(folder) == ["done", "failed", "done"]
    assert folder.entries[1].error == "ZeroDivisionError: a defect"


def test_a_model_that_is_gone_ends_the_sweep(variants: Variants) -> None:
    def planner(config: BaseTrainConfig, resume: RunFolder | None) -> Plan:
        raise NoModelError("no model is loaded")

    folder = SweepFolder.create(variants())
    with pytest.raises(NoModelError):
        sweep(folder, FakeHost(), planner=planner)
    assert states(folder) == ["stopped", "waiting", "waiting"]


def test_a_sweep_in_which_everything_fails_is_an_error(variants: Variants) -> None:
    folder = SweepFolder.create(variants(train_data_dir="/no/such/folder"))
    with pytest.raises(TrainingError, match=r"every training.*/no/such/folder"):
        sweep(folder, FakeHost())
    assert states(folder) == ["failed"] * 3


def test_a_sweep_of_which_nothing_can_begin_is_told_before_a_folder_is_made(
    variants: Variants, tmp_path: Path
) -> None:
    none = {"train_data_dir": str(tmp_path / "none")}
    with pytest.raises(TIError, match="none"):
        require_possible(variants(none, {**none, "seed": 2}), FakeHost())
    require_possible(variants(none, {"seed": 2}), FakeHost())
    assert not (tmp_path / "log").exists()


def test_one_process_at_a_time_works_on_a_sweep(variants: Variants) -> None:
    folder = SweepFolder.create(variants())
    with locked(folder.path), pytest.raises(HostBusyError):
        sweep(folder, FakeHost())


def test_runs_of_a_sweep_are_found_as_other_runs_are(variants: Variants, tmp_path: Path) -> None:
    folder = SweepFolder.create(variants())
    sweep(folder, FakeHost())
    found = sorted(run.path.name for run, _ in RunFolder.all_of(tmp_path / "log"))
    assert found == ["zz-thing-1", "zz-thing-2", "zz-thing-3"]
    assert SweepFolder.find("latest", tmp_path / "log").path == folder.path


def test_names_tell_the_settings_or_are_given(configure: Configure) -> None:
    def settle(settings: SettingValues) -> BaseTrainConfig:
        return configure(**settings)

    chosen = [
        {"learning_rate": "0.005:5, 1e-3", "num_vectors_per_token": 1},
        {"learning_rate": "0.01", "num_vectors_per_token": 1, "output_name": "own"},
    ]
    names = [variant.name for variant in make_variants(chosen, settle, "settings")]
    assert names == ["zz-thing-learning_rate-0.0055 1e-3", "own"]
    alike = [{"seed": seed, "output_name": "same"} for seed in (1, 2)]
    assert [variant.name for variant in make_variants(alike, settle)] == ["same-1", "same-2"]
    long = [{"init_word": letter * 200} for letter in "ab"]
    with pytest.raises(
        ConfigError, match="two variants of the sweep are called zz-thing-init_word"
    ):
        make_variants(
            [{**one, "init_word": "c" * 200 + one["init_word"]} for one in long], settle, "settings"
        )


def test_a_name_that_is_taken_is_told_before_anything_is_trained(
    variants: Variants, configure: Configure
) -> None:
    train(configure(output_name="zz-thing-2"), FakeHost())
    with pytest.raises(ConfigError, match=r"zz-thing-2\.safetensors exists already"):
        variants()
    assert len(variants(overwrite=True)) == 3


def test_hypernetworks_can_be_swept(tmp_path: Path, pictures: Path) -> None:
    def settle(settings: SettingValues) -> BaseTrainConfig:
        cache = str(tmp_path / "cache")
        return hypernetwork_runs.config(tmp_path, pictures, latent_cache_dir=cache, **settings)

    folder = SweepFolder.create(make_variants([{"max_train_steps": n} for n in (2, 3)], settle))
    sweep(folder, FakeHost())
    read = SweepFolder.read(folder.path)
    assert [entry.result.step for entry in read.entries] == [2, 3]
    assert [entry.variant.config for entry in read.entries] == [
        entry.variant.config for entry in folder.entries
    ]


def test_results_are_those_of_the_runs(variants: Variants) -> None:
    folder = SweepFolder.create(variants(validate_every_n_steps=5, sample_every_n_steps=4))
    log = Log()
    sweep(folder, FakeHost(), log)
    found = SweepFolder.read(folder.path).entries[-1].result
    assert found == folder.entries[-1].result
    last = log.of(StepDone)[-1]
    assert (found.step, found.last_loss) == (10, last.loss)
    assert found.validation_step in (5, 10)
    assert None not in (found.strength, found.loss, found.seconds)


def test_progress_begins_again_with_each_training(variants: Variants) -> None:
    progress, steps = JobProgress(state="running"), list[int]()

    def listen(event: Event) -> None:
        nonlocal progress
        progress = after(progress, event)
        steps.append(len(progress.losses))

    sweep(SweepFolder.create(variants()), FakeHost(), listen)
    assert (progress.step, progress.total, len(progress.losses)) == (10, 10, 10)
    assert max(steps) == 10


class Pictures(html.parser.HTMLParser):
    """What a page shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources, self.tags = list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [unquote(value or "") for name, value in attrs if name == "src"]


def test_the_page_shows_settings_losses_and_pictures_of_the_last_step(variants: Variants) -> None:
    folder = SweepFolder.create(variants(validate_every_n_steps=5, sample_every_n_steps=4))
    text = sweep(folder, FakeHost()).read_text()
    shown = Pictures(text)
    assert shown.sources == [f"zz-thing-{n}/images/zz-thing-000010.png" for n in (1, 2, 3)]
    assert all((folder.path / source).is_file() for source in shown.sources)
    assert text.count('class="best"') == 1
    for entry in folder.entries:
        assert f"{entry.result.validation:.4f}" in text
        assert f"<td>{entry.variant.settings['learning_rate']}</td>" in text
    assert "http" not in text


def test_nothing_of_a_page_is_taken_for_html(variants: Variants) -> None:
    evil = "<script>alert(1)</script>\"'"
    chosen = [{"init_word": evil, "sample_prompts": f"{evil} [name]"}, {"seed": 2}]
    folder = SweepFolder.create(variants(*chosen, sample_every_n_steps=5))
    sweep(folder, FakeHost())
    folder.change(1, error=evil)
    assert "script" not in Pictures(page(folder)).tags
    assert "&lt;script&gt;" in page(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.pop("variants"),
        lambda record: record.update(variants=[]),
        lambda record: record.update(train={"nothing": 1}),
        lambda record: record["variants"][1].update(state="dancing"),
        lambda record: record["variants"][1].update(name="../../elsewhere"),
        lambda record: record["variants"][1]["settings"].update(output_name="../../elsewhere"),
        lambda record: record["variants"][1]["settings"].update(seed="seven"),
        lambda record: record["variants"][1].update(result={"loss": "<b>"}),
        lambda record: record["variants"][1].update(result={"file": 3}),
        lambda record: record["variants"][1].update(result=[1]),
        lambda record: record.update(extra=3),
        lambda record: record.update(name="a/b"),
    ],
)
def test_a_record_that_was_not_written_here_is_an_error(
    variants: Variants, damage: Callable[[SettingValues], object]
) -> None:
    folder = SweepFolder.create(variants())
    record = json.loads((folder.path / "sweep.json").read_text())
    damage(record)
    write_sealed_json(folder.path / "sweep.json", record)
    with pytest.raises(TrainingError, match="cannot read the sweep"):
        SweepFolder.read(folder.path)


def test_a_record_is_sealed_and_a_folder_without_one_is_told(
    variants: Variants, tmp_path: Path
) -> None:
    folder = SweepFolder.create(variants())
    path = folder.path / "sweep.json"
    path.write_text(path.read_text().replace("0.005", "0.006"))
    with pytest.raises(TrainingError, match="cannot read the sweep"):
        SweepFolder.read(folder.path)
    for name in ("latest", str(tmp_path / "nowhere")):
        with pytest.raises(TrainingError):
            SweepFolder.find(name, tmp_path / "empty")


def test_a_record_has_the_whole_settings_of_each_training(variants: Variants) -> None:
    folder = SweepFolder.create(variants(), {"model": {"device": "cpu"}})
    read = SweepFolder.read(folder.path)
    assert [to_dict(e.variant.config) for e in read.entries] == [
        to_dict(e.variant.config) for e in folder.entries
    ]
    assert [e.variant.settings for e in read.entries] == RATES
    assert read.extra == {"model": {"device": "cpu"}}
