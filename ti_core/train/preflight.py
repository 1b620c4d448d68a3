"""The dataset's checkup, before every training."""

from __future__ import annotations

from ..checkup.finding import Finding
from ..checkup.run import check_folder
from ..errors import DataError, setting
from ..events import Notice
from ..port.session import Host
from .checkup_input import checkup_input
from .config import BaseTrainConfig

PICTURES = 200
"""So many are looked at where there are more: a second or some."""
_REPORTED_ELSEWHERE = ("unreadable", "caption_unreadable", "trigger_is_word")
"""Training leaves such pictures out, and the plan says so, picture by picture."""


def checkup(config: BaseTrainConfig, host: Host) -> list[Notice]:
    """What the checkup warns of. Raises DataError for what would spoil the training."""
    report = check_folder(checkup_input(config, host, at_most=PICTURES))
    found = [finding for finding in report.findings if finding.rule not in _REPORTED_ELSEWHERE]
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        raise DataError(
            "; ".join(error.what for error in errors),
            "; ".join(error.why for error in errors if error.why),
            f"{errors[0].fix or 'see ti check'} ({setting('skip_checkup')} trains without it)",
        )
    return [_notice(finding) for finding in found if finding.severity == "warning"]


def _notice(finding: Finding) -> Notice:
    return Notice("warning", finding.what, finding.why, finding.fix)
