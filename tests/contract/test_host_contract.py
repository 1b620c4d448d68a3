"""What every host promises: the words of `ti_core/port` and of the design's third chapter."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ti_core.diffusion import Prediction
from ti_core.errors import ConfigError, HostBusyError, HostMemoryError
from ti_core.events import Event
from ti_core.files.reading import read_embedding
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.port.session import (
    SAMPLERS,
    Conditioning,
    Host,
    PictureSize,
    Precision,
    PreviewRequest,
    Session,
    TextOptions,
)
from ti_core.train.events import StepDone, Validated
from ti_core.train.initialization import encoded_rows
from ti_core.train.loop import train

from ..conftest import Configure
from ..train import hypernetwork_runs
from .fingerprint import Bomb, differences, fingerprint
from .hosts import Subject

NAME = "zz-thing"
ENCODERS = {
    "sd1": ("clip_l",),
    "sd2": ("clip_h",),
    "sdxl": ("clip_l", "clip_g"),
    "toy-flow": ("clip_l", "clip_g"),
}
Rows = dict[str, Tensor]


@pytest.fixture
def host(subject: Subject) -> Host:
    """The host under test."""
    return subject.host


@pytest.fixture
def session(host: Host) -> Iterator[Session]:
    """An open session in full precision."""
    with host.session() as opened:
        yield opened


@pytest.fixture
def word(host: Host) -> str:
    """A word of a single token."""
    words = ("tree", "cat", "dog", "a", "*")
    return next(word for word in words if len(host.tokenize(word)) == 1)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def latents(host: Host, count: int = 1, height: int = 64, width: int = 64) -> Tensor:
    """Noise in the shape of the latents of pictures with these sides."""
    return noise(count, *host.describe().latent.shape(height, width))


def some_rows(host: Host, count: int = 1, seed: int = 0) -> Rows:
    """Vectors that mean nothing, as long as real ones."""
    return {
        encoder.key: (noise(count, encoder.width, seed=seed) * 0.1).requires_grad_()
        for encoder in host.describe().encoders
    }


def encode(session: Session, prompt: str, rows: Rows | None = None, **text: Any) -> Tensor:
    """Context of one prompt."""
    embeddings = {NAME: rows} if rows else {}
    return session.encode_prompts([prompt], embeddings, None, TextOptions(**text)).context


def request(host: Host, prompt: str, **changes: Any) -> PreviewRequest:
    base = PreviewRequest(prompt, width=64, height=64, steps=2, sampler=host.features().samplers[0])
    return replace(base, **changes)


def pixels_of(pictures: list[Image.Image]) -> list[bytes]:
    return [picture.tobytes() for picture in pictures]


# --- facts ------------------------------------------------------------------------------------


def test_the_facts_fit_together(host: Host) -> None:
    facts = host.describe()
    assert facts == host.describe()
    assert tuple(encoder.key for encoder in facts.encoders) == ENCODERS[facts.family.id]
    assert len(set(facts.widths)) == len(facts.encoders)
    assert all(encoder.tokens_per_chunk == 75 for encoder in facts.encoders)
    assert facts.diffusion.prediction in (*get_args(Prediction), "velocity")
    assert facts.resolution % facts.latent.stride == 0
    assert facts.latent.scale > 0
    assert re.fullmatch(r"[0-9a-f]{10}|", facts.checkpoint_hash)
    assert facts.checkpoint_name
    assert host.name


def test_the_noise_rises_from_hardly_any_to_hardly_anything_else(host: Host) -> None:
    sigmas = host.describe().diffusion.sigmas()
    assert (sigmas[1:] > sigmas[:-1]).all()
    assert 0 < sigmas[0] < 1 / 3
    assert sigmas[-1] > 3


def test_it_says_what_it_trains_in_unless_it_is_told_otherwise(host: Host) -> None:
    precision = host.features().precision
    assert precision in get_args(Precision)
    with host.session(precision) as session:
        if session.device.type == "cpu":
            assert precision == "no"


def test_there_is_a_sampler_and_a_folder(host: Host, tmp_path: Path) -> None:
    assert host.features().samplers
    assert isinstance(host.embeddings_dir(), Path)
    host.embedding_saved(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "text", ["", "a cat", "a (cat:1.2), [dog] BREAK", "Käse 猫 🐈 \n x", "a" * 300]
)
def test_tokens_are_ids_of_the_vocabulary_and_always_the_same(host: Host, text: str) -> None:
    tokens = host.tokenize(text)
    assert tokens == host.tokenize(text)
    least = min(encoder.vocabulary for encoder in host.describe().encoders)
    assert all(0 <= token < least and isinstance(word, str) for token, word in tokens)


def test_only_one_session_is_open_at_a_time(host: Host) -> None:
    with host.session() as one:
        with pytest.raises(HostBusyError), host.session():
            pass
        one.token_embeddings_of("a cat")
    with host.session() as two:
        two.token_embeddings_of("a cat")


# --- vocabulary rows --------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "cat", "a cat, sitting (here)"])
def test_every_token_has_a_row_in_every_encoder(host: Host, session: Session, text: str) -> None:
    rows = session.token_embeddings_of(text)
    count = len(host.tokenize(text))
    assert {key: tuple(value.shape) for key, value in rows.items()} == {
        key: (count, width) for key, width in host.describe().widths.items()
    }
    assert all(value.dtype == torch.float32 for value in rows.values())
    assert all(not value.requires_grad for value in rows.values())


def test_rows_are_copies(session: Session, word: str) -> None:
    before = session.token_embeddings_of(word)
    for value in session.token_embeddings_of(word).values():
        value.zero_()
    again = session.token_embeddings_of(word)
    assert all(torch.equal(before[key], again[key]) and before[key].any() for key in before)


def test_rows_by_number_are_the_rows_of_the_tokens(host: Host, session: Session) -> None:
    ids = [token for token, _ in host.tokenize("a cat")]
    by_text, by_number = (
        session.token_embeddings_of("a cat"),
        session.token_embeddings_at(ids[::-1]),
    )
    for key, rows in by_text.items():
        assert torch.equal(by_number[key], rows.flip(0))
        assert by_number[key].dtype == torch.float32
        assert not by_number[key].requires_grad


def test_the_whole_vocabulary_can_be_asked_for_and_not_a_row_more(
    host: Host, session: Session
) -> None:
    count = min(encoder.vocabulary for encoder in host.describe().encoders)
    assert {
        key: tuple(rows.shape) for key, rows in session.token_embeddings_at(range(count)).items()
    } == {key: (count, width) for key, width in host.describe().widths.items()}
    for numbers in ([count], [0, -1]):
        with pytest.raises(ConfigError, match="there is no token"):
            session.token_embeddings_at(numbers)
        with pytest.raises(ConfigError, match="there is no token"):
            host.token_strings(numbers)


def test_rows_by_number_are_copies(session: Session) -> None:
    before = session.token_embeddings_at([5])
    for value in session.token_embeddings_at([5]).values():
        value.zero_()
    after = session.token_embeddings_at([5])
    assert all(torch.equal(before[key], after[key]) and before[key].any() for key in before)


def test_tokens_are_spelled_by_number_as_they_are_in_a_text(host: Host) -> None:
    tokens = host.tokenize("a cat, sitting (here)")
    assert host.token_strings([number for number, _ in tokens]) == [
        spelling for _, spelling in tokens
    ]
    assert all(host.token_strings([number])[0] for number in range(20))


# --- prompts ----------------------------------------------------------------------------------


def test_an_embedding_with_the_rows_of_a_word_is_that_word(
    host: Host, session: Session, word: str
) -> None:
    """The identity that A1111's wiki promises, bit for bit, down to the picture."""
    rows = session.token_embeddings_of(word)
    as_word = session.encode_prompts([f"a picture of {word}"], {})
    as_name = session.encode_prompts([f"a picture of {NAME}"], {NAME: rows})
    assert torch.equal(as_word.context, as_name.context)
    if as_word.pooled is not None and as_name.pooled is not None:
        assert torch.equal(as_word.pooled, as_name.pooled)
    one = session.preview(request(host, f"a picture of {word}"), {})
    two = session.preview(request(host, f"a picture of {NAME}"), {NAME: rows})
    assert pixels_of(one) == pixels_of(two)


