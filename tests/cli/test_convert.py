"""`ti convert`: the same embedding in another program's format, and no file overwritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import safetensors.torch
import torch
from PIL import Image

from ti_core.cli.main import main
from ti_core.files.embedding import Embedding
from ti_core.files.formats import FORMATS, FormatName
from ti_core.files.reading import read_embedding
from ti_core.files.safetensors_file import write_safetensors
from ti_core.files.writing import write_embedding
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.hypernetworks.writing import write_hypernetwork

from ..hypernetworks.made import hypernetwork

Ti = Callable[..., tuple[int, str, str]]
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An embedding of two vectors with some metadata."""
    rows = torch.randn(2, 768, generator=torch.Generator().manual_seed(1))
    about = {"modelspec.license": "CC0", "ti.base_model": "m", "ti.step": "30"}
    path = tmp_path / "my-cat.safetensors"
    write_embedding(path, Embedding("my-cat", {"emb_params": rows}, 30, about))
    return path


def test_the_formats_are_those_that_can_be_written() -> None:
    assert tuple(FORMATS) == get_args(FormatName)


@pytest.mark.parametrize("kind", ["pt", "bin", "png"])
def test_there_and_back_the_embedding_is_the_same(ti: Ti, file: Path, kind: str) -> None:
    before = read_embedding(file)
    code, out, err = ti("convert", file, "--to", kind)
    assert (code, out.strip()) == (0, str(file.with_suffix(f".{kind}"))), err
    code, _, err = ti("convert", out.strip(), "--out", "back/my-cat.safetensors")
    assert code == 0, err
    after = read_embedding(Path("back/my-cat.safetensors"))
    assert (after.name, after.step) == (before.name, before.step)
    assert torch.equal(after.vectors["emb_params"], before.vectors["emb_params"])
    assert after.metadata["ti.base_model"] == "m"


