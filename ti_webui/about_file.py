"""What an embedding's file tells of itself, in the words of the form that made it."""

from __future__ import annotations

from collections.abc import Mapping

from ti_core.files.embedding import LICENCE, Embedding, is_negative
from ti_core.files.notes import TRIGGER, recipe
from ti_core.options import about, leaves
from ti_core.train.config import TrainConfig

_WORDS = {
    TRIGGER: "activation text",
    "modelspec.title": "title",
    "modelspec.author": "author",
    "modelspec.description": "description",
    "modelspec.architecture": "for models of the kind",
    LICENCE: "licence",
    "ti.base_model": "trained on",
    "ti.base_model_hash": "hash of that model",
}
"""Key of the metadata → what it means."""
_SHOWN = (
    *("init_word", "learning_rate", "lr_scheduler", "optimizer_type", "max_train_steps"),
    *("train_batch_size", "gradient_accumulation_steps", "resolution", "seed"),
)
"""Settings that people compare."""
_LONGEST = 300


def in_words(embedding: Embedding) -> list[tuple[str, str]]:
    """(what, text) of each that the file tells; a stranger's file may say anything."""
    told = embedding.metadata
    rows = [(words, told[key]) for key, words in _WORDS.items() if told.get(key)]
    rows += [("meant for", "the negative prompt")] if is_negative(embedding) else []
    return [(what, text[:_LONGEST]) for what, text in [*rows, *_settings(recipe(told))]]


def _settings(made: object) -> list[tuple[str, str]]:
    if not isinstance(made, Mapping):
        return []
    labels = {path[-1]: about(item).label for path, item in leaves(TrainConfig)}
    tool, expression = made.get("tool"), made.get("expression")
    rows = [(f"made by {tool:.40}", str(expression or ""))] if isinstance(tool, str) else []
    return rows + [
        (labels[name].lower(), _spelled(made[name]))
        for name in _SHOWN
        if name in made and labels.get(name)
    ]


def _spelled(value: object) -> str:
    return " × ".join(map(str, value)) if isinstance(value, list) else str(value)
