"""A load run → one finding per case, over its repeats: every metric with its interval, its n and the reason for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from touchstone.finding import CaseFinding, Estimate
from touchstone.judge import metrics
from touchstone.judge.load import levels
from touchstone.judge.load.estimates import SLICE_MEANS, Sample, interval, spread
from touchstone.judge.load.scan import Offered
from touchstone.judge.load.window import SLICES
from touchstone.judge.metrics import METRICS, Values, Window
from touchstone.judge.summarize import inverse, nothing
from touchstone.load_plan import LoadPlan
from touchstone.message import Message, say
from touchstone.served import Column, Ending, Requests
from touchstone.units import NS_PER_S

_OF_REQUESTS: Mapping[str, Callable[[Requests], Values]] = {
    "ttft": metrics.ttft, "ttfo": metrics.ttfo, "ttfe": metrics.ttfe, "tpot": metrics.tpot, "e2e": metrics.e2e,
    "stream_end": metrics.stream_end, "response_ttft": metrics.response_ttft, "response_e2e": metrics.response_e2e,
    "send_lag": metrics.send_lag,
}
_RATES: Mapping[str, Callable[[Window], float | None]] = {
    "output_throughput": metrics.output_throughput, "prompt_throughput": metrics.prompt_throughput,
    "total_throughput": metrics.total_throughput, "request_throughput": metrics.request_throughput, "goodput": metrics.goodput,
}
REPORTED = (*list(_OF_REQUESTS)[:4], "itl", *list(_OF_REQUESTS)[4:], "decode_speed", *_RATES)
"""The metrics of a served case, in the order of the reports."""


def summarize_case(name: str, points: Sequence[Offered], plan: LoadPlan) -> CaseFinding:
    """The finding of case ``name``, which was offered as ``points``."""
    good = sum(int(one.good.sum()) for one in points)
    found = _estimates(points, plan)
    windows = [one.stretch.seconds for one in points if one.stretch is not None]
    return CaseFinding(
        name=name, title={}, batch_size=1, speed=plan.ignore_eos, trials=len(points), launches=1,
        input_tokens=_mean(_good(points, lambda rows: rows.input_tokens)), output_tokens=_mean(_good(points, metrics.output_tokens)),
        issued=sum(len(one.requests) for one in points), ok=good, failed=_failed(points), metrics=found,
        load=_conditions(points, plan), window_s=sum(windows) or None,
        slos=levels.judge_levels(points, plan.slos, found),
    )


def _failed(points: Sequence[Offered]) -> dict[str, int]:
    """How many requests did not end well, by kind."""
    codes, counts = np.unique(np.concatenate([one.requests.ending[~one.good].compressed() for one in points]), return_counts=True)
    return {Ending(code).word: count for code, count in zip(codes.tolist(), counts.tolist(), strict=True)}


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _good(points: Sequence[Offered], column: Callable[[Requests], Column]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """What is known of a column over the requests that ended well."""
    return np.concatenate([column(one.requests)[one.good].compressed() for one in points])


def _mean(values: np.ndarray[Any, np.dtype[np.int64]]) -> float | None:
    return float(values.mean()) if len(values) else None


def _lengths(values: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, float | int | None]:
    return {"mean": _mean(values), "min": int(values.min()) if len(values) else None, "max": int(values.max()) if len(values) else None}


def _conditions(points: Sequence[Offered], plan: LoadPlan) -> dict[str, Any]:
    """What was offered, as asked and as it really was."""
    load = points[0].point.load
    events = sum(int(one.streams.events[one.good].sum()) for one in points)
    arrivals = sum(int(one.streams.arrivals[one.good].sum()) for one in points)
    tokens = int(_good(points, metrics.output_tokens).sum())
    return {
        "arrival": load.get("arrival") or "closed", "concurrency": load.get("concurrency"), "request_rate": load.get("request_rate"),
        "burstiness": load.get("burstiness") if load.get("arrival") == "gamma" else None, "ramp_s": load.get("ramp_s") or None,
        "stages": list(load.get("stages") or ()) or None, "speedup": load.get("speedup"),
        "input_tokens_asked": _lengths(_good(points, lambda rows: rows.input_tokens_asked)),
        "input_tokens_counted": _lengths(_good(points, lambda rows: rows.input_tokens)),
        "output_tokens_asked": _lengths(_good(points, lambda rows: rows.output_tokens_asked)),
        "output_tokens_counted": _lengths(_good(points, metrics.output_tokens)),
        "cached_tokens": _lengths(_good(points, lambda rows: rows.cached_tokens)),
        "tokens_per_event": tokens / events if events and tokens else None,
        "coalesced_share": 1 - arrivals / events if events else None,
        "steady_window": all(one.stretch is not None and one.stretch.steady for one in points),
        "requests_planned": plan.num_prompts, "duration_s": plan.duration_s,
    }


# ── estimates ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _estimates(points: Sequence[Offered], plan: LoadPlan) -> dict[str, Estimate]:
    found = {name: spread(name, [sample_of(name, one) for one in points], _why_missing(name, points)) for name in (*_OF_REQUESTS, "itl")}
    found["decode_speed"] = inverse(found["tpot"])
    goals = levels.per_request(plan.slos)
    goals = goals if all(levels.can_judge(points, level) for level in goals) else ()
    parts = [(one, levels.keeps_all(one, goals)) for one in points]
    slices = [_slices(one, flags) for one, flags in parts if one.stretch is not None and one.stretch.seconds]
    found |= {name: _rate(name, slices, points) for name in _RATES}
    share = levels.goodput_share(points, goals)
    if share is not None:
        found["goodput"] = Estimate(**{**vars(found["goodput"]), "share": share})
    return {name: found[name] for name in REPORTED}


def sample_of(name: str, offered: Offered) -> Sample:
    """A latency in one repeat, in the order of sending; of ``itl`` every gap."""
    return _gaps(offered) if name == "itl" else Sample.of_rows(offered.in_order(_OF_REQUESTS[name](offered.requests)).compressed())


def rate_of(name: str, offered: Offered) -> float | None:
    """A rate over the whole window of one repeat; None where nothing was sent. Goodput has levels and is not among them."""
    return _RATES[name](_sum(_slices(offered, None))) if offered.stretch is not None and offered.stretch.seconds else None


def _gaps(offered: Offered) -> Sample:
    streams, good = offered.streams, offered.in_order(offered.good)
    sums, counts = streams.gap_sum_ns / NS_PER_S, (streams.arrivals - (streams.events > 0)).astype(np.float64)
    return Sample(offered.gaps_s, offered.in_order(sums)[good], offered.in_order(counts)[good])


def _why_missing(name: str, points: Sequence[Offered]) -> Message:
    if name == "send_lag":
        return say("nobody wrote down when the requests were due")
    if not any(one.good.any() for one in points):
        return say("no request ended well")
    if name == "ttfo":
        return say("no answer had text that a user sees")
    if name == "tpot" and not any(metrics.output_tokens(one.requests)[one.good].count() for one in points):
        return say("the server counted no output tokens, and neither did we")
    if name == "itl" and not any(one.streams.events.any() for one in points):
        return say("the events of the answers are not there")
    return say("no answer had a second token")


def _slices(offered: Offered, inside: metrics.Flags | None) -> list[Window]:
    """The window of one point, slice by slice."""
    stretch, requests, good = offered.stretch, offered.requests, offered.good
    assert stretch is not None
    prompts = None
    if requests.input_tokens[good].count():
        prompts = stretch.slices(requests.first_token_ns, good, requests.input_tokens)
    completed = stretch.slices(requests.ended_ns, good)
    kept = None if inside is None else stretch.slices(requests.ended_ns, inside)
    return [Window(stretch.seconds / SLICES, float(offered.streams.slice_tokens[place]), None if prompts is None else float(prompts[place]),
                   int(completed[place]), None if kept is None else int(kept[place])) for place in range(SLICES)]


def _sum(windows: Sequence[Window]) -> Window:
    prompts = [one.prompt_tokens for one in windows if one.prompt_tokens is not None]
    kept = [one.good for one in windows if one.good is not None]
    return Window(sum(one.seconds for one in windows), sum(one.output_tokens for one in windows), sum(prompts) if prompts else None,
                  sum(one.completed for one in windows), sum(kept) if kept else None)


def _why_no_rate(name: str, measured: bool) -> Message:
    if not measured:
        return say("no request was sent")
    return say("no service level was given, or none could be judged") if name == "goodput" else say("the server counted no prompt tokens")


def _rate(name: str, repeats: Sequence[Sequence[Window]], points: Sequence[Offered]) -> Estimate:
    """Ratio of sums over the repeats, never a mean of rates."""
    of = _RATES[name]
    value = of(_sum([window for slices in repeats for window in slices]))
    if value is None:
        return nothing(name, _why_no_rate(name, bool(repeats)))
    totals = [rate for slices in repeats if (rate := of(_sum(slices))) is not None]
    within = [rate for window in repeats[0] if (rate := of(window)) is not None]
    low, high, method, reasons = interval(value, totals, within, SLICE_MEANS)
    if not all(one.stretch is not None and one.stretch.steady for one in points):
        reasons["window"] = say("no steady window: ramp and drain are included")
    return Estimate(metric=name, unit=METRICS[name].unit, n=len(totals), value=value, low=low, high=high, method=method, reasons=reasons)
