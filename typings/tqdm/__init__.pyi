from typing import TextIO

class tqdm:
    n: int
    disable: bool

    def __init__(
        self,
        *,
        initial: int = ...,
        total: int = ...,
        unit: str = ...,
        file: TextIO = ...,
        dynamic_ncols: bool = ...,
    ) -> None: ...
    def update(self, n: int) -> object: ...
    def set_postfix_str(self, s: str, refresh: bool = ...) -> None: ...
    def write(self, s: str, file: TextIO = ...) -> None: ...
    def close(self) -> None: ...
