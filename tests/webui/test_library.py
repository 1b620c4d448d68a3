"""The Library tab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ti_core.errors import ConfigError, EmbeddingError, NotFoundError, TIError
from ti_core.files.embedding import Embedding
from ti_core.files.label import Label
from ti_core.files.labelling import write_label
from ti_core.files.reading import read_embedding
from ti_core.files.replaced import replace_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.loop import train
from ti_webui import markup
from ti_webui.panel import build_panel
from ti_webui.studio import Studio
from ti_webui.tabs.library import LibraryPage

from ..conftest import Configure

EVIL = "<img src=x onerror=alert(1)>"
HOSTILE = b"cposix\nsystem\n(S'touch hacked'\ntR."


def write(
    folder: Path,
    name: str,
    width: int = 12,
    size: float = 1.0,
    about: dict[str, str] | None = None,
) -> None:
    rows = torch.linspace(-1, 1, 2 * width).reshape(2, width) * size
    path = folder / f"{name}.safetensors"
    write_embedding(path, Embedding(name, {"emb_params": rows}, 500, about or {}))


@pytest.fixture
def folder(tmp_path: Path, host: FakeHost) -> Path:
    """Embeddings of several kinds, and what only looks like one."""
    made = tmp_path / "embeddings"
    write(made, "calm")
    write(made, "loud", size=20.0, about={"ti.base_model": EVIL})
    write(made, "other", width=768)
    write(made, EVIL, about={"modelspec.title": EVIL})
    (made / "bad.pt").write_bytes(HOSTILE)
    (made / "empty.pt").write_bytes(b"")
    return made


@pytest.fixture
def page(studio: Studio, folder: Path) -> LibraryPage:
    made = LibraryPage(studio)
    made.press_refresh()
    return made


def value(update: Any) -> Any:
    return update.get("value")


def test_all_embeddings_are_shown_and_the_skipped_with_their_reasons(page: LibraryPage) -> None:
    cards, table, chosen, skipped, _ = page.press_refresh()
    assert chosen["choices"] == [EVIL, "calm", "loud", "other"]
    assert [label for _, label in value(cards)] == chosen["choices"]
    assert "sd1" in value(table)
    assert "2 skipped" in value(skipped)
    assert "empty.pt" in value(skipped)
    assert "bad.pt" in value(skipped)


def test_no_name_and_no_metadata_becomes_html(page: LibraryPage) -> None:
    for html in (value(page.press_refresh()[1]), page.press_choose(EVIL)[0],
                 page.press_choose("loud")[0]):  # fmt: skip
        assert "&lt;img" in html
        assert "<img" not in html


def test_a_hostile_file_is_told_and_never_run(
    page: LibraryPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page.press_refresh()
    with pytest.raises(EmbeddingError, match="no embedding is chosen"):
        page.press_inspect("bad")
    assert not (tmp_path / "hacked").exists()


def test_strengths_are_told_when_the_model_s_words_are_known(page: LibraryPage) -> None:
    assert "ti-tag" not in value(page.press_refresh()[1])
    said, _, table, *_ = page.press_measure("")
    assert said == ""
    assert "overtrained" in value(table)
    assert value(table).count("ti-tag") == 3  # the one for another family has none


def test_only_what_is_searched_for_is_shown(page: LibraryPage) -> None:
    cards, table, *_ = page.press_refresh("LOU")
    assert [label for _, label in value(cards)] == ["loud"]
    assert "calm" not in value(table)
    assert "No embedding matches" in value(page.press_refresh("zzz")[1])


def test_an_empty_library_says_how_to_fill_it(studio: Studio) -> None:
    table = value(LibraryPage(studio).press_refresh()[1])
    assert "Train one, or copy files to" in table
    assert str(next(iter(studio.embeddings_dirs()))) in table


def test_the_page_is_brought_up_to_date_when_a_file_comes_or_goes(
    page: LibraryPage, folder: Path
) -> None:
    seen, *_ = page.look(None, "")
    assert not any("choices" in update for update in page.look(seen, "")[1:])
    write(folder, "new-one")
    now, _, _, chosen, *_ = page.look(seen, "")
    assert now != seen
    assert "new-one" in chosen["choices"]


def test_names_used_twice_are_told_apart(page: LibraryPage, folder: Path) -> None:
    (folder / "below").mkdir()
    write(folder / "below", "calm", size=2.0)
    _, _, chosen, skipped, _ = page.press_refresh()
    labels = [label for label in chosen["choices"] if label.startswith("calm")]
    assert len(labels) == 2
    assert {page.collection.find(label).path.parent.name for label in labels} == {
        "embeddings",
        "below",
    }
    assert "1 name(s) used twice" in value(skipped)


def test_a_picture_of_the_gallery_chooses_its_embedding(page: LibraryPage) -> None:
    class Click:
        index = 2

    assert value(page.press_select("", "Name", "All", Click())) == "loud"  # type: ignore[arg-type]


def test_vectors_are_explained_by_strength_and_nearest_words(page: LibraryPage) -> None:
    html = page.press_inspect("loud")
    assert "overtrained" in html
    assert html.count("clip_l ") == 2


def test_an_embedding_for_another_family_says_so(page: LibraryPage) -> None:
    with pytest.raises(EmbeddingError, match="does not fit this model"):
        page.press_inspect("other")


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("pt", ".pt"), ("bin", ".bin"), ("kohya", ".safetensors"), ("png", ".png")],
)
def test_an_embedding_is_converted_under_a_new_name(
    kind: str, ending: str, page: LibraryPage, folder: Path, host: FakeHost
) -> None:
    said, _ = page.press_convert("calm", kind, "calm-2")
    path = folder / f"calm-2{ending}"
    assert f"{path.name} is written" in said
    found, before = read_embedding(path), read_embedding(folder / "calm.safetensors")
    assert torch.equal(found.vectors["emb_params"], before.vectors["emb_params"])
    assert found.step == 500
    assert host.saved[-1] == path


def test_a_noted_licence_is_in_what_is_made_of_it(page: LibraryPage, folder: Path) -> None:
    write_label(folder / "calm.safetensors", Label(license="CC0-1.0"))
    page.press_convert("calm", "safetensors", "calm-2")
    page.press_scale("calm", "Factor", 0.5, "calm-3")
    for name in ("calm-2", "calm-3"):
        told = read_embedding(folder / f"{name}.safetensors").metadata
        assert told["modelspec.license"] == "CC0-1.0"


def test_tables_of_other_encoders_are_left_out(page: LibraryPage, folder: Path) -> None:
    rows = {"clip_l": torch.ones(2, 12), "t5xxl": torch.ones(3, 4096)}
    write_embedding(folder / "flux.safetensors", Embedding("flux", rows))
    page.press_refresh()
    with pytest.raises(EmbeddingError) as caught:
        page.press_inspect("flux")
    assert "leave t5xxl out of it, by “Tables to leave out” in Library" in markup.with_labels(
        str(caught.value)
    )
    page.press_convert("flux", "safetensors", "flux-l", " t5xxl ")
    assert set(read_embedding(folder / "flux-l.safetensors").vectors) == {"emb_params"}
    with pytest.raises(EmbeddingError, match="has no table 't5'"):
        page.press_convert("flux", "safetensors", "flux-2", "t5")


def test_a_prompt_is_checked_word_by_word(page: LibraryPage, folder: Path) -> None:
    (folder / "torn.pt").write_bytes(b"")
    html = page.press_check("a calm sea, (calm:1.2), clam, other, torn <b>")
    assert html.count(">calm<") == 2
    assert "3–6" in html
    assert "did you mean calm?" in html or "other is not used: it is for" in html
    assert "torn.pt is empty" in html
    assert "<b>" not in html
    assert "no embedding is used" in page.press_check("a red house")
    assert page.press_check("")


def test_a1111_trains_no_safetensors_and_the_page_says_so(page: LibraryPage, folder: Path) -> None:
    page.press_convert("calm", "pt", "calm-2")
    page.press_refresh()
    assert "continues a .pt only" in page.press_convert("calm-2", "safetensors", "calm-3")[0]
    assert "continues a .pt" not in page.press_convert("calm", "safetensors", "calm-4")[0]


@pytest.mark.parametrize("name", ["calm", "CALM", "../x", "", EVIL, "a/b"])
def test_no_file_is_written_over_and_none_outside_the_folder(
    name: str, page: LibraryPage, folder: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    for press in (
        lambda: page.press_convert("calm", "pt", name),
        lambda: page.press_scale("calm", "Factor", 0.5, name),
        lambda: page.press_merge("calm * 2", name),
    ):
        with pytest.raises(ConfigError):
            press()
    after = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("how", "amount", "factor"),
    [("Factor", 0.5, 0.5), ("Number of [ ]", 5, 1.1**-5), ("Target strength", 1.0, None)],
)
def test_an_embedding_is_scaled(
    how: str, amount: float, factor: float | None, page: LibraryPage, folder: Path
) -> None:
    page.press_scale("loud", how, amount, "loud-2")
    made = read_embedding(folder / "loud-2.safetensors").vectors["emb_params"]
    before = read_embedding(folder / "loud.safetensors").vectors["emb_params"]
    ratio = float((made / before)[0, 0])
    assert ratio == pytest.approx(factor, rel=1e-5) if factor else 0 < ratio < 0.5


def test_an_amount_that_was_cleared_is_told(page: LibraryPage) -> None:
    with pytest.raises(ConfigError, match="the amount is empty"):
        page.press_scale("loud", "Factor", None, "loud-2")


def test_words_and_embeddings_are_merged(page: LibraryPage, folder: Path) -> None:
    said, _ = page.press_merge("'cat' * 0.5 + calm", "mixed")
    assert "mixed.safetensors is written, 2 vector(s)" in said
    assert read_embedding(folder / "mixed.safetensors").count == 2


def test_an_expression_cannot_name_a_file_outside_the_folders(
    page: LibraryPage, tmp_path: Path
) -> None:
    write(tmp_path, "secret")
    for expression in (f"<{tmp_path}/secret.safetensors>", "<../secret.safetensors>"):
        with pytest.raises(TIError, match="there is no embedding"):
            page.press_merge(expression, "stolen")


def test_a_format_that_does_not_exist_is_refused(page: LibraryPage) -> None:
    with pytest.raises(ConfigError, match="there is no format"):
        page.press_convert("calm", "exe", "calm-2")


@pytest.mark.parametrize("label", ["", None, "../../x", "calm.safetensors"])
def test_an_embedding_is_what_stands_in_the_list_and_no_path(page: LibraryPage, label: Any) -> None:
    with pytest.raises(EmbeddingError, match="no embedding is chosen"):
        page.press_convert(label, "pt", "new")


def test_a_replaced_embedding_is_brought_back(
    page: LibraryPage, folder: Path, host: FakeHost
) -> None:
    path, old = folder / "calm.safetensors", (folder / "calm.safetensors").read_bytes()
    made = Embedding("calm", {"emb_params": torch.ones(1, 12)}, 7)
    replace_embedding(path, made)
    (label,) = page.press_refresh()[4]["choices"]
    assert label.startswith("calm.safetensors.before-1: step 500, replaced 2")
    assert "calm.safetensors is as it was" in page.press_restore(label)[0]
    assert path.read_bytes() == old
    assert host.saved == [path]
    assert len(page.press_refresh()[4]["choices"]) == 1, "what was there is kept"
    with pytest.raises(NotFoundError):
        page.press_restore("../calm.safetensors.before-1")


# --- train again ------------------------------------------------------------------------------


def test_train_again_gives_the_settings_of_a_file_under_another_name(
    studio: Studio, host: FakeHost, configure: Configure
) -> None:
    train(configure(seed=9, learning_rate="0.01", num_vectors_per_token=3), host)
    told, settings = LibraryPage(studio).press_again("zz-thing")
    assert (settings["seed"], settings["learning_rate"]) == (9, "0.01")
    assert (settings["token_string"], settings["num_vectors_per_token"]) == ("zz-thing-2", 3)
    assert "zz-thing-2" in told
    assert "was made on" not in told
    facts = replace(host.describe(), checkpoint_hash="a" * 10)
    studio = replace(studio, host=lambda: SimpleNamespace(describe=lambda: facts))
    assert "was made on fake [0000000000]" in LibraryPage(studio).press_again("zz-thing")[0]


def test_what_no_training_here_has_made_is_told(studio: Studio, folder: Path) -> None:
    with pytest.raises(EmbeddingError, match="calm does not record how it was trained"):
        LibraryPage(studio).press_again("calm")


def test_the_button_fills_the_form_of_train(
    studio: Studio, host: FakeHost, configure: Configure
) -> None:
    train(configure(seed=9), host)
    panel = build_panel(studio)
    (bound,) = [
        each
        for each in panel.fns.values()
        if any(getattr(b, "elem_id", "") == "ti_library_again" for b in _targets(panel, each))
    ]
    ids = [getattr(output, "elem_id", "") for output in bound.outputs]
    assert bound.fn is not None
    updates = bound.fn("zz-thing")
    assert updates[ids.index("ti_train_seed")]["value"] == 9
    assert updates[ids.index("ti_train_token_string")]["value"] == "zz-thing-2"


def _targets(panel: Any, bound: Any) -> list[Any]:
    return [panel.blocks[number] for number, _ in bound.targets]


# --- the web UI's own pages -----------------------------------------------------------------


def test_a_word_goes_to_the_prompt_that_it_is_meant_for(page: LibraryPage, folder: Path) -> None:
    write(folder, "ugly", about={"modelspec.is_negative_embedding": "true"})
    page.press_refresh()
    assert page.press_choose("calm")[2:4] == ["calm", ""]
    assert page.press_choose("ugly")[2:4] == ["ugly", "negative"]
    for label, able in (("ugly", True), ("", False)):
        assert [button["interactive"] for button in page.press_choose(label)[4:]] == [able, able]
    assert page.press_choose("")[2] == ""


def test_a_name_that_is_used_twice_is_sent_as_it_is_written(
    page: LibraryPage, folder: Path
) -> None:
    write(folder / "more", "calm")
    page.press_refresh()
    (other,) = [label for label in page.collection.entries if label.startswith("calm ·")]
    assert page.press_choose(other)[2] == "calm"


def test_what_is_written_here_has_a_card_of_its_own(page: LibraryPage, folder: Path) -> None:
    page.press_convert("calm", "pt", "calmer")
    told = json.loads((folder / "calmer.json").read_text("utf-8"))
    assert told["description"] == "2 vector(s), 500 steps"
    assert told["activation text"] == "calmer"
