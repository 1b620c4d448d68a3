"""What A1111 keeps of its optimizer beside a hypernetwork: `NAME.pt.optim`, if its user wants so.

`{"optimizer_name": "AdamW", "hash": first 10 digits of the SHA-256 of NAME.pt,
"optimizer_state_dict": torch's}`; A1111 uses it where the hash is that of the file, and so do we.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..files import torch_zip
from ..files.torch_pickle import read_torch_file
from ..hypernetworks.hypernetwork import Hypernetwork
from .a1111_memory import OPTIMIZER
from .optimizer_arguments import Argument
from .optimizer_memory import OptimizerValue, require_fitting
from .state import TrainState

MEMORY = ".optim"
"""What A1111 adds to the name of the file."""
_DIGITS = 10
_SWITCHES = {
    **dict.fromkeys(("amsgrad", "maximize", "capturable", "differentiable"), False),
    **dict.fromkeys(("foreach", "fused"), None),
}
"""torch's AdamW has these in its groups; none is used."""


def memory_beside(path: Path, digest: str, found: Hypernetwork) -> dict[str, OptimizerValue]:
    """The memory of an AdamW, as `OptimizerMemory` names it, that belongs to exactly this file,
    whose SHA-256 is `digest`; empty where there is none, or it is damaged. Nothing is executed."""
    beside = path.with_name(f"{path.name}{MEMORY}")
    if not beside.is_file():
        return {}
    try:
        memory = _memory(read_torch_file(beside, map_memory=True), digest, found)
        require_fitting(OPTIMIZER, found.tensors, memory, beside)
    except FileError:
        return {}
    return memory


def _memory(content: object, digest: str, found: Hypernetwork) -> dict[str, OptimizerValue]:
    if not isinstance(content, dict) or content.get("hash") != digest[:_DIGITS]:
        return {}
    if content.get("optimizer_name", OPTIMIZER) != OPTIMIZER:
        return {}
    state = content.get("optimizer_state_dict")
    of_all = state.get("state") if isinstance(state, dict) else None
    # A1111 numbers them as the file has them, we by their names
    ours = {name: number for number, name in enumerate(sorted(found.tensors))}
    memory: dict[str, OptimizerValue] = {}
    for number, name in enumerate(found.tensors):
        values = of_all.get(number) if isinstance(of_all, dict) else None
        for key, value in (values if isinstance(values, dict) else {}).items():
            memory[f"{ours[name]}.{key}"] = value
    return memory


def memory_file(
    content: bytes, names: Sequence[str], state: TrainState, arguments: Mapping[str, Argument]
) -> bytes:
    """A1111's file beside a hypernetwork of this `content`, whose tensors have these `names`, in
    order; `arguments` are the optimizer's. Empty where the state remembers no AdamW."""
    if state.optimizer != OPTIMIZER or not state.moments:
        return b""
    ours = {name: number for number, name in enumerate(sorted(names))}
    values: dict[int, dict[str, Any]] = {}
    for number, name in enumerate(names):
        start = f"{ours[name]}."
        values[number] = {
            key.removeprefix(start): value
            for key, value in sorted(state.moments.items())  # a resumed run has another order
            if key.startswith(start)
        }
    group = {"lr": 0.0, **arguments, **_SWITCHES, "params": list(range(len(names)))}
    made: dict[str, Any] = {
        "optimizer_name": OPTIMIZER,
        "hash": hashlib.sha256(content).hexdigest()[:_DIGITS],
        "optimizer_state_dict": {"state": values, "param_groups": [group]},
    }
    return torch_zip.to_bytes(made)
