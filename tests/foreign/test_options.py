"""No option of kohya's and diffusers' scripts is unknown, and each has a place of its own."""

from __future__ import annotations

import importlib.util
import re

import pytest

from ti_core.cli.train import parser
from ti_core.errors import ConfigError
from ti_core.foreign.arguments import replaced
from ti_core.foreign.options import OPTIONS

KOHYA = """
    console_log_level console_log_file console_log_simple
    v2 v_parameterization pretrained_model_name_or_path tokenizer_cache_dir
    metadata_title metadata_author metadata_description metadata_license metadata_tags
    metadata_usage_hint metadata_thumbnail metadata_merged_from metadata_trigger_phrase
    metadata_preprocessor metadata_is_negative_embedding
    train_data_dir cache_info shuffle_caption caption_separator caption_extension caption_extention
    keep_tokens keep_tokens_separator secondary_separator enable_wildcard caption_prefix
    caption_suffix color_aug flip_aug face_crop_aug_range random_crop debug_dataset resolution
    cache_latents vae_batch_size cache_latents_to_disk skip_cache_check enable_bucket
    min_bucket_reso max_bucket_reso bucket_reso_steps bucket_no_upscale resize_interpolation
    token_warmup_min token_warmup_step alpha_mask dataset_class caption_dropout_rate
    caption_dropout_every_n_epochs caption_tag_dropout_rate reg_data_dir in_json dataset_repeats
    output_dir output_name huggingface_repo_id huggingface_repo_type huggingface_path_in_repo
    huggingface_token huggingface_repo_visibility save_state_to_huggingface resume_from_huggingface
    async_upload save_precision save_every_n_epochs save_every_n_steps save_n_epoch_ratio
    save_last_n_epochs save_last_n_epochs_state save_last_n_steps save_last_n_steps_state
    save_state save_state_on_train_end resume train_batch_size max_token_length mem_eff_attn
    torch_compile dynamo_backend xformers sdpa vae max_train_steps max_train_epochs
    max_data_loader_n_workers persistent_data_loader_workers seed gradient_checkpointing
    gradient_accumulation_steps mixed_precision full_fp16 full_bf16 fp8_base ddp_timeout
    ddp_gradient_as_bucket_view ddp_static_graph clip_skip logging_dir log_with log_prefix
    log_tracker_name wandb_run_name log_tracker_config wandb_api_key log_config noise_offset
    noise_offset_random_strength multires_noise_iterations ip_noise_gamma
    ip_noise_gamma_random_strength multires_noise_discount adaptive_noise_scale zero_terminal_snr
    min_timestep max_timestep loss_type huber_schedule huber_c huber_scale lowram highvram
    sample_every_n_steps sample_at_first sample_every_n_epochs sample_prompts sample_sampler
    config_file output_config prior_loss_weight
    conditioning_data_dir masked_loss
    deepspeed zero_stage offload_optimizer_device offload_optimizer_nvme_path offload_param_device
    offload_param_nvme_path zero3_init_flag zero3_save_16bit_model fp16_master_weights_and_gradients
    optimizer_type use_8bit_adam use_lion_optimizer learning_rate max_grad_norm optimizer_args
    lr_scheduler_type lr_scheduler_args lr_scheduler lr_warmup_steps lr_decay_steps
    lr_scheduler_num_cycles lr_scheduler_power fused_backward_pass lr_scheduler_timescale
    lr_scheduler_min_lr_ratio
    dataset_config
    min_snr_gamma scale_v_pred_loss_like_noise_pred v_pred_like_loss debiased_estimation_loss
    save_model_as weights num_vectors_per_token token_string init_word use_object_template
    use_style_template no_half_vae
    disable_mmap_load_safetensors cache_text_encoder_outputs cache_text_encoder_outputs_to_disk
""".split()
"""sd-scripts (2026-02): `setup_parser` of train_textual_inversion.py and its SDXL sister."""
DIFFUSERS = """
    save_steps save_as_full_pipeline num_vectors pretrained_model_name_or_path revision variant
    tokenizer_name train_data_dir placeholder_token initializer_token learnable_property repeats
    output_dir seed resolution center_crop train_batch_size num_train_epochs max_train_steps
    gradient_accumulation_steps gradient_checkpointing learning_rate scale_lr lr_scheduler
    lr_warmup_steps lr_num_cycles dataloader_num_workers adam_beta1 adam_beta2 adam_weight_decay
    adam_epsilon push_to_hub hub_token hub_model_id logging_dir mixed_precision allow_tf32
    report_to validation_prompt num_validation_images validation_steps validation_epochs local_rank
    checkpointing_steps checkpoints_total_limit resume_from_checkpoint
    enable_xformers_memory_efficient_attention no_safe_serialization use_8bit_adam
""".split()
"""diffusers 0.42: `parse_args` of textual_inversion.py and textual_inversion_sdxl.py."""


EIGHT_BIT = "AdamW8bit" if importlib.util.find_spec("bitsandbytes") else "AdamW"


def ours() -> set[str]:
    return {name[2:] for action in parser()._actions for name in action.option_strings}


@pytest.mark.parametrize("name", sorted({*KOHYA, *DIFFUSERS}))
def test_every_option_has_its_place(name: str) -> None:
    assert name in OPTIONS or name in ours()


