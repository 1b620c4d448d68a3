"""`ti sweep`: the options of `ti train`, and what varies in them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, setting
from ..events import Event
from ..options import Checked, SettingValues, leaves, make_config, option, to_dict
from ..paths import given_path
from ..train.config import OutputConfig, TrainConfig
from ..train.control import Control
from ..train.group import started_processes
from ..train.sweep_choices import Choices, NameRule, choices_in, combinations, typed_choices
from ..train.sweep_events import SweepEnded, SweepStarted, VariantEnded, VariantStarted
from .interrupt import stop_on_signals, wishes_by_signals
from .keys import Keys
from .options import OptionParser
from .plain import with_flags
from .preset import PresetConfig
from .standalone import ModelConfig, open_host
from .telling import answer
from .train import EMBEDDING, Trained, read_settings

if TYPE_CHECKING:
    from ..port.session import Host
    from ..train.config import BaseTrainConfig
    from ..train.sweep_folder import SweepFolder
    from .progress import TrainingBar

_ABOUT = """Train once for each combination of some settings, one run after the other, with one
loaded model, and write a page that shows the results side by side: losses, strength, previews.
--sweep learning_rate=0.005,0.001 --sweep num_vectors=1,4 makes four runs; every other option is one
of {train}. A sweep that was stopped continues with --resume."""
SWEPT = (TrainConfig, PresetConfig)
"""The config classes whose settings a sweep of embeddings may vary."""


@dataclass(frozen=True)
class SweepConfig(Checked):
    """Which sweep is made or resumed."""

    title = "Sweep"
    sweep_file: str = option(
        "",
        "JSON or TOML file of what varies: a list of settings, one for each run, or grid (a table "
        "of lists of values) and variants (such a list)",
        label="Sweep file",
        path="file",
    )
    sweep_names: NameRule = option(
        "number",
        "name files by number (NAME-1, NAME-2) or by the settings that differ; a list may give "
        "each run its output_name",
        label="Names of the runs",
    )
    resume: str = option(
        "",
        "continue a sweep: its folder, or 'latest'; finished runs are skipped, failed ones are "
        "tried again; its settings are kept",
        label="Resume",
        bare="latest",
        path="output folder",
    )
    config_file: str = option(
        "",
        "settings to start from, as for ti train",
        label="Settings file",
        path="file",
        aliases=("from",),
    )


def sweep_options(command: str, swept: Sequence[type]) -> OptionParser:
    """All options of a command that sweeps the settings of these config classes."""
    about = _ABOUT.format(train=command.replace("sweep", "train"))
    usage = "--sweep NAME=VALUE,VALUE [--sweep …] [options of train]"
    kinds = (SweepConfig, ModelConfig, *swept)
    made = OptionParser(command, about, *kinds, usage=usage, foreign=True)
    made.add_argument(
        "--sweep",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUES",
        help="a setting and its values, with commas between them, or | where values have commas; "
        "several give every combination",
    )
    return made


def parser() -> OptionParser:
    """All options of `ti sweep`."""
    return sweep_options("ti sweep", SWEPT)


def run(argv: Sequence[str]) -> int:
    """Sweep; returns the exit code."""
    return run_sweep(parser().read(argv), EMBEDDING, SWEPT)


def run_sweep(typed: SettingValues, trained: Trained, swept: Sequence[type]) -> int:
    """Sweep with the settings that were typed; returns the exit code."""
    if started_processes() > 1:
        why = "several processes share the updates of one training"
        fix = "start ti sweep without a launcher, or train each variant with one"
        raise ConfigError("a sweep runs in one process", why, fix)
    control = Control()
    with wishes_by_signals(control.save_now, control.preview_now):
        folder, host, model = _begun(typed, trained, swept)
        return _sweep(folder, host, model, control, trained)


def _begun(
    typed: SettingValues, trained: Trained, swept: Sequence[type]
) -> tuple[SweepFolder, Host, ModelConfig]:
    """A new sweep, or one that is resumed, with its model."""
    if "resume" in typed:
        folder = _resumed(typed)
        model = make_config(ModelConfig, typed, _model_of(folder))
        return folder, open_host(model), model
    saved, chosen = (
        read_settings(make_config(SweepConfig, typed).config_file),
        _chosen(typed, swept),
    )
    for choice in chosen:  # before the model is opened, which takes long
        trained.settle({**typed, **choice}, saved.get("train"))
    model = make_config(ModelConfig, typed, saved.get("model"))
    host = open_host(model)

    def settle(choice: SettingValues) -> BaseTrainConfig:
        return trained.settle({**typed, **choice}, saved.get("train"), host)

    from ..train.sweep import require_possible
    from ..train.sweep_folder import SweepFolder
    from ..train.sweep_variants import make_variants

    variants = make_variants(chosen, settle, make_config(SweepConfig, typed).sweep_names)
    require_possible(variants, host)
    return SweepFolder.create(variants, {"model": to_dict(model)}), host, model


def _chosen(typed: SettingValues, swept: Sequence[type]) -> list[SettingValues]:
    file = make_config(SweepConfig, typed).sweep_file
    found = choices_in(Path(file)) if file else Choices()
    return combinations(found + typed_choices(typed["sweep"]), *swept)


def _resumed(typed: SettingValues) -> SweepFolder:
    """Raises ConfigError where anything else is typed that a resumed sweep cannot heed."""
    from ..train.sweep_folder import SweepFolder

    given_path(typed["resume"], setting("resume"))
    logs = given_path(typed.get("logging_dir", OutputConfig().logging_dir), setting("logging_dir"))
    folder = SweepFolder.find(typed["resume"], logs)
    heeded = {"resume", "logging_dir", *(path[-1] for path, _ in leaves(ModelConfig))}
    for name in typed:
        if name not in heeded and typed[name] != []:
            why = f"{setting('resume')} continues a sweep with the settings that it has"
            raise ConfigError(f"{setting(name)} cannot be changed", why, "leave it out")
    return folder


def _model_of(folder: SweepFolder) -> SettingValues:
    model = folder.extra.get("model", {})
    return model if isinstance(model, dict) else {}


def _sweep(
    folder: SweepFolder, host: Host, model: ModelConfig, control: Control, trained: Trained
) -> int:
    from ..train.sweep import sweep
    from .progress import TrainingBar

    with (
        stop_on_signals(control.finish) as stop,
        TrainingBar(trained.in_prompts) as bar,
        Keys(control, bar.say),
    ):
        again = ("ti", *trained.command[:-1], "sweep", "--resume", str(folder.path))
        shown = _Shown(bar, shlex.join(again))
        page = sweep(folder, host, shown, control, {"model": to_dict(model)})
    answer(page)
    if stop.signal is not None:
        return 128 + stop.signal
    return 1 if shown.failed else 0


class _Shown:
    """Shows the events of a sweep, and those of its runs as `ti train` does."""

    def __init__(self, bar: TrainingBar, again: str) -> None:
        self._bar, self._again, self.failed = bar, again, 0

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, SweepStarted):
            self._bar.say(f"sweep of {event.variants} runs, {event.done} done: {event.folder}")
        elif isinstance(event, VariantStarted):
            settings = ", ".join(f"{name} {value}" for name, value in event.settings.items())
            self._bar.say(f"\n{event.number} of {event.variants}: {event.name} ({settings})")
        elif isinstance(event, VariantEnded):
            self._bar.close()
            if event.error:
                self._bar.say(with_flags(f"{event.name} failed: {event.error}"))
        elif isinstance(event, SweepEnded):
            self._end(event)
        else:
            self._bar(event)

    def _end(self, event: SweepEnded) -> None:
        self.failed = event.failed
        self._bar.say(f"{event.done} run(s) done, {event.failed} failed, {event.left} left")
        if event.left or event.failed:
            self._bar.say(f"continue with: {self._again}")
