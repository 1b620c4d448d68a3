"""Who may import whom, and how large things may grow: docs/architecture.md as a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from .rooms import COMPUTED_IMPORTS, LIBRARIES, ROOMS, markdown

ROOT = Path(__file__).parents[2]
PACKAGES = ("ti_core", "ti_webui", "comfy_nodes")
FILES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
DOORS = [ROOT / "scripts" / "textual_inversion_studio.py"]
MOST_LINES_IN_A_FUNCTION, MOST_LINES_IN_A_FILE = 60, 450
LIGHT = ("ti_core", "ti_core.options", "ti_core.errors", "ti_core.cli.main")
IMPORTERS = ("import_module", "__import__")


def imports_of(code: str, module: str) -> Iterator[tuple[str, bool]]:
    """(full name, whether it is written in the relative way) of everything that is imported.

    Imports inside functions count, and those by `import_module`; a name that is made at run time
    is "<computed>".
    """
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), module)
            yield from ((f"{base}.{alias.name}", bool(node.level)) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in IMPORTERS:
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield _absolute(name.value, module), name.value.startswith(".")
            elif module not in COMPUTED_IMPORTS:
                yield "<computed>", False


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _absolute(name: str, module: str) -> str:
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    package = module.split(".")[:-level]
    return ".".join([*package, *filter(None, [name[level:]])])


def within(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of the packages or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def room_of(name: str) -> str | None:
    """The room with the longest name that a dotted name starts with; None for what is not ours."""
    return max((room for room in ROOMS if within(name, room)), key=len, default=None)


def broken_rules(code: str, module: str) -> list[str]:
    """Every import in the code of `module` that is against a rule."""
    return [
        f"{module} imports {name}{why}"
        for name, relative in imports_of(code, module)
        if (why := _broken(module, name, relative)) is not None
    ]


def _broken(module: str, name: str, relative: bool) -> str | None:
    room, other = room_of(module), room_of(name)
    if other is None:
        return None if _library_allowed(module, name.split(".")[0]) else ""
    if room is None or (other != room and other not in ROOMS[room]):
        return ""
    return None if relative or _reaches_the_core(module, name) else " by its absolute name"


def _library_allowed(module: str, package: str) -> bool:
    rooms = LIBRARIES.get(package, ())
    excepted = [room.removeprefix("not ") for room in rooms if room.startswith("not ")]
    allowed = within(module, *rooms) and not within(module, *excepted)
    standard = (*sys.stdlib_module_names, "tomllib", "_typeshed")  # since 3.11; types only
    return allowed or package in standard


def _reaches_the_core(module: str, name: str) -> bool:
    """A web UI imports both packages at the top level, out of the extension's folder."""
    return (within(module, "ti_webui") and within(name, "ti_core")) or within(module, "scripts")


