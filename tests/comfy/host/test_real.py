"""What only the real ComfyUI can show; see tests/real_hosts/test_comfyui_host.py."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.comfy import program
from tests.comfy.host.learning import gradients, loss, noise, some_rows
from tests.comfy.host.test_pictures import sampled, train_a_little
from ti_core.files.reading import read_embedding
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.train.config import BaseTrainConfig
from ti_core.train.events import StepDone
from ti_core.train.hypernetwork_config import (
    HypernetworkConfig,
    HypernetworkDataConfig,
    HypernetworkOptimizerConfig,
    HypernetworkOutputConfig,
    HypernetworkPreviewConfig,
    HypernetworkTrainConfig,
)
from ti_core.train.loop import train

from ...conftest import Configure

pytestmark = pytest.mark.skipif(not program.is_real(), reason="needs COMFYUI_PATH")
LARGE = [pytest.param(kind, marks=pytest.mark.full_size) for kind in ("sd1-full", "sdxl", "sdxl-v")]
KINDS = ["sd1", "sd1-inpaint", "sd2", "sd2-v", *LARGE]


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_slope(load: Any, host_of: Any, kind: str) -> None:
    host = host_of(load(kind))
    rows = some_rows(host)
    with host.session() as session:
        loss(session, rows).backward()
        for key, value in rows.items():
            assert value.grad is not None
            length = value.grad.norm()
            step = value.grad / length * 0.1
            with torch.no_grad():
                up, down = (loss(session, {**rows, key: value + s * step}) for s in (1, -1))
            assert float((up - down) / 0.2 / length) == pytest.approx(1, rel=2e-3), key


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls_and_the_model_is_given_back(load: Any, host_of: Any, kind: str) -> None:
    lent = program.with_lora(load(kind))
    before, losses = sampled(lent), []
    host = host_of(lent)
    with host.session() as session:
        target, rows = noise(2, 4, 8, 8, seed=9), some_rows(host)
        optimizer = torch.optim.AdamW(rows.values(), lr=0.02)
        for _ in range(8):
            optimizer.zero_grad()
            found = loss_to(session, rows, target)
            found.backward()
            optimizer.step()
            losses.append(float(found.detach()))
    assert losses[-1] < losses[0]
    assert sampled(lent) == before


def loss_to(session: Any, rows: dict[str, Tensor], target: Tensor) -> Tensor:
    conditioning = session.encode_prompts(["a zz-thing", "zz-thing"], {"zz-thing": rows})
    output = session.predict(noise(2, 4, 8, 8), torch.tensor([700, 300]), conditioning)
    return (output - target).square().mean()


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading copies every weight, as a move to another device does; on a processor none moves."""

    def to(self: nn.Module, *args: Any, **options: Any) -> nn.Module:
        wanted = next((a for a in args if isinstance(a, torch.dtype)), None)
        return self._apply(lambda t: t.to(wanted, copy=True) if t.is_floating_point() else t)

    monkeypatch.setattr(nn.Module, "to", to)


