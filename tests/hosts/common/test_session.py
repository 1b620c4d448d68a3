"""What the base of all sessions does alike, seen on the fake host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn

from ti_core.errors import ConfigError, HostBusyError, HostError, UnsupportedModelError
from ti_core.families import SDXL
from ti_core.hosts.common.text import EncodedText
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.port.session import SAMPLERS, Features, PictureSize, PreviewRequest

REQUEST = PreviewRequest("a cat", width=64, height=64, steps=2)


def test_each_distinct_prompt_passes_the_encoders_once() -> None:
    host, batches = FakeHost(), []
    host.encoders["clip_l"].register_forward_hook(
        lambda _, inputs, __: batches.append(len(inputs[0]))
    )
    with host.session() as session:
        found = session.encode_prompts(["a", "b", "a", "b", "b"], {})
    assert batches == [2]
    assert torch.equal(found.context[0], found.context[2])
    assert not torch.equal(found.context[0], found.context[1])


def test_sizes_belong_to_prompts_also_where_prompts_are_alike() -> None:
    sizes = [PictureSize((n, n), (0, 0), (n, n)) for n in (64, 128)]
    with FakeHost(family=SDXL).session() as session:
        found = session.encode_prompts(["a", "a"], {}, sizes)
    assert found.time_ids is not None
    assert found.time_ids[:, 0].tolist() == [64, 128]


def test_a_family_may_put_its_encoders_together_in_another_way() -> None:
    class Appending(FakeSession):
        def _assemble(self, encoded: Sequence[EncodedText]) -> EncodedText:
            most = max(states.shape[-1] for states, _ in encoded)
            filled = [nn.functional.pad(one, (0, most - one.shape[-1])) for one, _ in encoded]
            return torch.cat(filled, dim=1), encoded[-1][1]

    host = FakeHost(family=SDXL)
    widths = host.describe().widths
    with host.session() as session:
        usual = session.encode_prompts(["a", "b"], {})
        appended = Appending(host, "no").encode_prompts(["a", "b"], {})
    assert usual.context.shape == (2, 77, sum(widths.values()))
    assert appended.context.shape == (2, 2 * 77, max(widths.values()))
    assert torch.equal(appended.context[:, 77:], usual.context[..., widths["clip_l"] :])


def test_a_closed_session_refuses_everything() -> None:
    with FakeHost().session() as session:
        conditioning = session.encode_prompts(["a"], {})
    for use in (
        lambda: session.token_embeddings_of("a"),
        lambda: session.token_embeddings_at([5]),
        lambda: session.encode_images(torch.zeros(1, 3, 64, 64)),
        lambda: session.encode_prompts(["a"], {}),
        lambda: session.predict(torch.zeros(1, 4, 8, 8), torch.tensor([5]), conditioning),
        lambda: session.preview(REQUEST, {}),
        lambda: session.release("vae"),
    ):
        with pytest.raises(HostError, match="closed"):
            use()


def test_errors_say_what_kind_of_trouble_it_is() -> None:
    host = FakeHost()
    with host.session(), pytest.raises(HostBusyError), host.session():
        pass
    with pytest.raises(UnsupportedModelError), host.session("fp16"):
        pass
    with host.session() as session, pytest.raises(ConfigError, match="choose one of Euler"):
        session.preview(replace(REQUEST, sampler="x"), {})


def test_an_error_while_a_session_opens_gives_the_model_back() -> None:
    host = FakeHost()
    with pytest.raises(UnsupportedModelError), host.session("fp16"):
        pass
    with host.session("bf16"):
        pass


def test_a_session_leaves_the_inference_mode_around_it() -> None:
    host = FakeHost()
    with torch.inference_mode():
        with host.session("bf16") as session:
            assert not torch.is_inference_mode_enabled()
            assert not session.token_embeddings_of("cat")["clip_l"].is_inference()
        assert torch.is_inference_mode_enabled()


def test_pixels_that_are_not_numbers_become_black() -> None:
    host = FakeHost()
    nn.init.constant_(host.network.out.weight, float("nan"))
    with host.session() as session:
        (picture,) = session.preview(REQUEST, {})
    assert picture.getextrema() == ((0, 0),) * 3


def test_a_sampler_is_the_default_or_one_of_the_hosts() -> None:
    features = Features(samplers=(*SAMPLERS, "LCM"))
    assert features.sampler() == features.sampler("") == "Euler"
    assert features.sampler("LCM") == "LCM"
    assert features.sampler("euler") == "Euler"
    with pytest.raises(ConfigError, match="no sampler 'oiler'"):
        features.sampler("oiler")
