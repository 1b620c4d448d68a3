"""Command lines of kohya's and diffusers' own documentation run as they stand there, but for paths
and, so that this takes seconds, the number of steps and the size of the pictures."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from ti_core.cli.main import main
from ti_core.demo.assets import pictures_folder
from ti_core.files.reading import read_embedding

DATASET = """
[general]
shuffle_caption = false
caption_extension = ".txt"
keep_tokens = 1

[[datasets]]
resolution = 64
batch_size = 4
enable_bucket = true
min_bucket_reso = 64

  [[datasets.subsets]]
  image_dir = "PICTURES"
  caption_extension = ".txt"
  class_tokens = "mychar"
  num_repeats = 10
"""
LINES = {
    "kohya, train_textual_inversion.md, 2.1": """
accelerate launch --num_cpu_threads_per_process 1 train_textual_inversion.py \\
  --pretrained_model_name_or_path="path/to/model.safetensors" \\
  --dataset_config="dataset_config.toml" \\
  --output_dir="output" \\
  --output_name="my_textual_inversion" \\
  --save_model_as="safetensors" \\
  --token_string="mychar" \\
  --init_word="girl" \\
  --num_vectors_per_token=4 \\
  --max_train_steps=1600 \\
  --learning_rate=1e-6 \\
  --optimizer_type="AdamW8bit" \\
  --mixed_precision="fp16" \\
  --cache_latents \\
  --sdpa
""",
    "kohya, train_textual_inversion.md, 2.2": """
accelerate launch --num_cpu_threads_per_process 1 sdxl_train_textual_inversion.py \\
  --pretrained_model_name_or_path="path/to/sdxl_model.safetensors" \\
  --dataset_config="dataset_config.toml" \\
  --output_dir="output" \\
  --output_name="my_sdxl_textual_inversion" \\
  --save_model_as="safetensors" \\
  --token_string="mychar" \\
  --init_word="girl" \\
  --num_vectors_per_token=4 \\
  --max_train_steps=1600 \\
  --learning_rate=1e-6 \\
  --optimizer_type="AdamW8bit" \\
  --mixed_precision="fp16" \\
  --cache_latents \\
  --sdpa
""",
    "kohya, train_ti_README": """
accelerate launch --num_cpu_threads_per_process 1 train_textual_inversion.py
    --dataset_config=dataset_config.toml
    --output_dir=output
    --output_name=mine
    --save_model_as=safetensors
    --prior_loss_weight=1.0
    --max_train_steps=1600
    --learning_rate=1e-6
    --optimizer_type="AdamW8bit"
    --xformers
    --mixed_precision="fp16"
    --cache_latents
    --gradient_checkpointing
    --token_string=mychar4 --init_word=cute --num_vectors_per_token=4
    --pretrained_model_name_or_path=model.ckpt
""",
    "kohya, train_textual_inversion.md, 3.1, template": """
accelerate launch train_textual_inversion.py --pretrained_model_name_or_path="m.safetensors"
    --dataset_config="dataset_config.toml" --output_dir="output" --token_string="mychar"
    --init_word="girl" --num_vectors_per_token=4 --use_object_template --debug_dataset
""",
    "diffusers, textual_inversion/README.md": """
accelerate launch textual_inversion.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir=$DATA_DIR \\
  --learnable_property="object" \\
  --placeholder_token="<cat-toy>" \\
  --initializer_token="toy" \\
  --resolution=512 \\
  --train_batch_size=1 \\
  --gradient_accumulation_steps=4 \\
  --max_train_steps=3000 \\
  --learning_rate=5.0e-04 \\
  --scale_lr \\
  --lr_scheduler="constant" \\
  --lr_warmup_steps=0 \\
  --push_to_hub \\
  --output_dir="textual_inversion_cat"
""",
    "diffusers, textual_inversion/README.md, num_vectors": """
accelerate launch textual_inversion.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir=$DATA_DIR \\
  --learnable_property="object" \\
  --placeholder_token="<cat-toy>" \\
  --initializer_token="toy" \\
  --resolution=512 \\
  --train_batch_size=1 \\
  --gradient_accumulation_steps=4 \\
  --max_train_steps=3000 \\
  --learning_rate=5.0e-04 \\
  --scale_lr \\
  --lr_scheduler="constant" \\
  --lr_warmup_steps=0 \\
  --num_vectors 5 \\
  --enable_xformers_memory_efficient_attention \\
  --output_dir="textual_inversion_cat"
