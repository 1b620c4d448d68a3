"""Opening checkpoints of every family, and what the host says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.checkpoints import tiny, write_folder, write_single_file
from tests.hosts.conftest import OpenHost
from ti_core.diffusion import Ddpm, Prediction
from ti_core.errors import ConfigError, HostError
from ti_core.families import FAMILIES
from ti_core.hosts.standalone import folder as folder_module
from ti_core.hosts.standalone.host import DiffusersHost
from ti_core.port.session import Host

WIDTHS = {"sd1": {"clip_l": 32}, "sd2": {"clip_h": 64}, "sdxl": {"clip_l": 32, "clip_g": 64}}


@pytest.mark.parametrize("family", WIDTHS)
@pytest.mark.parametrize("kind", ["", "-folder"])
def test_every_family_is_recognised(open_host: OpenHost, family: str, kind: str) -> None:
    host: Host = open_host(family + kind)
    facts = host.describe()
    assert facts.family.id == family
    assert facts.widths == WIDTHS[family]
    assert [e.vocabulary for e in facts.encoders] == [49408] * len(facts.encoders)
    assert facts.diffusion.prediction == "epsilon"
    assert facts.latent == FAMILIES[family].latent
    assert isinstance(facts.diffusion, Ddpm)
    assert len(facts.diffusion.alphas_cumprod) == 1000
    assert facts.checkpoint_name == family + kind
    if not kind:
        assert facts.resolution == (1024 if family == "sdxl" else 512)


def test_the_hash_is_that_of_the_weights(
    open_host: OpenHost, models: Callable[[str], Path]
) -> None:
    file = models("sd1")
    folder = models("sd1-folder") / "unet" / "diffusion_pytorch_model.safetensors"
    for name, path in (("sd1", file), ("sd1-folder", folder)):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert open_host(name).describe().checkpoint_hash == digest[:10]


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickled_checkpoint_gives_the_same_model(
    open_host: OpenHost, tmp_path: Path, legacy: bool
) -> None:
    path = tmp_path / "x.ckpt"
    write_single_file(path, tiny("sd1"), lightning=True, legacy=legacy)
    ours, theirs = DiffusersHost.open(path, device="cpu").model, open_host("sd1").model
    for a, b in zip(ours.networks(), theirs.networks(), strict=True):
        for (name, one), other in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
            assert torch.equal(one, other), name


def test_weights_are_the_file_s_own_and_frozen(models: Callable[[str], Path]) -> None:
    model = DiffusersHost.open(models("sd1"), device="cpu").model
    for network in model.networks():
        assert all(p.dtype == torch.float16 and not p.requires_grad for p in network.parameters())
        assert not any(module.training for module in network.modules())
        assert not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))


def test_opening_draws_no_random_number(models: Callable[[str], Path]) -> None:
    for name in ("sd1", "sdxl-folder"):
        before = torch.get_rng_state()
        DiffusersHost.open(models(name), device="cpu")
        assert torch.equal(before, torch.get_rng_state())


# --- what the network predicts ----------------------------------------------------------------


def test_a_yaml_beside_an_sd2_file_tells_v_prediction(tmp_path: Path) -> None:
    path = write_single_file(tmp_path / "x.safetensors", tiny("sd2"), v_yaml=True)
    facts = DiffusersHost.open(path, device="cpu").describe()
    assert (facts.diffusion.prediction, facts.resolution) == ("v_prediction", 768)


def test_a_marker_in_the_file_tells_v_prediction(tmp_path: Path) -> None:
    path = write_single_file(tmp_path / "x.safetensors", tiny("sdxl"), v_pred=True)
    assert DiffusersHost.open(path, device="cpu").describe().diffusion.prediction == "v_prediction"


def test_an_sd2_file_is_probed_as_a1111_does(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = write_single_file(tmp_path / "x.safetensors", tiny("sd2"))
    state = load_file(path)
    state["model.diffusion_model.out.2.bias"] -= 3  # answers far below its input
    save_file(state, path)
    assert DiffusersHost.open(path, device="cpu").describe().diffusion.prediction == "v_prediction"


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_user_has_the_last_word(tmp_path: Path, prediction: Prediction) -> None:
    path = write_single_file(tmp_path / "x.safetensors", tiny("sd2"), v_yaml=True)
    host = DiffusersHost.open(path, device="cpu", prediction=prediction)
    assert host.describe().diffusion.prediction == prediction


def test_a_folder_tells_its_prediction(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x", "sd2", prediction="v_prediction")
    assert (
        DiffusersHost.open(folder, device="cpu").describe().diffusion.prediction == "v_prediction"
    )


def test_an_sdxl_file_with_zero_terminal_snr_is_read_so(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = write_single_file(tmp_path / "x.safetensors", tiny("sdxl"), v_pred=True)
    save_file(load_file(path) | {"ztsnr": torch.empty(0)}, path)
    diffusion = DiffusersHost.open(path, device="cpu").describe().diffusion
    assert isinstance(diffusion, Ddpm)
    assert diffusion.alphas_cumprod[-1] == 0


# --- the rest of the port ---------------------------------------------------------------------


def test_tokens_are_shown_with_their_spelling(open_host: OpenHost) -> None:
    assert open_host("sd1").tokenize("a (cat)") == [
        (320, "a</w>"),
        (263, "(</w>"),
        (2368, "cat</w>"),
        (264, ")</w>"),
    ]
    assert open_host("sd1").tokenize("") == []


def test_the_hub_is_asked_only_for_a_hub_name(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked = []

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        asked.append(name)
        assert not any("bin" in pattern for pattern in allow_patterns)
        return str(models("sd1-folder"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    DiffusersHost.open(models("sd1-folder"), device="cpu")
    assert asked == []
    host = DiffusersHost.open("hub:someone/model", device="cpu")
    assert asked == [host.describe().checkpoint_name] == ["someone/model"]


def test_a_hub_out_of_reach_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(HostError, match="no route"):
        folder_module.download("someone/model")


def test_an_unknown_device_is_an_error(models: Callable[[str], Path]) -> None:
    for device in ("nonsense", "cuda:99"):
        with pytest.raises(ConfigError, match="cannot be used"):
            DiffusersHost.open(models("sd1"), device=device)


def test_embeddings_lie_where_the_user_says(models: Callable[[str], Path], tmp_path: Path) -> None:
    host = DiffusersHost.open(models("sd1"), device="cpu", embeddings_dir=tmp_path)
    assert host.embeddings_dir() == tmp_path
    host.embedding_saved(tmp_path / "x.safetensors")
