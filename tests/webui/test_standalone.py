"""`ti ui`: its options, and what it says when gradio is not there."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ti_core.cli import main as cli
from ti_core.errors import ConfigError
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


def without_gradio(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_GRADIO, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_needs_no_gradio_and_loads_no_model_library() -> None:
    shown = without_gradio("ui", "--help")
    assert shown.returncode == 0
    assert "--token" in shown.stdout
    listed = without_gradio("--help")
    assert f"ti ui         {HELP}" in listed.stdout
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


def test_the_pages_own_files_are_found() -> None:
    assert page_file("style.css").is_file()
    assert list(page_file("javascript").glob("*.js"))
    with pytest.raises(ConfigError, match="incomplete"):
        page_file("nothing.css")
