"""Ten settings files as A1111, kohya, diffusers and OneTrainer have them, and hostile ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ti_core.cli.standalone import ModelConfig
from ti_core.errors import FileError
from ti_core.foreign.imported import Imported, import_settings
from ti_core.options import make_config
from ti_core.train.config import TrainConfig

KINDS = (TrainConfig, ModelConfig)
Ti = Callable[..., tuple[int, str, str]]

A1111_RUN = {
    "datetime": "2023-02-01 10:00:00", "model_name": "v1-5-pruned", "model_hash": "81761151",
    "num_of_dataset_images": 12, "num_vectors_per_token": 4, "embedding_name": "my-cat",
    "learn_rate": "0.005:100, 1e-3:1000, 1e-5", "batch_size": 2, "gradient_step": 3,
    "data_root": "D:\\pictures\\cat", "log_directory": "textual_inversion/2023-02-01/my-cat",
    "training_width": 512, "training_height": 640, "steps": 2000, "clip_grad_mode": "value",
    "clip_grad_value": "0.1", "latent_sampling_method": "deterministic", "create_image_every": 100,
    "save_embedding_every": 250, "save_image_with_stored_embedding": True,
    "template_file": "textual_inversion_templates/style_filewords.txt", "initial_step": 0,
    "preview_prompt": "a my-cat", "preview_negative_prompt": "blurry", "preview_steps": 30,
    "preview_sampler_index": "DDIM", "preview_cfg_scale": 7.5, "preview_seed": -1.0,
    "preview_width": 512, "preview_height": 512,
}  # fmt: skip
A1111_HYPERNETWORK = {
    "datetime": "2023-02-01", "hypernetwork_name": "style", "learn_rate": "0.00001",
    "layer_structure": [1, 2, 1], "activation_func": "linear", "batch_size": 1, "steps": 100,
}  # fmt: skip
A1111_FORM = {
    "txt2img/Prompt/visible": True, "txt2img/Steps/value": 20,
    "train/Name/value": "", "train/Initialization text/value": "*",
    "train/Number of vectors per token/value": 2, "train/Number of vectors per token/minimum": 1,
    "train/Embedding Learning rate/value": "0.005", "train/Batch size/value": 1,
    "train/Gradient accumulation steps/value": 1, "train/Dataset directory/value": "pictures",
    "train/Log directory/value": "textual_inversion", "train/Prompt template/value": "style.txt",
    "train/Width/value": 512, "train/Height/value": 512, "train/Max steps/value": 100000,
    "train/Do not resize images/value": False,
    "train/Save an image to log directory every N steps, 0 to disable/value": 500,
    "train/Use PNG alpha channel as loss weight/value": True,
    "train/Shuffle tags by ',' when creating prompts./value": True,
    "train/Choose latent sampling method/value": "once",
    "train/Hypernetwork Learning rate/value": "0.00001",
}  # fmt: skip
KOHYA_FLAT = """
pretrained_model_name_or_path = "model.safetensors"
train_data_dir = "pictures"
token_string = "my-cat"
init_word = "cat"
num_vectors_per_token = 4
resolution = "512,640"
train_batch_size = 2
learning_rate = 1e-3
lr_scheduler = "cosine_with_restarts"
lr_scheduler_num_cycles = 3
lr_warmup_steps = 0.1
max_train_epochs = 10
save_every_n_epochs = 1
save_last_n_epochs = 3
save_model_as = "pt"
save_precision = "fp16"
mixed_precision = "fp16"
optimizer_type = "AdamW"
optimizer_args = ["weight_decay=0.01", "betas=0.9,0.99"]
min_snr_gamma = 5
xformers = true
shuffle_caption = true
flip_aug = false
max_data_loader_n_workers = 8
"""
KOHYA_SECTIONS = """
[model_arguments]
v2 = false
v_parameterization = false
pretrained_model_name_or_path = "model.safetensors"

[dataset_arguments]
dataset_config = "data.toml"

[training_arguments]
output_dir = "out"
output_name = "cat"
token_string = "my-cat"
sample_every_n_epochs = 2
sample_sampler = "euler_a"
noise_offset = 0.05
loss_type = "huber"
network_module = "networks.lora"
"""
SHELL = """#!/bin/bash
export MODEL_NAME="sd15.safetensors"
DATA_DIR='./my cat'
pip install accelerate

accelerate launch --num_processes=1 textual_inversion.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir="${DATA_DIR}" \\
  --learnable_property="object" --placeholder_token="<cat-toy>" --initializer_token="toy" \\
  --resolution=512 --train_batch_size=1 --gradient_accumulation_steps=4 \\
  --max_train_steps=3000 --learning_rate=5.0e-04 --scale_lr \\
  --lr_scheduler="constant" --lr_warmup_steps=0 --push_to_hub \\
  --output_dir="out" && echo done --seed 7
