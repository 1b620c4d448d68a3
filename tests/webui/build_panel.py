"""`python -m tests.webui.build_panel FOLDER`: the panel's components and complaints as JSON.

Run in environments with other versions of gradio, where there is no pytest.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.hosts.fake import FakeHost
from ti_webui.panel import build_panel
from ti_webui.studio import Studio


def main(folder: Path) -> dict[str, Any]:
    """Build the panel over the fake host."""
    host = FakeHost(folder / "embeddings")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        panel = build_panel(Studio(host=lambda: host, embeddings_dirs=lambda: [host.folder]))
        config = panel.get_config_file()
    return {
        "gradio": gr.__version__,
        "components": [_component(each) for each in config["components"]],
        "events": len(config["dependencies"]),
        "complaints": [str(each.message) for each in said if _ours(each)],
    }


def _component(found: dict[str, Any]) -> dict[str, Any]:
    props = found["props"]
    choices = [each if isinstance(each, str) else each[0] for each in props.get("choices") or []]
    known = {"type": found["type"], "id": props.get("elem_id"), "label": props.get("label")}
    return known | {"choices": choices, "value": props.get("value")}


def _ours(said: warnings.WarningMessage) -> bool:
    """gradio's complaints about its callers; those about its own libraries are not for us."""
    text = str(said.message)
    about_handlers = text.startswith("Expected ") or "arguments for function" in text
    return "ti_webui" in said.filename or about_handlers


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
