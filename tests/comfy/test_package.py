"""What ComfyUI's registry gets, and what it costs to load it."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {"subprocess", "pip", "ctypes", "multiprocessing"}
CALLS = {"eval", "exec", "__import__", "system", "popen"}


def shipped() -> list[Path]:
    """The files of the package: what git knows, less .comfyignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and not ignored(name)]


def ignored(name: str) -> bool:
    lines = (ROOT / ".comfyignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    return any(
        name.startswith(rule) if rule.endswith("/") else fnmatch.fnmatch(name, rule)
        for rule in rules
    )


def test_the_package_has_the_nodes_and_nothing_of_other_programs() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in shipped()}
    assert {"__init__.py", "comfy_nodes", "ti_core", "web", "locales", "pyproject.toml"} <= names
    assert {"example_workflows", "subgraphs", "LICENSE", "requirements.txt"} <= names
    assert not names & {"tests", "ti_webui", "javascript", "demo", "scripts", "install.py"}


def test_nothing_in_it_starts_programs_or_runs_text_as_code() -> None:
    for path in shipped():
        if path.suffix == ".py":
            assert suspicious(path.read_text(encoding="utf-8")) == [], path


def suspicious(code: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [node.module or ""] * ((node.module or "").split(".")[0] in FORBIDDEN)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            method = isinstance(node.func, ast.Attribute) and name in ("eval", "exec")
            found += [name] * (name in CALLS and not method)
    return found


@pytest.mark.parametrize(
    "code", ["import subprocess", "from os import path\nos.system('x')", "eval('1')", "import pip"]
)
def test_the_rule_notices_what_is_forbidden(code: str) -> None:
    assert suspicious(code)


def test_nothing_is_to_be_installed() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line.strip() and not line.startswith("#")] == []


def test_the_root_is_empty_for_programs_that_are_not_comfyui() -> None:
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('pack', {str(ROOT / '__init__.py')!r})\n"
        "module = importlib.util.module_from_spec(spec); sys.modules['pack'] = module\n"
        "spec.loader.exec_module(module)\n"
        "print(hasattr(module, 'comfy_entrypoint'), [m for m in sys.modules if 'ti_core' in m])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False []"


def test_loading_the_nodes_of_the_package_loads_no_model_library(tmp_path: Path) -> None:
    """From a copy of what is shipped, under a name with a dot in its path, as ComfyUI does."""
    pack = tmp_path / "custom.nodes" / "textual-inversion-studio"
    for path in shipped():
        if path.suffix in (".py", ".json"):
            target = pack / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    code = (
        "import asyncio, importlib.util, sys\n"
        "from tests.comfy.nodes import program\n"
        "from pathlib import Path\n"
        f"base = Path({str(tmp_path)!r})\n"
        "names = ['input', 'output', 'temp', 'embeddings', 'hypernetworks']\n"
        "program.folders.update(dict.fromkeys(names, base))\n"
        "program.start(); before = set(sys.modules)\n"
        f"name = {str(pack).replace('.', '_x_')!r}\n"
        f"spec = importlib.util.spec_from_file_location(name, {str(pack / '__init__.py')!r})\n"
        "module = importlib.util.module_from_spec(spec); sys.modules[name] = module\n"
        "spec.loader.exec_module(module)\n"
        "nodes = asyncio.run(asyncio.run(module.comfy_entrypoint()).get_node_list())\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "heavy = new & {'diffusers', 'transformers', 'gradio', 'scipy', 'cv2', 'matplotlib'}\n"
        "print(*sorted(n.define_schema().node_id for n in nodes))\n"
        "print(sorted(heavy), module.WEB_DIRECTORY)\n"
        "print(*[m for m in set(sys.modules) - before if str(base) in m and m != name])\n"
        "print(nodes[0].__module__)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    texts = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
    ids, loaded, with_path, module = run.stdout.splitlines() or [run.stderr] * 4
    assert ids.split() == sorted(texts)
    assert loaded == "[] ./web"
    assert with_path == ""  # ComfyUI tells anybody what module an error's class is from
    assert module.startswith("textual_inversion_studio.comfy_nodes.")


def test_the_script_of_the_page_imports_what_the_front_end_offers_to_extensions() -> None:
    """scripts/widgets.js and others are internal to newer front ends, which warn of them."""
    for path in (ROOT / "web").glob("*.js"):
        imported = re.findall(r'from "../../scripts/(.*?)"', path.read_text(encoding="utf-8"))
        assert set(imported) <= {"app.js", "api.js"}, path


def test_the_registry_is_told_who_and_what() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    told = project["tool"]["comfy"]
    assert {"PublisherId", "DisplayName", "requires-comfyui"} <= told.keys()
    assert "web" not in told  # WEB_DIRECTORY says it; both together load every script twice
    assert "comfyui" not in project["project"]["name"].lower()
