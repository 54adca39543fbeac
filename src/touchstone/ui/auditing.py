"""A pasted text → what an audit says of each row of it, ready for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from touchstone.claim import Subject
from touchstone.errors import UsageError
from touchstone.finding import GRAVITY, AuditedRow, AuditedTable, AuditFindings, Judgement
from touchstone.message import Say, say
from touchstone.report.audit_text import headline
from touchstone.report.table import COLON, STATUS_WORDS, plain

FIELDS = ("text", "model", "hardware", "dtype", "devices")
_MOST_ROWS, _MOST_REASONS = 300, 6
_LONGEST = 200


@dataclass(frozen=True)
class Row:
    """One row of somebody's table and what does not hold of it; ``tone`` is how grave that is."""

    number: int
    label: str
    tone: str
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One table, its gravest rows first where there are more than a page can show."""

    title: str
    notes: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Audited:
    """The answer in one sentence, then table by table."""

    answer: str
    tables: tuple[Table, ...]
    left_out: tuple[str, ...]


def audited(given: Mapping[str, str]) -> AuditFindings:
    """The audit of what was filled in. Raises :class:`touchstone.errors.TouchstoneError`."""
    from touchstone.judge.publication import audit_content, known

    model, hardware, dtype, devices = (given[name].strip()[:_LONGEST] or None for name in FIELDS[1:])
    if devices and not (devices.isascii() and devices.isdecimal() and 0 < int(devices[:7]) <= 1 << 20):
        raise UsageError("{devices} is no number of devices.", "Write 1, 2, 4, …, or nothing.", devices=devices)
    asked = known(Subject(model, hardware, dtype, int(devices) if devices else None))
    return audit_content(given["text"].encode("utf-8", "replace"), "pasted", asked)


def shown(found: AuditFindings, said: Say) -> Audited:
    """The audit for a page."""
    return Audited(said(headline(found)), tuple(_table(table, said) for table in found.tables), tuple(map(said, found.left_out)))


def _table(table: AuditedTable, said: Say) -> Table:
    notes = [f"{said(word)}{said(COLON)}{said(one)}" for word, messages in ((say("Assumed"), table.assumptions), (say("Left out"), table.left_out))
             for one in messages]
    rows = sorted(table.rows, key=lambda row: GRAVITY.index(row.status))[:_MOST_ROWS] if len(table.rows) > _MOST_ROWS else table.rows
    if len(rows) < len(table.rows):
        notes.append(said(say("and {count} more rows, none graver; --format json has them all", count=len(table.rows) - len(rows))))
    return Table(plain(table.source)[:_LONGEST], tuple(notes), tuple(_row(row, said) for row in rows))


def _row(row: AuditedRow, said: Say) -> Row:
    bad = sorted((one for one in row.verdicts if one.status in GRAVITY[:3]), key=lambda one: GRAVITY.index(one.status))
    reasons = bad[:_MOST_REASONS] or [one for one in row.verdicts if one.status is Judgement.CANNOT_TELL][:1]
    return Row(row.row, plain(row.label)[:_LONGEST], row.status.value.replace(" ", "-"), said(STATUS_WORDS[row.status]),
               tuple(f"{one.rule} {said(STATUS_WORDS[one.status])}{said(COLON)}{said(one.message)}" for one in reasons))
