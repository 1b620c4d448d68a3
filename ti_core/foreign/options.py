"""kohya's and diffusers' options that are not simply settings of ours under their name or alias.

The one place that knows them: sd-scripts' `train_textual_inversion.py`, `sdxl_…` and the groups of
options that they take from `library/`, diffusers' `textual_inversion.py` and `…_sdxl.py`. An option
that becomes a setting of ours leaves this table (`tests/foreign/test_options.py` says so); an
optimizer that joins `OPTIMIZERS` is taken as it is.
"""

from __future__ import annotations

import importlib.util
import re
from typing import get_args

from ..errors import setting
from ..files.names import fitting_name
from ..schedule import Decay
from ..train.optimizers import OPTIMIZERS
from .verdict import Entry, Takes, Verdict, needless, refused

_SPEED = "attention always uses PyTorch's own memory-saving code"
_ONE_DEVICE = "training runs on one device"
_UPLOAD = f"nothing is uploaded; the finished file is in {setting('output_dir')}"
_LOGS = (
    "loss and rate are in loss.png, the csv file and events.jsonl of the run folder; "
    f"{setting('log_with')} adds TensorBoard and Weights & Biases"
)
_LOADERS = "images are read before the first step, without loader processes"
_MEMORY = (
    f"the model's weights need no gradients; if memory runs out, lower "
    f"{setting('train_batch_size')} or choose another {setting('mixed_precision')}"
)
_STATES = "the newest state and the one before it are kept"
_NOTES = "such notes are not written into the file"
_ADAM_MEMORY = "AdamW is used: what it remembers of a few vectors takes kilobytes, in fp32"
_BETAS = f"write them in {setting('optimizer_args')}: betas=0.9,0.999"
_EPS = f"write it in {setting('optimizer_args')}: eps=1e-8"
_HUBER = "it belongs to another loss than l2"
_SHAPES = f"it belongs to none of the shapes of {setting('lr_scheduler')}"
_EPOCHS = (
    f"diffusers' script counts {setting('max_train_steps')} before it; "
    f"{setting('max_train_epochs')} does so here"
)
_ONE_PICTURE = (
    f"each prompt gives one image; {setting('sample_prompts')} may have several lines, each with "
    "another seed"
)
_BY_STEPS = f"it moves the ends of epochs alone; {setting('max_train_steps')} is what counts"
_LOADED = "the model is loaded once, and the VAE is removed from the device early"

