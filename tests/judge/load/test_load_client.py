"""The verdict on the client: what it did is weighed against what it measured."""

import numpy as np
import pytest
from builders import MS, S, make_conduct, make_load, make_load_run, make_requests, steady_requests

from touchstone.finding import Judgement, Soundness, Trust
from touchstone.judge.findings import findings_of

DELAY = {"mean": 8000, "p50": 6000, "p99": 40_000, "max": 200_000, "count": 10_000}


def judged(conduct=None, requests=None, load=None, **header):
    requests = steady_requests(400) if requests is None else requests
    return findings_of(make_load_run(requests, load=load, points=[{"client": make_conduct(**(conduct or {}))}], **header))


def verdict(*arguments, **header):
    return judged(*arguments, **header).client.verdict


def paused(every_ms, seconds=10, length_ms=20, **known):
    """A client whose loop stood still for 20 ms so often, over a run of ``seconds``."""
    count = seconds * 1000 // every_ms
    return {"late_loops": count, "longest_loop_ns": length_ms * MS, "late_ns": count * length_ms * MS, **known}


def test_a_client_that_kept_up_is_valid():
    client = judged().client
    assert (client.verdict, client.floor_s, client.reasons) == (Soundness.VALID, 0.0001, ())


@pytest.mark.parametrize("known", [{}, {"late_ns": None}])
def test_pauses_of_20_ms_every_100_ms_are_found(known):
    found = judged(paused(100, **known))
    assert found.client.verdict is Soundness.INVALID
    assert found.trust is Trust.REJECTED
    assert any("stood still" in str(reason) for reason in found.client.reasons)


@pytest.mark.parametrize("known", [{}, {"late_ns": None}])
def test_pauses_of_20_ms_every_second_are_suspect(known):
    found = judged(paused(1000, **known))
    assert found.client.verdict is Soundness.SUSPECT
    assert found.trust is Trust.SUSPECT


def test_a_pause_in_ten_seconds_is_none():
    assert verdict(paused(10_000)) is Soundness.VALID


@pytest.mark.parametrize(("floor_s", "expected"), [(0.0009, Soundness.VALID), (0.002, Soundness.SUSPECT), (0.02, Soundness.INVALID)])
def test_the_floor_is_weighed_against_the_median_ttft(floor_s, expected):
    assert verdict(calibration={"floor_s": floor_s}) is expected


def test_each_case_is_weighed_against_the_floor_of_its_own_load():
    calibrations = {"c8": {"floor_s": 0.0001}, "c512": {"floor_s": 0.02}}
    client = judged(calibration={"floor_s": 0.02}, calibrations=calibrations).client
    assert (client.verdict, client.floor_s) == (Soundness.VALID, 0.02)
    assert verdict(calibration={"floor_s": 0.02}, calibrations={"c8": {"floor_s": 0.02}}) is Soundness.INVALID


def test_a_floor_that_was_not_measured_is_suspect_and_says_why():
    client = judged(calibration={"floor_s": None, "reason": "--no-calibrate"}).client
    assert (client.verdict, client.floor_s) == (Soundness.SUSPECT, None)
    assert "--no-calibrate" in str(client.reasons[0])
    assert verdict(calibration=None) is Soundness.SUSPECT


@pytest.mark.parametrize(("p99_ns", "expected"), [
    (4_900_000, Soundness.VALID),  # below 5 ms, half of the 10 ms gap, and a tenth of the 50 ms TTFT
    (5_100_000, Soundness.SUSPECT), (11_000_000, Soundness.INVALID)])
def test_a_late_reader_is_weighed_against_gaps_and_first_tokens(p99_ns, expected):
    assert verdict({"read_delay_ns": {**DELAY, "p99": p99_ns}}) is expected


@pytest.mark.parametrize(("mean_ns", "expected"), [(2_400_000, Soundness.VALID), (2_600_000, Soundness.SUSPECT), (13_000_000, Soundness.INVALID)])
def test_a_mean_delay_is_weighed_against_the_mean_ttft(mean_ns, expected):
    assert verdict({"read_delay_ns": {**DELAY, "mean": mean_ns}}) is expected


