from modules.sd_models import CheckpointInfo

from ..patcher.clip import CLIP
from ..patcher.unet import UnetPatcher
from ..patcher.vae import VAE

class ForgeObjects:
    unet: UnetPatcher
    clip: CLIP
    vae: VAE

class ForgeDiffusionEngine:
    """Forge's checkpoint. Those of SD 1 and 2 have a `text_processing_engine`, those of SDXL
    `text_processing_engine_l` and `_g`."""

    forge_objects_original: ForgeObjects
    sd_checkpoint_info: CheckpointInfo
