"""The trainings of a sweep: one config for each choice, with a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ..errors import ConfigError, setting
from ..files.names import alike, fitting_name
from ..files.twins import require_free
from ..options import SettingValues, flat
from .config import BaseTrainConfig
from .plan import kind_of, paths_of_results
from .sweep_choices import NameRule
from .words import words_of

C = TypeVar("C", bound=BaseTrainConfig)


@dataclass(frozen=True)
class Variant:
    """One training of a sweep."""

    config: BaseTrainConfig
    settings: SettingValues
    """Those that are not the same in all variants, by name."""

    @property
    def name(self) -> str:
        """Of its file and of its run folder."""
        return self.config.file_stem


def make_variants(
    chosen: Sequence[SettingValues],
    settle: Callable[[SettingValues], BaseTrainConfig],
    names: NameRule = "number",
) -> list[Variant]:
    """The trainings of a sweep. `chosen` are the settings of each by name (`sweep_choices`);
    `settle` makes a config of them, over everything that is the same in all.

    The word stays the same, as captions may name it; files have names of their own. Latents are
    kept on the disk, where all variants find them, and previews are made after the last step, too.
    Raises ConfigError for settings that are not possible, and for names that are not free.
    """
    configs = [settle(choice) for choice in chosen]
    if any(words_of(config) for config in configs):
        why, fix = "each of its runs has one file to compare", f"leave {setting('words')} out"
        raise ConfigError("a sweep trains one word", why, fix)
    differing = _differing(configs)
    own = Counter(choice.get("output_name") for choice in chosen)
    stems = [
        config.file_stem
        if own[choice.get("output_name")] == 1 and "output_name" in choice
        else _stem(config, number, differing, names)
        for number, (choice, config) in enumerate(zip(chosen, configs, strict=True), start=1)
    ]
    made = [
        Variant(_prepared(config, stem), {name: flat(config)[name] for name in differing})
        for config, stem in zip(configs, stems, strict=True)
    ]
    _require_names(made)
    return made


def _differing(configs: Sequence[BaseTrainConfig]) -> list[str]:
    """Settings that are not the same in all, but for the names of files, which never are."""
    every = [flat(config) for config in configs]
    first = every[0]
    return [n for n in first if n != "output_name" and any(e[n] != first[n] for e in every)]


def _stem(config: BaseTrainConfig, number: int, differing: Sequence[str], names: NameRule) -> str:
    if names == "number":
        return f"{config.file_stem}-{number}"
    values = flat(config)
    parts = [config.file_stem, *(f"{name}-{values[name]}" for name in differing)]
    return fitting_name("-".join(parts))


def _prepared(config: C, stem: str) -> C:
    return replace(
        config,
        output=replace(config.output, output_name=stem),
        preview=replace(config.preview, sample_at_last=True),
        cache=replace(config.cache, cache_latents_to_disk=config.cache.cache_latents),
    )


def _require_names(variants: Sequence[Variant]) -> None:
    seen: set[str] = set()
    for variant in variants:
        if alike(variant.name) in seen:
            fix = f"give each its {setting('output_name')}, or let numbers tell them apart"
            raise ConfigError(f"two variants of the sweep are called {variant.name}", "", fix)
        seen.add(alike(variant.name))
        if not variant.config.output.overwrite:
            for path in paths_of_results(variant.config, kind_of(variant.config)):
                require_free(path)
