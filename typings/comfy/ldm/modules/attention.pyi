from torch import Tensor

def attention_pytorch(
    q: Tensor, k: Tensor, v: Tensor, heads: int, *args: object, **kwargs: object
) -> Tensor: ...
