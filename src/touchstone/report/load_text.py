"""The terminal face of a load run: identity, verdict, client, service levels, throughput, then the table. One case fits a screen."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.finding import Findings
from touchstone.message import Message, Translate, say
from touchstone.report import load_table, table
from touchstone.report.load_table import OUTCOME_WORDS
from touchstone.report.table import METRIC_WORDS, STATUS_WORDS, TRUST_WORDS, number, plain
from touchstone.report.terminal import Screen

_REASONS = 3
_DIGITS = 3  # twelve columns have no room for more


def to_load_text(findings: Findings, translate: Translate, lang: str) -> str:
    """The report for a terminal, as wide as it is (80 cells where there is none, at most 120)."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen()
    cases = findings.cases
    screen.line(" · ".join(_identity(findings, said(load_table.load_words(cases[0])) if len(cases) == 1 else "", said(table.run_word(findings.status)))))
    screen.line(f"{said(say('Verdict'))}  {said(TRUST_WORDS[findings.trust])}")
    for verdict in table.gravest(findings.verdicts, _REASONS):
        where = f" [{plain(verdict.case)}]" if verdict.case and len(cases) > 1 else ""
        screen.line(f"  {said(STATUS_WORDS[verdict.status])}{where}: {said(verdict.message)}")
    for line in load_table.search_lines(findings):
        screen.line(said(line))
    for line in load_table.client_lines(findings):
        screen.line(said(line))
    for line in _levels(findings):
        screen.line(f"SLO {said(line)}")
    if len(cases) == 1:
        screen.line(f"{said(METRIC_WORDS['output_throughput'])}: {said(load_table.rates(cases[0]))}")
        screen.line()
        screen.table([said(column) for column in load_table.LATENCY_COLUMNS],
                     load_table.latency_rows(cases[0], translate, every=False), numbers=True)
    elif cases:
        screen.line()
        screen.table([said(column) for column in load_table.COLUMNS], [load_table.row(case, translate, lang, _DIGITS) for case in cases])
    screen.line()
    for metric, sentence in findings.analysis:
        screen.line(f"{said(METRIC_WORDS[metric])}: {said(sentence)}")
    screen.line(f"{said(say('Files'))}: {plain(findings.path)}/report.{lang}.md, report.json, *.parquet")
    screen.line(f"{said(say('Reproduce'))}: {plain(findings.reproduce[0])}")
    return screen.text()


def _identity(findings: Findings, load: str, status: str) -> Iterator[str]:
    one = findings.identity
    yield "search" if findings.search else "load"
    for part in (one.get("model"), " ".join(filter(None, (one.get("engine"), one.get("engine_version")))),
                 f"{one.get('base_url') or ''}{one.get('endpoint') or ''}", load):
        if part:
            yield plain(part)
    if len(findings.cases) == 1:
        case = findings.cases[0]
        yield f"{number(case.input_tokens)}→{number(case.output_tokens)}"
    yield status


def _levels(findings: Findings) -> Iterator[Message]:
    """Of one case each level with its numbers; of several, where each passes and fails; of a search its name, for the answer is said."""
    cases = findings.cases
    levels = dict.fromkeys(found.level for case in cases for found in case.slos)
    if findings.search:
        yield from (say("{level}", level=level) for level in levels)
        return
    if len(cases) == 1:
        yield from map(load_table.level, cases[0].slos)
        return
    for level in levels:
        parts = say("")
        for outcome, word in OUTCOME_WORDS.items():
            names = ", ".join(case.name for case in cases for found in case.slos if (found.level, found.outcome) == (level, outcome))
            if names:
                said = say("{outcome} at {cases}", outcome=word, cases=names)
                parts = said if parts == say("") else say("{one}; {other}", one=parts, other=said)
        yield say("{level}: {outcomes}", level=level, outcomes=parts)
