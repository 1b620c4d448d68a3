"""A page with what our scripts need of ComfyUI's front end, and a list of embeddings as our routes
give it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

WEB = Path(__file__).parents[2] / "web"
EVIL = "<img src=x onerror=window.hacked=1>"
_KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
_APP = """
export const app = {
  graph: { nodes: [] },
  extensionManager: {
    setting: { get: () => "en" },
    toast: { add: (told) => { window.toast = told; } },
    registerSidebarTab: (tab) => { window.tab = tab; },
  },
  registerExtension: (one) => {
    (window.extensions ??= []).push(one.name);
    one.init?.();
    one.setup?.();
  },
};
"""
_API = """
export const api = {
  fetchApi: (path, how) => { (window.asked ??= []).push(path); return fetch(path, how); },
  apiURL: (path) => path,
  addEventListener: () => {},
  removeEventListener: () => {},
};
"""
_PAGE = """<!doctype html><meta charset="utf-8"><title>nodes</title>
<body style="margin:0"><div id="tab" style="float:left;width:300px;height:700px"></div>
<textarea id="one" rows="6" cols="60">a photo of a cat, masterpiece</textarea>
<textarea id="two" rows="3" cols="60"></textarea><textarea id="shown" readonly></textarea>
<script>
  // as ComfyUI: whatever is dropped is looked at as a workflow
  document.addEventListener("drop", (event) => { event.preventDefault(); window.dropped = true; });
  one.addEventListener("input", () => { window.value = one.value; });
</script>
<script type="module">%s</script>
"""


def embeddings(count: int) -> list[dict[str, Any]]:
    """As our route tells them; the second has a hostile name, the third no prompt reaches."""
    found: list[dict[str, Any]] = []
    for number in range(count):
        name = ("cat", "dog", "ink")[number % 3] + f"-{number:04d}"
        found.append(
            {
                "key": f"{name}.safetensors",
                "name": EVIL if number == 1 else name,
                "prompt": "" if number == 2 else f"embedding:{name}",
                "family": "SD 1.x",
                "vectors": 2,
                "step": number,
                "trigger": "",
                "base_model": "",
                "strength": 1.25,
                "verdict": "normal",
                "lengths": [0.4],
                "picture": 1 if number % 2 else 0,
            }
        )
    return found


@contextmanager
def serving(count: int) -> Iterator[str]:
    """The address of the page, while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(embeddings(count)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def _handler(known: list[dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            kind, body = _answer(known, self.path)
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            """Silence."""

    return Handler


def _answer(known: list[dict[str, Any]], address: str) -> tuple[str, bytes]:
    path, query = urlsplit(address).path, parse_qs(urlsplit(address).query)
    if path == "/":
        names = sorted(one.name for one in WEB.glob("*.js"))
        return "text/html", (
            _PAGE % "".join(f'import "/extensions/ti/{n}";' for n in names)
        ).encode()
    if path in ("/scripts/app.js", "/scripts/api.js"):
        return "text/javascript", (_APP if "app" in path else _API).encode()
    if path.startswith("/extensions/ti/") and (WEB / Path(path).name).is_file():
        return _KINDS[Path(path).suffix], (WEB / Path(path).name).read_bytes()
    if path == "/ti/embeddings/picture":
        return "image/png", _picture()
    if path == "/ti/embeddings":
        return "application/json", json.dumps(_listed(known, query)).encode()
    return ("application/json", b"{}") if path in ("/i18n", "/ti/unfinished") else ("", b"")


def _listed(known: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
    words = query.get("search", [""])[0].split()
    offset, limit = (int(query[key][0]) for key in ("offset", "limit"))
    found = [one for one in known if all(word in one["key"] for word in words)]
    skipped = [{"file": "torn.pt", "reason": f"it is empty {EVIL}"}]
    part = found[offset : offset + limit]
    return {"total": len(found), "offset": offset, "embeddings": part, "skipped": skipped}


def _picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, "PNG")
    return out.getvalue()
