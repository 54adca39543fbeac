"""Do the intervals cover what they say, and do the tests alarm as rarely as they say? Asked of simulated runs whose truth is known.

    python benchmarks/coverage.py [--only two-level|series|quantiles|stopping|false-alarms|power|trend|history] [--repeats 4000] [--seed 1]

Every row is the share of simulated experiments in which something happened, by the very functions that judge real runs, beside what an
independent simulation or a calculation expects (docs/design/0007-statistics.md), where there is one, and what is promised. Exits with 1 if
a promise is broken by more than three standard errors of the simulation itself.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from touchstone.judge import stats

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
TRUTH = 100.0
LAUNCH_SPREAD, ITERATION_SPREAD = 0.03, 0.01


@dataclass(frozen=True)
class Row:
    """``share`` of ``repeats`` experiments, in which it happened; ``promised`` are the shares between which it must lie."""

    what: str
    share: float
    repeats: int
    expected: float | None = None
    promised: tuple[float, float] | None = None

    @property
    def kept(self) -> bool:
        """Whether the promise holds, as far as so many repeats can tell."""
        if self.promised is None:
            return True
        low, high = self.promised
        slack = [3 * math.sqrt(bound * (1 - bound) / self.repeats) for bound in self.promised]
        return low - slack[0] <= self.share <= high + slack[1]


def share_of(repeats: int, happens: Callable[..., bool], *setting: object) -> float:
    """In which share of ``repeats`` it ``happens`` under the ``setting``."""
    return sum(happens(*setting) for _ in range(repeats)) / repeats


def covers(values: Floats) -> bool:
    """Whether the log-t interval of ``values`` holds the truth."""
    width = stats.log_t_half_width(values.tolist())
    return width is not None and bool(abs(np.log(values / TRUTH).mean()) <= width)


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def two_level(repeats: int, rng: np.random.Generator) -> Iterator[Row]:
    """Launches differ by 3 %, iterations by 1 %: an interval over iterations forgets what the launches share."""
    def run(launches: int, iterations: int) -> Floats:
        of_launch = rng.normal(0, LAUNCH_SPREAD, (launches, 1))
        return np.asarray(TRUTH * np.exp(of_launch + rng.normal(0, ITERATION_SPREAD, (launches, iterations))))

    def naive(*shape: int) -> bool:
        return covers(run(*shape).ravel())

    def ours(*shape: int) -> bool:
        return covers(np.median(run(*shape), axis=1))

    for launches, iterations, expected in ((1, 30, 0.10), (3, 10, None), (5, 10, 0.43), (8, 5, 0.62)):
        shape = f"{launches} x {iterations}"
        yield Row(f"{shape}: t over all iterations covers", share_of(repeats, naive, launches, iterations), repeats, expected)
        if launches > 1:
            yield Row(f"{shape}: log-t over launches covers", share_of(repeats, ours, launches, iterations), repeats, 0.955, (0.93, 0.97))


def series(repeats: int, rng: np.random.Generator) -> Iterator[Row]:
    """Neighbours that resemble each other, AR(1): the plain interval is far too narrow, batches are nearly wide enough."""
    def plain(phi: float, n: int) -> bool:
        values = autoregressive(rng, phi, n)
        return bool(abs(values.mean()) <= (stats.t_half_width(values.tolist()) or 0))

    def batches(phi: float, n: int) -> bool:
        means = stats.batch_means(autoregressive(rng, phi, n), np.ones(n), 10)
        return abs(sum(means) / len(means)) <= (stats.t_half_width(means) or 0)

    def resampled() -> bool:
        found = stats.block_bootstrap(autoregressive(rng, 0.5, 500), np.median, seed=int(rng.integers(1 << 30)), resamples=400)
        return found.low is not None and found.high is not None and found.low <= 0 <= found.high

    for phi, n, expected in ((0.9, 200, (0.33, 0.87)), (0.5, 200, (None, None)), (0.9, 2000, (None, None))):
        yield Row(f"phi {phi}, n {n}: t over all values covers", share_of(repeats, plain, phi, n), repeats, expected[0])
        yield Row(f"phi {phi}, n {n}: t over 10 batch means covers", share_of(repeats, batches, phi, n), repeats, expected[1])
    fewer = max(50, repeats // 20)
    yield Row("phi 0.5, n 500: bootstrap of the median covers", share_of(fewer, resampled), fewer)


def autoregressive(rng: np.random.Generator, phi: float, n: int) -> Floats:
    """A stationary AR(1) series with mean 0 and variance 1."""
    from scipy.signal import lfilter

    noise = rng.normal(0, math.sqrt(1 - phi**2), n)
    noise[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -phi], noise))


def quantiles(repeats: int, rng: np.random.Generator) -> Iterator[Row]:
    """Order statistics of skewed values cover exactly what their ranks say."""
    def inside(n: int, q: float) -> bool:
        found = stats.quantile_interval(rng.exponential(1, n).tolist(), q)
        return (found.low or 0) <= -math.log(1 - q) <= (found.high or 0)

    def below(n: int, q: float) -> bool:
        return -math.log(1 - q) <= (stats.quantile_upper(rng.exponential(1, n).tolist(), q).high or 0)

    for n, q in ((6, 0.5), (10, 0.5), (100, 0.9)):
        exact = stats.quantile_interval(range(n), q).coverage or 0
        yield Row(f"n {n}: ranks cover the {q}-quantile", share_of(repeats, inside, n, q), repeats, exact, (exact, exact))
    for q in (0.9, 0.95, 0.99):
        n = stats.least_n(q)
        exact = 1 - q**n
        yield Row(f"n {n}: the largest is above the {q}-quantile", share_of(repeats, below, n, q), repeats, exact, (exact, exact))


def stopping(repeats: int, rng: np.random.Generator) -> Iterator[Row]:
    """Measuring until the mean is known within 2 %, looking after every value: how often the interval at the stop covers."""
    def stopped(cv: float, floor: int) -> bool:
        values = TRUTH * np.exp(rng.normal(0, cv, 200))
        n = next(n for n in range(floor, 201) if n == 200 or stats.known_within(values[:n].tolist(), 0.02, floor))
        return covers(values[:n])

    fewer = max(100, repeats // 2)
    for cv in (0.02, 0.03, 0.05):
        yield Row(f"cv {cv:.0%}, from 5 values on: covers", share_of(fewer, stopped, cv, 5), fewer)
        yield Row(f"cv {cv:.0%}, from 10 values on: covers", share_of(fewer, stopped, cv, stats.LEAST_UNITS), fewer, None, (0.93, 0.97))


# ── comparisons ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def false_alarms(repeats: int, rng: np.random.Generator) -> Iterator[Row]:
    """The same thing twice: what calls it a change, at a margin of 2 %."""
    known = {(0.03, 5): (0.017, 0.058, 0.045), (0.05, 5): (0.178, 0.037, 0.030), (0.08, 5): (0.428, 0.048, 0.030),
             (0.08, 10): (0.245, 0.057, 0.050)}
    for cv, launches in ((0.01, 3), (0.03, 3), (0.03, 5), (0.05, 5), (0.08, 3), (0.08, 5), (0.08, 8), (0.08, 10)):
        moved = welch = ranks = changed = 0
        for _ in range(repeats):
            old, new = pair(rng, cv, launches, 1.0)
            effect = stats.compare_samples(old, new, 0.02)
            moved += abs(float(np.median(new) / np.median(old)) - 1) > 0.05
            welch += effect.p is not None and effect.p < 0.05
            ranks += effect.p_rank is not None and effect.p_rank < 0.05
            changed += effect.outcome == "changed"
        expected = known.get((cv, launches), (None, None, None))
        where = f"cv {cv:.0%}, {launches} per side:"
        yield Row(f"{where} the median moved by 5 %", moved / repeats, repeats, expected[0])
        yield Row(f"{where} Welch on logs p < 0.05", welch / repeats, repeats, expected[1], (0.0, 0.055))
        yield Row(f"{where} Mann-Whitney p < 0.05", ranks / repeats, repeats, expected[2], (0.0, 0.05))
        yield Row(f"{where} called changed", changed / repeats, repeats, None, (0.0, 0.05))


def power(repeats: int, rng: np.random.Generator) -> Iterator[Row]:
    """What a real effect is called, at a margin of 2 %."""
    def called(outcome: str, cv: float, launches: int, ratio: float) -> bool:
        return stats.compare_samples(*pair(rng, cv, launches, ratio), 0.02).outcome == outcome

    questions = (("equivalent", 0.01, 1.0), ("changed", 0.03, 1.05), ("changed", 0.03, 1.10),
                 ("changed", 0.05, 1.05), ("changed", 0.05, 1.10))
    for launches, expected in ((3, (0.28, 0.25, 0.72, 0.11, 0.33)), (5, (0.75, 0.58, 0.99, 0.25, 0.75)),
                               (8, (0.97, 0.86, 1.00, 0.42, 0.93))):
        for (outcome, cv, ratio), number in zip(questions, expected, strict=True):
            share = share_of(repeats, called, outcome, cv, launches, ratio)
            yield Row(f"{launches} per side, cv {cv:.0%}, {ratio - 1:+.0%}: {outcome}", share, repeats, number,
                      (number - 0.05, min(1.0, number + 0.05)))


def pair(rng: np.random.Generator, cv: float, launches: int, ratio: float) -> tuple[list[float], list[float]]:
    """Launches of the old and the new side, which truly differ by ``ratio``."""
    old, new = TRUTH * np.exp(rng.normal(0, cv, (2, launches)))
    return old.tolist(), (ratio * new).tolist()


# ── series over time ─────────────────────────────────────────────────────────────────────────────────────────────────────


def trend(repeats: int, rng: np.random.Generator) -> Iterator[Row]:
    """Series with a spread of 1 %, which drift or do not, and the course that durations are said to take."""
    def alarmed(drift: float) -> bool:
        return stats.mann_kendall_p(TRUTH * (1 + np.linspace(0, drift, 30) + rng.normal(0, 0.01, 30))) < 0.05

    def recognised(course: str, shape: Floats) -> bool:
        found = stats.steady_state((TRUTH * shape * np.exp(rng.normal(0, 0.01, len(shape)))).tolist())
        return found is not None and found.course == course

    for drift, expected, promised in ((0.0, 0.04, (0.0, 0.05)), (0.01, 0.34, None), (0.03, 1.0, (0.97, 1.0))):
        yield Row(f"30 values, drift {drift:.0%}: Mann-Kendall p < 0.05", share_of(repeats, alarmed, drift), repeats, expected, promised)
    fewer = max(100, repeats // 2)
    for course, how, shape in (
            ("flat", "40 alike", np.ones(40)), ("flat", "200 alike", np.ones(200)),
            ("warm-up", "the first at 1.5", np.r_[1.5, np.ones(39)]),
            ("warm-up", "the first 12 at 1.1", np.r_[np.full(12, 1.1), np.ones(28)]),
            ("slowdown", "the first 20 at 0.9", np.r_[np.full(20, 0.9), np.ones(20)]),
            ("no steady state", "1 to 1.5", np.linspace(1, 1.5, 40))):
        yield Row(f"{course}, {how}: recognised", share_of(fewer, recognised, course, shape), fewer, None, (0.85, 1.0))


def history(repeats: int, rng: np.random.Generator) -> Iterator[Row]:
    """The level of many runs over time: alarms without a change, and a change of 5 % found within two runs of its place."""
    fewer = max(100, repeats // 10)

    def points(shape: Floats, cv: float) -> list[int]:
        return [one.index for one in stats.change_points((TRUTH * shape * np.exp(rng.normal(0, cv, len(shape)))).tolist())]

    def alarmed(n: int, cv: float) -> bool:
        return bool(points(np.ones(n), cv))

    def found() -> bool:
        places = points(np.r_[np.ones(25), np.full(15, 1.05)], 0.01)
        return len(places) == 1 and abs(places[0] - 25) <= 2

    fewer = max(100, repeats // 10)
    for n, cv in ((40, 0.01), (40, 0.05), (200, 0.05)):
        yield Row(f"{n} runs, cv {cv:.0%}, no change: one is reported", share_of(fewer, alarmed, n, cv), fewer, None, (0.0, 0.02))
    yield Row("40 runs, cv 1%, one change of 5 %: it alone is reported", share_of(fewer, found), fewer, None, (0.95, 1.0))


TABLES: dict[str, Callable[[int, np.random.Generator], Iterator[Row]]] = {
    "two-level": two_level, "series": series, "quantiles": quantiles, "stopping": stopping, "false-alarms": false_alarms, "power": power,
    "trend": trend, "history": history,
}


def main() -> int:
    """Print the tables; 1 if a promise is broken."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", choices=TABLES, action="append")
    options.add_argument("--repeats", type=int, default=4000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    broken = 0
    for name in given.only or TABLES:
        started = time.perf_counter()
        print(f"\n{name}: {(TABLES[name].__doc__ or '').splitlines()[0]}")
        print(f"  {'':<58}{'ours':>8}{'expected':>10}{'difference':>12}  promised")
        for row in TABLES[name](given.repeats, np.random.default_rng(given.seed)):
            broken += not row.kept
            print(line(row))
        print(f"  {time.perf_counter() - started:.1f} s")
    print(f"\n{broken} promises broken")
    return 1 if broken else 0


def line(row: Row) -> str:
    """The row as it is printed."""
    beside = f"{'':>22}" if row.expected is None else f"{row.expected:>10.1%}{row.share - row.expected:>+12.1%}"
    promised = "" if row.promised is None else f"  {row.promised[0]:.1%} to {row.promised[1]:.1%}"
    return f"  {row.what:<58}{row.share:>8.1%}{beside}{promised}{'' if row.kept else '  BROKEN'}"


if __name__ == "__main__":
    sys.exit(main())
