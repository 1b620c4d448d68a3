"""`/ti/v1/…`: the panel's jobs for programs, with job ids and real status codes.

    GET  /ti/v1/schema                  every setting, its range and help text; facts of the model
    POST /ti/v1/jobs                    begin a training → 202 and its id
    POST /ti/v1/embeddings              make an embedding from words → 201
    GET  /ti/v1/jobs                    running and remembered jobs, newest first
    GET  /ti/v1/jobs/{id}               how one stands
    GET  /ti/v1/jobs/{id}/events        ?after=N: its events from number N on
    GET  /ti/v1/jobs/{id}/previews/{n}  its nth picture, a PNG
    POST /ti/v1/jobs/{id}/{wish}        stop, pause, go_on, save or preview

Errors are {"what", "why", "fix"} with 404 for an unknown job, 409 while another job goes on, 422
for settings that are not possible. Requests and answers are plain JSON: no model class of pydantic
is declared, so that any version of it will do.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec

from fastapi import APIRouter, Body, params
from fastapi.responses import FileResponse, JSONResponse

from ti_core import __version__, options
from ti_core.errors import ConfigError, HostError, NotFoundError, TIError, codes_of, setting
from ti_core.train.config import EmbeddingConfig, TrainConfig

from .creation import start_creation
from .job import Job
from .studio import Studio
from .training import (
    SETTLED,
    find_resumable,
    new_request,
    resume_request,
    settings_of_page,
    start_training,
)

P = ParamSpec("P")
WISHES: dict[str, str] = {
    "stop": "finish",
    "pause": "pause",
    "go_on": "go_on",
    "save": "save_now",
    "preview": "preview_now",
}
"""Last part of the address → method of the job's control."""


def router(studio: Studio, dependencies: Sequence[params.Depends] = ()) -> APIRouter:
    """The routes. `dependencies` are FastAPI's: a web UI gives its own check of `--api-auth`."""
    made = APIRouter(prefix="/ti/v1", dependencies=list(dependencies))
    api = _Api(studio)
    for method, path, answer, status in (
        ("GET", "/schema", api.schema, 200),
        ("GET", "/jobs", api.list, 200),
        ("POST", "/jobs", api.start, 202),
        ("POST", "/embeddings", api.create, 201),
        ("GET", "/jobs/{job_id}", api.status, 200),
        ("GET", "/jobs/{job_id}/events", api.events, 200),
        ("GET", "/jobs/{job_id}/previews/{number}", api.preview, 200),
        ("POST", "/jobs/{job_id}/{wish}", api.wish, 200),
    ):
        made.add_api_route(path, answer, methods=[method], status_code=status, response_model=None)
    return made


def _answered(handler: Callable[P, object]) -> Callable[P, object]:
    """The same, with errors meant for users as JSON and a status of their own."""

    @functools.wraps(handler)
    def answered(*values: P.args, **named: P.kwargs) -> object:
        try:
            return handler(*values, **named)
        except TIError as error:
            told = {"what": error.what, "why": error.why, "fix": error.fix}
            return JSONResponse(told, status_code=codes_of(type(error)).http)

    return answered


