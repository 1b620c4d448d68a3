from collections.abc import Mapping
from typing import Any

from torch import Tensor

class CheckpointInfo:
    name_for_extra: str
    sha256: str | None

class SdModelData:
    sd_model: Any
    """Each web UI has a class of its own: WebuiSdModel, ForgeDiffusionEngine; None without one."""
    forge_loading_parameters: Mapping[str, object]
    """Only in Forge."""

model_data: SdModelData

def rescale_zero_terminal_snr_abar(alphas_cumprod: Tensor) -> Tensor: ...
def forge_model_reload() -> object:
    """Only in Forge."""
