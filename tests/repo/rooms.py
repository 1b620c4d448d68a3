"""Who may import whom: the one table behind `docs/architecture.md` and `test_import_rules.py`.

A room is a package or a module; a file belongs to the room with the longest name that it starts
with. Nothing may be imported that is not listed here.
"""

from __future__ import annotations

GROUND = (
    *("ti_core.errors", "ti_core.options", "ti_core.events", "ti_core.randomness"),
    *("ti_core.families", "ti_core.diffusion", "ti_core.schedule", "ti_core.paths"),
    "ti_core.likeness",
)
"""What everything else stands on."""


def _core(*names: str) -> tuple[str, ...]:
    return tuple(f"ti_core.{name}" for name in names)


MODEL_FREE = (
    *GROUND,
    *_core("port", "files", "prompts", "hypernetworks", "data", "checkup"),
    *_core("train", "foreign", "compare", "tools", "web"),
)
"""The core without hosts."""

ROOMS: dict[str, tuple[str, ...]] = {
    "ti_core": (),
    "ti_core.__main__": _core("cli"),
    "ti_core.errors": (),
    "ti_core.paths": _core("errors"),
    "ti_core.likeness": (),
    "ti_core.options": _core("errors", "paths", "likeness"),
    "ti_core.events": _core("errors"),
    "ti_core.randomness": (),
    "ti_core.families": _core("errors"),
    "ti_core.diffusion": _core("errors", "randomness"),
    "ti_core.schedule": _core("errors"),
    "ti_core.web": _core("errors"),
    "ti_core.port": GROUND,
    "ti_core.files": ("ti_core", *GROUND, *_core("port")),
    "ti_core.prompts": (*GROUND, *_core("port", "files")),
    "ti_core.hypernetworks": (*GROUND, *_core("port", "files")),
    "ti_core.data": ("ti_core", *GROUND, *_core("port", "files")),
    "ti_core.checkup": (*GROUND, *_core("port", "files", "data")),
    "ti_core.train": (
        "ti_core",
        *GROUND,
        *_core("port", "files", "prompts", "hypernetworks", "data", "checkup", "tools"),
    ),
    "ti_core.foreign": (*GROUND, *_core("port", "files", "data", "train")),
    "ti_core.tools": (*GROUND, *_core("port", "files")),
    "ti_core.compare": (
        *GROUND,
        *_core("port", "files", "prompts", "hypernetworks", "data", "train", "tools"),
    ),
    "ti_core.hosts": (*GROUND, *_core("port", "hosts.common")),
    "ti_core.hosts.common": (*GROUND, *_core("port", "data")),
    "ti_core.hosts.standalone": (*GROUND, *_core("port", "files", "hosts.common")),
    "ti_core.demo": (*MODEL_FREE, *_core("hosts.standalone")),
    "ti_core.cli": ("ti_core", *MODEL_FREE, *_core("hosts.standalone", "demo")),
    "ti_webui": ("ti_core", *MODEL_FREE, "ti_webui.hosts.choose"),
    "ti_webui.alone": ("ti_core", *MODEL_FREE, *_core("cli", "demo"), "ti_webui"),
    "ti_webui.standalone": (
        "ti_core",
        *MODEL_FREE,
        *_core("cli", "hosts.standalone", "demo"),
        *("ti_webui", "ti_webui.alone"),
    ),
    "ti_webui.hosts": (*GROUND, *_core("port", "hosts.common")),
    "ti_webui.hosts.choose": (
        *_core("errors", "port"),
        "ti_webui.hosts.a1111",
        "ti_webui.hosts.forge",
        "ti_webui.hosts.forge_neo",
        "ti_webui.hosts.reforge",
    ),
    "ti_webui.hosts.a1111": (*GROUND, *_core("port", "hosts.common"), "ti_webui.hosts"),
    "ti_webui.hosts.forge": (*GROUND, *_core("port", "hosts.common"), "ti_webui.hosts"),
    "ti_webui.hosts.forge_neo": (
        *GROUND,
        *_core("port", "hosts.common"),
        "ti_webui.hosts",
        "ti_webui.hosts.forge",
    ),
    "ti_webui.hosts.reforge": (*GROUND, *_core("port", "hosts.common"), "ti_webui.hosts"),
    "comfy_nodes": ("ti_core", *MODEL_FREE, "comfy_nodes.host"),
    "comfy_nodes.extension": ("comfy_nodes", "comfy_nodes.nodes"),
    "comfy_nodes.nodes": ("ti_core", *MODEL_FREE, "comfy_nodes"),
    "comfy_nodes.host": (*GROUND, *_core("port", "hosts.common")),
    "scripts": ("ti_webui",),
}
"""Room → rooms that it may import from, besides itself."""

WEBUI_HOSTS = (
    "ti_webui.hosts.a1111",
    "ti_webui.hosts.forge",
    "ti_webui.hosts.forge_neo",
    "ti_webui.hosts.reforge",
)
EVERYWHERE = ("ti_core", "ti_webui", "comfy_nodes")

