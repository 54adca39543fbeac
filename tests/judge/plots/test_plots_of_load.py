"""The plots of a load run: every request counted, the extremes kept, the findings' own numbers, a reason for what is missing."""

import math
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from builders import MS, S, ints, make_events, make_load, make_load_run, make_requests, make_stream, steady_requests
from hypothesis import given, settings
from hypothesis import strategies as st
from seen_numbers import numbers

from touchstone.finding import Trust
from touchstone.judge import metrics, stats
from touchstone.judge.findings import findings_of
from touchstone.judge.load.scan import offered_points
from touchstone.judge.plots import plots_of
from touchstone.judge.plots.curves import load_curves
from touchstone.judge.plots.gantt import MOST_BARS, MOST_STEPS, gantt_of
from touchstone.judge.plots.of_load import MOST_POINTS
from touchstone.judge.plots.timeline import MOST_SLICES
from touchstone.load_plan import Load
from touchstone.plots import LimitLine, Plots
from touchstone.served import EVENT_COLUMNS, Ending, Events, Requests

FIELDS = [one.name for one in fields(Plots) if one.name != "missing"]
SLOS = [{"metric": "ttft", "limit_s": 0.5, "quantile": 0.99}, {"metric": "itl", "limit_s": 0.05, "quantile": 0.95}, {"metric": "ttft", "limit_s": 0.06}]


def plotted(run):
    findings = findings_of(run)
    return findings, plots_of(run, findings)


def sound(plots):
    """Nothing but finite numbers, and a reason for all that is not there."""
    assert all(math.isfinite(value) for value in numbers(plots))
    assert [name for name in FIELDS if not getattr(plots, name) and name not in plots.missing] == []
    return plots


def joined(tables):
    return Requests(**{name: np.ma.concatenate([getattr(one, name) for one in tables]) for name in vars(tables[0])})


def several(loads, count=60, repeats=1, **header):
    """Every load ``repeats`` times, each with ``count`` requests; the more in flight, the slower."""
    tables, points = [], []
    for load in loads:
        for repeat in range(repeats):
            index, slow = len(points), (load.get("concurrency") or load.get("request_rate")) + repeat
            table = steady_requests(count, load.get("concurrency") or 4, point=[index] * count)
            later = np.ma.array(table.sent_ns.data + round(slow * MS))
            tables.append(replace(table, first_token_ns=later, first_event_ns=later, first_output_ns=later,
                                  last_token_ns=np.ma.array(later.data + 15 * 10 * MS), ended_ns=np.ma.array(later.data + 151 * MS)))
            points.append({"case": Load(**load).label, "repeat": repeat, "load": load})
    requests = joined(tables)
    return make_load_run(requests, load=loads[0], points=points, **header)


def closed(*concurrencies):
    return [make_load(concurrency=one) for one in concurrencies]


def constant(*rates):
    return [make_load(concurrency=None, request_rate=float(one), arrival="constant") for one in rates]


# ── distributions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_distributions_are_of_the_values_that_the_findings_count():
    findings, plots = plotted(several(closed(1, 4), repeats=2, plan={"slos": SLOS}))
    assert [cdf.metric for cdf in plots.cdfs] == ["ttft", "tpot", "itl", "e2e"]
    for cdf in plots.cdfs:
        for curve, case in zip(cdf.curves, findings.cases, strict=True):
            estimate = case.metrics[cdf.metric]
            assert (curve.case, curve.trust, curve.n) == (case.name, case.trust, estimate.n)
            assert curve.points[-1] == (estimate.quantiles["max"], 1.0)
    assert {cdf.metric: cdf.limits for cdf in plots.cdfs} == {
        "ttft": (LimitLine("ttft p99<=500ms", 0.5, 0.99),), "tpot": (), "itl": (LimitLine("itl p95<=50ms", 0.05, 0.95),), "e2e": ()}


def test_an_open_load_is_also_seen_from_when_it_was_due():
    _, plots = plotted(several(constant(4.0, 8.0)))
    assert plots.cdfs[-1].metric == "response_ttft"
    assert "response_ttft" not in {cdf.metric for cdf in plotted(several(closed(1, 2)))[1].cdfs}


# ── repeats ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_repeats_are_dots_with_the_findings_own_mean_and_interval():
    findings, plots = plotted(several(closed(1, 4), repeats=3))
    for plot in plots.dots:
        for row, case in zip(plot.cases, findings.cases, strict=True):
            estimate = case.metrics[plot.metric]
            assert (row.mean, row.low, row.high, len(row.dots)) == (estimate.value, estimate.low, estimate.high, 3)
            assert row.mean == pytest.approx(np.mean([dot.value for dot in row.dots]))  # repeats of equal length
    assert [[dot.order for dot in row.dots] for row in plots.dots[0].cases] == [[1, 2, 3], [4, 5, 6]]


