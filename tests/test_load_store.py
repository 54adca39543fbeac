"""Load test directories: nothing that ended is lost, nothing counts twice, damage is named, and other tools open the tables."""

import json
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from builders import make_load_run, steady_requests
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone import load_store, parquet, store
from touchstone.errors import DataError
from touchstone.judge.load.scan import offered_points
from touchstone.load_store import TABLES, append_answers, append_server, compact, load_test
from touchstone.served import EVENT_COLUMNS, REQUEST_COLUMNS, REQUEST_FACTS, REQUEST_WORDS, EventKind

BIG = 2**62
POINT = {"case": "c2", "repeat": 0, "load": {"concurrency": 2}, "started_ns": 5, "ended_ns": 9, "client": {}, "server": {}}


def new_run(directory, points=(0,), **header):
    store.create(directory, {"id": "x", "kind": "load", "points": [POINT | {"index": index} for index in points], **header})
    return directory


def answers(point, numbers, tokens=3, **changes):
    """Columns of good requests and their events; ``tokens`` events each, or as many as told for each."""
    numbers, each = list(numbers), [tokens] * len(list(numbers)) if isinstance(tokens, int) else list(tokens)
    facts = dict.fromkeys((*REQUEST_FACTS, *REQUEST_COLUMNS), [None] * len(numbers))
    stamps = {name: [BIG + 1000 * number for number in numbers] for name in REQUEST_COLUMNS if name.endswith("_ns")}
    facts |= {"point": [point] * len(numbers), "request": numbers, "ending": [0] * len(numbers), "token_events": each,
              "output_tokens": each, "process": [0] * len(numbers), **stamps, **changes}
    requests = {name: parquet.masked(facts[name], len(numbers)) for name in facts}
    words = {name: [f"{name}-{number}" for number in numbers] for name in REQUEST_WORDS} | {"error": [None] * len(numbers)}
    owners = [number for number, count in zip(numbers, each, strict=True) for _ in range(count)]
    events = {"point": [point] * len(owners), "request": owners, "at_ns": [BIG + place for place in range(len(owners))],
              "read_ns": [BIG + place + 5 for place in range(len(owners))], "tokens": [None if place % 2 else 1 for place in range(len(owners))],
              "kind": [int(EventKind.CONTENT)] * len(owners)}
    return requests | words, {name: parquet.masked(column, len(owners)) for name, column in events.items()}


def append(directory, stem, *args, **kwargs):
    append_answers(directory / store.PARTS, stem, *answers(*args, **kwargs))


def some_run(directory):
    """Two points, of two processes each, whose requests lie across each other."""
    new_run(directory, points=(0, 1))
    for point in (0, 1):
        append(directory, f"{point:04d}-000-00000", point, [0, 3, 2])
        append(directory, f"{point:04d}-001-00000", point, [5, 1], tokens=[4, 0], output_tokens=[None, 7])
        append(directory, f"{point:04d}-001-00001", point, [4])
        append_server(directory, point, [{"point": point, "at_ns": 7, "engine": "vllm", "metric": "running", "value": 2.0}])
    return directory


def content(directory):
    """Everything that a reader gets of a run."""
    run = load_test(directory)
    requests = {name: getattr(run.requests, name).tolist() for name in REQUEST_COLUMNS}
    events = sorted(row for batch in run.events() for row in zip(*(getattr(batch, name).tolist() for name in EVENT_COLUMNS), strict=True))
    return run.points, requests, [tuple(-1 if value is None else value for value in row) for row in events]


def test_what_was_kept_is_read_back_in_the_order_of_the_schedule(tmp_path):
    points, requests, events = content(some_run(tmp_path / "run"))
    assert [(point.index, point.case) for point in points] == [(0, "c2"), (1, "c2")]
    assert requests["point"] == [0] * 6 + [1] * 6
    assert requests["request"] == [0, 1, 2, 3, 4, 5] * 2
    assert requests["sent_ns"] == [BIG + 1000 * number for number in range(6)] * 2
    assert requests["output_tokens"] == [3, 7, 3, 3, 3, None] * 2
    assert requests["cached_tokens"] == [None] * 12
    assert len(events) == 2 * (5 * 3 + 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), *[st.none() | st.integers(0, 2**31 - 1)] * 2, st.integers(0, 2**63 - 1)), max_size=5),
                max_size=4))
def test_any_answers_make_the_round_trip_before_and_after_compaction(parts):
    with tempfile.TemporaryDirectory() as scratch:
        directory, number, expected = new_run(Path(scratch) / "run"), 0, []
        for place, part in enumerate(parts):
            numbers = list(range(number, number + len(part)))
            number += len(part)
            tokens, given_tokens, made, at = (list(column) for column in zip(*part, strict=True)) if part else ([],) * 4
            append(directory, f"0000-000-{place:05d}", 0, numbers, tokens=tokens, input_tokens=given_tokens, output_tokens=made, first_token_ns=at)
            expected += zip(numbers, given_tokens, made, at, tokens, strict=True)
        before = content(directory)
        _, requests, events = before
        assert list(zip(*(requests[name] for name in ("request", "input_tokens", "output_tokens", "first_token_ns", "token_events")),
                        strict=True)) == expected
        assert len(events) == sum(tokens for *_, tokens in expected)
        compact(directory)
        assert content(directory) == before
        assert not (directory / store.PARTS).exists()
        compact(directory)
        assert content(directory) == before


