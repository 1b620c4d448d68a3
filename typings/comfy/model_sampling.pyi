from torch import Tensor, nn

class ModelSamplingDiscrete(nn.Module):
    """With EPS, V_PREDICTION or another kind of prediction mixed in."""

    sigmas: Tensor
    """(T,)"""

    def timestep(self, sigma: Tensor) -> Tensor: ...
    def calculate_denoised(
        self, sigma: Tensor, model_output: Tensor, model_input: Tensor
    ) -> Tensor: ...
