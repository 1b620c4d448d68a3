"""Real photographs at 512×512 and single-file checkpoints: from `ti train` to other programs."""

from __future__ import annotations

import copy
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import skimage
import torch

from tests.checkpoints import full, tiny, write_single_file
from ti_core.cli.main import main
from ti_core.files.reading import read_embedding

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
FOLDER = Path(skimage.__file__).parent / "data"


@dataclass(frozen=True)
class Trained:
    """What a run left."""

    model: Path
    start: Path
    embedding: Path
    losses: list[float]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Photographs that come with scikit-image; none is square and 512 pixels but the first."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in PHOTOGRAPHS:
        shutil.copy(FOLDER / name, folder)
    return folder


def train(model: Path, photographs: Path, *options: str) -> Trained:
    """Three steps at 512×512 by the command line."""
    place = photographs.parent
    common = ["--pretrained_model_name_or_path", str(model), "--init_word", "cat"]
    common += ["--num_vectors_per_token", "2"]
    start = ["--token_string", "start", "--output_dir", str(place)]
    assert main(["create", *common, *start]) == 0
    run = [
        "--token_string", "my-photo", "--train_data_dir", str(photographs), "--resolution", "512",
        "--max_train_steps", "3", "--output_dir", str(place), "--logging_dir", str(place / "log"),
        "--sample_every_n_steps", "0", "--use_object_template",
    ]  # fmt: skip
    assert main(["train", *common, *run, *options]) == 0
    log = next((place / "log").glob("*/*/events.jsonl")).read_text().splitlines()
    steps = [e for e in map(json.loads, log) if e["event"] == "StepDone"]
    name = "my-photo.safetensors"
    return Trained(model, place / "start.safetensors", place / name, [e["loss"] for e in steps])


def assert_learned(run: Trained, keys: dict[str, int]) -> None:
    """Three finite losses, and every vector moved."""
    assert len(run.losses) == 3
    assert all(math.isfinite(loss) and loss > 0 for loss in run.losses)
    before, after = read_embedding(run.start), read_embedding(run.embedding)
    assert {key: tuple(rows.shape) for key, rows in after.vectors.items()} == {
        key: (2, width) for key, width in keys.items()
    }
    for key, rows in after.vectors.items():
        moved = (rows - before.vectors[key]).abs().amax(dim=1)
        assert bool((moved > 1e-4).all()), key
    assert after.step == 3


def assert_diffusers_loads(rows: dict[str, torch.Tensor], width: int) -> None:
    """diffusers' own loader puts exactly these vectors into a text encoder of that width."""
    from diffusers.loaders import TextualInversionLoaderMixin
    from transformers import CLIPTextConfig, CLIPTextModel

    from ti_core.hosts.standalone.vocabulary import standard_vocabulary

    class Pipeline(TextualInversionLoaderMixin):
        """As much of a pipeline as the loader asks for."""

        components: dict[str, object] = {}  # noqa: RUF012
        hf_device_map = None
        _exclude_from_cpu_offload: list[str] = []  # noqa: RUF012

    tokenizer = copy.deepcopy(standard_vocabulary(None, open_clip=False).tokenizer)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1,
    )  # fmt: skip
    encoder = CLIPTextModel(config)
    pipeline = Pipeline()
    pipeline.load_textual_inversion(rows, token="zz-new", tokenizer=tokenizer, text_encoder=encoder)
    table = encoder.get_input_embeddings()
    assert isinstance(table, torch.nn.Embedding)
    ids = tokenizer.convert_tokens_to_ids(["zz-new", "zz-new_1"])
    assert torch.equal(table.weight[ids], next(iter(rows.values())))


@pytest.mark.parametrize(
    ("family", "v_yaml", "keys"),
    [
        ("sd1", False, {"emb_params": 32}),
        pytest.param("sd2", True, {"emb_params": 64}, marks=pytest.mark.slow),
        ("sdxl", False, {"clip_l": 32, "clip_g": 64}),
    ],
)
def test_reduced_checkpoints_learn_from_photographs(
    family: str, v_yaml: bool, keys: dict[str, int], photographs: Path
) -> None:
    model = write_single_file(
        photographs.parent / "model.safetensors",
        tiny(family),  # type: ignore[arg-type]
        v_yaml=v_yaml,
    )
    run = train(model, photographs)
    assert_learned(run, keys)
    for key, rows in read_embedding(run.embedding).vectors.items():
        assert_diffusers_loads({key: rows}, keys[key])


@pytest.mark.full_size
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_sd15_of_full_size_learns_from_photographs(precision: str, photographs: Path) -> None:
    model = write_single_file(photographs.parent / "model.safetensors", full("sd1"))
    run = train(model, photographs, "--mixed_precision", precision)
    assert_learned(run, {"emb_params": 768})
    assert_diffusers_loads(read_embedding(run.embedding).vectors, 768)
