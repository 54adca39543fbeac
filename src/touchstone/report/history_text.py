"""A history for people: runs of one thing in one table, oldest first, a column for each case, and where conditions and levels changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from touchstone.comparison import Difference, Factor, History, HistoryChange, HistoryPoint, Series
from touchstone.message import Message, Translate, say
from touchstone.report.compare_document import to_history_json
from touchstone.report.compare_words import difference_line, metric_word, p_text, scale_of, trust_word, with_half
from touchstone.report.markdown import cell, grid
from touchstone.report.table import moment, number, plain
from touchstone.report.terminal import Screen
from touchstone.units import significant

_MOST_NAMED = 4


@dataclass(frozen=True)
class _Table:
    """The series of the same runs, a column for each case: what was measured at once is read at once."""

    series: tuple[Series, ...]

    @property
    def title(self) -> Message:
        """What all of them are of."""
        one = self.series[0]
        return say("{metric} ({unit}) · {model} · {engine} · {machine}", metric=metric_word(one.metric), unit=scale_of(one.metric, one.unit).unit,
                   model=one.model, engine=one.engine, machine=one.machine)

    @property
    def columns(self) -> list[Message]:
        """The headings."""
        return [say("Run"), say("When (UTC)"), *(say("{case}", case=one.case) for one in self.series), say("n"), say("Verdict")]

    def rows(self, said: Callable[[Message], str]) -> list[list[str]]:
        """A row for each run, oldest first."""
        return [[points[0].path, moment(points[0].created), *(_value(series, point) for series, point in zip(self.series, points, strict=True)),
                 str(max(point.replicates for point in points)), said(trust_word(points[0].trust))]
                for points in zip(*(one.points for one in self.series), strict=True)]

    @property
    def remarks(self) -> Iterator[Message]:
        """Where conditions changed and where levels did, by run; then the cases whose level never did."""
        changes = {(one.index, series.case): one for series in self.series for one in series.changes}
        for place, points in enumerate(zip(*(one.points for one in self.series), strict=True)):
            for difference in _shown(points[0]):
                yield say("from {run} on: {difference}", run=points[0].path, difference=difference_line(difference))
            for (index, case), change in changes.items():
                if index == place:
                    yield say("from {run} on, {case}: {change}", run=points[0].path, case=case, change=_change(change))
        flat = [one.case for one in self.series if not one.missing and not one.changes]
        if flat:
            yield say("no change of level in {cases}", cases=", ".join(flat))


def to_history_text(history: History, translate: Translate) -> str:
    """The history for a terminal, as wide as it is."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen()
    for table in _tables(history):
        screen.line(said(table.title))
        screen.table([said(column) for column in table.columns], [[plain(one) for one in row] for row in table.rows(said)])
        for remark in table.remarks:
            screen.line(f"* {said(remark)}", hang=2)
        screen.line()
    for note in _notes(history):
        screen.line(f"* {said(note)}", hang=2)
    return screen.text() or said(say("there is no run below {path}", path=history.path))


def to_history_markdown(history: History, translate: Translate) -> str:
    """The history in Markdown; hostile text in names stays text."""
    def said(message: Message) -> str:
        return message.render(translate)

    parts = []
    for table in _tables(history):
        parts += [f"## {cell(said(table.title))}", grid([cell(said(column)) for column in table.columns], [[cell(one) for one in row] for row in table.rows(said)]),
                  "\n".join(f"* {cell(said(remark))}" for remark in table.remarks)]
    parts.append("\n".join(f"* {cell(said(note))}" for note in _notes(history)))
    return "\n\n".join(part for part in parts if part) or said(say("there is no run below {path}", path=cell(history.path)))


HISTORY_FACES: Mapping[str, Callable[[History, Translate], str]] = {"text": to_history_text, "md": to_history_markdown, "json": to_history_json}
"""Name → function of a history and a translator."""


def _tables(history: History) -> list[_Table]:
    found: dict[tuple[object, ...], list[Series]] = {}
    for one in history.series:
        found.setdefault((one.metric, one.model, one.engine, one.machine, tuple(point.path for point in one.points)), []).append(one)
    return [_Table(tuple(series)) for series in found.values()]


def _notes(history: History) -> Iterator[Message]:
    """What was left out, and once for all series how many runs are still too few."""
    yield from history.notes
    have = max((len(one.points) for one in history.series if one.missing), default=0)
    if have:
        missing = min(one.missing for one in history.series if one.missing)
        yield say("a change of level can be told from noise from {least} runs of one thing on, and at most {have} are here; two are compared by: "
                  "touchstone compare OLD NEW", least=have + missing, have=have)


def _change(one: HistoryChange) -> Message:
    facts = {"percent": significant(abs(100 * (one.ratio - 1)), 3), "sign": "+" if one.ratio >= 1 else "-", "p": p_text(one.p)}
    return say("better by {sign}{percent} % (p {p})", **facts) if one.better else say("worse by {sign}{percent} % (p {p})", **facts)


def _value(series: Series, point: HistoryPoint) -> str:
    return with_half(number(point.value, scale_of(series.metric, series.unit).factor), None if point.high is None else point.high / point.value - 1)


def _shown(point: HistoryPoint) -> list[Difference]:
    """The first few conditions that changed, and of what a label says nothing."""
    return [one for one in point.changed if one.factor is not Factor.LABEL or one.name.startswith("git.commit")][:_MOST_NAMED]
