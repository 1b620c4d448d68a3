"""Runs on datasets of every kind: what reaches the loss, and that a stopped run goes on alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ti_core.events import Notice
from ti_core.families import FAMILIES, SDXL
from ti_core.hosts.fake import FakeHost
from ti_core.train.batches import Batch, Batches, batch_loss, encode_pictures
from ti_core.train.config import TrainConfig
from ti_core.train.events import Started, StepDone
from ti_core.train.loop import train
from ti_core.train.plan import Plan, make_plan
from ti_core.train.run_folder import RunFolder
from ti_core.train.vectors import EmbeddingKind

from ..conftest import Configure
from .spoiled import Log, StopAfter

BUCKETS = {
    "enable_bucket": True,
    "resolution": (96, 96),
    "min_bucket_reso": 64,
    "max_bucket_reso": 128,
    "bucket_reso_steps": 16,
}
"""64x128, 80x112, 96x96, 112x80 and 128x64"""


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Numbered folders with pictures of several shapes, and a folder of regularisation pictures."""
    for place, shapes in {
        "train/2_zz-thing red": [(64, 64), (128, 64), (130, 70)],
        "train/1_zz-thing": [(64, 128), (100, 100)],
        "reg/1_thing": [(64, 64), (128, 64), (64, 64)],
    }.items():
        folder = tmp_path / "many" / place
        folder.mkdir(parents=True)
        for i, shape in enumerate(shapes):
            picture = Image.linear_gradient("L").convert("RGB").resize(shape)
            picture.paste((200, 30 * i, 60), (0, 0, 30, 20))
            picture.putalpha(Image.linear_gradient("L").rotate(90).resize(shape))
            picture.save(folder / f"{i}.png")
        (folder / "0.txt").write_text(f"{folder.name.partition('_')[2]}, on grey, lit\nmore")
    return tmp_path / "many"


def everything(many: Path) -> dict[str, Any]:
    """All of it at once."""
    return {
        **BUCKETS,
        "train_data_dir": str(many / "train"),
        "reg_data_dir": str(many / "reg"),
        "prior_loss_weight": 0.5,
        "train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "flip_aug": True,
        "color_aug": True,
        "masked_loss": True,
        "shuffle_caption": True,
        "caption_tag_dropout_rate": 0.3,
        "caption_dropout_rate": 0.1,
        "keep_tokens": 1,
        "caption_prefix": "photo,",
    }


def batches_of(config: TrainConfig, steps: int, host: FakeHost | None = None) -> list[Batch]:
    plan = make_plan(config, host or FakeHost())
    with (host or FakeHost()).session() as session:
        made = Batches(plan, encode_pictures(plan, session), session)
        return [batch for step in range(steps) for batch in made.of_step(step)]


def loss_of(config: TrainConfig) -> tuple[float, Batch, Plan]:
    host = FakeHost()
    plan = make_plan(config, host)
    with host.session() as session:
        vectors, _ = EmbeddingKind(config).start(plan.facts, session, None)
        made = Batches(plan, encode_pictures(plan, session), session)
        batch = next(iter(made.of_step(0)))
        return batch_loss(batch, session, vectors.extra_networks(), plan).item(), batch, plan


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("steps", [1, 7])
def test_a_stopped_run_on_buckets_goes_on_bit_for_bit(
    configure: Configure, many: Path, family: Any, steps: int
) -> None:
    settings = {**everything(many), "max_train_steps": 12, "latent_sampling_method": "random"}
    config = configure(**settings)
    log = Log()
    train(config, FakeHost(family=FAMILIES[family]), log, StopAfter(log, steps))
    folder = RunFolder(log.of(Started)[0].run_folder)
    path = train(config, FakeHost(family=FAMILIES[family]), resume=folder)
    resumed = path.read_bytes()
    whole = train(
        configure(overwrite=True, **settings), FakeHost(family=FAMILIES[family])
    ).read_bytes()
    assert resumed == whole


