"""What a model can be asked to compute in; free of torch, so that a command line starts at once."""

from __future__ import annotations

from typing import Literal

Precision = Literal["no", "fp16", "bf16"]
"""kohya's and accelerate's names; "no" is plain fp32."""
PrecisionChoice = Literal["auto", "no", "fp16", "bf16"]
"""As a user writes it; "auto" is `Features.precision` of the host."""
