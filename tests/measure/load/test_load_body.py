"""A request is one well-formed HTTP/1.1 message that says what was planned, and the files give each client its own."""

import email.parser
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import DataError, NotReadyError, UsageError
from touchstone.load_plan import Endpoint, Length, Load, LoadPlan, Workload
from touchstone.measure.load.body import Dialect, RequestFile, RequestTemplate, joined, sampling_fields, with_key
from touchstone.measure.load.connection import parse_address
from touchstone.measure.load.request_index import (
    AFTER,
    INPUT_TOKENS,
    NONE,
    OFFSET_NS,
    OUTPUT_TOKENS,
    REQUEST,
    ROW,
    SESSION,
    SIZE,
    START,
    THINK_NS,
    TURN,
)
from touchstone.measure.load.schedule import plan_schedule
from touchstone.plan import ChatMessage

HELLO = (ChatMessage(role="user", content="hello"),)
PLAN = LoadPlan(workload=Workload(), loads=(Load(concurrency=1),), num_prompts=1)


def template(backend="openai-chat", url="http://127.0.0.1:8000", path="/v1/chat/completions", headers=None, fields=None, **more):
    endpoint = Endpoint(base_url=url, backend=backend, path=path, model=more.pop("model", "m"), stream=more.pop("stream", True))
    return RequestTemplate(parse_address(url), endpoint, headers or {}, fields or {}, **more)


