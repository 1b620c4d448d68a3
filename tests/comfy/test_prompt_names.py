"""What we tell people to write is found by ComfyUI's own lookup, and is that very file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.comfy import program
from tests.comfy.pack import pack_module
from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding

CASES = {
    "alone": (["x.pt"], "x"),
    "shadowed by another ending": (["x.pt", "x.safetensors"], "x.pt"),
    "before another ending": (["x.pt", "x.bin"], "x"),
    "beside a file without an ending": (["x.pt", "x"], "x.pt"),
    "its stem is a file": (["x.pt.safetensors", "x.pt"], "x.pt.safetensors"),
    "an ending in capitals": (["x.PT"], "x.PT"),
    "dots": (["x.v1.5.safetensors"], "x.v1.5"),
    "in a folder": (["a/x.pt"], "a/x"),
    "in a folder, shadowed there": (["a/x.pt", "a/x.safetensors"], "a/x.pt"),
    "in a folder, beside one above": (["a/x.pt", "x.pt"], "a/x"),
    "above one in a folder": (["x.pt", "a/x.safetensors"], "x.pt"),
    "above one of the same name in a folder": (["x.pt", "a/x.pt"], None),
    "deep": (["a/b/x.pt", "a/x.pt", "b/x.pt"], "a/b/x"),
    "other capitals": (["X.pt", "x.safetensors"], "X"),
    "every script": (["Стиль-猫.pt"], "Стиль-猫"),
    "round brackets": (["x(1).pt"], "x\\(1\\)"),
    "a space": (["x y.pt"], None),
    "a square bracket": (["x[1].pt"], None),
    "an angle bracket": (["x<1.pt"], None),
    "a comma at the end": (["x,.pt"], "x,.pt"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_prompt_reaches_the_file_that_is_meant(case: str, tmp_path: Path) -> None:
    names, expected = CASES[case]
    for number, name in enumerate(names):
        put(tmp_path / name, number)
    called = name_of(tmp_path / names[0], tmp_path)
    assert called == expected
    if called is not None:
        assert looked_up(called, [tmp_path]) == {0.0}


def test_a_file_is_told_from_those_of_other_embeddings_folders(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    put(one / "x.pt", 0)
    put(two / "x.pt", 1)
    put(two / "y.pt", 2)
    assert name_of(one / "x.pt", one, two) is None
    assert looked_up("x", [one, two]) == {0.0, 1.0} or program.is_real()
    called = name_of(two / "y.pt", one, two)
    assert called == "y"
    assert looked_up(called, [one, two]) == {2.0}


def test_prompts_call_no_pictures(tmp_path: Path) -> None:
    write_embedding(tmp_path / "x.png", Embedding("x", {"emb_params": torch.ones(1, 768)}), "png")
    assert name_of(tmp_path / "x.png", tmp_path) is None
    put(tmp_path / "x.pt", 0)
    assert name_of(tmp_path / "x.png", tmp_path) is None


def put(path: Path, number: int) -> None:
    """An embedding of one vector, all of it that number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ending: Any = path.suffix.lower().removeprefix(".") or "pt"
    whole = path.with_name(f"being written.{ending}")
    write_embedding(whole, Embedding("x", {"emb_params": torch.full((1, 768), number)}), ending)
    whole.rename(path)


def name_of(path: Path, *roots: Path) -> str | None:
    found = pack_module("comfy_nodes.prompt_names").name_in_prompts(path, list(roots))
    assert found is None or isinstance(found, str)
    return found


def looked_up(called: str, roots: list[Path]) -> set[float]:
    """Numbers of the embeddings that a prompt with this name may give."""
    name = called.replace("\\(", "(").replace("\\)", ")")
    if program.is_real():
        program.start()
        load = import_module("comfy.sd1_clip").load_embed
        return {float(load(name, [str(root) for root in roots], 768, "clip_l")[0, 0])}
    from ti_core.files.reading import read_embedding

    found = {first for order in orders(roots) if (first := first_file(name, order)) is not None}
    return {float(next(iter(read_embedding(path).vectors.values()))[0, 0]) for path in found}


def orders(roots: list[Path]) -> Iterator[tuple[Path, ...]]:
    """ComfyUI keeps the folders in a set."""
    below = {folder for root in roots for folder in (root, *root.rglob("*")) if folder.is_dir()}
    return itertools.permutations(below)


def first_file(name: str, folders: tuple[Path, ...]) -> Path | None:
    """Of the first folder that has one: the name itself, else with an ending."""
    for folder in folders:
        for ending in ("", ".safetensors", ".pt", ".bin"):
            if (folder / f"{name}{ending}").is_file():
                return folder / f"{name}{ending}"
    return None
