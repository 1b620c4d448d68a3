"""Embeddings made, read, written, mixed and looked at."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import call, created, trained
from tests.errors import TEXTS, error_classes
from ti_core.errors import ConfigError, DataError, EmbeddingError, NoModelError, TIError
from ti_core.files.embedding import Embedding
from ti_core.files.formats import FORMATS
from ti_core.files.writing import write_embedding


def load(file: str, **more: Any) -> Any:
    return call("LoadEmbedding", file=file, **more).args[0]


def test_an_embedding_begins_as_the_words_it_was_given() -> None:
    made = created(init_word="cat", count=1)
    assert made.name == "my-cat"
    assert made.step == 0
    assert made.metadata["ti.config"] == '{"init_rule": "stretch", "init_word": "cat"}'


@pytest.mark.parametrize("name", ["my cat", "", "../cat", "a/b", "con", "x" * 200, ".hidden"])
def test_a_name_that_no_prompt_could_call_is_refused_before_and_in_the_run(name: str) -> None:
    node = program.every_node()["TI_CreateEmbedding"]
    said = node.validate_inputs(token_string=name)
    assert isinstance(said, str)
    assert "`" not in said
    with pytest.raises(ConfigError):
        created(name)


@pytest.mark.parametrize("count", [-1, 76, 10**9, float("nan")])
def test_the_number_of_vectors_has_its_limits(count: Any) -> None:
    with pytest.raises(ConfigError):
        created(count=count)


def test_the_words_can_decide_how_many_vectors_there_are() -> None:
    assert created(init_word="a red disc", count=0).count == 3


def test_an_input_that_is_empty_is_explained() -> None:
    with pytest.raises(NoModelError, match="MODEL input is empty"):
        created(model=None)


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_saved_is_read_back_bit_for_bit(format: str) -> None:
    made = created()
    saved, prompt = call("SaveEmbedding", embedding=made, format=format).args
    again = load(f"my-cat{FORMATS[format].endings[0]}")
    assert prompt == ("" if format == "png" else "embedding:my-cat")
    assert saved.name == "my-cat"
    assert torch.equal(made.vectors["clip_l"], next(iter(again.vectors.values())))


def test_a_file_that_another_one_shadows_is_called_by_its_whole_name() -> None:
    made = created("shadow")
    assert call("SaveEmbedding", embedding=made).args[1] == "embedding:shadow"
    numbered = call("SaveEmbedding", embedding=made, format="pt")
    assert numbered.args[1] == "embedding:shadow-2"
    below = call("SaveEmbedding", embedding=made, name="cats/shadow")
    assert below.args[1] == "embedding:cats/shadow"
    above = call("SaveEmbedding", embedding=made, when_there="overwrite")
    assert "cats/shadow.safetensors has the name of shadow.safetensors too" in above.ui["text"][0]
    card = call("SaveEmbedding", embedding=made, format="png")
    assert "reads no cards" in card.ui["text"][0]


@pytest.mark.parametrize(
    ("widths", "prompt", "told"),
    [
        ({"clip_l": 768, "t5xxl": 4096}, "embedding:x", ""),
        ({"llama": 4096}, "embedding:x", ""),
        ({"qwen3_4b": 2560}, "embedding:x", "(embedding:x:1.2) has no effect"),
        ({"qwen3_06b": 1024}, "embedding:x", "(embedding:x:1.2) has no effect"),
        ({"qwen25_7b": 3584}, "", "looks no embeddings up"),
        ({"umt5xxl": 4096}, "", "looks no embeddings up"),
    ],
)
def test_what_is_said_of_prompts_is_true_for_the_text_encoder(
    widths: dict[str, int], prompt: str, told: str
) -> None:
    vectors = {key: torch.ones(1, width) for key, width in widths.items()}
    saved = call("SaveEmbedding", embedding=Embedding("x", vectors))
    assert saved.args[1] == prompt
    (text,) = saved.ui["text"]
    assert told in text
    assert ("has no effect" in text) == ("has no effect" in told)


def test_an_embedding_that_is_there_is_not_replaced_unless_asked_for(
    comfy: dict[str, Path],
) -> None:
    made = created()
    call("SaveEmbedding", embedding=made)
    path = comfy["embeddings"] / "my-cat.safetensors"
    before = path.read_bytes()
    other = created(init_word="dog")
    assert call("SaveEmbedding", embedding=other).args[1] == "embedding:my-cat-2"
    with pytest.raises(ConfigError, match="already"):
        call("SaveEmbedding", embedding=other, when_there="stop")
    assert path.read_bytes() == before
    call("SaveEmbedding", embedding=other, when_there="overwrite")
    assert path.read_bytes() != before
    assert path.with_name("my-cat.safetensors.before-1").read_bytes() == before


def test_a_card_shows_the_picture_that_is_connected(comfy: dict[str, Path]) -> None:
    picture = torch.zeros(1, 256, 256, 3)
    picture[..., 0] = 1
    call("SaveEmbedding", embedding=created(), format="png", picture=picture)
    with Image.open(comfy["embeddings"] / "my-cat.png") as card:
        red, green, _ = np.asarray(card.convert("RGB"))[128, card.width // 2]
    assert red > 100 > 10 > green


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "/etc/passwd",
        "a/../../out",
        "a/b/c",
        "C:\\out",
        "..",
        "a b",
        "x\0y",
        "nul",
        "\\a",
        "a/",
    ],
)
def test_nothing_is_written_outside_of_the_embeddings_folder(
    name: str, comfy: dict[str, Path], tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError):
        call("SaveEmbedding", embedding=created(), name=name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_in_the_embeddings_folder_may_be_named(comfy: dict[str, Path]) -> None:
    made = call("SaveEmbedding", embedding=created(), name="cats/small").args[1]
    assert made == "embedding:cats/small"
    assert (comfy["embeddings"] / "cats/small.safetensors").is_file()


@pytest.mark.parametrize("format", ["exe", "", "PNG"])
def test_only_known_formats_are_written(format: str) -> None:
    with pytest.raises(ConfigError):
        call("SaveEmbedding", embedding=created(), format=format)


@pytest.mark.parametrize("file", ["../secret.pt", "/etc/passwd", "none.pt", "", "link.pt", "a\0b"])
def test_nothing_outside_of_the_embeddings_folder_is_read(
    file: str, comfy: dict[str, Path], tmp_path: Path
) -> None:
    with torch.inference_mode(False):
        write_embedding(tmp_path / "secret.pt", created(), "pt")
    (comfy["embeddings"] / "link.pt").symlink_to(tmp_path / "secret.pt")
    with pytest.raises(ConfigError):
        load(file)


class Attack:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/ti-was-executed"),))


def test_hostile_and_broken_files_are_refused(comfy: dict[str, Path]) -> None:
    folder = comfy["embeddings"]
    (folder / "attack.pt").write_bytes(pickle.dumps({"string_to_param": Attack()}))
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "lies.safetensors").write_bytes(b"\xff" * 8 + b"{}")
    (folder / "text.bin").write_text("hello")
    (folder / "nan.pt").write_bytes(b"")
    torch.save({"emb_params": torch.full((1, 768), math.nan)}, folder / "nan.pt")
    for name in ("attack.pt", "empty.safetensors", "lies.safetensors", "text.bin", "nan.pt"):
        with pytest.raises(TIError) as caught:
            load(name)
        assert str(folder) not in str(caught.value)
    assert not Path("/tmp/ti-was-executed").exists()


def test_a_file_that_changes_is_another_value(comfy: dict[str, Path]) -> None:
    node = program.every_node()["TI_LoadEmbedding"]
    call("SaveEmbedding", embedding=created())
    before = node.fingerprint_inputs(file="my-cat.safetensors", term="")
    assert node.fingerprint_inputs(file="my-cat.safetensors", term="") == before
    call("SaveEmbedding", embedding=created(count=5), when_there="overwrite")
    assert node.fingerprint_inputs(file="my-cat.safetensors", term="") != before
    assert node.fingerprint_inputs(file="../x") == ""


@pytest.mark.parametrize("most", [0, 2])
def test_only_so_many_copies_of_what_is_replaced_are_kept(
    comfy: dict[str, Path], most: int
) -> None:
    for count in range(1, 5):
        how = {"when_there": "overwrite", "keep_replaced": most}
        call("SaveEmbedding", embedding=created(count=count), **how)
    assert len(list(comfy["embeddings"].glob("my-cat.safetensors.before-*"))) == most


# --- mixing and looking -----------------------------------------------------------------------


def test_embeddings_and_words_are_mixed_by_an_expression() -> None:
    one, two = created("one", 1, init_word="cat"), created("two", 1, init_word="dog")
    made = call("MergeEmbeddings", a=one, b=two, expression="a * 0.25 + two * 0.75").args[0]
    wanted = one.vectors["clip_l"] * 0.25 + two.vectors["clip_l"] * 0.75
    assert torch.allclose(made.vectors["emb_params"], wanted)
    words = call("MergeEmbeddings", a=one, expression="a, 'dog'", model="sd1", clip="clip").args[0]
    assert torch.equal(words.vectors["emb_params"][1:], two.vectors["clip_l"])


@pytest.mark.parametrize(
    "expression", ["</etc/passwd>", "b", "'cat'", "a * 1e400", "", "a" * 30000]
)
def test_an_expression_reaches_only_what_is_connected(expression: str) -> None:
    with pytest.raises(TIError):
        call("MergeEmbeddings", a=created(), expression=expression)


@pytest.mark.parametrize("expression", ["'a' * 0.5 +", "a*1e400", "(", "`seed` ; 1"])
def test_a_typing_error_is_shown_and_not_more(expression: str) -> None:
    """ComfyUI's worker calls str() and repr() of it, outside of any `try`."""
    with pytest.raises(TIError) as caught:
        call("MergeEmbeddings", a=created(), expression=expression)
    assert str(caught.value)
    assert repr(caught.value)


