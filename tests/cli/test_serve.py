"""``touchstone serve`` as it is typed."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest

from touchstone.measure.scripted import ScriptedServer
from touchstone.measure.scripted.log import parse_log
from touchstone.measure.scripted.running import COMMAND


@contextmanager
def serving(*options: str, **popen):
    """The process and its base URL; killed at the end if it has not ended."""
    process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
    try:
        yield process, process.stdout.readline().removeprefix("listening on ").strip()
    finally:
        process.kill()
        process.communicate()


def refused(*options: str) -> str:
    done = subprocess.run(options, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {2, 3}, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def completion(base_url: str, **body) -> dict:
    content = json.dumps({"prompt": "a b", **body}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{base_url}/v1/completions", content), timeout=20) as answer:
        return json.load(answer)


def test_only_the_scripted_server_is_there():
    assert "--scripted" in refused(*COMMAND[:-1])


@pytest.mark.parametrize(("options", "word"), [
    (["--fault", "http_501=5%"], "http_500"), (["--fault", "reset"], "http_500=5%"), (["--fault", "reset=often"], "reset"), (["--ttft", "soon"], "ttft_s"),
    (["--script", "absent.yaml"], "absent.yaml"), (["--script", "{ttft: 3}"], "ttft_s"), (["--processes", "2", "--concurrency", "4"], "--processes 1"),
    (["--tls-cert", __file__], "--tls-key"), (["--tls-cert", __file__, "--tls-key", __file__], "test_serve.py"), (["--host", "203.0.113.9"], "203.0.113.9")])
def test_what_cannot_be_served_is_refused(options: list[str], word: str):
    assert word in refused(*COMMAND, *options)


def test_a_port_that_is_taken_is_said(tmp_path):
    with serving() as (_, base_url):
        assert base_url.rpartition(":")[2] in refused(*COMMAND, "--port", base_url.rpartition(":")[2])


def test_options_are_laid_over_the_script(tmp_path):
    (tmp_path / "script.yaml").write_text("ttft_s: 5\nitl_s: 1ms\nmodel: from-file\nfaults: {http_500: 0%}\n")
    with serving("--script", str(tmp_path / "script.yaml"), "--ttft", "10ms", "--output-tokens", "3", "--fault", "empty=0.0") as (_, base_url):
        answer = completion(base_url, max_tokens=100)
        with urllib.request.urlopen(f"{base_url}/scripted/log", timeout=20) as log:
            entry, = parse_log(log.read())
    assert answer["model"] == "from-file"
    assert answer["usage"]["completion_tokens"] == 3
    assert entry.scheduled_ns[0] - entry.received_ns == 12_000_000


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_signal_ends_it_quietly_and_the_log_is_written(tmp_path, number: int, code: int, processes: str):
    path = tmp_path / "log.jsonl"
    with serving("--log", str(path), "--ttft", "1ms", "--itl", "1ms", "--processes", processes, start_new_session=True) as (process, base_url):
        for _ in range(3):
            completion(base_url, max_tokens=2)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (code, "", "")
    assert [(entry.prompt_tokens, entry.output_tokens) for entry in parse_log(path.read_bytes())] == [(2, 2)] * 3


def test_it_ends_with_whoever_started_it():
    for processes in ("1", "2"):
        with serving("--until-stdin-ends", "--processes", processes, stdin=subprocess.PIPE) as (process, base_url):
            completion(base_url)
            process.stdin.close()
            process.stdin = None
            assert process.wait(timeout=60) == 0


def test_an_address_beyond_this_machine_is_warned_about():
    with serving("--host", "0.0.0.0") as (process, base_url):
        completion(base_url.replace("0.0.0.0", "127.0.0.1"), max_tokens=1)
        process.terminate()
        assert "Anybody" in process.communicate(timeout=60)[1]


def test_a_server_that_does_not_start_says_why():
    from touchstone.errors import NotReadyError
    from touchstone.measure.scripted import Script

    with pytest.raises(NotReadyError, match=r"203\.0\.113\.9"), ScriptedServer(Script(), host="203.0.113.9"):
        pass
