"""Nodes called as a graph would, with the values that the browser sends."""

from __future__ import annotations

from typing import Any

from tests.comfy.nodes import program


def defaults(node: Any) -> dict[str, Any]:
    """What a node's widgets hold when nobody has touched them."""
    inputs = node.define_schema().inputs
    return {each.id: each.default for each in inputs if each.default is not None}


def call(node_id: str, **inputs: Any) -> Any:
    """Run a node; widgets that are not named have their defaults."""
    node = program.every_node()[f"TI_{node_id}"]
    return node.execute(**{**defaults(node), **inputs})


def created(name: str = "my-cat", count: int = 2, model: Any = "sd1", **more: Any) -> Any:
    """An embedding from words."""
    options = {"token_string": name, "num_vectors_per_token": count, **more}
    return call("CreateEmbedding", model=model, clip="clip", **options).args[0]


def dataset(folder: str, **more: Any) -> Any:
    """The pictures of a folder at 64 pixels."""
    return call("DatasetFromFolder", folder=folder, width=64, height=64, **more).args[0]


def settings(steps: int = 6, **more: Any) -> Any:
    """Few steps, and a preview every three."""
    usual = {"sample_every_n_steps": 3, "sample_prompts": "[name] --w 64 --h 64 --s 2"}
    return call("TrainingSettings", **{**usual, "max_train_steps": steps, **more}).args[0]


def trained(folder: str, embedding: Any = None, steps: int = 6, **more: Any) -> Any:
    """What the training node gives."""
    how = more.pop("how", None) or settings(steps)
    inputs = {"model": "sd1", "clip": "clip", "vae": "vae", "dataset": dataset(folder), **more}
    return call("TrainEmbedding", embedding=embedding or created(), settings=how, **inputs)
