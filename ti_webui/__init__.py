"""The web panel: pure gradio, for AUTOMATIC1111, Forge, reForge, and alone as `ti ui`."""
