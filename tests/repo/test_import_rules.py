"""Who may import whom, and how large things may grow: docs/architecture as a test."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [name for name in ("ti_core", "ti_webui", "comfy_nodes") if (ROOT / name).is_dir()]
FILES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
MOST_LINES_IN_A_FUNCTION, MOST_LINES_IN_A_FILE = 60, 450

HOST_PARTS = {"modules", "comfy", "comfy_extras", "comfy_execution", "folder_paths", "server"}
HOST_PARTS |= {"nodes", "execution", "gradio", "modules_forge"}
MODEL_LIBRARIES = {"diffusers", "transformers"}
LIGHT = ("ti_core", "ti_core.options", "ti_core.errors", "ti_core.cli.main")


def imports_of(code: str, module: str) -> list[str]:
    """Full names of everything that the code of `module` (a dotted name) imports."""
    return [name for name, _ in _imports(code, module)]


def _imports(code: str, module: str) -> Iterator[tuple[str, bool]]:
    """(full name, whether it is written in the relative way)"""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")[: -node.level]
                base = ".".join([*package, *([base] if base else [])])
            yield from ((f"{base}.{alias.name}", bool(node.level)) for alias in node.names)


def within(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of the packages or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


FORBIDDEN = {
    "ti_core.files": ("ti_core.train", "ti_core.data", "ti_core.tools", "ti_core.cli"),
    "ti_core.data": ("ti_core.train", "ti_core.tools", "ti_core.cli"),
    "ti_core.port.session": ("ti_core.train", "ti_core.data", "ti_core.files", "ti_core.cli"),
    "ti_core.port.prompt": ("ti_core.train", "ti_core.data", "ti_core.files", "ti_core.cli"),
    "ti_core.hosts": ("ti_core.train", "ti_core.tools", "ti_core.cli"),
    "ti_core.port.spelling": ("ti_core.data", "ti_core.files"),
    "ti_core": ("ti_webui", "comfy_nodes", *HOST_PARTS),
    "ti_webui": ("comfy_nodes",),
    "comfy_nodes": ("ti_webui",),
}
"""Package → what nothing inside it may import."""

MAY_IMPORT = {
    "train": (
        "errors",
        "events",
        "options",
        "randomness",
        "files",
        "data",
        "train",
        "hosts.port",
        "hosts.prompt",
    ),
    "tools": (
        "errors",
        "options",
        "files",
        "tools",
        "hosts.port",
        "hosts.prompt",
        "hosts.spelling",
    ),
    "compare": (
        "errors",
        "events",
        "options",
        "randomness",
        "files",
        "data",
        "train",
        "tools",
        "compare",
        "hosts.port",
    ),
}
"""Package of the core → all that it may import of the core."""


def broken_rules(code: str, module: str) -> list[str]:
    """Every import in the code of `module` that is against a rule."""
    found = []
    for name, relative in _imports(code, module):
        for package, others in FORBIDDEN.items():
            if within(module, package) and within(name, *others):
                found.append(f"{module} imports {name}")
        if not allowed(module, name):
            found.append(f"{module} imports {name}")
        if within(name, *MODEL_LIBRARIES) and not may_use_models(module):
            found.append(f"{module} imports {name}")
        if (
            not relative
            and ours(name)
            and not (within(module, "ti_webui") and within(name, "ti_core"))
        ):
            found.append(f"{module} imports {name} by its absolute name")
    return found


def ours(name: str) -> bool:
    """Whether a package of this project is meant."""
    return within(name, "ti_core", "ti_webui", "comfy_nodes")


def allowed(module: str, name: str) -> bool:
    """Training and tools know no host but the port, and no command line."""
    for package, parts in MAY_IMPORT.items():
        if within(module, f"ti_core.{package}") and within(name, "ti_core"):
            return within(name, *(f"ti_core.{part}" for part in parts))
    return True


def may_use_models(module: str) -> bool:
    """diffusers and transformers: in the diffusers host, and in optional captioning."""
    return module.startswith("ti_core.hosts.standalone.host") or "captioning" in module


def module_name(path: Path) -> str:
    """Dotted name; a package's own code counts as a file in it."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_file_imports_only_what_its_room_allows(path: Path) -> None:
    assert broken_rules(path.read_text(encoding="utf-8"), module_name(path)) == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("ti_core.files.names", "from ..train.config import TrainConfig"),
        ("ti_core.files.names", "from ..data import images"),
        ("ti_core.data.order", "from .. import train"),
        ("ti_core.port.session", "def f():\n    from ..train import loop"),
        ("ti_core.hosts.fake", "from ..train.loop import train"),
        ("ti_core.train.loop", "from ..hosts.fake import FakeHost"),
        ("ti_core.train.loop", "from ..cli.main import main"),
        ("ti_core.train.loop", "from ..hosts import diffusers"),
        ("ti_core.train.loop", "import diffusers"),
        ("ti_core.tools.merging", "from ..train.vectors import norms"),
        ("ti_core.tools.merging", "from ..hosts.fake import FakeHost"),
        ("ti_core.tools.merging", "from ..data.images import open_image"),
        ("ti_core.files.reading", "from ..tools.merging import merged"),
        ("ti_core.hosts.fake", "from ..tools import nearest"),
        ("ti_core.data.images", "from transformers import CLIPTokenizer"),
        ("ti_core.data.images", "import gradio as gr"),
        ("ti_core.cli.train", "from modules import shared"),
        ("ti_core.cli.train", "import comfy.sd"),
        ("ti_core.cli.train", "import ti_core.train.loop"),
        ("ti_core.cli.train", "from ti_core.train import loop"),
        ("ti_webui.panel", "from ..comfy_nodes import nodes"),
        ("ti_webui.panel", "from ti_webui.job import jobs"),
        ("comfy_nodes.train", "import ti_webui"),
    ],
)
def test_the_rules_notice_a_violation(module: str, code: str) -> None:
    assert broken_rules(code, module)


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("ti_core.train.loop", "from ..hosts.port import Host\nfrom ..errors import TIError"),
        ("ti_core.train.loop", "from ..files.atomic import write_bytes\nimport torch"),
        ("ti_core.tools.nearest", "from ..hosts.spelling import readable\nimport torch"),
        ("ti_core.tools.nearest", "from ..hosts.port import Host\nfrom .vocabulary import pieces"),
        ("ti_core.data.dataset", "from ..hosts.port import PictureSize\nfrom .images import cut"),
        ("ti_core.hosts.standalone.text", "from transformers import CLIPTextModel"),
        ("ti_core.data.captioning", "import transformers"),
        # a web UI imports both packages at the top level, out of the extension's folder
        ("ti_webui.panel", "from ti_core.port.session import Host\nfrom .job import jobs"),
        ("comfy_nodes.train", "import folder_paths\nfrom ..ti_core.train.loop import train"),
    ],
)
def test_the_rules_allow_what_is_right(module: str, code: str) -> None:
    assert broken_rules(code, module) == []


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}
    assert [path for path in FILES if path.stem in drawers] == []