def test_what_the_encoders_make_of_a_word_can_be_its_vectors(session: Session, word: str) -> None:
    words = session.token_embeddings_of(word)
    made = encoded_rows(word, words, session)
    assert made.keys() == words.keys()
    for key, rows in words.items():
        assert made[key].shape == rows.shape
        assert torch.allclose(made[key].norm(dim=1), rows.norm(dim=1), rtol=1e-4)


@pytest.mark.parametrize("count", [1, 3])
def test_the_conditioning_can_be_learned_through_every_vector_and_nothing_else(
    subject: Subject, session: Session, count: int
) -> None:
    rows = some_rows(subject.host, count)
    with torch.enable_grad():
        found = session.encode_prompts([f"a {NAME} here"], {NAME: rows})
    loss = found.context.square().sum()
    if found.pooled is not None:
        loss = loss + found.pooled.square().sum()
    loss.backward()
    for value in rows.values():
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()
        assert value.grad.abs().sum(dim=1).min() > 0
    parameters = [p for root in subject.modules() for p in root.parameters()]
    assert not any(p.requires_grad for p in parameters)
    assert all(p.grad is None for p in parameters)


def test_without_gradients_there_is_no_graph(host: Host, session: Session) -> None:
    with torch.no_grad():
        assert not encode(session, f"a {NAME}", some_rows(host)).requires_grad