def test_one_repeat_is_no_dot():
    _, plots = plotted(several(closed(1, 4)))
    assert plots.dots == ()
    assert "two repeats" in str(plots.missing["dots"])


# ── requests in flight ───────────────────────────────────────────────────────────────────────────────────────────────────


times = st.lists(st.tuples(st.integers(0, 500), st.one_of(st.none(), st.integers(0, 300)), st.sampled_from(list(Ending))), min_size=1, max_size=400)


def sent_and_ended(rows):
    """Requests sent and ended at whole milliseconds; None has no end that anybody saw."""
    sent = [at * MS for at, _, _ in rows]
    ended = [None if lasted is None else (at + lasted) * MS for at, lasted, _ in rows]
    return make_requests(len(rows), sent_ns=sent, ended_ns=ended, ending=[how for _, _, how in rows])


def one_point(requests, events=(), **changes):
    """A run of ``requests``, of which there may be none."""
    run = make_load_run(make_requests(1), **changes)
    return replace(run, points=(replace(run.points[0], started_ns=0, ended_ns=S),), requests=requests, events=lambda: iter(events))


def only(requests):
    (offered,) = offered_points(one_point(requests))
    return offered


@settings(max_examples=80)
@given(times)
def test_in_flight_is_what_counting_says(rows):
    requests = sent_and_ended(rows)
    steps = gantt_of(only(requests)).in_flight
    start = min(at for at, _, _ in rows)
    last = max([at for at, _, _ in rows] + [at + lasted for at, lasted, _ in rows if lasted is not None])
    spans = [(at, last if lasted is None else at + lasted) for at, lasted, _ in rows]
    truth = {moment: sum(at <= moment < end for at, end in spans) for moment in range(start, last + 1)}
    assert len(steps) <= MOST_STEPS
    assert all(truth[start + round(1000 * at_s)] == count for at_s, count in steps)
    assert min(count for _, count in steps) >= 0
    assert max(count for _, count in steps) == max(truth.values())
    assert (steps[0][0], steps[-1]) == (0, ((last - start) / 1000, 0))


def test_many_steps_keep_their_highest():
    sent = [place * MS for place in range(5000)]
    ended = [at + (900 * MS + 1 if place == 2500 else 1) for place, at in enumerate(sent)]
    steps = gantt_of(only(make_requests(5000, sent_ns=sent, ended_ns=ended))).in_flight
    assert len(steps) <= MOST_STEPS
    assert max(count for _, count in steps) == 2
    assert steps[-1][1] == 0


@settings(max_examples=40)
@given(st.integers(1, 2000), st.integers(0, 2**31))
def test_bars_are_the_slowest_some_failures_and_others_from_everywhere(count, seed):
    random = np.random.default_rng(seed)
    sent = (random.permutation(count) * 10 * MS).tolist()
    first = [at + int(wait) for at, wait in zip(sent, random.permutation(count) * MS + 1, strict=True)]
    ending = [Ending.OK if chance > 0.1 else Ending.TIMEOUT for chance in random.random(count)]
    requests = make_requests(count, sent_ns=sent, first_token_ns=first, ending=ending)
    gantt = gantt_of(only(requests))
    assert gantt.total == count
    assert len(gantt.bars) == min(count, MOST_BARS)
    drawn = {bar.request for bar in gantt.bars}
    assert len(drawn) == len(gantt.bars)
    waits = metrics.ttft(requests)
    slowest = np.argsort(-waits.filled(-1))[:min(20, int(waits.count()))]
    assert set(slowest.tolist()) <= drawn
    failed = [place for place, how in enumerate(ending) if how is Ending.TIMEOUT]
    assert len(drawn & set(failed)) >= min(20, len(failed))
    assert [bar.sent_s for bar in gantt.bars] == sorted(bar.sent_s for bar in gantt.bars)
    for quarter in range(4) if count > 1000 else ():  # of time, all of which is shown
        assert sum(quarter <= 4 * bar.sent_s / (0.01 * count) < quarter + 1 for bar in gantt.bars) >= 10
    for bar in gantt.bars:
        assert bar.sent_s == pytest.approx(sent[bar.request] / S)
        assert bar.first_token_s == pytest.approx(first[bar.request] / S)
        assert bar.ending == ending[bar.request].word