def undocumented(code: str) -> list[str]:
    """Public modules, functions, methods and classes without a docstring."""
    tree = ast.parse(code)
    found = [] if ast.get_docstring(tree) else ["module"]
    todo: list[ast.AST] = [tree]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if not node.name.startswith("_"):
                if ast.get_docstring(node) is None and not _is_private_override(node):
                    found.append(node.name)
                if isinstance(node, ast.ClassDef):
                    todo.append(node)
    return found


def _is_private_override(node: ast.AST) -> bool:
    """Overloads and overrides are described where they are first defined."""
    names = [n.id for n in getattr(node, "decorator_list", []) if isinstance(n, ast.Name)]
    return bool({"overload", "override"} & set(names))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_everything_public_says_what_it_is_for(path: Path) -> None:
    assert undocumented(path.read_text(encoding="utf-8")) == []


def test_the_docstring_rule_notices_what_is_missing() -> None:
    code = '"""Doc."""\ndef f(): pass\nclass A:\n    """Doc."""\n    def g(self): pass'
    assert undocumented(code) == ["f", "g"]
    assert undocumented("def _f(): pass") == ["module"]


def long_functions(code: str, most: int = MOST_LINES_IN_A_FUNCTION) -> list[str]:
    """Functions of more than `most` lines."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(code))
        if isinstance(node, functions)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= most
    ]


def test_functions_and_files_stay_small_enough_to_read() -> None:
    found = []
    for path in FILES:
        code = path.read_text(encoding="utf-8")
        found += [f"{path.relative_to(ROOT)}: {what}" for what in long_functions(code)]
        if len(code.splitlines()) > MOST_LINES_IN_A_FILE:
            found.append(f"{path.relative_to(ROOT)} has {len(code.splitlines())} lines")
    assert found == []


def test_the_size_rule_notices_a_long_function() -> None:
    assert long_functions("def f():\n" + "    x = 1\n" * 60) == ["f: 61 lines"]
    assert long_functions("def f():\n" + "    x = 1\n" * 59) == []


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_no_model_library(module: str) -> None:
    """`ti --help` must answer at once."""
    if not importable(module):
        pytest.skip(f"{module} is not written yet")
    code = f"import sys, {module}; print(sorted({{'torch', 'diffusers'}} & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def importable(module: str) -> bool:
    """Whether there is such a module."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
