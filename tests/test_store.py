"""Run directories: nothing that ended is lost, nothing counts twice, and damage is named."""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from builders import make_failure, make_header, make_record, make_trial, plan_case
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone import sample_lines, store
from touchstone.errors import DataError, NotReadyError
from touchstone.record import DeviceSample, MemoryPeaks, Phase, Record, Sample, Status, Trial

HEADER = make_header([plan_case()])
TABLES = ("trials", "requests", "events", "telemetry")

counts = st.integers(0, 2**62)
maybe = st.none() | counts
texts = st.text(max_size=20)
maybe_text = st.none() | texts
events = st.lists(st.tuples(counts, st.integers(0, 99)), max_size=4)
plain_records = st.builds(
    Record, request_id=texts, prompt_digest=texts, input_tokens_built=counts, input_tokens=maybe, cached_tokens=maybe,
    asked_output_tokens=counts, output_tokens=maybe, status=st.sampled_from(Status), finish=maybe_text, sent_ns=counts, ended_ns=counts,
    engine_prefill_ns=maybe, engine_decode_ns=maybe, text=maybe_text, thinking_tokens=maybe, answer_text=maybe_text)
records = st.builds(
    lambda record, stamps: replace(record, event_ns=tuple(at for at, _ in stamps), event_tokens=tuple(n for _, n in stamps)),
    plain_records, events)
keys = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2_000_000))
trials = st.builds(
    Trial, launch=st.just(0), process=st.just(0), sequence=st.just(0), case=texts, index=counts, phase=st.sampled_from(Phase),
    batch_size=counts, status=st.sampled_from(Status), sent_ns=counts, ended_ns=counts, records=st.lists(records, max_size=3).map(tuple),
    memory=st.builds(MemoryPeaks, maybe, maybe, maybe, maybe), error=maybe_text, cpu_self_ns=maybe, cpu_others_ns=maybe,
    collector_pauses=maybe)
runs = st.dictionaries(keys, trials, max_size=3).map(lambda found: [
    replace(trial, launch=key[0], process=key[1], sequence=key[2]) for key, trial in found.items()])
fractions = st.none() | st.floats(0, 1e6)
samples = st.lists(st.builds(Sample, counts, st.integers(0, 3), maybe, maybe, fractions, fractions, maybe, maybe), max_size=4,
                   unique_by=lambda sample: sample.at_ns)
watts = st.none() | st.floats(0, 1e6)
device_samples = st.lists(st.builds(DeviceSample, counts, st.integers(0, 3), st.sampled_from(["cuda", "npu", "cpu"]), st.integers(0, 15), maybe,
                                    watts, watts, watts, watts, maybe, maybe_text, maybe), max_size=4,
                          unique_by=lambda sample: (sample.at_ns, sample.kind, sample.index))


def in_order(played):
    return tuple(sorted(played, key=lambda trial: (trial.launch, trial.process, trial.sequence)))


def new_run(directory, played=(), telemetry=(), watched=()):
    """A run directory that holds ``played`` as parts."""
    store.create(directory, HEADER)
    for trial in played:
        store.append_trial(directory, trial)
    sample_lines.append(sample_lines.part(directory, "telemetry", 0, 0), telemetry)
    sample_lines.append(sample_lines.part(directory, "devices", 0, 0), watched)
    return directory


def some_trials():
    return [make_trial(index=index, batch_size=2) for index in range(3)]


@settings(max_examples=40, deadline=None)
@given(runs, samples, device_samples)
def test_any_run_survives_writing_and_merging(played, telemetry, watched):
    with tempfile.TemporaryDirectory() as name:
        directory = new_run(Path(name), played, telemetry, watched)
        expected = (in_order(played), tuple(sorted(telemetry, key=lambda sample: sample.at_ns)),
                    tuple(sorted(watched, key=lambda sample: (sample.at_ns, sample.kind, sample.index))))
        for _ in range(3):
            run = store.load(directory)
            assert (run.trials, run.samples, run.device_samples) == expected
            store.compact(directory)
        assert not (directory / "parts").exists()


def test_the_header_survives_with_its_schema(tmp_path):
    directory = new_run(tmp_path / "run")
    assert store.load(directory).header == {**HEADER, "schema": store.SCHEMA}


