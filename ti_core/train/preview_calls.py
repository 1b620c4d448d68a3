"""`<hypernet:name:0.7>` in preview prompts, as A1111 reads it in prompts of images.

A name is that of a file where the host looks for hypernetworks, or of the hypernetwork that is
trained, which is there at full strength where a prompt does not call it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ..hypernetworks.applying import Applied, in_turn
from ..hypernetworks.calls import Call, calls_in, hypernetworks_in, loaded, require_known
from ..port.session import Host, Hypernetwork, PreviewRequest

Trained = Callable[[float], "Hypernetwork | None"]
"""Strength → the hypernetwork that is trained; None where none is."""


@dataclass(frozen=True)
class PreviewCalls:
    """What the prompts of a run's previews call."""

    trained: str = ""
    """Name of the hypernetwork that is trained; "" where none is."""
    prompts: Mapping[str, tuple[str, tuple[Call, ...]]] = field(default_factory=dict)
    """A prompt that calls something → the prompt without that, and the calls in their order."""
    files: Mapping[str, Path] = field(default_factory=dict)

    def read(
        self, request: PreviewRequest, trained: Trained, device: torch.device
    ) -> tuple[PreviewRequest, Hypernetwork | None]:
        """What to draw, and with which hypernetworks.

        Raises HypernetworkError for a file that cannot be used.
        """
        prompt, calls = self.prompts.get(request.prompt, (request.prompt, ()))
        others = loaded((call for call in calls if call.name != self.trained), self.files, device)
        if self.trained not in {call.name for call in calls}:
            calls = (Call(self.trained), *calls)
        found = [
            Applied(others[name].structure, others[name].tensors, multiplier)
            if name in others
            else trained(multiplier)
            for name, multiplier in calls
        ]
        changes = [each for each in found if each is not None]
        return replace(request, prompt=prompt), in_turn(changes) if changes else None


def preview_calls(requests: Sequence[PreviewRequest], trained: str, host: Host) -> PreviewCalls:
    """What these previews call; `trained` as in `PreviewCalls`.

    Raises ConfigError for a name that no one has, and for a strength that is not a number.
    """
    read = {request.prompt: calls_in(request.prompt) for request in requests}
    prompts = {prompt: found for prompt, found in read.items() if found[1]}
    calls = [call for _, found in prompts.values() for call in found if call.name != trained]
    files = hypernetworks_in([], host.hypernetworks_dirs()) if calls else {}
    require_known(calls, files)
    return PreviewCalls(trained, prompts, files)
