"""Which cases are read first: never one that was rejected beside one that stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from touchstone.finding import CaseFinding, Findings, Trust
from touchstone.judge.audit import trust
from touchstone.judge.series import batch_series

TRUSTS = (Trust.TRUSTED, Trust.SUSPECT, Trust.REJECTED)
"""From the best."""


def worst(one: Trust, other: Trust) -> Trust:
    """The graver of two."""
    return max(one, other, key=TRUSTS.index)


def trust_of(findings: Findings, case: CaseFinding) -> Trust:
    """How far the numbers of ``case`` may be believed: as far as the case, and no further than the run around it."""
    return worst(case.trust, trust([one for one in findings.verdicts if one.case is None]))


def standing(cases: Iterable[CaseFinding]) -> list[CaseFinding]:
    """The cases of which any request ended well and that were not rejected; without any the rejected ones."""
    good = [case for case in cases if case.ok]
    return [case for case in good if case.trust is not Trust.REJECTED] or good


def measured(cases: Iterable[CaseFinding]) -> list[CaseFinding]:
    """The cases that stand and whose lengths were forced; of others where there are none."""
    found = standing(cases)
    return [case for case in found if case.speed] or found


def _most_believable(cases: Sequence[CaseFinding]) -> list[CaseFinding]:
    best = min((case.trust for case in cases), key=TRUSTS.index, default=Trust.TRUSTED)
    return [case for case in cases if case.trust is best]


def value(case: CaseFinding, metric: str) -> float:
    """The value of a metric; 0 where there is none, for comparing only."""
    return (case.metrics[metric].value if metric in case.metrics else None) or 0.0


def highest(cases: Sequence[CaseFinding], metric: str) -> CaseFinding | None:
    """The most believable case with the highest value of ``metric``; None where no case has one.

    A doubtful case comes first only where its whole interval lies above that: to leave it out would be no more true.
    """
    known = [case for case in cases if value(case, metric)]
    best = max(_most_believable(known), key=lambda case: value(case, metric), default=None)
    if best is None:
        return None
    reach = best.metrics[metric].high or value(best, metric)
    return max((case for case in known if (case.metrics[metric].low or 0.0) > reach), key=lambda case: value(case, metric), default=best)


def reference(cases: Sequence[CaseFinding]) -> CaseFinding | None:
    """The first of one request at a time, the most believable; without any such the smallest batch."""
    single = [case for case in cases if case.batch_size == 1]
    return min(_most_believable(single or cases), key=lambda case: case.batch_size, default=None)


def batches_of_best(cases: Sequence[CaseFinding]) -> list[CaseFinding]:
    """Of ``cases`` those of one shape among which the highest throughput with an interval lies, that one first.

    Empty where no shape was measured at several batches, and where nothing stands.
    """
    series = [group for group in batch_series(cases) if len({one.batch_size for one in group}) > 1]
    known = [case for group in series for case in group if case.metrics["output_throughput"].relative_half_width is not None]
    best = highest(known, "output_throughput")
    return [] if best is None or best.trust is Trust.REJECTED else [best, *(case for group in series if best in group for case in group if case is not best)]


# ── of a server under load ───────────────────────────────────────────────────────────────────────────────────────────────


def keeps_levels(case: CaseFinding) -> bool:
    """Whether the case was shown to keep every service level; False without any."""
    return bool(case.slos) and all(one.outcome == "passes" for one in case.slos)


def offered(case: CaseFinding) -> tuple[str, float]:
    """What rises from load to load, and how far: requests in flight or per second; a name alone where it is neither."""
    load = case.load or {}
    rates = [load["request_rate"]] if load.get("request_rate") else [stage["request_rate"] for stage in load.get("stages") or ()]
    if rates:
        return "rate", float(max(rates))
    return ("concurrency", float(load["concurrency"])) if load.get("concurrency") and load.get("arrival") == "closed" else ("", 0.0)


def best_load(cases: Sequence[CaseFinding]) -> CaseFinding | None:
    """The highest load that keeps every service level, else the one with the highest throughput; the most believable of them."""
    cases = standing(cases)
    keeping = _most_believable([case for case in cases if keeps_levels(case)])
    if keeping:
        return max(keeping, key=lambda case: (offered(case)[1], value(case, "output_throughput")))
    return highest(cases, "output_throughput") or highest(cases, "request_throughput") or next(iter(_most_believable(cases)), None)


def kept_below(cases: Iterable[CaseFinding], case: CaseFinding) -> bool:
    """Whether every lower load of the same kind keeps its levels as ``case`` does, so that one may say "up to"."""
    kind, load = offered(case)
    lower = [one for one in standing(cases) if offered(one)[0] == kind and offered(one)[1] < load]
    return bool(kind) and all(map(keeps_levels, lower))


