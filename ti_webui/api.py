"""`/ti/v1/…`: the panel's jobs for programs, with job ids and real status codes.

    GET  /ti/v1/schema                  settings with range and help, presets, facts of the model
    POST /ti/v1/jobs                    begin a training → 202 and its id
    GET  /ti/v1/embeddings              ?after=N&limit=M: all of them, loaded or skipped, and why
    POST /ti/v1/embeddings              make an embedding from words → 201
    GET  /ti/v1/hypernetworks           those in the program's folder
    POST /ti/v1/hypernetworks           make one that is not trained → 201
    POST /ti/v1/hypernetworks/jobs      begin a training of one → 202 and its id
    GET  /ti/v1/replaced                copies of embeddings that were replaced, newest first
    POST /ti/v1/replaced                {"file": one of them}: bring it back
    GET  /ti/v1/jobs                    running and remembered jobs, newest first
    GET  /ti/v1/jobs/{id}               how one stands
    GET  /ti/v1/jobs/{id}/events        ?after=N: its events from number N on
    GET  /ti/v1/jobs/{id}/previews/{n}  its nth picture, a PNG
    POST /ti/v1/jobs/{id}/{wish}        stop, pause, go_on, save or preview

Errors are {"what", "why", "fix"}, with the status that `ti_core.errors.CODES` has for their class.
Requests and answers are plain JSON: no model class of pydantic is declared, so that any version of
it will do. Bodies are read here, when it is known who asks; FastAPI would read any size before.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import logging
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, params
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.requests import Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from ti_core import __version__, options
from ti_core.errors import (
    ConfigError,
    DataError,
    EmbeddingError,
    FileError,
    ForbiddenError,
    HostBusyError,
    HostError,
    LargeRequestError,
    MediaTypeError,
    NoModelError,
    NotFoundError,
    SlowRequestError,
    StorageError,
    TIError,
    codes_of,
    setting,
)
from ti_core.hypernetworks.reading import peek_hypernetwork
from ti_core.train.config import EmbeddingConfig, TrainConfig
from ti_core.train.hypernetwork_config import HypernetworkConfig, HypernetworkTrainConfig
from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS, hypernetwork_preset
from ti_core.train.presets import PRESETS, preset_settings
from ti_core.web import read_object

from .api_schema import (
    CREATED,
    HYPERNETWORK_CREATED,
    RESTORED,
    embedding_schema,
    hypernetwork_job_schema,
    hypernetwork_schema,
    job_schema,
    library_schema,
    open_settings,
    setting_schema,
)
from .creation import start_creation
from .hypernetworks import (
    known_hypernetworks,
    resume_hypernetwork,
    start_hypernetwork_creation,
    start_hypernetwork_training,
)
from .job import Job
from .listing import MOST_LISTED, listing
from .restoring import replaced, restore
from .studio import Studio
from .training import (
    find_embedding,
    find_resumable,
    new_request,
    resume_request,
    settings_of_page,
    start_training,
    train_again,
)

WISHES: dict[str, str] = {
    "stop": "finish",
    "pause": "pause",
    "go_on": "go_on",
    "save": "save_now",
    "preview": "preview_now",
}
"""Last part of the address → method of the job's control."""
_BEGINNINGS = ("preset", "again", "resume")
"""What a training may take its settings from, one of them."""
_OF_BODIES = (LargeRequestError, SlowRequestError, MediaTypeError, ConfigError)
_ERROR = {
    "type": "object",
    "required": ["what", "why", "fix"],
    "properties": {part: {"type": "string"} for part in ("what", "why", "fix")},
}
_LONGEST = 2000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Way:
    """A route: what is asked, who answers, and which errors that may have."""

    method: str
    path: str
    answer: Callable[..., object]
    errors: tuple[type[TIError], ...] = ()
    status: int = 200
    body: Mapping[str, object] | None = None
    """JSON schema of the body, where there is one."""
    told: Mapping[str, object] | None = None
    """JSON schema of the answer, where it is promised."""

    @property
    def responses(self) -> dict[int | str, dict[str, Any]]:
        """Status → what OpenAPI says of it; "default" keeps FastAPI from adding a 422."""
        every = (*self.errors, *(_OF_BODIES if self.body else ()), ForbiddenError)
        asked = inspect.signature(self.answer).parameters.values()
        if any(each.annotation == "int" for each in asked):
            every = (*every, ConfigError)  # for what is no number
        found: dict[int | str, list[str]] = {}
        for kind in every:
            said = (kind.__doc__ or "").partition("\n")[0]
            found.setdefault(codes_of(kind).http, []).append(said)
        found["default"] = ["500: a defect of the program; its console tells where."]
        content = {"application/json": {"schema": _ERROR}}
        answers: dict[int | str, dict[str, Any]] = {
            status: {"description": " ".join(dict.fromkeys(said)), "content": content}
            for status, said in found.items()
        }
        if self.told is not None:
            about = (self.answer.__doc__ or "").partition("\n")[0]
            promised = {"application/json": {"schema": self.told}}
            answers[self.status] = {"description": about, "content": promised}
        return answers

    @property
    def openapi(self) -> dict[str, Any] | None:
        """What FastAPI cannot know of it."""
        if self.body is None:
            return None
        return {"requestBody": {"content": {"application/json": {"schema": self.body}}}}


