"""A checkup that cries wolf is soon switched off: false alarms on sets that are all right."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ti_core.checkup.inputs import CheckupInput
from ti_core.checkup.run import check_folder
from ti_core.checkup.sameness import one_background, one_colour, one_layout, one_zoom
from ti_core.checkup.survey import Survey, look
from ti_core.data.config import DataConfig
from ti_core.data.dataset import read_dataset

from .conftest import SIZE, Save


def survey_of(inputs: CheckupInput) -> Survey:
    return look(read_dataset(inputs.data, inputs.name, SIZE[0]), inputs)


@pytest.fixture
def clean(save: Save, photographs: dict[str, Image.Image]) -> CheckupInput:
    """Fourteen different photographs with captions of their own, as they are in their files."""
    folder = save(*photographs.values(), caption="a [name] in place #, seen from side #")
    return CheckupInput(
        DataConfig(train_data_dir=str(folder)),
        "zz-cat",
        size=SIZE,
        mirrored=True,
        tokenize=lambda text: [*range(len(text))],
        taken=("dog", "my-style"),
    )


def test_a_varied_set_of_photographs_gets_no_error_no_warning_and_no_hint(
    clean: CheckupInput,
) -> None:
    report = check_folder(clean)
    counts = Counter(finding.severity for finding in report.findings)
    assert report.pictures == 14
    assert {kind: counts[kind] for kind in ("error", "warning", "hint")} == {
        "error": 0,
        "warning": 0,
        "hint": 0,
    }, report.findings


@pytest.mark.parametrize("quality", [90, 60, 30])
def test_compression_is_not_taken_for_blur(
    tmp_path: Path, photographs: dict[str, Image.Image], quality: int
) -> None:
    for name, image in photographs.items():
        image.save(tmp_path / f"{name}.jpg", quality=quality)
    survey = survey_of(CheckupInput(DataConfig(train_data_dir=str(tmp_path)), size=SIZE))
    assert survey.which(lambda picture: picture.blurred) == ()


def test_of_three_hundred_varied_sets_at_most_two_of_a_hundred_are_called_alike(
    clean: CheckupInput,
) -> None:
    """Sets of 4 to 12 of the photographs; small ones may be alike by chance."""
    survey, source = survey_of(clean), np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        some = source.choice(14, source.integers(4, 13), replace=False)
        part = dataclasses.replace(
            survey, small=survey.small[some], pictures=tuple(survey.pictures[i] for i in some)
        )
        for rule in (one_background, one_colour, one_layout, one_zoom):
            alarms += sum(finding.severity == "hint" for finding in rule(part, clean))
    assert alarms <= 6
