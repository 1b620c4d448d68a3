"""Embedding files of every program, each made as that program makes it."""

from __future__ import annotations

import base64
import functools
import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ti_core.errors import EmbeddingError, FileError, UnsafeFileError
from ti_core.families import OTHERS, OtherModels, kind_of
from ti_core.files import reading, torch_pickle
from ti_core.files.embedding import Embedding, for_encoders, widths_of
from ti_core.files.formats import FORMATS
from ti_core.files.peek import peek
from ti_core.files.reading import read_embedding, read_embeddings, read_pair, sibling
from ti_core.files.writing import write_embedding

GOLDEN = Path(__file__).parents[1] / "golden"
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def table(count: int = 2, width: int = 768, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


L, G = table(2, 768), table(2, 1280, 1)


def token_embeddings_of(embedding: Embedding) -> Tensor:
    (rows,) = embedding.vectors.values()
    return rows


# --- the programs -----------------------------------------------------------------------------


def a1111(path: Path, rows: Tensor) -> None:
    """AUTOMATIC1111 1.10.1, `Embedding.save` in modules/textual_inversion."""
    content = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": rows.clone().requires_grad_()},
        "name": "my-cat",
        "step": 500,
        "sd_checkpoint": "abcdef0123",
        "sd_checkpoint_name": "v1-5-pruned",
    }
    torch.save(content, path)


def ldm(path: Path, rows: Tensor) -> None:
    """rinongal/textual_inversion and hlky of 2022 (torch 1.11), `EmbeddingManager.save`."""
    content = {
        "string_to_token": {"<cat>": torch.tensor(265)},
        "string_to_param": torch.nn.ParameterDict({"<cat>": torch.nn.Parameter(rows)}),
    }
    torch.save(content, path)


def kohya(path: Path, rows: Tensor) -> None:
    """sd-scripts 0.9, `save_weights` in train_textual_inversion.py."""
    torch.save({"emb_params": rows}, path)


def diffusers(path: Path, rows: Tensor) -> None:
    """diffusers 0.30, `save_progress` in textual_inversion.py with --no_safe_serialization."""
    torch.save({"<cat>": rows}, path)


def old_diffusers(path: Path, rows: Tensor) -> None:
    """diffusers 0.3 and sd-concepts-library: one vector without the outer dimension."""
    torch.save({"<cat>": rows[0]}, path)


def safe_diffusers(path: Path, rows: Tensor) -> None:
    """diffusers 0.30, `save_progress` in textual_inversion.py."""
    safetensors.torch.save_file({"<cat>": rows}, path, metadata={"format": "pt"})


def invoke(path: Path, rows: Tensor) -> None:
    """invoke-training 0.1, `save_ti_embeddings`."""
    safetensors.torch.save_file({"emb_params": rows}, path)


def one_trainer(path: Path, rows: Tensor) -> None:
    """OneTrainer 2025, StableDiffusionEmbeddingSaver: the key is spelled so."""
    safetensors.torch.save_file({"emp_params": rows}, path, metadata={"ot_branch": "master"})


def ai_toolkit(path: Path, rows: Tensor) -> None:
    """ai-toolkit 2024, toolkit/embedding.py: A1111's fields as JSON in the metadata."""
    noted = {"string_to_token": '{"*": 265}', "name": '"my-cat"', "step": "500"}
    noted |= {"sd_checkpoint": "null", "sd_checkpoint_name": "null", "string_to_param": "{}"}
    safetensors.torch.save_file({"emb_params": rows}, path, metadata=noted)


def card(path: Path, rows: Tensor) -> None:
    """AUTOMATIC1111 1.10.1, text chunk of `embedding_to_b64`."""
    content = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": {"TORCHTENSOR": rows.tolist()}},
        "name": "my-cat",
        "step": 500,
        "sd_checkpoint": "abcdef0123",
        "sd_checkpoint_name": "v1-5-pruned",
    }
    text = PngInfo()
    text.add_text("sd-ti-embedding", base64.b64encode(json.dumps(content).encode()).decode())
    Image.new("RGB", (64, 64)).save(path, "PNG", pnginfo=text)


PROGRAMS = (a1111, ldm, kohya, diffusers, safe_diffusers, invoke, one_trainer, ai_toolkit, card)


