"""`ti train`: options → config → the loop, with a progress bar and a clean end on Ctrl-C."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import ConfigError, FileError, setting
from ..files.library_walk import is_embedding_name
from ..files.names import composed
from ..files.text_file import read_json
from ..foreign.imported import import_settings
from ..options import Checked, SettingValues, make_config, option, to_dict
from ..paths import given_path
from ..train.config import BaseTrainConfig, OutputConfig, TrainConfig
from ..train.control import Control
from ..train.group import Group, joined, started_processes
from .interrupt import stop_on_signals, wishes_by_signals
from .keys import Keys
from .options import OptionParser
from .plain import plain
from .preset import PresetConfig, hypernetwork_config, train_config
from .resume import ASK, chosen_run
from .standalone import ModelConfig, open_host
from .telling import answer, remark, remark_on, silenced

if TYPE_CHECKING:
    from ..port.session import Host
    from ..train.dry_run import TrainingPrompt
    from ..train.run_folder import RunFolder

_ABOUT = """Teach a model a new word. The model stays as it is; a few vectors are learned and saved
as a small file, to be used by its name in prompts. Put 3 to 30 images of one thing, or in one
style, into a folder, and choose a name that is not a word."""


class Settle(Protocol):
    """How a config is made: what was typed, over a preset for the host, over what was saved."""

    def __call__(
        self, typed: SettingValues, saved: SettingValues | None = None, host: Host | None = None
    ) -> BaseTrainConfig:
        """Raises ConfigError for what is not possible."""


@dataclass(frozen=True)
class Trained:
    """What a command trains."""

    command: tuple[str, ...]
    """Behind `ti`."""
    name: str
    """The setting that names it."""
    group: str
    """Of its own settings, in a run's settings.json."""
    settle: Settle
    in_prompts: str
    """How each program's prompts call the file, with `{name}` for its name."""


EMBEDDING = Trained(
    ("train",),
    "token_string",
    "embedding",
    train_config,
    "{name} (ComfyUI: embedding:{name})",
)
HYPERNETWORK = Trained(
    ("hypernetwork", "train"),
    "hypernetwork_name",
    "hypernetwork",
    hypernetwork_config,
    "<hypernet:{name}:1> (ComfyUI: the node Load Hypernetwork)",
)
TRAINED = (EMBEDDING, HYPERNETWORK)


@dataclass(frozen=True)
class RunConfig(Checked):
    """Which run is resumed, or what a new one takes its settings from."""

    title = "Run"
    resume: str = option(
        "",
        "continue a run: its folder, or 'latest'; without a value, unfinished runs are listed. "
        "The settings are those of the run; options on the command line replace them",
        label="Resume",
        bare=ASK,
        aliases=("resume_from_checkpoint",),
        path="output folder",
    )
    config_file: str = option(
        "",
        "settings.json of another run, or an embedding with its settings, to start from; also "
        "kohya's TOML, A1111's settings-*.json, OneTrainer's JSON, or a script with a training"
        " command line",
        label="Settings file",
        path="file",
        aliases=("from",),
    )
    debug_dataset: bool = option(
        False,
        "print the prompts and token ids that would be trained on, and stop",
        label="Show the dataset",
    )


def parser() -> OptionParser:
    """All options of `ti train`."""
    usage = (
        "--pretrained_model_name_or_path MODEL --train_data_dir FOLDER --token_string "
        "NAME [options]"
    )
    return OptionParser(
        "ti train",
        _ABOUT,
        *(ModelConfig, TrainConfig, PresetConfig, RunConfig),
        usage=usage,
        foreign=True,
    )


def run(argv: Sequence[str]) -> int:
    """Train; returns the exit code."""
    return run_training(parser().read(argv), EMBEDDING)


def run_training(typed: SettingValues, trained: Trained) -> int:
    """Train with the settings that were typed; returns the exit code."""
    control = Control()
    with (
        wishes_by_signals(control.save_now, control.preview_now),
        joined() as group,
        silenced(group.rank > 0),
    ):
        return _run(typed, trained, control, group)


def _run(typed: SettingValues, trained: Trained, control: Control, group: Group) -> int:
    options = make_config(RunConfig, typed)
    folder = _run_to_resume(options, typed, trained)
    saved = folder.read_settings() if folder else read_settings(options.config_file)
    trained.settle(typed, saved.get("train"))  # before the model is opened, which takes long
    model = make_config(ModelConfig, typed, saved.get("model"))
    host = open_host(model)
    config = trained.settle(typed, saved.get("train"), host)
    if options.config_file and is_embedding_name(Path(options.config_file).name):
        _tell_other_base(Path(options.config_file), host)
    if options.debug_dataset:
        return _show_dataset(config, host)
    if group.rank:
        return _follow(config, host, folder, group)
    return _train(config, host, folder, model, control, trained, group)


def _train(
    config: BaseTrainConfig,
    host: Host,
    folder: RunFolder | None,
    model: ModelConfig,
    control: Control,
    trained: Trained,
    group: Group,
) -> int:
    from ..train.loop import train
    from .progress import TrainingBar

    with (
        stop_on_signals(control.finish) as stop,
        TrainingBar(trained.in_prompts) as progress,
        Keys(control, progress.say),
    ):
        try:
            extra: SettingValues = {"model": to_dict(model)}
            train(config, host, progress, control, folder, extra, group=group)
        finally:
            done = progress.finished and progress.finished.reason == "done"
            if progress.progress.run_folder and not done:
                typed = ["ti", *trained.command, "--resume", str(progress.progress.run_folder)]
                progress.say(f"continue with: {shlex.join(typed)}")
    return 0 if done or stop.signal is None else 128 + stop.signal


