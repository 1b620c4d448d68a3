"""`ti ui`: the panel as a page of this machine, over a model that is opened for it."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ti_core.cli.interrupt import end_on_hangup
from ti_core.cli.options import OptionParser
from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.errors import ConfigError
from ti_core.files.roots import present_folder
from ti_core.options import check, make_config, option
from ti_core.web import is_loopback

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ti_core.port.session import Host

    from .alone.models import Shelf
    from .studio import Studio

HELP = "the same things as a web page: create, preprocess, train, compare, look around"
"""What `ti --help` says about it."""
_ABOUT = """Show the panel at http://127.0.0.1:7863; a model can be loaded there. Only this machine
can see it; to let others in, give --listen an address and choose a --token."""
_SECONDS_TO_SAVE = 120.0


@dataclass(frozen=True)
class PageConfig:
    """Where the page is served."""

    title = "Page"
    listen: str = option(
        "127.0.0.1",
        "address to listen on; any address other than this machine's own needs a token",
        label="Address",
    )
    port: int = option(7863, "port to listen on", label="Port", limits=(1, 65535))
    token: str = option(
        "",
        "a secret that visitors send once, as http://ADDRESS:PORT/?token=SECRET, and programs "
        "as 'Authorization: Bearer SECRET'",
        label="Token",
    )
    root_path: str = option(
        "",
        "path under which a reverse proxy serves the page, such as /studio; the proxy strips it",
        label="Root path",
    )
    embeddings_dir: str = option(
        "embeddings",
        "folder to read embeddings from and save them in",
        label="Embeddings directory",
        path="embeddings",
    )
    logging_dir: str = option(
        "textual_inversion",
        "folder for runs: copies, previews, logs, and the state to resume from",
        label="Log directory",
        path="output folder",
    )
    templates_dir: str = option(
        "",
        "folder with your own prompt templates and preview prompts; the page does not open "
        "such files elsewhere",
        label="Templates directory",
        path="input folder",
    )
    model_dirs: tuple[str, ...] = option(
        (),
        "folders with checkpoints, or in which A1111, Forge or ComfyUI is: the page lists what is "
        "in them, or in the model folders of these programs, and can load it",
        label="Model directories",
        path="input folder",
    )
    dataset_dirs: tuple[str, ...] = option(
        (),
        "folders with datasets: the page opens images and captions only there; without it, "
        "in any folder that its user names",
        label="Dataset directories",
        path="input folder",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.token and not re.fullmatch(r"[\w.~-]{8,200}", self.token, re.ASCII):
            fix = "choose 8 or more letters, digits and . _ ~ -"
            raise ConfigError("the token is too short or contains unsupported characters", "", fix)
        if self.root_path and not re.fullmatch(r"(/[\w.~-]+)+", self.root_path, re.ASCII):
            fix = "begin with a slash, without one at the end, such as /studio"
            raise ConfigError(f"the root path {self.root_path!r} is not a path", "", fix)
        if not is_loopback(self.listen) and not self.token:
            raise ConfigError(
                f"{self.listen} can be reached by others",
                "anyone who opens the page can read and write files of this machine",
                "add --token SECRET, or leave --listen out",
            )


def parser() -> OptionParser:
    """All options of `ti ui`."""
    usage = "[--pretrained_model_name_or_path MODEL] [options]"
    return OptionParser("ti ui", _ABOUT, ModelConfig, PageConfig, usage=usage)


def run(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C; what is being trained then is saved. Returns the exit code."""
    typed = parser().read(argv)
    model, page = make_config(ModelConfig, typed), make_config(PageConfig, typed)
    _require_gradio()
    import uvicorn

    studio = open_studio(model, page)
    app = application(studio, page)
    shown = f"http://{page.listen}:{page.port}/" + ("?token=…" if page.token else "")
    print(f"open {shown} in a browser; Ctrl-C ends", file=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)  # uvicorn raises it again when it has closed
    end_on_hangup()
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(
            app, host=page.listen, port=page.port, log_level="warning", timeout_graceful_shutdown=2
        )
    return _end(studio)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def open_studio(model: ModelConfig, page: PageConfig) -> Studio:
    """The panel's surroundings: a model that stays open, and folders."""
    from .alone import first_run, model_tab, try_tab
    from .alone.models import Shelf
    from .studio import Settings, Studio

    named = model.pretrained_model_name_or_path
    folders = [present_folder(path, "model_dirs") for path in page.model_dirs]
    shelf = Shelf(model, tuple(folders), open_host(model) if named else None, named)
    settings = Settings(logging_dir=page.logging_dir)
    templates = present_folder(page.templates_dir, "templates_dir") if page.templates_dir else None
    allowed = [present_folder(path, "dataset_dirs") for path in page.dataset_dirs]
    datasets = (*allowed, Path(page.logging_dir)) if allowed else None
    return Studio(
        host=shelf.current,
        embeddings_dirs=lambda: [Path(page.embeddings_dir)],
        settings=lambda: settings,
        templates_dir=lambda: templates,
        dataset_roots=lambda: datasets,
        widened_by="start ti ui with another folder in --dataset_dirs",
        headline=lambda: headline(shelf, page),
        welcome=lambda studio: first_run.build(studio, shelf),
        own_tabs={
            "try": lambda studio: try_tab.build(studio),
            "model": lambda studio: model_tab.build(studio, shelf),
        },
    )


