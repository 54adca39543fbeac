"""``touchstone ui`` as it is typed: where it listens, how it ends, and what it says when it cannot."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import signal
import socket

import pytest

from touchstone.cli import run_command_line

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
from ui_server import browsing


def refused(*options, code):
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        assert run_command_line(["ui", *map(str, options)]) == code
    assert out.getvalue() == ""
    return said.getvalue()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "", "127.0.0.1.evil.example", "0x7f000001"])
def test_it_listens_for_this_machine_alone(tmp_path, host):
    said = refused(tmp_path, "--host", host, code=2)
    assert "no account" in said
    assert "ssh -L" in said


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_any_address_of_this_machine_alone_will_do(tmp_path, host):
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with browsing(tmp_path, "--host", host) as (client, _):
        assert client.get("/").status_code == 200


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port} cannot be listened on" in refused(tmp_path, "--port", port, code=3)


def test_a_directory_must_be_there(tmp_path):
    assert "absent" in refused(tmp_path / "absent", code=2)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_ends_when_told(tmp_path, number, code):
    with browsing(tmp_path) as (client, process):
        client.get("/")
        process.send_signal(number)
        assert process.wait(20) == code


def test_without_its_libraries_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "uvicorn" else found(name, *rest))
    assert run_command_line(["ui", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert "uvicorn" in said
    assert "pip install 'llm-touchstone[ui]'" in said