def test_a_prompt_without_the_name_does_not_depend_on_the_vectors(
    host: Host, session: Session
) -> None:
    prompt = f"a{NAME} {NAME}y x{NAME}"
    one, two = (encode(session, prompt, some_rows(host, seed=seed)) for seed in (1, 2))
    assert torch.equal(one, two)
    assert not one.requires_grad


def test_the_name_is_found_as_a_whole_word_in_any_case(host: Host, session: Session) -> None:
    rows = some_rows(host)
    plain = encode(session, f"a {NAME}, here", rows)
    for other in (f"a {NAME.upper()}, here", f"A {NAME}, HERE"):
        assert torch.equal(plain, encode(session, other, rows))


@pytest.mark.parametrize(("words", "chunks"), [(0, 1), (59, 1), (60, 2), (134, 2), (135, 3)])
def test_sixteen_vectors_take_sixteen_of_seventy_five_places(
    host: Host, session: Session, word: str, words: int, chunks: int
) -> None:
    prompt = f"{NAME} " + f"{word} " * words
    assert encode(session, prompt, some_rows(host, 16)).shape[1] == 77 * chunks


def test_the_order_of_vectors_matters(host: Host, session: Session) -> None:
    rows = some_rows(host, 2)
    turned = {key: value.flip(0) for key, value in rows.items()}
    assert not torch.allclose(encode(session, NAME, rows), encode(session, NAME, turned))


def test_the_width_is_that_of_the_encoders_and_the_numbers_are_fp32(
    host: Host, session: Session
) -> None:
    found = session.encode_prompts(["a", "b"], {})
    widths = host.describe().widths
    assert found.context.shape == (2, 77, sum(widths.values()))
    assert found.context.dtype == torch.float32
    assert torch.isfinite(found.context).all()
    pooled, sized = "clip_g" in widths, host.describe().family.id == "sdxl"
    shape = lambda tensor: None if tensor is None else tuple(tensor.shape)  # noqa: E731
    assert shape(found.pooled) == ((2, widths["clip_g"]) if pooled else None)
    assert shape(found.time_ids) == ((2, 6) if sized else None)


def test_mixed_lengths_are_padded_to_the_longest(session: Session, word: str) -> None:
    long = f"{word} " * 100
    found = session.encode_prompts([word, long], {}).context
    assert found.shape[:2] == (2, 154)
    alone = session.encode_prompts([long], {}).context
    assert torch.allclose(found[1:], alone, atol=1e-4)


def test_prompts_in_one_call_are_those_of_single_calls_in_order(
    host: Host, session: Session
) -> None:
    rows = some_rows(host)
    prompts = [f"a {NAME}", "a dog", f"a {NAME}", ""]
    found = session.encode_prompts(prompts, {NAME: rows}).context
    for i, prompt in enumerate(prompts):
        assert torch.allclose(found[i], encode(session, prompt, rows)[0], atol=1e-4)
    assert torch.equal(found[0], found[2])


