"""What is read first of a run: at most six numbers and one sentence."""

from __future__ import annotations

from touchstone.finding import Findings, Headline
from touchstone.judge.headline.cards import cards_of_load, cards_of_run
from touchstone.judge.headline.sentence import sentence_of_load, sentence_of_run
from touchstone.record import Run


def headline_of_run(run: Run, findings: Findings) -> Headline:
    """The headline of a run of an engine in this process, from its findings."""
    return Headline(tuple(cards_of_run(run, findings)), sentence_of_run(findings))


def headline_of_load(findings: Findings) -> Headline:
    """The headline of a load run, from its findings."""
    return Headline(tuple(cards_of_load(findings)), sentence_of_load(findings))
