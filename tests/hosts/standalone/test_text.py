"""What the text encoders see, checked against transformers and diffusers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.hosts.conftest import OpenHost, in_fp32
from ti_core.errors import ConfigError, EmbeddingError
from ti_core.families import SD2, SDXL
from ti_core.hosts.standalone.checkpoint.architecture import TextShape
from ti_core.hosts.standalone.single_file import layers_in_use
from ti_core.port.session import Conditioning, PictureSize, TextOptions

SD1, ALL = "sd1", ("sd1", "sd2", "sdxl", "sd1-folder", "sd2-folder", "sdxl-folder")
EMPHASIS = TextOptions(emphasis=True)
PROMPT = "a photo of a cat, sitting!"


def encode(
    open_host: OpenHost,
    name: str,
    *prompts: str,
    embeddings: dict[str, dict[str, Tensor]] | None = None,
    text: TextOptions = TextOptions(),
) -> Conditioning:
    with open_host(name).session() as session, torch.no_grad():
        return session.encode_prompts(prompts, embeddings or {}, text=text)


def rows(open_host: OpenHost, name: str, text: str) -> dict[str, Tensor]:
    with open_host(name).session() as session:
        return session.token_embeddings_of(text)


def test_sd1_is_the_last_state_after_the_norm(
    open_host: OpenHost, models: Callable[[str], Path]
) -> None:
    from transformers import CLIPTextModel

    model = CLIPTextModel.from_pretrained(models("sd1-folder") / "text_encoder").eval()
    ids = [49406, 320, 1125, 539, 320, 2368, 267, 4919, 256, 49407]
    padded = torch.tensor([ids + [49407] * (77 - len(ids))])
    with torch.no_grad():
        expected = model(padded)
    ours = encode(open_host, "sd1-folder", PROMPT)
    assert torch.equal(ours.context, expected.last_hidden_state)
    assert ours.pooled is None
    assert ours.time_ids is None


@pytest.mark.parametrize("clip_skip", [1, 2, 3])
def test_clip_skip_counts_as_a1111(
    open_host: OpenHost, models: Callable[[str], Path], clip_skip: int
) -> None:
    from transformers import CLIPTextModel

    model = CLIPTextModel.from_pretrained(models("sd1-folder") / "text_encoder").eval()
    ids = torch.tensor([[49406, 2368] + [49407] * 75])
    core = getattr(model, "text_model", model)
    with torch.no_grad():
        states = model(ids, output_hidden_states=True).hidden_states
        expected = core.final_layer_norm(states[-clip_skip])
    ours = encode(open_host, "sd1-folder", "cat", text=TextOptions(clip_skip=clip_skip))
    assert torch.equal(ours.context, expected)


@pytest.mark.parametrize(
    ("name", "clip_skip", "computed"), [("sd1", 1, [3]), ("sd1", 2, [2]), ("sdxl", 1, [2, 3])]
)
def test_layers_that_nothing_is_made_of_are_not_computed(
    open_host: OpenHost, name: str, clip_skip: int, computed: list[int]
) -> None:
    encoders, called = open_host(name).model.encoders, list[int]()
    hooks = [
        layer.register_forward_hook(lambda *_, number=number: called.append(number))
        for number, encoder in enumerate(encoders)
        for layer in encoder.layers
    ]
    before = [list(encoder.layers) for encoder in encoders]
    encode(open_host, name, "cat", text=TextOptions(clip_skip=clip_skip))
    for hook in hooks:
        hook.remove()
    assert [called.count(number) for number in range(len(encoders))] == computed
    assert [list(encoder.layers) for encoder in encoders] == before


def test_clip_skip_beyond_the_layers_is_an_error(open_host: OpenHost) -> None:
    for clip_skip in (0, 4):
        with pytest.raises(ConfigError, match="clip_skip"):
            encode(open_host, SD1, "cat", text=TextOptions(clip_skip=clip_skip))


def test_sd2_is_the_state_before_the_last_layer(open_host: OpenHost) -> None:
    encoder = open_host("sd2").model.encoders[0]
    layers = encoder.core.get_submodule("encoder.layers")
    assert len(list(layers.children())) == 2  # of three in the file
    ids = torch.tensor([[49406, 2368, 49407] + [0] * 74])
    with torch.no_grad(), in_fp32(open_host("sd2")):
        expected = encoder.model(ids).last_hidden_state
    assert torch.equal(encode(open_host, "sd2", "cat").context, expected)


def test_an_sd2_file_that_lacks_its_last_layer_loses_no_other() -> None:
    shape = TextShape(49408, 77, 1024, 4096, 24, 16, "gelu")
    assert layers_in_use(shape, SD2.encoders[0]) == 23
    assert layers_in_use(replace(shape, layers=23), SD2.encoders[0]) == 23
    assert layers_in_use(shape, SDXL.encoders[1]) == 24


def test_sdxl_is_what_diffusers_pipeline_encodes(
    open_host: OpenHost, models: Callable[[str], Path]
) -> None:
    from diffusers import StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    folder = models("sdxl-folder")
    host = open_host("sdxl-folder")
    words = host.model.encoders[0].vocabulary.tokenizer
    words.model_max_length = 77
    second = _padding_with_zero(words)
    second_model = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2")
    pipeline = StableDiffusionXLPipeline(
        vae=host.model.vae,
        unet=host.model.unet,
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder").eval(),
        text_encoder_2=second_model.eval(),
        tokenizer=words,
        tokenizer_2=second,
        scheduler=None,
    )
    with torch.no_grad():
        context, _, pooled, _ = pipeline.encode_prompt(
            "a photo of a cat", device="cpu", do_classifier_free_guidance=False
        )
    ours = encode(open_host, "sdxl-folder", "a photo of a cat")
    assert torch.equal(ours.context, context)
    assert ours.pooled is not None
    assert torch.allclose(ours.pooled, pooled, atol=1e-6)


def _padding_with_zero(tokenizer: object) -> object:
    """OpenCLIP's padding; declaring "!" as padding would also change how "!" is read."""
    import copy

    second = copy.deepcopy(tokenizer)
    second.pad_token_id = 0  # type: ignore[attr-defined]
    return second


