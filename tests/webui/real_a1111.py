"""A real AUTOMATIC1111 in this process, on the processor, with reduced random checkpoints.

`A1111_PATH` is its folder. Its own loader builds the model; a yaml beside the checkpoint tells it
the sizes, and a small hub cache those of the text encoder, and the vocabulary.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

_FLAGS = "--skip-torch-cuda-test --use-cpu all --no-half --precision full --no-download-sd-model"
_HUB = "hub/models--openai--clip-vit-large-patch14"
_SMALLER = {
    "model_channels: 320": "model_channels: 32",
    "attention_resolutions: [ 4, 2, 1 ]": "attention_resolutions: [ 2, 1 ]",
    "num_res_blocks: 2\n        channel_mult: [ 1, 2, 4, 4 ]": (
        "num_res_blocks: 1\n        channel_mult: [ 1, 2, 2 ]"
    ),
    "context_dim: 768": "context_dim: 32",
    "ch: 128": "ch: 32",
    "- 1\n          - 2\n          - 4\n          - 4": (
        "- 1\n          - 1\n          - 2\n          - 2"
    ),
    "num_res_blocks: 2\n          attn_": "num_res_blocks: 1\n          attn_",
}
"""Sizes of the full model → of `tests.checkpoints.tiny`."""
_CONFIGS = {"sd1": "v1-inference.yaml", "sd1-inpaint": "v1-inpainting-inference.yaml"}


@cache
def start(home: Path) -> None:
    """Import the web UI as its launcher does; `home` becomes its data folder."""
    _write_vocabulary(home)
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "IGNORE_CMD_ARGS_ERRORS": "1"}
    os.environ.update(offline, HF_HOME=str(home))
    path = os.environ["A1111_PATH"]
    sys.path.insert(0, path)
    os.chdir(path)
    sys.argv = ["webui.py", *_FLAGS.split(), "--data-dir", str(home)]
    initialize = importlib.import_module("modules.initialize")
    initialize.imports()
    initialize.initialize()


def load(kind: str, folder: Path, seed: int = 0) -> Any:
    """A checkpoint with random weights, loaded by the web UI itself: sd1 or sd1-inpaint."""
    start(folder.parent)
    from tests.checkpoints import tiny, write_single_file

    layout = replace(tiny("sd1"), in_channels=9 if "inpaint" in kind else 4)
    path = folder / f"{kind}.safetensors"
    write_single_file(path, layout, dtype=torch.float32, seed=seed, extras=False)
    path.with_suffix(".yaml").write_text(_config(kind))
    models = importlib.import_module("modules.sd_models")
    shared = importlib.import_module("modules.shared")
    info = models.CheckpointInfo(str(path))
    info.register()
    shared.cmd_opts.embeddings_dir = str(folder)
    return models.load_model(info)


def _config(kind: str) -> str:
    text = (Path(os.environ["A1111_PATH"]) / "configs" / _CONFIGS[kind]).read_text()
    for large, small in _SMALLER.items():
        assert large in text, large
        text = text.replace(large, small)
    return text


def _write_vocabulary(home: Path) -> None:
    """What `from_pretrained` finds offline."""
    from tests.checkpoints import _vocabulary_files, tiny

    place = home / _HUB / "snapshots" / "one"
    place.mkdir(parents=True)
    (home / _HUB / "refs").mkdir()
    (home / _HUB / "refs" / "main").write_text("one")
    for name, text in _vocabulary_files().items():
        (place / name).write_text(text, encoding="utf-8")
    mark = "<|endoftext|>"
    marks = {"bos_token": "<|startoftext|>", "eos_token": mark, "pad_token": mark}
    (place / "special_tokens_map.json").write_text(json.dumps(marks | {"unk_token": mark}))
    (place / "tokenizer_config.json").write_text(json.dumps(marks | {"model_max_length": 77}))
    layout = tiny("sd1")
    width = layout.text_widths[0]
    config = {
        "vocab_size": layout.vocabulary,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layout.text_layers[0],
        "num_attention_heads": max(1, width // 64),
        "hidden_act": "quick_gelu",
        "projection_dim": width,
        "bos_token_id": layout.vocabulary - 2,
        "eos_token_id": layout.vocabulary - 1,
    }
    (place / "config.json").write_text(json.dumps(config))