_NEEDLESS: tuple[tuple[Takes, str, str], ...] = (
    ("nothing", "xformers sdpa mem_eff_attn enable_xformers_memory_efficient_attention", _SPEED),
    ("one", "dynamo_backend", f"{setting('torch_compile')} compiles with inductor"),
    ("nothing", "allow_tf32", "PyTorch's own choice is kept"),
    ("nothing", "lowram highvram", _LOADED),
    ("nothing", "disable_mmap_load_safetensors", "files are read in order"),
    ("nothing", "persistent_data_loader_workers", _LOADERS),
    ("one", "max_data_loader_n_workers dataloader_num_workers", _LOADERS),
    ("one", "vae_batch_size", "images are encoded once, before the first step"),
    ("nothing", "cache_info skip_cache_check", f"see {setting('cache_latents_to_disk')}"),
    (
        "nothing",
        "cache_text_encoder_outputs cache_text_encoder_outputs_to_disk",
        "the word is learned through the text encoders, whose output changes with it",
    ),
    ("nothing", "fused_backward_pass fp8_base", _MEMORY),
    (
        "nothing",
        "full_fp16 full_bf16 fp16_master_weights_and_gradients",
        f"the vectors stay fp32; {setting('mixed_precision')} is what the model computes in",
    ),
    ("nothing", "no_half_vae", "the VAE always computes in fp32"),
    ("one", "local_rank ddp_timeout zero_stage", _ONE_DEVICE),
    ("one", "offload_optimizer_device offload_optimizer_nvme_path", _ONE_DEVICE),
    ("one", "offload_param_device offload_param_nvme_path", _ONE_DEVICE),
    ("nothing", "ddp_gradient_as_bucket_view ddp_static_graph deepspeed", _ONE_DEVICE),
    ("nothing", "zero3_init_flag zero3_save_16bit_model", _ONE_DEVICE),
    ("one", "console_log_level console_log_file", "events.jsonl in the run folder is the log"),
    ("nothing", "console_log_simple", "events.jsonl in the run folder is the log"),
    ("one", "report_to log_prefix log_tracker_config", _LOGS),
    ("one", "wandb_api_key", "WANDB_API_KEY in the environment, or wandb login, names the account"),
    ("nothing", "log_config", "settings.json in the run folder has them"),
    ("nothing", "push_to_hub save_state_to_huggingface async_upload", _UPLOAD),
    ("one", "hub_token hub_model_id huggingface_repo_id huggingface_repo_type", _UPLOAD),
    ("one", "huggingface_path_in_repo huggingface_token huggingface_repo_visibility", _UPLOAD),
    (
        "nothing",
        "save_state save_state_on_train_end",
        f"what {setting('resume')} needs is always kept",
    ),
    ("one", "save_last_n_epochs_state save_last_n_steps_state checkpoints_total_limit", _STATES),
    ("one", "save_n_epoch_ratio", f"see {setting('save_every_n_epochs')}"),
    ("nothing", "save_as_full_pipeline", "the model is not changed; the embedding is written"),
    (
        "nothing",
        "center_crop",
        f"images are cropped at their centre; see {setting('resize_mode')}",
    ),
    ("one", "repeats dataset_repeats", _BY_STEPS),
    ("one", "num_train_epochs", _EPOCHS),
    ("one", "num_validation_images", _ONE_PICTURE),
    ("nothing", "v2", "the family is read from the checkpoint"),
    ("one", "tokenizer_cache_dir", "the vocabulary comes with the program"),
    ("one", "max_token_length", "a long prompt takes as many pieces of 75 tokens as it needs"),
    ("one", "metadata_title metadata_author metadata_description metadata_tags", _NOTES),
    ("one", "metadata_usage_hint metadata_thumbnail metadata_merged_from", _NOTES),
    ("one", "metadata_preprocessor", _NOTES),
    ("one", "metadata_trigger_phrase", "the name of the embedding is noted as its trigger"),
    ("one", "huber_schedule huber_c huber_scale", _HUBER),
    ("one", "multires_noise_discount", "there is no multires noise"),
    ("one", "lr_decay_steps lr_scheduler_timescale lr_scheduler_min_lr_ratio", _SHAPES),
)
"""(what follows, names, why it has no effect)"""

