"""`ti hypernetwork`: create and train hypernetworks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..files.kept import kept_option
from ..options import Checked, make_config, nearest, option
from ..train.hypernetwork_config import HypernetworkConfig, HypernetworkTrainConfig
from .options import OptionParser
from .preset import HypernetworkPresetConfig
from .standalone import ModelConfig, open_host
from .sweep import run_sweep, sweep_options
from .telling import answer, remark_on
from .train import HYPERNETWORK, RunConfig, run_training

if TYPE_CHECKING:
    from ..port.session import Host

_CREATE = """Make a hypernetwork that changes almost nothing until it is trained: modules for the
widths of a model's attention. With --enable_sizes no model is needed."""
_TRAIN = """Teach a model a style, or anything else, by a hypernetwork: modules before the keys and
values of every attention, which prompts switch on with <hypernet:NAME:1>. The model stays as it
is. The file is for AUTOMATIC1111, ComfyUI and ti generate; other programs do not use
hypernetworks."""
_USAGE = """usage: ti hypernetwork create --name NAME [options]
       ti hypernetwork train --name NAME --train_data_dir FOLDER [options]
       ti hypernetwork sweep --sweep NAME=VALUE,VALUE [options of train]

ti hypernetwork create --help, train --help and sweep --help list their options."""
SWEPT = (HypernetworkTrainConfig, HypernetworkPresetConfig)
"""The config classes whose settings a sweep of hypernetworks may vary."""


@dataclass(frozen=True)
class HypernetworkPlaceConfig(Checked):
    """Where the new file goes."""

    title = "File"
    output_dir: str = option(
        "hypernetworks",
        "folder for the hypernetwork",
        label="Hypernetworks directory",
        path="output folder",
    )
    overwrite: bool = option(
        False, "replace a hypernetwork of that name", label="Overwrite Old Hypernetwork"
    )
    keep_replaced: int = kept_option()


@dataclass(frozen=True)
class SeedConfig(Checked):
    """Where randomness begins."""

    title = "Seed"
    seed: int = option(0, "same seed, same weights", label="Seed", limits=(0, 2**63 - 1))


def create_parser() -> OptionParser:
    """All options of `ti hypernetwork create`."""
    kinds = (ModelConfig, HypernetworkConfig, SeedConfig, HypernetworkPlaceConfig)
    return OptionParser("ti hypernetwork create", _CREATE, *kinds, usage="--name NAME [options]")


def train_parser() -> OptionParser:
    """All options of `ti hypernetwork train`."""
    usage = "--pretrained_model_name_or_path MODEL --train_data_dir FOLDER --name NAME [options]"
    kinds = (ModelConfig, HypernetworkTrainConfig, HypernetworkPresetConfig, RunConfig)
    return OptionParser("ti hypernetwork train", _TRAIN, *kinds, usage=usage)


def sweep_parser() -> OptionParser:
    """All options of `ti hypernetwork sweep`."""
    return sweep_options("ti hypernetwork sweep", SWEPT)


def run(argv: Sequence[str]) -> int:
    """Create, train or sweep; returns the exit code."""
    verb = argv[0] if argv else "--help"
    if verb in ("-h", "--help", "help"):
        answer(_USAGE)
        return 0
    verbs = {"create": _create, "train": _train, "sweep": _sweep}
    if verb not in verbs:
        fix = nearest(verb, list(verbs)) or "see ti hypernetwork --help"
        raise ConfigError(f"there is no command ti hypernetwork {verb}", "", fix)
    return verbs[verb](argv[1:])


def _create(argv: Sequence[str]) -> int:
    typed = create_parser().read(argv)
    place = make_config(HypernetworkPlaceConfig, typed)
    config = make_config(HypernetworkConfig, typed)
    model, seed = make_config(ModelConfig, typed), make_config(SeedConfig, typed).seed
    from ..train.hypernetwork_create import create_hypernetwork

    path = create_hypernetwork(
        config,
        _host(model, config),
        Path(place.output_dir),
        seed,
        place.overwrite,
        place.keep_replaced,
        remark_on,
    )
    answer(path)
    return 0


def _host(model: ModelConfig, config: HypernetworkConfig) -> Host | None:
    """None where the settings say what the model would be asked for."""
    named = model.pretrained_model_name_or_path
    return open_host(model) if named or not (config.sizes or config.weights) else None


def _train(argv: Sequence[str]) -> int:
    return run_training(train_parser().read(argv), HYPERNETWORK)


def _sweep(argv: Sequence[str]) -> int:
    return run_sweep(sweep_parser().read(argv), HYPERNETWORK, SWEPT)
