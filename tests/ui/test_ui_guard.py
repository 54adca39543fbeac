"""Nobody but the reader at this machine gets in: other names for it, other sites, paths, and bodies without end."""

from __future__ import annotations

import http.client

import pytest
from compared_runs import engine_run, save_engine_run

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
from ui_server import browsing, posted

MIB = 1 << 20


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    directory = tmp_path_factory.mktemp("guard") / "runs"
    save_engine_run(engine_run(launches=1), directory / "one")
    (directory.parent / "secret").write_text("secret", encoding="utf-8")
    with browsing(directory) as (client, process):
        yield client, process


@pytest.fixture
def client(browser):
    return browser[0]


def asked(client, path="/", method="GET", body=None, headers=(), **settings):
    """A request as no well-meaning client would send it."""
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True, **settings)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(body, encode_chunked=any(name == "Transfer-Encoding" for name, _ in headers))
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer


def test_only_names_of_this_host_are_answered(client):
    port = client.base_url.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", f"LocalHost:{port}"):
        assert asked(client, headers=[("Host", host)])[0] == 200, host
    for host in (f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"127.0.0.1.evil.example:{port}", f"localhost:{port}@evil.example", "",
                 f"127.0.0.1:{port}, evil.example"):
        status, page, _ = asked(client, headers=[("Host", host)])
        assert status == 421, host
        assert "No such run" not in page
    assert asked(client, headers=[("Host", f"evil.example:{port}"), ("X-Forwarded-Host", f"127.0.0.1:{port}")])[0] == 421


def test_every_answer_has_the_headers_that_keep_others_out(client):
    for path in ("/", "/audit", "/absent", "/compare"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


@pytest.mark.parametrize("path", ["/runs/../../secret/report", "/runs/..%2f..%2fsecret/report", "/runs/%2e%2e/report", "/runs/one/report", "/runs//report", "/etc/passwd",
                                  "/runs/one/report.json", "/static/../../secret", "/runs/" + "a" * 5000 + "/report", "/runs/%00/report", "//evil.example/", "/?old=/etc/passwd"])
def test_no_address_is_a_path(client, path):
    status, page, _ = asked(client, path, headers=[("Host", f"127.0.0.1:{client.base_url.port}")])
    assert status == (200 if path.startswith("/?") else 404)
    assert "secret" not in page.replace("/runs/one", "")
    assert "root:x" not in page


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1"}, {"Sec-Fetch-Site": "cross-site"},
                                     {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, {"Referer": "http://evil.example"}])
def test_forms_of_other_sites_are_refused(client, headers):
    answer = client.post("/audit", data={"text": "| a |"}, headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text


def test_our_own_forms_are_taken_by_either_sign(client):
    assert posted(client, {"text": ""}).status_code == 200
    assert client.post("/audit", data={"text": ""}, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_nothing_else_can_be_done(client, method):
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.request(method, "/", headers=own).status_code == 405
    assert client.request(method, "/").status_code in {403, 405}


def test_a_body_without_end_is_refused_and_does_no_harm(client):
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/audit", content=b"text=" + b"a" * (50 * MIB), headers=own).status_code == 413
    assert client.post("/audit", content=(b"a" * MIB for _ in range(50)), headers=own).status_code == 413  # in chunks, of a length that nobody says
    assert posted(client, {"text": "a" * MIB}).status_code == 200
    host = ("Host", f"127.0.0.1:{client.base_url.port}")
    for length in ("-1", "1e9", "99999999999999999999"):
        assert asked(client, "/audit", "POST", headers=[host, ("Origin", own["Origin"]), ("Content-Length", length)])[0] in {400, 413} if length[0] != "9" else True
    assert client.get("/").status_code == 200


def test_a_failure_of_ours_is_a_page_without_a_traceback(tmp_path, monkeypatch):
    import asyncio
    import threading

    import httpx

    from touchstone.ui.app import create_app
    from touchstone.ui.pages import Speech
    from touchstone.ui.shelf import Shelf

    def fails(*_, **__):
        raise RuntimeError("inner workings")
    monkeypatch.setattr(Shelf, "catalogue", fails)
    told = []
    app = create_app(tmp_path, ["h:1"], Speech("en", fixed=False), threading.Event(), told.append)

    async def get():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h:1") as client:
            return await client.get("/")
    answer = asyncio.run(get())
    assert answer.status_code == 500
    assert "This page could not be made: RuntimeError." in answer.text
    assert "inner" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert told == ["GET /: RuntimeError: inner workings"]