def router(studio: Studio, dependencies: Sequence[params.Depends] = ()) -> APIRouter:
    """The routes. `dependencies` are FastAPI's: a web UI gives its own check of `--api-auth`."""
    made = APIRouter(prefix="/ti/v1", dependencies=list(dependencies), route_class=_Route)
    for way in _ways(_Api(studio)):
        made.add_api_route(
            way.path,
            way.answer if way.body is None else _with_body(way.answer),
            methods=[way.method],
            status_code=way.status,
            response_model=None,
            response_class=_Json,
            responses=way.responses,
            openapi_extra=way.openapi,
        )
    return made


def _ways(api: _Api) -> tuple[_Way, ...]:
    unknown = (NotFoundError,)
    starting = (DataError, HostBusyError)
    making = (HostBusyError, NoModelError, StorageError)
    return (
        _Way("GET", "/schema", api.schema),
        _Way("GET", "/jobs", api.list),
        _Way("POST", "/jobs", api.start, starting, 202, job_schema()),
        _Way("GET", "/embeddings", api.library, told=library_schema()),
        _Way("POST", "/embeddings", api.create, making, 201, embedding_schema()),
        _Way("GET", "/hypernetworks", api.hypernetworks),
        _Way("POST", "/hypernetworks", api.create_hypernetwork, making, 201, hypernetwork_schema()),
        _Way(
            *("POST", "/hypernetworks/jobs", api.train_hypernetwork),
            *((HostBusyError, NoModelError), 202, hypernetwork_job_schema()),
        ),
        _Way("GET", "/replaced", api.replaced),
        _Way("POST", "/replaced", api.restore, (NotFoundError, StorageError), 200, RESTORED),
        _Way("GET", "/jobs/{job_id}", api.status, unknown),
        _Way("GET", "/jobs/{job_id}/events", api.events, unknown),
        _Way("GET", "/jobs/{job_id}/previews/{number}", api.preview, unknown),
        _Way("POST", "/jobs/{job_id}/{wish}", api.wish, (*unknown, HostError)),
    )


class _Json(JSONResponse):
    """JSON in ASCII: names of files that are not UTF-8 are half characters, which only \\u can
    tell."""

    def render(self, content: object) -> bytes:
        """The bytes."""
        return json.dumps(content, default=str).encode("ascii")


