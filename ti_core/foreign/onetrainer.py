"""OneTrainer's settings of an embedding (`modules/util/config/TrainConfig.py`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import get_args

from ..data.config import SHORTEST_SIDE
from ..errors import setting
from ..files.formats import FORMATS
from ..files.names import fitting_name
from ..train.config import SavedFormat
from ..train.optimizers import OPTIMIZERS, OptimizerName
from .onetrainer_needless import needless
from .options import OPTIONS
from .verdict import Found, Verdict

_DEFAULTS: Mapping[str, object] = {
    "learning_rate": 3e-6,
    "learning_rate_scheduler": "CONSTANT",
    "learning_rate_warmup_steps": 200.0,
    "epochs": 100,
    "batch_size": 1,
    "gradient_accumulation_steps": 1,
    "train_dtype": "FLOAT_16",
    "clip_grad_norm": 1.0,
    "resolution": "512",
    "aspect_ratio_bucketing": True,
    "masked_training": False,
    "unmasked_probability": 0.1,
    "unmasked_weight": 0.1,
    "ema_update_step_interval": 5,
    "embedding": {},
    "output_model_destination": "models/model.safetensors",
}
"""What holds there where a file, such as a preset, does not say it."""
_PLAIN = {
    "batch_size": "train_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "epochs": "max_train_epochs",
    "learning_rate_cycles": "lr_scheduler_num_cycles",
    "aspect_ratio_bucketing": "enable_bucket",
    "latent_caching": "cache_latents",
    "force_v_prediction": "v_parameterization",
    "offset_noise_weight": "noise_offset",
    "base_model_name": "pretrained_model_name_or_path",
}
"""The same thing under another name."""
_CHOICES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "train_dtype": (
        "mixed_precision",
        {"FLOAT_32": "no", "TFLOAT_32": "no", "FLOAT_16": "fp16", "BFLOAT_16": "bf16"},
    ),
    "output_dtype": (
        "save_precision",
        {"FLOAT_32": "float", "FLOAT_16": "fp16", "BFLOAT_16": "bf16"},
    ),
    "learning_rate_scheduler": (
        "lr_scheduler",
        {
            "CONSTANT": "constant",
            "LINEAR": "linear",
            "COSINE": "cosine",
            "COSINE_WITH_HARD_RESTARTS": "cosine_with_restarts",
        },
    ),
    "preserve_embedding_norm": ("vector_length", {"True": "median", "False": "free"}),
}
_OPTIMIZERS: dict[str, OptimizerName] = {
    "ADAMW": "AdamW",
    "ADAMW_8BIT": "AdamW8bit",
    "PRODIGY": "Prodigy",
}
_OPTIMIZERS["SCHEDULE_FREE_ADAMW"] = "AdamWScheduleFree"
_SAME: Mapping[str, object] = {
    "mse_strength": 1.0,
    "mae_strength": 0.0,
    "log_cosh_strength": 0.0,
    "huber_strength": 0.0,
    "perturbation_noise_weight": 0.0,
    "rescale_noise_scheduler_to_zero_terminal_snr": False,
    "generalized_offset_noise": False,
    "force_epsilon_prediction": False,
    "min_noising_strength": 0.0,
    "max_noising_strength": 1.0,
    "timestep_distribution": "UNIFORM",
    "noising_weight": 0.0,
    "noising_bias": 0.0,
    "timestep_shift": 1.0,
    "dynamic_timestep_shifting": False,
    "learning_rate_min_factor": 0.0,
    "custom_learning_rate_scheduler": None,
    "force_circular_padding": False,
    "custom_conditioning_image": False,
    "masked_prior_preservation_weight": 0.0,
    "loss_scaler": "NONE",
    "training_method": "EMBEDDING",
    "output_model_format": "SAFETENSORS",
}
"""The value with which it changes nothing; others have no counterpart."""
_TOGETHER = (
    *("embedding", "learning_rate", "embedding_learning_rate", "learning_rate_scaler"),
    *("learning_rate_warmup_steps", "clip_grad_norm", "resolution", "ema", "ema_decay"),
    *("output_model_destination", "optimizer", "concepts", "samples", "loss_weight_fn"),
    *("sample_after", "sample_after_unit", "save_every", "save_every_unit"),
    *("text_encoder_layer_skip", "text_encoder_2_layer_skip", "additional_embeddings"),
    *("gradient_checkpointing", "ema_update_step_interval", "loss_weight_strength"),
    *("text_encoder", "text_encoder_2", "vae", "masked_training", "unmasked_probability"),
    *("unmasked_weight", "normalize_masked_area_loss", "validation", "validate_after"),
    "validate_after_unit",
)
"""Read by the functions below."""


def is_onetrainer(table: Mapping[str, object]) -> bool:
    """Whether these are settings of OneTrainer."""
    return "training_method" in table or "base_model_name" in table


def of_onetrainer(table: Mapping[str, object]) -> Iterator[Found]:
    """What becomes of each setting."""
    table = {**_DEFAULTS, **table}
    for name, value in table.items():
        if name in _PLAIN:
            yield name, Verdict({_PLAIN[name]: value if isinstance(value, bool) else str(value)})
        elif name in _CHOICES:
            yield name, _choice(*_CHOICES[name], value)
        elif name in _SAME:
            refusal = ("it has no counterpart here", "")
            yield name, Verdict() if value in (_SAME[name], None) else Verdict(refusal=refusal)
        elif name not in _TOGETHER:
            unknown = Verdict(refusal=("it has no counterpart here", ""))
            yield name, needless(name, value) or unknown
    yield from _word(_part(table, "embedding"), table.get("additional_embeddings"))
    yield from _rate(table)
    yield from _rhythm(table)
    yield from _files(table)
    yield from _optimizer(_part(table, "optimizer"))
    yield from _networks(table)
    yield from _average(table)
    yield from _masks(table)
    yield from _pictures(table)
    yield from _validation(table)


def _part(table: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = table.get(name)
    return found if isinstance(found, dict) else {}


def _number(value: object, default: float = 0.0) -> float:
    usable = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if usable else default  # type: ignore[arg-type]


def _choice(name: str, choices: Mapping[str, str], value: object) -> Verdict:
    if str(value) in choices:
        return Verdict({name: choices[str(value)]})
    return Verdict(refusal=(f"{value!r:.100} has no counterpart here", ""))


def _word(embedding: Mapping[str, object], others: object) -> Iterator[Found]:
    name = str(embedding.get("placeholder", "<embedding>"))
    kept = fitting_name(name)
    remark = f"the word is {kept!r}: its file can have no < and > in its name"
    yield "embedding.placeholder", Verdict({"token_string": kept}, remark if kept != name else "")
    yield (
        "embedding.token_count",
        Verdict({"num_vectors_per_token": str(embedding.get("token_count") or 0)}),
    )
    for key in ("is_output_embedding", "stop_training_after"):
        if embedding.get(key):
            yield f"embedding.{key}", Verdict(refusal=("it has no counterpart here", ""))
    yield (
        "embedding.initial_embedding_text",
        Verdict({"init_word": str(embedding.get("initial_embedding_text", "*"))}),
    )
    if file := embedding.get("model_name"):
        yield "embedding.model_name", Verdict({"weights": str(file)})
    if others:
        yield "additional_embeddings", Verdict(refusal=("one word is trained at a time", ""))


def _rate(table: Mapping[str, object]) -> Iterator[Found]:
    """OneTrainer multiplies by the root of what its scaler says."""
    own = table.get("embedding_learning_rate")
    rate = _number(table["learning_rate"] if own is None else own)
    batch, passes = (
        _number(table["batch_size"], 1),
        _number(table["gradient_accumulation_steps"], 1),
    )
    scaler = str(table.get("learning_rate_scaler", "NONE")).removeprefix("GLOBAL_")
    scales = {"BATCH": batch, "GRADIENT_ACCUMULATION": passes, "BOTH": batch * passes}
    scaled = rate * max(scales.get(scaler, 1.0), 0.0) ** 0.5
    remark = f"the rate is multiplied as {scaler} says" if scaled != rate else ""
    yield "learning_rate", Verdict({"learning_rate": f"{scaled:.6g}"}, remark)
    warmup = _number(table["learning_rate_warmup_steps"])
    name = "lr_warmup_ratio" if 0 < warmup <= 1 else "lr_warmup_steps"
    steps = warmup if name == "lr_warmup_ratio" else int(warmup / max(passes, 1))
    yield "learning_rate_warmup_steps", Verdict({name: str(steps)})
    yield "clip_grad_norm", Verdict({"max_grad_norm": str(table["clip_grad_norm"] or 0)})
    if str(table.get("loss_weight_fn", "CONSTANT")) == "MIN_SNR_GAMMA":
        strength = str(table.get("loss_weight_strength", 5.0))
        yield "loss_weight_fn", Verdict({"min_snr_gamma": strength})
    elif str(table.get("loss_weight_fn", "CONSTANT")) != "CONSTANT":
        yield "loss_weight_fn", Verdict(refusal=("the loss has no such weights", ""))


def _networks(table: Mapping[str, object]) -> Iterator[Found]:
    """What is said of the model's parts; checkpointing is on there unless a file says otherwise."""
    unet = _part(table, "unet")
    chosen = table.get("gradient_checkpointing", unet.get("gradient_checkpointing"))
    if chosen is not None:
        remark = "activations stay on the device" if chosen == "CPU_OFFLOADED" else ""
        on = chosen in (True, "ON", "CPU_OFFLOADED")
        yield "gradient_checkpointing", Verdict({"gradient_checkpointing": on}, remark)
    if skip := _number(table.get("text_encoder_layer_skip")):
        yield "text_encoder_layer_skip", Verdict({"clip_skip": str(int(skip) + 1)})
    skips = [_number(table.get(f"text_encoder{number}_layer_skip")) for number in ("", "_2")]
    if skips[1] not in (0, skips[0]):
        why = "both text encoders skip the same layers here"
        yield "text_encoder_2_layer_skip", Verdict(refusal=(why, ""))
    for number, name in enumerate(("text_encoder", "text_encoder_2"), 1):
        encoder = _part(table, name)
        if encoder.get("train_embedding") is False:
            yield f"{name}.train_embedding", Verdict({f"learning_rate_te{number}": "0"})
        if _number(encoder.get("dropout_probability")):
            fix = f"see {setting('caption_dropout_rate')}, which leaves the name alone"
            dropped = "the text encoder's output is not dropped here", fix
            yield f"{name}.dropout_probability", Verdict(refusal=dropped)
    if _part(table, "vae").get("model_name"):
        fix = "choose a checkpoint or diffusers folder that has this VAE"
        yield "vae.model_name", Verdict(refusal=("the VAE is the model's own", fix))