@pytest.mark.parametrize(
    "change",
    [
        "enable_bucket",
        "reg_data_dir",
        "flip_aug",
        "color_aug",
        "masked_loss",
        "shuffle_caption",
        "caption_tag_dropout_rate",
        "caption_prefix",
    ],
)
def test_every_one_of_these_settings_changes_what_is_learned(
    configure: Configure, many: Path, change: str
) -> None:
    settings = {**everything(many), "max_train_steps": 6}
    changed = {key: value for key, value in settings.items() if key != change}
    one = train(configure(**settings), FakeHost()).read_bytes()
    other = train(configure(**changed, overwrite=True), FakeHost()).read_bytes()
    assert one[-48:] != other[-48:]  # the vectors; settings come before them


def test_batches_hold_one_size_and_every_picture_comes_as_often_as_told(
    configure: Configure, many: Path
) -> None:
    config = configure(**everything(many))
    plan = make_plan(config, FakeHost())
    epoch = sum(-(-count // 2) for count in plan.dataset.sizes().values())
    found = [batch for step in range(epoch) for batch in plan.order.of_step(step)]
    for batch in found:
        assert len({plan.dataset.items[i].size.target for i in batch}) == 1
    first = [i for batch in found[:epoch] for i in batch]
    assert [first.count(i) for i in range(len(plan.dataset.items))] == list(plan.dataset.repeats)


def test_sdxl_is_told_bucket_crop_and_source_of_each_picture(
    configure: Configure, many: Path
) -> None:
    config = configure(**BUCKETS, train_data_dir=str(many / "train"), flip_aug=True)
    told = {
        (size.original, size.target, size.crop)
        for batch in batches_of(config, 30, FakeHost(family=SDXL))
        for size in batch.sizes
    }
    assert told == {
        ((64, 64), (96, 96), (0, 0)),
        ((64, 128), (64, 128), (0, 0)),
        ((70, 130), (64, 128), (2, 0)),  # resized to 69x128
        ((128, 64), (128, 64), (0, 0)),
        ((100, 100), (96, 96), (0, 0)),
    }


def test_a_flipped_latent_is_that_of_the_flipped_picture(
    configure: Configure, pictures: Path
) -> None:
    config = configure(flip_aug=True, latent_sampling_method="deterministic")
    host = FakeHost()
    plan = make_plan(config, host)
    assert len(plan.dataset.views()) == 10
    with host.session() as session:
        latents = encode_pictures(plan, session)
        item = plan.dataset.items[0]
        wanted = session.encode_images(item.pixels().flip(2)[None]).mean[0]
    assert torch.allclose(latents[item.mirrored.key][0], wanted, atol=1e-6)
    assert not torch.allclose(wanted, latents[item.key][0].flip(2), atol=1e-3)
    seen = {plan.dataset.view(0, 0, step, 0).flipped for step in range(20)}
    assert seen == {True, False}


def test_coloured_pictures_are_encoded_anew_and_the_others_are_not(
    configure: Configure, pictures: Path
) -> None:
    settings = {"latent_sampling_method": "deterministic", "train_batch_size": 5}
    plain = batches_of(configure(**settings), 4)
    coloured = batches_of(configure(**settings, color_aug=True), 4)
    same = [
        torch.equal(a.noisy.noisy[i], b.noisy.noisy[i])
        for a, b in zip(plain, coloured, strict=True)
        for i in range(5)
    ]
    assert 3 < same.count(False) < 13
    for a, b in zip(plain, coloured, strict=True):
        assert torch.allclose(a.noisy.noisy, b.noisy.noisy, atol=0.3)


def test_a_mask_multiplies_the_loss(configure: Configure, many: Path) -> None:
    """A1111: (error² · weights).mean()"""
    settings = {"train_data_dir": str(many / "train"), "latent_sampling_method": "deterministic"}
    plain, batch, _ = loss_of(configure(**settings))
    masked, with_mask, _ = loss_of(configure(**settings, masked_loss=True))
    assert batch.weights is None
    weights = with_mask.weights
    assert weights is not None
    assert weights.shape == (1, 1, 8, 8)
    assert weights.mean().item() == pytest.approx(1)
    assert masked != plain


def test_an_opaque_picture_learns_as_without_mask(configure: Configure, pictures: Path) -> None:
    for path in sorted(pictures.glob("*.png")):
        with Image.open(path) as image:
            image.convert("RGBA").save(path)
    plain, _, _ = loss_of(configure(train_batch_size=5))
    masked, batch, _ = loss_of(configure(train_batch_size=5, masked_loss=True))
    assert batch.weights is not None
    assert (batch.weights == 1).all()
    assert masked == pytest.approx(plain, rel=1e-6)


def test_the_prior_loss_weight_multiplies_the_loss_of_regularisation_pictures_alone(
    configure: Configure, many: Path
) -> None:
    settings = {
        "train_data_dir": str(many / "train"),
        "reg_data_dir": str(many / "reg"),
        "train_batch_size": 14,
    }
    (batch,) = batches_of(configure(**settings, prior_loss_weight=0.25), 1)
    (plain,) = batches_of(configure(**settings), 1)
    assert plain.weights is None
    assert batch.weights is not None
    regular = ["zz-thing" not in prompt for prompt in batch.prompts]
    assert batch.weights.flatten().tolist() == [0.25 if each else 1.0 for each in regular]
    assert regular.count(True) > 4
    halved, _, _ = loss_of(configure(**settings, prior_loss_weight=0.0))
    whole, _, _ = loss_of(configure(**settings))
    assert halved < whole


def test_a_run_whose_first_batches_hold_regularisation_pictures_alone_goes_on(
    configure: Configure, many: Path
) -> None:
    settings = {"train_data_dir": str(many / "train"), "reg_data_dir": str(many / "reg")}
    firsts = []
    for seed in range(6):
        log = Log()
        config = configure(**settings, max_train_steps=8, seed=seed, overwrite=True)
        train(config, FakeHost(), log)
        assert len(log.of(StepDone)) == 8
        firsts.append(batches_of(config, 1)[0].teaches)
    assert set(firsts) == {True, False}


def test_what_several_sizes_and_regularisation_pictures_mean_is_told(
    configure: Configure, many: Path
) -> None:
    plan = make_plan(configure(**everything(many)), FakeHost())
    texts = [notice.what for notice in plan.notices if isinstance(notice, Notice)]
    assert any(text.startswith("images have ") for text in texts)
    assert any("regularization image(s) do not contain 'zz-thing'" in text for text in texts)


def test_own_sizes_are_trained_at(configure: Configure, many: Path) -> None:
    config = configure(train_data_dir=str(many / "train"), varsize=True)
    shapes = {tuple(batch.noisy.noisy.shape[2:]) for batch in batches_of(config, 30)}
    assert shapes == {(8, 8), (8, 16), (16, 8), (12, 12)}


def test_captions_vary_from_step_to_step_and_always_name_the_word(
    configure: Configure, many: Path
) -> None:
    config = configure(**everything(many) | {"reg_data_dir": ""})
    prompts = [prompt for batch in batches_of(config, 20) for prompt in batch.prompts]
    assert all("zz-thing" in prompt for prompt in prompts)
    assert len(set(prompts)) > 5


def test_the_word_is_put_into_captions_that_lack_it(configure: Configure, pictures: Path) -> None:
    found = batches_of(configure(insert_trigger=True), 5)
    assert {batch.prompts[0][:12] for batch in found} == {"zz-thing, a "}
    found = batches_of(configure(insert_trigger=True, prompt_template="subject_filewords"), 9)
    assert {batch.prompts[0].count("zz-thing") for batch in found} == {1}


def test_equal_pictures_may_have_different_masks(configure: Configure, pictures: Path) -> None:
    first, *others = sorted(pictures.glob("*.png"))
    for path in others[1:]:
        path.unlink()
    others[0].write_bytes(first.read_bytes())
    for path, box in ((first, (0, 0, 32, 64)), (others[0], (32, 0, 64, 64))):
        mask = Image.new("L", (64, 64))
        mask.paste(255, box)
        mask.save(path.with_stem(f"{path.stem}_mask"))
    (batch,) = batches_of(configure(masked_loss=True, train_batch_size=2), 1)
    assert batch.weights is not None
    left = batch.weights[:, 0, :, 0].mean(dim=1).tolist()
    assert sorted(left) == pytest.approx([0, 2], abs=0.01)