@pytest.mark.parametrize("name", ALL)
def test_an_untrained_vector_stands_exactly_for_its_word(open_host: OpenHost, name: str) -> None:
    vectors = {"my-word": rows(open_host, name, "cat")}
    word = encode(open_host, name, "a photo of a cat, sitting")
    trigger = encode(open_host, name, "a photo of a My-Word, sitting", embeddings=vectors)
    assert torch.equal(word.context, trigger.context)
    assert word.pooled is None or torch.equal(word.pooled, trigger.pooled)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["sd1", "sdxl"])
def test_several_vectors_stand_for_several_words(open_host: OpenHost, name: str) -> None:
    vectors = {"x": rows(open_host, name, "red cat"), "y": rows(open_host, name, "house")}
    words = encode(open_host, name, "a red cat, red cat in a house")
    triggers = encode(open_host, name, "a x, x in a y", embeddings=vectors)
    assert torch.equal(words.context, triggers.context)


@pytest.mark.parametrize("name", ALL)
def test_gradients_reach_every_vector(open_host: OpenHost, name: str) -> None:
    vectors = {k: v.requires_grad_() for k, v in rows(open_host, name, "red cat").items()}
    with open_host(name).session() as session:
        encoded = session.encode_prompts(["a x", "b x x", "a x"], {"x": vectors})
        total = encoded.context.square().sum()
        total = total if encoded.pooled is None else total + encoded.pooled.square().sum()
        total.backward()
    for tensor in vectors.values():
        assert tensor.grad is not None
        assert (tensor.grad.abs().sum(1) > 0).all()
        assert tensor.grad.isfinite().all()