@pytest.mark.parametrize("width", [768, 1024, 1280])
@pytest.mark.parametrize("save", PROGRAMS, ids=lambda save: save.__name__)
def test_the_vectors_of_every_program_are_read_bit_for_bit(
    tmp_path: Path, save: Any, width: int
) -> None:
    rows = table(3, width)
    save(tmp_path / "cat.x", rows)
    found = read_embedding(tmp_path / "cat.x")
    assert found.name == "cat"
    assert found.vectors.keys() == {"emb_params"}
    assert torch.equal(token_embeddings_of(found), rows)
    assert not token_embeddings_of(found).requires_grad


def test_a_row_without_the_outer_dimension_is_one_vector(tmp_path: Path) -> None:
    old_diffusers(tmp_path / "cat.bin", L)
    assert torch.equal(token_embeddings_of(read_embedding(tmp_path / "cat.bin")), L[:1])


@pytest.mark.parametrize("save", [a1111, ldm, kohya, diffusers], ids=lambda save: save.__name__)
def test_files_of_old_torch_are_read(
    tmp_path: Path, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before torch 1.6: a row of pickles instead of a zip."""
    old = functools.partial(torch.save, _use_new_zipfile_serialization=False)
    monkeypatch.setattr(torch, "save", old)
    save(tmp_path / "cat.pt", L)
    assert (tmp_path / "cat.pt").read_bytes()[:2] == b"\x80\x02"
    assert torch.equal(token_embeddings_of(read_embedding(tmp_path / "cat.pt")), L)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float32])
@pytest.mark.parametrize("save", [kohya, invoke], ids=lambda save: save.__name__)
def test_every_precision_becomes_fp32(tmp_path: Path, save: Any, dtype: torch.dtype) -> None:
    save(tmp_path / "cat", L.to(dtype))
    rows = token_embeddings_of(read_embedding(tmp_path / "cat"))
    assert rows.dtype == torch.float32
    assert torch.equal(rows, L.to(dtype).float())


@pytest.mark.parametrize("save", [torch.save, safetensors.torch.save_file])
@pytest.mark.parametrize("names", [("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")])
def test_sdxl_files_have_both_tables(tmp_path: Path, save: Any, names: tuple[str, str]) -> None:
    """kohya, OneTrainer, ai-toolkit and diffusers' advanced scripts."""
    save(dict(zip(names, (L, G), strict=True)), tmp_path / "cat")
    found = read_embedding(tmp_path / "cat")
    assert torch.equal(found.vectors["clip_l"], L)
    assert torch.equal(found.vectors["clip_g"], G)


def test_the_file_and_the_card_of_the_real_a1111_are_equal() -> None:
    file = read_embedding(GOLDEN / "my-ref-15.pt")
    picture = read_embedding(GOLDEN / "my-ref-15-card.png")
    assert torch.equal(token_embeddings_of(file), token_embeddings_of(picture))
    assert (file.step, file.metadata) == (picture.step, picture.metadata)


# --- notes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [a1111, card], ids=lambda save: save.__name__)
def test_what_a1111_notes_is_kept_under_our_names(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "renamed.pt", L)
    found = read_embedding(tmp_path / "renamed.pt")
    assert (found.name, found.step) == ("renamed", 500)
    assert found.metadata == {
        "modelspec.trigger_phrase": "my-cat",
        "ti.base_model": "v1-5-pruned",
        "ti.base_model_hash": "abcdef0123",
    }


@pytest.mark.parametrize("save", [ldm, diffusers, safe_diffusers], ids=lambda s: s.__name__)
def test_the_word_in_the_file_is_the_trigger(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "learned_embeds-steps-1500.x", L)
    found = read_embedding(tmp_path / "learned_embeds-steps-1500.x")
    assert found.metadata["modelspec.trigger_phrase"] == "<cat>"
    assert (found.name, found.step) == ("learned_embeds-steps-1500", 1500)


def test_the_notes_of_ai_toolkit_are_understood(tmp_path: Path) -> None:
    ai_toolkit(tmp_path / "a", L)
    found = read_embedding(tmp_path / "a")
    assert (found.step, found.metadata["modelspec.trigger_phrase"]) == (500, "my-cat")
    assert "ti.base_model" not in found.metadata


def test_vectors_for_the_encoders_output_are_kept(tmp_path: Path) -> None:
    content = {"emp_params": L, "emp_params_out": L + 1}  # OneTrainer's "output embedding"
    safetensors.torch.save_file(content, tmp_path / "cat")
    found = read_embedding(tmp_path / "cat").vectors
    assert torch.equal(found["emb_params"], L)
    assert torch.equal(found["emb_params_out"], L + 1)


def flux(path: Path, rows: Tensor) -> None:
    """OneTrainer's FluxEmbeddingSaver and diffusers' advanced Flux script: the key is `t5`."""
    safetensors.torch.save_file({"clip_l": rows, "t5": torch.ones(len(rows), 4096)}, path)


@pytest.mark.parametrize(("format", "ending"), [
    ("safetensors", ".safetensors"), ("pt", ".pt"), ("kohya", ".pt"), ("png", ".png"),
])  # fmt: skip
def test_a_flux_embedding_makes_the_round_trip_under_comfyuis_keys(
    tmp_path: Path, format: str, ending: str
) -> None:
    flux(tmp_path / "cat", L)
    write_embedding(tmp_path / f"out{ending}", read_embedding(tmp_path / "cat"), format)
    found = read_embedding(tmp_path / f"out{ending}").vectors
    assert torch.equal(found["clip_l"], L)
    assert torch.equal(found["t5xxl"], torch.ones(len(L), 4096))
    assert set(found) == {"clip_l", "t5xxl"}


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: "-".join(kind.widths))
def test_comfyui_finds_every_table_that_we_write(tmp_path: Path, kind: OtherModels) -> None:
    """Its rule (`load_embed`): the encoder's key, else the first tensor of the file."""
    names = {"t5xxl": "t5", "gemma2_2b": "gemma"}
    widths = {names.get(k, k) if w > 1280 else k: w for k, w in kind.widths.items()}
    theirs = {key: torch.full((2, width), 0.5) for key, width in widths.items()}
    safetensors.torch.save_file(theirs, tmp_path / "theirs.safetensors")
    found = read_embedding(tmp_path / "theirs.safetensors")
    assert kind_of(widths_of(found.vectors)) in OTHERS
    write_embedding(tmp_path / "ours.safetensors", found)
    written = safetensors.torch.load_file(tmp_path / "ours.safetensors")
    assert {key: written[key].shape[1] for key in kind.widths} == kind.widths
    assert len(written) == len(kind.widths)


