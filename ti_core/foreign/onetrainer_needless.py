"""Settings of OneTrainer that change nothing here, with the value that they have there and why.

A file of OneTrainer holds all that it has, so that only what its user has changed is told.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import setting
from .verdict import Verdict

_OTHER_KIND = "it belongs to another kind of training than of an embedding"
_DEVICE = "the model is on one device, and what does not fit is recomputed or moved by itself"
_RUN_FOLDER = f"everything of a run is in a folder of its own, below {setting('logging_dir')}"
_NEEDLESS: Mapping[str, Mapping[str, object]] = {
    _RUN_FOLDER: {"workspace_dir": "workspace/run", "debug_mode": False, "debug_dir": "debug"},
    f"latents on disk are in {setting('latent_cache_dir')}, and kept while they are valid": {
        "cache_dir": "workspace-cache/run",
        "clear_cache_before_training": True,
        "only_cache": False,
    },
    "models are read from where they are named; hub:OWNER/NAME downloads one": {
        "huggingface_cache_dir": "",
        "offline_mode": False,
    },
    f"curves are in the run folder; {setting('log_with')} has TensorBoard as well": {
        "tensorboard": True,
        "tensorboard_expose": False,
        "tensorboard_always_on": False,
        "tensorboard_port": 6006,
        "samples_to_tensorboard": True,
    },
    "states are always saved, and a run can be resumed from the last one": {
        "continue_last_backup": False,
        "backup_after": 30,
        "backup_after_unit": "MINUTE",
        "rolling_backup": False,
        "rolling_backup_count": 3,
        "backup_before_save": True,
    },
    f"a file is replaced only with {setting('overwrite')}, and kept as a copy": {
        "prevent_overwrites": False,
    },
    "the file of an embedding always contains its settings": {"include_train_config": "NONE"},
    "copies and previews are counted from the first step, and named after the file": {
        "sample_skip_first": 0,
        "save_skip_first": 0,
        "save_filename_prefix": "",
    },
    "previews are PNG": {
        "sample_image_format": "JPG",
        "sample_video_format": "MP4",
        "sample_audio_format": "MP3",
    },
    "previews and files are made of the average, where there is one": {"non_ema_sampling": True},
    _DEVICE: {
        "multi_gpu": False,
        "device_indexes": "",
        "fused_gradient_reduce": True,
        "gradient_reduce_precision": "FLOAT_32_STOCHASTIC",
        "async_gradient_reduce": True,
        "async_gradient_reduce_buffer": 100,
        "async_offloading": True,
        "temp_device": "cpu",
        "train_device": "cuda",
        "dataloader_threads": 2,
        "compile": False,
        "attention_mechanism": "SDP",
        "enable_autocast_cache": True,
        "layer_offload_fraction": 0.0,
    },
    "the vectors are fp32": {
        "embedding_weight_dtype": "FLOAT_32",
        "fallback_train_dtype": "BFLOAT_16",
    },
    "the base model says what it is": {"model_type": "STABLE_DIFFUSION_15"},
    _OTHER_KIND: {
        "frames": "25",
        "vb_loss_strength": 1.0,
        "dropout_probability": 0.0,
        "huber_delta": 1.0,
        "layer_filter": "",
        "layer_filter_preset": "full",
        "layer_filter_regex": False,
        "peft_type": "LORA",
        "lora_model_name": "",
        "lora_rank": 16,
        "lora_alpha": 1.0,
        "lora_decompose": False,
        "lora_decompose_norm_epsilon": True,
        "lora_decompose_output_axis": False,
        "lora_weight_dtype": "FLOAT_32",
        "bundle_additional_embeddings": True,
        "oft_block_size": 32,
        "oft_block_share": False,
        "oft_scaled": False,
        "lokr_dim": 16,
        "lokr_decompose_both": False,
        "lokr_decompose_factor": -1,
        "lokr_use_tucker": False,
        "lokr_weight_decompose": False,
        "lokr_vec_trick": True,
        "lokr_dora_on_output": True,
        "lokr_full_matrix": False,
        "text_encoder_sequence_length": 512,
        "text_encoder_2_sequence_length": 77,
        "text_encoder_3_layer_skip": 0,
        "text_encoder_4_layer_skip": 0,
    },
}
_ABOUT = {
    name: (default, why) for why, known in _NEEDLESS.items() for name, default in known.items()
}
_UNTOLD = frozenset(
    (
        *("__version", "secrets", "optimizer_defaults", "scheduler_params", "quantization"),
        *("unet", "prior", "transformer", "unconditional_transformer", "effnet_encoder"),
        *("decoder", "decoder_text_encoder", "decoder_vqgan", "text_encoder_3", "text_encoder_4"),
        *("concept_file_name", "sample_definition_file_name"),
    )
)
"""Keys and passwords, networks that are not trained here, and what is read with other settings."""


def needless(name: str, value: object) -> Verdict | None:
    """What is told of a setting that changes nothing here; None for other settings."""
    if name in _UNTOLD:
        return Verdict()
    if name == "cloud":
        elsewhere = isinstance(value, dict) and value.get("enabled")
        return Verdict(remark="training is on this machine" if elsewhere else "")
    if name not in _ABOUT:
        return None
    default, why = _ABOUT[name]
    return Verdict(remark="" if value in (default, None) else why)
