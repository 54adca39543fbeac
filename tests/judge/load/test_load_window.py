"""The measured stretch: from the first good end to the last send, or the whole span where that holds too little."""

import numpy as np
import pytest
from builders import MS, S, ints, make_load, make_load_run, make_requests, steady_requests
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge.load.window import SLICES, Stretch, stretch_of
from touchstone.served import Ending
from touchstone.units import NS_PER_S


def stretch(requests, **load):
    return stretch_of(make_load_run(requests, load=make_load(**load)).points[0], requests)


def test_a_steady_load_is_measured_from_the_end_of_the_first_round_to_the_last_send():
    requests = steady_requests(400)
    found = stretch(requests)
    assert (found.start_ns, found.end_ns, found.steady) == ((7 * 25 + 201) * MS, int(requests.sent_ns.max()), True)
    assert stretch(requests, concurrency=None, arrival="poisson", request_rate=40.0).start_ns == 201 * MS


@given(st.integers(1, 40), st.integers(2, 40), st.integers(1, 10**12))
def test_rounds_of_equal_answers_are_counted_at_the_rate_at_which_they_end(slots, rounds, stay_ns):
    sent = [turn * stay_ns + place * 1e-6 * stay_ns / slots for turn in range(rounds) for place in range(slots)]
    ended = ints([round(at + stay_ns) for at in sent])
    found = stretch(make_requests(len(sent), sent_ns=[round(at) for at in sent], ended_ns=ended), concurrency=slots)
    inside = np.count_nonzero((ended > found.start_ns) & (ended <= found.end_ns))
    assert inside * stay_ns / NS_PER_S == pytest.approx(slots * found.seconds, rel=1e-5, abs=2e-9 * len(sent))


def test_a_burst_has_no_steady_stretch_and_is_measured_whole():
    requests = make_requests(64, sent_ns=[1 * S] * 64, ended_ns=[(2 + place) * S for place in range(64)])
    found = stretch(requests, arrival="burst", concurrency=None)
    assert (found.start_ns, found.end_ns, found.steady) == (1 * S, 65 * S, False)


def test_a_stretch_that_holds_less_than_a_third_of_the_ends_is_not_steady():
    sent = [place * 10 * MS for place in range(100)]
    ended = [at + (500 if place < 60 else 900) * MS for place, at in enumerate(sent)]
    assert stretch(make_requests(100, sent_ns=sent, ended_ns=ended)).steady  # ends from 500 to 990 ms: 49 of 100 after the first
    late = [at + (800 if place < 60 else 900) * MS for place, at in enumerate(sent)]
    assert not stretch(make_requests(100, sent_ns=sent, ended_ns=late)).steady  # 19 of 100


def test_a_failure_that_comes_at_once_does_not_open_the_stretch():
    requests = steady_requests(400, ending=[Ending.REFUSED, *[Ending.OK] * 399])
    requests.ended_ns[0] = 1
    assert stretch(requests).start_ns == (202 + 201) * MS  # the eighth good end


def test_a_ramp_is_left_out():
    assert stretch(steady_requests(400), ramp_s=3.0).start_ns == 3 * S


def test_nothing_sent_is_no_stretch_and_nothing_ended_is_not_steady():
    unsent = make_requests(2)
    unsent.sent_ns[:] = np.ma.masked
    assert stretch_of(make_load_run(make_requests(2)).points[0], unsent) is None
    failed = make_requests(3, ending=[Ending.TIMEOUT] * 3, ended_ns=[5 * S, 6 * S, 9 * S])
    found = stretch(failed)
    assert (found.start_ns, found.end_ns, found.steady) == (0, 9 * S, False)


@given(st.integers(0, 10**18), st.integers(1, 10**13), st.lists(st.integers(-10**12, 10**13), min_size=1, max_size=50))
def test_slices_hold_every_stamp_inside_once_and_none_outside(start_ns, length_ns, offsets):
    found = Stretch(start_ns, start_ns + length_ns, steady=True)
    at_ns = np.array([start_ns + offset for offset in offsets], dtype=np.int64)
    place = found.slice_of(at_ns)
    inside = (at_ns > found.start_ns) & (at_ns <= found.end_ns)
    assert ((place < SLICES) == inside).all()
    assert (place >= 0).all()
    ordered = place[inside][np.argsort(at_ns[inside])]
    assert (np.diff(ordered) >= 0).all()


def test_slices_are_equal():
    found = Stretch(0, 1000, steady=True)
    counts = found.slices(ints(range(1, 1001)), np.ones(1000, dtype=bool))
    assert counts.tolist() == [100.0] * SLICES


def test_slices_sum_weights_and_leave_out_what_is_unknown():
    found = Stretch(0, 10, steady=True)
    weighed = found.slices(ints([1, 10, None, 5]), np.array([True, True, True, False]), ints([7, 8, 9, 10]))
    assert weighed.sum() == pytest.approx(15)
    assert (weighed[0], weighed[-1]) == (7, 8)
