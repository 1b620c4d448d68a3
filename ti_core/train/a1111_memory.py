"""What A1111 keeps of its optimizer beside an embedding: `NAME.pt.optim`, if its user wants so.

`{"hash": checksum of the vectors, "optimizer_state_dict": that of torch's AdamW}`; A1111 uses it
where the checksum is that of the file, and so do we.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..errors import FileError
from ..files.checksum import vector_checksum
from ..files.embedding import Embedding
from ..files.torch_pickle import read_torch_file
from .optimizer_memory import OptimizerValue, require_fitting

OPTIMIZER = "AdamW"
"""The only one that A1111 has."""


def memory_beside(
    path: Path, embedding: Embedding, rows: Mapping[str, Tensor]
) -> dict[str, OptimizerValue]:
    """The memory, as `OptimizerMemory` names it, that belongs to exactly these vectors; empty where
    there is none, or it is damaged. Nothing in the file is executed."""
    beside = path.with_name(f"{path.name}.optim")
    if not beside.is_file() or len(rows) != 1:
        return {}
    try:
        found = _memory(read_torch_file(beside), vector_checksum(embedding))
        require_fitting(OPTIMIZER, rows, found, beside)
    except FileError:
        return {}
    return found


def _memory(content: object, checksum: str) -> dict[str, OptimizerValue]:
    if not isinstance(content, dict) or content.get("hash") != checksum:
        return {}
    state = content.get("optimizer_state_dict")
    of_all = state.get("state") if isinstance(state, dict) else None
    first = of_all.get(0) if isinstance(of_all, dict) else None
    return {f"0.{name}": value for name, value in first.items()} if isinstance(first, dict) else {}
