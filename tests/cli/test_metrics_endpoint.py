"""Prometheus metrics: what a scraper reads agrees with the events, on loopback only, and the port is free again afterwards."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from touchstone.cli.metrics_endpoint import MetricsEndpoint
from touchstone.errors import NotReadyError

START = {"event": "run.start", "run_id": "a1", "kind": "run", "plan": "quick", "model": None, "touchstone": "0.1.0"}


@pytest.fixture
def endpoint():
    one = MetricsEndpoint(0)
    yield one
    one.close()


def scraped(url):
    """(name, labels) → value of every sample."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples if not sample.name.endswith("_created")}


def values(url, name):
    return {"/".join(value for _, value in labels): number for (one, labels), number in scraped(url).items() if one == name}


def trial(case="short", phase="measured", status="ok", tokens=64, seconds=0.5, progress=0.25):
    return {"event": "trial", "case": case, "phase": phase, "status": status, "output_tokens": tokens, "elapsed_s": seconds, "progress": progress}


def test_trials_are_counted_by_case_phase_and_status(endpoint):
    for record in (START, trial(), trial(seconds=1.5), trial(phase="warmup"), trial(status="out_of_memory", tokens=None), trial("long", progress=0.75)):
        endpoint.put(record)
    assert values(endpoint.url, "touchstone_trials_total") == {
        "short/measured/ok": 2, "short/warmup/ok": 1, "short/measured/out_of_memory": 1, "long/measured/ok": 1}
    assert values(endpoint.url, "touchstone_output_tokens_total") == {"short": 128, "long": 64}
    assert values(endpoint.url, "touchstone_trial_duration_seconds_sum")["short"] == 2.5
    assert values(endpoint.url, "touchstone_progress_ratio") == {"": 0.75}
    assert values(endpoint.url, "touchstone_run_info") == {"run/quick/a1/0.1.0": 1}


def test_requests_add_up_over_samples_and_over_repeats(endpoint):
    def sample(case, sent, ended, failed):
        return {"event": "sample", "case": case, "sent": sent, "ended": ended, "failed": failed, "in_flight": sent - ended}

    point = {"event": "stage.start", "stage": "measuring", "case": "c8"}
    for record in (point, sample("c8", 10, 4, 1), sample("c8", 20, 20, 2), point, sample("c8", 5, 3, 0)):
        endpoint.put(record)
    assert values(endpoint.url, "touchstone_requests_total") == {"c8/ok": 21, "c8/failed": 2}
    assert values(endpoint.url, "touchstone_requests_sent_total") == {"c8": 25}
    assert values(endpoint.url, "touchstone_requests_in_flight") == {"c8": 2}
    assert values(endpoint.url, "touchstone_output_tokens_total") == {}  # counted after the load, and unknown is not 0


def test_stages_warnings_and_the_clients_own_error(endpoint):
    for record in ({"event": "stage.start", "stage": "loading", "case": None}, {"event": "stage.start", "stage": "warming up", "case": "short"},
                   {"event": "warning", "code": "does-not-fit", "case": "x", "message": "y"},
                   {"event": "sample", "case": None, "client_floor_s": 0.0001}, {"event": "sample", "case": "c8", "client_late_s": 0.004}):
        endpoint.put(record)
    assert values(endpoint.url, "touchstone_stage") == {"short/warming up": 1}
    assert values(endpoint.url, "touchstone_warnings_total") == {"does-not-fit": 1}
    assert values(endpoint.url, "touchstone_client_floor_seconds") == {"": 0.0001}
    assert values(endpoint.url, "touchstone_client_late_seconds") == {"c8": 0.004}


def test_hostile_names_are_labels_and_nothing_else(endpoint):
    name = 'a"} 1\ntouchstone_evil 1\n\x1b[31m\\'
    endpoint.put(trial(name))
    assert values(endpoint.url, "touchstone_trials_total") == {f"{name}/measured/ok": 1}
    assert not [one for one, _ in scraped(endpoint.url) if one == "touchstone_evil"]


def test_only_this_machine_is_served_and_the_port_is_free_afterwards():
    one = MetricsEndpoint(0)
    assert one.url.startswith("http://127.0.0.1:")
    port = int(one.url.split(":")[2].split("/")[0])
    with pytest.raises(NotReadyError, match=f"127.0.0.1:{port}"):
        MetricsEndpoint(port)
    one.close()
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(one.url, timeout=5)


def test_a_port_that_is_taken_stops_everything_before_it_begins(touchstone, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = touchstone("run", "quick", "-m", "tiny", "--metrics-port", port, "-o", tmp_path / "run")
    assert done.returncode == 3
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--metrics-port 0" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_load_can_be_watched_while_it_goes_on(scripted, tmp_path):
    command = [sys.executable, "-m", "touchstone", "load", "--base-url", scripted.base_url, "--input-len", "32", "--output-len", "4", "--warmup", "0",
               "--no-calibrate", "--duration", "6s", "--concurrency", "2", "--ui", "none", "--metrics-port", "0", "-o", str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        seen = []
        while process.poll() is None:
            try:
                seen.append(values(url, "touchstone_requests_total"))
            except OSError:  # it has just ended
                break
            time.sleep(0.2)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    counts = [one["c2/ok"] for one in seen if one]
    assert counts
    assert counts == sorted(counts)
    assert counts[-1] > counts[0] >= 0
