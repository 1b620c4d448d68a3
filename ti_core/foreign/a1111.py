"""A1111's settings: `settings-*.json` of a training (`save_settings_to_file`), and the fields of
its Train tab in `ui-config.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..data.templates import SHIPPED
from ..options import about, leaves
from ..train.config import TrainConfig
from .verdict import Found, Verdict

_NAMES = {
    "embedding_name": "token_string",
    "num_vectors_per_token": "num_vectors_per_token",
    "learn_rate": "learning_rate",
    "batch_size": "train_batch_size",
    "gradient_step": "gradient_accumulation_steps",
    "data_root": "train_data_dir",
    "steps": "max_train_steps",
    "clip_grad_mode": "clip_grad_mode",
    "clip_grad_value": "clip_grad_value",
    "latent_sampling_method": "latent_sampling_method",
    "create_image_every": "sample_every_n_steps",
    "save_embedding_every": "save_every_n_steps",
    "save_image_with_stored_embedding": "save_image_with_stored_embedding",
    "preview_steps": "sample_steps",
    "preview_cfg_scale": "sample_cfg_scale",
    "preview_sampler_index": "sample_sampler",
}
_TOGETHER = (
    *("training_width", "training_height", "preview_prompt", "preview_negative_prompt"),
    *("preview_seed", "preview_width", "preview_height", "log_directory", "template_file"),
)
"""Read with others, or in a way of their own."""
_FACTS = {
    "datetime": "it records when that training started",
    "model_name": "choose this model before training",
    "model_hash": "it belongs to that model",
    "num_of_dataset_images": "the images are counted again",
    "initial_step": "choose the embedding to continue from its step",
}
_AS_THERE = {"resize_mode": "stretch", "template_choice": "once"}
"""What A1111 always does, and no file says."""
_DATED = re.compile(r"[\\/]\d{4}-\d\d-\d\d[\\/][^\\/]+[\\/]?$")
"""A1111 notes the folder of the run: the log directory, the day and the name."""
_KEY = re.compile(r"train/(.+)/value")
_LABELS = {
    "Save images with embedding in PNG chunks": "save_image_with_stored_embedding",
    "Choose latent sampling method": "latent_sampling_method",
    "Gradient clip value": "clip_grad_value",
}
"""Labels of the Train tab that differ from ours."""


def is_run(table: Mapping[str, object]) -> bool:
    """Whether these are the settings of a training."""
    return "learn_rate" in table and ("embedding_name" in table or "hypernetwork_name" in table)


def is_form(table: Mapping[str, object]) -> bool:
    """Whether these are the web UI's saved defaults."""
    return any(_KEY.fullmatch(key) for key in table)


def of_run(table: Mapping[str, object]) -> Iterator[Found]:
    """What becomes of `settings-*.json`."""
    yield "A1111's ways", Verdict(_AS_THERE, "images are stretched, a template line is kept")
    for name, value in table.items():
        if name in _NAMES:
            yield name, Verdict({_NAMES[name]: _given(value)})
        elif name in _FACTS:
            yield name, Verdict(remark=_FACTS[name])
        elif name not in _TOGETHER:
            yield name, Verdict(refusal=("it has no counterpart here", ""))
    yield from _together(table)


def _together(table: Mapping[str, object]) -> Iterator[Found]:
    if "training_width" in table and "training_height" in table:
        size = f"{table['training_width']},{table['training_height']}"
        yield "training_width", Verdict({"resolution": size})
    if folder := table.get("log_directory"):
        yield "log_directory", Verdict({"logging_dir": _DATED.sub("", str(folder))})
    if template := table.get("template_file"):
        yield "template_file", _template(str(template))
    if "preview_prompt" in table:
        yield "preview_prompt", Verdict({"sample_prompts": _line(table)})
    seed = table.get("preview_seed")
    if isinstance(seed, (int, float)) and seed >= 0:
        yield "preview_seed", Verdict({"sample_seed": str(seed)})
    elif seed is not None:
        yield "preview_seed", Verdict(remark="previews always have the same seed")


def _line(table: Mapping[str, object]) -> str:
    """The preview prompt as kohya's line."""
    options = {"n": "preview_negative_prompt", "w": "preview_width", "h": "preview_height"}
    line = " ".join(str(table["preview_prompt"]).split("\n"))
    given = [(letter, table.get(name)) for letter, name in options.items()]
    return line + "".join(f" --{letter} {value}" for letter, value in given if value)


def _template(path: str) -> Verdict:
    name = re.split(r"[\\/]", path)[-1].removesuffix(".txt")
    return Verdict({"prompt_template": name if name in SHIPPED else path})


def of_form(table: Mapping[str, object]) -> Iterator[Found]:
    """What becomes of the Train tab's fields; the other tabs' are not settings of a training."""
    fields = {key[1]: value for name, value in table.items() if (key := _KEY.fullmatch(name))}
    labels = {about(item).label.rstrip("."): item.name for _, item in leaves(TrainConfig)}
    labels |= {label.rstrip("."): name for label, name in _LABELS.items()}
    yield "A1111's ways", Verdict(_AS_THERE, "images are stretched, a template line is kept")
    if "Width" in fields and "Height" in fields:
        size = f"{fields.pop('Width')},{fields.pop('Height')}"
        yield "Width", Verdict({"resolution": size})
    for label, value in fields.items():
        name = labels.get(label.rstrip("."))
        if name == "prompt_template":
            yield label, _template(str(value))
        elif name:
            yield label, Verdict({name: _given(value)} if value not in ("", None) else {})
        else:
            yield label, Verdict(refusal=("it has no counterpart here", ""))


def _given(value: object) -> str | bool:
    return value if isinstance(value, bool) else str(value)
