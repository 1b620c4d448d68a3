"""Where latents are kept changes nothing about the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ti_core.events import Notice
from ti_core.families import FAMILIES
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.train import encoding
from ti_core.train.control import Control
from ti_core.train.events import Encoding, Finished, StepDone
from ti_core.train.loop import train

from ..conftest import Configure
from .spoiled import Log

WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"cache_latents": False},
    {"cache_latents_to_disk": True},
    {"cache_latents_to_disk": True},  # warm
)


@pytest.mark.parametrize("method", ["once", "random", "deterministic"])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_every_way_gives_the_same_bytes(
    configure: Configure, tmp_path: Path, method: str, family: Any
) -> None:
    settings = {"latent_sampling_method": method, "train_batch_size": 3, "overwrite": True}
    cache = {"latent_cache_dir": str(tmp_path / "cache")}
    found = [
        train(configure(**settings, **cache, **way), FakeHost(family=FAMILIES[family])).read_bytes()
        for way in WAYS
    ]
    assert len(set(found)) == 1


def test_nothing_is_written_to_the_disk_unless_asked_for(
    configure: Configure, tmp_path: Path
) -> None:
    train(configure(latent_cache_dir=str(tmp_path / "cache")), FakeHost())
    assert not (tmp_path / "cache").exists()


def on_disk(configure: Configure, tmp_path: Path, **more: Any) -> Any:
    cache = str(tmp_path / "cache")
    return configure(overwrite=True, cache_latents_to_disk=True, latent_cache_dir=cache, **more)


def test_a_picture_that_has_changed_is_encoded_anew(
    configure: Configure, tmp_path: Path, pictures: Path
) -> None:
    before = train(on_disk(configure, tmp_path), FakeHost()).read_bytes()
    path = min(pictures.glob("*.png"))
    Image.new("RGB", (64, 64), "black").save(path)
    after = train(on_disk(configure, tmp_path), FakeHost()).read_bytes()
    assert after != before
    assert after == train(configure(overwrite=True), FakeHost()).read_bytes()


def test_a_cache_that_cannot_be_written_costs_a_warning_and_not_the_run(
    configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_bytes(b"")
    log = Log()
    found = train(on_disk(configure, tmp_path), FakeHost(), log).read_bytes()
    assert found == train(configure(overwrite=True), FakeHost()).read_bytes()
    assert any("cache" in notice.what for notice in log.of(Notice))


@pytest.mark.parametrize("to_disk", [False, True])
def test_who_finishes_while_pictures_are_encoded_need_not_wait(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to_disk: bool
) -> None:
    monkeypatch.setattr(encoding, "_SECONDS_OF_SILENCE", 0.0)
    control, encoded, log = Control(), [], Log()
    real = FakeSession.encode_images

    def encode(session: FakeSession, pixels: Any) -> Any:
        encoded.append(len(pixels))
        if len(encoded) == 3:
            control.finish()
        return real(session, pixels)

    monkeypatch.setattr(FakeSession, "encode_images", encode)
    config = on_disk(configure, tmp_path) if to_disk else configure()
    train(config, FakeHost(), log, control)
    assert len(encoded) == 3
    assert [event.total for event in log.of(Encoding)][:1] == [5]
    assert log.of(StepDone) == []
    assert log.of(Finished)[0].reason == "stopped"
