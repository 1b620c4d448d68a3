"""Several words in one run: a table for each, in TOML or JSON, laid over the settings of the run.

    [[words]]
    token_string = "my-cat"
    init_word = "cat"
    num_vectors_per_token = 2
    train_data_dir = "pictures/cat"

    [[words]]
    token_string = "ink"
    init_word = "drawing"
    train_data_dir = "pictures/ink"
    prompt_template = "style"

A table has settings of the groups Embedding and Dataset, and `output_name`, by their names or those
that other programs use. All else belongs to the run. A word may start from the vectors of a file
(`weights`); the run still begins at step 0, since its words share one schedule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from ..data.dataset import Dataset, joined, read_dataset
from ..data.picture_facts import Look, read_facts
from ..errors import ConfigError, DataError, FileError, setting
from ..files.names import alike, fitting_name
from ..files.reading import read_embedding
from ..files.tables import read_table, table_of
from ..options import MOST_LETTERS, SettingValues, leaves, make_config, nearest, to_dict
from ..paths import given_path
from .config import BaseTrainConfig, EmbeddingConfig, TrainConfig, WordsConfig
from .initialization import as_it_began

C = TypeVar("C", bound=BaseTrainConfig)
_MOST = 16
_GROUPS = ("embedding", "data")
_NOT_OF_A_WORD = ("init_trial_steps",)
"""Of those groups, settings that a table may not have."""
_WRITTEN = "write a table [[words]] for each, with token_string and train_data_dir"


def words_of(config: BaseTrainConfig) -> tuple[TrainConfig, ...]:
    """The settings of each word, as if it were trained alone; none for a run that has one word.

    Raises ConfigError for tables that cannot be read, and for what several words cannot have.
    """
    if not isinstance(config, TrainConfig) or not config.several.words:
        return ()
    tables = _tables(config.several.words)
    _require_possible(config)
    words = tuple(_word(config, number, table) for number, table in enumerate(tables, 1))
    _require_different(words)
    return words


def parts_of(config: BaseTrainConfig) -> tuple[BaseTrainConfig, ...]:
    """The settings behind each file of a run: those of its words, or its own."""
    return words_of(config) or (config,)


def counted(config: C, tokenize: Callable[[str], Sized]) -> C:
    """The same run with numbers of vectors where its initial words decide them; what starts from a
    file is left to that. The tables of several words are in the settings (`written_out`)."""
    if not isinstance(config, TrainConfig):
        return config
    embedding, several = config.embedding, config.several
    if several.words:
        pairs = zip(_tables(several.words), words_of(config), strict=True)
        tables = [_counted_table(table, word.embedding, tokenize) for table, word in pairs]
        several = WordsConfig(text_of(tables))
    if not embedding.weights:
        embedding = replace(embedding, num_vectors_per_token=_count(embedding, tokenize))
    return cast(C, replace(config, embedding=embedding, several=several))


def _count(word: EmbeddingConfig, tokenize: Callable[[str], Sized]) -> int:
    return word.vectors_for(len(tokenize(word.init_word)))


def _counted_table(
    table: SettingValues, word: EmbeddingConfig, tokenize: Callable[[str], Sized]
) -> SettingValues:
    if word.num_vectors_per_token or word.weights:
        return table
    return _changed(table, {"num_vectors_per_token": _count(word, tokenize)})


def begun(config: C, before: BaseTrainConfig | None = None) -> C:
    """The same run with what the files that its words start from tell of them: number of vectors,
    licence and the like. Of a resumed run, as the settings `before` have it: such a file may be
    gone. Raises as `read_embedding` does."""
    if not isinstance(config, TrainConfig) or not config.several.words:
        return config
    old = {word.name: word for word in words_of(before)} if before else {}
    pairs = zip(_tables(config.several.words), words_of(config), strict=True)
    tables = [_begun_table(table, word, old.get(word.name)) for table, word in pairs]
    return cast(C, replace(config, several=WordsConfig(text_of(tables))))


def _begun_table(
    table: SettingValues, word: TrainConfig, before: TrainConfig | None
) -> SettingValues:
    now = word.embedding
    if before:
        then = word.as_begun(before).embedding
    elif now.weights:
        then = as_it_began(now, read_embedding(Path(now.weights)))
    else:
        then = now
    values, known = to_dict(then), to_dict(now)
    return _changed(table, {key: values[key] for key in values if values[key] != known[key]})


def _changed(table: SettingValues, values: SettingValues) -> SettingValues:
    """A table with these values, whatever names it had them under."""
    names = _names()
    return {**{key: table[key] for key in table if names[key] not in values}, **values}


def written_out(config: C) -> C:
    """The same run with its words in the settings themselves, so that it can be resumed when their
    file has changed or gone, and with a name."""
    if not isinstance(config, TrainConfig) or not config.several.words:
        return config
    text = text_of(_tables(config.several.words))
    if len(text) > MOST_LETTERS:
        what = f"the tables of the words have {len(text):,} characters"
        raise ConfigError(what, "", f"{MOST_LETTERS:,} are enough")
    name = config.embedding.token_string or fitting_name("-".join(w.name for w in words_of(config)))
    embedding = replace(config.embedding, token_string=name)
    return cast(C, replace(config, embedding=embedding, several=WordsConfig(text)))


def text_of(tables: Sequence[SettingValues]) -> str:
    """Tables as the setting `words` has them."""
    return json.dumps({"words": tables}, ensure_ascii=False)


def read_pictures(config: BaseTrainConfig, resolution: int, look: Look = read_facts) -> Dataset:
    """The images of a run, those of all of its words together. Raises as `read_dataset` does."""
    words = words_of(config)
    if not words:
        return read_dataset(config.data, config.name, resolution, look)
    return joined({w.name: read_dataset(w.data, w.name, resolution, look) for w in words})


def datasets_of(config: BaseTrainConfig, dataset: Dataset) -> list[Dataset]:
    """The part of each word; of a run that has one, all of it. Raises DataError where the images
    of a word are all held out."""
    return [_of_word(dataset, word.name) for word in words_of(config)] or [dataset]


def _of_word(dataset: Dataset, word: str) -> Dataset:
    own = dataset.of_word(word)
    if not own.items:
        what = f"no image of {word} is left to train on"
        raise DataError(what, "", f"add images, or lower {setting('validation_split')}")
    return own


def _tables(text: str) -> list[SettingValues]:
    """Of a text, or of the file that it names."""
    found = _document(text)
    tables = found.get("words") if isinstance(found, dict) and list(found) == ["words"] else found
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ConfigError(f"{setting('words')} contains no list of words", "", _WRITTEN)
    if not 0 < len(tables) <= _MOST:
        what = f"{setting('words')} has {len(tables)} words"
        raise ConfigError(what, "", f"give 1 to {_MOST}")
    return tables


def words_file(text: str) -> Path | None:
    """The file that `words` names; None where it holds the tables themselves."""
    is_text = text.lstrip().startswith(("{", "["))
    return None if is_text else given_path(text, setting("words"))


def _document(text: str) -> object:
    file = words_file(text)
    try:
        return read_table(file) if file else table_of(text, _kind_of(text))
    except FileError as error:
        what = f"{setting('words')} cannot be read" + (f" from {file}" if file else "")
        raise ConfigError(what, error.why, error.fix) from error


def _kind_of(text: str) -> Path:
    return Path("words.toml" if text.lstrip().startswith("[[") else "words.json")


def _word(config: TrainConfig, number: int, table: SettingValues) -> TrainConfig:
    """A table over the settings of the run."""
    names, values = _names(), {}
    for key, value in table.items():
        if key not in names:
            fix = nearest(key, list(names)) or "it belongs to the run, if it is a setting"
            raise ConfigError(f"word {number} has the unknown setting {key!r}", "", fix)
        values[names[key]] = value
    of_run: dict[str, Any] = to_dict(config)
    of_run["several"] = {}
    of_run["embedding"]["token_string"] = ""
    try:
        return make_config(TrainConfig, values, of_run)
    except ConfigError as error:
        raise ConfigError(f"word {number}: {error.what}", error.why, error.fix) from error


def _names() -> Mapping[str, str]:
    """What a table may have: each name, and alias, of a setting → the setting."""
    own = {
        path[-1]: item.metadata["option"]
        for path, item in leaves(TrainConfig)
        if (path[0] in _GROUPS or path[-1] == "output_name") and path[-1] not in _NOT_OF_A_WORD
    }
    aliases = {alias: name for name, known in own.items() for alias in known.aliases}
    return {**aliases, **{name: name for name in own}, "name": "token_string"}


_IMPOSSIBLE: Mapping[str, tuple[Callable[[TrainConfig], object], str]] = {
    "weights": (
        lambda config: config.embedding.weights,
        "each word starts from a file of its own",
    ),
    "output_name": (lambda config: config.output.output_name, "each word has a file of its own"),
    "validation_data_dir": (
        lambda config: config.validation.validation_data_dir,
        "its images would be of one word",
    ),
    "save_image_with_stored_embedding": (
        lambda config: config.preview.save_image_with_stored_embedding,
        "a card holds one embedding",
    ),
}
"""Setting → whether it is on, and why several words cannot have it."""


def _require_possible(config: TrainConfig) -> None:
    for name, (is_on, why) in _IMPOSSIBLE.items():
        if is_on(config):
            what = f"{setting(name)} and {setting('words')} are both set"
            raise ConfigError(what, why, f"leave {setting(name)} out")


def _require_different(words: Sequence[TrainConfig]) -> None:
    for what, spelled in (("are called", _name), ("would be written to", _stem)):
        found = [alike(spelled(word)) for word in words]
        twice = next((spelled(w) for w in words if found.count(alike(spelled(w))) > 1), None)
        if twice:
            raise ConfigError(f"two words {what} {twice!r}", "", "give each a name of its own")


def _name(word: TrainConfig) -> str:
    return word.name


def _stem(word: TrainConfig) -> str:
    return word.file_stem
