"""ComfyUI's door: it imports the repository's root as a package and asks for nodes.

Other programs import this file by chance (pytest, A1111's scanners); for them it is empty.
"""

import sys
from importlib import import_module
from importlib.util import find_spec

if __package__ and find_spec("comfy_api") is not None and find_spec("folder_paths") is not None:
    # ComfyUI calls a package by the path that it lies in, which every error message would tell.
    sys.modules["textual_inversion_studio"] = sys.modules[__name__]
    comfy_entrypoint = import_module(
        "textual_inversion_studio.comfy_nodes.extension"
    ).comfy_entrypoint
    WEB_DIRECTORY = "./web"
