"""The door of the web UIs, over the stand-in: tab, settings, API, queue, txt2img's fields."""

from __future__ import annotations

import base64
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ti_core.errors import ForbiddenError
from ti_webui.studio import TXT2IMG_FIELDS

from .program import load, module

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cmd_opts(tmp_path: Path) -> Iterator[Any]:
    """The web UI's flags, to be changed at will."""
    load("sd1", tmp_path)
    flags = module("modules.shared").cmd_opts
    before = dict(vars(flags))
    yield flags
    vars(flags).clear()
    vars(flags).update(before)


@pytest.fixture
def door(cmd_opts: Any) -> Any:
    """The module under test; it can be imported inside of a web UI only."""
    return module("ti_webui.webui_extension")


def client(door: Any) -> TestClient:
    app = FastAPI()
    door.add_routes(None, app)
    return TestClient(app, base_url="http://127.0.0.1:7860")


def test_the_script_registers_everything_by_callbacks(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("on_after_component", "on_ui_settings", "on_ui_tabs", "on_app_started")
    registered: dict[str, Any] = {}
    callbacks = ModuleType("modules.script_callbacks")
    for name in names:
        setattr(callbacks, name, lambda work, name=name: registered.update({name: work}))
    monkeypatch.setitem(sys.modules, "modules.script_callbacks", callbacks)
    monkeypatch.setattr(sys.modules["modules"], "script_callbacks", callbacks, raising=False)
    runpy.run_path(str(ROOT / "scripts" / "textual_inversion_studio.py"))
    assert list(registered) == list(names)
    ((panel, title, where),) = registered["on_ui_tabs"]()
    assert (title, where) == ("Textual Inversion", "textual_inversion_studio")
    assert panel.blocks


def test_the_folder_of_temporary_pictures_is_there_when_the_tab_is(
    door: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh Forge Neo has none, and no gallery can show a picture then."""
    options = module("modules.shared").opts.data
    for folder in ("", str(tmp_path / "data" / "tmp"), str(tmp_path / "data" / "tmp")):
        monkeypatch.setitem(options, "temp_dir", folder)
        assert door.tabs()[0][1:] == ("Textual Inversion", "textual_inversion_studio")
    assert (tmp_path / "data" / "tmp").is_dir()
    (tmp_path / "file").touch()
    monkeypatch.setitem(options, "temp_dir", str(tmp_path / "file" / "tmp"))
    assert door.tabs()


def test_the_fields_of_the_txt2img_page_are_found_by_their_names(door: Any) -> None:
    seen = {name: SimpleNamespace(elem_id=name) for name in door._FIELDS}
    for name, component in seen.items():
        door.notice(component, elem_id=name)
    door.notice(SimpleNamespace(elem_id="img2img_prompt"), elem_id="img2img_prompt")
    door.notice(SimpleNamespace())
    found = door.studio().txt2img_parameters()
    assert set(found) == set(TXT2IMG_FIELDS)
    assert found["prompt"] is seen["txt2img_prompt"]


def test_words_are_sent_to_the_prompts_of_both_pages(door: Any) -> None:
    for page in ("txt2img", "img2img"):
        script = door.studio().send_to[page]
        for name in (f"'{page}_prompt'", f"'{page}_neg_prompt'", f"switch_to_{page}()"):
            assert name in script
        assert "PAGE" not in script


def test_pictures_wait_while_a_job_has_the_queue(door: Any) -> None:
    lock = module("modules.call_queue").queue_lock
    with door.studio().claim():
        assert lock.locked()
    assert not lock.locked()


def test_the_web_ui_shows_a_job_as_its_own(door: Any) -> None:
    assert door.studio().show is module("ti_webui.webui_progress").in_webui


def test_the_api_is_there_only_with_the_web_ui_s_own(door: Any, cmd_opts: Any) -> None:
    assert client(door).get("/ti/v1/jobs").status_code == 200
    cmd_opts.api = False
    assert client(door).get("/ti/v1/jobs").status_code == 404


def test_the_api_wants_the_same_password(door: Any, cmd_opts: Any) -> None:
    cmd_opts.api_auth = "ann:se:cret,bob:x"
    api = client(door)

    def ask(user: str, password: str) -> int:
        code = base64.b64encode(f"{user}:{password}".encode()).decode()
        return api.get("/ti/v1/jobs", headers={"Authorization": f"Basic {code}"}).status_code

    assert api.get("/ti/v1/jobs").status_code == 401
    assert [ask("ann", "se:cret"), ask("bob", "x")] == [200, 200]
    assert [ask("ann", "x"), ask("eve", ""), ask("", "")] == [401, 401, 401]


def test_a_page_of_another_site_can_order_nothing(door: Any, cmd_opts: Any) -> None:
    api = client(door)

    def ask(origin: str) -> int:
        headers = {"origin": origin, "host": "127.0.0.1:7860"}
        return api.post("/ti/v1/jobs/x/stop", headers=headers).status_code

    assert ask("https://evil.example") == 403
    assert ask("http://127.0.0.1:7860") == 404  # allowed; there is no job x
    cmd_opts.cors_allow_origins = "https://friend.example"
    assert ask("https://friend.example") == 404
    cmd_opts.cors_allow_origins_regex = r"https://\w+\.example"
    assert ask("https://evil.example") == 404


def test_a_name_that_somebody_made_point_here_is_refused(door: Any, cmd_opts: Any) -> None:
    api = client(door)

    def ask(host: str, **headers: str) -> int:
        own = {"host": host, "origin": f"http://{host}", **headers}
        return api.post("/ti/v1/jobs/x/stop", headers=own).status_code

    assert [ask("evil.example"), ask("evil.example:7860")] == [403, 403]
    assert api.get("/ti/v1/jobs", headers={"host": "evil.example"}).status_code == 403
    assert [ask("192.168.0.5:7860"), ask("localhost:7860")] == [404, 404]
    cmd_opts.server_name = "Studio.Example"
    assert ask("studio.example:7860") == 404
    cmd_opts.cors_allow_origins = "https://proxy.example"
    assert ask("proxy.example") == 404, "behind a proxy of that name"
    cmd_opts.api_auth = "ann:x"
    api = client(door)
    code = base64.b64encode(b"ann:x").decode()
    assert ask("any.example", authorization=f"Basic {code}") == 404, "no other page knows it"
    assert ask("any.example") == 401


@pytest.mark.parametrize(
    ("flags", "page", "api"),
    [
        ({}, True, True),
        ({"webui_is_non_local": True}, False, False),
        ({"webui_is_non_local": True, "gradio_auth": "a:b"}, True, False),
        ({"webui_is_non_local": True, "gradio_auth_path": "file"}, True, False),
        ({"webui_is_non_local": True, "api_auth": "a:b"}, False, True),
        ({"hide_ui_dir_config": True}, False, False),
        ({"hide_ui_dir_config": True, "gradio_auth": "a:b", "api_auth": "a:b"}, False, False),
    ],
)
def test_who_may_name_any_folder_follows_from_the_web_uis_flags(
    door: Any, cmd_opts: Any, flags: dict[str, Any], page: bool, api: bool, pictures: Path
) -> None:
    vars(cmd_opts).update(flags, gradio_allowed_path=[str(pictures)])
    headers = {"Authorization": "Basic " + base64.b64encode(b"a:b").decode()}
    for folder, allowed in ((pictures, True), (Path("/srv"), False)):
        rule = door.studio().places()
        if page or allowed:
            assert rule.folder(str(folder)) == folder
        else:
            with pytest.raises(ForbiddenError, match="--gradio-allowed-path"):
                rule.folder(str(folder))
        body = {"resume": "x", "settings": {"logging_dir": str(folder)}}
        status = client(door).post("/ti/v1/jobs", json=body, headers=headers).status_code
        assert status == (422 if api or allowed else 403), "there is no such run"


def test_settings_appear_in_a_section_and_are_read(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, shared = module("ti_webui.settings"), module("modules.shared")
    monkeypatch.setattr(shared, "opts", shared.Options())
    settings.add_settings()
    labels = shared.opts.data_labels
    assert {info.section[0] for info in labels.values()} == {"ti_studio"}
    assert all(info.label and info.comment for info in labels.values())
    assert settings.read_settings().mixed_precision == "auto"
    shared.opts.data["ti_studio_logging_dir"] = "elsewhere"
    assert settings.read_settings().logging_dir == "elsewhere"
    shared.opts.data["ti_studio_mixed_precision"] = "fp99"  # from an old version, by hand …
    assert settings.read_settings().mixed_precision == "auto"
    assert settings.read_settings().logging_dir == "elsewhere"
    shared.opts.data |= {"ti_studio_logging_dir": " ", "ti_studio_sample_prompts": "a [name]"}
    assert settings.read_settings().logging_dir == "textual_inversion"
    assert settings.read_settings().sample_prompts == "a [name]"
