"""Everything that is checked and decided before the model is claimed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..checkup.clashes import about_hidden, hidden_words
from ..checkup.finding import Finding
from ..checkup.run import check_dataset, no_pictures
from ..data.dataset import Dataset
from ..data.held_out import Parts, held_out_folder, parted
from ..data.latent_cache.remembered import RememberedPictures
from ..data.order import Order
from ..data.picture_facts import Look, read_facts
from ..data.tags import holds_trigger
from ..errors import DataError
from ..events import Notice, notice_of
from ..files.atomic import require_writable
from ..files.twins import hidden_warning, require_free
from ..hypernetworks.calls import calls_in
from ..port.session import Host, ModelFacts, PreviewRequest
from ..prompts.missed import misspelled
from ..prompts.words import Known
from .changes import changed_pictures, changed_settings, noted_pictures, saved_config
from .config import BaseTrainConfig, TrainConfig
from .going_on import Origin, require_origin, state_to_go_on
from .hypernetwork import HypernetworkKind
from .hypernetwork_config import HypernetworkTrainConfig
from .learnable import LearnableKind
from .learning_checks import (
    check_learning,
    early_end_of,
    require_same_optimizer,
    short_way,
    slow_precision,
    unusual_rate,
)
from .preflight import PICTURES, checkup_input, not_noticed, warnings_of
from .preview_calls import PreviewCalls, preview_calls
from .previews import requests_of_parts, with_prompt
from .provenance import other_data
from .run_folder import RunFolder
from .state import TrainState, latest_state
from .vectors import EmbeddingKind
from .word_vectors import WordsKind
from .words import begun, counted, datasets_of, parts_of, read_pictures, written_out

Config = TypeVar("Config", bound=BaseTrainConfig)
LEARNABLES: dict[type[BaseTrainConfig], Callable[[Any], LearnableKind]] = {
    TrainConfig: EmbeddingKind,
    HypernetworkTrainConfig: HypernetworkKind,
}
"""Settings of a run → the kind of learnable that they describe."""
OnFindings = Callable[[tuple[Finding, ...]], None]
"""Gets what the checkup found, but for what notices tell."""


@dataclass(frozen=True)
class Product:
    """A file that a run makes."""

    config: BaseTrainConfig
    """As if it were trained alone."""
    dataset: Dataset
    """Its own images."""
    path: Path
    """Where the finished file goes."""


@dataclass(frozen=True)
class Plan:
    """A run that has passed every check."""

    config: BaseTrainConfig
    """As it was given, precision and numbers of vectors settled: files say what a run was made
    in."""
    kind: LearnableKind
    facts: ModelFacts
    dataset: Dataset
    final_paths: tuple[Path, ...]
    """Of each file that the run makes."""
    previews: tuple[PreviewRequest, ...]
    calls: PreviewCalls
    """The hypernetworks that the previews call."""
    notices: tuple[Notice, ...]
    state: TrainState | None
    """Where to continue from; None where training begins at step 0."""
    origin: Origin | None = None
    """The file that a new run starts from."""
    held_out: Dataset | None = None
    """Images that are validated with, and not trained on."""

    @functools.cached_property
    def products(self) -> tuple[Product, ...]:
        """What the run makes: a file for each word, or one."""
        datasets = datasets_of(self.config, self.dataset)
        made = zip(parts_of(self.config), datasets, self.final_paths, strict=True)
        return tuple(Product(*each) for each in made)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Of the products: their words, where they have such."""
        return tuple(each.config.name for each in self.products)

    @functools.cached_property
    def order(self) -> Order:
        """Which images each update sees."""
        return _order(self.config, self.dataset)

    def prompt(self, step: int) -> str:
        """Of the first image of the update after `step` finished ones."""
        first = self.order.of_step(step)[0][0]
        return self.dataset.prompt(first, self.config.name, self.config.compute.seed, step, 0)

    def previews_after(self, step: int) -> list[PreviewRequest]:
        """The previews after `step` updates; without a prompt of its own one shows the prompt of
        the last update, or of the first where there was none."""
        prompt = self.prompt(max(0, step - 1))
        return [with_prompt(request, prompt, self.config) for request in self.previews]


