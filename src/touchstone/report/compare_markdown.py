"""The Markdown face of a comparison, ready to be pasted into a pull request."""

from __future__ import annotations

from touchstone.comparison import FACTOR_WORDS, Comparison
from touchstone.message import Message, Translate, say
from touchstone.report import compare_attribution, compare_words
from touchstone.report.compare_sentence import answer
from touchstone.report.markdown import cell, grid
from touchstone.report.table import NOTHING


def to_compare_markdown(comparison: Comparison, translate: Translate) -> str:
    """The whole comparison; hostile text in names or conditions stays text."""
    def said(message: Message) -> str:
        return message.render(translate)

    sides = [[letter, cell(", ".join(side.paths)), cell(" · ".join(side.identity)), said(compare_words.replicates(side)), said(compare_words.trust_word(side.trust))]
             for letter, side in (("A", comparison.old), ("B", comparison.new))]
    parts = [f"**{cell(said(answer(comparison)))}**",
             grid(["", said(say("Where")), said(say("What")), said(say("Replicates")), said(say("Verdict"))], sides),
             f"## {said(compare_words.difference_title(comparison))}"]
    if comparison.differences:
        parts.append(grid([said(say("Factor")), said(say("Condition")), "A", "B"], [
            [said(FACTOR_WORDS[one.factor]), cell(one.name), cell(one.old or NOTHING), cell(one.new or NOTHING)] for one in comparison.differences]))
    if comparison.attributions:
        parts.append(f"## {said(compare_attribution.TITLE)}")
    for case in comparison.attributions:
        parts += [f"**{cell(said(compare_attribution.sentence(case)))}**", cell(said(compare_attribution.answers(case))),
                  grid([said(column) for column in compare_attribution.COLUMNS], [[cell(said(word)), *cells] for word, cells in compare_attribution.rows(case)])]
    for rows in compare_words.metrics_of(comparison):
        parts += [f"## {said(compare_words.metric_title(rows[0]))}",
                  grid([said(column) for column in compare_words.COLUMNS],
                       [[cell(said(compare_words.case_word(row))), *map(cell, compare_words.cells(row)), said(compare_words.outcome_word(row, comparison))]
                        for row in rows])]
    parts.append("\n".join(f"* {cell(said(note))}" for note in comparison.notes))
    return "\n\n".join(parts)
