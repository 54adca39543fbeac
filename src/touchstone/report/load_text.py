"""The terminal face of a load run: identity, verdict, client, service levels, the sentence, then the table, on one screen."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.finding import Findings
from touchstone.message import Message, Translate, say
from touchstone.report import end_screen, load_table, table
from touchstone.report.load_table import OUTCOME_WORDS
from touchstone.report.table import COLON, METRIC_WORDS, listed, number, plain, shortened
from touchstone.report.terminal import Screen

_DIGITS = 3  # twelve columns have no room for more
_LONGEST_NAME = 60
_LEVELS = 4
_CLIENT, _LATER_LEVEL, _NOTES, _ANALYSIS = 2, 3, 5, 8
"""What of a load is left out where there are too few lines: the highest first (:mod:`touchstone.report.end_screen` has the others)."""


def to_load_text(findings: Findings, translate: Translate, lang: str) -> str:
    """The report for a terminal, as wide as it is (80 cells where there is none, at most 120)."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen(end_screen.height(findings))
    cases = findings.cases
    load = said(load_table.load_words(cases[0])) if len(cases) == 1 else ""
    screen.line(" · ".join(_identity(findings, load, said(table.run_word(findings.status)))), most=3)
    end_screen.verdict(screen, findings, said)
    for place, line in enumerate(load_table.search_lines(findings)):
        screen.line(said(line), rank=_NOTES if place else 0)
    for line in load_table.client_lines(findings):
        screen.line(said(line), rank=_CLIENT)
    for place, line in enumerate(_levels(findings)):
        screen.line(f"SLO {said(line)}", 4, rank=_LATER_LEVEL if place >= _LEVELS else 0, most=3)
    end_screen.sentence(screen, findings, said)
    if len(cases) == 1:
        screen.line(f"{said(METRIC_WORDS['output_throughput'])}{said(COLON)}{said(load_table.rates(cases[0]))}")
        screen.line(rank=end_screen.BLANK)
        screen.table([said(column) for column in load_table.LATENCY_COLUMNS],
                     load_table.latency_rows(cases[0], translate, load_table.main_latencies(cases[0])), numbers=True)
    elif cases:
        screen.line(rank=end_screen.BLANK)
        screen.table([said(column) for column in load_table.COLUMNS], [load_table.row(case, translate, lang, _DIGITS) for case in cases])
    screen.line(rank=end_screen.BLANK)
    end_screen.limits(screen, findings, said)
    for metric, words in findings.analysis:
        screen.line(f"{said(METRIC_WORDS[metric])}{said(COLON)}{said(words)}", rank=_ANALYSIS)
    end_screen.files(screen, findings, said, lang)
    return screen.text()


def _identity(findings: Findings, load: str, status: str) -> Iterator[str]:
    one = findings.identity
    yield "search" if findings.search else "load"
    for part in (one.get("model"), " ".join(filter(None, (one.get("engine"), one.get("engine_version")))),
                 f"{one.get('base_url') or ''}{one.get('endpoint') or ''}", load):
        if part:
            yield shortened(part, _LONGEST_NAME)
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
            names = [case.name for case in cases for found in case.slos if (found.level, found.outcome) == (level, outcome)]
            if names:
                said = say("{outcome} at {cases}", outcome=word, cases=listed(names))
                parts = said if parts == say("") else say("{one}; {other}", one=parts, other=said)
        yield say("{level}: {outcomes}", level=level, outcomes=parts)
