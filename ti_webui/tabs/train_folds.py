"""Folds of Train: settings that are not shown at first, in the order of their use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import gradio as gr

from ti_core.train.config import TrainConfig

from .. import markup, training
from ..forms import Form

Row = tuple[str, ...]
"""Settings beside each other."""


@dataclass(frozen=True)
class Fold:
    """Settings behind a line that opens them."""

    name: str
    title: str
    first: tuple[Row, ...]
    """Those that are changed most."""
    groups: tuple[str, ...]
    """Titles of groups whose other settings follow."""


FOLDS = (
    Fold(
        "prompts",
        "Prompts and captions",
        (("prompt_template",),),
        ("Dataset", "Caption variation", "Several words", "Reading of prompts"),
    ),
    Fold(
        "learning",
        "Learning",
        (
            ("num_vectors_per_token", "max_train_steps"),
            ("learning_rate",),
            ("train_batch_size", "gradient_accumulation_steps"),
            ("resolution",),
        ),
        ("Learning", "Embedding", "Sizes", "Precision and seed", "Validation"),
    ),
    Fold(
        "output",
        "Output",
        (("sample_every_n_steps", "save_every_n_steps"), ("sample_prompts",)),
        ("Files", "Previews", "Latents"),
    ),
)
"""A group that none of them names is in the last."""


Makers = Mapping[str, Callable[[], object]]
"""Setting → what makes its component, where that is not the form."""
_FIRST_OF_ALL = ("token_string", "init_word", "train_data_dir")
"""Shown above the folds."""


def build_folds(
    form: Form[TrainConfig], makers: Makers, last: Callable[[], object]
) -> dict[str, list[str]]:
    """Make the folds; `last` is called at the end of the last one. Returns the components' names
    by the fold's."""
    made = {}
    for fold in FOLDS:
        before = set(form.components)
        with gr.Accordion(fold.title, open=False, elem_id=f"ti_fold_{fold.name}"):
            for row in fold.first:
                _row(form, row, makers)
            _groups(form, fold)
            if fold is FOLDS[-1]:
                last()
        made[fold.name] = [name for name in form.components if name not in before]
    return made


def _row(form: Form[TrainConfig], names: Row, makers: Makers) -> None:
    with gr.Row():
        for name in names:
            make = makers.get(name)
            if make:
                make()
            else:
                form.add(name)


def _groups(form: Form[TrainConfig], fold: Fold) -> None:
    first = [name for each in FOLDS for row in each.first for name in row]
    rest = form.rest((*training.SETTLED, *_FIRST_OF_ALL, *first))
    for title in dict.fromkeys([*fold.groups, *(rest if fold is FOLDS[-1] else ())]):
        if title in rest:
            gr.HTML(markup.heading(title))
            for name in rest[title]:
                form.add(name)
