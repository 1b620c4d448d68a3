from collections.abc import Callable

from torch import Tensor

attention_function: Callable[..., Tensor]