@pytest.mark.parametrize("kind", error_classes())
def test_an_error_of_any_class_leaves_a_node_with_its_labels(
    kind: type[TIError], comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(**inputs: Any) -> None:
        raise kind(f"{comfy['input']}/x: {TEXTS[0]}", *TEXTS[1:])

    node = program.every_node()["TI_SaveEmbedding"]
    monkeypatch.setattr(node, "work", work)
    with pytest.raises(TIError) as caught:
        node.execute()
    assert type(caught.value).__name__ == kind.__name__
    assert str(caught.value).startswith('input/x: "Max steps" is 0: "Seed" too; use "Overwrite')
    assert str(copy.copy(caught.value)) == str(caught.value)


def test_an_embedding_is_scaled_by_factor_brackets_and_strength() -> None:
    made = created(count=1)
    rows = made.vectors["clip_l"]
    half = call("ScaleEmbedding", embedding=made, amount=0.5).args[0]
    assert torch.allclose(half.vectors["clip_l"], rows * 0.5)
    tame = call("ScaleEmbedding", embedding=made, how="brackets", amount=5).args[0]
    assert torch.allclose(tame.vectors["clip_l"], rows * 0.6209213, rtol=1e-5)
    loud = call(
        "ScaleEmbedding", embedding=made, how="strength", amount=2, model="sd1", clip="c"
    ).args[0]
    report = call("InspectEmbedding", embedding=loud, model="sd1", clip="c").args[0]
    assert "2.00 × an ordinary word's length" in report


@pytest.mark.parametrize("amount", [math.nan, math.inf, 1e30])
def test_an_amount_must_be_a_sensible_number(amount: float) -> None:
    with pytest.raises(ConfigError):
        call("ScaleEmbedding", embedding=created(), amount=amount)


def test_the_nearest_word_of_a_word_is_itself() -> None:
    made = created(count=1, init_word="cat")
    report, picture = call("InspectEmbedding", embedding=made, model="sd1", clip="c").args
    cat = "#925…"  # of the fake model
    assert f": 0.88 × an ordinary word's length; nearest: {cat} 1.00," in report
    assert picture.shape[0] == 1
    assert float(picture.min()) >= 0
    assert float(picture.max()) <= 1


def test_without_a_model_only_lengths_are_told() -> None:
    report, _ = call("InspectEmbedding", embedding=created()).args
    assert "length" in report
    assert "strength" not in report


def test_the_plot_of_a_run_is_a_picture_and_its_loss_a_number(pictures: str) -> None:
    _, log, _ = trained(pictures).args
    picture, loss, strength = call("LossPlot", log=log).args
    assert picture.shape == strength.shape == (1, 480, 960, 3)
    assert not torch.equal(picture, strength)
    assert loss > 0


def test_a_log_without_a_finite_loss_breaks_no_browser(tmp_path: Path) -> None:
    log = program.nodes("sockets").RunLog("x", tmp_path, ((1, math.nan, 0.1), (2, math.inf, 0.1)))
    assert call("LossPlot", log=log).args[1] == 0.0


@pytest.mark.parametrize(
    ("every", "columns"), [(2, ["step 2", "step 4"]), (100, ["step 0"])], ids=["copies", "none"]
)
def test_the_grid_has_a_column_for_each_copy_and_for_the_result_once(
    pictures: str, monkeypatch: pytest.MonkeyPatch, every: int, columns: list[str]
) -> None:
    using, told = program.nodes("nodes.using"), []
    real = using.labelled_grid

    def remembered(rows: Any, columns: Any, lines: Any) -> Any:
        told.append(list(columns))
        return real(rows, columns, lines)

    monkeypatch.setattr(using, "labelled_grid", remembered)
    how = call("AdvancedSettings", settings=_settings(), save_every_n_steps=every).args[0]
    made, log, _ = trained(pictures, how=how).args
    usual = {"model": "sd1", "clip": "c", "vae": "v", "width": 64, "height": 64}
    grid, images = call(
        "PreviewGrid", embedding=made, log=log, prompts="[name]\na [name]", most_copies=2, **usual
    ).args
    assert told == [["without", *columns, f"{made.name}, step 6"]]
    assert images.shape == (2 * len(told[0]), 64, 64, 3)
    assert grid.shape[1] > 128


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 4096),
        ("height", 65),
        ("sample_steps", 10**6),
        ("prompts", ""),
        ("prompts", "a\n" * 99),
    ],
)
def test_a_grid_of_any_size_is_refused(name: str, value: Any) -> None:
    inputs = {"model": "sd1", "clip": "c", "vae": "v", "embedding": created(), name: value}
    with pytest.raises(ConfigError):
        call("PreviewGrid", **inputs)


def _settings() -> Any:
    from tests.comfy.nodes.graph import settings

    return settings(6, sample_every_n_steps=0)


def test_half_of_sdxl_does_not_fit_sd1() -> None:
    with pytest.raises(EmbeddingError):
        call("InspectEmbedding", embedding=created(model="sdxl"), model="sd1", clip="c")


def test_a_picture_with_nan_is_no_card() -> None:
    picture = torch.full((1, 64, 64, 3), math.nan)
    with pytest.raises(DataError):
        call("SaveEmbedding", embedding=created(), format="png", picture=picture)
