"""`docs/surfaces.md`: which setting of a training is where, made from the settings themselves.

What a surface lacks stands here with its reason; a setting that nobody has spoken of is "not yet"
on nodes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.comfy.nodes import program
from ti_core.options import about, leaves, owner, setting_names, title_of, with_names
from ti_core.train.config import TrainConfig
from ti_webui.training import SETTLED

_EPOCHS = "steps say it"
_FILES = "Save Embedding has *Name*, *Format* and *If it exists*"
_LABELS = setting_names(lambda _, known: f"*{known.label}*", TrainConfig)
NOT_ON_THE_PAGE: Mapping[str, str] = {
    name: with_names(why, _LABELS.get) for name, why in SETTLED.items()
}
"""Setting → what is in its place on the page and in the API."""
NOT_ON_NODES: Mapping[str, str] = {
    "weights": "the embedding on the cable",
    "words": "*Train Several Embeddings*",
    "train_data_dir": "*Folder*, or the images on the cable",
    "resolution": "*Width* and *Height* of the dataset",
    "caption_extension": "left out: `.txt` and `.caption` are read, or texts come by cable",
    "use_object_template": "*Prompt template* has it",
    "use_style_template": "*Prompt template* has it",
    "reg_data_dir": "left out: such images teach a word nothing ([datasets](datasets.md))",
    "prior_loss_weight": "left out with it",
    "dataset_config": "left out: it names folders anywhere on the server; numbered ones are read",
    "expected_data": "left out: Settings of Embedding shows the digits",
    "skip_checkup": "left out: only what cannot be learned from ends a run; see Check Dataset",
    "keep_tokens_separator": "left out: *Keep tokens* counts them",
    "caption_separator": "left out: captions may come by cable, in any form",
    "lr_warmup_ratio": "*Warm-up steps*",
    "scale_lr": "left out: write the rate that is meant",
    "max_train_epochs": _EPOCHS,
    "save_every_n_epochs": _EPOCHS,
    "save_last_n_steps": "left out: copies are some kilobytes",
    "save_last_n_epochs": "left out likewise",
    "sample_every_n_epochs": _EPOCHS,
    "sample_at_last": "left out: the graph draws what was trained",
    "max_grad_norm": "*Gradient Clipping* norm",
    "sample_negative": "left out: write `--n [name]` behind a preview prompt",
    "output_dir": "the embeddings folder, by Save Embedding",
    "output_name": _FILES,
    "overwrite": _FILES,
    "save_model_as": _FILES,
    "save_precision": "left out: fp32",
    "pack_weights": "on, where it pays",
    "write_sidecars": "left out: web UIs' galleries show them; the sidebar shows cards",
    "logging_dir": "`output/textual_inversion`",
    "loss_csv_every": "left out: every 20 steps; Loss Plot draws all",
    "latent_cache_dir": "`output/textual_inversion/latents`",
    "latent_cache_gb": "left out: 20 GB",
    "validation_data_dir": "left out: *Fraction held out for validation* takes from the dataset",
}
"""Setting → what is in its place on ComfyUI's nodes, or why nothing is."""


def markdown() -> str:
    """The table."""
    nodes = inputs_of_nodes()
    lines = ["| setting of `ti train` | page and API | ComfyUI |", "|---|---|---|"]
    group = ""
    for path, item in leaves(TrainConfig):
        title, name = title_of(owner(TrainConfig, path)), path[-1]
        if title != group:
            group = title
            lines.append(f"| **{title}** | | |")
        page = NOT_ON_THE_PAGE.get(name) or f"*{about(item).label}*"
        lines.append(
            f"| `--{name}` | {page} | {nodes.get(name) or NOT_ON_NODES.get(name, 'not yet')} |"
        )
    return "\n".join(lines)


def inputs_of_nodes() -> dict[str, str]:
    """Setting → the node that has an input for it."""
    # Create Embedding's and others' inputs of these names mean another thing
    known = {path[-1] for path, _ in leaves(TrainConfig)} - {"overwrite", "resolution"}
    found: dict[str, str] = {}
    for schema in schemas():
        for each in schema.inputs:
            if each.id in known:
                found.setdefault(each.id, schema.display_name)
    return found


def schemas() -> Iterator[Any]:
    """Of every node."""
    if not program.folders:
        base = Path(tempfile.mkdtemp())
        program.folders.update(
            dict.fromkeys(("input", "output", "temp", "embeddings", "hypernetworks"), base)
        )
    for node in program.every_node().values():
        yield node.define_schema()
