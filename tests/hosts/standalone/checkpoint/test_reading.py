"""Wrong, half and damaged checkpoints get an error that says what they are."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.checkpoints import original_state, tiny, write_folder, write_single_file
from ti_core.errors import CheckpointError, UnsafeFileError
from ti_core.hosts.standalone.checkpoint.noise_schedule import (
    alphas_from_config,
    stable_diffusion_alphas,
)
from ti_core.hosts.standalone.host import DiffusersHost


def only(prefix: str) -> dict[str, Tensor]:
    state = original_state(tiny("sd1"))
    return {k: v.contiguous() for k, v in state.items() if k.startswith(prefix)}


def without(prefix: str) -> dict[str, Tensor]:
    state = original_state(tiny("sd1"))
    return {k: v.contiguous() for k, v in state.items() if not k.startswith(prefix)}


OTHER_FILES = {
    "a LoRA": {"lora_unet_down_blocks_0_attentions_0.lora_up.weight": torch.ones(4, 4)},
    "an embedding": {"emb_params": torch.ones(2, 768)},
    "a VAE": {"encoder.mid.block_1.conv1.weight": torch.ones(1)},
    "a diffusers UNet": {"down_blocks.0.resnets.0.conv1.weight": torch.ones(1)},
    "a text encoder": {"text_model.encoder.layers.0.self_attn.q_proj.weight": torch.ones(1)},
    "an SDXL refiner": {"conditioner.embedders.0.model.ln_final.weight": torch.ones(1)},
    "an SD3 checkpoint": {"model.diffusion_model.joint_blocks.0.x": torch.ones(1)},
    "a Flux model": {"double_blocks.0.img_attn.qkv.weight": torch.ones(1)},
    "a ControlNet": {"control_model.input_blocks.0.0.weight": torch.ones(1)},
    "no UNet and no VAE and no text encoder": {"something": torch.ones(1)},
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_another_kind_of_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file(OTHER_FILES[name], path)
    with pytest.raises(CheckpointError, match=name):
        DiffusersHost.open(path)


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("model.diffusion_model.", "no UNet"),
        ("first_stage_model.", "no VAE"),
        ("cond_stage_model.", "no text encoder"),
    ],
)
def test_half_a_checkpoint_says_what_it_lacks(tmp_path: Path, prefix: str, name: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file(without(prefix), path)
    with pytest.raises(CheckpointError, match=name):
        DiffusersHost.open(path)


@pytest.mark.parametrize(
    "key",
    [
        "model.diffusion_model.middle_block.0.in_layers.2.weight",
        "model.diffusion_model.input_blocks.0.0.weight",
        "first_stage_model.decoder.conv_out.bias",
        "cond_stage_model.transformer.text_model.final_layer_norm.bias",
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    ],
)
def test_one_missing_weight_is_an_error(tmp_path: Path, key: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file(without(key), path)
    with pytest.raises(CheckpointError, match="missing"):
        DiffusersHost.open(path)


def test_a_weight_of_another_shape_is_an_error(tmp_path: Path) -> None:
    state = without("nothing")
    state["model.diffusion_model.out.0.bias"] = torch.ones(7)
    path = tmp_path / "x.safetensors"
    save_file(state, path)
    with pytest.raises(CheckpointError, match="another shape"):
        DiffusersHost.open(path)


def test_an_unknown_layer_in_the_unet_is_an_error(tmp_path: Path) -> None:
    state = without("nothing")
    state["model.diffusion_model.middle_block.1.extra.weight"] = torch.ones(7)
    path = tmp_path / "x.safetensors"
    save_file(state, path)
    with pytest.raises(CheckpointError, match="unknown"):
        DiffusersHost.open(path)


def test_inpainting_models_are_refused_politely(tmp_path: Path) -> None:
    layout = replace(tiny("sd1"), in_channels=9)
    with pytest.raises(CheckpointError, match="inpainting"):
        DiffusersHost.open(write_single_file(tmp_path / "x.safetensors", layout))


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@pytest.mark.parametrize("part", [0, 0.0001, 0.5, 0.999])
def test_a_file_cut_off_is_an_error(tmp_path: Path, suffix: str, part: float) -> None:
    path = write_single_file(tmp_path / f"x{suffix}", tiny("sd1"))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(CheckpointError, match="x"):
        DiffusersHost.open(path)


def test_text_under_a_wrong_name_is_an_error(tmp_path: Path) -> None:
    for name in ("x.safetensors", "x.ckpt", "x.txt"):
        (tmp_path / name).write_text("<html>Not found</html>" * 100)
        with pytest.raises(CheckpointError):
            DiffusersHost.open(tmp_path / name)


def test_a_hostile_checkpoint_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "x.ckpt"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR.")
    with pytest.raises(UnsafeFileError, match=r"os\.system"):
        DiffusersHost.open(path)
    assert not canary.exists()


def test_a_missing_path_is_no_hub_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="hub:"):
        DiffusersHost.open("runwayml/stable-diffusion-v1-5")


# --- diffusers folders ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("folder") / "model", "sd1")


@pytest.mark.parametrize(
    "missing",
    [
        "unet",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/vocab.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_half_a_folder_is_an_error(folder: Path, tmp_path: Path, missing: str) -> None:
    away = (folder / missing).rename(tmp_path / "away")
    try:
        with pytest.raises(CheckpointError):
            DiffusersHost.open(folder)
    finally:
        away.rename(folder / missing)


def test_old_names_variants_and_shards_of_folders_are_read(folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(folder, tmp_path / "model")
    unet = folder / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(unet)
    halves = list(state)[::2], list(state)[1::2]
    for i, keys in enumerate(halves, start=1):
        shard = unet.with_name(f"diffusion_pytorch_model-0000{i}-of-00002.safetensors")
        save_file({key: state[key] for key in keys}, shard)
    save_file(
        {"nothing": torch.ones(1)}, unet.with_name("diffusion_pytorch_model.fp16.safetensors")
    )
    unet.unlink()
    vae = folder / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = load_file(vae)
    for new, name in old.items():
        renamed = {key.replace(f"0.{new}.", f"0.{name}."): v for key, v in renamed.items()}
    vae.unlink()
    torch.save(renamed, vae.with_suffix(".bin"))
    loaded = DiffusersHost.open(folder).model
    assert torch.equal(loaded.unet.state_dict()["conv_in.weight"], state["conv_in.weight"])
    unet.with_name("diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match="1 of 2"):
        DiffusersHost.open(folder)


def test_a_folder_that_predicts_pictures_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    path = copy / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "sample"}))
    with pytest.raises(CheckpointError, match="sample"):
        DiffusersHost.open(copy)


# --- noise schedules --------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["scaled_linear", "linear"])
@pytest.mark.parametrize("zero", [False, True])
def test_noise_schedules_agree_with_diffusers(schedule: str, zero: bool) -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule=schedule, rescale_betas_zero_snr=zero
    )
    ours = alphas_from_config(dict(scheduler.config))
    assert torch.allclose(ours.float(), scheduler.alphas_cumprod, atol=1e-5)


def test_the_known_schedule_of_stable_diffusion() -> None:
    alphas = stable_diffusion_alphas()
    assert len(alphas) == 1000
    assert alphas[0].item() == pytest.approx(0.99915, abs=1e-6)
    assert alphas[-1].item() == pytest.approx(0.0046601, abs=1e-6)
    assert stable_diffusion_alphas(zero_terminal_snr=True)[-1] == 0
