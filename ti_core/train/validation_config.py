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
        "is learned; 0 disables, or leaves it to stopping when nothing more is learned",
        label="Validate every N steps, 0 to disable",
        unit="steps",
        limits=(0, None),
    )
    early_stopping: bool = newer(
        False,
        "end the run when the validation loss has come to rest (DVAR, Voronov et al. 2023); the "
        "best copy is kept as NAME-best",
        label="Stop when nothing more is learned",
    )
    early_stopping_patience: int = newer(
        200,
        "steps over which the validation loss must be at rest",
        label="Steps at rest before stopping",
        unit="steps",
        limits=(1, 1_000_000),
        advanced=True,
    )
    early_stopping_threshold: float = newer(
        0.15,
        "what counts as rest: the variance of the validation loss over those steps is less than "
        "this part of its variance since the start",
        label="Threshold of rest",
        limits=(0, 1),
        advanced=True,
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

    @property
    def every(self) -> int:
        """Steps from one validation to the next; 0 for none. Where only early stopping needs them,
        twenty of them see it come to rest."""
        usual = max(1, self.early_stopping_patience // 20) if self.early_stopping else 0
        return self.validate_every_n_steps or usual

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one(self, "validation_split", "validation_data_dir")
