"""`/ti/v1/…`: the panel's jobs for programs, with job ids and real status codes.

    GET  /ti/v1/schema                  settings with range and help, presets, facts of the model
    POST /ti/v1/jobs                    begin a training → 202 and its id
    GET  /ti/v1/queue                   trainings that wait for their turn
    POST /ti/v1/queue                   as /jobs, after everything that runs or waits → 202
    POST /ti/v1/queue/change            {"stopped"}, or {"id", "places"}: stop it, or move one
    DELETE /ti/v1/queue/{id}            take one out
    GET  /ti/v1/embeddings              ?after=N&limit=M: all of them, loaded or skipped, and why
    POST /ti/v1/import-settings         {"name", "text"} of another program's settings file → ours
    POST /ti/v1/embeddings              make an embedding from words → 201
    POST /ti/v1/embeddings/rename       {"name", "new_name"}: rename it with all its files
    POST /ti/v1/embeddings/delete       {"name"}: move it into the bin
    GET  /ti/v1/embeddings/deleted      what is in the bin, newest first
    POST /ti/v1/embeddings/undo         {"file": one of them}: bring it back
    POST /ti/v1/embeddings/notes        {"name", "notes", …}: read or write what is noted of it
    GET  /ti/v1/hypernetworks           those in the program's folder
    POST /ti/v1/hypernetworks           make one that is not trained → 201
    POST /ti/v1/hypernetworks/jobs      begin a training of one → 202 and its id
    POST /ti/v1/sweeps                  begin several that differ in some settings → 202 and an id
    GET  /ti/v1/replaced                copies of embeddings that were replaced, newest first
    POST /ti/v1/replaced                {"file": one of them}: bring it back
    GET  /ti/v1/jobs                    running and remembered jobs, newest first
    GET  /ti/v1/jobs/{id}               how one stands
    GET  /ti/v1/jobs/{id}/events        ?after=N: its events from number N on
    GET  /ti/v1/jobs/{id}/previews/{n}  its nth image, a PNG
    POST /ti/v1/jobs/{id}/{wish}        stop, pause, go_on, save, preview, faster or slower
    POST /ti/v1/jobs/{id}/rate          {"factor": what the learning rate is multiplied by}

Errors are {"what", "why", "fix"}, with the status that `ti_core.errors.CODES` has for their class.
Requests and answers are plain JSON: no model class of pydantic is declared, so that any version of
it will do. Bodies are read here, when it is known who asks; FastAPI would read any size before.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
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
    TrainingError,
    codes_of,
)
from ti_core.train.config import EmbeddingConfig
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS
from ti_core.train.presets import PRESETS
from ti_core.web import read_object

from .api_answers import of_model, plain, stands, worded
from .api_bodies import only, with_overwrite
from .api_hypernetworks import HypernetworkApi
from .api_library import LibraryApi
from .api_orders import Orders
from .api_queue import QueueApi
from .api_schema import (
    CREATED,
    DELETED,
    IMPORTED,
    NOTED,
    QUEUED,
    RATE,
    RENAMED,
    RESTORED,
    embedding_schema,
    hypernetwork_job_schema,
    hypernetwork_schema,
    job_schema,
    library_schema,
    open_settings,
    setting_schema,
    sweep_schema,
)
from .api_sweeps import SweepApi
from .creation import start_creation
from .importing import imported
from .job import Job
from .listing import MOST_LISTED, listing
from .restoring import replaced, restore
from .studio import Studio
from .training import (
    start_training,
)

WISHES: dict[str, str] = {
    "stop": "finish",
    "finish_epoch": "finish_epoch",
    "pause": "pause",
    "go_on": "continue",
    "save": "save",
    "preview": "preview",
    "faster": "faster",
    "slower": "slower",
}
"""Last part of the address → what the job's control is asked."""
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
            every = (*every, ConfigError)  # for what is not a number
        found: dict[int | str, list[str]] = {}
        for kind in every:
            said = (kind.__doc__ or "").partition("\n")[0]
            found.setdefault(codes_of(kind).http, []).append(said)
        found["default"] = ["500: an internal error; the traceback is in the program's console."]
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
    apis = (_Api(studio), HypernetworkApi(studio), LibraryApi(studio), SweepApi(studio))
    for way in _ways(*apis):
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


