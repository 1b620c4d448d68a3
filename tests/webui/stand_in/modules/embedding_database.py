"""A list of embeddings with the methods and habits of A1111's and Forge's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import stand_in_words
from safetensors.torch import load_file


class EmbeddingDatabase:
    """Name → vectors; nothing looks at the disk unless it is told to."""

    def __init__(self, expected_shape: int = -1) -> None:
        self.embedding_dirs: dict[str, Any] = {}
        self.word_embeddings: dict[str, Any] = {}
        self.skipped_embeddings: dict[str, Any] = {}
        self.expected_shape = expected_shape
        self.loads = 0
        self.fixes: Any = None

    def add_embedding_dir(self, path: str) -> None:
        """Another folder."""
        self.embedding_dirs[path] = SimpleNamespace(path=path)

    def get_expected_shape(self) -> int:
        """Width of the vectors that fit."""
        return 16

    def load_from_file(self, path: str, filename: str) -> None:
        """One file."""
        self.loads += 1
        data = load_file(path)
        name = Path(filename).stem
        vec = data if "clip_g" in data else next(iter(data.values()))
        parts = list(vec.values()) if isinstance(vec, dict) else [vec]
        found = SimpleNamespace(name=name, vec=vec, vectors=len(parts[0]))
        found.shape = sum(part.shape[-1] for part in parts)
        fits = self.expected_shape in (-1, found.shape)
        (self.word_embeddings if fits else self.skipped_embeddings)[name] = found

    def load_textual_inversion_embeddings(self, *_: Any, **__: Any) -> None:
        """All files."""
        self.word_embeddings.clear()
        for folder in self.embedding_dirs:
            for path in sorted(Path(folder).rglob("*.safetensors")):
                self.load_from_file(str(path), path.name)

    def find_embedding_at_position(self, tokens: list[int], offset: int) -> tuple[Any, Any]:
        """(embedding, tokens of its name), or (None, None)."""
        for name, embedding in self.word_embeddings.items():
            ids = stand_in_words.encode(name)
            if tokens[offset : offset + len(ids)] == ids:
                return embedding, len(ids)
        return None, None