class _Api:
    """What each route does."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    @_answered
    def schema(self) -> object:
        """Everything that can be set, and the model that it is for."""
        return {
            "version": __version__,
            "train": [_setting_schema(path, item) for path, item in _open_settings()],
            "model": _model(self.studio),
        }

    @_answered
    def list(self) -> object:
        """Jobs, newest first."""
        return [_stands(job) for job in self.studio.jobs.list()]

    @_answered
    def start(self, body: options.SettingValues = Body(default={})) -> object:  # noqa: B008
        """{"settings": {name: value}} begins anew, {"resume": name, "settings": …} goes on."""
        _only(body, ("settings", "resume"))
        settings = {**settings_of_page(self.studio), **_settings(body.get("settings", {}))}
        if body.get("resume"):
            name = str(body["resume"])
            found = find_resumable(self.studio, name, str(settings["logging_dir"]))
            order = resume_request(found, name, _whole(settings.get("max_train_steps", 0)))
        else:
            order = new_request(self.studio, options.make_config(TrainConfig, settings))
        return _stands(start_training(self.studio, order))

    @_answered
    def create(self, body: options.SettingValues = Body(default={})) -> object:  # noqa: B008
        """EmbeddingConfig's settings, and "overwrite"."""
        wanted = dict(body)
        overwrite = wanted.pop("overwrite", False) is True
        job = start_creation(self.studio, options.from_dict(EmbeddingConfig, wanted), overwrite)
        job.wait()
        if job.failure is not None:
            raise job.failure
        return {"name": job.name, "path": str(job.progress.result)}

    @_answered
    def status(self, job_id: str) -> object:
        """How a job stands."""
        return _stands(self._job(job_id))

    @_answered
    def events(self, job_id: str, after: int = 0) -> object:
        """{"events": […], "next": what to ask `after` with the next time}"""
        events, number = self._job(job_id).events(max(0, after))
        return {"events": [json.loads(event.to_json()) for event in events], "next": number}

    @_answered
    def preview(self, job_id: str, number: int) -> object:
        """A picture that the job made."""
        previews = self._job(job_id).progress.previews
        if not 0 <= number < len(previews) or not previews[number].path.is_file():
            raise NotFoundError(f"there is no preview {number}")
        return FileResponse(previews[number].path, media_type="image/png")

    @_answered
    def wish(self, job_id: str, wish: str) -> object:
        """Ask something of a job that goes on."""
        job = self._job(job_id)
        if wish not in WISHES:
            raise NotFoundError(f"no job can {wish!r}", "", options.nearest(wish, list(WISHES)))
        if job.progress.over:
            raise HostError(f"the job is over: {job.progress.state}")
        getattr(job.control, WISHES[wish])()
        return _stands(job)

    def _job(self, job_id: str) -> Job:
        job = self.studio.jobs.find(job_id)
        if job is None:
            raise NotFoundError(f"there is no job {job_id!r}")
        return job


def _open_settings() -> list[options.Leaf]:
    return [(path, item) for path, item in options.leaves(TrainConfig) if item.name not in SETTLED]


def _settings(given: object) -> options.SettingValues:
    """Settings by their names; those that other programs use are known as well."""
    if not isinstance(given, Mapping):
        raise ConfigError("settings are no object", "", 'write {"settings": {"NAME": VALUE}}')
    names: dict[str, str] = {}
    for _, item in _open_settings():
        names |= dict.fromkeys((item.name, *options.about(item).aliases), item.name)
    _only(given, tuple(names))
    return {names[name]: value for name, value in given.items()}


def _only(given: Mapping[str, object], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise ConfigError(f"unknown setting {name!r}", "", options.nearest(name, known))


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"{setting('max_train_steps')} is {value!r}", "", "give a whole number")
    return value


def _setting_schema(path: tuple[str, ...], item: dataclasses.Field[object]) -> dict[str, object]:
    holder = options.owner(TrainConfig, path)
    wanted, optional = options.value_type(holder, item)
    known = dataclasses.asdict(options.about(item))
    low, high = known.pop("limits")
    return {
        "name": item.name,
        "group": path[0],
        "type": getattr(wanted, "__name__", str(wanted)) if wanted in _SIMPLE else str(wanted),
        "optional": optional,
        "default": item.default,
        "choices": options.choices_of(holder, item),
        "low": low,
        "high": high,
        **known,
    }


_SIMPLE = (int, float, str, bool)


def _model(studio: Studio) -> dict[str, object] | None:
    """None while no model is loaded."""
    facts = studio.facts()
    if facts is None:
        return None
    return {
        "family": facts.family.id,
        "prediction": facts.diffusion.prediction,
        "resolution": facts.resolution,
        "name": facts.checkpoint_name,
        "hash": facts.checkpoint_hash,
        "encoders": [dataclasses.asdict(encoder) for encoder in facts.encoders],
    }


def _stands(job: Job) -> dict[str, object]:
    """A job as JSON; the curve of the loss is in its events."""
    progress = dataclasses.asdict(job.progress)
    progress.pop("losses")
    told = {
        "id": job.id,
        "kind": job.kind,
        "name": job.name,
        **progress,
        "seconds_left": job.progress.seconds_left,
    }
    return json.loads(json.dumps(told, default=str))
