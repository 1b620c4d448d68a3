"""`ti check`: what is wrong with a dataset, before time is spent on it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, DataError, EmbeddingError
from ..options import Checked, make_config, option
from ..train.config import TrainConfig
from .options import OptionParser, path_argument
from .plain import plain, with_flags
from .preset import PresetConfig, train_config
from .standalone import ModelConfig, open_host
from .telling import answer

if TYPE_CHECKING:
    from ..checkup.finding import Finding
    from ..checkup.inputs import CheckupInput
    from ..checkup.run import Report
    from ..port.session import Host
    from ..train.dry_run import TrainingPrompt

_ABOUT = """Check every image and caption of a folder for what would spoil the training. This
takes seconds and writes nothing. It accepts all options of ti train, so that the same command line
can be checked and then run. With a model, tokens are counted, and those of the first three prompts
are printed. Exit code 1 means errors."""
_NAMES_SHOWN = 5
_FINDINGS_SHOWN = 3
"""Of one rule."""


@dataclass(frozen=True)
class CheckConfig(Checked):
    """How the dataset is checked, and how the report is printed."""

    title = "Checkup"
    json: bool = option(False, "print one JSON object", label="JSON")
    mirrored: bool = option(
        False,
        "check whether mirrored copies of the images would do harm",
        label="Mirrored copies",
    )


def parser() -> OptionParser:
    """All options of `ti check`."""
    usage = (
        "FOLDER [--token_string NAME] [--pretrained_model_name_or_path MODEL] [options of ti train]"
    )
    made = OptionParser(
        "ti check",
        _ABOUT,
        *(CheckConfig, ModelConfig, TrainConfig, PresetConfig),
        usage=usage,
        foreign=True,
    )
    made.add_argument("folder", nargs="?", type=path_argument, metavar="FOLDER", help="the images")
    return made


def run(argv: Sequence[str]) -> int:
    """Check; returns the exit code."""
    typed = parser().read(argv)
    config = make_config(CheckConfig, typed)
    inputs, plan, host = _aim(typed, config)
    from ..checkup.run import check_folder

    report = check_folder(inputs)
    prompts = _prompts(plan, host) if host else []
    if config.json:
        answer(json.dumps({**report.to_dict(), "prompts": [_as_json(each) for each in prompts]}))
    else:
        answer("\n".join([_spelled(report), *(plain(line) for line in _dumped(prompts))]))
    return 0 if report.ok else 1


def _prompts(plan: TrainConfig, host: Host) -> list[TrainingPrompt]:
    """None where there is nothing to train on: the report says why."""
    from ..train.dry_run import first_prompts

    try:
        return first_prompts(plan, host)
    except (DataError, EmbeddingError):
        return []


def _as_json(shown: TrainingPrompt) -> dict[str, object]:
    return {
        "picture": shown.path.name,
        "prompt": shown.prompt,
        "tokens": shown.tokens,
        "token_ids": shown.token_ids,
        "capacity": shown.capacity,
    }


def _dumped(prompts: Sequence[TrainingPrompt]) -> Iterator[str]:
    """What the text encoder gets for the first images, token by token."""
    if prompts:
        yield from ("", f"prompts of the first {len(prompts)} image(s), and their tokens:")
    for shown in prompts:
        yield f"    {shown.path.name}: {shown.prompt}"
        yield f"        {' '.join(shown.tokens)}"
        yield f"        {len(shown.token_ids)} of {shown.capacity} tokens used"


def _aim(
    typed: dict[str, Any], config: CheckConfig
) -> tuple[CheckupInput, TrainConfig, Host | None]:
    """What is checked, the run that is planned, and the model if there is one."""
    from ..files.reading import read_embedding
    from ..files.roots import present_folder
    from ..train.preflight import checkup_input

    if typed.get("words"):
        fix = "check the folder of each: ti check FOLDER --token_string NAME"
        raise ConfigError("ti check looks at the images of one word", "", fix)
    folder = typed.pop("folder", None)
    if folder and typed.get("train_data_dir"):
        raise ConfigError("two folders are given", "", "leave --train_data_dir out")
    if folder:
        typed["train_data_dir"] = str(folder)
    if not typed.get("train_data_dir") and not typed.get("dataset_config"):
        raise ConfigError("no folder is given", "", "write ti check FOLDER")
    named = bool(typed.get("token_string"))
    known = typed if named else {**typed, "token_string": "unnamed"}
    plan = train_config(known)
    if plan.validation.validation_data_dir:
        present_folder(plan.validation.validation_data_dir, "validation_data_dir")
    if plan.embedding.weights:
        read_embedding(Path(plan.embedding.weights))  # as ti train would
    model = make_config(ModelConfig, typed)
    free = _free_memory(model.device)
    host = open_host(model) if model.pretrained_model_name_or_path else None
    plan = _in_steps(train_config(known, host=host), host)
    taken = () if plan.output.overwrite else _embeddings_in(Path(plan.output.output_dir))
    inputs = checkup_input(plan, host, taken, free, config.mirrored)
    return inputs if named else dataclasses.replace(inputs, name=""), plan, host


def _in_steps(plan: TrainConfig, host: Host | None) -> TrainConfig:
    """A length in epochs as steps; as it is where images cannot be read: the report says why."""
    from ..train.plan import foreseen_in_steps
    from ..train.preflight import ASSUMED

    side = host.describe().resolution if host else ASSUMED.release().resolution
    try:
        return foreseen_in_steps(plan, side)
    except DataError:
        return plan


def _embeddings_in(folder: Path) -> tuple[str, ...]:
    from ..files.library import Library

    library = Library([folder] if folder.is_dir() else [])
    library.refresh()
    return tuple(entry.name for entry in library.entries)


def _free_memory(device: str) -> int | None:
    """Of the graphics card, else of the machine where Linux tells; None is unknown."""
    import torch

    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None
    if device == "mps" or not sys.platform.startswith("linux"):
        return None
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _spelled(report: Report) -> str:
    counts = [f"{sum(f.severity == kind for f in report.findings)} {kind}(s)" for kind in _COUNTED]
    lines = [f"{report.folder}: {report.pictures} image(s), {', '.join(counts)}"]
    for _, alike in itertools.groupby(report.findings, lambda finding: finding.rule):
        first, *others = alike
        for finding in (first, *others[: _FINDINGS_SHOWN - 1]):
            lines += ["", *_lines(finding)]
        more = len(others) + 1 - _FINDINGS_SHOWN
        lines += ["", f"… and {more} more of this kind; --json lists all"] if more > 0 else []
    return "\n".join(with_flags(line) for line in lines)


_COUNTED = ("error", "warning", "hint")


def _lines(finding: Finding) -> list[str]:
    lines = [f"{finding.severity} [{finding.rule}] {finding.what}"]
    lines += [f"    why: {finding.why}"] if finding.why else []
    lines += [f"    do:  {finding.fix}"] if finding.fix else []
    more = len(finding.files) - _NAMES_SHOWN
    names = ", ".join(finding.files[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return [*lines, f"    in:  {names}"] if finding.files else lines
