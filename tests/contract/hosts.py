"""The hosts that the contract is proved for. A new host joins by one more entry in `HOSTS`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from ti_core.families import FAMILIES
from ti_core.hosts.fake import NOISE, FakeHost
from ti_core.port.session import Host

from ..toys.flow import TOY_FLOW, RectifiedFlow


@dataclass(frozen=True)
class Subject:
    """A host under test."""

    host: Host
    modules: Callable[[], Sequence[nn.Module]]
    """The networks that must be given back as they were found."""
    computes: Callable[[], Sequence[nn.Module]] | None = None
    """Those that a session computes with, where they are others."""
    skips_layers: bool = True
    """Whether its text encoders have layers that clip skip can leave out."""
    no_emphasis: tuple[str, ...] = ()
    """What other programs read as emphasis, and this one takes literally."""
    keeps_objects: bool = True
    """Whether its weights stay the same tensors; patched ones are made anew at each load."""
    copes_with_full_memory: bool = False
    """Whether it goes on in another way (in tiles) where memory is too small."""


def fake(family: Any, prediction: Any = "epsilon") -> Callable[[Path], Subject]:
    """The fake host of `ti_core`."""

    def open_(folder: Path) -> Subject:
        host = FakeHost(folder, FAMILIES[family], replace(NOISE, prediction=prediction))
        return Subject(host, lambda: [host.model], skips_layers=False)

    return open_


def toy_flow(folder: Path) -> Subject:
    """The fake host with a flow-matching family, other channels and another stride."""
    host = FakeHost(folder, TOY_FLOW, RectifiedFlow(3.0))
    return Subject(host, lambda: [host.model], skips_layers=False)


def diffusers(family: Any, **changes: Any) -> Callable[[Path], Subject]:
    """The standalone host with a tiny checkpoint of random weights."""

    def open_(folder: Path) -> Subject:
        pytest.importorskip("diffusers")
        pytest.importorskip("transformers")
        from tests.checkpoints import tiny, write_single_file
        from ti_core.hosts.standalone.host import DiffusersHost

        path = write_single_file(folder / "model.safetensors", tiny(family), **changes)
        host = DiffusersHost.open(path, device="cpu", embeddings_dir=folder)
        return Subject(host, host.model.networks)

    return open_


def comfyui(kind: Any, lora: bool = False) -> Callable[[Path], Subject]:
    """ComfyUI's host: over the stand-in, or over the real program (see tests/comfy/program.py)."""

    def open_(folder: Path) -> Subject:
        from tests.comfy.pack import pack_module
        from tests.comfy.program import load, use, with_lora

        loaded = load(kind, folder)
        lent = use(with_lora(loaded) if lora else loaded)
        ComfyHost = pack_module("comfy_nodes.host.host").ComfyHost  # noqa: N806
        host = ComfyHost(lent.model, lent.clip, lent.vae, embeddings_dir=folder)
        at_rest = pack_module("comfy_nodes.host.dynamic").at_rest
        moving = (lent.model, lent.clip.patcher, lent.vae.patcher)
        return Subject(
            host,
            lent.networks,
            lambda: [at_rest(patcher).model for patcher in moving[:2]] + [moving[2].model],
            no_emphasis=("[", "BREAK"),
            keeps_objects=not lora,
            copes_with_full_memory=True,
        )

    return open_


def a1111(kind: Any) -> Callable[[Path], Subject]:
    """AUTOMATIC1111's host over the stand-in."""

    def open_(folder: Path) -> Subject:
        from tests.webui.program import load

        model = load(kind, folder)
        from ti_webui.hosts.a1111.host import A1111Host

        return Subject(A1111Host(), lambda: [model])

    return open_


def forge(kind: Any) -> Callable[[Path], Subject]:
    """Forge's host over the stand-in."""

    def open_(folder: Path) -> Subject:
        from tests.webui.program import load_forge, networks_of_forge

        model = load_forge(kind, folder)
        from ti_webui.hosts.forge.host import ForgeHost

        return Subject(ForgeHost(), lambda: networks_of_forge(model))

    return open_


