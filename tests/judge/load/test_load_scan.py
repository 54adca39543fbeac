"""One pass over the events: the same whatever the batches, and true to what each answer's events say."""

from dataclasses import fields

import numpy as np
import pytest
from builders import MS, S, make_events, make_load_run, make_requests, make_stream, steady_requests
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.judge.load.scan import offered_points
from touchstone.served import EVENT_COLUMNS, Ending, Events


def rows(table, chosen):
    return type(table)(**{one.name: getattr(table, one.name)[chosen] for one in fields(table)})


def joined(*tables):
    return Events(**{name: np.ma.concatenate([getattr(table, name) for table in tables]) for name in EVENT_COLUMNS})


def only(requests, events=None, **header):
    (offered,) = offered_points(make_load_run(requests, events, **header))
    return offered


def test_events_that_come_together_are_one_arrival_and_no_gap():
    requests, events = make_stream([(50, "CONTENT", 1), (60, "CONTENT", 1), (60, "CONTENT", 2), (90, "CONTENT", 1)])
    offered = only(requests, events)
    assert (offered.streams.events.tolist(), offered.streams.arrivals.tolist()) == ([4], [3])
    assert offered.gaps_s.tolist() == pytest.approx([0.010, 0.030])
    assert (offered.streams.gap_sum_ns.tolist(), offered.streams.longest_gap_ns.tolist()) == ([40 * MS], [30 * MS])


def test_gaps_of_a_request_that_failed_are_no_gaps():
    requests = make_requests(2, ending=[Ending.OK, Ending.TRUNCATED])
    offered = only(requests, make_events(requests))
    assert len(offered.gaps_s) == 15
    assert offered.streams.events.tolist() == [16, 16]


def test_tokens_of_a_failed_request_are_not_counted_and_those_of_one_we_stopped_are():
    for ending, expected in ((Ending.OK, 32), (Ending.STOPPED, 32), (Ending.RESET, 16)):
        requests = make_requests(2, ending=[Ending.OK, ending], sent_ns=[0, 0])
        assert only(requests, make_events(requests)).streams.slice_tokens.sum() == pytest.approx(expected)


def test_events_that_do_not_say_share_what_is_left_of_the_server_s_count():
    requests, events = make_stream([(50, "CONTENT", 10), (60, "CONTENT", None), (70, "CONTENT", None)], output_tokens=[16])
    offered = only(requests, events)
    assert (offered.streams.counted.tolist(), offered.streams.silent.tolist()) == ([10], [2])
    assert offered.streams.slice_tokens.sum() == pytest.approx(16)


def test_without_any_count_an_answer_s_events_bring_what_others_do():
    requests = make_requests(2, sent_ns=[0, 0], output_tokens=[64, None])
    assert only(requests, make_events(requests, tokens=None)).streams.slice_tokens.sum() == pytest.approx(128)


def test_only_what_comes_inside_the_window_is_counted():
    requests = steady_requests(400)
    offered = only(requests)
    at_ns = make_events(requests).at_ns
    inside = (at_ns > offered.stretch.start_ns) & (at_ns <= offered.stretch.end_ns)
    assert offered.streams.slice_tokens.sum() == pytest.approx(int(inside.sum()))
    assert offered.streams.slice_tokens.sum() < 400 * 16


def test_events_of_nobody_are_counted_as_strays():
    requests = make_requests(2)
    events = make_events(requests)
    events.request[:3] = 17
    assert only(requests, events).streams.stray == 3
    assert only(rows(requests, slice(0, 1)), make_events(requests)).streams.stray == 16


def test_time_that_runs_backwards_is_seen_and_makes_no_gap():
    requests, events = make_stream([(50, "CONTENT", 1), (70, "CONTENT", 1), (60, "CONTENT", 1)])
    offered = only(requests, events)
    assert offered.streams.backwards == 1
    assert offered.gaps_s.tolist() == pytest.approx([0.020])


def test_points_keep_their_own_rows_and_events_however_they_are_mixed():
    requests = make_requests(6, point=[0, 1, 0, 1, 0, 1], request=[0, 0, 1, 1, 2, 2], sent_ns=[S * place for place in range(6)])
    first, second = offered_points(make_load_run(requests, make_events(requests)))
    assert first.requests.sent_ns.tolist() == [0, 2 * S, 4 * S]
    assert second.requests.sent_ns.tolist() == [1 * S, 3 * S, 5 * S]
    assert first.streams.events.tolist() == second.streams.events.tolist() == [16, 16, 16]
    assert len(first.gaps_s) == len(second.gaps_s) == 45


@settings(max_examples=40)
@given(st.data())
def test_batches_and_order_of_answers_change_nothing(data):
    count = data.draw(st.integers(1, 12))
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    requests = make_requests(count, token_events=lengths, output_tokens=lengths)
    answers = [rows(make_events(requests), np.repeat(np.arange(count), lengths) == place) for place in range(count)]
    whole = only(requests, joined(*answers))
    order = data.draw(st.permutations(range(count)))
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1)))) if count > 1 else []
    batches = [joined(*(answers[place] for place in part)) for part in np.split(np.array(order), cuts) if len(part)]
    parted = only(requests, batches)
    for one in ("events", "arrivals", "gap_sum_ns", "longest_gap_ns", "counted", "silent"):
        assert getattr(whole.streams, one).tolist() == getattr(parted.streams, one).tolist()
    assert sorted(whole.gaps_s.tolist()) == sorted(parted.gaps_s.tolist())
    assert whole.streams.slice_tokens.tolist() == pytest.approx(parted.streams.slice_tokens.tolist())


def test_requests_that_stand_together_are_not_copied():
    requests = make_requests(6, point=[0, 0, 0, 1, 1, 1], request=[0, 1, 2, 0, 1, 2])
    for offered in offered_points(make_load_run(requests)):
        assert np.shares_memory(offered.requests.sent_ns.data, requests.sent_ns.data)


def test_no_event_at_all_is_no_gap():
    requests = make_requests(2)
    offered = only(requests, [])
    assert (len(offered.gaps_s), offered.streams.events.tolist()) == (0, [0, 0])
    assert only(requests, rows(make_events(requests), slice(0, 0))).streams.stray == 0