def parsed(raw):
    """(request line, headers, decoded body), by the standard library."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, _, rest = head.partition(b"\r\n")
    headers = email.parser.BytesHeaderParser().parsebytes(rest + b"\r\n\r\n")
    assert int(headers["Content-Length"]) == len(body)
    return line.decode(), headers, json.loads(body)


def test_a_chat_request():
    line, headers, body = parsed(template(fields=sampling_fields(PLAN)).render("run-7", HELLO, 12))
    assert line == "POST /v1/chat/completions HTTP/1.1"
    assert body == {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 12, "stream": True,
                    "stream_options": {"include_usage": True}, "temperature": 0.0, "ignore_eos": True}
    assert headers["Host"] == "127.0.0.1:8000"
    assert headers["X-Request-Id"] == "run-7"
    assert headers["Accept"] == "text/event-stream"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("touchstone/")
    assert headers["Authorization"] is None
    assert all(len(headers.get_all(name)) == 1 for name in headers)


def test_a_completion_that_does_not_stream_behind_a_prefix():
    plan = PLAN.model_copy(update={"temperature": None, "ignore_eos": False})
    made = template("openai", "https://[::1]/api", "/v1/completions", stream=False, fields=sampling_fields(plan), model=None)
    line, headers, body = parsed(made.render("run-7", HELLO, None))
    assert line == "POST /api/v1/completions HTTP/1.1"
    assert headers["Host"] == "[::1]"
    assert headers["Accept"] == "application/json"
    assert body == {"prompt": "hello", "stream": False}


def test_extra_fields_override_any_other():
    plan = PLAN.model_copy(update={"extra_body": {"temperature": 0.7, "model": "other", "stream_options": None, "top_k": [1, {"a": None}]}})
    _, _, body = parsed(template(fields=sampling_fields(plan)).render("run-7", HELLO, 3))
    assert (body["temperature"], body["model"], body["stream_options"], body["top_k"]) == (0.7, "other", None, [1, {"a": None}])
    fixed = template(fields={"messages": [], "max_tokens": 99})
    assert (fixed.render("x", HELLO, 3), parsed(fixed.render("x", HELLO, 3))[2]["max_tokens"]) == (fixed.render("x", (), None), 99)


def test_servers_that_want_another_name_for_the_limit():
    _, _, body = parsed(template(dialect=Dialect(refused=("max_tokens",))).render("x", HELLO, 5))
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body


def test_fields_that_a_server_refuses_are_left_out_and_nothing_else():
    plain = parsed(template(fields=sampling_fields(PLAN)).render("x", HELLO, 5))[2]
    _, headers, body = parsed(template(fields=sampling_fields(PLAN), dialect=Dialect(("ignore_eos", "stream_options"))).render("x", HELLO, 5))
    assert plain.keys() - body.keys() == {"ignore_eos", "stream_options"}
    assert body.items() <= plain.items()
    assert headers["Connection"] is None


def test_a_server_that_closes_every_connection_is_asked_to():
    _, headers, body = parsed(template(dialect=Dialect(closes=True)).render("x", HELLO, 5))
    assert headers["Connection"] == "close"
    assert headers["X-Request-Id"] == "x"
    assert body == parsed(template().render("x", HELLO, 5))[2]


def test_a_key_is_sent_only_where_there_is_one_and_never_over_the_users_own():
    assert with_key({}, None) == {}
    _, headers, _ = parsed(template(headers=with_key({"X-Team": "a"}, "secret")).render("x", HELLO, 1))
    assert (headers["Authorization"], headers["X-Team"]) == ("Bearer secret", "a")
    assert with_key({"authorization": "Basic x"}, "secret") == {"authorization": "Basic x"}


def test_users_headers_replace_ours():
    _, headers, _ = parsed(template(headers={"user-agent": "mine", "HOST": "virtual"}).render("x", HELLO, 1))
    assert headers.get_all("User-Agent") == ["mine"]
    assert headers.get_all("Host") == ["virtual"]


@pytest.mark.parametrize("headers", [
    {"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "a\rb"}, {"X": "a\0b"}, {"X\r\nY": "b"}, {"X Y": "b"}, {"": "b"}, {"X:": "b"}, {"X": "试金石"}, {"X": "a\x7f"},
    {"Content-Length": "3"}, {"transfer-encoding": "chunked"}, {"Connection": "close"}, {"X-Request-ID": "a"}, {"Accept-Encoding": "gzip"},
])
def test_headers_that_would_break_the_message_are_refused(headers):
    with pytest.raises(UsageError):
        template(headers=headers)


def test_a_bad_key_is_refused_without_being_shown():
    with pytest.raises(UsageError) as refused:
        template(headers=with_key({}, "sk-secret\n"))
    assert "sk-secret" not in str(refused.value)


@pytest.mark.parametrize("path", ["v1", "/a b", "/a\r\nX: y", "/路"])
def test_paths_that_are_none_are_refused(path):
    with pytest.raises(UsageError, match="not a path"):
        template(path=path)


@pytest.mark.parametrize("request_id", ["a\r\nb", "a\nb", "编号", "a\0"])
def test_ids_that_cannot_be_headers_are_refused(request_id):
    with pytest.raises(UsageError, match="cannot be a header"):
        template().render(request_id, HELLO, 1)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=4), limit=st.none() | st.integers(1, 10**6))
def test_any_text_arrives_as_it_was(texts, limit):
    messages = [ChatMessage(role=("user", "assistant", "system")[place % 3], content=text) for place, text in enumerate(texts)]
    _, _, body = parsed(template().render("x", messages, limit))
    assert [ChatMessage(**one) for one in body["messages"]] == messages
    assert body.get("max_tokens") == limit
    _, _, body = parsed(template("openai").render("x", messages, limit))
    assert body["prompt"] == joined(texts)


def test_texts_of_a_conversation_are_joined_by_white_space():
    assert joined([" a b", " c", "d", "\ne", "f\n", "g", ""]) == " a b c d\ne f\ng "
    assert joined(["", "a"]) == "a"
    assert joined([]) == ""


# ── files ──


def schedule_of(count, turns=1, slots=5, **load):
    workload = Workload(input_len=Length(mean=64), output_len=Length(mean=8), turns=turns, think_time_s=0.5)
    return plan_schedule(workload, Load(concurrency=slots, **load), count, None, 0)


def body_of(row):
    return b"request %d " % row + b"x" * (row % 7)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 60), turns=st.integers(1, 4), processes=st.integers(1, 6), closed=st.booleans())
def test_clients_find_every_request_once_with_its_plan(tmp_path_factory, count, turns, processes, closed):
    planned = schedule_of(count, turns) if closed else schedule_of(count, turns, request_rate=10.0, arrival="poisson")
    files = RequestFile(tmp_path_factory.mktemp("requests"), processes)
    written = files.write(planned, map(body_of, range(count)))
    assert written == files.data_path.stat().st_size == sum(len(body_of(row)) for row in range(count))
    seen = []
    for process in range(processes):
        with files.open(process) as share:
            table = np.array(share.cells.tolist(), dtype=np.int64).reshape(-1, ROW)
            assert len(share) == len(table)
            rows = table[:, REQUEST]
            assert rows.tolist() == planned.slice(process, processes).tolist()
            for field, column in ((OFFSET_NS, planned.offset_ns), (THINK_NS, planned.think_ns), (SESSION, planned.session), (TURN, planned.turn),
                                  (INPUT_TOKENS, planned.input_tokens), (OUTPUT_TOKENS, planned.output_tokens)):
                assert table[:, field].tolist() == np.ma.filled(column[rows], NONE).tolist()
            for place, row in enumerate(rows):
                assert share.request(place) == body_of(row)
                assert table[place, START] + table[place, SIZE] <= written
                before = planned.after[row]
                assert table[place, AFTER] == (NONE if before is np.ma.masked else place - 1)
                if before is not np.ma.masked:
                    assert rows[place - 1] == before
            seen += rows.tolist()
    assert sorted(seen) == list(range(count))


def test_many_chunks_are_written_whole(tmp_path):
    planned = schedule_of(20_000, turns=3)
    files = RequestFile(tmp_path, 3)
    files.write(planned, map(body_of, range(20_000)))
    for process in range(3):
        with files.open(process) as share:
            cells = share.cells
            last = len(share) - 1
            assert share.request(last) == body_of(cells[last * ROW + REQUEST])
            following = [cells[row * ROW + AFTER] for row in range(len(share))]
            assert all(before in {NONE, row - 1} for row, before in enumerate(following))


@pytest.mark.parametrize(("given_rows", "says"), [(9, "fewer"), (11, "more")])
def test_the_number_of_requests_must_be_the_schedules(tmp_path, given_rows, says):
    with pytest.raises(ValueError, match=says):
        RequestFile(tmp_path, 2).write(schedule_of(10), map(body_of, range(given_rows)))


def test_broken_files_are_said_to_be_so(tmp_path):
    files = RequestFile(tmp_path / "none", 1)
    with pytest.raises(NotReadyError, match="cannot be written"):
        files.write(schedule_of(2), map(body_of, range(2)))
    with pytest.raises(DataError, match="cannot be read"):
        files.open(0)
    files = RequestFile(tmp_path, 1)
    files.write(schedule_of(2), map(body_of, range(2)))
    with files.index_path(0).open("ab") as index:
        index.write(b"x")
    with pytest.raises(DataError, match="cut off"):
        files.open(0)
    files.index_path(0).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        files.open(0)


@pytest.mark.slow
def test_a_million_requests_are_written_in_little_memory(tmp_path):
    code = """
import resource, sys
from pathlib import Path
from touchstone.load_plan import Endpoint, Length, Load, Workload
from touchstone.measure.load.body import RequestFile, RequestTemplate
from touchstone.measure.load.connection import parse_address
from touchstone.measure.load.prompts import Prompter, Words, prompts
from touchstone.measure.load.schedule import plan_schedule
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
workload = Workload(input_len=Length(mean=64), output_len=Length(mean=8))
planned = plan_schedule(workload, Load(concurrency=64), 10**6, None, 0)
url = "http://127.0.0.1:8000"
template = RequestTemplate(parse_address(url), Endpoint(base_url=url, backend="openai-chat", path="/v1", model="m"), {}, {})
made = prompts(planned, workload, Prompter(Words(("a", "b", "c", "d", "e", "f", "g", "h"))), "run")
RequestFile(Path(sys.argv[1]), 2).write(planned, (template.render(f"run-{row}", said, 8) for row, said in enumerate(made)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown_kib = int(subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout)
    assert grown_kib < 100 * 1024
    assert (tmp_path / "requests.1.index").stat().st_size == 500_000 * ROW * 8