def test_trials_that_come_after_a_merge_are_added(tmp_path):
    played = some_trials()
    directory = new_run(tmp_path / "run", played[:2])
    store.compact(directory)
    store.append_trial(directory, played[2])
    assert store.load(directory).trials == tuple(played)
    store.compact(directory)
    assert store.load(directory).trials == tuple(played)


def test_requests_and_events_without_their_trial_do_not_count(tmp_path):
    played = some_trials()
    directory = new_run(tmp_path / "run", played)
    (directory / "parts" / "trials-000-000-000002.parquet").unlink()
    assert store.load(directory).trials == tuple(played[:2])
    store.compact(directory)
    assert store.load(directory).trials == tuple(played[:2])


def test_a_trial_played_again_replaces_what_a_killed_process_left_of_it(tmp_path):
    killed = make_trial(index=0, batch_size=2)
    directory = new_run(tmp_path / "run", [killed])
    (directory / "parts" / "trials-000-000-000000.parquet").unlink()
    store.compact(directory)
    again = make_trial(index=0, batch_size=1, sent_ns=5_000_000_000, tokens=4)
    store.append_trial(directory, again)
    assert store.load(directory).trials == (again,)


def test_a_leftover_partial_file_is_ignored_and_removed(tmp_path):
    played = some_trials()
    directory = new_run(tmp_path / "run", played)
    for place in (directory / "parts" / "trials-000-000-000009.partial", directory / "trials.partial", directory / "run.json.partial"):
        place.write_bytes(b"PAR1 half")
    assert store.load(directory).trials == tuple(played)
    store.compact(directory)
    assert store.load(directory).trials == tuple(played)
    assert not (directory / store.PARTS).exists()


def test_an_interrupted_merge_counts_nothing_twice(tmp_path):
    played, telemetry = some_trials(), [Sample(7, 0, 1, None, 0.5, None, None, 3), Sample(9, 0, 2, None, 0.5, None, None, 3)]
    directory = new_run(tmp_path / "run", played, telemetry)
    parts = {path: path.read_bytes() for path in (directory / "parts").iterdir()}
    store.compact(directory)
    (directory / "parts").mkdir()
    for path, content in parts.items():
        path.write_bytes(content)
    for _ in range(2):
        run = store.load(directory)
        assert (run.trials, run.samples) == (tuple(played), tuple(telemetry))
        store.compact(directory)


def test_a_line_that_a_killed_sampler_left_half_written_does_not_count(tmp_path):
    telemetry = [Sample(7, 0, 1, None, 0.5, None, None, 3), Sample(9, 0, 2, None, 0.5, None, None, 3)]
    directory = new_run(tmp_path / "run", [], telemetry)
    part = sample_lines.part(directory, "telemetry", 0, 0)
    whole = part.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(len(whole)):
        part.write_bytes(whole[:length])
        assert store.load(directory).samples == tuple(telemetry[:length >= first])


def test_a_full_disk_leaves_no_half_line_between_samples(tmp_path):
    path, sample = tmp_path / "parts" / "telemetry-000-000.jsonl", Sample(7, 0, 1, None, 0.5, None, None, 3)
    sample_lines.append(path, [sample])
    for size in range(1, path.stat().st_size, 40):
        limit = path.stat().st_size + size
        code = (f"import resource, signal\nfrom pathlib import Path\nfrom touchstone import sample_lines\nfrom touchstone.record import Sample\n"
                f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
                f"try:\n    sample_lines.append(Path({str(path)!r}), [Sample(9, 0, 1, None, 0.5, None, None, 3)])\n"
                f"except OSError:\n    print('refused')")
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "refused\n"
    sample_lines.append(path, [sample])
    assert [row["at_ns"] for row in sample_lines.read(path)] == [7, 7]


