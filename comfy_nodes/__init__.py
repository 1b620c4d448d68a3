"""ComfyUI: nodes that lend the loaded MODEL, CLIP and VAE to the core. They hold no training."""
