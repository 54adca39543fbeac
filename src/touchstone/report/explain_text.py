"""The faces of ``explain``: the likeliest cause with its cure, what else the log shows, and what nobody knows; or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from touchstone.failures import Explanation, Standing
from touchstone.message import Message, Translate, say
from touchstone.report.table import plain, shortened
from touchstone.report.terminal import Screen

SCHEMA = 1
_MOST_KNOWN, _MOST_UNKNOWN = 8, 5
_SHOWN = 240
STANDINGS: Mapping[Standing, Message] = {  # the documentation says them too
    Standing.CAUSE: say("cause"), Standing.STEP: say("failed step"), Standing.UNKNOWN: say("unknown"), Standing.ECHO: say("consequence"),
    Standing.WARNING: say("warning"),
}
_FACTS: Mapping[str, Message] = {
    "tried_to_allocate": say("asked for"), "free": say("free memory"), "available": say("available"), "total": say("total"),
    "needed": say("needed"),
    "code": say("code"), "device": say("device"), "requested_length": say("length wanted"), "possible_length": say("length possible"),
    "architecture": say("architecture"), "library": say("library"), "operator": say("operator"),
    "arguments": say("arguments"), "address": say("address"),
}


def to_text(found: Sequence[Explanation], log: str, known: int, translate: Translate) -> str:
    """What failed, one paragraph per failure, the first the likeliest; ``known`` is how many failures are known at all."""
    rows = [one for one in found if one.failure]
    strangers = [one for one in found if not one.failure]
    screen = Screen()
    screen.line(_verdict(found, plain(log), known).render(translate))
    for one in rows[:_MOST_KNOWN]:
        screen.line()
        _paragraph(screen, one, translate)
    if strangers:
        screen.line()
        screen.line(translate("Not in the table of known failures; nothing is known of them but what stands here:"))
        for one in strangers[:_MOST_UNKNOWN]:
            _stranger(screen, one, translate)
    left = max(len(rows) - _MOST_KNOWN, 0) + max(len(strangers) - _MOST_UNKNOWN, 0)
    if left:
        screen.line()
        screen.line(translate("and {count} more (--format json has them all)").format(count=left))
    return screen.text()


def _verdict(found: Sequence[Explanation], log: str, known: int) -> Message:
    standings = {one.standing for one in found}
    if standings & {Standing.CAUSE, Standing.STEP}:
        return say("{log}: the likeliest cause first", log=log)
    if Standing.UNKNOWN in standings:
        return say("{log}: errors, but none that is known to be a cause ({known} failures are known)", log=log, known=known)
    if Standing.ECHO in standings:
        return say("{log}: something failed, but the cause is not in this part; it stands earlier, or in the log of another process",
                   log=log)
    if standings:
        return say("{log}: warnings only", log=log)
    return say("{log}: nothing here is known as a failure ({known} are known) or looks like an error", log=log, known=known)


def _paragraph(screen: Screen, one: Explanation, translate: Translate) -> None:
    assert one.failure is not None
    screen.line(say("{area} {name}: {standing}, {where}", area=one.failure.area, name=one.name, standing=STANDINGS[one.standing],
                    where=_where(one)).render(translate))
    screen.line(f"  | {shortened(one.text, _SHOWN)}", hang=4)
    facts = _facts(one, translate)
    if facts:
        screen.line(f"  {facts}", hang=4)
    screen.line("  " + translate("why: {cause}").format(cause=one.failure.cause.render(translate)), hang=4)
    screen.line("  " + translate("cure: {cure}").format(cure=one.failure.cure.render(translate)), hang=4)
    screen.line("  " + translate("seen: {source}").format(source=one.failure.source), hang=4)


def _stranger(screen: Screen, one: Explanation, translate: Translate) -> None:
    where = say("{where}; {about}", where=_where(one), about=one.about) if one.about else _where(one)
    screen.line("  " + say("{name}: {where}", name=plain(one.name), where=where).render(translate), hang=4)
    screen.line(f"  | {shortened(one.text, _SHOWN)}", hang=4)


def _where(one: Explanation) -> Message:
    if one.count == 1:
        return say("line {line}", line=one.line)
    return say("line {line} ({count} such lines)", line=one.line, count=one.count)


def _facts(one: Explanation, translate: Translate) -> str:
    return " · ".join(f"{_FACTS[name].render(translate)} {plain(value)}" for name, value in one.facts.items())


def to_json(found: Sequence[Explanation], log: str, known: int, translate: Translate) -> str:
    """Every explanation as one JSON object, in the same order; an error that no row knows has null for its ``failure``."""
    return json.dumps({"schema": SCHEMA, "log": plain(log), "known": known, "explanations": [_document(one, translate) for one in found]},
                      ensure_ascii=False, indent=1)


def _document(one: Explanation, translate: Translate) -> dict[str, object]:
    row = one.failure
    known = None if row is None else {
        "id": row.id, "area": row.area, "cause": row.cause.render(translate), "cure": row.cure.render(translate), "source": row.source}
    return {"failure": known, "name": plain(one.name), "standing": one.standing.value, "line": one.line, "count": one.count,
            "text": plain(one.text), "facts": {name: plain(value) for name, value in one.facts.items()},
            "about": one.about.render(translate) if one.about else None}


EXPLAIN_FACES: Mapping[str, Callable[[Sequence[Explanation], str, int, Translate], str]] = {"text": to_text, "json": to_json}
