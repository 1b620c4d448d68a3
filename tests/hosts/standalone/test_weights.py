"""Weights: the file's own at rest, converted once where a session computes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.checkpoints import tiny, write_single_file
from ti_core.errors import CheckpointError, HostMemoryError
from ti_core.hosts.standalone.checkpoint.reading import CheckpointFile
from ti_core.hosts.standalone.host import DiffusersHost
from ti_core.hosts.standalone.weights import Storage, Weights
from ti_core.port.session import Precision, Session

CPU = torch.device("cpu")
DTYPES: dict[Precision, torch.dtype] = {
    "no": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_single_file(tmp_path / "model.safetensors", tiny("sdxl"))


@pytest.fixture
def host(path: Path) -> DiffusersHost:
    return DiffusersHost.open(path, device="cpu")


def state(host: DiffusersHost) -> dict[str, Tensor]:
    """Every parameter of every network, by its place."""
    return {
        f"{number} {name}": parameter
        for number, network in enumerate(host.model.networks())
        for name, parameter in network.named_parameters()
    }


def use_all(session: Session) -> Tensor:
    """Every network computes; the output, with a graph."""
    rows = {k: v.requires_grad_() for k, v in session.token_embeddings_of("cat").items()}
    latent = session.encode_images(torch.zeros(1, 3, 32, 32)).mean
    return session.predict(latent, torch.tensor([5]), session.encode_prompts(["x"], {"x": rows}))


@pytest.mark.parametrize("precision", ["no", "fp16", "bf16"])
def test_a_session_stores_each_network_in_what_it_computes_in(
    host: DiffusersHost, precision: Precision
) -> None:
    dtype = DTYPES[precision]
    with host.session(precision) as session:
        use_all(session)
        model: Any = host.model
        assert {p.dtype for p in model.unet.parameters()} == {dtype}
        assert {p.dtype for p in model.vae.parameters()} == {torch.float32}
        for encoder in model.encoders:
            linear = [m for m in encoder.model.modules() if isinstance(m, nn.Linear)]
            assert {p.dtype for m in linear for p in m.parameters()} == {dtype}
            assert encoder.token_embedding.weight.dtype == torch.float32
            assert encoder.core.get_submodule("final_layer_norm").weight.dtype == torch.float32


@pytest.mark.parametrize("precision", ["no", pytest.param("fp16", marks=pytest.mark.slow), "bf16"])
def test_afterwards_the_very_tensors_of_the_file_are_back(
    host: DiffusersHost, path: Path, precision: Precision
) -> None:
    before, content = state(host), path.read_bytes()
    numbers = {name: tensor.clone() for name, tensor in before.items()}
    with host.session(precision) as session:
        use_all(session)
        assert not any(state(host)[name] is before[name] for name in before)
    after = state(host)
    assert all(after[name] is before[name] for name in before)
    assert all(torch.equal(after[name], numbers[name]) for name in before)
    assert path.read_bytes() == content


def test_a_file_is_read_only_when_a_network_is_used(host: DiffusersHost) -> None:
    with host.session() as session:
        session.token_embeddings_of("cat")
        assert next(host.model.unet.parameters()).dtype == torch.float16, "still the file's"
        session.release("text_encoder")
        assert all(tensor.dtype == torch.float16 for tensor in state(host).values())


def test_a_graph_survives_the_release_of_what_it_was_made_with(host: DiffusersHost) -> None:
    """The text encoder is on the way back to the vectors."""
    gradients = []
    for release in (False, True):
        with host.session("bf16") as session:
            rows = {k: v.requires_grad_() for k, v in session.token_embeddings_of("cat").items()}
            context = session.encode_prompts(["x"], {"x": rows}).context
            if release:
                session.release("text_encoder")
            context.square().sum().backward()
            gradients.append([value.grad for value in rows.values()])
    for one, other in zip(*gradients, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


def test_half_precision_is_close_to_fp32(host: DiffusersHost) -> None:
    found = []
    for precision in DTYPES:
        with host.session(precision) as session:
            found.append(use_all(session).detach())
    whole, *others = found
    for other, most in zip(others, (0.01, 0.05), strict=True):
        assert not torch.equal(whole, other)
        assert (whole - other).norm() <= most * whole.norm()


def test_writing_to_a_tensor_never_reaches_the_file(path: Path) -> None:
    content, file = path.read_bytes(), CheckpointFile(path)
    for tensor in file.tensors.values():
        if tensor.is_floating_point():
            tensor.zero_()
    assert path.read_bytes() == content


def test_what_is_forgotten_is_read_again(path: Path) -> None:
    file = CheckpointFile(path)
    before = {name: tensor.clone() for name, tensor in file.tensors.items()}
    file.forget()
    assert all(torch.equal(file.tensors[name], tensor) for name, tensor in before.items())


def test_a_file_that_was_written_to_is_an_error(host: DiffusersHost, path: Path) -> None:
    later = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later, later))
    with (
        host.session() as session,
        pytest.raises(CheckpointError, match="has changed since it was opened"),
    ):
        session.token_embeddings_of("cat")


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_that_was_replaced_or_deleted_is_still_there(
    host: DiffusersHost, path: Path, tmp_path: Path, replace: bool
) -> None:
    with host.session() as session:
        before = session.token_embeddings_of("cat")
    if replace:
        os.replace(write_single_file(tmp_path / "y.safetensors", tiny("sdxl"), seed=1), path)
    else:
        path.unlink()
    with host.session() as session:
        after = session.token_embeddings_of("cat")
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_what_fits_only_in_part_is_put_back_and_an_error(
    host: DiffusersHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, copy, calls = state(host), Weights._copy, []

    def full(self: Weights, tensor: Tensor, *where: Any) -> Tensor:
        calls.append(tensor)
        if len(calls) == 20:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return copy(self, tensor, *where)

    monkeypatch.setattr(Weights, "_copy", full)
    with host.session() as session:
        with pytest.raises(HostMemoryError, match="out of memory"):
            use_all(session)
        assert all(tensor is before[name] for name, tensor in state(host).items())
        use_all(session)  # there is room by now


def test_tied_weights_stay_tied() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[1].weight = network[0].weight
    weights = Weights([network], [])
    weights.place(Storage(CPU, torch.bfloat16))
    assert network[0].weight is network[1].weight
    assert network[0].weight.dtype == torch.bfloat16
    weights.put_back()
    assert network[0].weight.dtype == torch.float32


def test_fp32_does_not_depend_on_what_the_file_stores_them_in(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    half = write_single_file(tmp_path / "half.safetensors", tiny("sd1"))
    whole = tmp_path / "whole.safetensors"
    save_file({name: tensor.float() for name, tensor in load_file(half).items()}, whole)
    made = []
    for path in (half, whole):
        with DiffusersHost.open(path, device="cpu").session() as session:
            made.append(use_all(session).detach())
    assert torch.equal(*made)
