"""Truth: an engine that does what its script says and logs its own times; the stamps must lie between them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from touchstone import store
from touchstone.measure.devices.cpu import Cpu
from touchstone.measure.player import Place, Player
from touchstone.measure.tape import Tape
from touchstone.record import Phase, Record, Status
from touchstone.request import Batch, Request


class ScriptedEngine:
    """Waits as scripted before each token, and writes down when it was about to hand one over and when that was done."""

    def __init__(self, delays_s: list[float], failure: Exception | None = None) -> None:
        self.device = Cpu()
        self._delays_s, self._failure = delays_s, failure
        self.entered_ns = self.left_ns = 0
        self.token_ns: list[tuple[int, int]] = []

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def generate(self, prepared: Batch, tape: Tape, *, marked: bool) -> int:
        self.entered_ns = time.monotonic_ns()
        for delay_s in self._delays_s:
            time.sleep(delay_s)
            before = time.monotonic_ns()
            if marked:
                tape.mark()
            self.token_ns.append((before, time.monotonic_ns()))
        if self._failure:
            raise self._failure
        self.left_ns = time.monotonic_ns()
        return len(self._delays_s)

    def read(self, batch: Batch, tape: Tape, output: int) -> tuple[Record, ...]:
        return tuple(
            Record(request.id, request.prompt_digest, request.input_tokens, request.input_tokens, 0, request.max_output_tokens, output,
                   Status.OK, "length", tape.sent_ns, tape.ended_ns, tuple(tape.marks_ns), (1,) * len(tape.marks_ns))
            for request in batch.requests
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        return "out of memory" in str(error)


def batch(tokens: int, size: int = 1) -> Batch:
    return Batch(tuple(Request(f"r{place}", (1, 2, 3), tokens) for place in range(size)))


def player(engine: ScriptedEngine, directory: Path) -> Player:
    store.create(directory, {"plan": {"cases": []}})
    return Player(engine, directory, Place(0, 0), lambda *_: None)


def test_every_stamp_lies_where_the_script_says(tmp_path: Path):
    engine = ScriptedEngine([0.02, 0.001, 0.005, 0.0, 0.003])
    trial = player(engine, tmp_path / "run").play("case", 0, Phase.MEASURED, batch(5))
    assert trial.sent_ns <= engine.entered_ns
    assert engine.left_ns <= trial.ended_ns
    record = trial.records[0]
    assert len(record.event_ns) == 5
    for stamp, (before, after) in zip(record.event_ns, engine.token_ns, strict=True):
        assert before <= stamp <= after


def test_what_was_played_is_what_is_on_disk(tmp_path: Path):
    one = player(ScriptedEngine([0.001] * 3), tmp_path / "run")
    trials = [one.play("case", index, Phase.MEASURED, batch(3, size=2)) for index in range(3)]
    assert list(store.load(tmp_path / "run").trials) == trials


@pytest.mark.parametrize(("failure", "status"), [
    (RuntimeError("NPU out of memory. Tried to allocate 2.00 GiB"), Status.OUT_OF_MEMORY),
    (ValueError("kernel fault\nsecond line"), Status.ERROR),
])
def test_a_failure_is_a_trial_not_a_crash(tmp_path: Path, failure: Exception, status: Status):
    engine = ScriptedEngine([0.001], failure)
    trial = player(engine, tmp_path / "run").play("case", 0, Phase.MEASURED, batch(3, size=2))
    assert trial.status is status
    assert trial.error == str(failure).splitlines()[0]
    assert [record.status for record in trial.records] == [status, status]
    assert all(record.output_tokens is None for record in trial.records)
    assert store.load(tmp_path / "run").trials == (trial,)


def test_the_collector_does_not_run_inside_a_trial(tmp_path: Path):
    trial = player(ScriptedEngine([0.001] * 20), tmp_path / "run").play("case", 0, Phase.MEASURED, batch(20))
    assert trial.collector_pauses == 0


def test_the_unwatched_pilot_leaves_no_stamp(tmp_path: Path):
    trial = player(ScriptedEngine([0.001] * 4), tmp_path / "run").play("case", 0, Phase.PILOT_PLAIN, batch(4))
    assert trial.records[0].event_ns == ()
    assert trial.ended_ns > trial.sent_ns
