"""The terminal face of a comparison: the answer, what differs, and only then the numbers."""

from __future__ import annotations

from touchstone.comparison import Comparison, SideFinding, foremost
from touchstone.message import Message, Translate, say
from touchstone.report import compare_attribution, compare_words
from touchstone.report.compare_sentence import answer
from touchstone.report.table import plain
from touchstone.report.terminal import Screen

_MOST_DIFFERENCES = 12


def to_compare_text(comparison: Comparison, translate: Translate) -> str:
    """The comparison for a terminal, as wide as it is."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen()
    screen.line(said(answer(comparison)))
    for letter, side in (("A", comparison.old), ("B", comparison.new)):
        screen.line(f"{letter}  {_side(side, said(compare_words.trust_word(side.trust)), said(compare_words.replicates(side)))}", hang=3)
    screen.line()
    screen.line(said(compare_words.difference_title(comparison)))
    named = foremost(comparison.differences, _MOST_DIFFERENCES)
    for one in named:
        screen.line(f"  {said(compare_words.difference_line(one))}", hang=4)
    if len(comparison.differences) > len(named):
        screen.line(f"  {said(say('… and {count} more; --format md has them all', count=len(comparison.differences) - len(named)))}")
    for case in comparison.attributions:
        screen.line()
        screen.line(said(compare_attribution.sentence(case)))
        screen.line(said(compare_attribution.answers(case)))
        screen.table([said(column) for column in compare_attribution.COLUMNS],
                     [[said(word), *cells] for word, cells in compare_attribution.rows(case)], numbers=True)
    for rows in compare_words.metrics_of(comparison):
        screen.line()
        screen.line(said(compare_words.metric_title(rows[0])))
        screen.table([said(column) for column in compare_words.COLUMNS],
                     [[said(compare_words.case_word(row)), *compare_words.cells(row), said(compare_words.outcome_word(row, comparison))] for row in rows])
    screen.line()
    for note in comparison.notes:
        screen.line(f"* {said(note)}", hang=2)
    return screen.text()


def _side(side: SideFinding, trust: str, replicates: str) -> str:
    return " · ".join(plain(part) for part in (", ".join(side.paths), *side.identity, replicates, trust) if part)