def test_a1111s_file_gets_all_our_metadata(ti: Ti) -> None:
    assert ti("convert", GOLDEN / "my-ref.pt", "--out", "x.safetensors")[0] == 0
    found = read_embedding(Path("x.safetensors"))
    assert found.step == 20
    assert found.metadata["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"
    assert (found.metadata["ti.name"], found.metadata["ti.step"]) == ("x", "20")
    assert torch.equal(
        found.vectors["emb_params"], read_embedding(GOLDEN / "my-ref.pt").vectors["emb_params"]
    )


def test_metadata_of_the_file_is_kept(ti: Ti, file: Path) -> None:
    ti("convert", file, "--out", "x.safetensors")
    found = read_embedding(Path("x.safetensors"))
    assert found.metadata["modelspec.license"] == "CC0"
    assert found.metadata["ti.base_model"] == "m"


def test_no_file_is_overwritten_unless_asked_for(ti: Ti, file: Path) -> None:
    Path("x.pt").write_bytes(b"mine")
    code, _, err = ti("convert", file, "--out", "x.pt")
    assert (code, "exists already" in err) == (2, True)
    assert Path("x.pt").read_bytes() == b"mine"
    assert ti("convert", file, "--out", "x.pt", "--overwrite")[0] == 0
    assert read_embedding(Path("x.pt")).count == 2


def test_the_file_itself_is_not_overwritten(ti: Ti, file: Path) -> None:
    before = file.read_bytes()
    code, _, err = ti("convert", file, "--to", "safetensors")
    assert (code, "exists already" in err) == (2, True)
    assert file.read_bytes() == before


def test_several_files_go_beside_themselves_or_into_a_folder(ti: Ti, file: Path) -> None:
    ti("convert", file, "--out", "other.safetensors")
    code, out, _ = ti("convert", file, "other.safetensors", "--to", "pt")
    assert (code, out.split()) == (0, [str(file.with_suffix(".pt")), "other.pt"])
    Path("all").mkdir()
    code, out, _ = ti("convert", file, "other.safetensors", "--to", "bin", "--out", "all")
    assert (code, out.split()) == (0, ["all/my-cat.bin", "all/other.bin"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no file is given"),
        (["FILE"], "no format is given"),
        (["FILE", "FILE", "--out", "x.pt"], "several files are given"),
        (["FILE", "FILE", "--to", "pt"], "two files would become"),
        (["FILE", "--to", "pt", "--out", "x.png"], "x.png is not a name for pt; name it x.pt"),
        (["FILE", "--to", "pickle"], "invalid choice"),
        (["FILE", "--out", "a?b.pt"], "other characters than letters"),
    ],
)
def test_wrong_options_are_one_sentence_and_write_nothing(
    ti: Ti, file: Path, arguments: list[str], message: str
) -> None:
    before = sorted(Path().rglob("*"))
    code, _, err = ti("convert", *(str(file) if a == "FILE" else a for a in arguments))
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


def test_kohyas_file_keeps_the_ending_that_was_asked_for(ti: Ti, file: Path) -> None:
    code, out, _ = ti("convert", file, "--to", "kohya", "--out", "x.pt")
    assert (code, out.strip()) == (0, "x.pt")
    assert read_embedding(Path("x.pt")).count == 2


def test_a_card_shows_the_picture(ti: Ti, file: Path) -> None:
    Image.new("RGB", (512, 512), "red").save("red.png")
    assert ti("convert", file, "--to", "png", "--picture", "red.png")[0] == 0
    with Image.open(file.with_suffix(".png")) as card:
        centre = card.convert("RGB").getpixel((card.width // 2, card.height // 2))
    assert isinstance(centre, tuple)
    assert centre[0] > 150
    assert max(centre[1:]) < 60


def test_one_of_several_terms_is_chosen(ti: Ti) -> None:
    tables = {"<cat>": torch.ones(1, 768), "<dog>": torch.zeros(1, 768)}
    write_safetensors(Path("two.safetensors"), tables, {})
    code, _, err = ti("convert", "two.safetensors", "--to", "pt")
    assert code == 1
    assert "cat" in err
    assert "dog" in err
    code, _, err = ti("convert", "two.safetensors", "--term", "<dog>", "--out", "dog.pt")
    assert code == 0, err
    assert not read_embedding(Path("dog.pt")).vectors["emb_params"].any()


def test_two_halves_of_sdxl_become_one(ti: Ti) -> None:
    for name, width in (("learned_embeds", 768), ("learned_embeds_2", 1280)):
        write_safetensors(Path(f"{name}.safetensors"), {"<cat>": torch.ones(2, width)}, {})
    code, _, err = ti(
        "convert", "learned_embeds.safetensors", "--second", "learned_embeds_2.safetensors",
        "--out", "cat.safetensors",
    )  # fmt: skip
    assert code == 0, err
    found = read_embedding(Path("cat.safetensors"))
    assert {key: rows.shape[1] for key, rows in found.vectors.items()} == {
        "clip_l": 768,
        "clip_g": 1280,
    }
    assert found.metadata["modelspec.architecture"].startswith("stable-diffusion-xl")


def test_a_pickle_that_wants_to_run_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    assert main(["convert", str(bad), "--to", "safetensors"]) == 1
    assert capsys.readouterr().err.startswith("ti: ")
    assert not Path("ran").exists()
    assert list(tmp_path.iterdir()) == [bad]


def flux(path: Path) -> None:
    """OneTrainer's and diffusers' key for T5."""
    tables = {"clip_l": torch.ones(2, 768), "t5": torch.ones(2, 4096)}
    safetensors.torch.save_file(tables, path)


def test_no_table_is_left_out_without_being_told_to(ti: Ti, tmp_path: Path) -> None:
    flux(tmp_path / "cat.safetensors")
    code, _, error = ti("convert", str(tmp_path / "cat.safetensors"), "--to", "bin")
    assert code == 1
    assert "this embedding has clip_l and t5xxl" in error
    out = tmp_path / "all.safetensors"
    assert ti("convert", str(tmp_path / "cat.safetensors"), "--out", str(out))[0] == 0
    assert set(safetensors.torch.load_file(out)) == {"clip_l", "t5xxl"}
    assert "Flux.1" in ti("inspect", str(out))[1]


def test_tables_are_left_out_by_their_keys(ti: Ti, tmp_path: Path) -> None:
    flux(tmp_path / "cat.safetensors")
    source, out = str(tmp_path / "cat.safetensors"), tmp_path / "l.safetensors"
    assert "has no table 't5'" in ti("convert", source, "--out", str(out), "--drop", "t5")[2]
    assert (
        "nothing would be left" in ti("convert", source, "--drop", "clip_l,t5xxl", "--to", "pt")[2]
    )
    assert ti("convert", source, "--out", str(out), "--drop", "t5xxl")[0] == 0
    assert set(safetensors.torch.load_file(out)) == {"emb_params"}
    found = read_embedding(out).metadata
    assert found["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"


def test_scaling_and_merging_keep_every_table(ti: Ti, tmp_path: Path) -> None:
    flux(tmp_path / "cat.safetensors")
    source, out = str(tmp_path / "cat.safetensors"), str(tmp_path / "half.safetensors")
    assert ti("scale", source, "--factor", "0.5", "--out", out)[0] == 0
    both = str(tmp_path / "both.safetensors")
    assert (
        ti("merge", "cat + half", "--textual_inversion_embeddings", source, out, "--out", both)[0]
        == 0
    )
    tables = safetensors.torch.load_file(both)
    assert {key: float(rows.mean()) for key, rows in tables.items()} == {
        "clip_l": 1.5,
        "t5xxl": 1.5,
    }


def test_one_bad_file_does_not_end_the_work_for_the_others(ti: Ti, file: Path) -> None:
    (file.parent / "a.pt").write_bytes(b"no pickle")
    write_embedding(file.parent / "z.pt", read_embedding(file), "pt")
    bad, last = str(file.parent / "a.pt"), str(file.parent / "z.pt")
    code, out, error = ti(
        "convert", bad, str(file), last, str(file.parent / "no.pt"), "--to", "bin"
    )
    assert code == 1
    assert [Path(line).name for line in out.split()] == ["my-cat.bin", "z.bin"]
    assert sum(line.startswith("ti: ") for line in error.splitlines()) == 2
    code, out, error = ti("inspect", bad, str(file))
    assert code == 1
    assert "my-cat: 2 vector(s)" in out
    assert "a.pt" in error


def test_a_hypernetwork_goes_there_and_back(ti: Ti, tmp_path: Path) -> None:
    first = tmp_path / "warm.pt"
    write_hypernetwork(first, hypernetwork())
    code, out, err = ti("convert", first, "--to", "safetensors")
    assert (code, out.strip()) == (0, str(tmp_path / "warm.safetensors")), err
    assert ti("convert", out.strip(), "--out", "back/cold.pt")[0] == 0
    assert read_hypernetwork(Path("back/cold.pt")).name == "cold"
    assert ti("convert", out.strip(), "--out", "back/warm.pt")[0] == 0
    assert Path("back/warm.pt").read_bytes() == first.read_bytes()


def test_a_hypernetwork_is_not_written_as_an_embedding(ti: Ti, tmp_path: Path) -> None:
    write_hypernetwork(tmp_path / "warm.pt", hypernetwork())
    for typed in (("--to", "bin"), ("--to", "safetensors", "--drop", "t5xxl")):
        code, _, err = ti("convert", tmp_path / "warm.pt", *typed)
        assert code == 2
        assert "holds a hypernetwork" in err
        assert "is for embeddings" in err
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == ["warm.pt"]


def test_what_only_a1111_reads_rightly_is_told(ti: Ti, tmp_path: Path) -> None:
    write_hypernetwork(tmp_path / "a.safetensors", hypernetwork(activation="gelu"))
    code, _, err = ti("convert", tmp_path / "a.safetensors", "--to", "pt")
    assert code == 0
    assert "ComfyUI does not know the activation function gelu" in err


# --- diffusers' two files ---------------------------------------------------------------------


def test_sdxl_becomes_the_two_files_of_diffusers_and_comes_back(ti: Ti, tmp_path: Path) -> None:
    rows = {"clip_l": torch.randn(2, 768), "clip_g": torch.randn(2, 1280)}
    source = tmp_path / "cat.safetensors"
    about = {"modelspec.trigger_phrase": "<cat>", "modelspec.hash_sha256": "0x1", "ti.step": "7"}
    write_embedding(source, Embedding("cat", rows, 7, about))
    out = tmp_path / "learned_embeds-steps-7.safetensors"
    code, told, err = ti("convert", source, "--to", "diffusers", "--out", out)
    second = tmp_path / "learned_embeds_2-steps-7.safetensors"
    assert (code, told.split()) == (0, [str(out), str(second)]), err
    for path, table in zip((out, second), rows.values(), strict=True):
        assert torch.equal(safetensors.torch.load_file(path)["<cat>"], table)
    assert read_embedding(out).metadata.get("modelspec.hash_sha256") != "0x1"
    back = tmp_path / "back.safetensors"
    assert ti("convert", out, "--second", second, "--to", "safetensors", "--out", back)[0] == 0
    found = read_embedding(back)
    assert all(torch.equal(found.vectors[key], table) for key, table in rows.items())
    assert (found.step, found.metadata["modelspec.trigger_phrase"]) == (7, "<cat>")


def test_the_second_file_is_never_written_over_unasked(ti: Ti, tmp_path: Path) -> None:
    rows = {"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)}
    write_embedding(tmp_path / "cat.safetensors", Embedding("cat", rows))
    out, second = tmp_path / "x.safetensors", tmp_path / "x_2.safetensors"
    second.write_bytes(b"somebody's")
    line = ("convert", tmp_path / "cat.safetensors", "--to", "diffusers", "--out", out)
    code, _, err = ti(*line)
    assert (code, "x_2.safetensors exists already" in err) == (2, True)
    assert not out.exists()
    assert second.read_bytes() == b"somebody's"
    assert ti(*line, "--overwrite")[0] == 0
    assert (tmp_path / "x_2.safetensors.before-1").read_bytes() == b"somebody's"
    taken = tmp_path / "y_2.safetensors"
    code, _, err = ti(*line[:-1], taken)
    assert (code, "how the second file is called" in err) == (1, True)


def test_one_encoder_is_one_file_of_diffusers(ti: Ti, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "learned_embeds.safetensors"
    assert ti("convert", file, "--to", "diffusers", "--out", out)[0] == 0
    (found,) = safetensors.torch.load_file(out).items()
    assert found[0] == "my-cat"
    assert torch.equal(found[1], read_embedding(file).vectors["emb_params"])
    assert not (tmp_path / "learned_embeds_2.safetensors").exists()