def _average(table: Mapping[str, object]) -> Iterator[Found]:
    """OneTrainer averages every few steps only; the same span takes a higher decay at each."""
    if str(table.get("ema", "OFF")) == "OFF":
        return
    decay, every = (
        _number(table.get("ema_decay"), 0.999),
        _number(table["ema_update_step_interval"], 1),
    )
    possible = 0 <= decay <= 1 and every >= 1
    own = decay ** (1 / every) if possible else decay
    remark = f"{decay:g} every {every:g} steps is {own:.6g} at each" if own != decay else ""
    yield "ema_decay", Verdict({"ema_decay": f"{own:.6g}"}, remark)


def _masks(table: Mapping[str, object]) -> Iterator[Found]:
    masked = table["masked_training"] is True
    scale = "mean" if table.get("normalize_masked_area_loss") is True else "none"
    yield "masked_training", Verdict({"masked_loss": masked})
    if not masked:
        return
    yield "normalize_masked_area_loss", Verdict({"mask_scale": scale})
    if _number(table["unmasked_weight"]):
        yield (
            "unmasked_weight",
            Verdict(refusal=("black counts nothing here", "paint it dark grey")),
        )
    if _number(table["unmasked_probability"]):
        why = "masks count in every step here"
        yield "unmasked_probability", Verdict(refusal=(why, ""))


