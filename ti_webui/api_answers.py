"""Jobs, errors and notices as `/ti/v1` tells them."""

from __future__ import annotations

import dataclasses
import math

from ti_core import options
from ti_core.port.session import ModelFacts
from ti_core.train.config import TrainConfig
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig

from .job import Job


def stands(job: Job) -> object:
    """A job as JSON; the curve of the loss is in its events."""
    progress = dataclasses.asdict(job.progress)
    progress.pop("losses")
    progress["error"] = worded(job.progress.error)
    told = {
        "id": job.id,
        "kind": job.kind,
        "name": job.name,
        **progress,
        "seconds_left": job.progress.seconds_left,
    }
    return plain(told)


def of_model(facts: ModelFacts | None) -> dict[str, object] | None:
    """The loaded model; None while there is none."""
    if facts is None:
        return None
    return {
        "family": facts.family.id,
        "prediction": facts.diffusion.prediction,
        "resolution": facts.resolution,
        "name": facts.checkpoint_name,
        "hash": facts.checkpoint_hash,
        "encoders": [dataclasses.asdict(encoder) for encoder in facts.encoders],
    }


def plain(value: object) -> object:
    """JSON values, errors and notices in them in an API's words; None for numbers that are none."""
    if isinstance(value, dict):
        told = {"what", "why", "fix"} & value.keys()
        return {k: worded(v) if k in told else plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def worded(text: str) -> str:
    """Settings as somebody writes them who asks: "train_data_dir"."""
    return options.with_names(text, _NAMES.get)


_NAMES = options.setting_names(lambda name, _: f'"{name}"', HypernetworkTrainConfig, TrainConfig)
