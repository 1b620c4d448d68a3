"""The model that the command line works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..options import Checked, option

if TYPE_CHECKING:
    from ..hosts.standalone.host import DiffusersHost

DEMO = "demo"
"""What the bundled model is called, here and in what is made with it."""


@dataclass(frozen=True)
class ModelConfig(Checked):
    """The model of the standalone host, and the device it runs on."""

    title = "Model"
    pretrained_model_name_or_path: str = option(
        "",
        "a checkpoint (.safetensors, .ckpt), a diffusers folder, hub:owner/name to download one, "
        f"or {DEMO!r} for the small model that comes with the program",
        label="Stable Diffusion checkpoint",
        path="model",
        aliases=("model",),
    )
    v_parameterization: bool = option(
        False,
        "the model predicts v; needed for SD2 768 checkpoints that do not say so themselves",
        label="v-prediction",
    )
    tokenizer: str = option(
        "",
        "folder with vocab.json and merges.txt, for a model with a vocabulary of its own",
        label="Tokenizer",
        path="model",
        aliases=("tokenizer_name",),
        advanced=True,
    )
    device: str = option("auto", "auto, cpu, cuda or mps", label="Device", advanced=True)
    torch_compile: bool = option(
        False,
        "compile the blocks of the U-Net with torch.compile where an embedding is trained, for "
        "graphics cards: the first step takes minutes; on a CPU, packed weights are faster",
        label="Compile the U-Net",
        advanced=True,
    )


def open_host(config: ModelConfig) -> DiffusersHost:
    """Open the model. Raises ConfigError when none is named, CheckpointError when it is not one."""
    name = config.pretrained_model_name_or_path
    if not name:
        raise ConfigError("no model is given", "", "add --pretrained_model_name_or_path")
    try:
        from ..hosts.standalone.host import DiffusersHost
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the package {error.name} is missing",
            "",
            "pip install 'textual-inversion-studio[standalone,cli]'",
        ) from error
    path, called = _bundled() if name == DEMO else (name, "")
    return DiffusersHost.open(
        path,
        device=config.device,
        tokenizer=config.tokenizer or None,
        prediction="v_prediction" if config.v_parameterization else None,
        name=called,
        compiles=config.torch_compile,
    )


def _bundled() -> tuple[str, str]:
    """Its path, and what it is called: its folder is "model"."""
    from ..demo.assets import model_folder

    return str(model_folder()), DEMO
