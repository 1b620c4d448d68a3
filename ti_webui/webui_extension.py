"""The panel inside of a web UI: its tab, settings, API, queue and txt2img page."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import gradio as gr
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from modules import call_queue, shared

from ti_core.web import Visitors

from .api import router
from .gradio_versions import Component
from .hosts.choose import current_host
from .job import call
from .panel import build_panel
from .settings import add_settings, read_settings
from .studio import Settings, Studio
from .webui_progress import in_webui

__all__ = ["add_routes", "add_settings", "notice", "studio", "tabs"]

_FIELDS = {
    "txt2img_prompt": "prompt",
    "txt2img_neg_prompt": "negative_prompt",
    "txt2img_steps": "steps",
    "txt2img_sampling": "sampler",
    "txt2img_cfg_scale": "cfg_scale",
    "txt2img_seed": "seed",
    "txt2img_width": "width",
    "txt2img_height": "height",
}
"""Element on the web UI's page → one of studio.TXT2IMG_FIELDS."""
_SEND = """(word, negative) => {
    const field = negative ? 'PAGE_neg_prompt' : 'PAGE_prompt';
    const area = gradioApp().querySelector('#' + field + ' textarea');
    const before = area.value.replace(/[\\s,]+$/, '');
    area.value = before ? before + ', ' + word : word;
    updateInput(area);
    switch_to_PAGE();
}"""
"""In the web UI's page; its own names for the fields are the same in all of them."""

_seen: dict[str, Component] = {}


def notice(component: Component, **about: object) -> None:
    """Remember the fields of the txt2img page; called for every component of the whole page."""
    name = _FIELDS.get(str(about.get("elem_id") or getattr(component, "elem_id", None)))
    if name:
        _seen[name] = component


@cache
def studio() -> Studio:
    """This web UI as the panel's surroundings."""
    return Studio(
        host=current_host,
        embeddings_dirs=lambda: [Path(shared.cmd_opts.embeddings_dir)],
        settings=read_settings,
        claim=lambda: call_queue.queue_lock,
        show=in_webui,
        run=_in_main_thread if find_spec("modules_forge") else call,
        txt2img_parameters=lambda: dict(_seen),
        send_to={page: _SEND.replace("PAGE", page) for page in ("txt2img", "img2img")},
        templates_dir=_templates_dir,
        ui_config=lambda: Path(shared.cmd_opts.ui_config_file),
        dataset_roots=lambda: _dataset_roots("gradio_auth", "gradio_auth_path"),
        widened_by="start the web UI with --gradio-allowed-path FOLDER",
    )


def tabs() -> list[tuple[gr.Blocks, str, str]]:
    """(page, title, id) as the web UI wants it."""
    _make_temporary_folder()
    return [(build_panel(studio()), "Textual Inversion", "textual_inversion_studio")]


def _make_temporary_folder() -> None:
    """Forge Neo saves there what galleries show, and makes it only when the setting is changed."""
    folder = getattr(shared.opts, "temp_dir", "")
    if folder:
        with suppress(OSError):  # the tab is of use without galleries
            Path(folder).mkdir(parents=True, exist_ok=True)


def add_routes(demo: object, app: FastAPI) -> None:
    """`/ti/v1/…`, where the web UI's own API is on (`--api`), behind the same `--api-auth`."""
    if not shared.cmd_opts.api:
        return
    checks = [Depends(_known_visitor)]
    if shared.cmd_opts.api_auth:
        checks.append(Depends(_password_check(shared.cmd_opts.api_auth)))
    surroundings = replace(studio(), dataset_roots=lambda: _dataset_roots("api_auth"))
    app.include_router(router(surroundings, checks))


def _templates_dir() -> Path | None:
    folder = getattr(shared.cmd_opts, "textual_inversion_templates_dir", None)
    return Path(folder) if folder and Path(folder).is_dir() else None


def _dataset_roots(*logins: str) -> tuple[Path, ...] | None:
    """Any folder for who sits at this machine or has logged in, unless --hide-ui-dir-config; for
    others those that the web UI itself lets its pages read. Raises nothing where a flag is not
    known."""
    flags = vars(shared.cmd_opts)
    trusted = not flags.get("webui_is_non_local") or any(flags.get(login) for login in logins)
    if trusted and not flags.get("hide_ui_dir_config"):
        return None
    logs = Settings().logging_dir  # a visitor may change the setting
    return (*map(Path, flags.get("gradio_allowed_path") or ()), Path(logs))


def _in_main_thread(work: Callable[[], None]) -> None:
    """Forge makes all its images there, and its networks may not change threads."""
    from modules_forge import main_thread

    main_thread.run_and_wait_result(work)


def _known_visitor(request: Request) -> None:
    """No other site's page can order anything, under a foreign name neither. A password is proof
    enough of who asks."""
    _visitors(any_name=bool(shared.cmd_opts.api_auth)).require(request.headers)


def _visitors(any_name: bool) -> Visitors:
    """Who may ask, by the web UI's own flags."""
    flags = vars(shared.cmd_opts)
    origins = tuple(filter(None, (flags.get("cors_allow_origins") or "").split(",")))
    name = (flags.get("server_name") or "").lower()
    return Visitors((name,), origins, flags.get("cors_allow_origins_regex") or "", any_name)


def _password_check(known: str) -> Callable[..., None]:
    """`user:password,user:password`, as the web UI reads it."""
    passwords = dict(pair.split(":", 1) for pair in known.split(",") if ":" in pair)

    def check(given: HTTPBasicCredentials = Depends(HTTPBasic())) -> None:  # noqa: B008
        wanted = passwords.get(given.username, "")
        if not wanted or not secrets.compare_digest(given.password.encode(), wanted.encode()):
            headers = {"WWW-Authenticate": "Basic"}
            raise HTTPException(401, "wrong name or password", headers)

    return check
