"""One checkpoint, one seed, any host: the same losses.

The stand-ins of web UIs have the same networks, so that one "checkpoint" can be loaded by each;
A1111's second text encoder of SDXL is of another kind. ComfyUI and `ti train` read real layouts:
their curves are compared on files, in `tests/real_hosts` and `tests/comfy/host/test_real.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ti_core.train.events import StepDone
from ti_core.train.loop import train

from ..train import hypernetwork_runs
from ..train.spoiled import Log
from .hosts import HOSTS, Subject

STEPS = 20
SAME = {
    "sd1": ("forge-sd1", "a1111-sd1", "forge_neo-sd1", "forge_neo-sd1-autumn", "reforge-sd1"),
    "sdxl": ("forge-sdxl", "forge_neo-sdxl", "reforge-sdxl"),
}
pytestmark = pytest.mark.skipif(
    "WEBUI_IN_PROCESS" in os.environ, reason="a real program is alone in its process"
)


def _parameters(subject: Subject) -> Iterator[tuple[str, Tensor]]:
    for network in subject.modules():
        yield from network.named_parameters()


def weights(subject: Subject) -> dict[str, Tensor]:
    """Place in the networks, whatever the program calls its wrappers → a parameter."""
    found: dict[str, Tensor] = {}
    for name, tensor in _parameters(subject):
        place = name.replace("wrapped.", "").split("text_model.")[-1].split("diffusion_model.")[-1]
        place = place.removeprefix("first_stage_model.")
        if place.endswith("clip_l.text_projection"):
            continue  # it is not used
        if place.endswith("clip_g.text_projection"):
            place, tensor = "clip_g.transformer.text_projection.weight", tensor.T
        found[f"{place} {sum(key.startswith(place) for key in found)}"] = tensor
    return found


@torch.inference_mode()
def load(found: dict[str, Tensor], subject: Subject) -> None:
    """As if its program had read them from a file."""
    there = weights(subject)
    assert there.keys() == found.keys()
    for place, tensor in there.items():
        tensor.copy_(found[place])


def losses(subject: Subject, folder: Path, pictures: Path) -> list[float]:
    """Of a hypernetwork's first steps on this host."""
    log = Log()
    changes = {"max_train_steps": STEPS, "resolution": (64, 64), "activation_func": "swish"}
    train(hypernetwork_runs.config(folder, pictures, **changes), subject.host, log)
    return [event.loss for event in log.of(StepDone)]


@pytest.mark.parametrize("family", SAME)
def test_the_first_losses_of_a_hypernetwork_are_those_of_every_other_host(
    family: str, pictures: Path, tmp_path: Path
) -> None:
    curves, checkpoint = {}, dict[str, Tensor]()
    for name in SAME[family]:
        subject = HOSTS[name](tmp_path / name)
        checkpoint = checkpoint or {key: each.clone() for key, each in weights(subject).items()}
        load(checkpoint, subject)
        curves[name] = losses(subject, tmp_path / name, pictures)
    first = curves.pop(SAME[family][0])
    assert len(first) == len(set(first)) == STEPS
    for name, curve in curves.items():
        assert curve == pytest.approx(first, rel=1e-4), name
