"""What our nodes need of ComfyUI beside a model: its API of nodes, folders, server and bar.

The names of `comfy` itself come from the program that `program.start` makes importable; what that
one does not have is added here.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.comfy import program as model_program
from tests.comfy.pack import NAME, pack_module

folders: dict[str, Path] = {}
"""input, output, temp, embeddings: set by the fixture `comfy`."""
shown: list[str] = []
"""Texts that nodes sent to the browser."""
sent: list[tuple[str, Any]] = []
"""(kind, data) of other messages to the browser."""
bars: list[tuple[int, int, bool]] = []
"""(value, total, with a picture) of every advance of a bar."""


class InterruptError(BaseException if model_program.NEWER else Exception):  # type: ignore[misc]
    """ComfyUI's exception of that name; newer ones pass by `except Exception`."""


@dataclass(frozen=True)
class Blocker:
    """ComfyUI's ExecutionBlocker: nodes behind it do not run, and tell its message."""

    message: str | None


class Flag:
    """Whether Interrupt was pressed."""

    pressed = False


# --- comfy_api.latest.io ----------------------------------------------------------------------


class Input:
    """Any input; what is not given is None."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        default: Any = None,
        options: list[str] | None = None,
        min: float | None = None,
        max: float | None = None,
        step: float | None = None,
        round: float | None = None,
        multiline: bool = False,
        placeholder: str | None = None,
        dynamic_prompts: bool | None = None,
        force_input: bool | None = None,
        control_after_generate: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        self.__dict__.update(
            {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        )


class Output:
    """Any output."""

    def __init__(
        self, display_name: str = "", tooltip: str | None = None, is_output_list: bool = False
    ) -> None:
        self.display_name, self.tooltip, self.is_output_list = display_name, tooltip, is_output_list


def custom(io_type: str) -> Any:
    """A type of socket."""
    made = {"io_type": io_type}
    return SimpleNamespace(
        Input=type("Input", (Input,), made), Output=type("Output", (Output,), made), **made
    )


@dataclass
class Schema:
    """As in ComfyUI, with what newer versions know."""

    node_id: str
    display_name: str
    category: str
    description: str
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    hidden: list[Any] = field(default_factory=list)
    is_input_list: bool = False
    is_output_node: bool = False
    search_aliases: list[str] = field(default_factory=list)


class ComfyNode:
    """Nodes derive from it."""

    hidden = SimpleNamespace(unique_id="7", prompt={}, extra_pnginfo=None)


class NodeOutput:
    """What a node gives; a `ui` that is not strict JSON would break browsers."""

    def __init__(self, *args: Any, ui: dict[str, Any] | None = None) -> None:
        self.args, self.ui = args, ui
        json.dumps(ui, allow_nan=False)


class ProgressBar:
    """ComfyUI's; raises when Interrupt was pressed, and forgets that it was."""

    def __init__(self, total: int, node_id: str | None = None) -> None:
        self.total, self.value = total, 0

    def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
        """Advance."""
        throw_if_interrupted()
        self.value = value
        bars.append((value, total or self.total, preview is not None))

    def update(self, value: int) -> None:
        """Advance by so much."""
        self.update_absolute(self.value + value)


def press(value: bool = True) -> None:
    """Press Interrupt, or take it back."""
    Flag.pressed = value


def throw_if_interrupted() -> None:
    """As ComfyUI does."""
    if Flag.pressed:
        Flag.pressed = False
        raise InterruptError


@cache
def start() -> None:
    """Make everything importable, once; fakes stay for the rest of the process."""
    with suppress(ImportError):
        model_program.start()
    io = {name: custom(name.upper()) for name in _SOCKETS} | {
        "Custom": custom,
        "Schema": Schema,
        "ComfyNode": ComfyNode,
        "NodeOutput": NodeOutput,
        "Hidden": SimpleNamespace(unique_id="UNIQUE_ID", prompt="PROMPT"),
    }
    _module("comfy")
    manager = {
        "InterruptProcessingException": InterruptError,
        "interrupt_current_processing": press,
        "processing_interrupted": lambda: Flag.pressed,
        "throw_exception_if_processing_interrupted": throw_if_interrupted,
        "get_free_memory": lambda: 8 * 2**30,
    }
    _module("comfy.model_management", **manager)
    _module("comfy.utils", ProgressBar=ProgressBar)
    _module("comfy_api")
    _module("comfy_api.latest", io=SimpleNamespace(**io), ComfyExtension=object)
    _module("comfy_execution")
    _module("comfy_execution.graph_utils", ExecutionBlocker=Blocker)
    _module(
        "folder_paths",
        base_path="/opt/ComfyUI",
        models_dir="/opt/ComfyUI/models",
        get_input_directory=lambda: str(folders["input"]),
        get_output_directory=lambda: str(folders["output"]),
        get_temp_directory=lambda: str(folders["temp"]),
        get_user_directory=lambda: str(folders["user"]),
        get_folder_paths=lambda kind: [str(folders[kind])],
    )
    server = SimpleNamespace(
        client_id="me",
        routes=SimpleNamespace(get=lambda path: lambda f: f, post=lambda path: lambda f: f),
        send_progress_text=lambda text, node, sid: shown.append(text),
        send_sync=lambda event, data, sid: sent.append((event, json.loads(json.dumps(data)))),
    )
    _module("server", PromptServer=SimpleNamespace(instance=server))
    web = SimpleNamespace(json_response=lambda value, status=200: (status, value))
    _module("aiohttp", web=SimpleNamespace(**vars(web), Request=object, Response=SimpleNamespace))


_SOCKETS = "Model Clip Vae Image Conditioning Int Float String Boolean Combo".split()


def _module(name: str, **content: Any) -> None:
    """A module with at least this in it; our answers replace those of another stand-in."""
    try:
        module = import_module(name)
    except ImportError:
        module = sys.modules[name] = module_from_spec(ModuleSpec(name, None))
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    for key, value in content.items():
        setattr(module, key, value)


def nodes(name: str) -> ModuleType:
    """A module of `comfy_nodes`."""
    start()
    return pack_module(f"comfy_nodes.{name}")


def every_node() -> dict[str, Any]:
    """Id → node class."""
    return {node.define_schema().node_id: node for node in nodes("extension").NODES}


HOST_MODULE = f"{NAME}.comfy_nodes.host.host"