def make_plan(
    config: BaseTrainConfig,
    host: Host,
    resume: RunFolder | None = None,
    taken: Sequence[str] = (),
    on_findings: OnFindings | None = None,
) -> Plan:
    """Check a run against the host and the disk; nothing is written, except into the latent cache,
    if there is one, what was seen of the images.

    `taken` are the names of the embeddings that are there. `on_findings` gets what the checkup
    found, before an error among it ends the plan; without it, warnings become notices.
    A run that has all its steps is finished, if a kill or a full disk has left something to do.
    Raises ConfigError, DataError, EmbeddingError, StorageError, HostError or TrainingError, each
    before any time is spent.
    """
    facts = host.describe()
    written = _with_precision(counted(written_out(config), host.tokenize), host)
    pictures = functools.cache(lambda: _dataset(written, facts.resolution, on_findings))
    config = in_steps(written, lambda: pictures()[0].trained)
    before = saved_config(resume, type(config)) if resume else None
    config = begun(config.as_begun(before) if before else config, before)
    kind, origin = _started(config, facts, resume)
    config = origin.config if origin else config
    final_paths = paths_of_results(config, kind)
    state, told = _state(resume, origin)
    check_learning(config, facts, state.step if state else 0)
    kind.check(facts, state.tensors if state else None)
    _check_paths(config, final_paths, resume, origin)
    parts, notices = pictures()
    dataset = parts.trained
    found = () if resume else tuple(_found(config, dataset, host, taken, facts))
    notices += _judged(config, host, dataset, found, on_findings)
    hidden = map(hidden_warning, final_paths)
    notices += [Notice("warning", text) for text in hidden if text]
    previews = _previews(config, facts, host)
    calls = preview_calls(previews, "" if config.vectors else config.name, host)
    notices += [*_about_previews(config, previews, taken, host), *told]
    if state and state.facts:
        require_same_optimizer(config, state)
        notices += _changes(state, facts)
    if before:
        notices += changed_settings(before, config)
    if resume:
        notices += _changed_pictures(resume, state, dataset)
    return Plan(
        config,
        kind,
        facts,
        dataset,
        tuple(final_paths),
        tuple(previews),
        calls,
        tuple(notices),
        state,
        origin,
        parts.held_out,
    )


def paths_of_results(config: BaseTrainConfig, kind: LearnableKind) -> list[Path]:
    """Where finished files go, if no others are there."""
    folder = Path(config.output.output_dir)
    return [folder / f"{each.file_stem}{kind.suffix}" for each in parts_of(config)]


def _found(
    config: BaseTrainConfig, dataset: Dataset, host: Host, taken: Sequence[str], facts: ModelFacts
) -> Iterator[Finding]:
    """What the checkup finds in the images of each file, once each."""
    told: set[Finding] = set()
    for part, own in zip(parts_of(config), datasets_of(config, dataset), strict=True):
        if part.data.skip_checkup:
            continue
        inputs = checkup_input(part, host, taken, at_most=PICTURES, facts=facts)
        for each in check_dataset(own, inputs).findings:
            if each not in told:
                told.add(each)
                yield each


def kind_of(config: BaseTrainConfig) -> LearnableKind:
    """What the settings describe."""
    if isinstance(config, TrainConfig) and config.several.words:
        return WordsKind(config)
    return LEARNABLES[type(config)](config)


def _started(
    config: BaseTrainConfig, facts: ModelFacts, resume: RunFolder | None
) -> tuple[LearnableKind, Origin | None]:
    """The kind of learnable, and the file that a new run starts from."""
    kind = kind_of(config)
    origin = None if resume else kind.origin(facts)
    if origin:
        return kind_of(origin.config), origin
    if not resume:
        require_origin(config)
    return kind, None