""",
    "diffusers, textual_inversion/README.md, Flax": """
python textual_inversion_flax.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir=$DATA_DIR \\
  --learnable_property="object" \\
  --placeholder_token="<cat-toy>" \\
  --initializer_token="toy" \\
  --resolution=512 \\
  --train_batch_size=1 \\
  --max_train_steps=3000 \\
  --learning_rate=5.0e-04 \\
  --scale_lr \\
  --output_dir="textual_inversion_cat"
""",
    "diffusers, textual_inversion/README_sdxl.md": """
accelerate launch textual_inversion_sdxl.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir=$DATA_DIR \\
  --learnable_property="object" \\
  --placeholder_token="<cat-toy>" \\
  --initializer_token="toy" \\
  --mixed_precision="bf16" \\
  --resolution=768 \\
  --train_batch_size=1 \\
  --gradient_accumulation_steps=4 \\
  --max_train_steps=500 \\
  --learning_rate=5.0e-04 \\
  --scale_lr \\
  --lr_scheduler="constant" \\
  --lr_warmup_steps=0 \\
  --save_as_full_pipeline \\
  --output_dir="./textual_inversion_cat_sdxl"
""",
    "diffusers, docs/training/text_inversion.md": """
accelerate launch textual_inversion.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir=$DATA_DIR \\
  --learnable_property="object" \\
  --placeholder_token="<cat-toy>" \\
  --initializer_token="toy" \\
  --resolution=512 \\
  --train_batch_size=1 \\
  --gradient_accumulation_steps=4 \\
  --max_train_steps=3000 \\
  --learning_rate=5.0e-04 \\
  --scale_lr \\
  --lr_scheduler="constant" \\
  --lr_warmup_steps=0 \\
  --output_dir="textual_inversion_cat" \\
  --push_to_hub \\
  --validation_prompt="A <cat-toy> train" \\
  --num_validation_images=4 \\
  --validation_steps=100
""",
    "diffusers, docs/training/text_inversion.md, resumed": """
accelerate launch textual_inversion.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir=$DATA_DIR \\
  --placeholder_token="<cat-toy>" \\
  --initializer_token="toy" \\
  --gradient_accumulation_steps=4 \\
  --checkpointing_steps=500 \\
  --checkpoints_total_limit=3 \\
  --mixed_precision="bf16" \\
  --output_dir="textual_inversion_cat"
""",
}
SMALL = ["--max_train_steps=2", "--resolution=64", "--sample_every_n_steps=0", "--device=cpu"]


def arguments(line: str, dataset: Path) -> list[str]:
    """Those of the script, with paths of this test."""
    words = shlex.split(line.replace("\\\n", " "))
    script = next(n for n, word in enumerate(words) if word.endswith(".py"))
    paths = {"pretrained_model_name_or_path": "demo", "dataset_config": str(dataset)}
    paths["train_data_dir"] = str(pictures_folder("cat"))
    changed = []
    for word in words[script + 1 :]:
        name = re.sub("=.*", "", word)[2:]
        changed.append(f"--{name}={paths[name]}" if name in paths else word)
    return changed


@pytest.mark.slow
@pytest.mark.parametrize("where", LINES)
def test_documented_lines_run(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = tmp_path / "dataset_config.toml"
    dataset.write_text(DATASET.replace("PICTURES", pictures_folder("cat").as_posix()))
    line = arguments(LINES[where], dataset)
    assert main(["train", *line, *SMALL]) == 0
    out, _ = capsys.readouterr()
    if "--debug_dataset" in line:
        assert "mychar" in out
        return
    made = next(path for path in tmp_path.glob("*/*.safetensors"))
    options = dict(word[2:].partition("=")[::2] for word in line)
    assert made.parent.name == Path(options["output_dir"]).name
    embedding = read_embedding(made)
    assert embedding.step == 2
    told = json.loads(embedding.metadata["ti.config"])
    if rate := options.get("learning_rate"):
        assert float(told["learning_rate"]) == float(rate)
    assert told.get("scale_lr", False) == ("scale_lr" in options)