def test_two_embeddings_may_stand_in_one_prompt(host: Host, session: Session) -> None:
    one, two = some_rows(host, 1, seed=1), some_rows(host, 2, seed=2)
    found = session.encode_prompts(["zz-a and zz-b"], {"zz-a": one, "zz-b": two}).context
    found.sum().backward()
    assert all(v.grad is not None and v.grad.any() for v in (*one.values(), *two.values()))


@pytest.mark.parametrize("text", ["(tree:1.5)", "((tree))", "[tree]", "a\\(b", "tree BREAK cat"])
def test_every_character_is_literal_unless_asked_otherwise(
    subject: Subject, session: Session, text: str
) -> None:
    literal, read = encode(session, text), encode(session, text, emphasis=True)
    alike = literal.shape == read.shape and torch.allclose(literal, read)
    assert alike == any(sign in text for sign in subject.no_emphasis)
    assert literal.shape[1] == 77
    without = re.sub(r"[\\()\[\]:.0-9]|BREAK", "", text)
    assert not torch.allclose(literal, encode(session, without))


@pytest.mark.parametrize("text", ["", "a cat, sitting", f"a {NAME}"])
def test_reading_emphasis_changes_nothing_where_there_is_none(
    host: Host, session: Session, text: str
) -> None:
    rows = some_rows(host)
    assert torch.equal(encode(session, text, rows), encode(session, text, rows, emphasis=True))


def test_emphasis_applies_to_an_embedding_too(host: Host, session: Session) -> None:
    rows = some_rows(host)
    strong = encode(session, f"a ({NAME}:1.5) here", rows, emphasis=True)
    assert not torch.allclose(strong, encode(session, f"a {NAME} here", rows, emphasis=True))


def test_clip_skip_takes_another_layer(subject: Subject, session: Session) -> None:
    if not subject.skips_layers:
        pytest.skip("its text encoders have a single layer")
    one, two = encode(session, "a cat"), encode(session, "a cat", clip_skip=2)
    assert one.shape == two.shape
    fixed = subject.host.describe().family.id != "sd1"  # SD2 and SDXL are made for one layer
    assert torch.equal(one, two) == fixed


def test_sdxl_is_told_the_sizes(host: Host, session: Session) -> None:
    if host.describe().family.id != "sdxl":
        pytest.skip("other families know no sizes")
    sizes = [PictureSize((100, 200), (1, 2), (64, 128)), PictureSize((8, 8), (0, 0), (8, 8))]
    found = session.encode_prompts(["a", "a"], {}, sizes).time_ids
    assert found is not None
    assert found.tolist() == [[100, 200, 1, 2, 64, 128], [8, 8, 0, 0, 8, 8]]


def test_rows_of_a_conditioning_are_picked_by_number(session: Session) -> None:
    found = session.encode_prompts(["a", "b"], {})
    picked = found.rows(torch.tensor([1, 0, 1], device=session.device))
    assert torch.equal(picked.context, found.context[[1, 0, 1]])
    for part, whole in ((picked.pooled, found.pooled), (picked.time_ids, found.time_ids)):
        assert (part is None) == (whole is None)
        assert part is None or whole is None or torch.equal(part, whole[[1, 0, 1]])


# --- pictures in, predictions out -------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 128), (128, 64)])
def test_pictures_become_latents_of_the_family_s_shape(
    host: Host, session: Session, height: int, width: int
) -> None:
    found = session.encode_images(noise(2, 3, height, width).clamp(-1, 1))
    for part in (found.mean, found.std):
        assert part.shape == (2, *host.describe().latent.shape(height, width))
        assert part.dtype == torch.float32
        assert torch.isfinite(part).all()
        assert not part.requires_grad
    assert (found.std >= 0).all()


def test_pictures_in_a_batch_are_encoded_each_for_itself(session: Session) -> None:
    pixels = noise(2, 3, 64, 64).clamp(-1, 1)
    together = session.encode_images(pixels).mean
    alone = session.encode_images(pixels[1:]).mean
    assert torch.allclose(together[1:], alone, atol=1e-4)


