"""Who may see the page of `ti ui`."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ti_webui.gate import Gate, is_this_machine

TOKEN = "a-secret.of_ours"


def client(token: str = "", host: str = "127.0.0.1:7863") -> TestClient:
    app = FastAPI()
    app.add_middleware(Gate, token=token)

    @app.get("/page")
    def page() -> str:
        return "seen"

    @app.post("/change")
    def change() -> str:
        return "changed"

    return TestClient(app, base_url=f"http://{host}", follow_redirects=False)


@pytest.mark.parametrize("host", ["127.0.0.1:7863", "localhost:7863", "[::1]:7863", "127.0.0.9"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert client(host=host).get("/page").json() == "seen"


@pytest.mark.parametrize("host", ["evil.example", "192.168.1.9:7863", "127.0.0.1.evil.example"])
def test_a_strange_name_that_points_here_is_refused(host: str) -> None:
    assert client(host=host).get("/page").status_code == 403


def test_another_sites_page_cannot_change_anything() -> None:
    here = client()
    evil = {"origin": "http://evil.example"}
    assert here.post("/change", headers=evil).status_code == 403
    assert here.post("/change", headers={"origin": "null"}).status_code == 403
    assert here.post("/change", headers={"origin": "http://127.0.0.1:9"}).status_code == 403
    own = {"origin": "http://127.0.0.1:7863"}
    assert here.post("/change", headers=own).json() == "changed"
    assert here.post("/change").json() == "changed", "programs send no origin"


def test_with_a_token_nothing_is_seen_without_it() -> None:
    visitor = client(TOKEN, "192.168.1.9:7863")
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": TOKEN},
        {"cookie": "ti_token=wrong"},
        {"cookie": "\x00;=;;"},
    ):
        assert visitor.get("/page", headers=headers).status_code == 401
    assert visitor.get("/page?token=wrong").status_code == 401
    assert visitor.get("/page?token=").status_code == 401
    assert client(TOKEN).get("/page").status_code == 401, "on this machine, too"


def test_the_token_is_given_once_and_leaves_the_address_line() -> None:
    visitor = client(TOKEN, "192.168.1.9:7863")
    answer = visitor.get(f"/page?token={TOKEN}&theme=dark")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/page?theme=dark"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert visitor.get("/page").json() == "seen"


def test_a_redirect_never_leads_elsewhere() -> None:
    answer = client(TOKEN).get(f"//evil.example/?token={TOKEN}")
    assert answer.status_code in (303, 401)
    assert not answer.headers.get("location", "/").startswith("//")


def test_programs_give_the_token_as_a_bearer() -> None:
    visitor = client(TOKEN, "192.168.1.9:7863")
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert visitor.get("/page", headers=headers).json() == "seen"
    assert visitor.post("/change", headers=headers).json() == "changed"


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.1.2", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(address: str, here: bool) -> None:
    assert is_this_machine(address) is here
