"""AUTOMATIC1111's host: what is its own affair, beside the contract that every host keeps."""

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
from ti_core.train.hypernetwork_config import HypernetworkConfig
from ti_core.train.hypernetwork_create import create_hypernetwork
from ti_core.train.loop import train

from ...conftest import Configure
from ..program import load, module

NAME = "zz-thing"


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """A loaded checkpoint; embeddings lie in `tmp_path`."""
    return load("sd1", tmp_path)


@pytest.fixture
def host(model: Any) -> Any:
    """The host for it."""
    from ti_webui.hosts.a1111.host import A1111Host

    return A1111Host()


@pytest.fixture
def opts(model: Any) -> Iterator[dict[str, Any]]:
    """The web UI's settings, to be changed at will."""
    data = module("modules.shared").opts.data
    before = dict(data)
    yield data
    data.clear()
    data.update(before)


def rows(seed: int = 0, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


def used_in_a_picture(prompt: str = f"a {NAME}") -> torch.Tensor:
    """What the web UI itself gives its network for a prompt."""
    return module("modules.processing").StableDiffusionProcessing().encoded(prompt).detach()


# --- embeddings ---------------------------------------------------------------------------------


def test_a_new_embedding_works_in_the_next_picture(host: Any, tmp_path: Path) -> None:
    before = used_in_a_picture()
    save_file({"emb_params": rows()}, tmp_path / f"{NAME}.safetensors")
    assert torch.equal(before, used_in_a_picture())  # nobody looks at the disk by himself
    host.embedding_saved(tmp_path / f"{NAME}.safetensors")
    found = used_in_a_picture()
    with host.session() as session:
        ours = session.encode_prompts([f"a {NAME}"], {NAME: {"clip_l": rows()}})
    assert not torch.equal(before, found)
    assert torch.equal(found, ours.context)


def test_a_retrained_embedding_is_not_hidden_by_the_cache_of_prompts(
    host: Any, tmp_path: Path
) -> None:
    path = tmp_path / f"{NAME}.safetensors"
    pictures = []
    for seed in (1, 2):
        save_file({"emb_params": rows(seed)}, path)
        host.embedding_saved(path)
        pictures.append(used_in_a_picture())
    assert not torch.equal(*pictures)


def test_copies_outside_of_the_folder_do_not_become_words(
    host: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "copy-5.safetensors"
    save_file({"emb_params": rows()}, path)
    host.embedding_saved(path)
    database = module("modules.sd_hijack").model_hijack.embedding_db
    assert database.word_embeddings == {}


def test_a_trained_word_is_known_when_the_training_is_over(
    host: Any, tmp_path: Path, configure: Configure
) -> None:
    config = configure(max_train_steps=2, resolution=(64, 64), output_dir=str(tmp_path))
    path = train(config, host)
    assert path.parent == tmp_path
    assert path.stem in module("modules.sd_hijack").model_hijack.embedding_db.word_embeddings


def test_a_trained_hypernetwork_is_used_by_the_next_prompt(host: Any, tmp_path: Path) -> None:
    shared = module("modules.shared")
    before, folder = shared.cmd_opts.hypernetwork_dir, tmp_path / "nets"
    old, other = SimpleNamespace(name="warm"), SimpleNamespace(name="cold")
    shared.loaded_hypernetworks[:] = [old, other]
    shared.cmd_opts.hypernetwork_dir = str(folder)
    try:
        config = HypernetworkConfig(hypernetwork_name="warm")
        path = create_hypernetwork(config, host, folder)
        assert shared.hypernetworks == {"warm": str(path)}
        assert shared.loaded_hypernetworks == [other]
        create_hypernetwork(config, host, tmp_path / "elsewhere")
        assert shared.hypernetworks == {"warm": str(path)}
    finally:
        shared.cmd_opts.hypernetwork_dir = before
        shared.loaded_hypernetworks.clear()
        shared.hypernetworks.clear()


# --- the web UI's state ---------------------------------------------------------------------------


def test_loras_hypernetworks_and_tiling_of_the_last_picture_do_not_count(
    host: Any, opts: dict[str, Any]
) -> None:
    shared, unet = module("modules.shared"), module("modules.sd_unet")
    hijack, networks = module("modules.sd_hijack").model_hijack, module("modules.extra_networks")
    shared.loaded_hypernetworks = left = [object()]
    hijack.circular_enabled, unet.current_unet = True, object()
    replaced = unet.current_unet
    networks.activated.clear()
    try:
        with host.session():
            assert shared.loaded_hypernetworks == []
            assert unet.current_unet is None
            assert not hijack.circular_enabled
            assert networks.activated == [({}, "None")]
        assert shared.loaded_hypernetworks is left
        assert unet.current_unet is replaced
        assert hijack.circular_enabled
        assert opts["sd_lora"] == "somebody's"
    finally:
        shared.loaded_hypernetworks, unet.current_unet = [], None
        hijack.circular_enabled = False


def test_settings_of_the_web_ui_are_as_before_when_a_prompt_was_encoded(
    host: Any, opts: dict[str, Any]
) -> None:
    opts["CLIP_stop_at_last_layers"] = 2
    before = dict(opts)
    with host.session() as session:
        literal = session.encode_prompts(["a cat"], {}).context
        skipped = session.encode_prompts(["a cat"], {}, None, TextOptions(clip_skip=2)).context
    assert opts == before
    assert not torch.equal(literal, skipped)  # the user's own clip skip counts only if asked for
    assert torch.equal(skipped, used_in_a_picture("a cat"))


@pytest.mark.parametrize(
    ("mode", "is_weighted", "keeps_mean"),
    [
        ("None", False, True),
        ("Ignore", False, True),
        ("No norm", True, False),
        ("Original", True, True),
    ],
)
def test_emphasis_is_read_in_the_mode_that_the_user_has_chosen(
    host: Any, opts: dict[str, Any], mode: str, is_weighted: bool, keeps_mean: bool
) -> None:
    opts["emphasis"] = mode
    with host.session() as session:
        read = TextOptions(emphasis=True)
        weighted = session.encode_prompts(["a (cat:1.5)"], {}, None, read).context
        text = "a (cat:1.5)" if mode == "None" else "a cat"
        plain = session.encode_prompts([text], {}).context
    assert torch.equal(weighted, plain) != is_weighted
    assert torch.allclose(weighted.mean(), plain.mean(), atol=1e-6) == keeps_mean


def test_networks_that_move_by_themselves_stay_where_they_are_while_they_learn(
    host: Any, model: Any
) -> None:
    lowvram = module("modules.lowvram")
    lowvram.setup_for_low_vram(model)
    hooks = dict(model.model.diffusion_model.time_embed._forward_pre_hooks)
    lowvram.moves = 0
    with host.session() as session:
        conditioning = session.encode_prompts(["a cat"], {})
        session.predict(torch.zeros(1, 4, 8, 8), torch.tensor([5]), conditioning)
    assert lowvram.moves == 0
    assert dict(model.model.diffusion_model.time_embed._forward_pre_hooks) == hooks != {}


def test_half_precision_weights_are_widened_for_full_precision_and_come_back_exactly(
    host: Any, model: Any
) -> None:
    model.half()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.model.diffusion_model.dtype = torch.float16
    with host.session("no") as session:
        conditioning = session.encode_prompts(["a cat"], {})
        found = session.predict(torch.ones(1, 4, 8, 8), torch.tensor([5]), conditioning)
        assert {p.dtype for p in model.model.parameters()} == {torch.float32}
    assert found.isfinite().all()
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert {p.dtype for p in model.parameters()} == {torch.float16}
    assert model.model.diffusion_model.dtype == torch.float16


@pytest.mark.parametrize(
    ("dtype", "name"), [(torch.float16, "fp16"), (torch.bfloat16, "bf16"), (torch.float32, "no")]
)
def test_it_trains_in_what_the_web_ui_computes_in(
    host: Any, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, name: str
) -> None:
    monkeypatch.setattr(module("modules.devices"), "dtype", dtype)
    assert host.features().precision == name


# --- other models -------------------------------------------------------------------------------


def test_another_checkpoint_in_the_middle_is_refused_with_its_name(
    host: Any, model: Any, tmp_path: Path
) -> None:
    with host.session() as session:
        load("sdxl", tmp_path)
        with pytest.raises(HostError, match=r"was changed.*sdxl"):
            session.encode_prompts(["a cat"], {})


def test_a_checkpoint_that_is_unloaded_in_the_middle_is_missed(host: Any, model: Any) -> None:
    with pytest.raises(HostError, match="unloaded"), host.session() as session:  # noqa: PT012
        module("modules.sd_models").model_data.sd_model = None
        session.encode_images(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("is_meta", [False, True])
def test_without_a_checkpoint_nothing_is_told(host: Any, model: Any, is_meta: bool) -> None:
    if is_meta:  # A1111 throws models away like this
        model.to("meta")
    else:
        module("modules.sd_models").model_data.sd_model = None
    for ask in (host.describe, lambda: host.tokenize("a"), host.session().__enter__):
        with pytest.raises(HostError, match="no checkpoint is loaded"):
            ask()


def test_models_of_other_kinds_are_refused(host: Any, model: Any) -> None:
    unet = model.model.diffusion_model
    unet.input_blocks[0][0] = torch.nn.Conv2d(8, 16, 3)
    with pytest.raises(HostError, match="8 channels"):
        host.describe()
    unet.input_blocks[0][0], unet.num_classes = torch.nn.Conv2d(4, 16, 3), "sequential"
    with pytest.raises(HostError, match="unCLIP"):
        host.describe()
    model.cond_stage_model = torch.nn.Identity()
    with pytest.raises(HostError, match="text encoders"):
        host.describe()


def test_the_schedule_is_the_one_that_pictures_are_made_with(
    host: Any, model: Any, opts: dict[str, Any]
) -> None:
    kept = host.describe().diffusion.alphas_cumprod
    model.alphas_cumprod = model.alphas_cumprod / 2  # overridden by somebody for one picture
    assert host.describe().diffusion.alphas_cumprod == kept
    opts["sd_noise_schedule"] = "Zero Terminal SNR"
    assert host.describe().diffusion.alphas_cumprod[-1] < 1e-7 < kept[-1]


def test_an_inpainting_model_is_shown_a_masked_grey_picture(host: Any, tmp_path: Path) -> None:
    model = load("sd1-inpaint", tmp_path)
    seen: list[torch.Tensor] = []
    first = model.model.diffusion_model.input_blocks[0]
    handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with host.session() as session:
        grey = session.encode_images(torch.zeros(1, 3, 64, 64)).mean
        conditioning = session.encode_prompts(["a cat", "a dog"], {})
        session.predict(torch.ones(2, 4, 8, 8), torch.tensor([5, 6]), conditioning)
    handle.remove()
    assert seen[0].shape == (2, 9, 8, 8)
    assert (seen[0][:, :5] == 1).all()
    assert torch.equal(seen[0][1, 5:], grey[0])