_LEAVE_OUT = "leave it out"
_REFUSED: tuple[tuple[Takes, str, str, str, tuple[str, ...]], ...] = (
    (
        "one",
        "vae",
        "images are encoded by the model's own VAE",
        "put it into the checkpoint or the model's folder",
        (),
    ),
    (
        "one",
        "revision",
        "no revision of a model can be chosen here",
        f"download that one and name its folder in {setting('pretrained_model_name_or_path')}",
        ("main",),
    ),
    (
        "one",
        "variant",
        "no variant of a model's files can be chosen here",
        f"keep those files alone in the folder; see {setting('mixed_precision')}",
        (),
    ),
    (
        "nothing",
        "resume_from_huggingface",
        "nothing is downloaded",
        f"download the run folder and name it in {setting('resume')}",
        (),
    ),
    (
        "one",
        "in_json",
        "captions are read from text files beside the images",
        f"write them there, or name the folders in a file for {setting('dataset_config')}",
        (),
    ),
    (
        "one",
        "dataset_class",
        "code of other programs is not run",
        f"describe the images by {setting('dataset_config')}",
        (),
    ),
    (
        "one",
        "conditioning_data_dir",
        "masks are read from NAME_mask.png beside NAME.png",
        f"put them there, and keep {setting('masked_loss')}",
        (),
    ),
    (
        "nothing",
        "output_config",
        "settings are not written to a file of their own",
        "take settings.json of the run folder",
        (),
    ),
    (
        "one",
        "face_crop_aug_range",
        "images are not cropped at random",
        "preprocessing can crop around faces",
        (),
    ),
    (
        "nothing",
        "random_crop",
        "images are not cropped at random",
        "preprocessing makes crops beforehand",
        (),
    ),
    (
        "one",
        "resize_interpolation",
        "one method resizes all images",
        "resize them beforehand, by preprocessing or elsewhere",
        (),
    ),
    (
        "one",
        "secondary_separator",
        "captions have one separator",
        f"see {setting('caption_separator')}",
        ("",),
    ),
    (
        "nothing",
        "enable_wildcard",
        "captions are read as they are",
        "write one caption for each image, or lines of a prompt template",
        (),
    ),
    ("one", "token_warmup_min", "captions keep all of their tags", _LEAVE_OUT, ("1",)),
    ("one", "token_warmup_step", "captions keep all of their tags", _LEAVE_OUT, ("0",)),
    (
        "one",
        "caption_dropout_every_n_epochs",
        "captions are dropped at random only",
        f"see {setting('caption_dropout_rate')}",
        ("0",),
    ),
    ("one", "loss_type", "the loss is the mean squared error, kohya's l2", _LEAVE_OUT, ("l2",)),
    (
        "nothing",
        "debiased_estimation_loss",
        "the loss has no such weights",
        f"{setting('min_snr_gamma')} is of the same kind",
        (),
    ),
    (
        "nothing",
        "scale_v_pred_loss_like_noise_pred",
        "the loss has no such weights",
        f"{setting('min_snr_gamma')} is of the same kind",
        (),
    ),
    ("one", "v_pred_like_loss", "the loss has no such part", _LEAVE_OUT, ("0",)),
    (
        "nothing",
        "zero_terminal_snr",
        "noise is added as the checkpoint says",
        "take a checkpoint that was trained so: it is recognised",
        (),
    ),
    ("one", "multires_noise_iterations", "noise has one scale", _LEAVE_OUT, ("0",)),
    ("one", "ip_noise_gamma", "no second noise is added", _LEAVE_OUT, ("0",)),
    ("nothing", "ip_noise_gamma_random_strength", "no second noise is added", _LEAVE_OUT, ()),
    (
        "nothing",
        "noise_offset_random_strength",
        "the offset has one strength",
        f"{setting('noise_offset')} of half the value has the same mean",
        (),
    ),
    ("one", "adaptive_noise_scale", "the offset has one strength", _LEAVE_OUT, ("0",)),
    (
        "nothing",
        "use_lion_optimizer",
        f"{setting('optimizer_type')} is one of {', '.join(OPTIMIZERS)}",
        _LEAVE_OUT,
        (),
    ),
    (
        "one",
        "lr_scheduler_type",
        "code of other programs is not run",
        f"write the rates as a schedule in {setting('learning_rate')}",
        ("",),
    ),
    (
        "many",
        "lr_scheduler_args",
        f"no shape of {setting('lr_scheduler')} takes any",
        f"see {setting('lr_scheduler_num_cycles')} and {setting('lr_scheduler_power')}",
        ("",),
    ),
    ("one", "adam_beta1", "both betas are one setting", _BETAS, ("0.9",)),
    ("one", "adam_beta2", "both betas are one setting", _BETAS, ("0.999",)),
    ("one", "adam_epsilon", "it is an argument of the optimizer", _EPS, ("1e-8",)),
)
"""(what follows, name, why it is not possible, what to do, values that change nothing)"""


def _learnable_property(value: str) -> Verdict:
    if value in ("object", "style"):
        return Verdict({f"use_{value}_template": True})
    return Verdict(refusal=("it is neither object nor style", "choose one of these"))


def _without_brackets(text: str) -> str:
    return re.sub(r"<([^<>]+)>", lambda found: fitting_name(found[1]), text)


def _placeholder(value: str) -> Verdict:
    """diffusers' documentation calls words <cat-toy>, which no file can be called everywhere."""
    name = _without_brackets(value)
    remark = f"the word is {name!r}: its file can have no < and > in its name"
    return Verdict({"token_string": name}, "" if name == value else remark)