def test_what_nobody_saw_is_no_time():
    requests = make_requests(3, ending=[Ending.OK, Ending.TIMEOUT, Ending.UNREACHABLE], first_token_ns=[50 * MS, None, None], ended_ns=[S, None, None])
    gantt = gantt_of(only(replace(requests, sent_ns=ints([0, 1000, None]))))
    assert [(bar.first_token_s is None, bar.ended_s is None, bar.ending) for bar in gantt.bars] == [(False, False, "ok"), (True, True, "timeout")]
    assert gantt.total == 2  # one was never sent


def test_the_window_is_the_findings_own():
    findings, plots = plotted(several(closed(8), count=200))
    (start, end), = (gantt.window_s for gantt in plots.gantts)
    assert end - start == pytest.approx(findings.cases[0].window_s)
    assert plots.timelines[0].window_s == (start, end)


@pytest.mark.parametrize("count", [1, 5, 6, 7, 15])
def test_few_loads_are_drawn_request_by_request_the_first_and_the_last_among_them(count):
    findings, plots = plotted(several(closed(*range(1, count + 1)), count=20, repeats=2))
    names = [gantt.case for gantt in plots.gantts]
    assert names == [timeline.case for timeline in plots.timelines]
    assert len(names) == len(set(names)) == min(count, MOST_POINTS)
    assert (names[0], names[-1]) == (findings.cases[0].name, findings.cases[-1].name)
    assert count < MOST_POINTS or {card.case for card in findings.headline.cards} <= {*names}
    assert ("gantts" in plots.missing) == (count > MOST_POINTS)


def test_the_load_of_the_headline_is_drawn_wherever_it_lies():
    findings, _ = plotted(several(closed(*range(1, 10)), count=20, repeats=2))
    for case in findings.cases:
        told = replace(findings, headline=replace(findings.headline, cards=tuple(replace(card, case=case.name) for card in findings.headline.cards)))
        names = [gantt.case for gantt in plots_of(several(closed(*range(1, 10)), count=20, repeats=2), told).gantts]
        assert case.name in names
        assert len(names) == MOST_POINTS


# ── over time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=30)
@given(st.data())
def test_slices_hold_every_token_and_every_gap_whatever_the_batches(data):
    count = data.draw(st.integers(1, 60))
    sent = data.draw(st.lists(st.integers(0, 3000), min_size=count, max_size=count))
    requests = make_requests(count, sent_ns=[at * MS for at in sent], ending=[Ending.RESET if place % 7 == 6 else Ending.OK for place in range(count)])
    events = make_events(requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1)))) if count > 1 else []
    edges = [0, *(16 * cut for cut in cuts), 16 * count]
    batches = [Events(**{name: getattr(events, name)[start:end] for name in EVENT_COLUMNS}) for start, end in pairwise(edges)]
    findings, plots = plotted(make_load_run(requests, batches))
    (timeline,) = plots.timelines
    good = sum(place % 7 != 6 for place in range(count))
    assert len(timeline.slices) <= MOST_SLICES
    width = timeline.slices[1].at_s - timeline.slices[0].at_s
    assert sum(one.output_throughput * width for one in timeline.slices) == pytest.approx(16 * good)
    longest = [one.longest_gap_s for one in timeline.slices if one.longest_gap_s is not None]
    assert max(longest, default=None) == findings.cases[0].metrics["itl"].quantiles.get("max")
    assert (timeline.slices[-1].at_s + width / 2) == pytest.approx((max(sent) - min(sent)) / 1000 + 0.201)


def test_a_slice_has_the_quantiles_of_what_was_sent_in_it_and_none_of_too_few():
    random = np.random.default_rng(3)
    sent = np.sort(random.integers(0, 60 * S, 3000))
    wait = random.integers(10 * MS, 90 * MS, 3000)
    requests = make_requests(3000, sent_ns=sent.tolist(), first_token_ns=(sent + wait).tolist(), last_token_ns=(sent + wait + 150 * MS).tolist(),
                             ended_ns=(sent + wait + 151 * MS).tolist())
    _, plots = plotted(make_load_run(requests))
    slices = plots.timelines[0].slices
    assert len(slices) == MOST_SLICES
    width = 2 * slices[0].at_s
    for place, one in enumerate(slices):
        from_s = (sent - sent[0]) / S
        mine = (wait / S)[(from_s >= place * width) & (from_s < (place + 1) * width)]
        assert one.ttft_p50 == pytest.approx(np.quantile(mine, 0.5) if len(mine) >= stats.least_n(0.5) else None)
        assert one.ttft_p95 == (pytest.approx(np.quantile(mine, 0.95)) if len(mine) >= stats.least_n(0.95) else None)
    assert {one.ttft_p95 is None for one in slices} == {True, False}


