"""Plots made by hand, as the judge would make them: two languages, every trust, failures, missing values."""

import math
import random

from touchstone.finding import Trust
from touchstone.plots import (
    CaseDots,
    Cdf,
    CdfCurve,
    Dot,
    DotPlot,
    Gantt,
    GanttBar,
    LimitLine,
    Scaling,
    ScalingPoint,
    Timeline,
    TimelineSlice,
)
from touchstone.report.both import Both

TITLES = {
    "short": Both("Short in, short out", "短输入短输出"), "long": Both("Long input", "长输入"), "chat": Both("Chat", "聊天"),
    "stress": Both("Batch of eight, a rather long title", "高并发批量推理与超长上下文压力测试场景"), "rag": Both("RAG", "检索增强"),
    "writing": Both("Long generation", "长文生成"),
}
TRUSTS = dict(zip(TITLES, (Trust.TRUSTED, Trust.TRUSTED, Trust.SUSPECT, Trust.TRUSTED, Trust.REJECTED, Trust.TRUSTED), strict=True))


def dot_plot(metric="ttft", spread=2.5, launches=2, cases=tuple(TITLES), trials=5):
    """Each case ``spread`` times the one before it."""
    chance = random.Random(3)

    def row(place, case):
        mean = 0.05 * spread ** place
        found = tuple(Dot(launch, order, mean * chance.uniform(0.98, 1.02)) for launch in range(launches) for order in range(trials))
        return CaseDots(case, TRUSTS[case], found, mean, mean * 0.99, mean * 1.01)

    return DotPlot(metric, "s", tuple(row(place, case) for place, case in enumerate(cases)))


def scaling_of_batches():
    """One above the ideal (8), one suspect (4), one rejected (32)."""
    points = [(1, 100.0, Trust.TRUSTED), (2, 196.0, Trust.TRUSTED), (4, 380.0, Trust.SUSPECT), (8, 900.0, Trust.TRUSTED),
              (16, 1200.0, Trust.TRUSTED), (32, 1900.0, Trust.REJECTED)]
    return Scaling(512.0, 128.0, tuple(
        ScalingPoint(f"b{batch}", trust, batch, value, value * 0.97, value * 1.03, 100.0 * batch, superlinear=batch == 8)
        for batch, value, trust in points))


def curve(case, values, trust=Trust.TRUSTED):
    """The distribution of ``values``, at most 200 steps."""
    ordered = sorted(values)
    n = len(ordered)
    places = sorted({0, n - 1, *(n * place // 198 for place in range(198))})
    return CdfCurve(case, trust, n, tuple((ordered[place], (place + 1) / n) for place in places))


def distributions(count=6, n=4000, limits=True):
    """One curve for each of ``count`` cases, the last but one rejected where there are six."""
    chance = random.Random(5)
    names = [*TITLES, *(f"more-{place}" for place in range(count))][:count]
    curves = tuple(curve(name, [chance.lognormvariate(-2.5 + 0.4 * place, 0.35) for _ in range(n)], TRUSTS.get(name, Trust.TRUSTED))
                   for place, name in enumerate(names))
    return Cdf("ttft", "s", curves, (LimitLine("ttft p99<=500ms", 0.5, 0.99), LimitLine("ttft p50<=200ms", 0.2, 0.5)) if limits else ())


def requests_of_a_load(bars=120, steps=400):
    """Sixteen in flight; every 40th request timed out without a token, the last neither ended nor got one."""
    chance, free, found = random.Random(7), [0.0] * 16, []
    for place in range(bars):
        lane = free.index(min(free))
        sent = free[lane]
        first, ended, ending = sent + chance.uniform(0.05, 0.4), sent + chance.uniform(1, 2.2), "ok"
        if place % 40 == 20:
            first, ending = None, "timeout"
        if place == bars - 1:
            first, ended, ending = None, None, "stopped"
        found.append(GanttBar(place, sent, first, ended, ending))
        free[lane] = ended or sent
    flown = tuple((12 * step / steps, float(16 - step % 3)) for step in range(steps))
    return Gantt("stress", 4000, tuple(found), flown, (2.0, 9.0))


def slices_of_a_load(count=60):
    """A stall in slice 30, no quantiles at both ends, no P95 in every ninth."""
    def one(place):
        known = 3 < place < count - 3 and place != 30
        wave = 0.1 + 0.05 * math.sin(place / 5)
        return TimelineSlice(place * 0.5 + 0.25, 900 + 100 * math.sin(place / 7), wave if known else None,
                             2 * wave if known and place % 9 else None, 0.02, 0.05, 0.08 + (1.0 if place == 30 else 0.0))
    return Timeline("stress", tuple(map(one, range(count))), (2.0, 28.0))
