"""Two runs of the list → the sections of a comparison, in the words that its other faces have."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.comparison import Comparison
from touchstone.message import Say, say
from touchstone.record import Run
from touchstone.report import compare_attribution, compare_words
from touchstone.report.compare_sentence import answer
from touchstone.report.section import Section
from touchstone.served import LoadRun


def compared(old: Run | LoadRun, new: Run | LoadRun, *, allow_differences: bool) -> Comparison:
    """What may be said of ``old`` and ``new``. Raises :class:`touchstone.errors.TouchstoneError`."""
    from touchstone.judge.compare import compare
    from touchstone.judge.compare.margin import usual
    from touchstone.judge.compare.measured import measured_of

    return compare([measured_of(old)], [measured_of(new)], usual(), allow_differences=allow_differences)


def headline(found: Comparison, said: Say) -> str:
    """The answer, in one sentence."""
    return said(answer(found))


def sections(found: Comparison, said: Say) -> Iterator[Section]:
    """The sides, what differs between them, where it comes from, and every metric of every case."""
    yield Section(said(say("Sides")), tuple(
        " · ".join((f"{letter}  {', '.join(side.paths)}", *side.identity, said(compare_words.replicates(side)), said(compare_words.trust_word(side.trust))))
        for letter, side in (("A", found.old), ("B", found.new))))
    yield Section(said(compare_words.difference_title(found)), tuple(said(compare_words.difference_line(one)) for one in found.differences))
    for case in found.attributions:
        yield Section(said(compare_attribution.TITLE), (said(compare_attribution.sentence(case)), said(compare_attribution.answers(case))),
                      tuple(map(said, compare_attribution.COLUMNS)), tuple((said(word), *cells) for word, cells in compare_attribution.rows(case)))
    for rows in compare_words.metrics_of(found):
        yield Section(said(compare_words.metric_title(rows[0])), columns=tuple(map(said, compare_words.COLUMNS)), rows=tuple(
            (said(compare_words.case_word(row)), *compare_words.cells(row), said(compare_words.outcome_word(row, found))) for row in rows))
    yield Section(said(say("Notes")), notes=tuple(map(said, found.notes)))