def test_a_compaction_that_is_interrupted_anywhere_counts_nothing_twice(tmp_path, monkeypatch):
    """It is killed before each of its steps on the disk in turn; what is read stays the same, and the next one goes to the end."""
    before = content(some_run(tmp_path / "whole"))
    steps, done = 0, False

    class KilledError(BaseException):
        pass

    def counted(real):
        def step(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                raise KilledError
            return real(*args, **kwargs)
        return step
    while not done:
        directory, left = some_run(tmp_path / str(steps)), steps
        with monkeypatch.context() as patch:
            for owner, name in ((Path, "unlink"), (Path, "replace"), (Path, "rmdir"), (parquet, "merge")):
                patch.setattr(owner, name, counted(getattr(owner, name)))
            try:
                compact(directory)
                done = True
            except KilledError:
                steps += 1
        assert content(directory) == before
        compact(directory)
        assert content(directory) == before
        assert sorted(path.name for path in directory.iterdir() if path.suffix != ".partial") == [
            "events.parquet", "requests.parquet", "run.json", "server.parquet"]
    assert steps > 15


@pytest.mark.parametrize("table", ["requests", "events"])
def test_a_damaged_part_is_named_and_the_rest_stays_readable(tmp_path, table):
    directory = some_run(tmp_path / "run")
    path = directory / store.PARTS / f"{table}-0001-001-00000.parquet"
    whole = path.read_bytes()
    for length in {0, 4, 11, *range(20, len(whole), len(whole) // 10), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=path.name):
            content(directory)
        with pytest.raises(DataError, match=path.name):
            compact(directory)
    assert not (directory / f"{table}.parquet").exists()
    path.unlink()
    _, requests, events = content(directory)
    assert (len(requests["request"]), len(events)) == ((10, 32) if table == "requests" else (12, 28))


def test_a_damaged_whole_table_is_named(tmp_path):
    directory = some_run(tmp_path / "run")
    compact(directory)
    for table in ("requests", "events"):
        path = directory / f"{table}.parquet"
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        with pytest.raises(DataError, match=path.name):
            content(directory)
        path.write_bytes(whole)


def test_points_that_did_not_end_do_not_count(tmp_path):
    """What a killed load left of its last point is on the disk and in no number."""
    directory = new_run(tmp_path / "run", points=(0, 2))
    for point in (0, 1, 2, 3):
        append(directory, f"{point:04d}-000-00000", point, [1, 0], tokens=point + 1)
    for _ in range(2):
        run = load_test(directory)
        assert run.requests.point.tolist() == [0, 0, 2, 2]
        assert run.requests.request.tolist() == [0, 1, 0, 1]
        assert [offered.streams.events.tolist() for offered in offered_points(run)] == [[1, 1], [3, 3]]
        compact(directory)


def test_events_without_their_requests_belong_to_nobody(tmp_path):
    """A worker that was killed between its two parts."""
    directory = new_run(tmp_path / "run")
    append(directory, "0000-000-00000", 0, [0, 1])
    append(directory, "0000-000-00001", 0, [2, 3])
    (directory / store.PARTS / "requests-0000-000-00001.parquet").unlink()
    [offered] = offered_points(load_test(directory))
    assert offered.streams.events.tolist() == [3, 3]
    assert offered.streams.stray == 6


def test_requests_are_written_after_their_events(tmp_path, monkeypatch):
    written = []
    real = parquet.write_batches
    monkeypatch.setattr(parquet, "write_batches", lambda path, *rest: (written.append(path.name), real(path, *rest)))
    append(new_run(tmp_path / "run"), "0000-000-00000", 0, [0])
    assert written == ["events-0000-000-00000.parquet", "requests-0000-000-00000.parquet"]


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("merged", [False, True])
def test_the_events_of_a_request_come_in_one_batch_whatever_the_batches(tmp_path, monkeypatch, batch_rows, merged):
    monkeypatch.setattr(parquet, "_BATCH_ROWS", batch_rows)
    directory = new_run(tmp_path / "run", points=(0, 1))
    counts = {(0, 0): 5, (0, 3): 1, (0, 2): 8, (0, 7): 2, (1, 7): 4, (1, 0): 0, (1, 1): 3}
    append(directory, "0000-000-00000", 0, [0, 3], tokens=[5, 1])
    append(directory, "0000-000-00001", 0, [2, 7], tokens=[8, 2])
    append(directory, "0001-000-00000", 1, [7, 0, 1], tokens=[4, 0, 3])
    if merged:
        compact(directory)
    seen = []
    for batch in load_test(directory).events():
        assert len(batch) > 0
        owners = list(zip(batch.point.tolist(), batch.request.tolist(), strict=True))
        for owner in dict.fromkeys(owners):
            assert owners.count(owner) == counts[owner]
            mine = [place for place, one in enumerate(owners) if one == owner]
            assert mine == list(range(mine[0], mine[-1] + 1))
            assert batch.at_ns[mine].tolist() == sorted(batch.at_ns[mine].tolist())
            seen.append(owner)
    assert sorted(seen) == sorted(owner for owner, count in counts.items() if count)


def test_a_run_of_nothing(tmp_path):
    directory = new_run(tmp_path / "run", points=())
    for _ in range(2):
        run = load_test(directory)
        assert (len(run.requests), list(run.events()), run.points) == (0, [], ())
        compact(directory)


def test_a_count_that_nobody_can_have_made_is_unknown(tmp_path):
    """Counts take 32 bits in memory. One that does not fit must not come out as another number."""
    directory = new_run(tmp_path / "run")
    counted = [2**31 - 1, 2**31, 2**32 + 5, 2**63 - 1]
    append(directory, "0000-000-00000", 0, range(4), output_tokens=counted)
    assert load_test(directory).requests.output_tokens.tolist() == [2**31 - 1, None, None, None]
    assert duckdb.sql(f"select output_tokens from '{directory}/parts/requests-0000-000-00000.parquet'").fetchall() == [(n,) for n in counted]


def test_a_directory_that_is_no_load_test_is_said(tmp_path):
    store.create(tmp_path / "run", {"id": "x"})
    with pytest.raises(DataError, match="is not a load test"):
        load_test(tmp_path / "run")
    with pytest.raises(DataError, match=r"has no run\.json"):
        load_test(tmp_path)


def test_duckdb_and_pandas_open_the_tables_without_our_code(tmp_path):
    directory = some_run(tmp_path / "run")
    _, requests, events = content(directory)
    compact(directory)
    expected = {"requests": 12, "events": len(events), "server": 2}
    for table, kinds in TABLES.items():
        path = directory / f"{table}.parquet"
        frame = pd.read_parquet(path)
        assert list(frame.columns) == list(kinds)
        assert len(frame) == expected[table]
        assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(expected[table],)]
    query = f"select count(output_tokens), count(cached_tokens), max(sent_ns) from '{directory}/requests.parquet'"
    assert duckdb.sql(query).fetchall() == [(10, 0, BIG + 5000)]
    joined = duckdb.sql(f"select r.request_id, count(*) from '{directory}/requests.parquet' r join '{directory}/events.parquet' e "
                        "using (point, request) where point = 0 group by 1 order by 1").fetchall()
    assert joined == [(f"request_id-{number}", 4 if number == 5 else 3) for number in (0, 2, 3, 4, 5)]
    assert duckdb.sql(f"select count(*) from '{directory}/events.parquet' where tokens is null").fetchall()[0][0] == sum(
        tokens == -1 for *_, tokens, _ in events)
    assert json.loads((directory / "run.json").read_text())["kind"] == "load"
    assert requests["point"].count(1) == 6


def test_a_hand_made_run_survives_the_directory(tmp_path):
    """The judge's own example: what it sees of a run is what it sees of its directory."""
    run = make_load_run(steady_requests(40))
    [point] = run.points
    directory = tmp_path / "run"
    store.create(directory, {**run.header, "kind": "load", "points": [vars(point)]})
    words = {name: [None] * len(run.requests) for name in REQUEST_WORDS}
    facts = {name: parquet.masked([None] * len(run.requests), len(run.requests)) for name in REQUEST_FACTS}
    columns = {name: getattr(run.requests, name) for name in REQUEST_COLUMNS}
    for number, events in enumerate(run.events()):
        append_answers(directory / store.PARTS, f"{number}", {**words, **facts, **columns}, {name: getattr(events, name) for name in EVENT_COLUMNS})
    again = load_test(directory)
    assert again.points == (point,)
    for name in REQUEST_COLUMNS:
        assert getattr(again.requests, name).tolist() == columns[name].tolist()
    [before], [after] = offered_points(run), offered_points(again)
    assert np.array_equal(np.sort(before.gaps_s), np.sort(after.gaps_s))
    assert (before.streams.events == after.streams.events).all()


def test_server_rows_are_kept_only_where_there_are_some(tmp_path):
    directory = new_run(tmp_path / "run")
    append_server(directory, 0, [])
    assert list((directory / store.PARTS).iterdir()) == []
    append_server(directory, 1, [{"point": 1, "at_ns": 3, "metric": "x", "value": 1.5}])
    [part] = (directory / store.PARTS).iterdir()
    assert parquet.read_rows(part) == [{"point": 1, "at_ns": 3, "engine": None, "metric": "x", "value": 1.5}]
    assert load_store.is_load(store.read_header(directory))
