"""What happens while something is measured, as lines of JSON: always in RUN/events.jsonl, and where ``--events`` wants them.

Every line has ``v`` (1), ``ts`` (date and time of day), ``run_id``, ``at_s`` (seconds since this process began to measure) and ``event``:

=============  ====================================================================================================================
event          what it says
=============  ====================================================================================================================
run.start      kind (run, load, search), directory, plan, model, cases with how often each is repeated, launches, resumed
stage.start    stage (loading, verifying, pilot, warming up, measuring, calibrating, preparing), launch, case, repeat, requests
trial          how one trial of a run ended: launch, case, phase, index, status, elapsed_s, output_tokens (null: not known), progress
sample         at most one a second: sent, ended, failed and in_flight requests of a load; waited_s for a server; the client's own error
warning        code, case, message: something was lost or left out, and the measurement goes on
verdict        trust and reasons of each case, and (case null) of the whole, with the service levels that pass or fail
run.end        status (complete, interrupted, failed), exit_code, error
=============  ====================================================================================================================

``report/events.schema.json`` is the contract. A run that is resumed goes on in the same file with another run.start. Nothing that a
server says of itself goes in here but counts: its words may hold what is secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from touchstone import __version__
from touchstone.cli.audience import Audience
from touchstone.cli.course import LoadCourse, RunCourse
from touchstone.cli.outlets import LineFile, Outlet, Record
from touchstone.clock import now_ns, realtime_ns
from touchstone.message import Message, say
from touchstone.units import NS_PER_S, seconds

VERSION = 1
FILE = "events.jsonl"
_SAMPLE_PERIOD_NS = NS_PER_S
_PHASES: Mapping[str, str] = {"verify": "verifying", "pilot_marked": "pilot", "pilot_plain": "pilot", "pilot_warmup": "pilot",
                              "warmup": "warming up", "measured": "measuring"}
_BY_CASE = frozenset({"warming up"})
"""Stages that are of one case; the others go through all of them in turn."""

@dataclass(frozen=True)
class Subject:
    """What a measurement is of. ``course`` knows how far it is; ``facts`` are those of run.start."""

    run_id: str
    directory: Path
    course: RunCourse | LoadCourse
    facts: Mapping[str, Any]


class Journal:
    """Hears what a measurement says of itself and puts it, in the words above, into the run's own file and ``outlets``."""

    period_s: float | None = None

    def __init__(self, subject: Subject, outlets: Sequence[Outlet]) -> None:
        self._subject, self._outlets = subject, list(outlets)
        self._began_ns, self._ahead_ns = now_ns(), realtime_ns() - now_ns()
        self._stage: tuple[object, ...] = ()
        self._point: Record = {}
        self._counts: Record = {}
        self._sampled_ns = 0
        self._started = False
        self._own: LineFile | None = None
        self.warn: Audience | None = None
        """Whom to tell of an outlet that is lost."""

    def hear(self, kind: str, event: Mapping[str, Any], at_ns: int) -> None:
        """Take one event of a run or load."""
        self._subject.course.hear(kind, event, at_ns)
        if kind == "start":
            self._started = True
            self._open()
            self._put("run.start", at_ns, directory=str(self._subject.directory), touchstone=__version__, **self._subject.facts)
        elif self._started and (heard := getattr(self, f"_on_{kind}", None)):
            heard(event, at_ns)

    def tick(self, at_ns: int) -> None:
        """Nothing is written where nothing happens."""

    def close(self) -> None:
        """Let go of the run's own file; the others belong to whoever gave them."""
        if self._own is not None:
            self._own.close()

    def _open(self) -> None:
        path = self._subject.directory / FILE
        try:
            self._own = LineFile.at(path)
        except OSError as error:
            self._lost(str(path), error)
        else:
            self._outlets.insert(0, self._own)

    def _put(self, event: str, at_ns: int, **fields: Any) -> None:
        wall = datetime.fromtimestamp((at_ns + self._ahead_ns) / NS_PER_S, timezone.utc).astimezone()
        record = {"v": VERSION, "ts": wall.isoformat(timespec="milliseconds"), "run_id": self._subject.run_id,
                  "at_s": round(max(0.0, seconds(at_ns - self._began_ns)), 3), "event": event, **fields}
        for outlet in tuple(self._outlets):
            self._hand(outlet, record)

    def _hand(self, outlet: Outlet, record: Record) -> None:
        try:
            outlet.put(record)
        except OSError as error:
            self._outlets.remove(outlet)
            self._lost(outlet.name, error)

    def _lost(self, name: str, error: OSError) -> None:
        if self.warn is not None:
            self.warn("warning", {"code": "events-lost", "message": say(
                "no more events are written to {name}: {error}; the measurement goes on", name=name, error=error.strerror or str(error))})

    def _progress(self) -> float | None:
        share = self._subject.course.share
        return None if share is None else round(share, 4)

    def _enter(self, stage: str, at_ns: int, **fields: Any) -> None:
        now = (stage, *fields.values())
        if now != self._stage:
            self._stage = now
            self._put("stage.start", at_ns, **{"stage": stage, "launch": None, "case": None} | fields)

    # ── a run ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_environment(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._enter("loading", at_ns, launch=event["launch"])

    def _on_server(self, event: Mapping[str, Any], at_ns: int) -> None:
        if at_ns - self._sampled_ns >= _SAMPLE_PERIOD_NS:
            self._sampled_ns = at_ns
            self._put("sample", at_ns, case=None, launch=event["launch"], waited_s=event["waited_s"])

    def _on_trial(self, event: Mapping[str, Any], at_ns: int) -> None:
        stage = _PHASES[event["phase"]]
        self._enter(stage, at_ns, launch=event["launch"], case=event["case"] if stage in _BY_CASE else None)

    def _on_played(self, event: Mapping[str, Any], at_ns: int) -> None:
        if "phase" in event:
            self._put("trial", at_ns, **event, progress=self._progress())
        else:
            self._put("sample", at_ns, **self._counts, client_late_s=event["late_s"], client_cpu_fraction=event["cpu_fraction"],
                      progress=self._progress())
            self._point = self._counts = {}

    def _on_crash(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._warn(at_ns, "process-lost", event["case"], say("the process was lost ({how}); the case is left out", how=event["how"]))

    def _on_refused(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._warn(at_ns, "does-not-fit", event["case"], say("not tried: {reason}", reason=event["reason"]))

    # ── a load ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_calibration(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._enter("calibrating", at_ns, case=event["load"])

    def _on_calibrated(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._put("sample", at_ns, case=None, client_floor_s=event.get("floor_s"))

    def _on_preparing(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._enter("preparing", at_ns, case=event["case"], repeat=event["repeat"], requests=event["requests"])

    def _on_warmup(self, event: Mapping[str, Any], at_ns: int) -> None:
        if "requests" in event:  # a run says by the same word how many warm-ups it found to be enough
            self._enter("warming up", at_ns, case=event["case"], requests=event["requests"])

    def _on_point(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._point = {"case": event["case"], "repeat": event["repeat"]}
        self._counts = {**self._point, "sent": 0, "ended": 0, "failed": 0, "in_flight": 0}
        timed = event["duration_s"] is not None
        self._enter("measuring", at_ns, **self._point, requests=None if timed else event["requests"], duration_s=event["duration_s"])

    def _on_counts(self, event: Mapping[str, Any], at_ns: int) -> None:
        if not self._point:
            return
        self._counts = {**self._point, **event, "in_flight": event["sent"] - event["ended"]}
        if at_ns - self._sampled_ns >= _SAMPLE_PERIOD_NS:
            self._sampled_ns = at_ns
            self._put("sample", at_ns, **self._counts, progress=self._progress())

    # ── either ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_warning(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._warn(at_ns, event["code"], event.get("case"), event["message"])

    def _warn(self, at_ns: int, code: str, case: str | None, message: Message) -> None:
        self._put("warning", at_ns, code=code, case=case, message=message.render(str))

    def _on_verdict(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._put("verdict", at_ns, **event)

    def _on_end(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._put("run.end", at_ns, **event)
