"""Servers differ in what they take: the probe finds out, says so, and every later request is asked in the same way."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading

import pytest

from touchstone.errors import EngineError, NotReadyError
from touchstone.load_plan import Endpoint, Load, LoadPlan, Workload
from touchstone.measure.load.meeting import meet_server
from touchstone.measure.scripted import Script, ScriptedServer

PLAN = LoadPlan(workload=Workload(), loads=(Load(concurrency=1),), num_prompts=1)
TOKEN = {"choices": [{"index": 0, "delta": {"content": " a"}, "finish_reason": None}]}


class Picky(http.server.BaseHTTPRequestHandler):
    """Refuses bodies with a field in ``refuses``, in the words of ``says``; counts each word of a prompt, and two for its template."""

    protocol_version = "HTTP/1.1"
    refuses: tuple[str, ...] = ()
    says = staticmethod(lambda fields: {"detail": f"Unexpected fields in the request: {set(fields)}"})
    status = 422
    closes = False

    def do_GET(self):
        self.answer(200, json.dumps({"data": [{"id": "picky"}]}).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        refused = [field for field in self.refuses if field in body]
        if refused:
            self.answer(self.status, json.dumps(self.says(refused)).encode())
            return
        tokens = body.get("max_tokens") or body["max_completion_tokens"]
        usage = {"prompt_tokens": len(body["messages"][0]["content"].split()) + 2, "completion_tokens": tokens}
        events = [TOKEN] * tokens + [{"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}]
        if "stream_options" in body:
            events.append({"choices": [], "usage": usage})
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.answer(200, text.encode(), "text/event-stream")
        self.close_connection = self.closes

    def answer(self, status, content, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def picky(**traits):
    """A picky server; yields its URL and the bodies it was sent."""
    traits = {name: staticmethod(value) if callable(value) else value for name, value in traits.items()}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Server", (Picky,), traits)) as server:
        server.bodies = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", server.bodies
        finally:
            server.shutdown()
            thread.join()


def meet(url, **choices):
    endpoint = Endpoint(base_url=url, backend="openai-chat", path="/v1/chat/completions")
    return meet_server(endpoint, PLAN.model_copy(update=choices), {}, fixed=True)


def pydantic_says(fields):
    return {"detail": [{"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted", "input": True}
                       for field in fields]}


def one_at_a_time(fields):
    return {"error": {"message": f"Unsupported parameter: '{fields[0]}' is not supported with this model.", "code": "unsupported_parameter"}}


@pytest.mark.parametrize(("status", "says"), [(422, Picky.says), (422, pydantic_says), (400, one_at_a_time)])
def test_fields_that_are_refused_by_name_are_left_out(status, says):
    with picky(refuses=("ignore_eos", "temperature"), status=status, says=says) as (url, bodies):
        target = meet(url)
    assert set(target.asking.dialect.refused) == {"ignore_eos", "temperature"}
    assert {"ignore-eos-refused", "temperature-refused"} <= set(target.probe.notes)
    assert target.asking.template_tokens == 2
    assert {"ignore_eos", "temperature"} <= bodies[0].keys()
    assert not {"ignore_eos", "temperature"} & bodies[-1].keys()
    assert bodies[-1]["stream_options"] == {"include_usage": True}


def test_the_newer_name_of_the_limit_is_found():
    with picky(refuses=("max_tokens",), status=400, says=one_at_a_time) as (url, bodies):
        target = meet(url)
    assert target.asking.dialect.refused == ("max_tokens",)
    assert bodies[-1]["max_completion_tokens"] == 1


def test_without_stream_options_nobody_counts():
    with picky(refuses=("stream_options",)) as (url, _):
        target = meet(url)
    assert target.probe.notes == ("no-usage", "stream-options-refused")
    assert target.asking.template_tokens is None


def test_a_server_that_takes_everything_is_asked_as_planned():
    with picky() as (url, bodies):
        target = meet(url)
    assert target.probe.notes == ()
    assert target.asking.dialect.refused == ()
    assert not target.asking.dialect.closes
    assert all({"ignore_eos", "temperature", "max_tokens"} <= body.keys() for body in bodies)


def test_what_the_user_insists_on_is_not_left_out():
    with picky(refuses=("ignore_eos", "top_k")) as (url, _):
        with pytest.raises(EngineError, match="top_k"):
            meet(url, extra_body={"top_k": 1})
        with pytest.raises(EngineError, match="ignore_eos"):
            meet(url, extra_body={"ignore_eos": True})


def test_a_refusal_that_names_no_field_is_an_error():
    with picky(refuses=("messages",), says=lambda _: {"error": "not today"}) as (url, bodies), pytest.raises(EngineError, match="not today"):
        meet(url)
    assert len(bodies) <= 4


def test_connections_that_are_closed_in_silence_are_noticed():
    with picky(closes=True) as (url, _):
        target = meet(url)
    assert target.asking.dialect.closes
    assert "closes-connections" in target.probe.notes


@pytest.mark.parametrize("fault", ["reset", "stall_forever", "truncate", "http_500"])
def test_a_fault_or_two_do_not_keep_us_from_meeting(fault):
    """Half of its answers fail; which ones is drawn from the seed."""
    with ScriptedServer(Script(ttft_s=0.001, itl_s=0.001, faults={fault: 0.4}, seed=1)) as server:
        target = meet(server.base_url, timeout_s=0.3)
        faults = {entry.fault for entry in server.log()}
    assert target.asking.template_tokens == 4
    assert faults == {None, fault}


def test_a_server_that_never_answers_is_given_up():
    with ScriptedServer(Script(faults={"stall_forever": 1.0})) as server, pytest.raises(NotReadyError, match=r"0\.1 s"):
        meet(server.base_url, timeout_s=0.1)
