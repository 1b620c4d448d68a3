"""Hypernetworks are learned through the same loop, files and states as embeddings."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_core.errors import ConfigError, FileError, HypernetworkError, TrainingError
from ti_core.events import Notice
from ti_core.families import SDXL
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.hypernetworks.applying import Applied
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.hypernetworks.structure import Structure
from ti_core.hypernetworks.writing import write_hypernetwork
from ti_core.options import from_dict
from ti_core.port.session import Conditioning, PictureSize, Precision, TextOptions, Vectors
from ti_core.train.events import Finished, PreviewReady, Saved, Started
from ti_core.train.hypernetwork import attention_widths, new_hypernetwork
from ti_core.train.hypernetwork_config import HypernetworkConfig, HypernetworkTrainConfig
from ti_core.train.hypernetwork_create import create_hypernetwork
from ti_core.train.learnable import ExtraNetworks
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.run_folder import RunFolder
from ti_core.train.state import latest_state

from ..contract.fingerprint import differences, fingerprint
from ..hypernetworks.made import hypernetwork
from .hypernetwork_runs import config
from .inversion import fixed_loss
from .spoiled import Log, SpoiledHost, StopAfter

Build = Callable[..., HypernetworkTrainConfig]


@pytest.fixture
def build(tmp_path: Path, pictures: Path) -> Build:
    """Settings of a run of ten steps."""

    def made(**changes: object) -> HypernetworkTrainConfig:
        return config(tmp_path, pictures, **changes)

    return made


def context_width(host: FakeHost) -> int:
    """Of the fake model, which has cross-attention only."""
    return sum(host.describe().widths.values())


def test_it_is_trained_written_and_measured(build: Build) -> None:
    log, host = Log(), FakeHost()
    path = train(build(save_every_n_steps=5), host, log)
    assert path.name == "warm.pt"
    assert host.hypernetworks_saved == [path]
    assert host.saved == []
    width = context_width(host)
    started, finished = log.of(Started)[0], log.of(Finished)[0]
    assert started.size == f"{4 * width * 2 * width + 6 * width:,} numbers in modules for {width}"
    assert finished.measures.keys() == {f"{width}.k", f"{width}.v"}
    assert all(started.measures[key] != finished.measures[key] for key in finished.measures)
    copies = [event.path for event in log.of(Saved) if event.kind == "copy"]
    assert [copy.name for copy in copies] == ["warm-000005.pt", "warm-000010.pt"]
    assert {copy.parent.name for copy in copies} == {"hypernetworks"}
    found = read_hypernetwork(path)
    assert (found.step, found.base_model) == (10, host.describe().checkpoint_name)
    assert read_hypernetwork(copies[0]).step == 5
    assert '"weight_init": "Normal"' in found.metadata["ti.config"]


def test_it_learns(build: Build) -> None:
    config = build(max_train_steps=150, learning_rate="0.005", train_batch_size=2, overwrite=True)
    found = read_hypernetwork(train(config, FakeHost()))
    trained = ExtraNetworks(hypernetwork=Applied(found.structure, found.tensors))
    assert fixed_loss(config, trained) < 0.97 * fixed_loss(config, ExtraNetworks())


def test_one_step_is_adamw_with_a_decay_of_a_hundredth(build: Build) -> None:
    """Loshchilov & Hutter 2019: after the first step every number has moved by the rate, against
    its gradient, and has been drawn to zero by rate · 0.01."""
    config, host, rate = build(max_train_steps=1, weight_init="XavierNormal"), FakeHost(), 0.01
    with host.session() as session:
        there = attention_widths(host.describe(), session)
    begin, _ = new_hypernetwork(config.hypernetwork, 0, there)
    after = read_hypernetwork(train(config, host)).tensors
    key = f"{there[0]}.v.linear.1.weight"
    moved = after[key] - begin.tensors[key] * (1 - rate * 0.01)
    assert moved.abs().median().item() == pytest.approx(rate, rel=1e-3)
    assert moved.abs().max().item() < rate * 1.001


def files(path: Path) -> tuple[bytes, bytes]:
    """The hypernetwork's, and that of the optimiser's memory."""
    return path.read_bytes(), path.with_name(f"{path.name}.optim").read_bytes()


@pytest.mark.parametrize(
    "built", [{}, {"activation_func": "rrelu", "use_dropout": True, "dropout_structure": "0,.3,0"}]
)
def test_a_resumed_run_gives_the_same_bytes(build: Build, built: dict[str, object]) -> None:
    memory = {"save_optimizer_state": True}
    settings = {"max_train_steps": 9, "train_batch_size": 2, **memory, **built}
    log = Log()
    train(build(**settings), FakeHost(), log, StopAfter(log, 4))
    folder = RunFolder(log.of(Started)[0].run_folder)
    resumed = files(train(build(**settings), FakeHost(), resume=folder))
    again = files(train(build(**settings, overwrite=True), FakeHost()))
    assert resumed == again
    other = train(build(**settings, overwrite=True, seed=1), FakeHost()).read_bytes()
    assert resumed[0] != other


def test_dropout_is_for_training_only(build: Build) -> None:
    built = {"use_dropout": True, "dropout_structure": "0, 0.5, 0", "max_train_steps": 3}
    log = Log()
    with_it = train(build(**built, sample_every_n_steps=3, sample_beside=False), FakeHost(), log)
    without = train(build(max_train_steps=3, hypernetwork_name="plain"), FakeHost())
    assert read_hypernetwork(without).structure == Structure()
    found = read_hypernetwork(with_it)
    assert found.structure.dropout == (0, 0.5, 0)
    assert any(
        not torch.equal(found.tensors[name], other)
        for name, other in read_hypernetwork(without).tensors.items()
    )
    host, shown = FakeHost(), log.of(PreviewReady)[-1]
    request = make_plan(build(overwrite=True, sample_prompts=shown.prompt), host).previews[0]
    with host.session() as session:
        changes = Applied(found.structure, found.tensors)
        picture = session.preview(replace(request, text=TextOptions()), {}, changes)[0]
    assert picture.tobytes() == Image.open(shown.path).tobytes()


def test_previews_show_both_side_by_side(build: Build) -> None:
    log, host = Log(), FakeHost()
    config = build(sample_every_n_steps=10, sample_prompts="a disc", learning_rate="0.05")
    train(config, host, log)
    first, last = (Image.open(event.path) for event in log.of(PreviewReady))
    half = first.width // 2
    left, right = (0, 0, half, first.height), (half, 0, first.width, first.height)
    assert first.width == 2 * first.height
    assert first.crop(left).tobytes() == last.crop(left).tobytes()
    assert first.crop(right).tobytes() != last.crop(right).tobytes()
    (request,) = make_plan(replace(config, output=build(overwrite=True).output), host).previews
    with host.session() as session:
        assert session.preview(request, {})[0].tobytes() == last.crop(left).tobytes()


def test_nan_returns_to_the_last_state_here_too(build: Build) -> None:
    """The first call looks for the model's widths."""
    host = SpoiledHost(lambda n, output, _: output * float("nan") if n == 7 else output)
    log = Log()
    path = train(build(save_state_every_n_steps=4), host, log)
    assert log.steps == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10]
    assert all(each.isfinite().all() for each in read_hypernetwork(path).tensors.values())