def learnable(host: Host, session: Session, count: int = 1) -> tuple[Rows, Conditioning]:
    rows = some_rows(host)
    return rows, session.encode_prompts([f"a {NAME}"] * count, {NAME: rows})


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 128)])
def test_a_prediction_has_the_shape_of_its_latent_and_reaches_the_vectors(
    host: Host, session: Session, height: int, width: int
) -> None:
    rows, conditioning = learnable(host, session, 2)
    noisy = latents(host, 2, height, width)
    output = session.predict(noisy, torch.tensor([5, 50]), conditioning)
    assert output.shape == noisy.shape
    assert output.dtype == torch.float32
    assert torch.isfinite(output).all()
    output.square().mean().backward()
    assert all(v.grad is not None and v.grad.any() for v in rows.values())


def test_a_prediction_depends_on_the_time_the_latent_and_the_prompt(
    host: Host, session: Session
) -> None:
    latent, time = latents(host), torch.tensor([5])
    a, b = session.encode_prompts(["a cat"], {}), session.encode_prompts(["blue"], {})
    base = session.predict(latent, time, a)
    assert torch.equal(base, session.predict(latent, time, a))
    for other in (
        session.predict(latent, torch.tensor([80]), a),
        session.predict(latent + 0.5, time, a),
        session.predict(latent, time, b),
    ):
        assert not torch.equal(base, other)


def test_the_gradient_is_the_slope(host: Host, session: Session) -> None:
    """Finite differences along it: what is missing in the graph is seen nowhere else."""
    rows = some_rows(host, 2)

    def loss(rows: Rows) -> Tensor:
        conditioning = session.encode_prompts([f"a {NAME} here"], {NAME: rows})
        output = session.predict(latents(host), torch.tensor([50]), conditioning)
        return output.double().square().sum()

    loss(rows).backward()
    for key, value in rows.items():
        assert value.grad is not None
        length = value.grad.norm()
        step = value.grad / length * 0.03
        with torch.no_grad():
            up, down = (loss({**rows, key: value + sign * step}) for sign in (1, -1))
        assert (up - down) / 0.06 == pytest.approx(float(length), rel=5e-3), key


def test_rows_of_a_batch_do_not_look_at_each_other(host: Host, session: Session) -> None:
    noisy, times = latents(host, 2), torch.tensor([5, 50])
    both = session.encode_prompts(["a cat", "blue"], {})
    together = session.predict(noisy, times, both)
    second = torch.tensor([1], device=session.device)
    alone = session.predict(noisy[1:], times[1:], both.rows(second))
    assert torch.allclose(together[1:], alone, atol=1e-4)


def test_a_hypernetwork_that_changes_nothing_changes_nothing(host: Host, session: Session) -> None:
    conditioning = session.encode_prompts(["a cat"], {})
    given = latents(host), torch.tensor([5]), conditioning
    identity = session.predict(*given, lambda context: (context, context))
    assert torch.equal(session.predict(*given), identity)


def test_a_hypernetwork_can_be_learned(host: Host, session: Session) -> None:
    conditioning = session.encode_prompts(["a cat"], {})
    given = latents(host), torch.tensor([5]), conditioning
    keys, values = (torch.tensor(factor, requires_grad=True) for factor in (1.5, 0.5))
    output = session.predict(*given, lambda context: (context * keys, context * values))
    assert not torch.allclose(output, session.predict(*given))
    output.square().mean().backward()
    assert keys.grad is not None
    assert values.grad is not None
    assert keys.grad.any()
    assert values.grad.any()


def test_released_parts_come_back_when_needed(host: Host, session: Session) -> None:
    pixels = noise(1, 3, 64, 64).clamp(-1, 1)
    before = session.encode_images(pixels).mean, encode(session, "a cat")
    session.release("vae")
    session.release("text_encoder")
    session.release("vae")
    after = session.encode_images(pixels).mean, encode(session, "a cat")
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))


# --- previews ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(64, 64), (128, 64), (64, 128)])
def test_a_preview_has_the_size_that_was_asked_for(
    host: Host, session: Session, width: int, height: int
) -> None:
    (picture,) = session.preview(request(host, "a cat", width=width, height=height), {})
    assert (picture.size, picture.mode) == ((width, height), "RGB")


def test_the_same_request_gives_the_same_picture_and_another_seed_another(
    host: Host, session: Session
) -> None:
    rows = some_rows(host)
    one, two, other = (
        session.preview(request(host, f"a {NAME}", seed=seed), {NAME: rows}) for seed in (1, 1, 2)
    )
    assert pixels_of(one) == pixels_of(two) != pixels_of(other)


