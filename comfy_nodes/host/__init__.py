"""ComfyUI's loaded model as a host."""
