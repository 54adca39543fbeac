"""The faces of ``doctor``: how bad it is, then each diagnosis with its cure, gravest first, then what is fine; or one JSON object."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from touchstone.diagnosis import Diagnosis, Severity
from touchstone.machine import Machine
from touchstone.message import Message, Translate, say
from touchstone.report.table import plain, shortened
from touchstone.report.terminal import Screen

SCHEMA = 1
_SHOWN = 160
_LAST = (Severity.CANNOT_TELL, Severity.OK)
_WORDS: Mapping[Severity, Message] = {
    Severity.PROBLEM: say("problem"), Severity.WARNING: say("warning"), Severity.NOTE: say("note"),
    Severity.CANNOT_TELL: say("cannot tell"), Severity.OK: say("fine"),
}
_KEYS: Mapping[Severity, str] = {
    Severity.PROBLEM: "problems", Severity.WARNING: "warnings", Severity.NOTE: "notes", Severity.CANNOT_TELL: "cannot_tell", Severity.OK: "ok",
}


def to_text(machine: Machine, diagnoses: Sequence[Diagnosis], translate: Translate) -> str:
    """What is wrong with ``machine`` for a terminal."""
    del machine  # what matters of it is in the diagnoses
    screen = Screen()
    screen.line(_verdict(diagnoses, translate))
    for diagnosis in (one for one in diagnoses if one.severity not in _LAST):
        screen.line()
        for line, hang in _lines(diagnosis, translate):
            screen.line(line, hang)
    screen.line()
    for line, hang in (line for one in diagnoses if one.severity is Severity.CANNOT_TELL for line in _lines(one, translate)):
        screen.line(line, hang)
    good = [plain(one.says.render(translate)) for one in diagnoses if one.severity is Severity.OK]
    if good:
        screen.line(translate("fine: {these}").format(these=translate(", ").join(dict.fromkeys(good))), 4)
    return screen.text()


def _verdict(diagnoses: Sequence[Diagnosis], translate: Translate) -> str:
    counts = Counter(one.severity for one in diagnoses)
    problems, warnings, notes = (counts[severity] for severity in (Severity.PROBLEM, Severity.WARNING, Severity.NOTE))
    return translate("{problems}, {warnings}, {notes}").format(
        problems=translate("1 problem") if problems == 1 else translate("{count} problems").format(count=problems),
        warnings=translate("1 warning") if warnings == 1 else translate("{count} warnings").format(count=warnings),
        notes=translate("1 note") if notes == 1 else translate("{count} notes").format(count=notes))


def _lines(diagnosis: Diagnosis, translate: Translate) -> Iterator[tuple[str, int]]:
    """Lines and how far they hang."""
    yield plain(say("{severity} {rule}: {says}", severity=_WORDS[diagnosis.severity], rule=diagnosis.rule, says=diagnosis.says).render(translate)), 4
    for line in diagnosis.evidence:
        yield f"    | {shortened(line, _SHOWN)}", 6
    if diagnosis.cure:
        yield f"    = {plain(diagnosis.cure.render(translate))}", 6


def to_json(machine: Machine, diagnoses: Sequence[Diagnosis], translate: Translate) -> str:
    """The diagnoses and the facts they rest on as one JSON object."""
    counts = Counter(one.severity for one in diagnoses)
    return json.dumps({
        "schema": SCHEMA, **{key: counts[severity] for severity, key in _KEYS.items()},
        "diagnoses": [{
            "id": one.rule, "severity": one.severity.value, "says": plain(one.says.render(translate)), "evidence": [plain(line) for line in one.evidence],
            "cure": plain(one.cure.render(translate)) if one.cure else None} for one in diagnoses],
        "facts": _facts(machine, translate)}, ensure_ascii=False, indent=1)


def _facts(fact: Any, translate: Translate) -> Any:
    if isinstance(fact, Message):
        return plain(fact.render(translate))
    if dataclasses.is_dataclass(fact):
        return {field.name: _facts(getattr(fact, field.name), translate) for field in dataclasses.fields(fact)}
    if isinstance(fact, Mapping):
        return {plain(name): _facts(value, translate) for name, value in fact.items()}
    if isinstance(fact, (tuple, list)):
        return [_facts(one, translate) for one in fact]
    return plain(fact) if isinstance(fact, str) else fact


DOCTOR_FACES: Mapping[str, Callable[[Machine, Sequence[Diagnosis], Translate], str]] = {"text": to_text, "json": to_json}
