from ldm_patched.modules.model_patcher import ModelPatcher
from ldm_patched.modules.sd import CLIP, VAE

class ForgeSD:
    """reForge's parts of a checkpoint."""

    unet: ModelPatcher
    clip: CLIP
    vae: VAE