class _Route(APIRoute):
    """Every error as JSON with a status of its own, FastAPI's and unforeseen ones too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except TIError as error:
                return _refused(error)
            except RequestValidationError as error:
                found = error.errors()[0]
                where = ".".join(map(str, found.get("loc", ())[1:]))
                return _refused(ConfigError(f"{where} is wrong", str(found.get("msg", ""))))
            except ClientDisconnect:
                return _refused(SlowRequestError("the visitor has gone"))
            except HTTPException:
                raise  # of the web UI's own checks
            except Exception as error:
                _log.exception("%s %s failed", request.method, request.url.path)
                what = f"{type(error).__name__}: {error}"
                return _Json(_told(TIError(what, "a defect of the program")), status_code=500)

        return answered


def _refused(error: TIError) -> Response:
    return _Json(_told(error), status_code=codes_of(type(error)).http)


def _told(error: TIError) -> dict[str, str]:
    """The parts of an error; what a request said is quoted in them, at length if it was long."""
    known = error.reworded(_worded)
    parts = {"what": known.what, "why": known.why, "fix": known.fix}
    return {name: text[:_LONGEST] for name, text in parts.items()}


def _with_body(answer: Callable[[options.SettingValues], object]) -> Callable[..., object]:
    """A route's function that reads the body itself."""

    async def answered(request: Request) -> object:
        body = await read_object(request.headers, request.stream())
        return await run_in_threadpool(answer, body)

    answered.__name__, answered.__doc__ = answer.__name__, answer.__doc__
    return answered


class _Api:
    """What each route does."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def schema(self) -> object:
        """Everything that can be set, and the model that it is for."""
        return {
            "version": __version__,
            "train": [setting_schema(path, item) for path, item in open_settings()],
            "presets": [
                {
                    "name": name,
                    "about": preset.about,
                    "settings": self._preset({"preset": name}, {}),
                }
                for name, preset in PRESETS.items()
            ],
            "hypernetwork": [
                setting_schema(path, item, HypernetworkTrainConfig)
                for path, item in open_settings(HypernetworkTrainConfig)
            ],
            "hypernetwork_presets": [
                {"name": name, "about": preset.about, "settings": preset.settings}
                for name, preset in HYPERNETWORK_PRESETS.items()
            ],
            "model": _model(self.studio),
        }

    def list(self) -> object:
        """Jobs, newest first."""
        return [_stands(job) for job in self.studio.jobs.list()]

    def start(self, body: options.SettingValues) -> object:
        """{"settings": {name: value}} begins anew, with "preset": name on top of its settings;
        {"again": name} has the settings that the file of an embedding tells, for another one;
        {"resume": name, "settings": …} goes on."""
        _only(body, ("settings", *_BEGINNINGS))
        if len(chosen := [name for name in _BEGINNINGS if body.get(name)]) > 1:
            what = " and ".join(f'"{name}"' for name in chosen)
            raise ConfigError(f"{what} are both given", "", "choose one")
        given = _settings(body.get("settings", {}))
        below = {**settings_of_page(self.studio), **self._preset(body, given)}
        settings = {**below, **self._again(body), **given}
        if body.get("resume"):
            name = str(body["resume"])
            found = find_resumable(self.studio, name, str(settings["logging_dir"]))
            order = resume_request(found, name, _whole(settings.get("max_train_steps", 0)))
        else:
            order = new_request(self.studio, options.make_config(TrainConfig, settings))
        return _stands(start_training(self.studio, order))

    def _preset(
        self, body: options.SettingValues, given: options.SettingValues
    ) -> options.SettingValues:
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

    def library(self, after: int = 0, limit: int = MOST_LISTED) -> object:
        """{"embeddings": […], "total": their number, "next": what to ask `after` for more}"""
        facts, listed = self.studio.facts(), listing(self.studio)
        first, last = max(0, after), max(0, after) + min(max(1, limit), MOST_LISTED)
        return {
            "embeddings": [each.told(facts) for each in listed[first:last]],
            "total": len(listed),
            "next": last if last < len(listed) else None,
        }

    def create(self, body: options.SettingValues) -> object:
        """EmbeddingConfig's settings, and "overwrite"."""
        wanted, overwrite = _with_overwrite(body, CREATED)
        job = start_creation(self.studio, options.from_dict(EmbeddingConfig, wanted), overwrite)
        return {"name": job.name, "path": str(job.outcome())}

    def hypernetworks(self) -> object:
        """Those in the program's folder, by name; of one that cannot be used, the reason."""
        return [_told_of(name, path) for name, path in known_hypernetworks(self.studio).items()]

    def create_hypernetwork(self, body: options.SettingValues) -> object:
        """HypernetworkConfig's settings, and "overwrite"."""
        wanted, overwrite = _with_overwrite(body, HYPERNETWORK_CREATED)
        config = options.from_dict(HypernetworkConfig, wanted)
        job = start_hypernetwork_creation(self.studio, config, overwrite)
        return {"name": job.name, "path": str(job.outcome())}

    def train_hypernetwork(self, body: options.SettingValues) -> object:
        """{"settings": {name: value}} begins one, or goes on with the one of that name from its
        step, with "preset": name below its settings; {"resume": name, "settings": …} goes on with
        a run exactly where it stopped."""
        _only(body, ("settings", "preset", "resume"))
        given = _settings(body.get("settings", {}), HypernetworkTrainConfig)
        below = settings_of_page(self.studio)
        del below["sample_prompts"]
        if body.get("resume"):
            logs = str({**below, **given}["logging_dir"])
            steps = _whole(given.get("max_train_steps", 0))
            return _stands(resume_hypernetwork(self.studio, str(body["resume"]), logs, steps))
        preset = hypernetwork_preset(str(body["preset"])).settings if body.get("preset") else {}
        settings = {**below, **preset, **given}
        config = options.make_config(HypernetworkTrainConfig, settings)
        return _stands(start_hypernetwork_training(self.studio, config))

    def replaced(self) -> object:
        """What can be brought back, newest first."""
        found = replaced(self.studio)
        return [
            {"file": file, "original": str(kept.original), "number": kept.number, "told": kept.told}
            for file, kept in found.items()
        ]

    def restore(self, body: options.SettingValues) -> object:
        """{"file": a copy}: it becomes the embedding again; what is there becomes a copy."""
        _only(body, ("file",))
        return {"path": str(restore(self.studio, str(body.get("file", ""))))}

    def status(self, job_id: str) -> object:
        """How a job stands."""
        return _stands(self._job(job_id))

    def events(self, job_id: str, after: int = 0) -> object:
        """{"events": […], "next": what to ask `after` with the next time}"""
        events, number = self._job(job_id).events(max(0, after))
        told = [json.loads(event.to_json()) for event in events]
        return {"events": _plain(told), "next": number}

    def preview(self, job_id: str, number: int) -> object:
        """A picture that the job made."""
        previews = self._job(job_id).progress.previews
        if not 0 <= number < len(previews) or not previews[number].path.is_file():
            raise NotFoundError(f"there is no preview {number}")
        return FileResponse(previews[number].path, media_type="image/png")

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


