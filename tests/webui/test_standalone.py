"""`ti ui`: its options, and what it says when gradio is not there."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from ti_core.cli import main as cli
from ti_core.errors import ConfigError
from ti_core.files.reading import read_embedding
from ti_webui.standalone import HELP, PageConfig, page_file

ROOT = Path(__file__).parents[2]
WITHOUT_GRADIO = """
import sys
sys.modules["gradio"] = None
from ti_core.cli.main import main
import ti_core.cli.main as cli
from importlib.metadata import EntryPoint
verb = EntryPoint("ui", "ti_webui.standalone", "ti.verbs")
cli.entry_points = lambda group: [verb] if group == "ti.verbs" else []
code = main(sys.argv[1:])
print(sorted({"torch", "fastapi"} & set(sys.modules)))
sys.exit(code)
"""


FAKE = """
import sys, time
from pathlib import Path
from ti_core.hosts import fake
from ti_webui import standalone
standalone.open_host = lambda config: fake.FakeHost(Path("embeddings"))
predict = fake.FakeSession.predict
fake.FakeSession.predict = lambda *some, **more: time.sleep(0.02) or predict(*some, **more)
sys.exit(standalone.run(sys.argv[1:]))
"""
SECONDS = 90.0


def without_gradio(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_GRADIO, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_needs_no_gradio_and_loads_no_model_library() -> None:
    shown = without_gradio("ui", "--help")
    assert shown.returncode == 0
    assert "--token" in shown.stdout
    listed = without_gradio("--help")
    assert re.search(rf"^  ti ui +{re.escape(HELP)}$", listed.stdout, re.MULTILINE)
    assert listed.stdout.strip().endswith("[]"), "ti --help must answer at once"


def test_without_gradio_it_says_what_to_install() -> None:
    told = without_gradio("ui", "--model", "demo")
    assert told.returncode == 2
    assert "gradio is missing" in told.stderr
    assert "pip install 'textual-inversion-studio[standalone,ui]'" in told.stderr
    assert "Traceback" not in told.stderr


def test_an_unknown_verb_names_the_nearest_of_all_packages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = EntryPoint("ui", "ti_webui.standalone", "ti.verbs")
    monkeypatch.setattr(cli, "entry_points", lambda group: [verb])
    assert cli.main(["uii"]) == 2
    assert "did you mean ui?" in capsys.readouterr().err


def test_the_package_announces_its_verb() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points."ti.verbs"]\nui = "ti_webui.standalone"' in project


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::", "my-computer"])
def test_other_machines_are_let_in_with_a_token_only(address: str) -> None:
    with pytest.raises(ConfigError, match="can be reached by others"):
        PageConfig(listen=address)
    assert PageConfig(listen=address, token="a-long.secret")


@pytest.mark.parametrize("token", ["short", "with space in it", "semi;colon-1", "ünïcode-token"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="token"):
        PageConfig(token=token)


@pytest.mark.parametrize("path", ["studio", "/studio/", "//evil.example", "/a b", "/a\nb", "/"])
def test_a_root_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="root path"):
        PageConfig(root_path=path)
    assert PageConfig(root_path="/studio/ti").root_path == "/studio/ti"


def test_the_pages_own_files_are_found() -> None:
    assert page_file("style.css").is_file()
    assert list(page_file("javascript").glob("*.js"))
    with pytest.raises(ConfigError, match="incomplete"):
        page_file("nothing.css")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(address: str, body: dict[str, object] | None = None) -> Any:
    """The API's answer; tries again while nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"content-type": "application/json"})
    end = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        except OSError:
            assert time.monotonic() < end, "nobody answers"
            time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that can be caught")
def test_ending_the_program_saves_what_is_being_trained(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    port = free_port()
    command = [sys.executable, "-c", FAKE, "--model", "demo", "--port", str(port)]
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, cwd=tmp_path, env=path, stderr=subprocess.PIPE, text=True)
    try:
        jobs = f"http://127.0.0.1:{port}/ti/v1/jobs"
        ask(jobs)
        job = ask(jobs, {"settings": {**settings, "max_train_steps": 100_000}})["id"]
        while ask(f"{jobs}/{job}")["step"] < 2:
            time.sleep(0.1)
        server.terminate()
        _, told = server.communicate(timeout=SECONDS)
    finally:
        server.kill()
    assert server.returncode == 0, told
    assert "saving zz-thing" in told
    assert read_embedding(tmp_path / "embeddings" / "zz-thing.safetensors").step >= 2
