"""What our own side costs, against delays that are known because the tests put them there."""

import sys

import pytest

from touchstone.clock import sleep
from touchstone.measure.scripted import running
from touchstone.measure.servers import own_cost
from touchstone.measure.tape import Tape

_LATE_S = 0.03
_LATE_NS = 30_000_000
NAMES = [f"{name}_{statistic}_ns" for name in ("sent", "first", "last") for statistic in ("mean", "max")]


class LateTape(Tape):
    """Reads at once and stamps late."""

    __slots__ = ()

    def keep_of(self, lane, payload):
        sleep(_LATE_S)
        super().keep_of(lane, payload)


def test_the_lag_is_that_of_every_connection_and_never_before_the_cause():
    found = own_cost.client_lag((3, 1, 3))
    assert list(found) == ["1", "3"]
    for count, lag in found.items():
        assert set(lag) == {"requests", *NAMES}
        assert lag["requests"] >= 2 * int(count)
        assert lag["requests"] % int(count) == 0
        assert min(lag["first_mean_ns"], lag["last_mean_ns"]) > 0, "read before it was written"
        assert all(lag[f"{name}_mean_ns"] <= lag[f"{name}_max_ns"] for name in ("sent", "first", "last"))


def test_a_client_that_stamps_late_is_found_late(monkeypatch):
    monkeypatch.setattr(own_cost, "Tape", LateTape)
    lag = own_cost.client_lag((1,))["1"]
    assert min(lag["first_mean_ns"], lag["last_mean_ns"]) >= _LATE_NS
    assert lag["sent_mean_ns"] < _LATE_NS


def test_a_client_that_writes_late_is_found_late(monkeypatch):
    class LateLanes(own_cost.Lanes):
        def play(self, requests, tape):
            class Slow(list):
                def append(self, at_ns):
                    super().append(at_ns)
                    sleep(_LATE_S)
            tape.lane_sent_ns = Slow()
            return super().play(requests, tape)

    monkeypatch.setattr(own_cost, "Lanes", LateLanes)
    assert own_cost.client_lag((1,))["1"]["sent_mean_ns"] >= _LATE_NS


@pytest.mark.parametrize("command", [(sys.executable, "-c", "raise SystemExit('no port is free')"), ("/nowhere/python",)])
def test_without_the_scripted_server_there_is_a_reason_and_no_number(monkeypatch, command):
    monkeypatch.setattr(running, "COMMAND", command)
    found = own_cost.client_lag((1,))
    assert list(found) == ["reason"]
    assert "no port is free" in found["reason"] or "/nowhere/python" in found["reason"]


def test_the_tokenizer_is_timed_by_the_token():
    texts = []

    def encode(text):
        texts.append(text)
        sleep(0.005)
        return range(100)

    assert own_cost.tokenizer_ns_per_token(encode) >= 50_000
    assert len(set(texts)) == len(texts) >= 5
    assert all(len(text.split()) == 512 for text in texts)


def test_a_server_that_takes_token_ids_has_no_tokenizer_to_time(monkeypatch):
    monkeypatch.setattr(own_cost, "client_lag", lambda _counts: {"reason": "not here"})
    assert own_cost.own_cost((1,), None) == {"client": {"reason": "not here"}}
    assert own_cost.own_cost((1,), lambda text: text.split()).keys() == {"client", "tokenizer_ns_per_token"}