@pytest.mark.usefixtures("moving")
@pytest.mark.parametrize("lora", [False, True], ids=["plain", "lora"])
def test_weights_that_move_at_each_load_can_be_learned_through_and_sampled_with(
    load: Any, host_of: Any, lora: bool
) -> None:
    plain = load("sd1")
    lent = program.with_lora(plain) if lora else plain
    before = sampled(lent)
    for precision in ("no", "bf16"):
        train_a_little(host_of(lent), precision)
        assert sampled(lent) == before
        sampled(plain)
        assert sampled(lent) == before


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are loaded partially, with room for nothing: every layer is brought at each call."""
    kind = sys.modules["comfy.model_management"].LoadedModel
    real = kind.model_load
    monkeypatch.setattr(kind, "model_load", lambda self, *a, **o: real(self, 0.1))


@pytest.mark.parametrize("kind", ["sd1", "sd2-v"])
@pytest.mark.parametrize("lora", [False, True], ids=["plain", "lora"])
def test_partially_loaded_models_give_the_same_gradients(
    load: Any, host_of: Any, request: pytest.FixtureRequest, kind: str, lora: bool
) -> None:
    lent = program.with_lora(load(kind)) if lora else load(kind)
    expected, whole = gradients(host_of(lent)), encoded(lent)
    for patcher in (lent.model, lent.clip.patcher):
        patcher.detach()
    sys.modules["comfy.model_management"].current_loaded_models.clear()
    request.getfixturevalue("scarce")
    found = gradients(host_of(lent))
    assert any(getattr(m, "prev_comfy_cast_weights", None) is False for m in modules(lent))
    if torch.cosine_similarity(encoded(lent).flatten(), whole.flatten(), dim=0) < 0.999:
        pytest.skip("this ComfyUI itself encodes otherwise when it has loaded only a part")
    for key, value in expected.items():
        assert torch.cosine_similarity(value.flatten(), found[key].flatten(), dim=0) > 0.999
    for patcher in (lent.model, lent.clip.patcher):
        patcher.detach()
    sys.modules["comfy.model_management"].current_loaded_models.clear()


def modules(lent: program.Loaded) -> list[nn.Module]:
    return list(lent.model.model.diffusion_model.modules())


LARGE_TWICE = [
    pytest.param(kind, marks=pytest.mark.full_size) for kind in ("sd2", "sd2-v", "sdxl", "sdxl-v")
]


@pytest.mark.parametrize("kind", ["sd1", *LARGE_TWICE])
def test_the_same_seed_gives_the_same_curve_as_the_standalone_host(
    load: Any, host_of: Any, models: Path, configure: Configure, tmp_path: Path, kind: str
) -> None:
    """One file, one config, two programs: twenty losses, and the vectors."""

    def config(folder: Path) -> BaseTrainConfig:
        return configure(
            max_train_steps=20,
            resolution=(64, 64),
            num_vectors_per_token=2,
            train_batch_size=_batch(kind),
            output_dir=str(folder),
        )

    paths = _same_curves(_hosts(load, host_of, models, kind), load, config, tmp_path)
    ours, theirs = (read_embedding(path).vectors for path in paths)
    _require_near(ours, theirs)


@pytest.mark.parametrize("kind", ["sd1", *LARGE_TWICE])
def test_a_hypernetwork_is_taught_by_the_same_curve_as_by_the_standalone_host(
    load: Any, host_of: Any, models: Path, pictures: Path, tmp_path: Path, kind: str
) -> None:
    """Twenty losses, and the modules of the file. What is added to all keys alike changes no
    attention: the gradient of those biases is rounding alone."""

    def config(folder: Path) -> BaseTrainConfig:
        return HypernetworkTrainConfig(
            HypernetworkConfig("style", activation_func="swish"),
            HypernetworkDataConfig(str(pictures), resolution=(64, 64), skip_checkup=True),
            HypernetworkOptimizerConfig(
                learning_rate="1e-4", max_train_steps=20, train_batch_size=_batch(kind)
            ),
            output=HypernetworkOutputConfig(str(folder), logging_dir=str(folder / "log")),
            preview=HypernetworkPreviewConfig(sample_every_n_steps=0),
        )

    paths = _same_curves(_hosts(load, host_of, models, kind), load, config, tmp_path)
    ours, theirs = (
        {name: each for name, each in read_hypernetwork(path).tensors.items() if _counts(name)}
        for path in paths
    )
    _require_near(ours, theirs)


def _counts(name: str) -> bool:
    return not name.endswith(".k.linear.2.bias")


def _batch(kind: str) -> int:
    return 1 if kind.startswith("sdxl") else 2


def _hosts(load: Any, host_of: Any, models: Path, kind: Any) -> list[Callable[[], Any]]:
    """What opens one checkpoint in ComfyUI, and without it."""
    pytest.importorskip("diffusers")
    from tests.comfy.checkpoints import write
    from ti_core.hosts.standalone.host import DiffusersHost

    path = write(kind, models)
    prediction: Any = "v_prediction" if kind.endswith("-v") else None
    return [
        lambda: host_of(load(kind)),
        lambda: DiffusersHost.open(path, device="cpu", prediction=prediction),
    ]


def _same_curves(
    hosts: list[Callable[[], Any]],
    load: Any,
    config: Callable[[Path], BaseTrainConfig],
    folder: Path,
) -> list[Path]:
    """Train in each, and assert that twenty losses are the same; what was made."""
    curves, made = [], []
    for number, open_ in enumerate(hosts):
        losses: list[float] = []

        def keep(event: Any, losses: list[float] = losses) -> None:
            if isinstance(event, StepDone):
                losses.append(event.loss)

        made.append(train(config(folder / str(number)), open_(), keep))
        curves.append(losses)
        forget(load)
    assert len(curves[0]) == 20
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
    return made


def _require_near(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Biases begin at 0, and AdamW moves every number equally far: where a gradient is no more
    than rounding, the rounding is what is seen."""
    assert ours.keys() == theirs.keys()
    apart = {key: float((each - theirs[key]).norm() / each.norm()) for key, each in ours.items()}
    allowed = {key: 5e-3 if key.endswith(".bias") else 1e-4 for key in apart}
    assert all(apart[key] < allowed[key] for key in apart), apart


def encoded(lent: program.Loaded) -> Tensor:
    """What CLIPTextEncode makes of a prompt; (1, 77, width)."""
    tokens = lent.clip.tokenize("a cat on a hill")
    with torch.no_grad():
        context: Tensor = lent.clip.encode_from_tokens_scheduled(tokens)[0][0]
    return context.float()


def forget(load: Any) -> None:
    """ComfyUI's models; two SDXL at once need 10 GB."""
    sys.modules["comfy.model_management"].unload_all_models()
    load.cache_clear()
    gc.collect()


def test_a_preview_is_drawn_with_the_loras_of_the_graph(load: Any, host_of: Any) -> None:
    from tests.comfy.host.test_pictures import REQUEST

    plain, found = load("sd1"), []
    for lent in (plain, program.with_lora(plain)):
        with host_of(lent).session() as session:
            found.append(session.preview(replace(REQUEST, seed=3), {})[0].tobytes())
    assert found[0] != found[1]
