from torch import Tensor, nn

class EPS:
    """The base of all kinds of prediction that are mixed into a model sampling."""

class ModelSamplingDiscrete(nn.Module):
    sigmas: Tensor
