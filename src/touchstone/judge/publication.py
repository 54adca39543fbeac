"""From what somebody published, or from a run of ours, to an audit: read, resolve the conditions, judge every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from touchstone.claim import Claim, ClaimTable, Subject
from touchstone.errors import unknown_name
from touchstone.finding import AuditedRow, AuditedTable, AuditFindings, Findings
from touchstone.hardware import chips, find_chip
from touchstone.judge.audit.rules import judge_claims, reading_said
from touchstone.judge.audit.rules.setting import Resolver, gigabyte_of
from touchstone.judge.claims.prose import quotes
from touchstone.judge.claims.reading import claim_table, no_claims
from touchstone.judge.claims.subject import first_said, from_front_matter, from_prose, inferred_messages
from touchstone.judge.claims.text_sheets import decode, read_document
from touchstone.judge.foreign import ForeignResult, read_result
from touchstone.message import Message, say
from touchstone.simulate.architecture import Architecture
from touchstone.simulate.precision import precision_of


def known(asked: Subject) -> Subject:
    """``asked``, whose hardware and number format are ones we know. Raises UsageError or DataError, with names that are close."""
    if asked.hardware and find_chip(asked.hardware) is None:
        raise unknown_name(say("hardware"), asked.hardware, [chip.name for chip in chips()])
    if asked.dtype:
        precision_of(asked.dtype)  # raises for a word that is none
    return asked


def audit_content(content: bytes, name: str, asked: Subject, model: Architecture | None = None) -> AuditFindings:
    """The audit of a file: a results file of another tool, or a text with tables. Raises DataError where nothing can be read."""
    result = read_result(content, name)
    if result is not None:
        return audit_results((result,), asked, model, name)
    return audit_text(decode(content), name, asked, model)


def audit_text(text: str, name: str, asked: Subject, model: Architecture | None = None) -> AuditFindings:
    """The audit of a pasted table or of an article, with every table and the numbers it quotes in sentences."""
    document = read_document(text, name)
    read = [(sheet, claim_table(sheet)) for sheet in document.sheets]
    tables = [table for _, table in read if table is not None]
    unread = [say("{table}: {reason}", table=sheet.source, reason=no_claims(sheet)) for sheet, table in read if table is None]
    titles = "\n".join(f"{sheet.caption} {' '.join(sheet.heading)}" for sheet in document.sheets)
    subject, inferred = first_said(asked, from_front_matter(document.front_matter), from_prose(f"{titles}\n{document.prose}"))
    tables += quotes(document.prose)
    resolver = Resolver(subject, model, gigabyte_of(document.prose))
    return _judged(name, tables, resolver, inferred_messages(subject, inferred), (*document.left_out, *unread))


def audit_results(results: Sequence[ForeignResult], asked: Subject, model: Architecture | None = None, name: str = "") -> AuditFindings:
    """The audit of results files of other tools."""
    tables = [replace(one.claims, source=f"{one.tool} {one.version or ''}".strip() + f": {one.claims.source}") for one in results]
    subject, inferred = first_said(asked, *(one.claims.subject for one in results))
    return _judged(name or results[0].tool, tables, Resolver(replace(subject, lockstep=False), model), inferred_messages(subject, inferred), ())


def _judged(name: str, tables: Sequence[ClaimTable], resolver: Resolver, said: tuple[Message, ...], left_out: tuple[Message, ...]) -> AuditFindings:
    _, assumed = resolver.setting()
    audited = []
    for place, table in enumerate(tables):
        elsewhere: list[Claim] = [claim for other, one in enumerate(tables) if other != place for claim in one.claims]
        audited.append(AuditedTable(table.source, (*said, *assumed, *table.assumptions, *reading_said(table)),
                                    judge_claims(table, resolver, elsewhere), table.left_out))
    return AuditFindings(name, tuple(audited), left_out)


def audit_run(findings: Findings) -> AuditFindings:
    """The verdicts of a run of ours, case by case, and those of the run as a whole."""
    rows = tuple(AuditedRow(place + 1, case.name, tuple(one for one in findings.verdicts if one.case == case.name))
                 for place, case in enumerate(findings.cases))
    whole = tuple(one for one in findings.verdicts if one.case is None)
    tables = [AuditedTable(findings.path, (), rows)]
    if whole:
        tables.append(AuditedTable("run", (), (AuditedRow(1, findings.run_id, whole),)))
    return AuditFindings(findings.path, tuple(tables))
