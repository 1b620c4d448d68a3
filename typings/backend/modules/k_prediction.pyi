from typing import Literal

from torch import Tensor, nn

class AbstractPrediction(nn.Module):
    prediction_type: Literal["epsilon", "const", "v_prediction", "edm"]

class Prediction(AbstractPrediction):
    sigmas: Tensor

def rescale_zero_terminal_snr_sigmas(sigmas: Tensor) -> Tensor: ...