def forge_neo(kind: Any, engine: Any = "") -> Callable[[Path], Subject]:
    """Forge Neo's host over the stand-in."""

    def open_(folder: Path) -> Subject:
        from tests.webui.program import load_forge_neo, networks_of_forge

        model = load_forge_neo(kind, folder, engine=engine)
        from ti_webui.hosts.forge_neo.host import ForgeNeoHost

        return Subject(ForgeNeoHost(), lambda: networks_of_forge(model))

    return open_


def reforge(kind: Any) -> Callable[[Path], Subject]:
    """reForge's host over the stand-in."""

    def open_(folder: Path) -> Subject:
        from tests.webui.program import load_reforge, networks_of_forge

        model = load_reforge(kind, folder)
        from ti_webui.hosts.reforge.host import ReforgeHost

        return Subject(ReforgeHost(), lambda: networks_of_forge(model))

    return open_


HOSTS: dict[str, Callable[[Path], Subject]] = {
    "fake-sd1": fake("sd1"),
    "fake-sd2-v": fake("sd2", "v_prediction"),
    "fake-sdxl": fake("sdxl"),
    "fake-toy-flow": toy_flow,
    "diffusers-sd1": diffusers("sd1"),
    "diffusers-sd2-v": diffusers("sd2", v_yaml=True),
    "diffusers-sdxl": diffusers("sdxl"),
    "a1111-sd1": a1111("sd1"),
    "a1111-sd1-inpaint": a1111("sd1-inpaint"),
    "a1111-sd2": a1111("sd2"),
    "a1111-sd2-v": a1111("sd2-v"),
    "a1111-sdxl": a1111("sdxl"),
    "forge-sd1": forge("sd1"),
    "forge-sd1-inpaint": forge("sd1-inpaint"),
    "forge-sd2-v": forge("sd2-v"),
    "forge-sdxl": forge("sdxl"),
    "forge_neo-sd1": forge_neo("sd1"),
    "forge_neo-sd1-autumn": forge_neo("sd1", "-autumn"),
    "forge_neo-sdxl": forge_neo("sdxl"),
    "forge_neo-sdxl-zsnr": forge_neo("sdxl-zsnr", "-autumn"),
    "reforge-sd1": reforge("sd1"),
    "reforge-sd1-inpaint": reforge("sd1-inpaint"),
    "reforge-sd2-v": reforge("sd2-v"),
    "reforge-sdxl": reforge("sdxl"),
    "comfyui-sd1": comfyui("sd1"),
    "comfyui-sd1-lora": comfyui("sd1", lora=True),
    "comfyui-sd1-inpaint": comfyui("sd1-inpaint"),
    "comfyui-sd2-v": comfyui("sd2-v"),
    "comfyui-sdxl": comfyui("sdxl"),
}
VARIANTS = frozenset(
    "diffusers-sd2-v a1111-sd1-inpaint a1111-sd2 forge-sd1-inpaint forge-sd2-v "
    "forge_neo-sd1-autumn forge_neo-sdxl reforge-sd1 reforge-sd2-v comfyui-sd2-v".split()
)
"""Kinds of models that other entries of the same program, and other programs, are near to: over the
stand-ins they are slow tests."""
if os.environ.get("WEBUI_IN_PROCESS") == "forge_neo":
    for kind in ("sd1-inpaint", "sd1-half", "sdxl-fp8"):
        HOSTS[f"forge_neo-{kind}"] = forge_neo(kind)


REAL = bool({"COMFYUI_IN_PROCESS", "WEBUI_IN_PROCESS"} & os.environ.keys())
"""Over real programs nothing is slow."""
USUAL = [name for name in HOSTS if REAL or name not in VARIANTS]


def hosts() -> Iterator[Any]:
    """The names of `HOSTS` as parameters."""
    for name in HOSTS:
        yield name if name in USUAL else pytest.param(name, marks=pytest.mark.slow)


def meet(name: str, number: int, of: int) -> bool:
    """Whether a host takes this one of so many cases by default: each host has one of them, and
    each case some of the hosts."""
    return REAL or (name in USUAL and (USUAL.index(name) - number) % of == 0)
