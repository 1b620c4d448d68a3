"""Runs that share passes over the network compute what each computes alone."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from PIL import Image

from benchmarks.together import SharedHost, Together
from ti_core.hosts.common.session import BaseSession
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import PreviewRequest


def slope(session: BaseSession, word: str, passes: int) -> torch.Tensor:
    """(1, width) sum of the gradients of some passes."""
    rows = session.token_embeddings_of(word)
    leaf = rows["clip_l"].requires_grad_()
    for number in range(passes):
        noisy = torch.full((2, 4, 8, 8), 0.1 * number)
        told = session.encode_prompts([f"a {word}", word], {word: {"clip_l": leaf}})
        session.predict(noisy, torch.tensor([3, 40]), told).square().mean().backward()
    assert leaf.grad is not None
    return leaf.grad


def test_gradients_are_those_of_a_run_alone_whoever_ends_first() -> None:
    jobs = {"cat": 3, "dog": 5, "bird": 1}
    with FakeHost().session() as session:
        alone = [slope(session, word, passes) for word, passes in jobs.items()]
        made = Together[torch.Tensor](session).results(
            [partial(slope, session, word, passes) for word, passes in jobs.items()]
        )
    for one, other in zip(alone, made, strict=True):
        torch.testing.assert_close(one, other)
        assert one.abs().max() > 0


def test_pictures_are_those_of_a_session_alone() -> None:
    request = PreviewRequest("a cat", width=64, height=64, steps=3)
    with FakeHost().session() as session:
        alone = session.preview(request, {})[0]
        made = Together[list[Image.Image]](session).results(
            [partial(session.preview, request, {})] * 3
        )
    assert [images[0].tobytes() for images in made] == [alone.tobytes()] * 3


def test_a_run_that_fails_ends_all() -> None:
    def fails() -> torch.Tensor:
        raise KeyError("lost")

    with FakeHost().session() as session:
        alone = session.predict
        with pytest.raises(KeyError, match="lost"):
            Together[torch.Tensor](session).results([partial(slope, session, "cat", 2), fails])
        assert session.predict == alone


def test_a_precision_that_is_not_the_open_ones_is_an_error() -> None:
    host = FakeHost()
    with host.session() as session:
        shared = SharedHost(host, session)
        with shared.session("no") as found:
            assert found is session
        with pytest.raises(ValueError, match="bf16"), shared.session("bf16"):
            pass
