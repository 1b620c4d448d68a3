"""The web panel: pure gradio, for AUTOMATIC1111 and its forks, and alone as `ti ui`."""
