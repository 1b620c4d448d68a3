"""What SD.Next and InvokeAI make of our files: their rules, restated, as oracles.

SD.Next (`modules/textual_inversion.py`, 0310dc8f) looks at the widths of tables and at no key.
InvokeAI (`backend/model_manager/configs/textual_inversion.py`, 9faffe93, and, beside that folder,
`textual_inversion.py`, 1d449097) takes the first number of a shape for the width where it knows no
key.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from ti_core.files.embedding import Embedding
from ti_core.files.formats import FORMATS
from ti_core.files.writing import write_embedding

SIZES = {"sd1": {"clip_l": 768}, "sd2": {"clip_h": 1024}, "sdxl": {"clip_l": 768, "clip_g": 1280}}
FILES = [(name, ending) for name, kind in FORMATS.items() for ending in kind.endings]
SD_NEXT_REFUSES = {("bin", ".bin"), ("kohya", ".pt"), ("png", ".png"), ("png", ".webp")}
INVOKEAI_REFUSES = {
    *(("bin", ".bin"), ("diffusers", ".safetensors"), ("png", ".png"), ("png", ".webp")),
}
ALONE = ("bin", "diffusers")
"""A file of these holds one text encoder."""


def tables(family: str, count: int = 3) -> dict[str, Tensor]:
    return {key: torch.randn(count, width) for key, width in SIZES[family].items()}


def written(folder: Path, family: str, format: str, ending: str, count: int = 3) -> Path:
    """A file of ours."""
    path = folder / f"my-cat{ending}"
    write_embedding(path, Embedding("my-cat", tables(family, count), 500), format)
    return path


def sd_next(path: Path, widths: Sequence[int]) -> dict[int, Tensor] | None:
    """Width of a text encoder → rows that it gets; None if the file is skipped."""
    if path.suffix not in (".safetensors", ".pt"):
        return None  # those that its walk through the folder lists
    try:
        if path.suffix == ".pt":
            found = [torch.load(path)["string_to_param"]["*"]]
        else:
            found = list(safetensors.torch.load_file(path).values())
    except KeyError:
        return None
    sizes = [rows.shape[-1] for rows in found]
    too_few = len(sizes) < len(widths) and len(sizes) != 2
    if not set(sizes) <= set(widths) or len(sizes) > len(widths) or too_few:
        return None
    assert all(rows.dim() == 2 for rows in found), "it takes them apart, row by row"
    return dict(zip(sizes, found, strict=True))


def invokeai(path: Path) -> tuple[str, list[Tensor]] | None:
    """(base model, rows for its encoders); None if the file is not recognised."""
    if path.suffix not in (".safetensors", ".pt", ".bin"):
        return None
    found: dict[str, Any] = (
        safetensors.torch.load_file(path) if path.suffix == ".safetensors" else torch.load(path)
    )
    if "string_to_token" in found:
        rows = [next(iter(found["string_to_param"].values()))]
    elif "emb_params" in found:
        rows = [found["emb_params"]]
    elif "clip_g" in found:
        rows = [found["clip_g"], found["clip_l"]]
    else:
        rows = [next(iter(found.values()))]
    known = {"string_to_token", "emb_params", "clip_g"} & set(found)
    width = rows[0].shape[-1 if known else 0]
    base = {768: "sd1", 1024: "sd2", 1280: "sdxl"}.get(width)
    return None if base is None else (base, rows)


@pytest.mark.parametrize("family", SIZES)
@pytest.mark.parametrize(("format", "ending"), FILES)
def test_sd_next_gives_each_encoder_its_rows_or_passes_the_file_over(
    tmp_path: Path, family: str, format: str, ending: str
) -> None:
    if family == "sdxl" and format in ALONE:
        pytest.skip("diffusers has no such file")
    torch.manual_seed(1)
    path = written(tmp_path, family, format, ending)
    torch.manual_seed(1)
    wanted = {rows.shape[1]: rows for rows in tables(family).values()}
    found = sd_next(path, [*wanted])
    refused = (format, ending) in SD_NEXT_REFUSES or (family, format) == ("sdxl", "pt")
    assert (found is None) == refused
    for width, rows in (found or {}).items():
        assert torch.equal(rows, wanted[width])
    for other in SIZES:
        assert other == family or sd_next(path, [*SIZES[other].values()]) is None


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("family", SIZES)
@pytest.mark.parametrize(("format", "ending"), FILES)
def test_invokeai_finds_the_base_model_and_the_rows_or_refuses_the_file(
    tmp_path: Path, family: str, format: str, ending: str, count: int
) -> None:
    if family == "sdxl" and format in ALONE:
        pytest.skip("diffusers has no such file")
    torch.manual_seed(1)
    path = written(tmp_path, family, format, ending, count)
    torch.manual_seed(1)
    wanted = tables(family, count)
    found = invokeai(path)
    assert (found is None) == ((format, ending) in INVOKEAI_REFUSES)
    if found is not None:
        assert found[0] == family
        assert [rows.tolist() for rows in found[1]] == [
            wanted[key].tolist() for key in sorted(wanted, key=lambda key: key != "clip_g")
        ]