def _follow(config: BaseTrainConfig, host: Host, folder: RunFolder | None, group: Group) -> int:
    """In the other processes of a run that a launcher has started."""
    from ..train.follower import follow
    from ..train.processes import Processes

    assert isinstance(group, Processes)
    with stop_on_signals() as stop:
        follow(config, host, group, folder, stop.requested)
    return 0


def _run_to_resume(options: RunConfig, typed: SettingValues, trained: Trained) -> RunFolder | None:
    if "resume" not in typed:
        return None
    given_path(options.resume, setting("resume"))
    if typed.get("preset"):
        raise ConfigError("--preset and --resume are both set", "", "choose one")
    from ..train.run_folder import RunFolder

    logs = typed.get("logging_dir", OutputConfig().logging_dir)
    logging_dir = given_path(logs, setting("logging_dir"))
    name = composed(typed.get(trained.name, ""))
    if options.resume == ASK and started_processes() > 1:
        why, fix = "several processes cannot be asked which", "give its folder, or 'latest'"
        raise ConfigError(f"{setting('resume')} names no run", why, fix)
    if options.resume == ASK:
        return chosen_run(logging_dir, name, trained.group)
    found = RunFolder.find(options.resume, logging_dir, name, trained.group, remark_on)
    _require_trains(found, trained)
    return found


def _require_trains(folder: RunFolder, trained: Trained) -> None:
    """Raise ConfigError for a run of something else."""
    groups = folder.read_settings()["train"]
    other = next((each for each in TRAINED if each.group in groups), trained)
    if other.group != trained.group:
        fix = f"write ti {' '.join(other.command)} --resume"
        raise ConfigError(f"the run {folder.path} trains another kind: {other.group}", "", fix)


def read_settings(path: str) -> SettingValues:
    """Of a run, an embedding's file, or another program. Raises ConfigError."""
    if not path:
        return {}
    if is_embedding_name(Path(path).name):
        return {"train": _settings_in(Path(path))}
    file = _settings_file(path)
    try:
        settings = read_json(file) if file.suffix.lower() == ".json" else {}
        if isinstance(settings, dict) and isinstance(settings.get("train"), dict):
            return settings
        return _of_another_program(file)
    except FileError as error:
        raise ConfigError(f"cannot read the settings {path}", error.why, error.fix) from error


def _settings_file(path: str) -> Path:
    """kohya's scripts add the ending .toml where it is missing."""
    file, with_ending = Path(path), Path(f"{path}.toml")
    return with_ending if not file.exists() and with_ending.exists() else file


def _of_another_program(file: Path) -> SettingValues:
    found = import_settings(file, (TrainConfig, ModelConfig))
    if found.typed and found.misfits:
        first = found.misfits[0]
        raise ConfigError(f"{file}: {first.what}", first.why, first.fix)
    remark(f"{file} holds {found.program}")
    for notice in (*found.remarks, *found.misfits):
        remark_on(notice)
    return {"train": found.grouped(TrainConfig), "model": found.grouped(ModelConfig)}


def _settings_in(path: Path) -> SettingValues:
    from ..files.reading import read_embedding
    from ..train.again import settings_of

    return to_dict(make_config(TrainConfig, settings_of(read_embedding(path))))


def _tell_other_base(path: Path, host: Host) -> None:
    """The same settings teach something else on another model."""
    from ..files.base_model import other_base
    from ..files.reading import read_embedding

    for notice in other_base(read_embedding(path), host.describe()):
        remark_on(notice)


def _show_dataset(config: BaseTrainConfig, host: Host) -> int:
    from ..train.dry_run import training_prompts
    from .progress import TrainingBar

    sizes: Counter[tuple[int, int]] = Counter()
    for shown in training_prompts(config, host, TrainingBar()):
        sizes[shown.size] += shown.repeats
        for line in (shown.path.name, *(f"  {line}" for line in _lines(shown))):
            answer(plain(line))
    answer(f"{sum(sizes.values())} images in an epoch")
    for (width, height), count in sorted(sizes.items()):
        answer(f"  {width}x{height}: {count}")
    return 0


def _lines(shown: TrainingPrompt) -> Iterator[str]:
    """What is told of an image, below its name."""
    yield shown.prompt
    yield " ".join(map(str, shown.token_ids))
    yield " ".join(shown.tokens)
    yield f"{len(shown.token_ids)} of {shown.capacity} tokens used"
    yield ", ".join(_facts(shown))


def _facts(shown: TrainingPrompt) -> Iterator[str]:
    """Size, repeats, weight and mask of an image, in words."""
    yield f"{shown.size[0]}x{shown.size[1]} of {shown.original[0]}x{shown.original[1]}"
    yield "once an epoch" if shown.repeats == 1 else f"{shown.repeats} times an epoch"
    if shown.regular:
        yield "regularization"
    if shown.weight != 1:
        yield f"weight {shown.weight:g}"
    if shown.mask:
        yield f"mask from {shown.mask[0]} to {shown.mask[1]}"