def _state(
    resume: RunFolder | None, origin: Origin | None
) -> tuple[TrainState | None, list[Notice]]:
    """Where to continue from, and what to tell of it."""
    told: list[Notice] = []
    if resume:
        return latest_state(resume.state, told.append), told
    if origin is None:
        return None, told
    state, notices = state_to_go_on(origin)
    return state, [*notices]


def _with_precision(config: BaseTrainConfig, host: Host) -> BaseTrainConfig:
    precision = config.compute.precision(host.features().precision)
    return replace(config, compute=replace(config.compute, mixed_precision=precision))


def in_steps(config: Config, dataset: Callable[[], Dataset]) -> Config:
    """The same settings with a length in epochs written as a number of steps: the same run, and
    the same files. Raises ConfigError for more steps than a run may have."""
    options = config.optimizer
    if not options.max_train_epochs:
        return config
    steps = _order(config, dataset()).steps_of(options.max_train_epochs)
    return replace(config, optimizer=replace(options, max_train_steps=steps, max_train_epochs=0))


def foreseen_in_steps(config: Config, resolution: int) -> Config:
    """As `in_steps`, of images that are only looked at for it. Raises as it does, and DataError
    where they cannot be read."""
    return in_steps(config, lambda: read_pictures(config, resolution))


def _order(config: BaseTrainConfig, dataset: Dataset) -> Order:
    options = config.optimizer
    return dataset.order(
        config.compute.seed, options.train_batch_size, options.gradient_accumulation_steps
    )


def _dataset(
    config: BaseTrainConfig, resolution: int, on_findings: OnFindings | None
) -> tuple[Parts, list[Notice]]:
    """What is trained on and validated with, and what went wrong with single images."""
    remembered = RememberedPictures(config.cache.folder)
    look = remembered if config.cache.cache_latents_to_disk else read_facts
    try:
        dataset = read_pictures(config, resolution, look)
    except DataError as error:
        if on_findings:
            on_findings((no_pictures(config.data, error),))
        raise
    parts = _parts(config, dataset, resolution, look)
    remembered.save()
    notices = dataset.about_skipped()
    return parts, [*notices, notice_of(remembered.error)] if remembered.error else notices


def _parts(config: BaseTrainConfig, dataset: Dataset, resolution: int, look: Look) -> Parts:
    """Raises DataError where the images that are held out cannot be validated with."""
    wanted, seed = config.validation, config.compute.seed
    parts = parted(dataset, wanted.validation_split, seed)
    if wanted.validation_data_dir:
        folder = wanted.validation_data_dir
        parts = replace(
            parts, held_out=held_out_folder(folder, config.data, config.name, resolution, look)
        )
    if parts.held_out:
        parts.held_out.require_trainable(config.name, config.vectors > 0)
    return parts


def _judged(
    config: BaseTrainConfig,
    host: Host,
    dataset: Dataset,
    found: tuple[Finding, ...],
    on_findings: OnFindings | None,
) -> list[Notice]:
    """What to know about the dataset. Raises DataError where it cannot be trained on."""
    if on_findings:
        on_findings(not_noticed(found))
    dataset.require_trainable(config.name, config.vectors > 0)
    notices = [*_about(dataset, config)]
    parts = parts_of(config)
    for part, own in zip(parts, datasets_of(config, dataset), strict=True):
        notices += other_data(own, part.data.expected_data)
    notices += [*early_end_of(config), *unusual_rate(config), *short_way(config)]
    notices += slow_precision(config, host.features())
    for part in parts if config.vectors else ():
        notices += name_clashes(part.name, host)
    warnings = warnings_of(found)
    return notices if on_findings else notices + warnings


