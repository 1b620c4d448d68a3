from torch import nn

from .k_prediction import Prediction

class KModel(nn.Module):
    diffusion_model: nn.Module
    predictor: Prediction
