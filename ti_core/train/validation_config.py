"""Settings of validation: how a run is judged while it trains, and when it ends by itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import Checked, newer, require_one, unrecorded


@dataclass(frozen=True)
class ValidationConfig(Checked):
    """kohya's names, where it has the setting."""

    title = "Validation"
    validate_every_n_steps: int = unrecorded(
        0,
        "every N steps compute a loss that can be compared from step to step: the same pictures, "
        "noise and timesteps each time; it takes about 5 % of the time, and does not change what "
        "is learned; 0 disables",
        label="Validate every N steps, 0 to disable",
        unit="steps",
        limits=(0, None),
    )
    max_validation_steps: int = unrecorded(
        0,
        "batches in one validation at most; 0 takes what 5 % of the time allows",
        label="Batches in a validation",
        limits=(0, 10_000),
        advanced=True,
    )
    validation_split: float = newer(
        0.0,
        "part of the pictures that is not trained on, to validate with them as well; 0.2 is one of "
        "five",
        label="Part held out for validation",
        limits=(0, 0.9),
        advanced=True,
    )
    validation_data_dir: str = unrecorded(
        "",
        "folder of other pictures of the same, which are not trained on, to validate with them",
        label="Validation directory",
        path="input folder",
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one(self, "validation_split", "validation_data_dir")
