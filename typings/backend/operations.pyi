"""Of Forge Neo."""

from torch import Tensor, nn

def fp8_linear(self: nn.Linear, input: Tensor) -> Tensor | None: ...