def _rhythm(table: Mapping[str, object]) -> Iterator[Found]:
    for theirs, ours in (("sample_after", "sample"), ("save_every", "save")):
        if theirs not in table:
            continue
        unit, count = str(table.get(f"{theirs}_unit", "")), str(table[theirs])
        known = {"EPOCH": f"{ours}_every_n_epochs", "STEP": f"{ours}_every_n_steps"}
        if unit in known:
            yield theirs, Verdict({known[unit]: count})
        elif unit == "NEVER":
            yield theirs, Verdict({f"{ours}_every_n_steps": "0"})
        else:
            yield theirs, Verdict(refusal=(f"{unit or 'its unit'} is not a unit here", ""))


def _files(table: Mapping[str, object]) -> Iterator[Found]:
    path = PurePosixPath(str(table["output_model_destination"]).replace("\\", "/"))
    settings = {"output_dir": str(path.parent), "output_name": fitting_name(path.stem)}
    endings = {FORMATS[name].endings[0]: name for name in get_args(SavedFormat)}
    if path.suffix in endings:
        settings["save_model_as"] = endings[path.suffix]
    yield "output_model_destination", Verdict(settings)


_FASTER = (
    *("foreach", "fused", "fused_back_pass", "capturable", "differentiable", "compile"),
    *("stochastic_rounding", "fsdp_in_use", "use_triton", "block_wise", "is_paged"),
    *("optim_bits", "min_8bit_size", "percentile_clipping", "decouple"),
)
"""How an optimizer computes, or what every one of ours does."""
_USUAL: Mapping[str, object] = {"growth_rate": math.inf, "slice_p": 11, "weight_decay_by_lr": True}
"""What OneTrainer's own defaults are beside no, none and zero."""


