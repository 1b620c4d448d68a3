"""`<hypernet:name:0.7>` in the prompts of previews."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.conftest import Configure
from ti_core.data.images import side_by_side
from ti_core.errors import ConfigError
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.hypernetworks.applying import Applied, in_turn
from ti_core.hypernetworks.hypernetwork import Hypernetwork, shapes
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.hypernetworks.structure import Structure
from ti_core.hypernetworks.writing import write_hypernetwork
from ti_core.port.session import PreviewRequest
from ti_core.train.hypernetwork import attention_widths
from ti_core.train.hypernetwork_config import (
    HypernetworkConfig,
    HypernetworkDataConfig,
    HypernetworkOptimizerConfig,
    HypernetworkOutputConfig,
    HypernetworkPreviewConfig,
    HypernetworkTrainConfig,
)
from ti_core.train.loop import train
from ti_core.train.preview_calls import PreviewCalls, preview_calls

SIZE = "--w 64 --h 64 --s 2"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """One whose hypernetworks folder holds `ink`."""
    made = FakeHost(tmp_path / "embeddings")
    with made.session() as session:
        widths = attention_widths(made.describe(), session)
    structure = Structure((1, 2, 1), "swish")
    numbers = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randn(shape, generator=numbers)
        for name, shape in shapes(structure, widths).items()
    }
    made.hypernetworks_dir().mkdir()
    write_hypernetwork(made.hypernetworks_dir() / "ink.pt", Hypernetwork("ink", structure, tensors))
    return made


def drawn(host: FakeHost, *given: tuple[Hypernetwork, float]) -> Image.Image:
    """The picture by the session itself."""
    applied = [Applied(one.structure, one.tensors, strength) for one, strength in given]
    request = PreviewRequest("a cat", width=64, height=64, steps=2)
    with host.session() as session:
        return session.preview(request, {}, in_turn(applied) if applied else None)[0]


def ink(host: FakeHost) -> Hypernetwork:
    return read_hypernetwork(host.hypernetworks_dir() / "ink.pt")


def trained(host: FakeHost, folder: Path, pictures: Path, prompt: str) -> tuple[Path, Image.Image]:
    """A hypernetwork `style` of two steps, and its last preview of this prompt."""
    config = HypernetworkTrainConfig(
        HypernetworkConfig("style", activation_func="swish"),
        HypernetworkDataConfig(str(pictures), resolution=(64, 64), skip_checkup=True),
        HypernetworkOptimizerConfig(learning_rate="0.1", max_train_steps=2),
        output=HypernetworkOutputConfig(str(folder / "out"), logging_dir=str(folder / "log")),
        preview=HypernetworkPreviewConfig(2, sample_prompts=f"{prompt} {SIZE}"),
    )
    path = train(config, host)
    (last,) = folder.glob("log/*/style/images/style-000002.png")
    with Image.open(last) as image:
        return path, image.copy()


@pytest.mark.parametrize(
    ("tag", "strengths"),
    [("", (1.0, None)), ("<hypernet:style:0.7>", (0.7, None)), ("<hypernet:ink:0.5>", (1.0, 0.5))],
)
def test_what_is_trained_and_others_are_there_at_their_strengths(
    host: FakeHost, tmp_path: Path, pictures: Path, tag: str, strengths: Any
) -> None:
    path, image = trained(host, tmp_path, pictures, f"a cat {tag}")
    own, other = strengths
    others = [(ink(host), other)] if other else []
    without = drawn(host, *others)
    within = drawn(host, (read_hypernetwork(path), own), *others)
    assert image.tobytes() == side_by_side(without, within).tobytes()
    assert within.tobytes() != without.tobytes()
    assert str(image.info["parameters"]).startswith(f"a cat {tag}".strip())


def test_previews_of_an_embedding_call_hypernetworks_too(
    host: FakeHost, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, Any]] = []
    preview = FakeSession.preview

    def watched(self: Any, request: PreviewRequest, words: Any, changes: Any = None) -> Any:
        seen.append((request.prompt, changes))
        return preview(self, request, words, changes)

    monkeypatch.setattr(FakeSession, "preview", watched)
    config = configure(
        sample_every_n_steps=2,
        max_train_steps=2,
        sample_prompts=f"[name] {SIZE}\n<hypernet:ink>[name] {SIZE}",
    )
    train(config, host)
    assert [bool(changes) for _, changes in seen] == [False, True] * 2
    assert len({prompt for prompt, _ in seen}) == 1
    assert isinstance(seen[1][1], Applied)


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("<hypernet:inc:1>", "did you mean ink"),
        ("<hypernet:ink:much>", "'much' is not a number"),
    ],
)
def test_a_call_that_cannot_be_meant_ends_a_run_before_it_begins(
    host: FakeHost, configure: Configure, tag: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        train(configure(sample_every_n_steps=2, sample_prompts=f"[name] {tag}"), host)


def test_a_file_is_read_once_however_often_it_is_called(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> Hypernetwork:
        read.append(path)
        return read_hypernetwork(path)

    monkeypatch.setattr("ti_core.hypernetworks.calls.read_hypernetwork", counted)
    request = PreviewRequest("<hypernet:ink:0.5>" * 9)
    calls = preview_calls([request], "", host)
    asked, changes = calls.read(request, lambda strength: None, torch.device("cpu"))
    assert len(read) == 1
    assert asked.prompt == ""
    x = torch.ones(1, 1, ink(host).widths[0])
    assert changes is not None
    once = Applied(ink(host).structure, ink(host).tensors, 0.5)
    assert not torch.equal(changes(x)[0], once(x)[0])


def test_prompts_of_the_training_are_taken_literally() -> None:
    request = PreviewRequest("a cat <hypernet:ink:1>")
    asked, changes = PreviewCalls().read(request, lambda strength: None, torch.device("cpu"))
    assert asked == request
    assert changes is None