def _validation_prompt(value: str) -> Verdict:
    return Verdict({"sample_prompts": _without_brackets(value)})


def _warmup(value: str) -> Verdict:
    """kohya: below 1, or with a percent sign, it is a part of all steps."""
    try:
        part = float(value[:-1]) / 100 if value.endswith("%") else float(value)
    except ValueError:
        return Verdict({"lr_warmup_steps": value})
    whole = not value.endswith("%") and (part >= 1 or part == 0)
    return Verdict({"lr_warmup_steps": value} if whole else {"lr_warmup_ratio": repr(part)})


_SAVING_ADAM = ("adamw8bit", "pagedadamw", "pagedadamw8bit", "pagedadamw32bit")


def _optimizer(value: str) -> Verdict:
    known = {name.lower(): name for name in OPTIMIZERS}
    name = known.get(value.lower(), "")
    if value.lower() in _SAVING_ADAM and not (name and _is_here(name)):
        return Verdict({"optimizer_type": "AdamW"}, _ADAM_MEMORY)
    if not value or name:
        return Verdict({"optimizer_type": name} if name else {})
    return Verdict(refusal=("it is unknown here", f"choose one of {', '.join(OPTIMIZERS)}"))


def _is_here(name: str) -> bool:
    package = OPTIMIZERS[name].package  # type: ignore[index]
    return not package or importlib.util.find_spec(package) is not None


def _optimizer_args(value: str) -> Verdict:
    """kohya's list `weight_decay=0.01 betas=0.9,0.999` is one text here."""
    return Verdict({"optimizer_args": value})


def _weight_decay(value: str) -> Verdict:
    """diffusers' default is 0.01, which it applies to the whole vocabulary and then takes back."""
    kept = "vectors are not pulled towards zero by default"
    if refused("one", "", "", ("0.01",)).rule(value).refusal is None:
        return Verdict(remark=kept)
    fix = f"write it in {setting('optimizer_args')}: weight_decay={value}"
    return refused("one", kept, fix, ("0",)).rule(value)


def _scheduler(value: str) -> Verdict:
    if value == "constant_with_warmup":
        return Verdict({"lr_scheduler": "constant"})
    if value in get_args(Decay):
        return Verdict({"lr_scheduler": value})
    why = f"{setting('lr_scheduler')} is one of {', '.join(get_args(Decay))}"
    return Verdict(refusal=(why, f"write the rates as a schedule in {setting('learning_rate')}"))


def _save_model_as(value: str) -> Verdict:
    if value == "ckpt":
        return Verdict({"save_model_as": "pt"}, "the same file is called .pt, as programs expect")
    return Verdict({"save_model_as": value})


def _negative(value: str) -> Verdict:
    """kohya's is a text, ours a switch."""
    return Verdict({"metadata_is_negative_embedding": value.lower() not in ("false", "0", "no")})


OPTIONS: dict[str, Entry] = {
    **{name: needless(takes, why) for takes, names, why in _NEEDLESS for name in names.split()},
    **{name: refused(takes, why, fix, same) for takes, name, why, fix, same in _REFUSED},
    "no_safe_serialization": Entry("nothing", lambda value: Verdict({"save_model_as": "bin"})),
    "learnable_property": Entry("one", _learnable_property),
    "placeholder_token": Entry("one", _placeholder),
    "validation_prompt": Entry("one", _validation_prompt),
    "lr_warmup_steps": Entry("one", _warmup),
    "optimizer_type": Entry("one", _optimizer),
    "use_8bit_adam": Entry("nothing", lambda value: _optimizer("AdamW8bit")),
    "optimizer_args": Entry("many", _optimizer_args),
    "adam_weight_decay": Entry("one", _weight_decay),
    "lr_scheduler": Entry("one", _scheduler),
    "save_model_as": Entry("one", _save_model_as),
    "metadata_is_negative_embedding": Entry("perhaps", _negative),
}
"""Name of the option → what follows it, and what becomes of it."""
