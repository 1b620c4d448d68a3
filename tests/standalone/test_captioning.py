"""Captions by BLIP, with a tiny model of random weights: what is asked of transformers, and how."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_core.data.preprocess.captions import describer
from ti_core.data.preprocess.config import CaptionConfig, PreprocessConfig
from ti_core.data.preprocess.job import preprocess
from ti_core.errors import HostError

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] [ENC] a cat dog sits on the red mat".split()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BLIP model in a folder, as it is downloaded."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    folder = tmp_path_factory.mktemp("blip")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    small = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    ids = {"bos_token_id": 5, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    text = {**small, **ids, "vocab_size": len(WORDS), "encoder_hidden_size": 16}
    sight = {**small, "image_size": 32, "patch_size": 16}
    config = BlipConfig(
        text_config={**text, "max_position_embeddings": 64}, vision_config=sight, projection_dim=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BlipForConditionalGeneration(config).save_pretrained(folder)
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    pictures = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "in" / "a.png")
    return tmp_path / "in" / "a.png"


@pytest.mark.parametrize(("least", "most"), [(5, 9), (20, 24)])
def test_blip_describes_a_picture_within_the_lengths(
    model: Path, picture: Path, least: int, most: int
) -> None:
    config = CaptionConfig(blip_model=str(model), blip_min_length=least, blip_max_length=most)
    describe = describer(config)
    assert describe is not None
    with Image.open(picture) as image:
        words = describe(image.convert("RGB"), picture).split()
        assert least - 2 <= len(words) <= most
        assert set(words) <= set(WORDS)
        assert words == describe(image.convert("RGB"), picture).split(), "nothing is drawn"


def test_its_words_are_written_beside_the_picture(model: Path, picture: Path) -> None:
    captions = CaptionConfig(blip_model=str(model), blip_min_length=5, blip_max_length=9)
    config = PreprocessConfig(width=64, height=64, captions=captions)
    preprocess(picture.parent, picture.parent.parent / "out", config)
    text = (picture.parent.parent / "out" / "00000-0-a.txt").read_text("utf-8")
    assert set(text.split()) <= set(WORDS)


@pytest.mark.parametrize("name", ["/nothing", "no-such/model"])
def test_a_model_that_is_not_here_is_not_fetched(name: str) -> None:
    with pytest.raises(HostError, match="cannot be loaded"):
        describer(CaptionConfig(blip_model=name))
