"""The client's own error is found as it is: an error put into the truth comes out as exactly that error."""

from dataclasses import replace

import pytest

from touchstone.load_plan import Length, Load, LoadPlan, Stage, Workload
from touchstone.measure.load import calibration
from touchstone.measure.load.calibration import calibrate, errors
from touchstone.measure.load.play import Control, play
from touchstone.measure.scripted import Script, ScriptedServer

MS = 1_000_000
FLOORS = {"load", "requests", "cpu_fraction", "read_delay_ns", "floor_s", "floor_quantile", "ttft_error_mean_s", "read_ttft_error_mean_s", "read_ttft_error_p99_s",
          "gap_error_p99_s", "events_per_s", "compared"}


@pytest.mark.parametrize("load", [Load(concurrency=4), Load(arrival="poisson", request_rate=20.0)])
def test_a_load_has_a_floor(tmp_path, load):
    found = calibrate(load, 4, 1, tmp_path)
    assert set(found) == FLOORS
    assert found["load"] == load.label
    assert found["compared"] == found["requests"] >= 8
    assert 0 <= found["floor_s"] < 0.1
    assert 0.5 <= found["floor_quantile"] <= 0.99
    assert 0 <= found["gap_error_p99_s"] < 0.1
    assert found["events_per_s"] > 100
    # The kernel's stamp is never after our own read.
    assert found["ttft_error_mean_s"] <= found["read_ttft_error_mean_s"]


def test_a_calibration_that_cannot_be_made_says_why_and_does_not_stop_the_load(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no loopback here")
    monkeypatch.setattr(calibration, "ScriptedServer", refuse)
    assert calibrate(Load(concurrency=1), 1, 1, tmp_path) == {"reason": "no loopback here", "load": "c1"}


@pytest.mark.parametrize(("load", "at_once", "expected", "most"), [
    (Load(concurrency=64), 64, Load(concurrency=64), 300), (Load(concurrency=10**6), 10**6, Load(concurrency=2048), 8000),
    (Load(arrival="burst"), 100, Load(arrival="burst"), 100), (Load(arrival="trace", speedup=2.0), 64, Load(arrival="burst"), 64),
    (Load(arrival="poisson", request_rate=0.1), 1, Load(arrival="poisson", request_rate=0.1), 8),
    (Load(arrival="gamma", burstiness=0.5, request_rate=10**6), 9, Load(arrival="gamma", burstiness=0.5, request_rate=2000.0), 4000),
    (Load(arrival="constant", stages=(Stage(duration_s=9, request_rate=5), Stage(duration_s=9, request_rate=50)), ramp_s=5), 9,
     Load(arrival="constant", request_rate=50.0), 100)])
def test_the_same_kind_of_load_for_two_seconds(load, at_once, expected, most):
    planned, count = calibration._shortened(load, at_once, 0.53)
    assert planned == expected
    assert 8 <= count <= most


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What a client wrote and what the server did: (parts, request id → entry)."""
    plan = LoadPlan(workload=Workload(input_len=Length(mean=8), output_len=Length(mean=6)), loads=(Load(concurrency=3),), num_prompts=12)
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.01)) as server:
        spec = calibration._spec(server.base_url, plan, 3, 1, tmp_path_factory.mktemp("calibration"))
        play(spec, Control(), lambda _: None)
        truth = {entry.request_id: entry for entry in server.log()}
    assert len(truth) == 12
    return spec.parts, truth


def changed(truth, change):
    return {name: change(entry) for name, entry in truth.items()}


@pytest.mark.parametrize("offset_ns", [5 * MS, -7 * MS, 1_000 * MS])
def test_an_error_of_the_client_is_found_as_it_is(played, offset_ns):
    """Had the requests come later by the offset, every TTFT would be reported too long by it."""
    parts, truth = played
    as_it_was = errors(parts, truth)
    found = errors(parts, changed(truth, lambda entry: replace(entry, received_ns=entry.received_ns + offset_ns)))
    for name in ("ttft_error_mean_s", "read_ttft_error_mean_s"):
        assert found[name] - as_it_was[name] == pytest.approx(offset_ns / 1e9, abs=1e-9)
    assert found["gap_error_p99_s"] == as_it_was["gap_error_p99_s"]
    assert found["floor_s"] == pytest.approx(abs(offset_ns) / 1e9, abs=as_it_was["floor_s"] + 1e-9)
    assert found["compared"] == 12


def test_an_error_in_the_gaps_is_found_in_the_gaps(played):
    """Every second token really left 30 ms later: each gap is wrong by that, and no first token is."""
    parts, truth = played
    as_it_was = errors(parts, truth)

    def late(entry):
        second = set(entry.token_places[1::2])
        return replace(entry, sent_ns=tuple(at + (30 * MS if place in second else 0) for place, at in enumerate(entry.sent_ns)))
    found = errors(parts, changed(truth, late))
    assert found["ttft_error_mean_s"] == as_it_was["ttft_error_mean_s"]
    assert found["gap_error_p99_s"] == pytest.approx(0.03, abs=as_it_was["gap_error_p99_s"] + 1e-3)


def test_another_clock_of_the_server_changes_nothing(played):
    """Only differences are compared, so the two need not share a zero."""
    parts, truth = played
    moved = changed(truth, lambda entry: replace(entry, received_ns=entry.received_ns + 10**12, sent_ns=tuple(at + 10**12 for at in entry.sent_ns)))
    assert errors(parts, moved) == pytest.approx(errors(parts, truth))


def test_the_floor_is_what_the_sample_can_support(played):
    """Of twelve answers a P99 would be the worst one: one that is wrong is in the mean and not yet in the floor; if most are, it is."""
    parts, truth = played
    names = sorted(truth)

    def wrong(count):
        return errors(parts, truth | {name: replace(truth[name], received_ns=truth[name].received_ns + 900 * MS) for name in names[:count]})
    assert wrong(0)["floor_quantile"] == wrong(7)["floor_quantile"] < 0.99
    assert wrong(1)["floor_s"] < 0.1
    assert wrong(1)["ttft_error_mean_s"] == pytest.approx(wrong(0)["ttft_error_mean_s"] + 0.9 / 12, abs=1e-9)
    assert wrong(7)["floor_s"] > 0.7


def test_what_nobody_knows_of_is_not_compared(played):
    parts, truth = played
    names = sorted(truth)
    assert errors(parts, {name: truth[name] for name in names[:5]})["compared"] == 5
    silent = {name: replace(entry, events=(), tokens=(), sent_ns=()) for name, entry in truth.items()}
    assert errors(parts, {**silent, names[0]: truth[names[0]]})["compared"] == 1
    assert errors(parts, {}) == errors(parts, silent) == {"reason": "no-answer"}


def test_an_answer_whose_events_do_not_match_has_no_gaps(played):
    parts, truth = played
    short = changed(truth, lambda entry: replace(entry, events=entry.events[:3], tokens=entry.tokens[:3], sent_ns=entry.sent_ns[:3]))
    found = errors(parts, short)
    assert found["gap_error_p99_s"] is None
    assert found["compared"] == 12
