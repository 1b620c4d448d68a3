"""Settings of learning: rate, length, batches, and what is done to gradients and loss."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ..options import check, newer, option, require_one, require_order, unrecorded
from ..schedule import Decay, Fall, Schedule, parse_schedule, warmup_and_decay
from .optimizer_arguments import Argument, read_arguments
from .optimizers import OPTIMIZERS, OptimizerName

ClipMode = Literal["disabled", "value", "norm"]
TimestepSampling = Literal["uniform", "stratified"]
TIMESTEPS = 1000
"""Of which `min_timestep` and `max_timestep` speak, as kohya's do, however many a model has."""


@dataclass(frozen=True)
class OptimizerConfig:
    """How the vectors are learned: rate, length, batches and gradient clipping."""

    title = "Learning"
    learning_rate: str = option(
        "0.005",
        "a number, or a schedule 'rate:until, rate:until, rate', such as '0.005:100, 1e-3:1000, "
        "1e-5' (step numbers count from the embedding's first)",
        label="Embedding Learning rate",
    )
    learning_rate_te1: str = newer(
        "",
        "learning rate of the first text encoder's vectors, if different; 0 leaves them unchanged",
        label="Learning rate of text encoder 1",
        advanced=True,
    )
    learning_rate_te2: str = newer(
        "",
        "learning rate of the second text encoder's vectors (SDXL), if different; 0 leaves "
        "them unchanged",
        label="Learning rate of text encoder 2",
        advanced=True,
    )
    lr_scheduler: Decay = option(
        "constant",
        "decay of the learning rate: none, or to 0 at the last step",
        label="Learning rate decay",
    )
    lr_scheduler_num_cycles: int = newer(
        1,
        "number of cycles of cosine_with_restarts",
        label="Cycles of the decay",
        limits=(1, 10_000),
        aliases=("lr_num_cycles",),
        advanced=True,
    )
    lr_scheduler_power: float = newer(
        1.0,
        "exponent of the polynomial decay; 1 is a straight line",
        label="Power of the decay",
        limits=(0, 100),
        advanced=True,
    )
    lr_warmup_steps: int = option(
        0,
        "steps over which the rate rises from 0",
        label="Warm-up steps",
        unit="steps",
        limits=(0, None),
    )
    lr_warmup_ratio: float = newer(
        0.0,
        "fraction of all steps over which the rate rises from 0, instead of a number of steps:"
        " kohya's warm-up steps below 1",
        label="Warm-up ratio",
        limits=(0, 1),
        advanced=True,
    )
    scale_lr: bool = newer(
        False,
        "multiply the rate by the number of images per update, batch size times gradient "
        "accumulation steps, as in diffusers' script",
        label="Scale the rate by the batch",
        advanced=True,
    )
    max_train_steps: int = option(
        1600,
        "optimizer updates over the whole life of the embedding, including those of the file that "
        "training starts from",
        label="Max steps",
        unit="steps",
        limits=(1, 10_000_000),
    )
    initial_step: int = newer(
        -1,
        "step to continue from; -1: that of the file that training starts from, 0: restart "
        "steps and learning rate schedule",
        label="Initial step",
        unit="steps",
        limits=(-1, 10_000_000),
        advanced=True,
    )
    max_train_epochs: int = unrecorded(
        0,
        "number of passes over all images, instead of a number of steps; 0 uses the steps",
        label="Max epochs",
        unit="epochs",
        limits=(0, 1_000_000),
        advanced=True,
    )
    train_batch_size: int = option(
        1, "images per forward pass", label="Batch size", limits=(1, 1024)
    )
    gradient_accumulation_steps: int = option(
        1, "forward passes per update", label="Gradient accumulation steps", limits=(1, 1024)
    )
    optimizer_type: OptimizerName = option(
        "AdamW",
        "optimizer",
        label="Optimizer",
        advanced=True,
        quiet=True,
    )
    optimizer_args: str = newer(
        "",
        "arguments of the optimizer as name=value, separated by spaces, such as "
        "'betas=0.9,0.99 weight_decay=0.01'",
        label="Optimizer arguments",
        advanced=True,
    )
    ema_decay: float = newer(
        0.0,
        "decay of the moving average of the vectors that files and previews contain (0.99: "
        "over about 100 steps); 0 disables",
        label="Decay of the average",
        limits=(0, 0.99999),
        advanced=True,
    )
    clip_grad_mode: ClipMode = option(
        "disabled",
        "limit each element of the gradient (value) or its length (norm)",
        label="Gradient Clipping",
        advanced=True,
    )
    clip_grad_value: str = option(
        "0.1",
        "the limit; can be a schedule like the learning rate",
        label="Gradient clip value",
        advanced=True,
    )
    max_grad_norm: float = option(
        0.0,
        "gradient clipping by norm, kohya's option; 0 disables",
        label="Max gradient norm",
        limits=(0, None),
        advanced=True,
    )
    min_timestep: int = newer(
        0,
        "lowest timestep to train at, of 1,000; low timesteps have little noise and show the "
        "details of single images, high ones show shapes and colours",
        label="Lowest timestep",
        limits=(0, TIMESTEPS - 1),
        advanced=True,
    )
    final_min_timestep: int = newer(
        -1,
        "lowest timestep at the end of training; it changes evenly from its first value: "
        "shapes and colours first, then details; -1 does not change it",
        label="Lowest timestep at the end",
        limits=(-1, TIMESTEPS - 1),
        advanced=True,
    )
    max_timestep: int = newer(
        TIMESTEPS,
        "train at timesteps below this one, of 1,000",
        label="Highest timestep",
        limits=(1, TIMESTEPS),
        advanced=True,
    )
    timestep_sampling: TimestepSampling = newer(
        "uniform",
        "draw each timestep from the whole range (uniform), or one from each of as many equal "
        "parts of it as an update has images (stratified)",
        label="Timestep sampling",
        advanced=True,
    )
    min_snr_gamma: float = newer(
        0.0,
        "reduce the weight of timesteps with little noise (min-SNR-γ, Hang et al. 2023, who "
        "use 5); 0 disables",
        label="Min-SNR gamma",
        limits=(0, 1000),
        advanced=True,
    )
    noise_offset: float = newer(
        0.0,
        "add a small random offset per image and channel to the noise, for very dark and "
        "very bright images; 0.05 to 0.1 is usual, 0 disables",
        label="Noise offset",
        limits=(0, 1),
        advanced=True,
    )

    def __post_init__(self) -> None:
        check(self)
        require_one(self, "lr_warmup_steps", "lr_warmup_ratio")
        require_order(self, "min_timestep", "max_timestep")
        require_order(self, "final_min_timestep", "max_timestep")
        if self.clip_grad_mode != "disabled":
            require_one(self, "clip_grad_mode", "max_grad_norm")
        # they are read once, here
        _ = self.schedule, self.encoder_schedules, self.clip_limit, self.arguments

    @cached_property
    def schedule(self) -> Schedule:
        """Of the learning rate, before warm-up and decay."""
        return self._schedule("learning_rate")

    @cached_property
    def encoder_schedules(self) -> tuple[Schedule | None, ...]:
        """Of the first and the second text encoder; None for one that is not trained."""
        names = ("learning_rate_te1", "learning_rate_te2")
        given = [(name, getattr(self, name).strip()) for name in names]
        return tuple(
            self.schedule if not text else None if text == "0" else self._schedule(name)
            for name, text in given
        )

    def _schedule(self, name: str) -> Schedule:
        written = parse_schedule(getattr(self, name), self.max_train_steps, name)
        written = written if name == "learning_rate" else written.held(self.max_train_steps)
        return written.times(self.update_size) if self.scale_lr else written

    @property
    def update_size(self) -> int:
        """Images of an update."""
        return self.train_batch_size * self.gradient_accumulation_steps

    def rate(self, step: int, fall: Fall | None = None) -> float:
        """Learning rate of the update after `step` finished ones; it decays along `fall`, which
        is all steps where none is given."""
        return self._rate(self.schedule, step, fall)

    @property
    def decay(self) -> str:
        """Of the rate, beside its schedule; "" is none."""
        return "" if self.lr_scheduler == "constant" else self.lr_scheduler

    @property
    def by_encoder(self) -> bool:
        """Whether a text encoder has a rate of its own."""
        return any(own is not self.schedule for own in self.encoder_schedules)

    def encoder_rate(self, number: int, step: int, fall: Fall | None = None) -> float:
        """That of text encoder 0 or 1."""
        own = self.encoder_schedules[number]
        return self._rate(own, step, fall) if own else 0.0

    def trains_encoder(self, number: int) -> bool:
        """Whether the vectors of text encoder 0 or 1 are trained."""
        return self.encoder_schedules[number] is not None

    def _rate(self, schedule: Schedule, step: int, fall: Fall | None) -> float:
        rate, (start, end) = schedule.rate(step), fall or Fall(0, self.last_step)
        warmup = self.lr_warmup_steps or int(self.lr_warmup_ratio * self.last_step)
        shape = self.lr_scheduler_num_cycles, self.lr_scheduler_power
        return rate * warmup_and_decay(self.lr_scheduler, step, warmup, end, rate, *shape, start)

    @property
    def last_step(self) -> int:
        """At which training ends: Max steps, or the end of the schedule if that comes before."""
        return min(self.max_train_steps, self.schedule.end)

    @cached_property
    def arguments(self) -> dict[str, Argument]:
        """Of the optimizer, all of them."""
        name = self.optimizer_type
        return read_arguments(self.optimizer_args, name, OPTIMIZERS[name].arguments)

    def timestep_range(self, step: int) -> tuple[float, float]:
        """From where to where timesteps are drawn, of 1,000, after `step` finished updates."""
        low, last = self.min_timestep, self.final_min_timestep
        if last < 0:
            return low, self.max_timestep
        return low + (last - low) * min(step / self.last_step, 1.0), self.max_timestep

    @cached_property
    def clip_limit(self) -> tuple[ClipMode, Schedule | None]:
        """What the two spellings of gradient clipping mean; no schedule where it is disabled."""
        mode, text = self.clip_grad_mode, self.clip_grad_value
        if self.max_grad_norm:
            mode, text = "norm", repr(self.max_grad_norm)
        if mode == "disabled":
            return mode, None
        limit = parse_schedule(text, self.max_train_steps, "clip_grad_value")
        return mode, limit.held(self.max_train_steps)
