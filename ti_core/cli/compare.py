"""`ti compare`: the copies of a training side by side, and which of them is the best."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..compare.events import Progress
from ..errors import ConfigError, DataError, setting
from ..events import Event, Notice
from ..files.kept import kept_option
from ..files.roots import present_folder
from ..options import Checked, make_config, option
from .interrupt import stop_on_signals
from .options import OptionParser, path_argument
from .standalone import ModelConfig, open_host
from .telling import answer, progress, remark_on

if TYPE_CHECKING:
    from ..compare.evaluation import Questions
    from ..compare.run import Comparison
    from ..compare.sheet import Sheets
    from ..compare.subject import Subject
    from ..port.session import Host
    from ..train.config import BaseTrainConfig

_ABOUT = """Compare the copies of a training: sheets of images from the same seeds, the loss of
each copy on the same images, noise and timesteps, and its strength. RUN is the run folder of an
embedding or a hypernetwork, or several files of one of them. --use_best saves the best copy in
--embeddings_dir or --hypernetwork_dir."""


@dataclass(frozen=True)
class CompareConfig(Checked):
    """The copies, prompts and seeds of a comparison."""

    title = "What is compared"
    prompts: tuple[str, ...] = option(
        (),
        "prompts of the sheets, with [name] for the word, or text files of prompts; without "
        "any, no sheets are made; a prompt without the word gets one row; a hypernetwork is "
        "applied to every prompt",
        label="Prompts",
        path="text file",
    )
    weights: str = option(
        "1",
        "weights of the word in each prompt, or multipliers of the hypernetwork, such as 0.7,1,1.3",
        label="Weights",
    )
    baseline: bool = option(
        False,
        "start each sheet with a row without the word or the hypernetwork",
        label="Also without the word",
    )
    most_copies: int = option(
        12, "at most N of a run's copies, evenly spaced", label="Copies", limits=(1, 1000)
    )
    token_string: str = option(
        "", "the word; the default is that of the run", label="Name", aliases=("placeholder_token",)
    )
    train_data_dir: str = option(
        "",
        "images to measure the loss on; those that were not trained on say more than the run's "
        "own, which are the default",
        label="Dataset directory",
        path="input folder",
    )
    draws: int = option(
        8, "noise samples per image; 0 disables the losses", label="Draws", limits=(0, 1000)
    )
    outdir: str = option(
        "compare", "folder for the sheets", label="Output directory", path="output folder"
    )
    json: bool = option(False, "print one JSON object", label="JSON")


@dataclass(frozen=True)
class PictureConfig(Checked):
    """How the images of a comparison are made."""

    title = "Images"
    negative_prompt: str = option(
        "", "negative prompt; [name] is the word here as well", label="Negative prompt"
    )
    seed: int = option(0, "the first seed", label="Seed", limits=(0, None))
    images_per_prompt: int = option(1, "number of seeds per cell", label="Images", limits=(1, 16))
    steps: int = option(20, "sampling steps", label="Sampling steps", limits=(1, 150))
    scale: float = option(7.0, "CFG scale", label="CFG Scale", limits=(1, 30))
    sampler: str = option(
        "", "sampler; the default is the first one in the list of samplers", label="Sampler"
    )


@dataclass(frozen=True)
class UseConfig(Checked):
    """Which copy becomes the finished file."""

    title = "The best copy"
    use_best: bool = option(
        False, "save the best copy as the embedding or hypernetwork", label="Use the best"
    )
    embeddings_dir: str = option(
        "embeddings", "folder for an embedding", label="Embeddings directory", path="embeddings"
    )
    hypernetwork_dir: str = option(
        "hypernetworks",
        "folder for a hypernetwork",
        label="Hypernetworks directory",
        path="output folder",
    )
    overwrite: bool = option(False, "replace a file of that name", label="Overwrite")
    keep_replaced: int = kept_option()


def parser() -> OptionParser:
    """All options of `ti compare`."""
    usage = "RUN --pretrained_model_name_or_path MODEL [options]"
    made = OptionParser(
        "ti compare", _ABOUT, CompareConfig, PictureConfig, UseConfig, ModelConfig, usage=usage
    )
    made.add_argument(
        "sources",
        nargs="*",
        type=path_argument,
        metavar="RUN",
        help="run folder, or files of embeddings or hypernetworks",
    )
    return made


def run(argv: Sequence[str]) -> int:
    """Compare; returns the exit code."""
    typed = parser().read(argv)
    sources = [Path(name) for name in typed["sources"]]
    if not sources:
        raise ConfigError("no run is given", "", "write ti compare RUN, the folder of a run")
    config = make_config(CompareConfig, typed)
    use = make_config(UseConfig, typed)
    for name in ("embeddings_dir", "hypernetwork_dir"):
        if name in typed:  # the usual one is made when it is needed
            present_folder(typed[name], name)
    trained, subject = _trained(sources, config.token_string), _subject(sources)
    files = _files(sources, config.most_copies, config.token_string)
    if use.use_best and not config.draws:
        raise ConfigError(
            "the best copy cannot be determined", "losses are turned off", "give --draws"
        )
    _require_question(config, trained)
    host = open_host(make_config(ModelConfig, typed))
    name = config.token_string or (trained.name if trained else "")
    sheets = _sheets(config, make_config(PictureConfig, typed), name, host, subject)
    questions = _questions(config, trained, name, host, subject)
    if use.use_best and questions is None:
        raise ConfigError(
            "the best copy cannot be determined", "losses are turned off", "give --draws"
        )
    from ..compare.run import compare

    with stop_on_signals() as stop:
        folder = Path(config.outdir)
        asked = (sheets, questions, _tell, stop.requested)
        found = compare(files, host, folder, *asked, subject=subject)
    answer(json.dumps(_facts(found)) if config.json else "\n".join(_lines(found)))
    if stop.signal is not None:
        return 128 + stop.signal
    return _use_best(found, name, use, subject) if use.use_best else 0


def _require_question(config: CompareConfig, trained: BaseTrainConfig | None) -> None:
    data = trained.data if trained else None
    pictures = config.train_data_dir or (data and (data.train_data_dir or data.dataset_config))
    if not config.prompts and not (config.draws and pictures):
        what = "there is nothing to compare the files by"
        fix = "add --prompts 'a picture of [name]', or --train_data_dir with images of it"
        raise ConfigError(what, "no prompts and no images are given", fix)


def _trained(sources: Sequence[Path], word: str) -> BaseTrainConfig | None:
    """`word` chooses where a run has several."""
    from ..compare.copies import config_of_word, is_run

    return config_of_word(sources[0], word) if is_run(sources[0]) else None


def _subject(sources: Sequence[Path]) -> Subject:
    from ..compare.copies import subject_in
    from ..compare.subjects import subject_of

    return subject_in(sources[0]) if sources[0].is_dir() else subject_of(sources)


def _files(sources: Sequence[Path], most: int, word: str) -> list[Path]:
    from ..compare.copies import some_of

    found: list[Path] = []
    for source in sources:
        if not source.exists():
            raise DataError(f"{source} does not exist", "", "check the path")
        found += some_of(_copies(source, word), most) if source.is_dir() else [source]
    return found


def _copies(folder: Path, word: str) -> Sequence[Path]:
    from ..compare.copies import config_of, copies_of, copy_files, is_run
    from ..train.words import words_of

    if is_run(folder) and words_of(config_of(folder)):
        return copies_of(folder, word)
    return copy_files(folder)


def _sheets(
    config: CompareConfig, pictures: PictureConfig, name: str, host: Host, subject: Subject
) -> Sheets | None:
    from ..compare.sheet import Sheets, read_weights
    from ..port.session import PreviewRequest, TextOptions
    from ..train.previews import prompt_lines

    if not config.prompts:
        return None
    _require_name(name)
    facts = host.describe()
    base = PreviewRequest(
        prompt="",
        negative_prompt=pictures.negative_prompt,
        width=facts.resolution,
        height=facts.resolution,
        steps=pictures.steps,
        cfg_scale=pictures.scale,
        seed=pictures.seed,
        sampler=host.features().sampler(pictures.sampler),
        count=pictures.images_per_prompt,
        text=TextOptions(emphasis=True),
    )
    prompts = tuple(line for text in config.prompts for line in prompt_lines(text) if line)
    if not prompts:
        why = "their lines are empty or comments"
        fix = "write one, such as 'a picture of [name]'"
        raise ConfigError(f"{setting('prompts')} contain no prompt", why, fix)
    weights = read_weights(config.weights)
    return Sheets(name, prompts, weights, base, config.baseline, subject.wording)


def _questions(
    config: CompareConfig,
    trained: BaseTrainConfig | None,
    name: str,
    host: Host,
    subject: Subject,
) -> Questions | None:
    from ..compare.evaluation import questions_of

    data = trained.data if trained else subject.data
    if config.train_data_dir:
        data = replace(data, train_data_dir=config.train_data_dir, dataset_config="")
    if not config.draws or not (data.train_data_dir or data.dataset_config):
        return None
    _require_name(name)
    return questions_of(data, name, host, config.draws, trained, subject.wording.by_word)


def _require_name(name: str) -> None:
    if not name:
        what = "the files do not contain the word for prompts"
        raise ConfigError(what, "", "give it with --token_string")


def _tell(event: Event) -> None:
    if isinstance(event, Notice):
        remark_on(event)
    elif isinstance(event, Progress):
        text = f"{event.done} of {event.total}: {event.stage}"
        progress(text, event.done == event.total)


def _facts(found: Comparison) -> dict[str, object]:
    from ..compare.ranking import MEASURED, best

    return {
        "sheets": [str(path) for path in found.sheets],
        "copies": [one.to_dict() for one in found.ratings],
        "best": str(best(found.ratings).copy.path) if found.ratings else None,
        "measured": MEASURED,
    }


def _lines(found: Comparison) -> list[str]:
    from ..compare.ranking import MEASURED, best, line_of

    lines = [f"sheet {path}" for path in found.sheets]
    if not found.ratings:
        return lines
    chosen = best(found.ratings)
    lines += [line_of(one, one is chosen) for one in found.ratings]
    return [*lines, f"best copy: {chosen.copy.path}", MEASURED]


def _use_best(found: Comparison, name: str, use: UseConfig, subject: Subject) -> int:
    from ..compare.ranking import best
    from ..compare.subjects import EMBEDDINGS

    copy = best(found.ratings).copy
    folder = Path(use.embeddings_dir if subject is EMBEDDINGS else use.hypernetwork_dir)
    answer(subject.use(copy.path, folder, name, use.overwrite, use.keep_replaced))
    return 0