"""
BATCH = """@echo off
set MODEL=C:\\models\\sd15.safetensors
accelerate launch train_textual_inversion.py ^
  --pretrained_model_name_or_path=%MODEL% ^
  --train_data_dir "D:\\my pictures" --token_string=my-cat ^
  --init_word=cat --sdpa --cache_latents --seed=42 --optimizer_type Lion
pause
"""
ARGUMENTS = "--token_string my-cat --init_word cat --max_train_steps 100\n--xformers --seed 3\n"
ONETRAINER_PRESET = {
    "backup_after": 10, "base_model_name": "sd15", "latent_caching": False, "learning_rate": 0.0003,
    "learning_rate_warmup_steps": 20, "model_type": "STABLE_DIFFUSION_15",
    "output_model_destination": "models/embedding.safetensors",
    "output_model_format": "SAFETENSORS", "resolution": "512", "sample_after": 1,
    "training_method": "EMBEDDING", "vae": {"weight_dtype": "FLOAT_32"},
}  # fmt: skip
ONETRAINER_RUN = {
    "__version": 8, "training_method": "EMBEDDING", "base_model_name": "sd15.safetensors",
    "embedding": {"uuid": "x", "placeholder": "<my-cat>", "token_count": 3,
                  "initial_embedding_text": "cat", "model_name": ""},
    "embedding_learning_rate": 0.001, "learning_rate": 3e-6, "learning_rate_scaler": "BOTH",
    "batch_size": 2, "gradient_accumulation_steps": 2, "epochs": 50, "train_dtype": "BFLOAT_16",
    "learning_rate_scheduler": "COSINE", "learning_rate_warmup_steps": 0.1,
    "resolution": "512x640", "clip_grad_norm": 1.0, "loss_weight_fn": "MIN_SNR_GAMMA",
    "loss_weight_strength": 5.0, "offset_noise_weight": 0.05, "masked_training": True,
    "text_encoder_layer_skip": 1, "ema": "CPU", "ema_decay": 0.99, "huber_strength": 0.5,
    "optimizer": {"optimizer": "ADAMW", "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.01},
    "output_model_destination": "C:\\out\\my-cat.safetensors", "output_dtype": "FLOAT_16",
    "concepts": [{"path": "pictures/cat", "enabled": True}, {"path": "x", "enabled": False}],
    "samples": [{"prompt": "a <my-cat>", "seed": 42, "width": 512, "height": 512}],
    "sample_after": 10, "sample_after_unit": "EPOCH", "save_every": 100, "save_every_unit": "STEP",
    "lora_rank": 16, "some_new_thing": 3,
}  # fmt: skip
FILES: dict[str, tuple[str, str, dict[str, Any], tuple[str, ...]]] = {
    "A1111, a training": (
        "settings-2023.json", json.dumps(A1111_RUN),
        {"token_string": "my-cat", "learning_rate": "0.005:100, 1e-3:1000, 1e-5",
         "train_batch_size": 2, "gradient_accumulation_steps": 3, "resolution": (512, 640),
         "logging_dir": "textual_inversion", "prompt_template": "style_filewords",
         "sample_prompts": "a my-cat --n blurry --w 512 --h 512", "resize_mode": "stretch",
         "train_data_dir": "D:\\pictures\\cat", "sample_sampler": "DDIM"},
        (),
    ),
    "A1111, a hypernetwork": (
        "settings-2.json", json.dumps(A1111_HYPERNETWORK), {"max_train_steps": 100},
        ("hypernetwork_name", "layer_structure", "activation_func"),
    ),
    "A1111, the form": (
        "ui-config.json", json.dumps(A1111_FORM),
        {"num_vectors_per_token": 2, "max_train_steps": 100_000, "resolution": (512, 512),
         "masked_loss": True, "shuffle_caption": True, "prompt_template": "style",
         "varsize": False, "template_choice": "once", "sample_every_n_steps": 500},
        ("Hypernetwork Learning rate",),
    ),
    "kohya, flat": (
        "config.toml", KOHYA_FLAT,
        {"pretrained_model_name_or_path": "model.safetensors", "resolution": (512, 640),
         "learning_rate": "0.001", "lr_warmup_ratio": 0.1, "max_train_epochs": 10,
         "save_last_n_epochs": 3, "save_model_as": "pt", "save_precision": "fp16",
         "optimizer_args": "weight_decay=0.01 betas=0.9,0.99", "min_snr_gamma": 5.0,
         "shuffle_caption": True, "flip_aug": False, "lr_scheduler_num_cycles": 3},
        (),
    ),
    "kohya, in sections": (
        "config.toml", KOHYA_SECTIONS,
        {"dataset_config": "data.toml", "sample_every_n_epochs": 2, "noise_offset": 0.05,
         "sample_sampler": "euler_a", "output_name": "cat"},
        ("loss_type", "network_module"),
    ),
    "diffusers, a shell script": (
        "train.sh", SHELL,
        {"pretrained_model_name_or_path": "sd15.safetensors", "train_data_dir": "./my cat",
         "token_string": "cat-toy", "init_word": "toy", "use_object_template": True,
         "scale_lr": True, "learning_rate": "5.0e-04", "output_dir": "out"},
        (),
    ),
    "kohya, a batch file": (
        "train.bat", BATCH,
        {"pretrained_model_name_or_path": "C:\\models\\sd15.safetensors", "seed": 42,
         "train_data_dir": "D:\\my pictures", "cache_latents": True},
        ("optimizer_type",),
    ),
    "kohya, arguments alone": (
        "arguments.txt", ARGUMENTS, {"token_string": "my-cat", "seed": 3, "max_train_steps": 100},
        (),
    ),
    "OneTrainer, a preset": (
        "preset.json", json.dumps(ONETRAINER_PRESET),
        {"learning_rate": "0.0003", "lr_warmup_steps": 20, "max_train_epochs": 100,
         "mixed_precision": "fp16", "max_grad_norm": 1.0, "output_name": "embedding",
         "cache_latents": False, "resolution": (512, 512), "token_string": "embedding"},
        ("sample_after", "concepts"),
    ),
    "OneTrainer, a run": (
        "config.json", json.dumps(ONETRAINER_RUN),
        {"token_string": "my-cat", "num_vectors_per_token": 3, "learning_rate": "0.002",
         "lr_scheduler": "cosine", "lr_warmup_ratio": 0.1, "resolution": (640, 512),
         "mixed_precision": "bf16", "min_snr_gamma": 5.0, "noise_offset": 0.05, "clip_skip": 2,
         "ema_decay": 0.997992, "optimizer_args": "betas=0.9,0.99 weight_decay=0.01",
         "output_dir": "C:/out", "output_name": "my-cat", "save_precision": "fp16",
         "train_data_dir": "pictures/cat", "sample_every_n_epochs": 10, "save_every_n_steps": 100,
         "sample_prompts": "a my-cat --w 512 --h 512 --d 42", "masked_loss": True},
        ("huber_strength", "some_new_thing", "unmasked_weight", "unmasked_probability"),
    ),
}  # fmt: skip


def imported(folder: Path, name: str, text: str) -> Imported:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return import_settings(path, KINDS)


@pytest.mark.parametrize("kind", FILES)
def test_settings_are_taken_and_the_rest_is_listed(kind: str, tmp_path: Path) -> None:
    name, text, expected, misfits = FILES[kind]
    found = imported(tmp_path, name, text)
    assert {key: found.settings.get(key) for key in expected} == expected
    assert [notice.what.removesuffix(" is left out") for notice in found.misfits] == list(misfits)
    settings = {"token_string": "my-cat", "train_data_dir": "pictures"}
    config = make_config(TrainConfig, settings, found.grouped(TrainConfig))
    make_config(ModelConfig, {}, found.grouped(ModelConfig))
    assert config.name == "my-cat"


ONETRAINER_MORE: dict[str, Any] = {
    "gradient_checkpointing": "CPU_OFFLOADED", "validation": True, "validate_after": 25,
    "validate_after_unit": "STEP", "masked_training": True, "unmasked_weight": 0.0,
    "unmasked_probability": 0.0, "text_encoder": {"train_embedding": False},
    "optimizer": {"optimizer": "PRODIGY", "d_coef": 0.5, "decouple": True, "fused": True,
                  "growth_rate": float("inf"), "slice_p": 11, "use_speed": True},
    "concepts": [{"path": "a"}, {"path": "b", "type": "VALIDATION"},
                 {"path": "c", "type": "PRIOR_PREDICTION"}],
    "lora_rank": 32, "multi_gpu": False, "tensorboard_port": 7000, "peft_type": "LORA",
    "secrets": {"huggingface_token": "hf_secret"}, "vae": {"model_name": "other.safetensors"},
}  # fmt: skip


def test_more_of_onetrainers_settings_are_used_or_listed_with_their_reason(tmp_path: Path) -> None:
    table = {**ONETRAINER_RUN, **ONETRAINER_MORE}
    found = imported(tmp_path, "config.json", json.dumps(table))
    expected = {"gradient_checkpointing": True, "validate_every_n_steps": 25, "mask_scale": "none",
                "learning_rate_te1": "0", "optimizer_args": "d_coef=0.5", "train_data_dir": "a",
                "validation_data_dir": "b"}  # fmt: skip
    assert {name: found.settings.get(name) for name in expected} == expected
    told = {notice.what.split(" is ")[0]: notice.why for notice in found.remarks}
    assert set(told) >= {"lora_rank", "tensorboard_port", "concepts of prior prediction"}
    assert told["lora_rank"] == "it belongs to another kind of training than of an embedding"
    assert not set(told) & {"multi_gpu", "peft_type"}
    assert "hf_secret" not in str(found)
    left_out = [notice.what.removesuffix(" is left out") for notice in found.misfits]
    assert left_out == ["huber_strength", "some_new_thing", "optimizer.use_speed", "vae.model_name"]


def test_what_follows_the_command_line_is_not_read(tmp_path: Path) -> None:
    assert "seed" not in imported(tmp_path, "train.sh", SHELL).settings


def test_a_program_without_a_model_of_its_own_tells_which_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(KOHYA_FLAT)
    found = import_settings(path, (TrainConfig,))
    assert [notice.what for notice in found.misfits] == [
        "pretrained_model_name_or_path is left out"
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "[" * 100_000),
        ("a.json", '{"learn_rate": ' + "[" * 500 + "]" * 500 + ', "embedding_name": "a"}'),
        ("a.json", "[]"),
        ("a.json", "3"),
        ("a.json", '{"learn_rate": 1' + "0" * 5000 + ', "embedding_name": "a"}'),
        ("a.json", '{"train": {}}'),
        ("a.json", '{"anything": 1}'),
        ("a.json", json.dumps({f"train/{n}/value": 1 for n in range(20_001)})),
        ("a.toml", "a = [" + "[" * 5000),
        ("a.toml", "a" + ".a" * 100 + " = 1"),
        ("a.toml", "x = 1"),
        ("a.sh", "echo hello"),
        ("a.sh", 'train_textual_inversion.py --token_string "open'),
        ("a.sh", "train_textual_inversion.py " + "--seed " * 20_000),
        ("a.sh", "A=" + "x" * 50_000 + "\ntrain_textual_inversion.py " + "$A" * 20_000),
        ("a.sh", "textual_inversion" * 50_000),
        ("a.txt", "\0"),
    ],
)
def test_what_is_no_settings_file_is_told_in_bounded_time(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(FileError):
        imported(tmp_path, name, text)


WILD: list[object] = [
    None,
    True,
    -1,
    1e400,
    "",
    "x" * 20_000,
    [],
    {},
    [[1]],
    {"a": {"b": 1}},
    "nan",
]


@pytest.mark.parametrize("table", [A1111_RUN, A1111_FORM, ONETRAINER_RUN, ONETRAINER_PRESET])
def test_values_of_any_type_are_taken_or_told(tmp_path: Path, table: dict[str, Any]) -> None:
    for key in table:
        for value in WILD:
            text = json.dumps({**table, key: value})
            found = imported(tmp_path, "a.json", text)
            assert all(len(str(notice)) < 1000 for notice in (*found.remarks, *found.misfits))


# --- the command line -------------------------------------------------------------------------


def test_a_file_is_imported_and_trained_with(ti: Ti, tmp_path: Path) -> None:
    (tmp_path / "settings-2023.json").write_text(json.dumps(A1111_RUN))
    code, out, err = ti("import-settings", "settings-2023.json", "--out", "mine.json")
    assert code == 0
    assert re.search(r"\d+ settings are in mine.json", out)
    assert "info: model_name is left out: choose this model before training" in err
    settings = json.loads((tmp_path / "mine.json").read_text())
    assert settings["train"]["embedding"]["token_string"] == "my-cat"
    code, _, err = ti("import-settings", "settings-2023.json", "--out", "mine.json")
    assert (code, "exists already" in err) == (2, True)
    code, out, _ = ti("import-settings", "settings-2023.json")
    assert json.loads(out) == settings


def test_files_of_other_programs_are_settings_files(ti: Ti, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 64), (60 * number, 90, 120)).save(tmp_path / f"pictures/{number}.png")
    (tmp_path / "config.toml").write_text(
        'token_string = "my-cat"\ntrain_data_dir = "pictures"\nmax_train_epochs = 2\nsdpa = true\n'
        "[more]\nsample_every_n_steps = 0\n"
    )
    code, _, err = ti("train", "--config_file", "config", "--seed", "3")
    assert code == 0, err
    assert "finished at step 6" in err
    assert "sdpa is left out: attention" in err
    with (tmp_path / "config.toml").open("a") as file:
        file.write('loss_type = "huber"\n')
    code, _, err = ti("train", "--config_file", "config.toml", "--overwrite")
    assert (code, "loss_type is left out: the loss is the mean squared error" in err) == (2, True)


def test_nothing_to_import_is_an_error(ti: Ti, tmp_path: Path) -> None:
    assert ti("import-settings")[0] == 2
    assert ti("import-settings", "no-such.json")[0] == 1
    assert ti("train", "--config_file", "no-such.toml")[0] == 2
