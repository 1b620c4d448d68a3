"""Train again: the settings of a training from the file that it made."""

from __future__ import annotations

from ..errors import EmbeddingError
from ..files.embedding import Embedding
from ..files.notes import DATA, TEMPLATE, recipe
from ..options import SettingValues, about, leaves, make_config
from .config import TrainConfig

_OF_A_TRAINING = ("max_train_steps", "learning_rate", "init_word")
"""Other recipes, of merges and of embeddings that are not trained, lack one of them."""


def settings_of(embedding: Embedding) -> SettingValues:
    """The settings by name that made an embedding, as its file tells; no paths, so that images
    and model are still to be named.

    Raises EmbeddingError for a file that does not tell them, ConfigError for values that are not
    possible.
    """
    told, notes = recipe(embedding.metadata), embedding.metadata
    if not isinstance(told, dict) or not all(name in told for name in _OF_A_TRAINING):
        raise EmbeddingError(
            f"{embedding.name} does not record how it was trained",
            "the settings are in the files that trainings of this program have written",
            "give the settings.json of a run folder",
        )
    known = {path[-1]: about(item) for path, item in leaves(TrainConfig)}
    found = {name: value for name, value in told.items() if name in known and known[name].recorded}
    if TEMPLATE in notes and not (
        told.get("use_object_template") or told.get("use_style_template")
    ):
        found["prompt_template"] = notes[TEMPLATE]
    found["num_vectors_per_token"] = embedding.count
    found["expected_data"] = notes.get(DATA, "")
    found["metadata_license"] = notes.get("modelspec.license", "")
    found["metadata_is_negative_embedding"] = "modelspec.is_negative_embedding" in notes
    make_config(TrainConfig, found)
    return found
