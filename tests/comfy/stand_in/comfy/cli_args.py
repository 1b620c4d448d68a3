"""ComfyUI's command line, as it is without options."""

from types import SimpleNamespace

args = SimpleNamespace(listen="127.0.0.1", enable_cors_header=None)