def test_without_the_kernel_s_stamps_it_cannot_tell_and_says_so():
    client = judged({"read_delay_ns": {"mean": None, "p50": None, "p99": None, "max": None, "count": 0}}).client
    assert client.verdict is Soundness.VALID
    assert "no stamps" in str(client.reasons[-1])


def test_delays_of_the_requests_stand_in_for_a_missing_histogram():
    requests = steady_requests(400, delay_ns=[12 * MS] * 400)
    assert verdict({"read_delay_ns": {}}, requests) is Soundness.INVALID


@pytest.mark.parametrize(("cpu", "expected"), [(0.8, Soundness.VALID), (0.81, Soundness.SUSPECT), (0.96, Soundness.INVALID)])
def test_a_client_out_of_processor_time_is_doubted(cpu, expected):
    assert verdict({"cpu_fraction": cpu}) is expected


def late(lag_ns, gap_ns=100 * MS, count=400):
    planned = [place * gap_ns for place in range(count)]
    return make_requests(count, scheduled_ns=planned, sent_ns=[at + lag_ns for at in planned])


@pytest.mark.parametrize(("lag_ns", "expected"), [(900_000, Soundness.VALID), (1_100_000, Soundness.SUSPECT), (11 * MS, Soundness.INVALID)])
def test_an_open_load_must_leave_on_time(lag_ns, expected):
    rate = make_load(concurrency=None, request_rate=10.0, arrival="constant")
    assert verdict({}, late(lag_ns), rate) is expected


def test_a_lag_of_half_a_millisecond_is_none_however_dense_the_load():
    assert verdict({}, late(500_000, gap_ns=MS, count=400), make_load(concurrency=None, request_rate=1000.0, arrival="constant")) is Soundness.VALID


@pytest.mark.parametrize("load", [make_load(), make_load(arrival="burst"), make_load(request_rate=10.0, arrival="constant", concurrency=4)])
def test_a_lag_that_is_not_the_client_s_is_not_held_against_it(load):
    assert verdict({}, late(50 * MS), load) is Soundness.VALID


def test_the_worst_of_several_processes_counts():
    good, bad = make_conduct()["processes"][0], make_conduct(cpu_fraction=0.99)["processes"][0]
    run = make_load_run(steady_requests(400), points=[{"client": {"processes": [good, bad, good]}}])
    assert findings_of(run).client.verdict is Soundness.INVALID


def test_the_gravest_reason_comes_first_and_is_the_audit_s():
    found = judged({"cpu_fraction": 0.85, **paused(100)})
    assert len(found.client.reasons) == 2
    (rule,) = [one for one in found.verdicts if one.rule == "client"]
    assert rule.status is Judgement.INCONSISTENT
    assert rule.message == found.client.reasons[0]
    assert "stood still" in str(rule.message)


@pytest.mark.parametrize("client", [{}, {"processes": []}, {"processes": "?"}])
def test_a_client_of_which_nothing_is_known_is_suspect(client):
    found = findings_of(make_load_run(make_requests(5), points=[{"client": client, "started_ns": 0, "ended_ns": 5 * S}])).client
    assert found.verdict is Soundness.SUSPECT
    assert "nothing is known" in str(found.reasons[0])


def test_a_client_that_failed_at_one_load_is_not_held_against_the_others():
    few, many = steady_requests(200, 2), steady_requests(200, 8, point=[1] * 200)
    requests = type(few)(**{name: np.ma.concatenate([getattr(few, name), getattr(many, name)]) for name in vars(few)})
    found = findings_of(make_load_run(requests, points=[
        {"case": "c2", "repeat": 0, "load": make_load(concurrency=2)},
        {"case": "c8", "repeat": 0, "load": make_load(concurrency=8), "client": make_conduct(cpu_fraction=0.99)}]))
    assert [case.trust for case in found.cases] == [Trust.TRUSTED, Trust.REJECTED]
    assert [(one.case, one.status) for one in found.verdicts if one.rule == "client"] == [("c8", Judgement.INCONSISTENT)]
    assert (found.trust, found.client.verdict) == (Trust.REJECTED, Soundness.INVALID)