class _Counted(FakeSession):
    """Counts what the text encoder is asked for."""

    encoded: list[str]
    released: list[str]

    def encode_prompts(
        self,
        prompts: Sequence[str],
        embeddings: Mapping[str, Vectors],
        sizes: Sequence[PictureSize] | None = None,
        text: TextOptions = TextOptions(),
    ) -> Conditioning:
        """As the fake session."""
        self.host.encoded += prompts  # type: ignore[attr-defined]
        return super().encode_prompts(prompts, embeddings, sizes, text)

    def _release(self, part: str) -> None:
        self.host.released.append(part)  # type: ignore[attr-defined]


class _CountingHost(FakeHost):
    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[str] = []
        self.released: list[str] = []

    @contextlib.contextmanager
    def session(self, precision: Precision = "no") -> Iterator[FakeSession]:
        """One that counts."""
        with super().session(precision):
            yield _Counted(self, precision)


def test_prompts_are_encoded_once_and_the_text_encoder_is_released(build: Build) -> None:
    host, words = _CountingHost(), {"prompt_template": "captions"}
    train(build(max_train_steps=25, train_batch_size=2, **words), host)
    first, *prompts = host.encoded
    assert first == ""
    assert len(prompts) == len(set(prompts)) == 5
    assert host.released.count("text_encoder") == 1
    assert host.released[0] == "vae"


