from collections.abc import Callable

from torch import Tensor

attention_pytorch: Callable[..., Tensor]