def test_a_stall_stands_where_it_ended():
    requests, events = make_stream([(50, "CONTENT", 1), (60, "CONTENT", 1), (900, "CONTENT", 2), (1000, "CONTENT", 1)])
    (timeline,) = plotted(make_load_run(requests, events))[1].timelines
    longest = max((one for one in timeline.slices if one.longest_gap_s is not None), key=lambda one: one.longest_gap_s)
    assert longest.longest_gap_s == pytest.approx(0.84)
    assert abs(longest.at_s - 0.9) <= 0.05
    assert [one.longest_gap_s for one in timeline.slices if 0.1 < one.at_s < 0.8] == [None] * 7


# ── ways to run ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ways_to_run_rise_with_the_load_and_have_the_findings_own_numbers():
    findings, plots = plotted(several(closed(8, 1, 4), plan={"slos": SLOS}))
    (curve,) = plots.curves
    assert (curve.title, curve.devices, curve.input_tokens, curve.output_tokens) == ("closed", None, 8, 16)
    assert [point.load for point in curve.points] == [1, 4, 8]
    assert "all of them together" in str(plots.missing["curves"])
    by_name = {case.name: case for case in findings.cases}
    for point in curve.points:
        found = by_name[point.case].metrics
        assert point.load_kind == "concurrency"
        assert (point.output_throughput, point.low, point.high) == tuple(getattr(found["output_throughput"], name) for name in ("value", "low", "high"))
        assert (point.goodput, point.goodput_low, point.goodput_high) == tuple(getattr(found["goodput"], name) for name in ("value", "low", "high"))
        assert (point.tpot_p50, point.ttft_p50) == (found["tpot"].quantiles["p50"], found["ttft"].quantiles["p50"])
        assert (point.user_speed, point.device_throughput) == (found["decode_speed"].value, point.output_throughput)


def test_rates_and_concurrencies_are_no_one_curve():
    _, plots = plotted(several([*closed(1, 2), *constant(4.0, 8.0)]))
    assert [(curve.title, {point.load_kind for point in curve.points}) for curve in plots.curves] == [("closed", {"concurrency"}), ("constant", {"rate"})]


def test_a_cap_and_a_burstiness_are_in_the_title():
    cases = findings_of(several(constant(4.0, 8.0))).cases
    told = [replace(case, load={**case.load, "arrival": "gamma", "burstiness": 0.5, "concurrency": 16}) for case in cases]
    (curve,) = load_curves(told)
    assert curve.title == "gamma 0.5 ≤ 16"


def test_one_load_is_no_curve():
    _, plots = plotted(several(closed(4)))
    assert plots.curves == ()
    assert "two concurrencies" in str(plots.missing["curves"])


def test_a_rejected_load_is_on_no_front():
    cases = findings_of(several(closed(1, 4))).cases
    (curve,) = load_curves([replace(case, trust=Trust.REJECTED) for case in cases])
    assert [point.on_front for point in curve.points] == [False, False]


# ── whatever happened ────────────────────────────────────────────────────────────────────────────────────────────────────


def silent(count, **changes):
    return one_point(make_requests(count, **changes))


@pytest.mark.parametrize("run", [
    replace(silent(0), points=()), silent(0), one_point(replace(make_requests(3, ending=[Ending.UNREACHABLE] * 3, first_token_ns=[None] * 3, ended_ns=[None] * 3), sent_ns=ints([None] * 3))),
    silent(3, ending=[Ending.REFUSED] * 3, first_token_ns=[None] * 3, first_event_ns=[None] * 3, last_token_ns=[None] * 3),
    silent(1, ending=[Ending.REFUSED], ended_ns=[0]), make_load_run(make_requests(1)), make_load_run(make_requests(2), status="running"),
    silent(5), make_load_run(make_requests(9, token_events=[0] * 9)), several(closed(1, 2)), several(constant(1.0)),
    make_load_run(steady_requests(50), load=make_load(concurrency=None, arrival="burst")),
], ids=["no point", "no request", "never sent", "refused", "no time passed", "one request", "broken off", "no events", "no tokens", "closed", "open", "burst"])
def test_whatever_happened_is_plotted_or_has_its_reason(run):
    sound(plotted(run)[1])


@settings(max_examples=60)
@given(times, st.sampled_from([make_load(), make_load(concurrency=None, request_rate=3.0, arrival="poisson"), make_load(concurrency=None, arrival="burst")]))
def test_any_mixture_of_requests_is_plotted(rows, load):
    requests = sent_and_ended(rows)
    sound(plotted(one_point(requests, [make_events(requests)], load=load))[1])