def _ways(api: _Api, nets: HypernetworkApi, kept: LibraryApi, sweeps: SweepApi) -> tuple[_Way, ...]:
    queue, unknown = QueueApi(api.studio, api.orders.order), (NotFoundError,)
    starting = (DataError, HostBusyError)
    changing = (NotFoundError, HostBusyError, StorageError)
    sweeping = (*starting, *changing, TrainingError)
    making = (HostBusyError, NoModelError, StorageError)
    return (
        _Way("GET", "/schema", api.schema),
        _Way("GET", "/jobs", api.list),
        _Way("POST", "/jobs", api.start, starting, 202, job_schema()),
        _Way("GET", "/queue", queue.list),
        _Way("POST", "/queue", queue.add, starting, 202, job_schema()),
        _Way("POST", "/queue/change", queue.change, unknown, 200, QUEUED),
        _Way("DELETE", "/queue/{waiting_id}", queue.remove, unknown),
        _Way("POST", "/import-settings", api.import_settings, (FileError,), 200, IMPORTED),
        _Way("GET", "/embeddings", api.library, told=library_schema()),
        _Way("POST", "/embeddings", api.create, making, 201, embedding_schema()),
        _Way("POST", "/embeddings/rename", kept.rename, changing, 200, RENAMED),
        _Way("POST", "/embeddings/delete", kept.delete, changing, 200, DELETED),
        _Way("GET", "/embeddings/deleted", kept.deleted),
        _Way("POST", "/embeddings/undo", kept.undo, (NotFoundError, StorageError), 200, RESTORED),
        _Way("POST", "/embeddings/notes", kept.notes, (NotFoundError, StorageError), 200, NOTED),
        _Way("GET", "/hypernetworks", nets.list),
        _Way("POST", "/hypernetworks", nets.create, making, 201, hypernetwork_schema()),
        _Way(
            *("POST", "/hypernetworks/jobs", nets.train),
            *((HostBusyError, NoModelError), 202, hypernetwork_job_schema()),
        ),
        _Way("POST", "/sweeps", sweeps.start, sweeping, 202, sweep_schema()),
        _Way("GET", "/replaced", api.replaced),
        _Way("POST", "/replaced", api.restore, (NotFoundError, StorageError), 200, RESTORED),
        _Way("GET", "/jobs/{job_id}", api.status, unknown),
        _Way("GET", "/jobs/{job_id}/events", api.events, unknown),
        _Way("GET", "/jobs/{job_id}/previews/{number}", api.preview, unknown),
        _Way("POST", "/jobs/{job_id}/rate", api.rate, (*unknown, HostError), 200, RATE),
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
    known = error.reworded(worded)
    parts = {"what": known.what, "why": known.why, "fix": known.fix}
    return {name: text[:_LONGEST] for name, text in parts.items()}


def _with_body(answer: Callable[..., object]) -> Callable[..., object]:
    """A route's function that reads the body itself; parts of the address come behind it."""

    async def answered(request: Request) -> object:
        body = await read_object(request.headers, request.stream())
        return await run_in_threadpool(answer, body, **request.path_params)

    answered.__name__, answered.__doc__ = answer.__name__, answer.__doc__
    return answered


class _Api:
    """What each route does."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.orders = studio, Orders(studio)

    def schema(self) -> object:
        """Everything that can be set, and the model that it is for."""
        return {
            "version": __version__,
            "train": [setting_schema(path, item) for path, item in open_settings()],
            "presets": [
                {
                    "name": name,
                    "about": preset.about,
                    "settings": self.orders.preset({"preset": name}, {}),
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
            "model": of_model(self.studio.facts()),
        }

    def list(self) -> object:
        """Jobs, newest first."""
        return [stands(job) for job in self.studio.jobs.list()]

    def start(self, body: options.SettingValues) -> object:
        """{"settings": {name: value}} begins again, with "preset": name on top of its settings;
        {"again": name} has the settings that the file of an embedding tells, for another one;
        {"resume": name, "settings": …} continues a run with its own settings but for these."""
        order = self.orders.order(body)
        return stands(start_training(self.studio, order))

    def import_settings(self, body: options.SettingValues) -> object:
        """{"program", "settings": {name: value} for /jobs, "remarks": […], "misfits": […]}"""
        only(body, ("name", "text"))
        name, text = (body.get(key) for key in ("name", "text"))
        if not isinstance(name, str) or not isinstance(text, str):
            fix = 'write {"name": "settings-2023.json", "text": what it holds}'
            raise ConfigError("a name and a text are needed", "", fix)
        found = dataclasses.asdict(imported(name, text))
        return plain({key: found[key] for key in ("program", "settings", "remarks", "misfits")})

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
        wanted, overwrite = with_overwrite(body, CREATED)
        job = start_creation(self.studio, options.from_dict(EmbeddingConfig, wanted), overwrite)
        return {"name": job.name, "path": str(job.outcome())}

    def replaced(self) -> object:
        """What can be brought back, newest first."""
        found = replaced(self.studio)
        return [
            {"file": file, "original": str(kept.original), "number": kept.number, "told": kept.told}
            for file, kept in found.items()
        ]

    def restore(self, body: options.SettingValues) -> object:
        """{"file": a copy}: it becomes the embedding again; what is there becomes a copy."""
        only(body, ("file",))
        return {"path": str(restore(self.studio, str(body.get("file", ""))))}

    def status(self, job_id: str) -> object:
        """How a job stands."""
        return stands(self._job(job_id))

    def events(self, job_id: str, after: int = 0) -> object:
        """{"events": […], "next": what to ask `after` with the next time}"""
        events, number = self._job(job_id).events(max(0, after))
        told = [json.loads(event.to_json()) for event in events]
        return {"events": plain(told), "next": number}

    def preview(self, job_id: str, number: int) -> object:
        """An image that the job made."""
        previews = self._job(job_id).progress.previews
        if not 0 <= number < len(previews) or not previews[number].path.is_file():
            raise NotFoundError(f"there is no preview {number}")
        return FileResponse(previews[number].path, media_type="image/png")

    def wish(self, job_id: str, wish: str) -> object:
        """Ask something of a running job."""
        if wish not in WISHES:
            raise NotFoundError(f"no job can {wish!r}", "", options.nearest(wish, list(WISHES)))
        return self._ask(job_id, WISHES[wish])

    def rate(self, body: options.SettingValues, job_id: str) -> object:
        """{"factor": what the learning rate is multiplied by, from the next step on}"""
        only(body, ("factor",))
        return self._ask(job_id, f"rate {body.get('factor')}")

    def _ask(self, job_id: str, command: str) -> object:
        job = self._job(job_id)
        if job.progress.over:
            raise HostError(f"the job is over: {job.progress.state}")
        job.control.ask(command)
        return stands(job)

    def _job(self, job_id: str) -> Job:
        job = self.studio.jobs.find(job_id)
        if job is None:
            raise NotFoundError(f"there is no job {job_id!r}")
        return job