def test_prompts_that_are_remembered_give_the_same_as_together(build: Build) -> None:
    host, prompts = FakeHost(), ["a red disc", "a disc", "a red disc"]
    from ti_core.train.remembered_prompts import RememberedPrompts

    sizes = [PictureSize((64, 64), (0, 0), (64, 64))] * 3
    with host.session() as session:
        remembered = RememberedPrompts(session)
        for many in (prompts, [*prompts[:2], "a " * 100]):
            found = remembered.encode(many, sizes, TextOptions())
            together = session.encode_prompts(many, {}, sizes)
            assert torch.allclose(found.context, together.context, atol=1e-6)


def test_it_goes_on_from_a_file_at_its_step(build: Build, tmp_path: Path) -> None:
    host, log = FakeHost(), Log()
    width = context_width(host)
    made = hypernetwork("old", width, activation="swish", layers=(1, 1.5, 1), dropout=(0, 0.1, 0))
    small = replace(made, tensors={k: v * 0.01 for k, v in made.tensors.items()})
    write_hypernetwork(tmp_path / "old.pt", small)
    settings = {"weights": str(tmp_path / "old.pt"), "max_train_steps": 73}
    train(build(**settings, learning_rate="1e-6"), host, log, StopAfter(log, 1))
    (tmp_path / "old.pt").unlink()
    folder = RunFolder(log.of(Started)[0].run_folder)
    train_settings = folder.read_settings()["train"]
    config = from_dict(HypernetworkTrainConfig, train_settings)
    found = read_hypernetwork(train(config, host, log, resume=folder))
    assert log.steps == [71, 72, 73]
    assert found.structure == made.structure
    assert (found.widths, found.weight_init, found.step) == ((width,), "XavierNormal", 73)
    key = f"{width}.k.linear.0.weight"
    assert torch.allclose(found.tensors[key], small.tensors[key], atol=5e-6)


def test_modules_that_the_model_has_no_use_for_are_left_out(build: Build, tmp_path: Path) -> None:
    host, log = FakeHost(), Log()
    width = context_width(host)
    write_hypernetwork(tmp_path / "old.pt", hypernetwork("old", width, width + 1))
    config = build(weights=str(tmp_path / "old.pt"), initial_step=0, max_train_steps=1)
    assert read_hypernetwork(train(config, host, log)).widths == (width,)
    assert any(f"for {width + 1} are left out" in notice.what for notice in log.of(Notice))


def test_what_a1111_remembers_of_its_optimiser_is_used(build: Build, tmp_path: Path) -> None:
    """Its trainer numbers the tensors as the file has them, module by module."""
    host, path = FakeHost(), tmp_path / "old.pt"
    made = replace(hypernetwork("old", context_width(host)), step=2)
    write_hypernetwork(path, made)
    leaves = [each.clone().requires_grad_() for each in made.tensors.values()]
    theirs = torch.optim.AdamW(leaves, lr=0.01)
    for number, leaf in enumerate(leaves):
        leaf.grad = torch.full_like(leaf, float(number + 1))
    theirs.step()
    content = {
        "optimizer_name": "AdamW",
        "hash": hashlib.sha256(path.read_bytes()).hexdigest()[:10],
        "optimizer_state_dict": theirs.state_dict(),
    }
    torch.save(content, tmp_path / "old.pt.optim")
    plan = make_plan(build(weights=str(path)), host)
    assert plan.state is not None
    assert "old.pt.optim" in " ".join(notice.why for notice in plan.notices)
    for number, name in enumerate(made.tensors):
        ours = sorted(made.tensors).index(name)
        mean = plan.state.moments[f"{ours}.exp_avg"]
        assert isinstance(mean, torch.Tensor)
        assert torch.allclose(mean, torch.full_like(mean, 0.1 * (number + 1)))
    torch.save({**content, "hash": "0123456789"}, tmp_path / "old.pt.optim")
    assert not make_plan(build(weights=str(path)), host).state.moments  # type: ignore[union-attr]