@pytest.mark.parametrize("junk", [b"{\n", b"[1]\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"\x00\n"])
def test_damage_in_the_middle_of_samples_is_named(tmp_path, junk):
    directory = new_run(tmp_path / "run", [], [Sample(7, 0, 1, None, 0.5, None, None, 3)])
    part = sample_lines.part(directory, "telemetry", 0, 0)
    part.write_bytes(junk + part.read_bytes())
    with pytest.raises(DataError, match=r"telemetry-000-000\.jsonl"):
        store.load(directory)


@pytest.mark.parametrize("table", ["trials", "requests", "events"])
def test_a_truncated_part_is_named_and_the_others_stay_readable(tmp_path, table):
    played = some_trials()
    directory = new_run(tmp_path / "run", played)
    path = directory / "parts" / f"{table}-000-000-000001.parquet"
    whole = path.read_bytes()
    for length in {0, 1, 4, 8, 12, *range(20, len(whole), max(1, len(whole) // 40)), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError) as caught:
            store.load(directory)
        assert str(path) in str(caught.value)
    path.unlink()
    left = store.load(directory).trials
    assert [trial for trial in left if trial.index != 1] == [played[0], played[2]]


@pytest.mark.parametrize("place", [0.2, 0.4, 0.6, 0.8])
def test_a_table_that_is_garbled_inside_is_named_where_it_cannot_be_read(tmp_path, place):
    directory = new_run(tmp_path / "run", some_trials())
    store.compact(directory)
    path = directory / "requests.parquet"
    content = bytearray(path.read_bytes())
    start = int(len(content) * place)
    content[start:start + 16] = b"\xff" * 16
    path.write_bytes(bytes(content))
    try:
        assert len(store.load(directory).trials) == 3  # no checksum tells of every such byte
    except DataError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(("content", "why"), [
    (None, "has no run.json"), ("", "is damaged"), ("{", "is damaged"), ("[1]", "is damaged"), ("{}", "is damaged"),
    ('{"schema": "new"}', "is damaged"), ('{"schema": null}', "is damaged"), ('{"schema": 0}', "run.json"),
    (f'{{"schema": {store.SCHEMA + 1}}}', "newer version"), ("[" * 200_000, "is damaged"), ('{"schema":' * 50_000, "is damaged"),
])
def test_a_header_that_cannot_be_read_is_a_data_error(tmp_path, content, why):
    if content is not None:
        (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=why):
        store.load(tmp_path)


def test_the_header_of_schema_1_is_brought_up_to_date(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "id": "old", "engine": {"engine": "llama.cpp"}}), encoding="utf-8")
    header = store.load(tmp_path).header
    assert header == {"schema": store.SCHEMA, "id": "old", "launches": [{"launch": 0, "facts": {"engine": "llama.cpp"}}]}


def test_an_existing_run_is_not_overwritten(tmp_path):
    new_run(tmp_path / "run", some_trials())
    with pytest.raises(NotReadyError, match="already holds a run"):
        store.create(tmp_path / "run", {"id": "other"})
    assert len(store.load(tmp_path / "run").trials) == 3


def test_a_directory_that_cannot_be_made_is_a_not_ready_error(tmp_path):
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    with pytest.raises(NotReadyError, match="cannot be written"):
        store.create(tmp_path / "file" / "run", HEADER)


def test_a_run_cut_off_reads_as_incomplete(tmp_path):
    store.create(tmp_path / "run", {**HEADER, "status": "running"})
    assert store.load(tmp_path / "run").status == "incomplete"


def test_duckdb_and_pandas_read_the_tables_without_our_code(tmp_path):
    played = [*some_trials(), make_failure(index=3), make_trial(index=4, records=(make_record(text="试金石 🚀"),))]
    directory = new_run(tmp_path / "run", played, [Sample(7, 0, 1, None, 0.5, None, None, 3)])
    store.compact(directory)
    every = [record for trial in played for record in trial.records]
    expected = {"trials": len(played), "requests": len(every), "events": sum(len(record.event_ns) for record in every), "telemetry": 1}
    for table in TABLES:
        path = directory / f"{table}.parquet"
        assert len(pd.read_parquet(path)) == expected[table]
        assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(expected[table],)]
    assert "试金石 🚀" in set(pd.read_parquet(directory / "requests.parquet")["text"])
    tokens = duckdb.sql(f"select sum(output_tokens) from '{directory}/requests.parquet' where status = 'ok'").fetchall()
    assert tokens == [(sum(record.output_tokens or 0 for record in every),)]
