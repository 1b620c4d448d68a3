"""reForge's host: what is its own affair, beside the contract that every host keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ti_core.errors import HostError
from ti_core.port.session import TextOptions
from ti_core.train.loop import train

from ...conftest import Configure
from ..program import load_reforge, module

NAME = "zz-thing"


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """A loaded checkpoint; embeddings lie in `tmp_path`."""
    return load_reforge("sd1", tmp_path)


@pytest.fixture
def host(model: Any) -> Any:
    """The host for it."""
    from ti_webui.hosts.reforge.host import ReforgeHost

    return ReforgeHost()


@pytest.fixture
def clip_skip() -> Iterator[Any]:
    """Sets the web UI's own."""
    data = module("modules.shared").opts.data
    before = data["CLIP_stop_at_last_layers"]
    yield lambda layers: data.update(CLIP_stop_at_last_layers=layers)
    data["CLIP_stop_at_last_layers"] = before


def with_lora(model: Any) -> None:
    """As a picture with a LoRA leaves it."""
    patcher = module("ldm_patched.modules.model_management").ModelPatcher
    used = SimpleNamespace(**vars(model.forge_objects))
    used.unet = patcher(used.unet.model, lora=0.5)
    texts = used.clip.cond_stage_model
    used.clip = SimpleNamespace(cond_stage_model=texts, patcher=patcher(texts, lora=0.5))
    model.forge_objects = used
    load(used.unet, used.clip.patcher)


def load(*patchers: Any) -> None:
    with torch.inference_mode():
        module("ldm_patched.modules.model_management").load_models_gpu([*patchers])


def picture(model: Any, prompt: str = "a cat") -> torch.Tensor:
    """What reForge does for a picture, in inference mode as always."""
    with torch.inference_mode():
        used = model.forge_objects
        load(used.unet, used.clip.patcher)
        context = module("modules.sd_hijack").encode(model.cond_stage_model, prompt)
        unet = used.unet.model.diffusion_model
        return unet(torch.ones(1, 4, 8, 8), torch.tensor([5]), context=context).clone()


def test_pictures_before_and_after_a_training_are_the_same(
    host: Any, model: Any, tmp_path: Path, configure: Configure
) -> None:
    before = picture(model)
    train(configure(max_train_steps=2, resolution=(64, 64), output_dir=str(tmp_path)), host)
    assert torch.equal(before, picture(model))


def test_loras_of_the_last_picture_do_not_count_and_are_there_for_the_next(
    host: Any, model: Any
) -> None:
    with host.session() as session:
        plain = session.encode_prompts(["a cat"], {}).context
    with_lora(model)
    used, before = model.forge_objects, picture(model)
    with host.session() as session:
        assert torch.allclose(plain, session.encode_prompts(["a cat"], {}).context, atol=1e-5)
    assert model.forge_objects is used
    assert torch.allclose(before, picture(model), atol=1e-5)


def test_a_new_embedding_works_in_the_next_picture(host: Any, model: Any, tmp_path: Path) -> None:
    before = picture(model, f"a {NAME}")
    save_file({"emb_params": torch.ones(2, 16)}, tmp_path / f"{NAME}.safetensors")
    host.embedding_saved(tmp_path / f"{NAME}.safetensors")
    assert not torch.equal(before, picture(model, f"a {NAME}"))


def test_the_attention_comes_back(host: Any) -> None:
    attention = module("ldm_patched.ldm.modules.attention")
    before = attention.optimized_attention, attention.optimized_attention_masked
    with host.session():
        assert attention.optimized_attention is attention.attention_pytorch
    assert (attention.optimized_attention, attention.optimized_attention_masked) == before


@pytest.mark.parametrize(("kind", "listens"), [("sd1", True), ("sd2-v", False), ("sdxl", False)])
def test_clip_skip_counts_for_sd1_and_only_if_the_run_says_so(
    tmp_path: Path, clip_skip: Any, kind: Any, listens: bool
) -> None:
    from ti_webui.hosts.reforge.host import ReforgeHost

    load_reforge(kind, tmp_path)
    clip_skip(3)  # each kind of text encoder in reForge listens to that
    with ReforgeHost().session() as session:
        plain = session.encode_prompts(["a cat"], {}).context
        skipped = session.encode_prompts(["a cat"], {}, None, TextOptions(clip_skip=3)).context
    clip_skip(1)
    with ReforgeHost().session() as session:
        assert torch.equal(plain, session.encode_prompts(["a cat"], {}).context)
    assert torch.equal(plain, skipped) != listens


def test_another_checkpoint_in_the_middle_is_refused(host: Any, tmp_path: Path) -> None:
    with host.session() as session:
        load_reforge("sdxl", tmp_path)
        with pytest.raises(HostError, match=r"was changed.*sdxl"):
            session.encode_prompts(["a cat"], {})


def test_before_a_checkpoint_is_loaded_it_is_told_what_to_do(host: Any) -> None:
    module("modules.sd_models").model_data.sd_model = None
    with pytest.raises(HostError, match=r"no checkpoint is loaded.*top left"):
        host.describe()


def test_models_of_other_kinds_are_refused(host: Any, model: Any) -> None:
    """EDM's output is neither noise nor v, though its class is made of v's."""
    sampling = module("ldm_patched.modules.model_sampling")
    network = model.forge_objects_original.unet.model
    network.model_sampling = sampling.mixed(sampling.EDM)
    with pytest.raises(HostError, match="neither noise"):
        host.describe()
    network.model_sampling = sampling.mixed(sampling.EPS)
    model.cond_stage_model.wrapped.transformer = torch.nn.Identity()
    with pytest.raises(HostError, match="text encoders"):
        host.describe()