def _with_overwrite(
    body: options.SettingValues, known: Sequence[str]
) -> tuple[options.SettingValues, bool]:
    """The settings, and whether to replace what is there."""
    _only(body, (*known, "overwrite"))
    wanted = dict(body)
    overwrite = wanted.pop("overwrite", False)
    if not isinstance(overwrite, bool):
        raise ConfigError(f"{setting('overwrite')} is {overwrite!r}", "", "give true or false")
    return wanted, overwrite


def _settings(given: object, kind: type = TrainConfig) -> options.SettingValues:
    """Settings by their names; those that other programs use are known as well."""
    if not isinstance(given, Mapping):
        raise ConfigError("settings are no object", "", 'write {"settings": {"NAME": VALUE}}')
    names: dict[str, str] = {}
    for _, item in open_settings(kind):
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


def _stands(job: Job) -> object:
    """A job as JSON; the curve of the loss is in its events."""
    progress = dataclasses.asdict(job.progress)
    progress.pop("losses")
    progress["error"] = _worded(job.progress.error)
    told = {
        "id": job.id,
        "kind": job.kind,
        "name": job.name,
        **progress,
        "seconds_left": job.progress.seconds_left,
    }
    return _plain(told)


def _plain(value: object) -> object:
    """JSON values, errors and notices in them in an API's words; None for numbers that are none."""
    if isinstance(value, dict):
        told = {"what", "why", "fix"} & value.keys()
        return {k: _worded(v) if k in told else _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _worded(text: str) -> str:
    """Settings as somebody writes them who asks: "train_data_dir"."""
    return options.with_names(text, _NAMES.get)


_NAMES = options.setting_names(lambda name, _: f'"{name}"', HypernetworkTrainConfig, TrainConfig)
