"""Plays a whole plan: one process per launch, watched from outside, each restarted around a case that kills it.

The process is the unit of replication, and a wall: an engine that runs out of memory or crashes takes one case with it and
nothing that was finished.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchstone import errors, store
from touchstone.clock import now_ns, wall_time
from touchstone.errors import EngineError, NotReadyError, TouchstoneError
from touchstone.measure.engines import engine_row
from touchstone.measure.last_words import ending, last_words, was_killed
from touchstone.measure.telemetry import Sampler
from touchstone.message import Message, say
from touchstone.plan import Plan, Target
from touchstone.record import Phase, Status, Trial

Notify = Callable[[str, Mapping[str, Any]], None]
LOST = 75
"""The exit code of a launch whose engine went away in a trial that is written down."""
_CRASH_SEQUENCE = 1_000_000  # beyond any trial that the process itself numbered


@dataclass
class Control:
    """How the person at the keyboard reaches a run: ``stop`` once lets the current trial end, twice ends it now."""

    requests: int = 0
    child: subprocess.Popen[str] | None = None

    def stop(self, requests: int = 1) -> None:
        """Ask to stop; the second of the ``requests`` kills the process that is measuring."""
        self.requests += requests
        self.reach()

    def reach(self) -> None:
        """Hand on what has been asked for so far, to a process that may have been started since."""
        if self.requests == 1:
            self.end_trial()
        elif self.requests > 1 and self.child is not None and self.child.poll() is None:
            self.child.kill()

    def end_trial(self) -> None:
        """Let the measuring process end after the trial it is playing."""
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)

    def ended(self, code: int) -> bool:
        """Whether a process with this exit code was ended from here, and not merely asked to stop."""
        return self.requests > 1 or (self.requests == 1 and code == -signal.SIGTERM)  # asked before it could listen


class Launches:
    """The parent's side of a run. It owns ``run.json``; children own the trials they play."""

    def __init__(self, directory: Path, header: dict[str, Any], command: Sequence[str], notify: Notify, control: Control) -> None:
        self._directory, self._header, self._command = directory, header, command
        self._notify, self._control = notify, control
        self._plan = Plan.model_validate(header["plan"])
        self._target = Target.model_validate(header["target"])
        self._current: tuple[str, Phase, int] | None = None
        self._log_begins = 0  # what an earlier process of the same launch said stands before

    def play(self) -> str:
        """Play what is left of the plan and return the run's status: ``complete`` or ``interrupted``.

        Raises the :class:`TouchstoneError` with which a child refused to measure; the header then says ``failed``. Raises
        :class:`NotReadyError` where somebody else is playing the same run.
        """
        with _alone(self._directory):
            self._set(status="running", started=self._header.get("started") or wall_time())
            self._notify("start", {})
            try:
                for launch in range(self._plan.launches):
                    if not self._play_launch(launch):
                        break
            except TouchstoneError as error:
                self._set(status="failed", error=str(error), ended=wall_time())
                raise
            finally:
                store.compact(self._directory)
            status = "interrupted" if self._control.requests else "complete"
            self._set(status=status, ended=wall_time())
            return status

    def _set(self, **facts: object) -> None:
        self._header.update(facts)
        store.write_header(self._directory, self._header)

    def _play_launch(self, launch: int) -> bool:
        """One launch, in as many processes as its crashes make necessary. Returns False when the user stopped it."""
        while not self._control.requests:
            trials = store.load(self._directory).trials
            done, skip = self._progress(trials, launch)
            if not self._missing(done, skip):
                return True
            process = self._next_process()
            code = self._run_child(launch, process, done, skip, pilot=launch == 0 and not _piloted(trials))
            if code == 0:
                return not self._control.requests
            if self._control.ended(code):
                return False
            if code != LOST:
                self._note_crash(launch, process, code)
            elif self._current is not None:
                self._notify("crash", {"launch": launch, "case": self._current[0], "how": say("the server ended")})
        return False

    @staticmethod
    def _progress(played: Sequence[Trial], launch: int) -> tuple[list[tuple[str, int]], set[str]]:
        """Finished trials of ``launch``, and cases not to be tried again."""
        trials = [trial for trial in played if trial.launch == launch]
        done = [(trial.case, trial.index) for trial in trials if trial.phase is Phase.MEASURED and trial.status is Status.OK]
        skip = {trial.case for trial in trials if trial.status is not Status.OK and trial.phase is not Phase.VERIFY}
        return done, skip

    def _next_process(self) -> int:
        """Numbers are never used twice, so what a killed process left half written belongs to nobody."""
        process = int(self._header.get("processes") or 0)
        self._set(processes=process + 1)
        return process

    def _missing(self, done: Sequence[tuple[str, int]], skip: set[str]) -> bool:
        counts = {case.name: sum(name == case.name for name, _ in done) for case in self._plan.cases}
        left = any(counts[case.name] < self._plan.trials for case in self._plan.cases if case.name not in skip)
        return left or (not self._plan.cases and not self._header.get("launches"))

    def _run_child(self, launch: int, process: int, done: Sequence[tuple[str, int]], skip: set[str], *, pilot: bool) -> int:
        spec = {
            "plan": self._header["plan"], "target": self._header["target"], "directory": str(self._directory),
            "launch": launch, "process": process, "warmup": self._header.get("warmup") or {}, "done": list(done),
            "skip": sorted(skip), "pilot": pilot,
        }
        log = self._log(launch)
        self._current, self._log_begins = None, log.stat().st_size if log.exists() else 0
        sampler = Sampler(self._directory, launch, process, self._target)
        with sampler, log.open("ab") as output, subprocess.Popen(
            [*self._command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True, encoding="utf-8",
            env=self._environment(), start_new_session=True,  # Ctrl-C reaches the parent alone, which decides
        ) as child:
            self._control.child = child
            self._control.reach()
            assert child.stdin is not None
            assert child.stdout is not None
            json.dump(spec, child.stdin)
            child.stdin.close()
            failure: TouchstoneError | None = None
            sampler.watch(child.pid)
            self._header.setdefault("telemetry", {}).setdefault("launches", []).append(sampler.facts)
            for line in child.stdout:
                failure = self._on_event(launch, json.loads(line)) or failure
            code = child.wait()
        if failure is not None:
            raise failure
        return code

    def _environment(self) -> dict[str, str]:
        """The child's variables; what the user has set comes first. All of them are recorded in the environment."""
        threads = self._target.options.threads
        # A torch_npu without CANN breaks `import torch` itself, so it is loaded only where it is asked for.
        plugins = {} if self._target.device.startswith("npu") else {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
        chosen = {**engine_row(self._target.engine)[1].variables, **plugins, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
                  "PYTHONUNBUFFERED": "1", **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
        return {**chosen, **os.environ}

    def _on_event(self, launch: int, event: dict[str, Any]) -> TouchstoneError | None:
        kind, content = event.pop("event"), event
        if kind == "error":
            return _error_from(content)
        if kind == "trial":
            self._current = (content["case"], Phase(content["phase"]), content["index"])
        elif kind == "environment":
            self._header.setdefault("environment", content["environment"])
            self._header.update({name: content[name] for name in ("clock", "mark_cost_ns", "memory_read_bytes_per_s")})
        elif kind == "engine":
            known = self._header.setdefault("launches", [])
            changed = _differences(known[0]["facts"], content["facts"]) if known else ()
            if changed:
                self._control.end_trial()
                return NotReadyError("This run began on something else: {changed}.",
                                     "Runs are not mixed; start a new one.", changed=", ".join(changed))
            known.append({"launch": launch, "facts": content["facts"]})
        elif kind == "warmup":
            self._header.setdefault("warmup", {})[content["case"]] = content["count"]
            self._header.setdefault("warmup_steady", {})[content["case"]] = content["steady"]
        elif kind == "case":
            self._header.setdefault("stopped_by", []).append({"launch": launch, **content})
        if kind not in {"trial", "played", "refused", "server"}:
            store.write_header(self._directory, self._header)
        self._notify(kind, {"launch": launch, **content})
        return None

    def _note_crash(self, launch: int, process: int, code: int) -> None:
        """A child died without a word: keep what it was playing as a failed trial, so that the case is not tried again."""
        how = ending(code)
        if self._current is None or self._current[1] is Phase.VERIFY:
            words = last_words(self._log(launch), self._log_begins, explained=not was_killed(code))
            raise EngineError("The measuring process died while loading or verifying ({how}). {said}", words.advice.template,
                              how=how, said=words.said, **dict(words.advice.fields))
        case, phase, index = self._current
        at_ns = now_ns()
        batch = next((one.batch_size for one in self._plan.cases if one.name == case), 1)
        store.append_trial(self._directory, Trial(
            launch=launch, process=process, sequence=_CRASH_SEQUENCE, case=case, index=index, phase=phase, batch_size=batch,
            status=Status.KILLED, sent_ns=at_ns, ended_ns=at_ns, error=f"the process ended with {how}"))
        self._notify("crash", {"launch": launch, "case": case, "how": how})

    def _log(self, launch: int) -> Path:
        return self._directory / f"launch-{launch}.log"


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else plays the run in ``directory`` meanwhile. Raises :class:`NotReadyError` where somebody does."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise NotReadyError("{directory} is being measured by another process at this moment.", "Wait for it, or stop it.",
                            directory=directory) from None
    except OSError:  # a file system that knows no locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def _piloted(trials: Sequence[Trial]) -> bool:
    return any(trial.phase is Phase.PILOT_MARKED for trial in trials)


def _differences(known: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """What of the engine's identity is not what the run began with."""
    names = ("engine", "version", "device_name", "dtypes", "parameters")
    return tuple(f"{name} {known[name]} → {now[name]}" for name in names if known[name] != now[name])


def error_event(error: TouchstoneError) -> dict[str, object]:
    """An error as a line for the parent."""
    return {"kind": type(error).__name__, "message": error.message, "cure": error.cure,
            "fields": {name: _packed(value) for name, value in error.fields.items()}}


def _packed(value: object) -> object:
    """A message crosses as its template and fields, so that the parent can say it in the user's language."""
    if isinstance(value, Message):
        return {"template": value.template, "fields": {name: _packed(one) for name, one in value.fields}}
    return str(value)


def _unpacked(value: Any) -> object:
    if not isinstance(value, dict):
        return value
    return Message(value["template"], tuple((name, _unpacked(one)) for name, one in value["fields"].items()))


def _error_from(content: Mapping[str, Any]) -> TouchstoneError:
    kind = getattr(errors, content["kind"], EngineError)
    fields = {name: _unpacked(value) for name, value in content["fields"].items()}
    error: TouchstoneError = kind(content["message"], content["cure"], **fields)
    return error
