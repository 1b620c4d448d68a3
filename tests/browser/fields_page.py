"""`python -m tests.browser.fields_page FOLDER PORT`: the panel, and a button for what is read.

Run in environments with other versions of gradio, where there is no pytest. The log directory holds
a run with copies.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gradio as gr

from tests.conftest import draw
from ti_core.data.config import DataConfig
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import EmbeddingConfig, OptimizerConfig, OutputConfig, TrainConfig
from ti_core.train.loop import train
from ti_webui.panel import build_panel
from ti_webui.studio import Settings, Studio

WRITTEN = (gr.Textbox, gr.Number, gr.Slider)


def main(folder: Path, port: int) -> None:
    """Serve it until the process is ended."""
    host = FakeHost(folder / "embeddings")
    _train(host, folder)
    settings = Settings(logging_dir=str(folder / "log"))
    panel = build_panel(
        Studio(host=lambda: host, embeddings_dirs=lambda: [host.folder], settings=lambda: settings)
    )
    with panel:
        fields = [block for block in panel.blocks.values() if _is_written(block)]
        told = gr.Textbox(elem_id="told", label="told")
        names = [str(block.elem_id) for block in fields]
        gr.Button("tell", elem_id="tell").click(
            lambda *values: json.dumps(dict(zip(names, values, strict=True))), fields, [told]
        )
    panel.launch(server_name="127.0.0.1", server_port=port, quiet=True)


def _is_written(block: Any) -> bool:
    if not getattr(block, "elem_id", None) or getattr(block, "interactive", True) is False:
        return False
    return isinstance(block, WRITTEN) or bool(getattr(block, "allow_custom_value", False))


def _train(host: FakeHost, folder: Path) -> None:
    train(
        TrainConfig(
            EmbeddingConfig(token_string="zz-past"),
            DataConfig(str(draw(folder / "pictures", captions=True)), skip_checkup=True),
            OptimizerConfig(max_train_steps=4),
            output=OutputConfig(
                str(host.folder), logging_dir=str(folder / "log"), save_every_n_steps=2
            ),
        ),
        host,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
