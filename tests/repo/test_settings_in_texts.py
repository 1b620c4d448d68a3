"""Errors, notices and findings name settings so that each surface can write its own name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ti_core.cli.collection import CollectionConfig
from ti_core.cli.convert import ConvertConfig
from ti_core.cli.standalone import ModelConfig
from ti_core.cli.train import RunConfig
from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.options import leaves
from ti_core.train.config import TrainConfig
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
from ti_webui.standalone import PageConfig

from ..errors import ROOT

KINDS = (
    TrainConfig,
    HypernetworkTrainConfig,
    PreprocessConfig,
    ModelConfig,
    CollectionConfig,
    ConvertConfig,
    RunConfig,
    PageConfig,
)
KNOWN = {path[-1] for kind in KINDS for path, _ in leaves(kind)}
FLAG = re.compile(r"(?<![\w-])--[a-z]\w+")
OF_OTHERS = (
    "--fp32",
    "--listen",
    "--token",
    "--gradio",
    "--cors",
    "--api",
    "--server",
    "--enable",
    "--disable",
    "--ss",
)
"""Options of ComfyUI and A1111, and of `ti ui`, which a page can only name, and of prompts."""
FILES = [
    path
    for package in ("ti_core", "ti_webui", "comfy_nodes")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "cli" not in path.parts and path.name != "standalone.py"
]


def tree(text: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(text)))


def flags_in(text: str) -> list[str]:
    """Options of a command line in the strings of a module, docstrings left out."""
    nodes = tree(text)
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
    return [flag for text in texts for flag in FLAG.findall(text) if flag not in OF_OTHERS]


def bare_names_in(text: str) -> Iterator[str]:
    """Settings named in the texts of errors, notices and findings without `setting()`."""
    for node in tree(text):
        name = getattr(getattr(node, "func", None), "id", "")
        if isinstance(node, ast.Call) and name.endswith(
            ("Error", "Notice", "Finding", "unchecked")
        ):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    words = set(re.findall(r"\w+_\w+", part.value)) & KNOWN
                    yield from words if " " in part.value else ()


def settings_in(text: str) -> list[str]:
    """Names in calls of `setting("…")`."""
    return [
        str(node.args[0].value)
        for node in tree(text)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "setting"
        and isinstance(node.args[0], ast.Constant)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_speaks_of_the_command_line_or_of_fields(path: Path) -> None:
    text = path.read_text()
    assert flags_in(text) == []
    assert list(bare_names_in(text)) == []
    assert set(settings_in(text)) <= KNOWN


def test_the_test_finds_what_it_looks_for() -> None:
    assert flags_in('x = f"or use --overwrite {y}"\n"""--seed"""') == ["--overwrite"]
    assert list(bare_names_in('raise ConfigError(f"clip_skip is {x}")')) == ["clip_skip"]
    assert settings_in("f\"{setting('sede')} is bad\"") == ["sede"]