def test_a_preview_shows_the_vectors_as_they_are_now(host: Host, session: Session) -> None:
    """A1111 shows the first one for ever, out of a cache."""
    rows = some_rows(host)
    before = session.preview(request(host, f"a {NAME}"), {NAME: rows})
    with torch.no_grad():
        for value in rows.values():
            value.mul_(-30)
    assert pixels_of(before) != pixels_of(session.preview(request(host, f"a {NAME}"), {NAME: rows}))


def test_picture_i_of_many_has_the_seed_plus_i(host: Host, session: Session) -> None:
    """One step of 255 is allowed: a host may compute them as a batch, which rounds differently."""
    many = session.preview(request(host, "a cat", seed=5, count=3), {})
    assert len(many) == 3
    for i, picture in enumerate(many):
        (single,) = session.preview(request(host, "a cat", seed=5 + i), {})
        distance = np.abs(np.asarray(picture, int) - np.asarray(single, int)).max()
        assert distance <= 1


def test_every_host_has_these_samplers_and_each_makes_a_picture(
    host: Host, session: Session
) -> None:
    samplers = host.features().samplers
    assert samplers[: len(SAMPLERS)] == SAMPLERS
    for sampler in samplers:
        (picture,) = session.preview(request(host, "a cat", sampler=sampler, steps=3), {})
        assert picture.size == (64, 64), sampler


def test_a_preview_between_two_steps_does_not_change_the_second(
    host: Host, session: Session
) -> None:
    def step() -> dict[str, Tensor]:
        rows, conditioning = learnable(host, session)
        session.predict(latents(host), torch.tensor([5]), conditioning).sum().backward()
        return {key: value.grad for key, value in rows.items() if value.grad is not None}

    before = step()
    session.preview(request(host, f"a {NAME}"), {NAME: some_rows(host)})
    after = step()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert torch.is_grad_enabled()


def test_everything_works_in_bf16(host: Host) -> None:
    with host.session("bf16") as session:
        rows, conditioning = learnable(host, session)
        assert conditioning.context.dtype == torch.float32
        output = session.predict(latents(host), torch.tensor([5]), conditioning)
        assert output.dtype == torch.float32
        output.square().mean().backward()
        assert all(v.grad is not None and v.grad.any() for v in rows.values())
        assert session.encode_images(noise(1, 3, 64, 64)).mean.dtype == torch.float32
        assert len(session.preview(request(host, f"a {NAME}"), {NAME: rows})) == 1


# --- memory -----------------------------------------------------------------------------------


