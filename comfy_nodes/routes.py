"""What a running training can be asked for over HTTP, by our buttons or by any program.

    GET  /ti/runs                                        what is going on
    POST /ti/runs  {"action": "finish", "node": "7"}     finish, preview, save, pause or go_on

ComfyUI serves both under /api as well. Without "node" every run is meant.
"""

from __future__ import annotations

from aiohttp import web
from server import PromptServer

from .runs import ACTIONS, running_trainings


def register() -> None:
    """Add the routes to ComfyUI's server, if there is one."""
    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    server.routes.get("/ti/runs")(tell)
    server.routes.post("/ti/runs")(ask)


async def tell(request: web.Request) -> web.Response:
    """Every training that is going on."""
    return web.json_response({"runs": [run.to_dict() for run in running_trainings()]})


async def ask(request: web.Request) -> web.Response:
    """Pass a wish on; 400 for what is none, 404 when nothing is being trained."""
    try:
        wish: object = await request.json()
    except ValueError:
        wish = None
    if not isinstance(wish, dict) or wish.get("action") not in ACTIONS:
        return _error(400, f"give an action: {', '.join(ACTIONS)}")
    node = wish.get("node")
    runs = [run for run in running_trainings() if node is None or run.node == str(node)]
    if not runs:
        return _error(404, "nothing is being trained")
    for run in runs:
        run.control.ask(wish["action"])
    return web.json_response({"runs": [run.to_dict() for run in runs]})


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