LIBRARIES: dict[str, tuple[str, ...]] = {
    "torch": EVERYWHERE,
    "numpy": EVERYWHERE,
    "PIL": EVERYWHERE,
    "safetensors": ("ti_core.hosts.standalone",),
    "tomli": ("ti_core.files",),
    "cv2": ("ti_core.data.preprocess",),
    "pillow_heif": ("ti_core.files.picture_plugins",),
    "pillow_avif": ("ti_core.files.picture_plugins",),
    "pillow_jxl": ("ti_core.files.picture_plugins",),
    "regex": ("ti_core.data.patterns",),
    "tqdm": ("ti_core.cli",),
    "tensorboard": ("ti_core.train.trackers",),
    "wandb": ("ti_core.train.trackers",),
    "bitsandbytes": ("ti_core.train.optimizers",),
    "prodigyopt": ("ti_core.train.optimizers",),
    "schedulefree": ("ti_core.train.optimizers",),
    "diffusers": ("ti_core.hosts.standalone",),
    "transformers": ("ti_core.hosts.standalone", "ti_core.data.preprocess.captioning"),
    "huggingface_hub": ("ti_core.hosts.standalone",),
    "gradio": ("ti_webui", "not ti_webui.hosts"),
    "fastapi": ("ti_webui.api", "ti_webui.standalone", "ti_webui.webui_extension"),
    "starlette": ("ti_webui.api",),
    "uvicorn": ("ti_webui.standalone",),
    "modules": (
        "ti_webui.hosts",
        "ti_webui.settings",
        "ti_webui.webui_extension",
        "ti_webui.webui_progress",
        "scripts",
    ),
    "modules_forge": ("ti_webui.hosts.forge", "ti_webui.webui_extension"),
    "backend": ("ti_webui.hosts.forge", "ti_webui.hosts.forge_neo"),
    "ldm_patched": ("ti_webui.hosts.reforge",),
    "open_clip": ("ti_webui.hosts.a1111",),
    "comfy": ("comfy_nodes",),
    "comfy_api": ("comfy_nodes",),
    "comfy_extras": ("comfy_nodes",),
    "comfy_execution": ("comfy_nodes",),
    "execution": ("comfy_nodes",),
    "nodes": ("comfy_nodes",),
    "folder_paths": ("comfy_nodes",),
    "server": ("comfy_nodes",),
    "aiohttp": ("comfy_nodes",),
}
"""Package from outside → rooms that may import it, with all below them less those marked "not"."""
COMPUTED_IMPORTS = ("ti_core.cli.main",)
"""Modules that import others by a name which is made at run time: `ti` finds its verbs so."""

WHAT = {
    "ti_core.web": "which requests over HTTP are answered",
    "ti_core.files": "every file format: read, write, cards, library",
    "ti_core.prompts": "which words of a prompt are embeddings, and which only look so",
    "ti_core.hypernetworks": "hypernetworks: what they compute, their files",
    "ti_core.data": "images, captions, templates, datasets, latents",
    "ti_core.checkup": "what is wrong with a dataset and a plan",
    "ti_core.port": "what the trainer asks of a program",
    "ti_core.train": "the training",
    "ti_core.foreign": "settings of other programs, read as ours",
    "ti_core.tools": "finished embeddings: merge, scale, compare, explain",
    "ti_core.compare": "copies of what was learned side by side, and the best of them",
    "ti_core.hosts": "a fake host",
    "ti_core.hosts.common": "what every host of a real model needs",
    "ti_core.hosts.standalone": "checkpoints and diffusers folders without a program around",
    "ti_core.demo": "the demonstration",
    "ti_core.cli": "the command line",
    "ti_webui": "the panel, its jobs and API",
    "ti_webui.alone": "what only `ti ui` has: a model that the page chooses, and its images",
    "ti_webui.standalone": "`ti ui`",
    "ti_webui.hosts": "what the hosts of web UIs share",
    "ti_webui.hosts.choose": "which web UI this is",
    "ti_webui.hosts.a1111": "AUTOMATIC1111's loaded model",
    "ti_webui.hosts.forge": "Forge's",
    "ti_webui.hosts.forge_neo": "Forge Neo's, a fork of Forge",
    "ti_webui.hosts.reforge": "reForge's",
    "comfy_nodes": "what the nodes share",
    "comfy_nodes.nodes": "the nodes",
    "comfy_nodes.host": "ComfyUI's loaded model",
    "comfy_nodes.extension": "the list of nodes",
}
"""The rooms that `docs/architecture.md` shows; the ground is one row there."""


def markdown() -> str:
    """The two tables of `docs/architecture.md`."""
    rows = ["| room | holds | may import |", "|---|---|---|"]
    rows.append(f"| {_names(GROUND)} | the ground | `errors`, and little of each other |")
    for room, what in WHAT.items():
        rows.append(f"| `{room}` | {what} | {_allowed(ROOMS[room])} |")
    rows += ["", "| package from outside | only in |", "|---|---|"]
    rows += [f"| `{name}` | {_names(rooms)} |" for name, rooms in LIBRARIES.items() if rooms]
    return "\n".join(rows)


def _allowed(rooms: tuple[str, ...]) -> str:
    parts = [room for room in rooms if room not in (*GROUND, "ti_core")]
    if set(GROUND) <= set(rooms):
        parts = ["the ground", *parts]
    return ", ".join(part if part == "the ground" else f"`{part}`" for part in parts)


def _names(rooms: tuple[str, ...]) -> str:
    return ", ".join(f"`{room}`" for room in rooms)
