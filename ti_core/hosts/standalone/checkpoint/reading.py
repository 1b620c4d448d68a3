"""A checkpoint file → its tensors by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from ....errors import CheckpointError, FileError, UnsafeFileError
from ....files.safetensors_directory import read_header
from ....files.torch_pickle import read_torch_file

_PICKLES = (".ckpt", ".pt", ".pth", ".bin")
_FIX = "copy or download the file again"


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint file, in the dtype that it is stored in.

    The tensors may lie in the mapped file: copy what is kept.

    Raises:
        UnsafeFileError: a pickle that asks for code to be run, or lies about its sizes.
        CheckpointError: the file is missing, damaged, or of an unknown format.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}", "", "check the path")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path.name} is empty", "", _FIX)
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    if path.suffix.lower() in _PICKLES:
        return _read_pickle(path)
    raise CheckpointError(
        f"{path.name} cannot be opened",
        f"'{path.suffix}' is not a checkpoint format",
        "give a .safetensors or .ckpt file, or a diffusers folder",
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        read_header(path)  # its messages say more than the library's
        return load_file(path)
    except FileError as error:
        raise CheckpointError(error.what, error.why, error.fix) from error
    except Exception as error:  # the library has no common base for its errors
        raise CheckpointError(f"{path.name} is damaged", str(error), _FIX) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = read_torch_file(path, map_memory=True)
    except UnsafeFileError:
        raise
    except FileError as error:
        raise CheckpointError(error.what, error.why, error.fix or _FIX) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path.name} is not a checkpoint", "it holds no table of tensors")
    return dict(_tensors(state))


def _tensors(state: Mapping[object, object]) -> Iterator[tuple[str, Tensor]]:
    for key, value in state.items():
        if isinstance(key, str) and isinstance(value, Tensor):
            yield key, value
