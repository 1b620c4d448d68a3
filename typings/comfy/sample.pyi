from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from .model_patcher import ModelPatcher

def sample(
    model: ModelPatcher,
    noise: Tensor,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Sequence[tuple[Tensor, Mapping[str, object]]],
    negative: Sequence[tuple[Tensor, Mapping[str, object]]],
    latent_image: Tensor,
    *,
    callback: Callable[[int, Tensor, Tensor, int], None] | None = ...,
    disable_pbar: bool = ...,
    seed: int | None = ...,
) -> Tensor: ...