def module_name(path: Path) -> str:
    """Dotted name; a package's own code counts as a file in it."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", FILES + DOORS, ids=module_name)
def test_a_file_imports_only_what_its_room_allows(path: Path) -> None:
    assert broken_rules(path.read_text(encoding="utf-8"), module_name(path)) == []


def test_no_arrow_between_rooms_runs_in_a_circle() -> None:
    TopologicalSorter(ROOMS).prepare()  # raises CycleError


def test_the_rooms_are_there() -> None:
    for room in ROOMS:
        path = ROOT.joinpath(*room.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), room


def test_the_document_shows_the_rules() -> None:
    """`python -m tests.repo` writes the tables."""
    assert markdown() in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("ti_core.files.names", "from ..train.config import TrainConfig"),
        ("ti_core.files.names", "from ..data import images"),
        ("ti_core.files.reading", "from ..compare.run import compare"),
        ("ti_core.files.reading", "from ..tools.merging import merged"),
        ("ti_core.data.order", "from .. import train"),
        ("ti_core.data.order", "from ..hosts.standalone.host import DiffusersHost"),
        ("ti_core.data.order", "from ..checkup.run import check_folder"),
        ("ti_core.data.images", "from transformers import CLIPTokenizer"),
        ("ti_core.data.images", "import gradio as gr"),
        ("ti_core.checkup.run", "from ..train.config import TrainConfig"),
        ("ti_core.port.session", "def f():\n    from ..train import loop"),
        ("ti_core.port.session", "from ..hosts.common import sampling"),
        ("ti_core.schedule", "from .train.config import TrainConfig"),
        ("ti_core.errors", "from .files.names import safe_name"),
        ("ti_core.hosts.fake", "from ..train.loop import train"),
        ("ti_core.hosts.fake", "from ..tools import nearest"),
        ("ti_core.hosts.common.session", "from ..standalone.session import DiffusersSession"),
        ("ti_core.hosts.common.session", "import diffusers"),
        ("ti_core.train.loop", "from ..hosts.fake import FakeHost"),
        ("ti_core.train.loop", "from ..cli.main import main"),
        ("ti_core.train.loop", "from ..hosts import standalone"),
        ("ti_core.train.loop", "import diffusers"),
        ("ti_core.train.loop", "from backend import memory_management"),
        ("ti_core.train.loop", "from ldm_patched.modules import model_management"),
        ("ti_core.train.loop", "import fastapi"),
        ("ti_core.train.loop", "import importlib\nimportlib.import_module('gradio')"),
        ("ti_core.train.loop", "import importlib\nimportlib.import_module('..cli', __package__)"),
        ("ti_core.train.loop", "import importlib\nimportlib.import_module(name)"),
        ("ti_core.compare.run", "from ..cli.main import main"),
        ("ti_core.tools.merging", "from ..train.vectors import norms"),
        ("ti_core.tools.merging", "from ..hosts.fake import FakeHost"),
        ("ti_core.tools.merging", "from ..data.images import open_image"),
        ("ti_core.cli.train", "from modules import shared"),
        ("ti_core.cli.train", "import comfy.sd"),
        ("ti_core.cli.train", "import ti_core.train.loop"),
        ("ti_core.cli.train", "from ti_core.train import loop"),
        ("ti_core.cli.train", "import a_package_that_nobody_listed"),
        ("ti_core.utilities", "from .train.config import TrainConfig"),
        ("ti_webui.panel", "from modules import shared"),
        ("ti_webui.panel", "def f():\n    from modules import shared"),
        ("ti_webui.panel", "from ..comfy_nodes import nodes"),
        ("ti_webui.panel", "from ti_webui.job import jobs"),
        ("ti_webui.panel", "from .hosts.forge.host import ForgeHost"),
        ("ti_webui.panel", "from ti_core.hosts.standalone.host import DiffusersHost"),
        ("ti_webui.markup", "import comfy.sd"),
        ("ti_webui.hosts.session", "from ..panel import build_panel"),
        ("ti_webui.hosts.forge.host", "from ..a1111.model import model_facts"),
        ("ti_webui.hosts.a1111.host", "import backend"),
        ("ti_webui.hosts.a1111.host", "import gradio"),
        ("comfy_nodes.grid", "import gradio"),
        ("comfy_nodes.grid", "from .nodes.training import TrainEmbedding"),
        ("comfy_nodes.host.session", "from ...ti_core.train.loop import train"),
        ("comfy_nodes.training", "import ti_webui"),
    ],
)
def test_the_rules_notice_a_violation(module: str, code: str) -> None:
    assert broken_rules(code, module)


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("ti_core.train.loop", "from ..port.session import Host\nfrom ..errors import TIError"),
        ("ti_core.train.loop", "from ..files.atomic import write_bytes\nimport torch"),
        ("ti_core.tools.nearest", "from ..port.spelling import readable\nimport torch"),
        ("ti_core.tools.nearest", "from ..port.session import Host\nfrom .syntax import Tree"),
        ("ti_core.data.dataset", "from ..port.session import PictureSize\nimport json"),
        ("ti_core.hosts.standalone.text", "from transformers import CLIPTextModel"),
        ("ti_core.data.preprocess.captioning", "import transformers"),
        ("ti_webui.panel", "from ti_core.port.session import Host\nfrom .job import jobs"),
        ("ti_webui.hosts.forge.host", "import backend.args\nfrom ..base import WebUIHost"),
        ("comfy_nodes.training", "import folder_paths\nfrom ..ti_core.train.loop import train"),
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
    code = f"import sys, {module}; print(sorted({{'torch', 'diffusers'}} & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
