"""ComfyUI's door: it imports the repository's root as a package and asks for nodes.

Other programs import this file by chance (pytest, A1111's scanners); for them it is empty.
"""

from importlib.util import find_spec

if __package__ and find_spec("comfy_api") is not None and find_spec("folder_paths") is not None:
    from .comfy_nodes.extension import comfy_entrypoint as comfy_entrypoint

    WEB_DIRECTORY = "./web"
