"""From the body of a request to the training that it asks for."""

from __future__ import annotations

from ti_core import options
from ti_core.errors import ConfigError, EmbeddingError
from ti_core.train.config import TrainConfig
from ti_core.train.presets import preset_settings

from .api_bodies import only, settings_in
from .studio import Studio
from .training import (
    TrainRequest,
    find_embedding,
    find_resumable,
    new_request,
    resume_request,
    settings_of_page,
    train_again,
)

_BEGINNINGS = ("preset", "again", "resume")
"""What a training may take its settings from, one of them."""


class Orders:
    """What bodies ask for, in the surroundings of a panel."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def order(self, body: options.SettingValues) -> TrainRequest:
        """What a body asks for; see `start`."""
        only(body, ("settings", *_BEGINNINGS))
        if len(chosen := [name for name in _BEGINNINGS if body.get(name)]) > 1:
            what = " and ".join(f'"{name}"' for name in chosen)
            raise ConfigError(f"{what} are both given", "", "choose one")
        given = settings_in(body.get("settings", {}))
        below = {**settings_of_page(self.studio), **self.preset(body, given)}
        settings = {**below, **self._again(body), **given}
        if body.get("resume"):
            name = str(body["resume"])
            found = find_resumable(self.studio, name, str(settings["logging_dir"]))
            return resume_request(found, name, given)
        return new_request(self.studio, options.make_config(TrainConfig, settings))

    def preset(
        self, body: options.SettingValues, given: options.SettingValues
    ) -> options.SettingValues:
        """The settings of the preset that a body names; none where it names none."""
        name, folder = body.get("preset"), given.get("train_data_dir")
        if name is None:
            return {}
        places, facts = self.studio.places(), self.studio.facts()
        there = str(places.folder(folder, "train_data_dir")) if isinstance(folder, str) else ""
        return preset_settings(str(name), facts.family if facts else None, there)

    def _again(self, body: options.SettingValues) -> options.SettingValues:
        if not body.get("again"):
            return {}
        name = str(body["again"])
        found = find_embedding(self.studio, name)
        if found is None:
            raise EmbeddingError(f"there is no embedding {name}", "", "check the name")
        return train_again(self.studio, found)