def test_what_the_optimiser_remembers_is_left_for_a1111(build: Build, tmp_path: Path) -> None:
    host = FakeHost()
    assert not train(build(max_train_steps=1), host).with_name("warm.pt.optim").exists()
    settings = {"save_optimizer_state": True, "max_train_steps": 3, "overwrite": True}
    path = train(build(**settings), host)
    content = torch.load(path.with_name("warm.pt.optim"), weights_only=True)
    assert content["hash"] == hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    leaves = [each.requires_grad_() for each in read_hypernetwork(path).tensors.values()]
    theirs = torch.optim.AdamW(leaves, lr=0.01)
    theirs.load_state_dict(content["optimizer_state_dict"])
    for leaf in leaves:
        leaf.grad = torch.zeros_like(leaf)
    theirs.step()
    assert theirs.param_groups[0]["weight_decay"] == 0.01
    logs = str(tmp_path / "other log")
    plan = make_plan(build(weights=str(path), logging_dir=logs, output_name="on"), host)
    assert plan.state is not None
    (folder,) = (tmp_path / "log").glob("*/warm-2")
    last = latest_state(folder / "state")
    assert plan.state.moments.keys() == last.moments.keys()
    for key, value in last.moments.items():
        assert torch.equal(torch.as_tensor(plan.state.moments[key]), torch.as_tensor(value))


@pytest.mark.parametrize("size", ["768, 5", "5"])
def test_widths_that_the_model_has_not_are_an_error(build: Build, size: str) -> None:
    host = FakeHost()
    with pytest.raises(HypernetworkError, match=f"it has {context_width(host)}"):
        train(build(enable_sizes=size), host)


@pytest.mark.parametrize(("layers", "says"), [("1, 0.01, 1", "0 to"), ("1, 60000, 1", "to 720000")])
def test_a_model_that_is_too_small_or_too_wide_for_the_structure_is_an_error(
    build: Build, layers: str, says: str
) -> None:
    """Without named widths that is seen when the model shows its own."""
    host = FakeHost()
    before = fingerprint([host.model])
    with pytest.raises(
        ConfigError, match=f"for the width {context_width(host)} has layers.*{says}"
    ):
        train(build(layer_structure=layers), host)
    assert differences(before, fingerprint([host.model])) == {}
    with host.session():
        pass  # it was closed


def test_a_file_for_another_model_is_an_error(build: Build, tmp_path: Path) -> None:
    write_hypernetwork(tmp_path / "old.pt", hypernetwork("old", 5))
    settings = {"weights": str(tmp_path / "old.pt"), "max_train_steps": 80}
    with pytest.raises(HypernetworkError, match="no attention that is 5 wide"):
        train(build(**settings, initial_step=0), FakeHost())
    with pytest.raises(TrainingError, match="its modules are for 5"):
        train(build(**settings), FakeHost())
    with pytest.raises(FileError, match="there is no hypernetwork"):
        make_plan(build(weights=str(tmp_path / "gone.pt")), FakeHost())


def test_the_table_of_losses_is_called_as_in_a1111(build: Build) -> None:
    """And a resumed run has one line of each step."""
    log, more = Log(), Log()
    train(build(max_train_steps=4, loss_csv_every=1), FakeHost(), log)
    folder = RunFolder(log.of(Started)[0].run_folder)
    table = folder.path / "hypernetwork_loss.csv"
    table.write_text(table.read_text() + "9,0,0,0.5,0.1\n")
    longer = build(max_train_steps=6, loss_csv_every=1)
    train(longer, FakeHost(), more, resume=folder)
    steps = [line.split(",")[0] for line in table.read_text().splitlines()]
    assert steps == ["step", "1", "2", "3", "4", "5", "6"]
    assert not list(folder.path.glob("textual*"))


