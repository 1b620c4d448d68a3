"""What the project says of itself in several places is the same in all of them."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from .test_import_rules import FILES, module_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNNERS = ("eval", "exec", "compile", "__import__", "torch.load", "np.load", "numpy.load")
UNPICKLERS = ("pickle", "marshal", "shelve", "dill", "joblib")
PICKLES_OUR_OWN = ("ti_core.files.torch_zip",)
"""Modules that write pickles; `pickle` has the names of the instructions."""


def test_the_workflow_runs_on_every_python_that_is_named() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    named = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c]
    assert re.findall(r'"(3\.\d+)"', workflow) == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_tools_for_developers_are_pinned() -> None:
    loose = [need for need in PROJECT["optional-dependencies"]["dev"] if "==" not in need]
    assert loose == []


def executions(code: str) -> list[str]:
    """Everything in the code that could run what a file says: see SECURITY.md."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in UNPICKLERS]
        elif isinstance(node, ast.ImportFrom) and node.module in UNPICKLERS:
            found.append(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in RUNNERS:
            found.append(ast.unparse(node.func))
    return found


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_code_runs_what_a_file_says(path: Path) -> None:
    found = executions(path.read_text(encoding="utf-8"))
    assert found == (["pickle"] if module_name(path) in PICKLES_OUR_OWN else [])


def test_the_rule_notices_what_runs_a_file() -> None:
    code = "import pickle\nfrom marshal import loads\ntorch.load(path)\ndef f(): return eval(text)"
    assert sorted(executions(code)) == ["eval", "marshal", "pickle", "torch.load"]
    assert executions("model.eval()\nre.compile('x')\nimport pickletools") == []
