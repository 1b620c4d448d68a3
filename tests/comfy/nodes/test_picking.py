"""Embeddings to pick from: the list over HTTP, pictures, and the node that makes text of one."""

from __future__ import annotations

import asyncio
import io
import math
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import call
from tests.comfy.nodes.test_routes import EVIL, Request
from ti_core.errors import ConfigError
from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding


def put(folder: Path, name: str, width: int = 768, count: int = 2) -> Path:
    path = folder / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = torch.full((count, width), 0.01)
    write_embedding(path, Embedding(path.stem, {"emb_params": rows}, 50))
    return path


@pytest.fixture
def folder(comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three embeddings, one with a picture, and a damaged file."""
    monkeypatch.setattr(
        program.nodes("shelf_routes"), "collection", program.nodes("collection").Collection()
    )
    monkeypatch.setattr(program.nodes("shelf_routes"), "_PATIENCE", 60)
    root = comfy["embeddings"]
    put(root, "my-cat")
    put(root, "styles/ink (old)", 1024)
    put(root, "styles/catalogue")
    Image.new("RGB", (900, 600), "red").save(root / "my-cat.preview.png")
    (root / "torn.pt").write_bytes(b"")
    return root


def asked(route: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
    request: Any = Request({}, headers or {})
    request.query = {key: str(value) for key, value in query.items()}
    return asyncio.run(getattr(program.nodes("routes"), route)(request))


def page(**query: Any) -> Any:
    status, answer = asked("embeddings", **query)
    assert status == 200
    return answer


def test_the_list_tells_what_each_is_and_what_was_skipped(folder: Path) -> None:
    answer = page()
    assert answer["total"] == 3
    cat, catalogue, ink = sorted(answer["embeddings"], key=lambda one: one["key"])
    assert (cat["name"], cat["prompt"], cat["family"]) == ("my-cat", "embedding:my-cat", "SD 1.x")
    assert (cat["vectors"], cat["step"], cat["strength"]) == (2, 50, None)
    assert cat["lengths"] == [round(0.01 * math.sqrt(768), 3)]
    assert catalogue["prompt"] == "embedding:styles/catalogue"
    assert (ink["prompt"], ink["family"]) == ("", "SD 2.x")
    assert ink["key"] == "styles/ink (old).safetensors"
    assert cat["picture"] > 0 == ink["picture"]
    (torn,) = answer["skipped"]
    assert torn["file"] == "torn.pt"
    assert "empty" in torn["reason"]
    assert str(folder) not in str(answer)


def test_it_is_searched_and_names_that_begin_so_come_first(folder: Path) -> None:
    names = [one["name"] for one in page(search="CAT")["embeddings"]]
    assert names == ["catalogue", "my-cat"]
    assert [one["name"] for one in page(search="styles cat")["embeddings"]] == ["catalogue"]
    assert page(search="sd 2")["total"] == 1
    assert page(search="nothing")["embeddings"] == []


def test_it_comes_in_pages(folder: Path) -> None:
    whole = [one["key"] for one in page()["embeddings"]]
    parts = [page(offset=at, limit=2) for at in (0, 2, 4)]
    assert [one["key"] for part in parts for one in part["embeddings"]] == whole
    assert {part["total"] for part in parts} == {3}
    for wrong in ({"offset": "-1"}, {"limit": "x"}, {"limit": "9" * 30}, {"offset": "²"}):
        assert asked("embeddings", None, **wrong)[0] == 422


def test_it_is_kept_current(folder: Path) -> None:
    before = page()["version"]
    assert page()["version"] == before
    put(folder, "new-one")
    assert page(search="new-one")["total"] == 1
    (folder / "new-one.safetensors").unlink()
    assert page(search="new-one")["total"] == 0
    assert page()["version"] == before + 2


def test_strength_is_told_once_a_node_has_seen_the_words_of_a_model(folder: Path) -> None:
    collection = program.nodes("collection")
    try:
        collection.remember_lengths({"clip_l": 0.1}, {"clip_l": 768})
        found = {one["name"]: one for one in page()["embeddings"]}
    finally:
        collection._usual_lengths.clear()
    assert found["my-cat"]["strength"] == round(0.1 * math.sqrt(768), 2)
    assert found["my-cat"]["verdict"] == "strong"
    assert found["ink (old)"]["strength"] is None


def test_pictures_are_small_and_without_metadata(folder: Path) -> None:
    answer = asked("embedding_picture", key="my-cat.safetensors")
    assert answer.content_type == "image/webp"
    with Image.open(io.BytesIO(answer.body)) as picture:
        assert picture.size == (192, 128)
    Image.new("RGB", (90, 60), "blue").save(folder / "my-cat.preview.png")
    os.utime(folder / "my-cat.preview.png", (9, 9))
    with Image.open(io.BytesIO(asked("embedding_picture", key="my-cat.safetensors").body)) as new:
        assert new.convert("RGB").tobytes()[2] > 200


@pytest.mark.parametrize(
    "key",
    ["", "torn.pt", "../secret.png", "/etc/passwd", "my-cat.preview.png", "styles/catalogue.pt"],
)
def test_only_pictures_of_the_list_are_given(folder: Path, key: str) -> None:
    Image.new("RGB", (9, 9)).save(folder.parent / "secret.png")
    status, answer = asked("embedding_picture", key=key)
    assert status == 404
    assert str(folder) not in str(answer)


def test_a_picture_that_is_none_is_not_there(folder: Path) -> None:
    (folder / "my-cat.preview.png").write_bytes(b"rubbish")
    assert asked("embedding_picture", key="my-cat.safetensors")[0] == 404


def test_pages_of_other_sites_get_nothing(folder: Path) -> None:
    for route in ("embeddings", "embedding_picture"):
        assert asked(route, EVIL, key="my-cat.safetensors")[0] == 403


def test_names_are_told_while_a_large_folder_is_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = program.nodes("shelf_routes")
    look = routes.collection.look

    def slow() -> Any:
        time.sleep(0.5)
        return look()

    monkeypatch.setattr(routes, "_PATIENCE", 0.01)
    monkeypatch.setattr(routes.collection, "look", slow)
    answer = page(search="cat", limit=1)
    assert answer["looking"] is True
    assert answer["total"] == 2
    assert answer["embeddings"][0]["name"] in ("my-cat.safetensors", "styles/catalogue.safetensors")


def test_thousands_of_files_take_no_time(folder: Path) -> None:
    source = (folder / "my-cat.safetensors").read_bytes()
    for number in range(2000):
        (folder / f"many-{number:04d}.safetensors").write_bytes(source)
        os.utime(folder / f"many-{number:04d}.safetensors", (1e9, 1e9))
    page()
    started = time.process_time()
    answer = page(offset=1000)
    assert time.process_time() - started < 1
    assert answer["total"] == 2003
    assert len(answer["embeddings"]) == 60


def test_a_folder_that_is_not_there_is_nothing_that_was_skipped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [folder, folder / "nowhere"]
    monkeypatch.setattr(program.nodes("collection"), "embeddings_dirs", lambda: places)
    answer = page()
    assert (answer["total"], len(answer["skipped"])) == (3, 1)


def test_nothing_is_looked_at_before_somebody_asks() -> None:
    assert program.nodes("collection").Collection()._library is None


# --- the node ---------------------------------------------------------------------------------


def test_a_choice_becomes_text_with_its_picture(folder: Path) -> None:
    made = call("Embedding", file="my-cat.safetensors")
    assert made.args == ("embedding:my-cat",)
    assert len(made.ui["images"]) == 1
    assert call("Embedding", file="my-cat.safetensors", strength=1.2).args == (
        "(embedding:my-cat:1.2)",
    )
    assert call("Embedding", file="styles/catalogue.safetensors").ui["images"] == []


@pytest.mark.parametrize("file", ["styles/ink (old).safetensors", "torn.pt", "../x.pt", ""])
def test_what_no_prompt_reaches_is_refused(folder: Path, file: str) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        call("Embedding", file=file)
    assert type(caught.value).__module__ == "ti_core.errors"


@pytest.mark.parametrize("strength", [math.nan, 11.0, -math.inf])
def test_a_strength_must_be_a_sensible_number(folder: Path, strength: float) -> None:
    with pytest.raises(ConfigError):
        call("Embedding", file="my-cat.safetensors", strength=strength)


def test_cards_cannot_be_chosen(folder: Path) -> None:
    Image.new("RGB", (9, 9)).save(folder / "card.png")
    (choice, _) = program.every_node()["TI_Embedding"].define_schema().inputs
    assert "my-cat.safetensors" in choice.options
    assert "card.png" not in choice.options


def test_tables_of_other_encoders_are_left_out_when_a_file_is_loaded(folder: Path) -> None:
    rows = {"clip_l": torch.ones(2, 768), "t5xxl": torch.ones(3, 4096)}
    write_embedding(folder / "flux.safetensors", Embedding("flux", rows))
    whole = call("LoadEmbedding", file="flux.safetensors").args[0]
    assert set(whole.vectors) == {"clip_l", "t5xxl"}
    with pytest.raises(Exception, match='by "Tables to leave out" of Load Embedding'):
        call("InspectEmbedding", embedding=whole, model="sd1", clip="clip")
    part = call("LoadEmbedding", file="flux.safetensors", drop="t5xxl").args[0]
    assert set(part.vectors) == {"emb_params"}
