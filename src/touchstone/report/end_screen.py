"""What the end screens of runs and loads have in common: the verdict, the sentence, the limits, and where the rest is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from touchstone.finding import Findings, Judgement, Trust
from touchstone.message import Message, Translate, say
from touchstone.report import table
from touchstone.report.table import COLON, METRIC_WORDS, STATUS_WORDS, TRUST_WORDS, percent, plain
from touchstone.report.terminal import USUAL_HEIGHT, Screen
from touchstone.units import significant

REASONS = 3
BLANK = 4
_LATER_REASON, _LIMITS, _UNTOLD = 1, 3, 5
"""What is left out where there are too few lines: what has a higher rank goes first, and what has rank 0 stays."""
_CASES = 6  # of so many the table fits a screen with everything else; each further one makes it longer

Said = Callable[[Message], str]


def height(findings: Findings) -> int:
    """The most lines of the screen."""
    return USUAL_HEIGHT + max(0, len(findings.cases) - _CASES)


def verdict(screen: Screen, findings: Findings, said: Said) -> None:
    """Whether to believe the numbers, and the gravest reasons why not. Of one case alone it is clear which is meant."""
    screen.line(f"{said(say('Verdict'))}  {said(TRUST_WORDS[findings.trust])}")
    for place, one in enumerate(table.gravest(findings.verdicts, REASONS)):
        where = f" [{plain(one.case)}]" if one.case and (len(findings.cases) > 1 or findings.kind == "run") else ""
        rank = _UNTOLD if one.status is Judgement.CANNOT_TELL else _LATER_REASON if place else 0
        screen.line(f"  {said(STATUS_WORDS[one.status])}{where}{said(COLON)}{said(one.message)}", 4, rank=rank, most=2)


def sentence(screen: Screen, findings: Findings, said: Said) -> None:
    """The one sentence that rests on believable rows, where there is one."""
    if findings.headline.sentence is not None:
        screen.line(said(findings.headline.sentence), most=3)


def limits(screen: Screen, findings: Findings, said: Said) -> None:
    """How much of what physics allows was reached, where that can be told; what the limits are stands in the report."""
    words: dict[float, str] = {}  # a speed and its reciprocal have one limit, which is said once
    for card in findings.headline.cards:
        if card.limit_share is not None and card.id in METRIC_WORDS:
            words.setdefault(card.limit_share, f"{said(METRIC_WORDS[card.id])} {said(percent(significant(100 * card.limit_share, 3)))}")
    if words:
        screen.line(f"{said(say('Share of the physical limit'))}{said(COLON)}{' · '.join(words.values())}", rank=_LIMITS, most=2)


_COLOURS: Mapping[Trust, int] = {Trust.TRUSTED: 32, Trust.SUSPECT: 33, Trust.REJECTED: 31}


def painted(text: str, translate: Translate) -> str:
    """A text face with the word of its verdict in bold and colour, for a terminal that shows them; the word says the same."""
    for trust, colour in _COLOURS.items():
        label, word = (message.render(translate) for message in (say("Verdict"), TRUST_WORDS[trust]))
        text = text.replace(f"\n{label}  {word}\n", f"\n{label}  \x1b[1;{colour}m{word}\x1b[0m\n", 1)
    return text


def files(screen: Screen, findings: Findings, said: Said, lang: str) -> None:
    """Where everything is that has no room here, and the command that measures it again."""
    screen.line(f"{said(say('Full report'))}{said(COLON)}{plain(findings.path)}/report.html · report.{lang}.md, report.json, *.parquet")
    screen.line(f"{said(say('Reproduce'))}{said(COLON)}{plain(findings.reproduce[0])}")
