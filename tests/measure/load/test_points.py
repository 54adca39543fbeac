"""From a plan to the files of a point: the prompts have the asked length, and the same plan always writes the same bytes."""

import json

import numpy as np
import pytest

from touchstone.checkpoints.vocabulary import words
from touchstone.errors import UsageError
from touchstone.load_plan import Endpoint, Length, Load, LoadPlan, Workload
from touchstone.measure.load.body import RequestFile
from touchstone.measure.load.connection import parse_address
from touchstone.measure.load.points import Asking, Points
from touchstone.measure.load.prompts import Prompter, Words
from touchstone.measure.load.share import Share

SLOTS = Load(concurrency=3)
URL = "http://127.0.0.1:8000"


def points(added=0, seed=0, headers=None, **workload):
    given = {"input_len": Length(mean=40), "output_len": Length(mean=6), **workload}
    plan = LoadPlan(workload=Workload(**given), loads=(Load(concurrency=3),), num_prompts=12, seed=seed)
    endpoint = Endpoint(base_url=URL, backend="openai-chat", path="/v1/chat/completions", model="m")
    return Points(plan, Asking(parse_address(URL), endpoint, Prompter(Words(words()[:64])), added, headers=headers or {}), None)


def written(directory, made, load=SLOTS, repeat=0, key="run-c3-0", processes=1, count=12):
    """The schedule, and (asked input tokens, head, body) of every request in its order."""
    schedule = made.schedule(load, count, None, repeat)
    made.write(directory, schedule, key, processes)
    rows = {}
    for process in range(processes):
        share = Share(directory / f"requests.{process}.index", directory / "requests.bin")
        for row in range(share.count):
            head, _, body = share.request(row).partition(b"\r\n\r\n")
            rows[share.number(row)] = (share.asked(row)[2], head.decode(), json.loads(body))
    assert sorted(rows) == list(range(len(schedule)))
    return schedule, [rows[row] for row in range(len(schedule))]


def lengths(rows):
    return [sum(len(message["content"].split()) for message in body["messages"]) for *_, body in rows]


@pytest.mark.parametrize("added", [0, 1, 7, 39])
def test_text_and_template_together_have_the_asked_length(tmp_path, added):
    _, rows = written(tmp_path, points(added))
    assert lengths(rows) == [40 - added] * 12
    assert [asked for asked, *_ in rows] == [40] * 12
    assert [body["max_tokens"] for *_, body in rows] == [6] * 12


def test_spread_lengths_keep_to_their_bounds_with_the_template(tmp_path):
    length = Length(kind="uniform", mean=40, low=20, high=60)
    _, rows = written(tmp_path, points(9, input_len=length), count=60)
    asked = [asked for asked, *_ in rows]
    assert [length + 9 for length in lengths(rows)] == asked
    assert len(set(asked)) > 10
    assert 20 <= min(asked) <= max(asked) <= 60


@pytest.mark.parametrize("length", [Length(mean=40), Length(kind="uniform", mean=50, low=1, high=40)])
def test_a_prompt_shorter_than_the_template_is_refused(length):
    with pytest.raises(UsageError, match="shorter than what the chat template adds"):
        points(40, input_len=length)


def test_the_length_of_a_whole_conversation_is_not_claimed(tmp_path):
    """What a template adds to later turns is not known."""
    schedule, rows = written(tmp_path, points(4, turns=3))
    assert [asked for asked, *_ in rows] == [40 if turn == 0 else None for turn in schedule.turn.tolist()]
    assert [len(body["messages"]) for *_, body in rows] == [1 + 2 * turn for turn in schedule.turn.tolist()]


def test_a_repeat_has_arrivals_and_texts_of_its_own_and_the_same_in_every_run(tmp_path):
    load = Load(arrival="poisson", request_rate=10.0)
    one, again, other = (points(), points(), points(seed=1))
    assert one.schedule(load, 12, None, 0).digest == again.schedule(load, 12, None, 0).digest
    digests = {made.schedule(load, 12, None, repeat).digest for made in (one, other) for repeat in range(3)}
    assert len(digests) == 6
    _, first = written(tmp_path / "a", one)
    _, second = written(tmp_path / "b", again)
    assert first == second
    _, elsewhere = written(tmp_path / "c", one, key="run-c3-1", repeat=1)
    texts = [body["messages"][0]["content"] for *_, body in first + elsewhere]
    assert len(set(texts)) == 24


def test_any_number_of_processes_sends_the_same_bytes(tmp_path):
    for processes in (1, 2, 5):
        written(tmp_path / str(processes), points(), processes=processes)
    assert len({RequestFile(tmp_path / str(processes), processes).data_path.read_bytes() for processes in (1, 2, 5)}) == 1


def test_every_request_has_an_id_of_its_own_and_the_public_headers(tmp_path):
    _, rows = written(tmp_path, points(headers={"X-Team": "red"}), key="run-c3-0")
    for row, (_, head, _) in enumerate(rows):
        assert f"X-Request-Id: run-c3-0-{row}\r\n" in head
        assert "X-Team: red\r\n" in head


def test_lengths_left_to_the_server_are_not_asked_for(tmp_path):
    schedule, rows = written(tmp_path, points(output_len=None))
    assert np.ma.getmaskarray(schedule.output_tokens).all()
    assert all("max_tokens" not in body for *_, body in rows)
