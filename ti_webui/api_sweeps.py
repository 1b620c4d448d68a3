"""The part of `/ti/v1` that is about sweeps."""

from __future__ import annotations

from collections.abc import Mapping

from ti_core.errors import ConfigError
from ti_core.options import SettingValues
from ti_core.train.sweep_choices import Choices

from .api_answers import stands
from .api_bodies import only, settings_in
from .studio import Studio
from .sweeping import resume_sweep, start_sweep, sweep_variants
from .training import settings_of_page


class SweepApi:
    """What each route does."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def start(self, body: SettingValues) -> object:
        """{"settings": {name: value}, "grid": {name: [values]}, "variants": [{name: value}]} trains
        once for each combination, one after the other, as one job; {"resume": folder's name, or
        "latest"} continues a sweep."""
        only(body, ("settings", "grid", "variants", "resume"))
        given = settings_in(body.get("settings", {}))
        settings = {**settings_of_page(self.studio), **given}
        if body.get("resume"):
            logs = str(settings["logging_dir"])
            return stands(resume_sweep(self.studio, logs, str(body["resume"])))
        variants = sweep_variants(self.studio, settings, _choices(body))
        return stands(start_sweep(self.studio, variants))


def _choices(body: SettingValues) -> Choices:
    grid, listed = body.get("grid", {}), body.get("variants", [])
    if not isinstance(grid, Mapping) or not all(isinstance(one, list) for one in grid.values()):
        fix = 'write {"grid": {"NAME": [VALUE, VALUE]}}'
        raise ConfigError("grid is not an object of lists", "", fix)
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        fix = 'write {"variants": [{"NAME": VALUE}]}'
        raise ConfigError("variants is not a list of objects", "", fix)
    return Choices(grid, listed)
