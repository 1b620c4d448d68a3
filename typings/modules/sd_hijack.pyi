from collections.abc import Mapping

class EmbeddingDatabase:
    embedding_dirs: Mapping[str, object]
    expected_shape: int

    def get_expected_shape(self) -> int: ...
    def load_from_file(self, path: str, filename: str) -> None: ...

class StableDiffusionModelHijack:
    embedding_db: EmbeddingDatabase
    circular_enabled: bool

    def apply_circular(self, enable: bool) -> None: ...

model_hijack: StableDiffusionModelHijack
