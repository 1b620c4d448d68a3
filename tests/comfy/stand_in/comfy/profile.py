"""Which ComfyUI is stood in for: 0.3.64, or with COMFYUI_STAND_IN=0.33 a newer one.

The newer one has DynamicVRAM at work (weights are brought into one buffer at each call), heeds
Interrupt in every layer, and its interrupt is not an Exception.
"""

import os

NEWER = os.environ.get("COMFYUI_STAND_IN", "0.3.64") == "0.33"
