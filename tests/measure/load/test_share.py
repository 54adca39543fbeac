"""However a schedule is shared out, every request is somebody's once, in its session's order, at its planned time."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import DataError
from touchstone.load_plan import Length, Load, Workload
from touchstone.measure.load.body import RequestFile
from touchstone.measure.load.page import Page, Slot
from touchstone.measure.load.request_index import ROW, RequestSlice
from touchstone.measure.load.schedule import plan_schedule
from touchstone.measure.load.share import Share

loads = st.one_of(
    st.builds(Load, concurrency=st.integers(1, 9), ramp_s=st.sampled_from([0.0, 1.0])),
    st.builds(Load, arrival=st.sampled_from(["poisson", "constant"]), request_rate=st.floats(1, 1e4), concurrency=st.none() | st.integers(1, 9)),
    st.builds(Load, arrival=st.just("burst")))


def planned(load, count, turns=1, think_s=0.0):
    workload = Workload(input_len=Length(kind="uniform", mean=20, low=8, high=40), output_len=Length(mean=4), turns=turns, think_time_s=think_s)
    return plan_schedule(workload, load, count, None, 7)


def body(row):
    return b"POST / HTTP/1.1\r\nX-Row: %d\r\n\r\n%s" % (row, b"x" * (row % 13))


def shares(directory, schedule, processes):
    files = RequestFile(Path(directory), processes)
    files.write(schedule, map(body, range(len(schedule))))
    return [Share(files.index_path(process), files.data_path) for process in range(processes)]


def closed(share):
    share._slice.close()


def begun(share):
    """The rows that begin a session, in order, with their offsets, as the client walks through them."""
    rows = []
    while share.row < share.count:
        rows.append((share.row, share.offset_ns))
        share.advance()
    assert (share.row, share.offset_ns) == (share.count, None)
    return rows


def session_from(share, row):
    """That row and all that follow it in its session, with the pauses before them."""
    rows = [(row, 0)]
    while (following := share.successor(rows[-1][0])) is not None:
        rows.append(following)
    return rows


@settings(max_examples=120, deadline=None)
@given(loads, st.integers(1, 40), st.integers(1, 4), st.integers(1, 12), st.sampled_from([0.0, 0.25]))
def test_every_request_is_played_once_by_one_process(load, count, turns, processes, think_s):
    schedule = planned(load, count, turns, think_s)
    starts = {int(row): offset for row, offset in enumerate(schedule.offset_ns.tolist()) if schedule.turn[row] == 0}
    played = {}
    with tempfile.TemporaryDirectory() as directory:
        everyone = shares(directory, schedule, processes)
        for process, share in enumerate(everyone):
            first_rows = begun(share)
            for row, offset_ns in first_rows:
                assert offset_ns == starts[share.number(row)]
                session = session_from(share, row)
                assert [share.asked(one)[1] for one, _ in session] == list(range(len(session)))
                assert len({share.asked(one)[0] for one, _ in session}) == 1
                assert [pause for _, pause in session[1:]] == schedule.think_ns[[share.number(one) for one, _ in session[1:]]].tolist()
                for one, _ in session:
                    assert share.number(one) not in played
                    played[share.number(one)] = process
                    assert share.request(one) == body(share.number(one))
                    lengths = share.asked(one)[2:4]
                    assert lengths == (schedule.input_tokens[share.number(one)], schedule.output_tokens[share.number(one)])
            # In the order of the schedule, so that the next to begin is never behind one that is later.
            assert [share.number(row) for row, _ in first_rows] == sorted(share.number(row) for row, _ in first_rows)
            planned_ns = [offset for _, offset in first_rows if offset is not None]
            assert planned_ns == sorted(planned_ns)
            assert {schedule.slice(process, processes).tolist().index(share.number(row)) for row, _ in first_rows} == {row for row, _ in first_rows}
        for share in everyone:
            closed(share)
    assert sorted(played) == list(range(len(schedule)))
    sessions = {}
    for row, process in played.items():
        sessions.setdefault(int(schedule.session[row]), set()).add(process)
    assert all(len(owners) == 1 for owners in sessions.values())


def test_a_closed_loop_has_a_start_for_each_slot_and_then_none(tmp_path):
    [share] = shares(tmp_path, planned(Load(concurrency=3), 8), 1)
    assert begun(share) == [(0, 0), (1, 0), (2, 0), *((row, None) for row in range(3, 8))]


def test_an_open_loop_has_a_time_for_every_session(tmp_path):
    schedule = planned(Load(arrival="constant", request_rate=10.0), 9, turns=3)
    [share] = shares(tmp_path, schedule, 1)
    rows = begun(share)
    assert [row for row, _ in rows] == [0, 3, 6]
    assert np.allclose(np.diff([offset for _, offset in rows]), 1e8, atol=1)
    assert [session_from(share, row) for row, _ in rows] == [[(row, 0), (row + 1, 0), (row + 2, 0)] for row, _ in rows]


def test_a_stopped_share_begins_nothing_but_still_knows_its_rows(tmp_path):
    [share] = shares(tmp_path, planned(Load(concurrency=3), 8, turns=2), 1)
    share.advance()
    share.stop()
    assert (share.row, share.offset_ns) == (share.count, None)
    assert share.successor(0) == (1, 0)
    assert share.successor(1) is None
    assert share.request(7) == body(7)


def test_what_is_not_known_is_none(tmp_path):
    schedule = plan_schedule(Workload(input_len=Length(mean=20)), Load(concurrency=1), 2, None, 0)
    [share] = shares(tmp_path, schedule, 1)
    assert share.asked(0)[3] is None
    digests = {share.asked(row)[4] for row in range(2)}
    assert len(digests) == 2
    assert all(len(digest) == 16 for digest in digests)


def test_a_digest_is_of_the_body_alone(tmp_path):
    """Two requests that differ in their id only are the same prompt."""
    schedule = planned(Load(concurrency=1), 2)
    RequestFile(tmp_path, 1).write(schedule, [b"POST / HTTP/1.1\r\nX-Request-Id: a\r\n\r\nsame", b"POST / HTTP/1.1\r\nX-Request-Id: b\r\n\r\nsame"])
    share = Share(tmp_path / "requests.0.index", tmp_path / "requests.bin")
    assert share.asked(0)[4] == share.asked(1)[4]


def test_files_that_are_not_whole_are_named(tmp_path):
    schedule = planned(Load(concurrency=1), 3)
    RequestFile(tmp_path, 1).write(schedule, map(body, range(3)))
    index, data = tmp_path / "requests.0.index", tmp_path / "requests.bin"
    whole = index.read_bytes()
    assert len(whole) == 3 * ROW * 8
    for length in (1, 8, 8 * ROW - 1, len(whole) - 8):
        index.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"requests\.0\.index is cut off"):
            Share(index, data)
    index.unlink()
    with pytest.raises(DataError, match=r"requests\.0\.index cannot be read"):
        Share(index, data)
    data.unlink()
    with pytest.raises(DataError, match=r"requests\.bin cannot be read"):
        RequestSlice(index, data)


def test_a_process_without_rows_has_none(tmp_path):
    shared = shares(tmp_path, planned(Load(concurrency=2), 5), 3)
    assert [share.count for share in shared] == [3, 2, 0]
    assert begun(shared[2]) == []


def test_a_page_is_seen_by_everyone_who_maps_it(tmp_path):
    ours = Page(tmp_path / "a.page", create=True)
    theirs = Page(tmp_path / "a.page")
    assert [theirs[slot] for slot in Slot] == [0] * len(Slot)
    for slot in Slot:
        theirs[slot] = -(1 << 63) + slot
    assert [ours[slot] for slot in Slot] == [-(1 << 63) + slot for slot in Slot]
    ours.close()
    theirs.close()
