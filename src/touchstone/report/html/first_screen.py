"""What is seen first: what was measured, whether to believe it, the key figures, the table and one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from touchstone.finding import Card, CaseFinding, Estimate, Findings, Trust
from touchstone.message import Message, say
from touchstone.plots import Plots
from touchstone.report import load_table, sheets, table
from touchstone.report.both import Both, both, titled
from touchstone.report.html.blocks import Cell, Grid, Text, grid_of, text_of
from touchstone.report.table import METRIC_WORDS, NOTHING, SCALES, STATUS_WORDS, TRUST_WORDS, number, plain
from touchstone.units import significant

_QUANTILES = ("p50", "p99")
_SIZES = frozenset({"peak_memory", "device_memory"})
_NO_LIMIT = say("limit unknown")
_CARD_WORDS: Mapping[str, Message] = {**METRIC_WORDS, "best_batch": say("Best batch")}


@dataclass(frozen=True)
class Reason:
    """One of the gravest verdicts."""

    tone: str
    status: Both
    case: Text
    text: Both
    cure: Text


@dataclass(frozen=True)
class Figures:
    """A card, as it is printed. ``share`` is what stands in its place where the share of the limit is not known, and ``fill`` (0 to 100) None."""

    label: Both
    value: str
    unit: Text
    spread: Text
    quantiles: tuple[tuple[str, str], ...]
    count: str
    case: Text
    tone: str
    trust: Both
    share: Text
    fill: float | None
    limit: Text
    note: Text
    definition: Text


@dataclass(frozen=True)
class FirstScreen:
    """Everything above the table of contents; ``answer`` is that of a search."""

    title: Text
    identity: tuple[Text, ...]
    tone: str
    trust: Both
    reasons: tuple[Reason, ...]
    client: tuple[Both, ...]
    cards: tuple[Figures, ...]
    results: Grid
    sentence: Text
    answer: tuple[Both, ...]


def first_screen(findings: Findings, plots: Plots) -> FirstScreen:
    """The first screen of ``findings``; ``plots`` know how many devices there are."""
    client = tuple(map(both, load_table.client_lines(findings)))
    return FirstScreen(_title(findings), tuple(_identity(findings, plots)), findings.trust.value, both(TRUST_WORDS[findings.trust]),
                       tuple(_reasons(findings)), client, tuple(_card(card, findings) for card in findings.headline.cards), _results(findings),
                       text_of(findings.headline.sentence), tuple(map(both, load_table.search_lines(findings))))


def _title(findings: Findings) -> Text:
    return str(findings.identity.get("model") or NOTHING)


def _identity(findings: Findings, plots: Plots) -> Iterator[Text]:
    """Precision, engine, device or server, date, run; what is unknown is left out."""
    one = findings.identity
    if one.get("random_weights"):
        yield both(say("random weights"))
    if one.get("dtype"):
        yield str(one["dtype"])
    yield from filter(None, [_engine(one)])
    if findings.kind == "load":
        yield f"{one.get('base_url') or ''}{one.get('endpoint') or ''}"
    elif one.get("device"):
        count = next((curve.devices for curve in plots.curves if curve.devices), None)
        yield " ".join(str(part) for part in (one["device"], one.get("device_name"), f"×{count}" if count else None) if part)
    yield both(_plan(findings))
    yield _date(findings.created)
    yield both(say("run {id}", id=findings.run_id))
    if findings.status != "complete":
        yield both(table.run_word(findings.status))


def _plan(findings: Findings) -> Message:
    """What was played; a load test that nobody named is just that."""
    if findings.kind != "load":
        return say("suite {name}", name=findings.plan_name)
    return say("load test") if findings.plan_name == "load" else say("load test {name}", name=findings.plan_name)


def _engine(one: Mapping[str, Any]) -> str:
    """The engine and its version; a version that names the engine stands alone."""
    engine, version = str(one.get("engine") or ""), str(one.get("engine_version") or "")
    return version if engine.replace(".", "") in version.replace(".", "") and version else f"{engine} {version}".strip()


def _date(created: str) -> str:
    moment = table.moment(created)
    return created if moment == created else f"{moment} UTC"


def _reasons(findings: Findings) -> Iterator[Reason]:
    titles = {case.name: titled(case.title, case.name) for case in findings.cases}
    for verdict in table.gravest(findings.verdicts, 3):
        yield Reason(verdict.status.value.replace(" ", "-"), both(STATUS_WORDS[verdict.status]), titles.get(verdict.case or "", verdict.case or ""),
                     both(verdict.message), text_of(verdict.cure))


def _card(card: Card, findings: Findings) -> Figures:
    estimate = card.estimate
    scale = SCALES[estimate.metric]
    case = next((one for one in findings.cases if one.name == card.case), None)
    quantiles = tuple((name.upper(), number(estimate.quantiles[name], scale.factor)) for name in _QUANTILES
                      if estimate.quantiles.get(name) is not None)
    value, share, fill = number(estimate.value, scale.factor), *_share(card)
    unit: Text = scale.unit
    if card.id == "best_batch" and case:  # its throughput has a card already
        value, unit = str(case.batch_size), both(say("at {value} {unit}", value=value, unit=scale.unit))
        share, fill = text_of(card.note), None
    return Figures(both(_CARD_WORDS.get(card.id) or say("{name}", name=card.id)), value, unit, _spread(estimate), quantiles,
                   f"{estimate.n:,}", titled(case.title, case.name) if case else card.case, card.trust.value, both(TRUST_WORDS[card.trust]),
                   share, fill, _limit(card), text_of(card.note), _definition(estimate, findings))


def _spread(estimate: Estimate) -> Text:
    width = estimate.relative_half_width
    return "" if width is None else both(say("± {share} %", share=significant(100 * width, 2)))


def _share(card: Card) -> tuple[Text, float | None]:
    """A share as it is said, and how far it fills a bar, which ends at the limit."""
    if card.limit_share is None:
        return both(_NO_LIMIT), None
    share, fill = significant(100 * card.limit_share, 3), min(100 * card.limit_share, 100.0)
    if card.estimate.metric in _SIZES:
        return both(say("{share} % of the memory", share=share)), fill
    return both(say("{share} % of the limit", share=share)), fill


def _limit(card: Card) -> Both:
    """What the limit is, or why nobody knows it."""
    return both(say("{label}: {limit}", label=_NO_LIMIT if card.limit_share is None else say("physical limit"), limit=card.limit))


def _definition(estimate: Estimate, findings: Findings) -> Text:
    formula = next((formula for name, _, formula in findings.definitions if name == estimate.metric), None)
    if formula is None:
        return both(METRIC_WORDS[estimate.metric])
    return both(say("{name} = {formula}", name=METRIC_WORDS[estimate.metric], formula=formula))


def _results(findings: Findings) -> Grid:
    """The table every face shows, each verdict with its sign; a row can be pointed at by the name of its case."""
    grid = grid_of("results", sheets.results, findings)
    rows = tuple((_named(row[0], case), *row[1:-1], Cell(_text(row[-1]), _tone(case))) for row, case in zip(grid.rows, findings.cases, strict=True))
    return replace(grid, rows=rows)


def _named(title: Cell | Text, case: CaseFinding) -> Cell:
    """The title of a case with the name that sentences call it by, where that is another."""
    text = _text(title)
    return Cell(text, name="" if plain(case.name) in {text, getattr(text, "en", None)} else case.name)


def _tone(case: CaseFinding) -> str:
    return case.trust.value if case.ok else Trust.REJECTED.value


def _text(cell: Cell | Text) -> Text:
    return cell.text if isinstance(cell, Cell) else cell