def test_halves_of_letters_in_names_and_notes_do_not_reach_anybody(tmp_path: Path) -> None:
    torch.save({"\ud800a": L, "\udfffb": L}, tmp_path / "two.bin")
    assert [each.name for each in read_embeddings(tmp_path / "two.bin")] == ["?a", "?b"]
    kohya(tmp_path / "cat.pt", L)
    with zipfile.ZipFile(tmp_path / "cat.pt", "a") as archive:
        archive.comment = b'{"note":"\\ud800"}'
    assert read_embedding(tmp_path / "cat.pt").metadata == {"note": "?"}


@pytest.mark.parametrize("legacy", [False, True])
def test_of_a_large_storage_only_the_rows_are_read(tmp_path: Path, legacy: bool) -> None:
    """`torch.save` writes the whole storage of a row that was cut out of CLIP's table."""
    whole, path = torch.zeros(49409, 768), tmp_path / "learned_embeds.bin"
    whole[0], whole[-2:] = L[0], L + 1
    content = {"<first>": whole[0], "<last>": whole[-1], "<two>": whole[-2:]}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    assert path.stat().st_size > 150_000_000
    first, last, two = map(token_embeddings_of, read_embeddings(path))
    assert torch.equal(first, L[:1])
    assert torch.equal(last, L[1:] + 1)
    assert torch.equal(two, L + 1)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("end", [4, 10_000])
def test_a_large_storage_must_be_whole(tmp_path: Path, legacy: bool, end: int) -> None:
    path = tmp_path / "cat.bin"
    torch.save({"<cat>": torch.ones(100, 768)[0]}, path, _use_new_zipfile_serialization=not legacy)
    path.write_bytes(path.read_bytes()[:-end])
    with pytest.raises(FileError, match=r"cut off|more bytes than the file"):
        read_embedding(path)


