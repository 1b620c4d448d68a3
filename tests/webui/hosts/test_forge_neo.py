"""Forge Neo's host: what is not as in Forge, beside the contract that every host keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ti_core.errors import HostError
from ti_core.files.reading import read_embedding
from ti_core.port.session import Session, TextOptions
from ti_core.train.loop import train

from ...conftest import Configure
from ..program import load_forge, load_forge_neo, module

NAME = "zz-thing"
ENGINES = ["", "-autumn"]
WEIGHT = "diffusion_model.middle_block.attn2.to_k.weight"


@pytest.fixture(params=ENGINES)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A loaded checkpoint; embeddings lie in `tmp_path`."""
    return load_forge_neo("sd1", tmp_path, engine=request.param)


@pytest.fixture
def host(model: Any) -> Any:
    """The host for it."""
    from ti_webui.hosts.forge_neo.host import ForgeNeoHost

    return ForgeNeoHost()


def picture(patcher: Any) -> torch.Tensor:
    """What a picture is made with, in inference mode as always; a LoRA is put on, or taken off."""
    with torch.inference_mode():
        module("backend.memory_management").load_models_gpu([patcher])
        context = torch.linspace(-1, 1, 77 * 16).reshape(1, 77, 16)
        return patcher.model.diffusion_model(
            torch.ones(1, 4, 8, 8), torch.tensor([5]), context=context
        )


def losses(host: Any, configure: Configure, folder: Path) -> dict[str, list[list[float]]]:
    """What a training of two steps comes to."""
    config = configure(max_train_steps=2, resolution=(64, 64), output_dir=str(folder), seed=1)
    return {k: v.tolist() for k, v in read_embedding(train(config, host)).vectors.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_prompts_are_read_as_in_forge(engine: Any, tmp_path: Path) -> None:
    """Marks around tokens, and emphasis that is called, are the same words and weights."""

    def read(session: Session) -> list[torch.Tensor]:
        texts = ["a cat", "", "a (red:1.4) cat", "tree, tree"]
        options = TextOptions(emphasis=True)
        return [session.encode_prompts([text], {}, None, options).context for text in texts]

    load_forge("sdxl", tmp_path)
    from ti_webui.hosts.forge.host import ForgeHost
    from ti_webui.hosts.forge_neo.host import ForgeNeoHost

    with ForgeHost().session() as session:
        wanted = read(session)
    load_forge_neo("sdxl", tmp_path, engine=engine)
    with ForgeNeoHost().session() as session:
        found = read(session)
    for one, two in zip(wanted, found, strict=True):
        assert torch.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("mode", ["Original", "No norm", "Ignore"])
def test_every_mode_of_emphasis_is_called(
    host: Any, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module("modules.shared").opts.data, "emphasis", mode)
    with host.session() as session:
        rows = torch.ones(1, 16, requires_grad=True)
        prompts, given = [f"a ({NAME}:1.5) cat", f"a {NAME} cat"], {NAME: {"clip_l": rows}}
        strong, plain = session.encode_prompts(
            prompts, given, None, TextOptions(emphasis=True)
        ).context
        assert torch.equal(strong, plain) == (mode == "Ignore")
        strong.square().sum().backward()
        assert rows.grad is not None
        assert rows.grad.any()


def test_a_lora_is_not_trained_with_and_is_there_for_the_next_picture(
    host: Any, model: Any, configure: Configure, tmp_path: Path
) -> None:
    plain = losses(host, configure, tmp_path / "plain")
    original = model.forge_objects_original.unet
    with_lora = original.clone()
    with_lora.patches[WEIGHT] = 0.5
    bare, before = picture(original), picture(with_lora)
    assert not torch.equal(bare, before)
    assert losses(host, configure, tmp_path / "with") == plain
    assert torch.equal(picture(with_lora), before)
    assert torch.equal(picture(original), bare)


def test_an_embedding_is_in_the_engine_s_list_at_once(
    host: Any, model: Any, tmp_path: Path
) -> None:
    save_file({"x": torch.ones(2, 16)}, tmp_path / f"{NAME}.safetensors")
    host.embedding_saved(tmp_path / f"{NAME}.safetensors")
    assert list(model.text_processing_engine.embeddings.word_embeddings) == [NAME]
    assert host.embeddings_dir() == tmp_path


def test_layers_do_not_multiply_in_fp8_while_a_session_is_open(host: Any) -> None:
    operations = module("backend.operations")
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with host.session():
        assert operations.fp8_linear(layer, x) is None
    assert operations.fp8_linear(layer, x) is not None


def test_layers_that_no_gradient_passes_are_refused(host: Any, model: Any) -> None:
    model.forge_objects_original.unet.model.diffusion_model.out._full_precision_mm = False
    with pytest.raises(HostError, match="mixed precision"):
        host.describe()


def test_sd2_is_named_nowhere(host: Any, model: Any) -> None:
    model.forge_objects_original.unet.model.predictor.prediction_type = "const"
    with pytest.raises(HostError, match=r"neither noise.*use a checkpoint of SD 1.x or SDXL$"):
        host.describe()
