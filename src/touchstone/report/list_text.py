"""The faces of a list of runs: a table with a line for what each is, then what was left out and what the lines rest on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from touchstone.listing import Basis, Catalogue, ListedRun
from touchstone.message import Message, Translate, say
from touchstone.report.markdown import cell, grid
from touchstone.report.table import NOTHING, SCALES, TRUST_WORDS, moment, number, plain, run_word
from touchstone.report.terminal import Screen

SCHEMA = 1
COLUMNS: tuple[Message, ...] = (say("Run"), say("When (UTC)"), say("Cases"), say("Output tokens/s"), say("TTFT ms"), say("Verdict"))
_MOST_LEFT_OUT, _MOST_NAMED = 20, 4
Runs = Sequence[ListedRun]


def to_list_text(catalogue: Catalogue, runs: Runs, translate: Translate) -> str:
    """The runs in the order given, for a terminal as wide as it is."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen()
    rows = [[plain(run.path), *map(plain, cells(run)), said(verdict(run))] for run in runs]
    screen.table([said(column) for column in COLUMNS], rows, below=[plain(run.words) for run in runs])
    for note in notes(catalogue, runs):
        screen.line(f"* {said(note)}", hang=2)
    return screen.text()


def to_list_markdown(catalogue: Catalogue, runs: Runs, translate: Translate) -> str:
    """The runs as a table in Markdown; hostile text in names stays text."""
    def said(message: Message) -> str:
        return cell(message.render(translate))

    table = grid([said(column) for column in COLUMNS], [[f"{cell(run.path)}<br>{cell(run.words)}", *map(cell, cells(run)), said(verdict(run))] for run in runs])
    return "\n\n".join(part for part in (table if runs else "", "\n".join(f"* {said(note)}" for note in notes(catalogue, runs))) if part)


def to_list_json(catalogue: Catalogue, runs: Runs, translate: Translate) -> str:
    """One JSON object; times in seconds, rates per second. ``basis`` is report, judged or header."""
    document = {"schema": SCHEMA, "kind": "list", "path": catalogue.path, "runs": [_run(run) for run in runs],
                "left_out": [{"path": one.path, "reason": one.reason.render(translate)} for one in catalogue.left_out]}
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


LIST_FACES: Mapping[str, Callable[[Catalogue, Runs, Translate], str]] = {"text": to_list_text, "md": to_list_markdown, "json": to_list_json}
"""Name → function of a catalogue, those of its runs that are shown, and a translator."""


def cells(run: ListedRun) -> list[str]:
    """When, how many cases, throughput and TTFT; a dash for what is not known."""
    throughput, ttft = ((found.value if found else None) for found in (run.throughput, run.ttft))
    return [moment(run.created) or NOTHING, number(run.cases), number(throughput, SCALES["output_throughput"].factor), number(ttft, SCALES["ttft"].factor)]


def verdict(run: ListedRun) -> Message:
    """How far to believe a run, and how it ended unless it is complete."""
    status = say("running") if run.status == "running" else run_word(run.status)
    if run.trust is None:
        return status if run.status != "complete" else say("not judged yet")
    return TRUST_WORDS[run.trust] if run.status == "complete" else say("{trust}, {status}", trust=TRUST_WORDS[run.trust], status=status)


def notes(catalogue: Catalogue, runs: Runs) -> Iterator[Message]:
    """What is not in the table, and what its lines rest on."""
    if not catalogue.runs:
        yield say("there is no run below {path}", path=catalogue.path)
    if any(run.basis is Basis.JUDGED for run in runs):
        yield say("judged just now, for lack of a report as new as the tables: {runs}", runs=_named([run.path for run in runs if run.basis is Basis.JUDGED]))
    for one in catalogue.left_out[:_MOST_LEFT_OUT]:
        yield say("{path} is left out: {why}", path=one.path, why=one.reason)
    if len(catalogue.left_out) > _MOST_LEFT_OUT:
        yield say("… and {count} more; --format json has them all", count=len(catalogue.left_out) - _MOST_LEFT_OUT)


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_MOST_NAMED]) + (f", … ({len(paths)})" if len(paths) > _MOST_NAMED else "")


def _run(run: ListedRun) -> dict[str, Any]:
    kept = {name: value for name, value in vars(run).items() if name not in {"trust", "basis", "throughput", "ttft"}}
    return {**kept, "trust": run.trust and run.trust.value, "basis": run.basis.value,
            "output_throughput": run.throughput and vars(run.throughput), "ttft": run.ttft and vars(run.ttft)}
