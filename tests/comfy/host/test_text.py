"""Prompts: what ComfyUI itself makes of them, and our words in them."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
import torch

from tests.comfy import program
from tests.comfy.host.learning import NAME, some_rows
from ti_core.errors import ConfigError, EmbeddingError
from ti_core.port.session import TextOptions

READ = TextOptions(emphasis=True)
PROMPTS = [
    "",
    "a cat",
    "a (cat:1.3), ((dog)) here",
    "a \\(cat\\), (big (red) dog:0.5)",
    "(a cat",
    "one two three four five six seven " * 14,
    "tree " * 70 + "(one two three four five six) cat",
    "tree " * 70 + "(one two three four five six seven eight nine:1.2) cat",
]


def own(loaded: program.Loaded, prompt: str) -> torch.Tensor:
    """What ComfyUI's CLIPTextEncode gives."""
    with torch.no_grad():
        cond, pooled = loaded.clip.encode_from_tokens(
            loaded.clip.tokenize(prompt), return_pooled=True
        )
        return torch.cat([cond[0].flatten(), pooled.flatten()])


def ours(session: Any, prompt: str, rows: Any = None, text: TextOptions = READ) -> torch.Tensor:
    with torch.no_grad():
        found = session.encode_prompts([prompt], rows or {}, None, text)
    return found.context


@pytest.mark.parametrize("kind", ["sd1", "sd2"] + ([] if program.is_real() else ["sdxl"]))
@pytest.mark.parametrize("prompt", PROMPTS, ids=range(len(PROMPTS)))
def test_a_read_prompt_is_what_comfyui_makes_of_it(
    load: Any, host_of: Any, kind: str, prompt: str
) -> None:
    loaded = load(kind)
    with host_of(loaded).session() as session:
        mine = ours(session, prompt)[0].flatten()
        theirs = own(loaded, prompt)[: mine.numel()]
    assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_the_pooled_text_is_what_comfyui_makes_of_it(load: Any, host_of: Any) -> None:
    if program.is_real():
        pytest.skip("SDXL's text encoders are too large for a quick test")
    loaded = load("sdxl")
    with host_of(loaded).session() as session, torch.no_grad():
        mine = session.encode_prompts(["a cat"], {}, None, READ)
        theirs = own(loaded, "a cat")[mine.context.numel() :]
    assert torch.allclose(mine.pooled[0], theirs, atol=1e-5)


def test_names_are_found_within_emphasis(load: Any, host_of: Any) -> None:
    host = host_of(load("sd1"))
    with host.session() as session:
        rows = {NAME: session.token_embeddings_of("cat")}
        for prompt in ("a ({}:1.3) here", "{}, a dog", "((big {}))"):
            by_name = ours(session, prompt.format(NAME.upper()), rows)
            assert torch.allclose(by_name, ours(session, prompt.format("cat")), atol=1e-6)


def test_long_embeddings_are_cut_at_a_border_only_where_comfyui_cuts_them(
    load: Any, host_of: Any
) -> None:
    host = host_of(load("sd1"))
    prompt = "tree " * 70 + NAME
    with host.session() as session, torch.no_grad():
        for count, after in ((7, 0), (8, 5)):
            rows = some_rows(host, count)
            read, literal = (ours(session, prompt, {NAME: rows}, t) for t in (READ, TextOptions()))
            assert read.shape[1] == literal.shape[1] == 154
            alike = torch.allclose(read[0, :77], literal[0, :77], atol=1e-5)
            assert alike == (after == 0)


def test_emphasis_can_be_learned_through(load: Any, host_of: Any) -> None:
    host = host_of(load("sd1"))
    found = []
    with host.session() as session:
        for weight in (1, 1.5):
            rows = some_rows(host)
            text = f"a ({NAME}:{weight}) here"
            context = session.encode_prompts([text], {NAME: rows}, None, READ).context
            context[0, 2].square().sum().backward()
            gradient = rows["clip_l"].grad
            assert gradient is not None
            found.append(gradient)
    assert torch.isfinite(found[1]).all()
    assert not torch.allclose(found[0], found[1])


def test_the_layer_that_the_graph_has_set_counts(load: Any, host_of: Any) -> None:
    loaded = load("sd1")
    clip = copy(loaded.clip)
    clip.layer_idx = -2
    with host_of(loaded).session() as session:
        last, skipped = ours(session, "a cat"), ours(session, "a cat", text=TextOptions(True, 2))
    with host_of(program.Loaded(loaded.model, clip, loaded.vae)).session() as session:
        assert torch.equal(ours(session, "a cat"), skipped)
    assert not torch.allclose(last, skipped)


@pytest.mark.parametrize("skip", [0, 99])
def test_layers_that_are_not_there_cannot_be_used(load: Any, host_of: Any, skip: int) -> None:
    with (
        host_of(load("sd1")).session() as session,
        pytest.raises(ConfigError, match="clip_skip"),
    ):
        ours(session, "a cat", text=TextOptions(clip_skip=skip))


def test_no_prompt_at_all_is_an_error(load: Any, host_of: Any) -> None:
    with host_of(load("sd1")).session() as session, pytest.raises(ConfigError, match="no prompt"):
        session.encode_prompts([], {})


def test_vectors_of_another_model_are_refused(load: Any, host_of: Any) -> None:
    host = host_of(load("sd1"))
    with host.session() as session, pytest.raises(EmbeddingError, match="does not fit this model"):
        session.encode_prompts(["x"], {"x": {"clip_l": torch.zeros(1, 5)}})
