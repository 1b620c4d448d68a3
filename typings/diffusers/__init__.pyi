"""diffusers has types of its own, but it imports lazily: mypy would see its dummy classes."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn
from typing_extensions import Self

class ConfigMixin:
    @property
    def config(self) -> Any:
        """A mapping whose keys are attributes, too."""
    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self: ...
    def register_to_config(self, **values: object) -> None: ...
    def save_pretrained(self, save_directory: str | PathLike[str]) -> None: ...

class ModelMixin(ConfigMixin, nn.Module):
    @classmethod
    def from_pretrained(
        cls, path: str | PathLike[str], *, torch_dtype: torch.dtype = ...
    ) -> Self: ...

class UNet2DConditionModel(ModelMixin):
    def __init__(self, **config: Any) -> None: ...

class _Posterior:
    """DiagonalGaussianDistribution."""

    mean: Tensor
    std: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = ...) -> Tensor: ...

class _Encoded:
    latent_dist: _Posterior

class _Decoded:
    sample: Tensor

class AutoencoderKL(ModelMixin):
    def __init__(self, **config: Any) -> None: ...
    def encode(self, x: Tensor) -> _Encoded: ...
    def decode(self, z: Tensor) -> _Decoded: ...

class _Stepped:
    prev_sample: Tensor

class SchedulerMixin(ConfigMixin):
    alphas_cumprod: Tensor
    timesteps: Tensor
    init_noise_sigma: float

    def __init__(self, **config: Any) -> None: ...
    def set_timesteps(self, num_inference_steps: int, device: torch.device = ...) -> None: ...
    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor: ...
    def step(
        self,
        model_output: Tensor,
        timestep: Tensor,
        sample: Tensor,
        *,
        generator: torch.Generator | None = ...,
    ) -> _Stepped: ...

class DDIMScheduler(SchedulerMixin): ...

class _Pictures:
    images: list[Image.Image]

class StableDiffusionPipeline:
    def __init__(self, **parts: object) -> None: ...
    @classmethod
    def from_pretrained(
        cls, path: str | PathLike[str], *, torch_dtype: torch.dtype = ...
    ) -> Self: ...
    def set_progress_bar_config(self, *, disable: bool) -> None: ...
    def __call__(
        self,
        prompt: str | Sequence[str],
        *,
        negative_prompt: str = ...,
        width: int,
        height: int,
        num_inference_steps: int,
        guidance_scale: float,
        generator: torch.Generator | Sequence[torch.Generator],
    ) -> _Pictures: ...

class StableDiffusionXLPipeline:
    def __init__(self, **parts: object) -> None: ...
    def encode_prompt(
        self, prompt: str, *, device: str, do_classifier_free_guidance: Literal[False]
    ) -> tuple[Tensor, None, Tensor, None]: ...