def test_the_table_holds_nothing_else() -> None:
    assert OPTIONS.keys() <= {*KOHYA, *DIFFUSERS}


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() & ours()))
def test_what_is_a_setting_is_never_left_out(name: str) -> None:
    """Values that ours takes as they are; others become one of them, or are refused."""
    values = {
        "lr_scheduler": "cosine",
        "optimizer_args": "weight_decay=0",
        "lr_warmup_steps": "3",
        "metadata_is_negative_embedding": "true",
        "optimizer_type": "AdamW",
        "placeholder_token": "my-cat",
        "save_model_as": "pt",
        "validation_prompt": "a cat",
    }
    typed = parser().read([f"--{name}", values[name]])
    assert len(typed) == 1


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_what_is_said_is_short_and_complete(name: str) -> None:
    verdict = OPTIONS[name].rule("wild")
    assert verdict.settings or verdict.remark or verdict.refusal
    for text in (verdict.remark, *(verdict.refusal or ())):
        assert len(text) < 200
        assert text[-1:] != "."
    for named in re.findall(r"`(\w+)`", " ".join((verdict.remark, *(verdict.refusal or ())))):
        assert named in ours(), named


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("--xformers --lowram --train_batch_size 2", {"train_batch_size": 2}),
        ("--max_data_loader_n_workers 8 --seed 1", {"seed": 1}),
        ("--max_data_loader_n_workers=8 --seed=1", {"seed": 1}),
        ("--optimizer_type AdamW8bit", {"optimizer_type": EIGHT_BIT}),
        ("--use_8bit_adam", {"optimizer_type": EIGHT_BIT}),
        ("--optimizer_type PagedAdamW8bit", {"optimizer_type": "AdamW"}),
        ("--optimizer_type prodigy", {"optimizer_type": "Prodigy"}),
        ("--optimizer_args weight_decay=0 betas=0.9,0.999 --seed 1",
         {"optimizer_args": "weight_decay=0 betas=0.9,0.999", "seed": 1}),
        ("--lr_scheduler constant_with_warmup", {"lr_scheduler": "constant"}),
        ("--lr_warmup_steps 0.1", {"lr_warmup_ratio": 0.1}),
        ("--lr_warmup_steps 10%", {"lr_warmup_ratio": 0.1}),
        ("--lr_warmup_steps 1", {"lr_warmup_steps": 1}),
        ("--lr_warmup_steps 0", {"lr_warmup_steps": 0}),
        ("--lr_num_cycles 3", {"lr_scheduler_num_cycles": 3}),
        ("--learnable_property style", {"use_style_template": True}),
        ("--learnable_property=object", {"use_object_template": True}),
        ("--placeholder_token <cat-toy>", {"token_string": "cat-toy"}),
        ("--placeholder-token my-cat", {"token_string": "my-cat"}),
        ("--validation_epochs 2", {"sample_every_n_epochs": 2}),
        ("--save_model_as ckpt", {"save_model_as": "pt"}),
        ("--no_safe_serialization", {"save_model_as": "bin"}),
        ("--caption_extention .caption", {"caption_extension": ".caption"}),
        ("--tokenizer_name folder", {"tokenizer": "folder"}),
        ("--metadata_is_negative_embedding --seed 1",
         {"metadata_is_negative_embedding": True, "seed": 1}),
        ("--metadata_is_negative_embedding false", {"metadata_is_negative_embedding": False}),
        ("--loss_type l2 --min_timestep 0 --max_timestep 1000 --adam_beta1 0.90 --seed 1",
         {"min_timestep": 0, "max_timestep": 1000, "seed": 1}),
        ("--scale_lr --min_snr_gamma 5 --noise_offset 0.05",
         {"scale_lr": True, "min_snr_gamma": 5.0, "noise_offset": 0.05}),
    ],
)  # fmt: skip
def test_options_become_ours(typed: str, read: dict[str, object]) -> None:
    assert parser().read(typed.split()) == read


def test_a_prompt_of_diffusers_calls_the_word_as_it_is_called_here() -> None:
    typed = parser().read(["--validation_prompt", "A <cat-toy> train"])
    assert typed == {"sample_prompts": "A cat-toy train"}


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--optimizer_type Lion", "--optimizer_type Lion cannot be used: it is unknown here"),
        ("--loss_type huber", "--loss_type huber cannot be used: the loss is the mean squared"),
        ("--vae v.safetensors", "put it into the checkpoint"),
        ("--lr_scheduler inverse_sqrt", "write the rates as a schedule"),
        ("--adam_beta1 0.8", "betas=0.9,0.999"),
        ("--adam_weight_decay 0.5", "weight_decay=0.5"),
        ("--learnable_property wild", "neither object nor style"),
        ("--max_data_loader_n_workers", "--max_data_loader_n_workers: a value is expected"),
        ("--max_data_loader_n_workers --seed 1", "a value is expected"),
    ],
)
def test_what_would_change_the_result_is_refused(typed: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        parser().read(typed.split())


def test_one_line_says_what_replaces_an_option() -> None:
    words, notices = replaced(["--xformers", "--v2", "--huggingface_token", "secret"])
    assert words == []
    assert [notice.what for notice in notices] == [
        "--xformers has no effect",
        "--v2 has no effect",
        "--huggingface_token has no effect",
    ]
    assert all(notice.why for notice in notices)
    assert "secret" not in str(notices)
