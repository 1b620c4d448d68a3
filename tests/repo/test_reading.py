"""Files are opened in one place, which checks what they are; see `files/regular_file.py`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .test_import_rules import FILES, module_name

READERS = ("read_text", "read_bytes", "open", "fdopen", "memmap", "fromfile")
OUR_OWN = {
    "ti_core.files.regular_file": {"os.open", "os.fdopen"},
    "ti_core.files.card": {"Image.open"},
    "ti_core.data.pictures": {"Image.open"},
}
"""Where files are opened for everybody, and pictures in what was opened there."""
NOT_OF_STRANGERS = {
    "ti_core.files.atomic": {"os.open"},
    "ti_core.cli.telling": {"os.open"},
    "ti_core.cli.interrupt": {"os.open"},
    "ti_core.train.run_lock": {"os.open"},
    "ti_core.cli.check": {"Path('/proc/meminfo').read_text"},
    "ti_core.hosts.common.machine": {"path.read_text"},
    "ti_core.train.cards": {"Image.open"},
    "ti_core.train.preset_files": {"path.read_text"},
    "ti_core.train.sidecars": {"Image.open"},
    "ti_webui.live": {"Image.open"},
    "ti_webui.alone.models": {"Path('/proc/self/statm').read_text"},
    "ti_webui.tabs.library_files": {"Image.open"},
    "ti_webui.webui_progress": {"Image.open"},
    "ti_webui.standalone": {"page_file('style.css').read_text", "path.read_text"},
    "comfy_nodes.bridge": {"Image.open"},
    "ti_core.hosts.standalone.host": {"path.open"},
    "ti_core.hosts.standalone.folder": {"path.read_text"},
    "ti_core.hosts.standalone.vocabulary": {
        *("(folder / name).read_text", "path.read_bytes", "gzip.open")
    },
    "ti_core.hosts.standalone.checkpoint.recognition": {"config.read_text"},
}
"""Folders to flush, files of the system, ours, and pictures that a run has made."""
OPENERS_OF_OTHER_THINGS = {"DiffusersHost.open"}


def readings(code: str) -> set[str]:
    """Every call that opens a file to read it, as it is written."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return {ast.unparse(call.func) for call in calls if _reads(call)} - OPENERS_OF_OTHER_THINGS


def _reads(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    ours = isinstance(call.func, ast.Name) and name != "open"
    texts = [each.value for each in ast.walk(call) if isinstance(each, ast.Constant)]
    return (
        name in READERS
        and not ours
        and not {"a", "w", "ab", "wb", "x", "xb"} & set(map(str, texts))
    )


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_file_is_read_past_the_opener(path: Path) -> None:
    name = module_name(path)
    allowed = OUR_OWN.get(name, set()) | NOT_OF_STRANGERS.get(name, set())
    assert readings(path.read_text(encoding="utf-8")) <= allowed


def test_the_rule_notices_whatever_reads_a_file() -> None:
    code = "open(p)\np.open('rb')\np.read_text()\nio.open(p)\ngzip.open(p)\nnp.fromfile(p)"
    assert len(readings(code)) == 6
    assert readings("read_text(p)\nread_bytes(p, 5)\nopen(p, 'wb')\nDiffusersHost.open(m)") == set()