def test_a_run_does_not_continue_with_something_else(build: Build) -> None:
    log = Log()
    train(build(), FakeHost(), log, StopAfter(log, 4))
    folder = RunFolder(log.of(Started)[0].run_folder)
    with pytest.raises(TrainingError, match="another structure"):
        train(build(layer_structure="1, 3, 1"), FakeHost(), resume=folder)
    with pytest.raises(TrainingError, match="with this model"):
        train(build(), FakeHost(family=SDXL), resume=folder)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"layer_structure": "1, 2"}, "begin and end with 1"),
        ({"layer_structure": "1; 2; 1"}, "not a list of numbers"),
        ({"enable_sizes": "768, 0"}, "whole numbers"),
        ({"enable_sizes": "768, 1.5"}, "whole numbers"),
        ({"enable_sizes": "nan"}, "whole numbers"),
        ({"use_dropout": True, "dropout_structure": "0, 0.1"}, "first and last number must be 0"),
        ({"use_dropout": True, "dropout_structure": "0, 0.1, 0.1, 0"}, "it has 4 numbers"),
        ({"use_dropout": True, "dropout_structure": "0, 1, 0"}, "less than 1"),
        ({"activation_func": "glu"}, "activation_func"),
        ({"weight_init": "normal"}, "weight_init"),
        ({"enable_sizes": "1280", "layer_structure": "1, 99, 1"}, "126720 wide"),
        ({"hypernetwork_name": ""}, "the hypernetwork has no name"),
        ({"hypernetwork_name": "a/b"}, "path parts"),
    ],
)
def test_settings_that_cannot_be_meant_are_errors(
    build: Build, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        build(**settings)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_dropout_structure_is_none(text: str) -> None:
    assert HypernetworkConfig(use_dropout=True, dropout_structure=text).structure == Structure()


def test_what_only_a1111_uses_is_told_before_the_start(build: Build) -> None:
    log = Log()
    train(build(activation_func="gelu", max_train_steps=1), FakeHost(), log)
    assert "only AUTOMATIC1111" in log.of(Notice)[0].what
    log = Log()
    settings = {"activation_func": "softmax2d", "train_batch_size": 3, "overwrite": True}
    train(build(**settings, max_train_steps=1), FakeHost(), log)
    assert any("mixes the images of a batch" in notice.what for notice in log.of(Notice))


def test_files_may_be_half_or_of_our_own(build: Build) -> None:
    whole = train(build(max_train_steps=2), FakeHost())
    half = train(build(max_train_steps=2, save_precision="fp16", overwrite=True), FakeHost())
    assert half == whole
    other = {"save_model_as": "safetensors", "output_name": "ours"}
    ours = train(build(max_train_steps=2, **other), FakeHost())
    assert ours.name == "ours.safetensors"
    for name, each in read_hypernetwork(ours).tensors.items():
        assert torch.equal(each.half().float(), read_hypernetwork(half).tensors[name])


def test_a_new_one_is_made_with_and_without_a_model(tmp_path: Path) -> None:
    host, told = FakeHost(), list[Notice]()
    config = HypernetworkConfig(hypernetwork_name="new", activation_func="gelu")
    path = create_hypernetwork(config, host, tmp_path, on_notice=told.append)
    found = read_hypernetwork(path)
    assert (found.widths, found.step) == ((context_width(host),), 0)
    assert found.base_model == host.describe().checkpoint_name
    assert host.hypernetworks_saved == [path]
    assert len(told) == 1
    with pytest.raises(ConfigError, match="exists already"):
        create_hypernetwork(config, host, tmp_path)
    sized = replace(config, enable_sizes="768, 320, 640, 1280")
    before = path.read_bytes()
    create_hypernetwork(sized, None, tmp_path, seed=3, overwrite=True)
    assert read_hypernetwork(path).widths == (320, 640, 768, 1280)
    assert (tmp_path / "new.pt.before-1").read_bytes() == before
