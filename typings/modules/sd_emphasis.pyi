from torch import Tensor

class Emphasis:
    tokens: list[list[int]]
    multipliers: Tensor
    z: Tensor

    def after_transformers(self) -> None: ...

def get_current_option(emphasis_option_name: str) -> type[Emphasis]: ...
