"""The part of `/ti/v1` that is about hypernetworks."""

from __future__ import annotations

from pathlib import Path

from ti_core import options
from ti_core.errors import FileError
from ti_core.hypernetworks.reading import peek_hypernetwork
from ti_core.train.hypernetwork_config import HypernetworkConfig, HypernetworkTrainConfig
from ti_core.train.hypernetwork_presets import hypernetwork_preset

from .api_answers import stands
from .api_bodies import only, settings_in, with_overwrite
from .api_schema import HYPERNETWORK_CREATED
from .hypernetworks import (
    find_resumable_hypernetwork,
    known_hypernetworks,
    resume_hypernetwork,
    start_hypernetwork_creation,
    start_hypernetwork_training,
)
from .studio import Studio
from .training import settings_of_page


class HypernetworkApi:
    """What each route does."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def list(self) -> object:
        """Those in the program's folder, by name; of one that cannot be used, the reason."""
        return [_told_of(name, path) for name, path in known_hypernetworks(self.studio).items()]

    def create(self, body: options.SettingValues) -> object:
        """HypernetworkConfig's settings, and "overwrite"."""
        wanted, overwrite = with_overwrite(body, HYPERNETWORK_CREATED)
        config = options.from_dict(HypernetworkConfig, wanted)
        job = start_hypernetwork_creation(self.studio, config, overwrite)
        return {"name": job.name, "path": str(job.outcome())}

    def train(self, body: options.SettingValues) -> object:
        """{"settings": {name: value}} begins one, or continues the one of that name from its
        step, with "preset": name below its settings; {"resume": name, "settings": …} continues
        a run exactly where it stopped, with its own settings but for these."""
        only(body, ("settings", "preset", "resume"))
        given = settings_in(body.get("settings", {}), HypernetworkTrainConfig)
        below = settings_of_page(self.studio)
        del below["sample_prompts"]
        if body.get("resume"):
            logs = str({**below, **given}["logging_dir"])
            found = find_resumable_hypernetwork(self.studio, str(body["resume"]), logs)
            return stands(resume_hypernetwork(self.studio, found, given))
        preset = hypernetwork_preset(str(body["preset"])).settings if body.get("preset") else {}
        settings = {**below, **preset, **given}
        config = options.make_config(HypernetworkTrainConfig, settings)
        return stands(start_hypernetwork_training(self.studio, config))


def _told_of(name: str, path: Path) -> dict[str, object]:
    try:
        found = peek_hypernetwork(path)
    except FileError as error:
        return {"name": name, "file": str(path), "reason": str(error)}
    return {
        "name": name,
        "file": str(path),
        "widths": found.widths,
        "step": found.step,
        "structure": found.structure.spelled,
        "base_model": found.base_model,
    }
