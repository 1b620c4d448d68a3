"""Forge's host: what is its own affair, beside the contract that every host keeps."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ti_core.errors import HostError
from ti_core.hosts.standalone.checkpoint.noise_schedule import stable_diffusion_alphas
from ti_core.port.session import TextOptions
from ti_core.train.loop import train

from ...conftest import Configure
from ..program import load_forge, module, networks_of_forge

NAME = "zz-thing"


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """A loaded checkpoint; embeddings lie in `tmp_path`."""
    return load_forge("sd1", tmp_path)


@pytest.fixture
def host(model: Any) -> Any:
    """The host for it."""
    from ti_webui.hosts.forge.host import ForgeHost

    return ForgeHost()


def picture(model: Any) -> torch.Tensor:
    """What Forge does for a picture, in inference mode as always."""
    with torch.inference_mode():
        engine = model.text_processing_engine
        context = engine.encode_with_transformers(torch.arange(77)[None] % 50)
        unet = model.forge_objects_original.unet.model.diffusion_model
        return unet(torch.ones(1, 4, 8, 8), torch.tensor([5]), context=context)


def test_pictures_before_and_after_a_training_are_the_same(
    host: Any, model: Any, tmp_path: Path, configure: Configure
) -> None:
    """Tied weights that were untied would not survive the second picture."""
    assert all(p.is_inference() for n in networks_of_forge(model) for p in n.parameters())
    before = picture(model)
    train(configure(max_train_steps=2, resolution=(64, 64), output_dir=str(tmp_path)), host)
    assert torch.equal(before, picture(model))
    table = model.text_processing_engine.text_encoder.transformer.text_model.embeddings
    assert table.token_embedding.weight is table.token_embedding.wrapped.weight


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_new_embedding_is_in_every_list_at_once(tmp_path: Path, kind: Any) -> None:
    from ti_webui.hosts.forge.host import ForgeHost

    model = load_forge(kind, tmp_path)
    rows = {key: torch.ones(2, 16) for key in (["clip_l", "clip_g"] if kind == "sdxl" else ["x"])}
    save_file(rows, tmp_path / f"{NAME}.safetensors")
    processing = module("modules.processing").StableDiffusionProcessing
    processing.cached_c = ["old", "encoded", "third"]
    ForgeHost().embedding_saved(tmp_path / f"{NAME}.safetensors")
    suffixes = ["_l", "_g"] if kind == "sdxl" else [""]
    for suffix in suffixes:
        engine = getattr(model, f"text_processing_engine{suffix}")
        assert list(engine.embeddings.word_embeddings) == [NAME]
    assert processing.cached_c == [None, None, None]


def test_the_page_s_own_list_learns_of_it_too(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    database = module("modules.embedding_database").EmbeddingDatabase()
    page = "modules.ui_extra_networks_textual_inversion"
    monkeypatch.setitem(sys.modules, page, SimpleNamespace(embedding_db=database))
    save_file({"x": torch.ones(1, 16)}, tmp_path / f"{NAME}.safetensors")
    host.embedding_saved(tmp_path / f"{NAME}.safetensors")
    assert list(database.word_embeddings) == [NAME]


def test_the_chosen_checkpoint_is_loaded_in_the_main_thread_only(host: Any, model: Any) -> None:
    models = module("modules.sd_models")
    before = models.reloads
    host.describe()
    assert models.reloads == before + 1
    thread = threading.Thread(target=host.describe)
    thread.start()
    thread.join()
    assert models.reloads == before + 1


def test_before_the_first_picture_it_is_told_what_to_do(host: Any) -> None:
    module("modules.sd_models").model_data.sd_model = SimpleNamespace(cond_stage_model=None)
    with pytest.raises(HostError, match=r"no checkpoint is loaded.*Generate"):
        host.describe()


def test_another_checkpoint_in_the_middle_is_refused(host: Any, tmp_path: Path) -> None:
    with host.session() as session:
        load_forge("sdxl", tmp_path)
        with pytest.raises(HostError, match=r"was changed.*sdxl"):
            session.encode_prompts(["a cat"], {})


def test_released_parts_are_told_to_the_memory_manager(host: Any, model: Any) -> None:
    vae = model.forge_objects_original.vae.patcher
    with host.session() as session:
        assert vae.loads == 1
        session.release("vae")
        session.release("vae")
        assert vae.unloads == 1
        session.encode_images(torch.zeros(1, 3, 64, 64))
        assert vae.loads == 2


def test_loras_are_taken_off_and_the_attention_comes_back(host: Any, model: Any) -> None:
    unet, attention = module("backend.nn.unet"), module("backend.attention")
    before = unet.attention_function
    with host.session():
        assert unet.attention_function is attention.attention_pytorch
        assert model.forge_objects_original.unet.refreshes == 1
    assert unet.attention_function is before


def test_clip_skip_is_as_before_when_a_prompt_was_encoded(host: Any, model: Any) -> None:
    engine = model.text_processing_engine
    engine.clip_skip = 2
    with host.session() as session:
        literal = session.encode_prompts(["a cat"], {}).context
        skipped = session.encode_prompts(["a cat"], {}, None, TextOptions(clip_skip=2)).context
    assert engine.clip_skip == 2
    assert not torch.equal(literal, skipped)


@pytest.mark.parametrize("says", ["file", "setting"])
def test_noise_ends_where_that_of_pictures_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    """Zero terminal SNR: the predictor has it only while a picture is made."""
    from ti_webui.hosts.forge.host import ForgeHost

    load_forge("sdxl-zsnr" if says == "file" else "sdxl-v", tmp_path)
    plain, host = stable_diffusion_alphas(), ForgeHost()

    def diffusion() -> Any:
        return host.describe().diffusion

    if says == "setting":
        assert diffusion().alphas_cumprod[-1] == pytest.approx(plain[-1])
        data = module("modules.shared").opts.data
        monkeypatch.setitem(data, "sd_noise_schedule", "Zero Terminal SNR")
    found = diffusion()
    wanted = stable_diffusion_alphas(zero_terminal_snr=True)
    assert found.alphas_cumprod == pytest.approx(wanted.tolist(), rel=2e-3, abs=1e-8)
    assert found.alphas_cumprod[-1] == 0
    assert found.prediction == "v_prediction"


def test_models_of_other_kinds_are_refused(host: Any, model: Any) -> None:
    predictor = model.forge_objects_original.unet.model.predictor
    predictor.prediction_type = "const"
    with pytest.raises(HostError, match="neither noise"):
        host.describe()
    del model.text_processing_engine
    with pytest.raises(HostError, match="text encoders"):
        host.describe()