@pytest.mark.parametrize("rows", [L, torch.nn.Parameter(L), L.half(), L[0]])
@pytest.mark.parametrize("legacy", [False, True])
def test_rows_without_a_dictionary_are_an_embedding(
    tmp_path: Path, rows: Tensor, legacy: bool
) -> None:
    path = tmp_path / "my-cat.pt"
    torch.save(rows, path, _use_new_zipfile_serialization=not legacy)
    found = read_embedding(path)
    assert found.name == "my-cat"
    assert torch.equal(token_embeddings_of(found), rows.detach().float().reshape(-1, 768))


@pytest.mark.parametrize("rows", [torch.tensor(1.0), torch.ones(1, 2, 8), torch.ones(2, 8).int()])
def test_other_tensors_alone_are_no_embeddings(tmp_path: Path, rows: Tensor) -> None:
    torch.save(rows, tmp_path / "x.pt")
    with pytest.raises(EmbeddingError, match="not a table of numbers"):
        read_embedding(tmp_path / "x.pt")


@pytest.mark.skipif(not hasattr(torch, "float4_e2m1fn_x2"), reason="this torch has no fp4")
def test_numbers_of_types_that_cannot_become_fp32_are_an_error(tmp_path: Path) -> None:
    rows = torch.zeros(2, 8, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    torch.save({"emb_params": rows}, tmp_path / "x.pt")
    with pytest.raises(EmbeddingError, match=r"numbers of the type torch\.float4"):
        read_embedding(tmp_path / "x.pt")


def test_metadata_in_the_comment_of_a_zip_is_read(tmp_path: Path) -> None:
    kohya(tmp_path / "cat.pt", L)
    with zipfile.ZipFile(tmp_path / "cat.pt", "a") as archive:
        archive.comment = json.dumps({"ti.step": "77", "modelspec.license": "MIT"}).encode()
    found = read_embedding(tmp_path / "cat.pt")
    assert (found.step, found.metadata["modelspec.license"]) == (77, "MIT")


# --- several embeddings -----------------------------------------------------------------------


def test_the_terms_of_a_file_are_listed_and_one_is_chosen(tmp_path: Path) -> None:
    """LDM's merge_embeddings.py."""
    content = {"string_to_param": torch.nn.ParameterDict({"<a>": L, "<b>": L + 1})}
    torch.save(content, tmp_path / "merged.pt")
    assert [each.name for each in read_embeddings(tmp_path / "merged.pt")] == ["<a>", "<b>"]
    chosen = read_embedding(tmp_path / "merged.pt", "<b>")
    assert chosen.metadata["modelspec.trigger_phrase"] == "<b>"
    assert torch.equal(token_embeddings_of(chosen), L + 1)


def test_a_file_of_several_asks_which_and_names_them(tmp_path: Path) -> None:
    torch.save({"<a>": L, "<b>": L}, tmp_path / "x.bin")
    with pytest.raises(EmbeddingError, match="contains 2 embeddings: '<a>', '<b>'; choose one"):
        read_embedding(tmp_path / "x.bin")
    with pytest.raises(EmbeddingError, match="holds no '<c>': it has '<a>', '<b>'"):
        read_embedding(tmp_path / "x.bin", "<c>")


def test_an_only_embedding_answers_to_its_word_and_to_its_files_name(tmp_path: Path) -> None:
    diffusers(tmp_path / "file.bin", L)
    assert read_embedding(tmp_path / "file.bin", "<cat>").name == "file"
    assert read_embedding(tmp_path / "file.bin", "file").name == "file"


def test_only_what_is_bundled_is_read_from_a_lora_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OneTrainer 2025 with bundle_additional_embeddings."""
    monkeypatch.setattr(reading, "_MOST_BYTES", 50_000)
    content = {
        "lora_unet_down.lora_up.weight": torch.zeros(100_000),
        "bundle_emb.my.cat.clip_l": L.half(),
        "bundle_emb.my.cat.clip_g": G.half(),
        "bundle_emb.dog.clip_l": L,
        "bundle_emb.dog.clip_g": G,
    }
    noted = {"ss_steps": "9", "ss_tag_frequency": "{}", "modelspec.trigger_phrase": "lora"}
    safetensors.torch.save_file(content, tmp_path / "lora.safetensors", metadata=noted)
    cat = read_embedding(tmp_path / "lora.safetensors", "my.cat")
    assert torch.equal(cat.vectors["clip_g"], G.half().float())
    assert cat.step == 9
    assert cat.metadata == {"ti.step": "9", "modelspec.trigger_phrase": "my.cat"}


# --- two files --------------------------------------------------------------------------------


def save_pair(folder: Path, first: str, second: str, **words: str) -> tuple[Path, Path]:
    """diffusers 0.30, `save_progress` in textual_inversion_sdxl.py."""
    one, two = folder / first, folder / second
    safetensors.torch.save_file({words.get("one", "<cat>"): L}, one)
    safetensors.torch.save_file({words.get("two", "<cat>"): G}, two)
    return one, two


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("learned_embeds.safetensors", "learned_embeds_2.safetensors"),
        ("learned_embeds-steps-500.bin", "learned_embeds_2-steps-500.bin"),
    ],
)
def test_the_two_files_of_diffusers_are_one_sdxl_embedding(
    tmp_path: Path, first: str, second: str
) -> None:
    one, two = save_pair(tmp_path, first, second)
    assert (sibling(one), sibling(two)) == (two, one)
    for found in (read_pair(one), read_pair(two), read_pair(one, two), read_pair(two, one)):
        assert torch.equal(found.vectors["clip_l"], L)
        assert torch.equal(found.vectors["clip_g"], G)
        assert found.metadata["modelspec.trigger_phrase"] == "<cat>"
    assert read_pair(one).name == one.stem
    assert read_pair(one).step == (500 if "500" in first else 0)


def test_files_that_are_no_two_halves_are_refused(tmp_path: Path) -> None:
    one, two = save_pair(tmp_path, "a.safetensors", "b.safetensors", two="<dog>")
    assert sibling(one) is None
    with pytest.raises(EmbeddingError, match="no second half"):
        read_pair(one)
    for first, second in ((one, two), (one, one)):
        with pytest.raises(EmbeddingError, match="not the two halves"):
            read_pair(first, second)


@pytest.mark.parametrize(
    "save", [safetensors.torch.save_file, torch.save], ids=["safetensors", "pickle"]
)
def test_encoders_may_have_different_numbers_of_vectors(tmp_path: Path, save: Any) -> None:
    """As ComfyUI uses them, each encoder by itself."""
    path = tmp_path / "cat.safetensors"
    save({"clip_l": L, "clip_g": G[:1]}, path)
    found = read_embedding(path)
    assert {key: len(rows) for key, rows in found.vectors.items()} == {"clip_l": 2, "clip_g": 1}
    assert found.count == 2
    (told,) = peek(path)
    assert {key: shape[0] for key, shape in told.shapes.items()} == {"clip_l": 2, "clip_g": 1}
    with pytest.raises(EmbeddingError, match="different numbers") as caught:
        for_encoders(found, {"clip_l": 768, "clip_g": 1280}, "cat")
    assert "'NAME : 1'" in caught.value.fix


def test_halves_of_different_numbers_of_vectors_are_refused(tmp_path: Path) -> None:
    torch.save({"<cat>": L}, tmp_path / "a.bin")
    torch.save({"<cat>": G[:1]}, tmp_path / "a_2.bin")
    with pytest.raises(EmbeddingError, match="different numbers"):
        read_pair(tmp_path / "a.bin")


# --- bytes, not endings -----------------------------------------------------------------------


@pytest.mark.parametrize("save", PROGRAMS, ids=lambda save: save.__name__)
@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".png", ""])
def test_the_ending_means_nothing(tmp_path: Path, save: Any, ending: str) -> None:
    path = tmp_path / f"cat{ending}"
    save(path, L)
    assert torch.equal(token_embeddings_of(read_embedding(path)), L)


def test_a_pickle_in_a_safe_name_is_still_only_read(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    attack = b"\x80\x02cos\nsystem\n(X" + struct.pack("<I", len(f"touch {canary}"))
    (tmp_path / "cat.safetensors").write_bytes(attack + f"touch {canary}".encode() + b"tR.")
    with pytest.raises(UnsafeFileError, match=r"os\.system"):
        read_embedding(tmp_path / "cat.safetensors")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n <HTML>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git LFS"),
        (b"\xff\xd8\xff\xe0JFIF", "JPEG cannot carry"),
        (b"hello", "it is text"),
        (b"I am a caption.\n", "it is text"),
        ("猫の写真".encode() * 9, "it is text"),
        ("a cat".encode("utf-16"), "it is text"),
        (b'{"a": 1}', "it is text"),
        (b"\x80\x02}q\x00", "cut off"),
        (bytes(range(100, 250)), "of no kind that embeddings are saved in"),
        (b"BM6\0\0\0", "BMP cannot carry"),
        (b"GIF89a", "GIF cannot carry"),
        (b"II*\0", "TIFF cannot carry"),
        (b"\0\0\0\x20ftypheic", "HEIC cannot carry"),
        (b"\0\0\0\x20ftypisom", "it is a video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound or video"),
        (b"\x1f\x8b\x08", "packed with gzip; unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
        (b"\x93NUMPY\x01\0", "an array of numpy"),
        (b"PK\3\4", "cut off"),
        (b"RIFF\0\0\0\0WEBPxxxx", "embedding"),
        (b"\x89PNG\r\n\x1a\n", "embedding"),
    ],
)
def test_common_mistakes_have_names(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "cat.pt").write_bytes(content)
    with pytest.raises(EmbeddingError, match=message):
        read_embedding(tmp_path / "cat.pt")


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_another_zip_is_told_from_an_attack(tmp_path: Path, packed: int) -> None:
    with zipfile.ZipFile(tmp_path / "cat.pt", "w", packed) as archive:
        archive.writestr("cat.bin", "words " * 100)
    with pytest.raises(EmbeddingError, match="another zip archive; unpack it"):
        read_embedding(tmp_path / "cat.pt")


def test_what_belongs_beside_an_embedding_is_told(tmp_path: Path) -> None:
    torch.save({"hash": "ab", "optimizer_state_dict": {"state": {}}}, tmp_path / "cat.pt.optim")
    with pytest.raises(EmbeddingError, match=r"A1111's optimizer.*without \.optim"):
        read_embedding(tmp_path / "cat.pt.optim")
    state = {"tensors.clip_l": L, "optimizer.0.exp_avg": L + 1}
    safetensors.torch.save_file(state, tmp_path / "state-000010.safetensors")
    with pytest.raises(EmbeddingError, match="it is the state of a run"):
        read_embedding(tmp_path / "state-000010.safetensors")


def test_a_plain_picture_is_an_embedding_error(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(data, "PNG")
    (tmp_path / "cat.png").write_bytes(data.getvalue())
    with pytest.raises(EmbeddingError, match="no embedding"):
        read_embedding(tmp_path / "cat.png")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")
def test_folders_pipes_and_dead_links_are_errors_at_once(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path, "it is a folder"),
        (tmp_path / "pipe", "it is a pipe"),
        (tmp_path / "link", "there is no embedding"),
        (tmp_path / ("x" * 5000), "there is no embedding"),
        (Path("/dev/zero"), "it is a device"),
    ):
        with pytest.raises(EmbeddingError, match=message):
            read_embedding(path)


@pytest.mark.parametrize("save", [kohya, invoke], ids=lambda save: save.__name__)
def test_a_file_as_large_as_a_checkpoint_is_not_read(
    tmp_path: Path, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "cat", L)
    monkeypatch.setattr(reading, "_MOST_BYTES", 6000)
    monkeypatch.setattr(torch_pickle, "_MOST_TENSOR_BYTES", 6000)
    with pytest.raises(EmbeddingError, match="like a checkpoint or a LoRA"):
        read_embedding(tmp_path / "cat")


def test_a_file_of_very_many_tables_is_no_file_of_terms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    safetensors.torch.save_file({f"a{n}": torch.ones(1) for n in range(1001)}, tmp_path / "x")
    with pytest.raises(EmbeddingError, match="its 1001 tables are too many"):
        read_embeddings(tmp_path / "x")
    monkeypatch.setattr(reading, "_MOST_TENSORS", 1000)
    with pytest.raises(EmbeddingError, match="like a checkpoint or a LoRA"):
        read_embeddings(tmp_path / "x")


@pytest.mark.parametrize("names", [["a", "b", "c"], ["a", "a_1", "a_2"]])
def test_many_names_for_one_table_are_not_copied(tmp_path: Path, names: list[str]) -> None:
    rows = torch.ones(1, 6_000_000, dtype=torch.float16)
    torch.save(dict.fromkeys(names, rows), tmp_path / "x")
    with pytest.raises(EmbeddingError, match="too many or too large"):
        read_embeddings(tmp_path / "x")


def test_turned_tables_are_in_order_in_memory(tmp_path: Path) -> None:
    torch.save({"emb_params": table(8, 3).T}, tmp_path / "x")
    assert token_embeddings_of(read_embedding(tmp_path / "x")).is_contiguous()


def test_of_the_notes_in_a_file_of_several_each_gets_the_essentials(tmp_path: Path) -> None:
    """A long list of notes must not be copied for a thousand terms."""
    noted = {"step": "5", "sd_checkpoint_name": "v1", "other": "x"}
    safetensors.torch.save_file({"a": L, "b": L + 1}, tmp_path / "x", metadata=noted)
    found = read_embeddings(tmp_path / "x")[1]
    notes = {"ti.step": "5", "ti.base_model": "v1", "modelspec.trigger_phrase": "b"}
    assert (found.step, found.metadata) == (5, notes)


@pytest.mark.parametrize("count", [0, 1025])
def test_none_or_thousands_of_vectors_are_no_embedding(tmp_path: Path, count: int) -> None:
    torch.save({"emb_params": torch.zeros(count, 4)}, tmp_path / "cat.pt")
    with pytest.raises(EmbeddingError, match=f"holds {count} vectors"):
        read_embedding(tmp_path / "cat.pt")


def test_more_vectors_than_a_prompt_has_places_are_read(tmp_path: Path) -> None:
    kohya(tmp_path / "cat.pt", table(80, 8))
    assert read_embedding(tmp_path / "cat.pt").count == 80


# --- fitted to a model ------------------------------------------------------------------------

SD1, SD2, SDXL = {"clip_l": 768}, {"clip_h": 1024}, {"clip_l": 768, "clip_g": 1280}


@pytest.mark.parametrize(
    ("vectors", "model", "words"),
    [
        ({"emb_params": L}, SD2, ("for SD 1.x (768 wide)", "for SD 2.x (1024 wide)")),
        ({"emb_params": L}, SDXL, ("for SD 1.x", "for SDXL", "clip_g 1280", "ti convert")),
        ({"clip_l": L, "clip_g": G}, SD1, ("for SDXL", "for SD 1.x")),
        ({"emb_params": G}, SD1, ("half of SDXL, or LDM",)),
        ({"emb_params": table(1, 5)}, SD1, ("of an unknown family (5 wide)",)),
    ],
)
def test_a_mismatch_is_told_in_names_of_models(
    vectors: dict[str, Tensor], model: dict[str, int], words: tuple[str, ...]
) -> None:
    with pytest.raises(EmbeddingError) as caught:
        for_encoders(Embedding("cat", vectors), model, "cat.pt")
    assert all(word in str(caught.value) for word in words)


# --- any file ---------------------------------------------------------------------------------


@settings(same_folder, max_examples=40)
@given(
    save=st.sampled_from(PROGRAMS),
    count=st.integers(1, 12),
    width=st.integers(1, 20),
    seed=st.integers(0, 100),
)
def test_any_size_from_any_program_makes_the_journey(
    tmp_path: Path, save: Any, count: int, width: int, seed: int
) -> None:
    rows = table(count, width, seed)
    save(tmp_path / "cat", rows)
    assert torch.equal(token_embeddings_of(read_embedding(tmp_path / "cat")), rows)


@settings(same_folder, max_examples=60)
@given(st.sampled_from(PROGRAMS), st.data())
def test_damage_is_an_error_of_files_whatever_the_program(
    tmp_path: Path, save: Any, data: st.DataObject
) -> None:
    save(tmp_path / "cat", table(1, 4))
    content = bytearray((tmp_path / "cat").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "cat").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        rows = token_embeddings_of(read_embedding(tmp_path / "cat"))
    except FileError:
        return
    assert torch.isfinite(rows).all()


@pytest.mark.parametrize(
    ("kind", "ending"), [(name, end) for name, form in FORMATS.items() for end in form.endings]
)
def test_a_file_is_opened_once(
    tmp_path: Path, kind: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks a stranger's file could become another one."""
    path, opened = tmp_path / f"cat{ending}", []
    write_embedding(path, Embedding("cat", {"clip_l": L}), kind)
    open_file = os.open

    def watched(name: Any, *others: Any, **more: Any) -> int:
        opened.append(name)
        return open_file(name, *others, **more)

    monkeypatch.setattr("os.open", watched)
    assert torch.equal(token_embeddings_of(read_embedding(path)), L)
    assert opened == [path]