def passes(host: Host, checkpointing: bool) -> tuple[list[Tensor], int]:
    """Outputs and gradients with a word and with a hypernetwork; bytes kept for the backward."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    factor = torch.tensor(1.5, requires_grad=True)
    with host.session() as session:
        if checkpointing:
            assert session.save_memory("checkpointing")
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            rows, conditioning = learnable(host, session, 2)
            given = latents(host, 2), torch.tensor([5, 50]), conditioning
            outputs = [
                session.predict(*given),
                session.predict(*given, lambda context: (context * factor, context)),
            ]
            size = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
            sum(output.square().mean() for output in outputs).backward()  # type: ignore[union-attr]
    found = [*outputs, *(value.grad for value in rows.values()), factor.grad]
    return [each.detach() for each in found if each is not None], size


def test_blocks_computed_anew_give_the_same_bits_and_keep_less(host: Host) -> None:
    plain, much = passes(host, False)
    anew, little = passes(host, True)
    assert len(plain) == len(anew) > 3
    assert all(torch.equal(one, two) for one, two in zip(plain, anew, strict=True))
    assert little < much


@pytest.mark.dealt(0, of=3)
def test_a_training_that_saves_memory_makes_the_same_file(
    host: Host, configure: Configure, tmp_path: Path
) -> None:
    made = []
    for name in ("plain", "anew"):
        config = configure(
            max_train_steps=2,
            train_batch_size=2,
            resolution=(64, 64),
            gradient_checkpointing=name == "anew",
            output_dir=str(tmp_path / name),
            logging_dir=str(tmp_path / name),
        )
        events: list[Event] = []
        path = train(config, host, events.append)
        losses = [event.loss for event in events if isinstance(event, StepDone)]
        made.append((path.read_bytes(), losses))
    assert made[0] == made[1]


# --- nothing leaks ----------------------------------------------------------------------------


def use_images(host: Host, session: Session) -> None:
    session.encode_images(noise(1, 3, 64, 64).clamp(-1, 1))


def use_prompts(host: Host, session: Session) -> None:
    learnable(host, session)


def use_predict(host: Host, session: Session) -> None:
    _, conditioning = learnable(host, session)
    hypernetwork = None
    if host.features().hypernetworks:
        hypernetwork = lambda context: (context * 2, context)  # noqa: E731
    output = session.predict(latents(host), torch.tensor([5]), conditioning, hypernetwork)
    output.sum().backward()


def use_preview(host: Host, session: Session) -> None:
    session.preview(request(host, f"a ({NAME}:1.2)", steps=1), {NAME: some_rows(host)})


USES = [use_images, use_prompts, use_predict, use_preview]
Use = Callable[[Host, Session], None]


def use_all(host: Host, session: Session) -> None:
    for use in USES:
        use(host, session)
    session.token_embeddings_of("a cat")
    session.token_embeddings_at(range(100))
    session.release("vae")
    session.release("text_encoder")
    session.save_memory("checkpointing")
    session.save_memory("text_encoder")
    use_predict(host, session)


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.usefixtures("odd_flags")
def test_a_session_leaves_no_trace(subject: Subject, precision: Any) -> None:
    before = fingerprint(subject.modules(), subject.keeps_objects)
    with subject.host.session(precision) as session:
        use_all(subject.host, session)
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.dealt(0, of=3, by="error")
@pytest.mark.usefixtures("odd_flags")
def test_a_session_left_by_an_error_leaves_no_trace(subject: Subject, error: BaseException) -> None:
    before = fingerprint(subject.modules(), subject.keeps_objects)
    with pytest.raises(type(error)), subject.host.session() as session:  # noqa: PT012
        use_all(subject.host, session)
        raise error
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}


def fails_or_copes(subject: Subject) -> AbstractContextManager[object]:
    expected = HostMemoryError, torch.cuda.OutOfMemoryError
    copes = subject.copes_with_full_memory
    return contextlib.suppress(*expected) if copes else pytest.raises(expected)


@pytest.mark.parametrize("use", USES)
@pytest.mark.dealt(0, of=4, by="use")
@pytest.mark.usefixtures("odd_flags")
def test_running_out_of_memory_anywhere_leaves_no_trace_and_the_session_goes_on(
    subject: Subject, bomb: Bomb, use: Use
) -> None:
    host, error = subject.host, torch.cuda.OutOfMemoryError("CUDA out of memory.")
    before = fingerprint(subject.modules(), subject.keeps_objects)
    with host.session() as session:
        use(host, session)  # what is kept for the next time is there from now on
        bomb.arm(0, error)
        use(host, session)
        calls = bomb.calls
        assert calls > 0, "the hook is not on the way of this method"
        for at in {1, calls // 2 + 1, calls}:
            bomb.arm(at, error)
            with fails_or_copes(subject):
                use(host, session)
        bomb.arm(0, error)
        inside = {
            k: v
            for k, v in fingerprint(subject.modules(), subject.keeps_objects).items()
            if "hooks" in k
        }
        assert differences({k: before[k] for k in inside}, inside) == {}
        use(host, session)
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}


@pytest.mark.parametrize("use", USES)
@pytest.mark.dealt(1, of=4, by="use")
@pytest.mark.usefixtures("odd_flags")
def test_an_interrupt_within_the_model_leaves_no_trace(
    subject: Subject, bomb: Bomb, use: Use
) -> None:
    before = fingerprint(subject.modules(), subject.keeps_objects)
    with pytest.raises(KeyboardInterrupt), subject.host.session() as session:  # noqa: PT012
        bomb.arm(1, KeyboardInterrupt())
        use(subject.host, session)
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}
    bomb.arm(0, KeyboardInterrupt())
    with subject.host.session() as session:
        use(subject.host, session)


@pytest.mark.dealt(1, of=3)
@pytest.mark.usefixtures("odd_flags")
def test_a_whole_training_leaves_no_trace(subject: Subject, configure: Configure) -> None:
    config = configure(
        max_train_steps=2,
        resolution=(64, 64),
        sample_every_n_steps=1,
        sample_steps=1,
        num_vectors_per_token=2,
    )
    before = fingerprint(subject.modules(), subject.keeps_objects)
    found = read_embedding(train(config, subject.host))
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}
    assert {rows.shape[1] for rows in found.vectors.values()} == set(
        subject.host.describe().widths.values()
    )
    assert (found.step, found.count) == (2, 2)


@pytest.mark.dealt(2, of=3)
def test_validation_changes_nothing_of_what_is_trained(
    subject: Subject, configure: Configure
) -> None:
    log: list[Event] = []
    same = {"max_train_steps": 2, "resolution": (64, 64), "overwrite": True}
    plain = train(configure(**same), subject.host).read_bytes()
    validated = train(configure(**same, validate_every_n_steps=1), subject.host, log.append)
    assert validated.read_bytes() == plain
    losses = [event.loss for event in log if isinstance(event, Validated)]
    assert len(losses) == 3
    assert len(set(losses)) > 1


@pytest.mark.dealt(0, of=3)
@pytest.mark.usefixtures("odd_flags")
def test_a_hypernetwork_s_training_leaves_no_trace(
    subject: Subject, tmp_path: Path, pictures: Path
) -> None:
    """One that is trained and shown, and one that fails while the model is open."""
    settings = {"max_train_steps": 2, "resolution": (64, 64), "sample_steps": 1}
    config = hypernetwork_runs.config(tmp_path, pictures, sample_every_n_steps=2, **settings)
    before = fingerprint(subject.modules(), subject.keeps_objects)
    found = read_hypernetwork(train(config, subject.host))
    assert (found.step, sum(subject.host.describe().widths.values()) in found.widths) == (2, True)
    narrow = hypernetwork_runs.config(
        tmp_path, pictures, layer_structure="1, 0.001, 1", overwrite=True, **settings
    )
    with pytest.raises(ConfigError, match="has layers 0"):
        train(narrow, subject.host)
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}


@pytest.mark.dealt(2, of=3)
@pytest.mark.usefixtures("odd_flags")
def test_a_training_that_fails_leaves_no_trace(
    subject: Subject, configure: Configure, bomb: Bomb, pictures: Path
) -> None:
    """In the first step: a host may cope with less memory while it encodes the pictures."""
    before = fingerprint(subject.modules(), subject.keeps_objects)
    config = configure(max_train_steps=2, resolution=(64, 64))
    bomb.arm(0, MemoryError())
    with subject.host.session() as session:
        for _ in pictures.glob("*.png"):
            use_images(subject.host, session)
    encoded = bomb.calls
    bomb.arm(encoded + 5, torch.cuda.OutOfMemoryError("CUDA out of memory."), lasts=True)
    with contextlib.suppress(HostMemoryError):
        train(config, subject.host)
        pytest.fail("the model was never used")
    assert differences(before, fingerprint(subject.modules(), subject.keeps_objects)) == {}


def test_the_fingerprint_notices_every_kind_of_trace(subject: Subject) -> None:
    """The test of these tests."""
    root = (subject.computes or subject.modules)()[0]
    part = next(m for m in root.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear))

    first = part.weight.data.view(-1)[:1]

    def traces() -> Iterator[Callable[[], object]]:
        yield lambda: setattr(part, "training", not part.training)
        yield lambda: part.weight.requires_grad_(not part.weight.requires_grad)
        yield lambda: part.register_forward_hook(lambda *_: None)
        yield lambda: setattr(part, "forward", part.forward)
        yield lambda: setattr(part.weight, "grad", torch.zeros_like(part.weight))
        yield lambda: first.copy_(first.float() + 1)  # fp8 cannot be added to
        yield lambda: torch.rand(1)
        yield lambda: np.random.random()
        yield lambda: torch.set_grad_enabled(False)

    weight, flags = part.weight.detach().clone(), (part.training, part.weight.requires_grad)
    for leave in traces():
        before = fingerprint([part])
        leave()
        assert differences(before, fingerprint([part]))
    torch.set_grad_enabled(True)
    part.weight.data.copy_(weight)
    part._forward_hooks.clear()
    del part.__dict__["forward"]
    part.weight.grad = None
    part.training, part.weight.requires_grad = flags