def headline(shelf: Shelf, page: PageConfig) -> dict[str, str]:
    """What the page works with, and where its files go."""
    from ti_core.hosts.standalone.host import choose_device

    from .alone.models import memory_in_use

    device = str(choose_device(shelf.config.device))
    return {
        **_of_model(shelf.host),
        "device": device,
        "memory": memory_in_use(device),
        "embeddings": str(Path(page.embeddings_dir).absolute()),
        "runs": str(Path(page.logging_dir).absolute()),
    }


def _of_model(host: Host | None) -> dict[str, str]:
    if host is None:
        return {"model": "none"}
    facts, precision = host.describe(), host.features().precision
    return {
        "model": facts.checkpoint_name,
        "family": facts.family.label,
        "precision": "fp32" if precision == "no" else precision,
    }


def application(studio: Studio, page: PageConfig) -> FastAPI:
    """The page and the API behind one gate."""
    import gradio as gr
    from fastapi import FastAPI

    from .alone.looks import theme
    from .alone.trying import pictures_folder
    from .api import router
    from .gate import Gate
    from .panel import build_panel

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router(studio))
    app.add_middleware(Gate, token=page.token, root_path=page.root_path)
    looks: dict[str, Any] = {"css": page_file("style.css").read_text(encoding="utf-8")}
    scripts = page_file("javascript").glob("*.js")
    looks["head"] = "".join(f"<script>{path.read_text('utf-8')}</script>" for path in scripts)
    looks["theme"] = theme()
    blocks = build_panel(studio)
    looks["allowed_paths"] = [str(pictures_folder(studio))]
    looks |= {"root_path": page.root_path} if page.root_path else {}
    return gr.mount_gradio_app(app, blocks, "/", ssr_mode=False, footer_links=[], **looks)


def page_file(name: str) -> Path:
    """A file or folder of the page: in the checkout, or in the package."""
    for folder in (Path(__file__).parents[1], Path(__file__).parent / "bundled"):
        if (folder / name).exists():
            return folder / name
    why = "this copy of the program is incomplete"
    raise ConfigError(f"the page's {name} is missing", why, "install it again")


def _require_gradio() -> None:
    try:
        import gradio
    except ModuleNotFoundError as error:
        fix = "pip install 'textual-inversion-studio[standalone,ui]'"
        raise ConfigError(f"the package {error.name} is missing", "", fix) from error
    if int(gradio.__version__.split(".")[0]) < 6:
        fix = "pip install --upgrade gradio, in an environment that no web UI uses"
        raise ConfigError(f"gradio {gradio.__version__} is too old for ti ui", "", fix)


def _end(studio: Studio) -> int:
    job = studio.jobs.running
    if job is not None:
        print(f"saving {job.name} …", file=sys.stderr)
        job.control.finish()
        job.wait(_SECONDS_TO_SAVE)
    return 0
