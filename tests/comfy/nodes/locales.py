"""The English texts of all nodes, as ComfyUI's front end wants them.

`python -m tests.comfy.nodes.locales` writes them to locales/en after a text has changed; other
languages are written by people.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.comfy.nodes import program

LOCALES = Path(__file__).parents[3] / "locales"


def english() -> dict[str, Any]:
    """Id → display_name, description, inputs and outputs with names and tooltips."""
    return {key: _texts(node.define_schema()) for key, node in program.every_node().items()}


def _texts(schema: Any) -> dict[str, Any]:
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": {
            each.id: {"name": each.display_name or each.id, "tooltip": each.tooltip}
            for each in schema.inputs
        },
        "outputs": {
            str(number): {"name": each.display_name, "tooltip": each.tooltip}
            for number, each in enumerate(schema.outputs)
        },
    }


def written(texts: dict[str, Any]) -> str:
    """As the file holds it."""
    return json.dumps(texts, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    import tempfile

    for name in ("input", "output", "embeddings", "hypernetworks"):
        program.folders[name] = Path(tempfile.mkdtemp())
    (LOCALES / "en" / "nodeDefs.json").write_text(written(english()), encoding="utf-8")
