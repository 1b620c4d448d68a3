"""A LoRA on the checkpoint of a real Forge Neo: not trained with, and there for the next picture.

    python -m tests.real_hosts.lora FOLDER [online]        # in Forge Neo's own interpreter

writes `told.json` there; "online" puts it on while layers compute, as "(fp16 LoRA)" asks for.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[2]
_UNET = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
_TEXT = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"


def tell(python: str, folder: Path, online: bool) -> dict[str, Any]:
    """Losses "plain" and "with_lora"; pictures before and after, "bare" and "lora"."""
    from tests.conftest import draw

    folder.mkdir()
    draw(folder / "pictures", captions=True)
    command = [python, "-m", "tests.real_hosts.lora", str(folder), *["online"] * online]
    told = {**os.environ, "WEBUI_IN_PROCESS": "forge_neo", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return found


def _lora(text_width: int, unet_width: int) -> dict[str, torch.Tensor]:
    """In kohya's names, of rank 2, strong enough to be seen."""
    source = torch.Generator().manual_seed(7)
    state = {}
    for name, width_in, width_out in (
        (_UNET, text_width, unet_width),
        (_TEXT, text_width, text_width),
    ):
        state[f"{name}.lora_down.weight"] = torch.randn(2, width_in, generator=source)
        state[f"{name}.lora_up.weight"] = torch.randn(width_out, 2, generator=source)
        state[f"{name}.alpha"] = torch.tensor(2.0)
    return state


def _put_on(model: Any, online: bool) -> tuple[Any, Any]:
    """As its extension does: clones of the checkpoint's own objects, with patches."""
    lora: Any = importlib.import_module("backend.patcher.lora")
    unet, clip = model.forge_objects_original.unet, model.forge_objects_original.clip
    rest = _lora(32, 32)
    for_unet, rest = lora.load_lora(rest, lora.model_lora_keys_unet(unet.model))
    for_clip, rest = lora.load_lora(rest, lora.model_lora_keys_clip(clip.cond_stage_model))
    assert len(for_unet) == len(for_clip) == 1
    assert not rest
    patched = unet.clone(), clip.clone()
    for thing, patches in zip(patched, (for_unet, for_clip), strict=True):
        thing.add_patches(filename="x", patches=patches, strength_patch=1.0, online_mode=online)
    return patched


@torch.inference_mode()
def _picture(model: Any, unet: Any, clip: Any) -> str:
    """What a picture is made of: encoded words, and the network's answer to them."""
    manager: Any = importlib.import_module("backend.memory_management")
    manager.load_models_gpu([clip.patcher])
    context = model.text_processing_engine(["a photo of a tree"])
    manager.load_models_gpu([unet])
    x = torch.linspace(-2, 2, 4 * 64).reshape(1, 4, 8, 8)
    output = unet.model.apply_model(x, torch.tensor([3.0]), c_crossattn=context)
    both = torch.cat([context.flatten(), output.flatten()])
    return hashlib.sha256(both.float().numpy().tobytes()).hexdigest()


def _main(folder: Path, online: bool) -> None:
    from tests.webui.program import load_forge_neo
    from ti_webui.hosts.choose import current_host

    from .curve import train_in

    model = load_forge_neo("sd1", folder)
    original = model.forge_objects_original
    bare = original.unet, original.clip
    patched = _put_on(model, online)
    told: dict[str, Any] = {"bare": [_picture(model, *bare)]}
    told["plain"] = train_in(folder, "plain", current_host())
    told["lora"] = [_picture(model, *patched)]
    told["with_lora"] = train_in(folder, "lora", current_host())
    told["lora"] += [_picture(model, *patched)]
    told["bare"] += [_picture(model, *bare)]
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), "online" in sys.argv)