def test_without_gradients_there_is_no_graph(open_host: OpenHost) -> None:
    vectors = {k: v.requires_grad_() for k, v in rows(open_host, SD1, "cat").items()}
    assert not encode(open_host, SD1, "a x", embeddings={"x": vectors}).context.requires_grad
    with open_host(SD1).session() as session:
        assert not session.encode_prompts(["a cat"], {}).context.requires_grad


def test_a_prompt_is_encoded_alike_in_any_company(open_host: OpenHost) -> None:
    alone = encode(open_host, SD1, "a cat").context
    together = encode(open_host, SD1, "a cat", "a dog", "a cat", "cat " * 80).context
    assert together.shape[:2] == (4, 2 * 77)
    assert torch.allclose(together[0, :77], alone[0], atol=1e-5)
    assert torch.equal(together[0], together[2])


def test_each_chunk_is_encoded_by_itself(open_host: OpenHost) -> None:
    long = encode(open_host, SD1, "a " * 75 + "cat").context
    assert long.shape[1] == 154
    assert torch.allclose(long[:, 77:], encode(open_host, SD1, "cat").context, atol=1e-5)


def test_literal_text_reads_brackets_as_text(open_host: OpenHost) -> None:
    literal = encode(open_host, SD1, "(cat:1.5)").context
    assert not torch.equal(literal, encode(open_host, SD1, "cat").context)
    plain = encode(open_host, SD1, "a cat, sitting", text=EMPHASIS).context
    assert torch.equal(plain, encode(open_host, SD1, "a cat, sitting").context)


@pytest.mark.parametrize("name", ["sd1", "sdxl"])
def test_emphasis_scales_the_words_and_restores_the_mean(open_host: OpenHost, name: str) -> None:
    plain = encode(open_host, name, "a cat").context
    strong = encode(open_host, name, "a (cat:1.5)", text=EMPHASIS).context
    width = open_host(name).describe().encoders[0].width
    before, after = plain[0, :, :width], strong[0, :, :width]
    ratio = after / before
    assert torch.allclose(ratio[2] / ratio[1], torch.tensor(1.5), atol=1e-4)
    assert torch.allclose(before.mean(), after.mean(), atol=1e-6)
    wrapped = encode(open_host, name, "a ([cat])", text=EMPHASIS).context
    assert torch.allclose(wrapped, plain, atol=1e-5)


def test_the_pooled_text_is_of_the_first_chunk(open_host: OpenHost) -> None:
    short = encode(open_host, "sdxl", "a " * 75).pooled
    long = encode(open_host, "sdxl", "a " * 75 + "house").pooled
    assert short is not None
    assert long is not None
    assert torch.allclose(short, long, atol=1e-5)


def test_sdxl_is_told_the_sizes(open_host: OpenHost) -> None:
    size = PictureSize((600, 800), (8, 16), (512, 768))
    with open_host("sdxl").session() as session:
        told = session.encode_prompts(["a", "a"], {}, [size, size]).time_ids
        usual = session.encode_prompts(["a"], {}).time_ids
        assert told is not None
        assert usual is not None
        assert told.tolist() == [[600, 800, 8, 16, 512, 768]] * 2
        assert usual.tolist() == [[1024, 1024, 0, 0, 1024, 1024]]
        with pytest.raises(ConfigError, match="sizes"):
            session.encode_prompts(["a", "b"], {}, [size])


def test_vectors_of_another_model_are_refused(open_host: OpenHost) -> None:
    wrong = {"x": {"clip_l": torch.ones(1, 768)}}
    with pytest.raises(EmbeddingError, match=r"needs \(k, 32\)"):
        encode(open_host, SD1, "a x", embeddings=wrong)
    with pytest.raises(EmbeddingError, match="clip_g"):
        encode(open_host, "sdxl", "a x", embeddings={"x": rows(open_host, SD1, "cat")})
    with pytest.raises(ConfigError, match="no prompt"):
        encode(open_host, SD1)