def _optimizer(optimizer: Mapping[str, object]) -> Iterator[Found]:
    name = str(optimizer.get("optimizer") or "ADAMW")
    verdict = OPTIONS["optimizer_type"].rule(_OPTIMIZERS.get(name, name))
    yield "optimizer.optimizer", verdict
    if verdict.refusal:
        return
    known = OPTIMIZERS[_OPTIMIZERS[name]].arguments
    given = {key: value for key, value in optimizer.items() if value is not None}
    betas = given.get("beta1"), given.get("beta2")
    parts = [f"betas={betas[0]},{betas[1]}"] if None not in betas else []
    parts += [f"{key}={value}" for key, value in given.items() if key in known]
    if parts:
        yield "optimizer", Verdict({"optimizer_args": " ".join(parts)})
    read = {"optimizer", "__version", "beta1", "beta2", *known, *_FASTER}
    for key, value in given.items():
        if key not in read and value and value != _USUAL.get(key):
            yield f"optimizer.{key}", Verdict(refusal=("it has no counterpart here", ""))


def _pictures(table: Mapping[str, object]) -> Iterator[Found]:
    yield "resolution", _resolution(str(table["resolution"]))
    paths = list(_folders(table, "STANDARD"))
    if len(paths) == 1:
        remark = "its own settings are not read: captions, repeats and variations"
        yield "concepts", Verdict({"train_data_dir": paths[0]}, remark)
    else:
        why = f"{len(paths)} folders of images are named" if paths else "they are in another file"
        yield "concepts", Verdict(refusal=(why, "name the folder, or a dataset file"))
    if any(_folders(table, "PRIOR_PREDICTION")):
        why = "the model itself does not change, so that nothing has to be preserved"
        yield "concepts of prior prediction", Verdict(remark=why)
    word = str(_part(table, "embedding").get("placeholder", ""))
    lines = [_named(line, word) for line in _lines(table.get("samples"))]
    if lines:
        yield "samples", Verdict({"sample_prompts": "\n".join(lines)})


def _validation(table: Mapping[str, object]) -> Iterator[Found]:
    if table.get("validation") is not True:
        return
    unit, count = str(table.get("validate_after_unit", "EPOCH")), table.get("validate_after", 1)
    if unit == "STEP":
        yield "validate_after", Verdict({"validate_every_n_steps": str(count)})
    else:
        fix = f"set {setting('validate_every_n_steps')}"
        yield "validate_after", Verdict(refusal=("validations are counted in steps here", fix))
    paths = list(_folders(table, "VALIDATION"))
    if len(paths) == 1:
        yield "concepts of validation", Verdict({"validation_data_dir": paths[0]})
    elif paths:
        why = f"{len(paths)} folders are named"
        yield "concepts of validation", Verdict(refusal=(why, "name one"))


def _folders(table: Mapping[str, object], kind: str) -> Iterator[str]:
    """Of the concepts of this kind that are enabled."""
    concepts = table.get("concepts")
    for each in concepts if isinstance(concepts, list) else []:
        known = isinstance(each, dict) and each.get("type", "STANDARD") == kind
        if known and each.get("enabled", True) and each.get("path"):
            yield str(each["path"])


def _resolution(text: str) -> Verdict:
    """ "512", or "512x768", which is height x width there."""
    sides = re.fullmatch(r"\s*(\d{1,5})(?:\s*x\s*(\d{1,5}))?\s*", text)
    if not sides or int(sides[1]) < SHORTEST_SIDE:
        return Verdict(refusal=(f"{text!r:.100} is not one size", "choose one"))
    height, width = sides[1], sides[2] or sides[1]
    return Verdict({"resolution": f"{width},{height}"})


_LETTERS = {
    "negative_prompt": "n",
    "width": "w",
    "height": "h",
    "seed": "d",
    "cfg_scale": "l",
    "diffusion_steps": "s",
}


def _named(line: str, word: str) -> str:
    """A prompt with the word as its file is called."""
    return line.replace(word, fitting_name(word)) if word else line


def _lines(samples: object) -> Iterator[str]:
    """Previews as kohya's lines."""
    for sample in samples if isinstance(samples, list) else []:
        if isinstance(sample, dict) and sample.get("enabled", True):
            options = [(letter, sample.get(key)) for key, letter in _LETTERS.items()]
            tail = "".join(f" --{o} {v}" for o, v in options if v not in (None, ""))
            yield " ".join(str(sample.get("prompt", "")).split("\n")) + tail
