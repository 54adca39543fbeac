"""Records as columns: nothing is made up on the way."""

from builders import MS, make_record, make_trial
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge.columns import column, events_of, requests_of, window_of
from touchstone.record import Status
from touchstone.served import EVENT_COLUMNS, REQUEST_COLUMNS, Ending


@given(st.lists(st.one_of(st.none(), st.integers(-2**62, 2**62)), max_size=20))
def test_a_column_gives_back_what_went_in(values):
    assert column(values).tolist() == values


def test_every_column_has_a_row_per_record_and_what_a_record_does_not_know_is_masked():
    records = [make_record(), make_record(input_tokens=None, cached_tokens=None), make_record(event_ns=(), output_tokens=None)]
    requests = requests_of(records)
    assert {len(getattr(requests, name)) for name in REQUEST_COLUMNS} == {3}
    assert requests.input_tokens.tolist() == [7, None, 7]
    assert requests.first_token_ns.tolist() == [50 * MS, 50 * MS, None]
    assert requests.output_tokens.tolist() == [16, 16, None]
    assert requests.scheduled_ns.tolist() == requests.turn.tolist() == [None] * 3


def test_tokens_that_share_the_first_stamp_are_the_first_event_s():
    record = make_record(event_ns=(50 * MS, 50 * MS, 60 * MS), event_tokens=(2, 3, 4), output_tokens=9)
    assert requests_of([record]).first_tokens.tolist() == [5]
    assert requests_of([record]).token_events.tolist() == [3]


def test_only_what_ended_well_is_ok():
    records = [make_record(status=status) for status in Status]
    assert [ending == Ending.OK for ending in requests_of(records).ending.tolist()] == [status is Status.OK for status in Status]


def test_events_are_in_order_and_know_their_record():
    events = events_of([make_record(tokens=2), make_record(event_ns=()), make_record(sent_ns=5 * MS, tokens=1)])
    assert events.request.tolist() == [0, 0, 2]
    assert events.at_ns.tolist() == [50 * MS, 60 * MS, 55 * MS]
    assert {len(getattr(events, name)) for name in EVENT_COLUMNS} == {3}


def test_a_window_reaches_from_handing_over_to_the_last_token_of_any_record():
    window = window_of(make_trial(batch_size=4, sent_ns=10 * MS))
    assert (window.seconds, window.output_tokens, window.completed) == (0.2, 64, 4)


def test_no_record_is_no_row():
    assert len(requests_of([])) == len(events_of([])) == 0
