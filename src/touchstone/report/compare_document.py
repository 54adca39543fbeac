"""The JSON face of comparisons and histories: one object, for scripts. What is null has a reason beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from touchstone.comparison import Attribution, Comparison, Difference, History, MetricComparison, Part, Series, SideFinding
from touchstone.message import Translate
from touchstone.report import compare_attribution
from touchstone.report.compare_sentence import answer

SCHEMA = 1


def to_compare_json(comparison: Comparison, translate: Translate) -> str:
    """The comparison, numbers in SI units. ``headline`` is the row that the sentence is about; its case is "" for the mean of several."""
    document = {
        "schema": SCHEMA, "kind": "comparison" if comparison.floor is None else "same", "sentence": answer(comparison).render(translate),
        "old": _side(comparison.old), "new": _side(comparison.new), "margin": comparison.margin, "confounded": comparison.confounded,
        "differences": [_difference(one) for one in comparison.differences],
        "headline": None if comparison.headline is None else _row(comparison.headline, translate),
        "attributions": [_attribution(one, translate) for one in comparison.attributions],
        "metrics": [_row(row, translate) for row in comparison.metrics], "notes": [note.render(translate) for note in comparison.notes],
        **({} if comparison.floor is None else {"noise_floor": asdict(comparison.floor)}),
    }
    return _json(document)


def to_history_json(history: History, translate: Translate) -> str:
    """Every series with its runs, oldest first."""
    return _json({"schema": SCHEMA, "kind": "history", "path": history.path, "margin": history.margin, "series": [_series(one) for one in history.series],
                  "notes": [note.render(translate) for note in history.notes]})


def _series(series: Series) -> dict[str, Any]:
    kept = {name: getattr(series, name) for name in ("machine", "engine", "model", "case", "metric", "unit", "higher_is_better", "missing")}
    runs = [{**{name: value for name, value in vars(point).items() if name not in {"changed", "trust"}}, "trust": point.trust and point.trust.value,
             "changed": [_difference(one) for one in point.changed]} for point in series.points]
    return {**kept, "runs": runs, "changes": [vars(change) for change in series.changes]}


def _side(side: SideFinding) -> dict[str, Any]:
    return {"paths": list(side.paths), "identity": list(side.identity), "replicates": side.replicates, "unit": side.unit.value,
            "trust": side.trust and side.trust.value}


def _difference(one: Difference) -> dict[str, Any]:
    return {"factor": one.factor.value, "name": one.name, "old": one.old, "new": one.new}


def _attribution(one: Attribution, translate: Translate) -> dict[str, Any]:
    """Times in ns. A part that a side has not is null there, and so is a phase that its engine has no clock for."""
    return {"case": one.case, "sentence": compare_attribution.sentence(one).render(translate), "shown": one.shown, "requests": list(one.requests),
            "whole": _part(one.whole), "parts": [_part(part) for part in one.parts], "phases": [_part(part) for part in one.phases], "alike": asdict(one.alike)}


def _part(part: Part) -> dict[str, Any]:
    return {"pieces": [piece.value for piece in part.pieces], "old_ns": part.old_ns, "new_ns": part.new_ns, "difference_ns": part.difference_ns,
            "share": part.share}


def _row(row: MetricComparison, translate: Translate) -> dict[str, Any]:
    reasons = {name: reason.render(translate) for name, reason in (row.reasons or {}).items()}
    return {**vars(row), "outcome": row.outcome.value, "reasons": reasons}


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
