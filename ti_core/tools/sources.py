"""Where the words of a merge expression come from: files, folders, a model's vocabulary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from torch import Tensor

from ..errors import ConfigError, EmbeddingError, setting
from ..files.embedding import Embedding, file_keys
from ..files.library import Library
from ..files.names import alike
from ..files.reading import read_embedding, read_embeddings
from ..options import nearest
from ..port.session import Session
from .syntax import Name, Text, Token, unparse

KeyRows = dict[str, Tensor]
"""Key in an embedding file → (k, width) fp32 on the CPU, k the same for every key."""


class Sources:
    """Looks names up, in this order: `files` by name or term, a path, the names in `folders`.

    `session` lends the vocabulary, if there is a model. Without `paths` no name is taken for a
    path: for expressions that come over a network.
    """

    def __init__(
        self,
        files: Sequence[Path] = (),
        folders: Sequence[Path] = (),
        session: Session | None = None,
        *,
        paths: bool = True,
    ) -> None:
        self._folders, self._session, self._paths = folders, session, paths
        self._listed = _by_name(files)
        self.used: list[Embedding] = []
        """The embeddings that were asked for, in that order."""

    def vectors_of(self, leaf: Text | Name | Token) -> KeyRows:
        """The vectors that a leaf stands for.

        Raises ConfigError for words without a model, EmbeddingError for an unknown name, a bad
        file or half of a character, ConfigError for a token that the vocabulary does not have.
        """
        if isinstance(leaf, Name):
            embedding = self.embedding(leaf.name)
            self.used.append(embedding)
            return file_keys(embedding.vectors)
        if self._session is None:
            raise ConfigError(
                f"there is no model to look {unparse(leaf)} up in",
                "the vectors of words are in a model's vocabulary",
                f"give {setting('pretrained_model_name_or_path')}; names have no quotes",
            )
        if isinstance(leaf, Text) and re.search("[\ud800-\udfff]", leaf.text):
            why = "it contains an incomplete Unicode character or a byte that is not UTF-8"
            raise EmbeddingError(f"{leaf.text!r} has no tokens", why, "write it again")
        if isinstance(leaf, Text):
            rows = self._session.token_embeddings_of(leaf.text)
        else:
            rows = self._session.token_embeddings_at([leaf.number])
        return file_keys({key: value.cpu() for key, value in rows.items()})

    def embedding(self, name: str) -> Embedding:
        """The embedding of that name. Raises EmbeddingError if there is none."""
        if alike(name) in self._listed:
            return self._listed[alike(name)]
        if self._paths and Path(name).is_file():
            return read_embedding(Path(name))
        entry = self._library.find(name)
        if entry is None:
            raise EmbeddingError(f"there is no embedding {name!r}", "", self._advice(name))
        return read_embedding(entry.path, entry.term or None)

    def names(self) -> list[str]:
        """Every name that can be used."""
        return [*(e.name for e in self._listed.values()), *(e.name for e in self._library.entries)]

    @cached_property
    def _library(self) -> Library:
        library = Library(self._folders)
        library.refresh()
        return library

    def _advice(self, name: str) -> str:
        parts = [part for part in name.split("-") if part]
        if len(parts) > 1 and any(map(self._has, parts)):
            return "a difference is written with spaces: a - b"
        if not self._folders and not self._listed:
            return f"name the file, or its folder as {setting('embeddings_dir')}"
        return nearest(name, self.names()) or "put words of the model in 'quotes'"

    def _has(self, name: str) -> bool:
        return alike(name) in map(alike, self.names())


def _by_name(files: Sequence[Path]) -> dict[str, Embedding]:
    """Name as `alike` spells it → embedding, for every term in every file."""
    found: dict[str, Embedding] = {}
    for path in files:
        for embedding in read_embeddings(path):
            if alike(embedding.name) in found:
                raise EmbeddingError(
                    f"two embeddings are called {embedding.name}", "", "rename one"
                )
            found[alike(embedding.name)] = embedding
    return found
