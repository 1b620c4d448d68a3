from collections.abc import Mapping

from .processing import StableDiffusionProcessing

def activate(p: StableDiffusionProcessing, extra_network_data: Mapping[str, object]) -> None: ...