def _about(dataset: Dataset, config: BaseTrainConfig) -> Iterator[Notice]:
    """What a user of several folders or sizes should know."""
    yield from dataset.notices
    sizes = dataset.sizes()
    if len(sizes) > 1:
        spelled = ", ".join(f"{w}x{h} ({count})" for (w, h), count in sizes.items())
        yield Notice("info", f"images have {len(sizes)} sizes: {spelled}")
    smaller = min(sizes.values()) < config.optimizer.train_batch_size
    if len(sizes) > 1 and smaller:
        what = f"some batches hold fewer than {config.optimizer.train_batch_size} images"
        yield Notice("info", what, "a batch holds one size only")
    if config.vectors and any(source.folder.regular for source in dataset.sources):
        yield from _about_regular(dataset, config.name)


def _about_regular(dataset: Dataset, name: str) -> Iterator[Notice]:
    silent = [
        index
        for index, item in enumerate(dataset.items)
        if dataset.source(index).folder.regular and not holds_trigger(item.caption.text, name)
    ]
    if silent:
        yield Notice(
            "warning",
            f"the prompts of {len(silent)} regularization image(s) do not contain {name!r}",
            "only the new word is trained, and nothing reaches it from them: they take time and "
            "weaken the others",
            "they are of use where the whole model is trained; leave them out here",
        )


def _check_paths(
    config: BaseTrainConfig,
    final_paths: Sequence[Path],
    resume: RunFolder | None,
    origin: Origin | None,
) -> None:
    require_writable(final_paths[0].parent)
    require_writable(resume.path if resume else Path(config.output.logging_dir))
    for path in () if resume or config.output.overwrite else final_paths:
        require_free(path, own=origin.path if origin else None)


def _about_previews(
    config: BaseTrainConfig, previews: Sequence[PreviewRequest], taken: Collection[str], host: Host
) -> list[Notice]:
    """Warnings of names in preview prompts that are mistyped, or those of other embeddings."""
    if not config.vectors:
        return []
    names = [part.name for part in parts_of(config)]
    why = "previews know only the word that is trained"
    others = [Known(name, trouble=why) for name in taken if name not in names]
    shown = [(calls_in(one.prompt)[0], one.negative_prompt) for one in previews]
    text = "\n".join(part for both in shown for part in both)
    return [one.notice for one in misspelled(text, names, host.tokenize, others)]


def name_clashes(name: str, host: Host) -> list[Notice]:
    """A warning for a trigger that is a word of the model, or a phrase of such: it hides them."""
    words = hidden_words(name, host.tokenize)
    if not words:
        return []
    what, why, fix = about_hidden(name, words)
    tokens = ", ".join(f"{number} {text!r}" for number, text in host.tokenize(name))
    return [Notice("warning", f"{what} (tokens: {tokens})", why, fix)]


def _changed_pictures(
    resume: RunFolder, state: TrainState | None, dataset: Dataset
) -> Iterator[Notice]:
    """Of older versions nothing but the number of images is known."""
    before, count = resume.pictures_noted(), len(dataset.items)
    if before is not None:
        yield from changed_pictures(before, noted_pictures(dataset))
    elif state and state.pictures != count:
        what = f"the dataset had {state.pictures} images and has {count} now"
        yield Notice("warning", what, "the order of images changes with it")


def _changes(state: TrainState, facts: ModelFacts) -> list[Notice]:
    """What differs in the model from the run that is resumed."""
    notices = []
    before = state.facts.get("hash", "")
    if before != facts.checkpoint_hash:
        what = f"the run was started on {state.facts.get('model')} ({before}), another model"
        notices.append(Notice("warning", what, "the vectors may not mean the same there"))
    return notices


def _previews(config: BaseTrainConfig, facts: ModelFacts, host: Host) -> list[PreviewRequest]:
    features = host.features()
    if not features.previews:
        return []
    size = config.data.resolution or (facts.resolution, facts.resolution)
    found = requests_of_parts(parts_of(config), size, config.preview.sample_sampler)
    return [replace(request, sampler=features.sampler(request.sampler)) for request in found]
