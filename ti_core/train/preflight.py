"""The dataset's checkup before a training: what it is asked, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..checkup.finding import Finding
from ..checkup.inputs import CheckupInput
from ..checkup.memory import estimate, ladder, packed
from ..checkup.plan import REPEATED
from ..errors import DataError, setting
from ..events import Notice
from ..families import SD1, MemoryNeeds
from ..port.prompt import Tokenize
from ..port.session import Features, Host, ModelFacts
from .config import BaseTrainConfig
from .optimizers import OPTIMIZERS
from .previews import preview_requests
from .words import counted, written_out

PICTURES = 200
"""At most this many are looked at, so that it takes about a second."""
_NOTICED = ("unreadable", "caption_unreadable", "trigger_is_word", "schedule_short")
"""What the plan of a training has notices of, image by image."""
ASSUMED = SD1
"""Where no model is given."""
_BYTES_PER_PIXEL = 2
"""Of a photograph as PNG."""
_STATES = 3
"""Two are kept, and a third is being written."""


def checkup_input(
    config: BaseTrainConfig,
    host: Host | None = None,
    taken: Sequence[str] = (),
    memory_free: int | None = None,
    mirrored: bool = False,
    at_most: int = 0,
    facts: ModelFacts | None = None,
) -> CheckupInput:
    """What `check_dataset` needs to know about a run; without a host, nothing about tokens.

    `taken` are the names of the embeddings that are there, `memory_free` the bytes of the device
    before the model is loaded, `facts` the host's where they are known; of very many images
    `at_most` are looked at. Raises ConfigError for preview prompts that cannot be read.
    """
    facts = facts or (host.describe() if host else None)
    config = counted(written_out(config), host.tokenize) if host else config
    side = facts.resolution if facts else ASSUMED.release().resolution
    size = config.data.resolution or (side, side)
    features = host.features() if host else Features()
    half = config.compute.precision(features.precision) != "no"
    memory, formula = _memory(config, facts, features, size, half)
    return CheckupInput(
        config.data,
        config.name if config.vectors else "",
        config.vectors,
        size,
        mirrored or config.data.flip_aug,
        config.text.parse_emphasis,
        _tokenize(host) if host else None,
        taken=tuple(taken),
        schedule=config.optimizer.schedule,
        decay=config.optimizer.decay,
        early_stopping=config.validation.early_stopping,
        moves_by_rate=OPTIMIZERS[config.optimizer.optimizer_type].moves_by_rate,
        max_steps=config.optimizer.max_train_steps,
        batch=config.optimizer.train_batch_size * config.optimizer.gradient_accumulation_steps,
        model_side=facts.resolution if facts else 0,
        family=facts.family.label if facts else "",
        writes=_writes(config, facts, size),
        memory=memory,
        memory_otherwise=_memory(config, facts, features, size, not half)[0],
        half=half,
        memory_formula=formula,
        memory_ladder=_ladder(config, facts, features, size, half),
        memory_free=memory_free,
        at_most=at_most,
    )


def warnings_of(findings: Sequence[Finding]) -> list[Notice]:
    """The warnings among them, and that images repeat in a batch, as in no other program. Raises
    DataError for what would spoil the training."""
    found = not_noticed(findings)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        raise DataError(
            "; ".join(error.what for error in errors),
            "; ".join(error.why for error in errors if error.why),
            f"{errors[0].fix or 'see ti check'} ({setting('skip_checkup')} trains without it)",
        )
    levels = [(_level(finding), finding) for finding in found]
    return [Notice(level, f.what, f.why, f.fix) for level, f in levels if level]


def not_noticed(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those that no notice of the plan repeats."""
    return tuple(finding for finding in findings if finding.rule not in _NOTICED)


def _level(finding: Finding) -> Literal["info", "warning", ""]:
    if finding.rule == REPEATED:
        return "info"
    return "warning" if finding.severity == "warning" else ""


def _tokenize(host: Host) -> Tokenize:
    return lambda text: [token for token, _ in host.tokenize(text)]


def _memory(
    config: BaseTrainConfig,
    facts: ModelFacts | None,
    features: Features,
    size: tuple[int, int],
    half: bool,
) -> tuple[int, str]:
    """(0, "") where it is not known: for reduced models, which need less than their family."""
    needs = _needs(facts)
    if needs is None:
        return 0, ""
    batch, checkpointing = config.optimizer.train_batch_size, config.compute.gradient_checkpointing
    pixels, packs = size[0] * size[1], _packed(config, needs, features, size, half)
    return estimate(needs, pixels, batch, half, packs, checkpointing)


def _packed(
    config: BaseTrainConfig,
    needs: MemoryNeeds,
    features: Features,
    size: tuple[int, int],
    half: bool,
) -> int:
    """Bytes of packed weights, where this run asks for them and the host has them."""
    asked = config.compute.pack_weights and ("bf16" if half else "no") in features.packs
    if not asked or packed(needs, 1, False) > features.room_for_packing:
        return 0
    return packed(needs, size[0] * size[1] * config.optimizer.train_batch_size, half)


def _ladder(
    config: BaseTrainConfig,
    facts: ModelFacts | None,
    features: Features,
    size: tuple[int, int],
    half: bool,
) -> tuple[tuple[str, int], ...]:
    needs = _needs(facts)
    if needs is None:
        return ()
    batch = config.optimizer.train_batch_size if config.vectors else 1
    checkpointing = config.compute.gradient_checkpointing
    packs = _packed(config, needs, features, size, half)
    return ladder(needs, size[0] * size[1], batch, half, checkpointing, packs)


def _needs(facts: ModelFacts | None) -> MemoryNeeds | None:
    full = facts is not None and facts.widths == facts.family.widths
    return facts.family.memory if facts and full else None


def _writes(
    config: BaseTrainConfig, facts: ModelFacts | None, size: tuple[int, int]
) -> tuple[tuple[Path, int], ...]:
    """The embedding in its folder; copies, states and previews in the other."""
    output, preview = config.output, config.preview
    width = sum((facts or ASSUMED).widths.values())
    file = 4 * config.numbers(width) + 4000
    copies = _times(config, output.save_every_n_steps)
    pictures = 0
    if preview.sample_every_n_steps:
        ends = preview.sample_at_first + preview.sample_at_last
        shown = _times(config, preview.sample_every_n_steps) + ends
        pictures = shown * len(preview_requests(config, size, "")) * size[0] * size[1]
    learning = config.optimizer
    kept = OPTIMIZERS[learning.optimizer_type].state_size + bool(learning.ema_decay)
    state = file * (1 + kept)
    run = copies * file + _STATES * state + pictures * _BYTES_PER_PIXEL
    return (Path(output.output_dir), file), (Path(output.logging_dir), run)


def _times(config: BaseTrainConfig, every: int) -> int:
    return config.optimizer.last_step // every if every else 0
