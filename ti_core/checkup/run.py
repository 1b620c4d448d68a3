"""The checkup: one look at every image, then every rule in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from os.path import isdir
from pathlib import Path
from typing import Any

from ..data.config import DataConfig
from ..data.dataset import Dataset, read_dataset
from ..data.picture_facts import head_of
from ..data.pictures import folders_below
from ..errors import DataError
from . import (
    alpha,
    amounts,
    blurred,
    clashes,
    disk,
    duplicates,
    files,
    flips,
    memory,
    plan,
    sameness,
    schedule,
    size,
    tokens,
    trigger,
    turned,
    words,
)
from .finding import SEVERITIES, Finding, Severity
from .inputs import CheckupInput
from .survey import Progress, Survey, look

Rule = Callable[[Survey, CheckupInput], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    files.unreadable,
    files.ignored,
    files.no_files,
    files.stray_captions,
    files.not_looked_at,
    size.too_small,
    size.distorted,
    size.cut_off,
    turned.rotated,
    alpha.transparent,
    blurred.blurred,
    duplicates.near_duplicates,
    sameness.one_background,
    sameness.one_colour,
    sameness.one_layout,
    sameness.one_zoom,
    flips.flips,
    trigger.template,
    trigger.trigger,
    words.unreadable_captions,
    words.marked_captions,
    words.empty_captions,
    words.missing_captions,
    words.identical_captions,
    words.brackets,
    tokens.token_allowance,
    clashes.vocabulary,
    clashes.other_embeddings,
    clashes.spaces,
    amounts.pictures_per_vector,
    schedule.schedule,
    plan.rate,
    plan.length,
    plan.size_of_model,
    plan.family,
    plan.dropout,
    disk.disk_space,
    memory.memory,
)


@dataclass(frozen=True)
class Report:
    """Everything that was found in a folder, the worst first."""

    folder: str
    pictures: int
    """Images that could be read."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """There is no error among the findings."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "folder": self.folder,
            "pictures": self.pictures,
            "ok": self.ok,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def check_folder(inputs: CheckupInput, progress: Progress | None = None) -> Report:
    """Look at every image to train on, without a model.

    Nothing is written. A folder that is missing, closed or without images is a finding too.
    Raises ConfigError for a dataset file that is wrong.
    """
    try:
        data = replace(inputs.data, resolution=inputs.size)
        dataset = read_dataset(data, inputs.name, inputs.size[0], head_of)
        report = check_dataset(dataset, inputs, progress)
        return replace(report, findings=_worst_first((*report.findings, *_told(dataset))))
    except (DataError, OSError) as error:
        return Report(_where(inputs), 0, (no_pictures(inputs.data, error),))


def check_dataset(
    dataset: Dataset, inputs: CheckupInput, progress: Progress | None = None
) -> Report:
    """The same for a dataset that has been read already."""
    survey = look(dataset, inputs, progress)
    found = [finding for rule in RULES for finding in rule(survey, inputs)]
    return Report(_where(inputs), len(survey.pictures), _worst_first(found))


def _worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def _where(inputs: CheckupInput) -> str:
    return inputs.data.dataset_config or inputs.data.train_data_dir


def no_pictures(data: DataConfig, error: DataError | OSError) -> Finding:
    """Why there is nothing to look at; names folders below that hold images."""
    folder = Path(data.train_data_dir)
    if isinstance(error, OSError):
        what, why = f"cannot read the folder {folder}", error.strerror or str(error)
        return Finding("no_pictures", "error", what, why, "check its permissions")
    one = not data.dataset_config and isdir(folder)
    below = folders_below(folder) if one else []
    return Finding("no_pictures", "error", error.what, error.why, error.fix, tuple(below))


def _told(dataset: Dataset) -> tuple[Finding, ...]:
    """What reading the folders brought up."""
    kinds: dict[str, Severity] = {"warning": "warning", "info": "note"}
    return tuple(
        Finding("folders", kinds[notice.level], notice.what, notice.why, notice.fix)
        for notice in dataset.notices
    )
