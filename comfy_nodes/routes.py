"""What can be asked for over HTTP, by our buttons or by any program.

    GET  /ti/runs                                        what is running
    POST /ti/runs  {"action": "finish", "node": "7"}     finish, preview, save, pause or go_on
    GET  /ti/curve?node=7&workflow=ID                    the loss that a node has drawn last
    GET  /ti/unfinished                                  which trainings can be resumed
    GET  /ti/embeddings, /ti/embeddings/picture          see `shelf_routes`
    GET  /ti/replaced                                    embeddings that were replaced, newest first
    POST /ti/replaced  {"file": "cat.safetensors.before-1"}    bring one of them back

ComfyUI serves them under /api as well. Without "node" every run is meant. Pages of other sites are
refused, unless ComfyUI's --enable-cors-header allows them; so are foreign host names where ComfyUI
listens on this machine only. With --listen, proxies may give it any name.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from comfy.cli_args import args
from server import PromptServer

from ..ti_core.errors import (
    ForbiddenError,
    NotFoundError,
    RequestError,
    StorageError,
    TIError,
    codes_of,
)
from ..ti_core.files.replaced import bring_back
from ..ti_core.train.runs import ResumableRun
from ..ti_core.web import Visitors, is_loopback, read_object
from .curve import kept_curve
from .kinds import KINDS
from .node import plain_text
from .pictures import output_images
from .places import replaced_embeddings
from .runs import ACTIONS, running_trainings
from .shelf_routes import listed, pictured
from .training import unfinished_runs

_MOST_BYTES = 10_000


def register() -> None:
    """Add the routes to ComfyUI's server, if there is one."""
    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    server.routes.get("/ti/runs")(tell)
    server.routes.post("/ti/runs")(ask)
    server.routes.get("/ti/curve")(curve)
    server.routes.get("/ti/unfinished")(unfinished)
    server.routes.get("/ti/embeddings")(embeddings)
    server.routes.get("/ti/embeddings/picture")(embedding_picture)
    server.routes.get("/ti/replaced")(tell_replaced)
    server.routes.post("/ti/replaced")(restore)


async def tell(request: web.Request) -> web.Response:
    """Every training that is running."""
    try:
        _visitors().require(request.headers)
    except ForbiddenError as error:
        return _refused(error)
    return web.json_response({"runs": [run.to_dict() for run in running_trainings()]})


async def ask(request: web.Request) -> web.Response:
    """Pass a wish on; 400 for what is none, 404 when nothing is being trained."""
    try:
        _visitors().require(request.headers)
        wish = await read_object(request.headers, request.content.iter_any(), _MOST_BYTES)
    except (ForbiddenError, RequestError) as error:
        return _refused(error)
    if wish.get("action") not in ACTIONS:
        return _error(400, f"give an action: {', '.join(ACTIONS)}")
    node = wish.get("node")
    runs = [run for run in running_trainings() if node is None or run.node == str(node)]
    if not runs:
        return _error(404, "nothing is being trained")
    for run in runs:
        run.control.ask(wish["action"])
    return web.json_response({"runs": [run.to_dict() for run in runs]})


async def curve(request: web.Request) -> web.Response:
    """The curve of a node of a graph; null where it has not trained since ComfyUI started."""
    try:
        _visitors().require(request.headers)
    except ForbiddenError as error:
        return _refused(error)
    asked = request.query.get("workflow", ""), request.query.get("node", "")
    return web.json_response({"curve": kept_curve(*asked)})


async def unfinished(request: web.Request) -> web.Response:
    """What "Resume" offers, newest first, each with the image that ComfyUI's /view gives."""
    try:
        _visitors().require(request.headers)
        runs = await asyncio.to_thread(_unfinished)
    except (ForbiddenError, StorageError) as error:
        return _refused(error)
    return web.json_response({"runs": [_told(kind, run) for kind, run in runs]})


def _unfinished() -> list[tuple[str, ResumableRun]]:
    found = [(kind.group, run) for kind in KINDS for run in unfinished_runs(kind.group)]
    return sorted(found, key=lambda one: one[1].saved, reverse=True)


def _told(kind: str, run: ResumableRun) -> dict[str, object]:
    return {
        "kind": kind,
        "label": run.label,
        "name": run.name,
        "step": run.step,
        "steps": run.max_steps,
        "saved": run.saved,
        "preview": output_images([run.preview])[0] if run.preview else None,
    }


async def tell_replaced(request: web.Request) -> web.Response:
    """Copies of embeddings, by their names in the embeddings folders."""
    try:
        _visitors().require(request.headers)
    except ForbiddenError as error:
        return _refused(error)
    told = [{"file": file, "told": kept.told} for file, kept in replaced_embeddings().items()]
    return web.json_response({"replaced": told})


async def restore(request: web.Request) -> web.Response:
    """Make a copy the embedding again; what is there becomes a copy. 404 for what is not a copy."""
    try:
        _visitors().require(request.headers)
        wish = await read_object(request.headers, request.content.iter_any(), _MOST_BYTES)
        kept = replaced_embeddings().get(str(wish.get("file")))
        if kept is None:
            raise NotFoundError("there is no such copy", "", "GET /ti/replaced lists them")
        return web.json_response({"file": bring_back(kept.path).name})
    except TIError as error:
        return _refused(error)


async def embeddings(request: web.Request) -> web.Response:
    """A page of the embeddings that ComfyUI finds."""
    try:
        _visitors().require(request.headers)
        return web.json_response(await listed(request))
    except (ForbiddenError, RequestError, StorageError) as error:
        return _refused(error)


async def embedding_picture(request: web.Request) -> web.Response:
    """The small image of one of them; its address has the time of its last change."""
    try:
        _visitors().require(request.headers)
        body = await pictured(request)
    except (ForbiddenError, NotFoundError, StorageError) as error:
        return _refused(error)
    kept = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=body, content_type="image/webp", headers=kept)


def _visitors() -> Visitors:
    """Who may ask, by ComfyUI's own flags."""
    friends = (args.enable_cors_header,) if args.enable_cors_header else ()
    alone = all(map(is_loopback, args.listen.split(",")))
    return Visitors(origins=friends, any_name=not alone)


def _refused(error: TIError) -> web.Response:
    return _error(codes_of(type(error)).http, plain_text(str(error)))


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
