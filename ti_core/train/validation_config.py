"""Settings of validation: how a run is judged while it trains, and when it ends by itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import Checked, newer, require_one, unrecorded

LEAST = 4
"""Validations in each of the means that early stopping compares; fewer say little."""


@dataclass(frozen=True)
class ValidationConfig(Checked):
    """kohya's names, where it has the setting."""

    title = "Validation"
    validate_every_n_steps: int = unrecorded(
        0,
        "compute a validation loss every N steps, on the same images, noise and timesteps "
        "each time; takes about 5 % of the time and does not change the training; 0 disables, "
        "unless early stopping needs it",
        label="Validate every N steps, 0 to disable",
        unit="steps",
        limits=(0, None),
    )
    early_stopping: bool = newer(
        False,
        "end the run when the validation loss no longer falls; a learning rate with a decay is "
        "constant until then, and decays over as many further steps as the patience; the best "
        "copy is saved as NAME-best",
        label="Stop when nothing more is learned",
    )
    early_stopping_patience: int = newer(
        200,
        "early stopping compares the mean validation loss of the last N steps with that of the N "
        "steps before",
        label="Early stopping patience",
        unit="steps",
        limits=(1, 1_000_000),
        advanced=True,
    )
    early_stopping_threshold: float = newer(
        0.003,
        "early stopping ends the run when the mean validation loss has fallen by less than this "
        "fraction; 0.003 is 0.3 %",
        label="Early stopping threshold",
        limits=(0, 1),
        advanced=True,
    )
    max_validation_steps: int = unrecorded(
        0,
        "maximum number of batches in a validation; 0: as many as 5 % of the time allows",
        label="Batches in a validation",
        limits=(0, 10_000),
        advanced=True,
    )
    validation_split: float = newer(
        0.0,
        "fraction of the images to hold out for validation; 0.2 is one of five",
        label="Fraction held out for validation",
        limits=(0, 0.9),
        advanced=True,
    )
    validation_data_dir: str = unrecorded(
        "",
        "folder of other images of the same thing, for validation only",
        label="Validation directory",
        path="input folder",
        advanced=True,
    )

    @property
    def every(self) -> int:
        """Steps from one validation to the next; 0 for none. Where only early stopping needs them,
        each of the means that it compares is that of a few: the fewer, the more images each has."""
        usual = max(1, self.early_stopping_patience // LEAST) if self.early_stopping else 0
        return self.validate_every_n_steps or usual

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one(self, "validation_split", "validation_data_dir")
