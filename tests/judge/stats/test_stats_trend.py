"""Drifts, their size, and the course of a warm-up."""

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, norm, theilslopes

from touchstone.judge import stats


def test_noise_is_called_a_trend_as_rarely_as_promised():
    chooser = random.Random(7)
    alarms = sum(stats.mann_kendall_p([chooser.gauss(100, 5) for _ in range(30)]) < 0.05 for _ in range(1000))
    assert 0.02 <= alarms / 1000 <= 0.07


@pytest.mark.parametrize(("drift", "least", "most"), [(0.01, 0.26, 0.42), (0.03, 0.97, 1.0)])
def test_thirty_trials_find_a_drift_as_often_as_expected(drift, least, most):
    rng = np.random.default_rng(7)
    found = sum(stats.mann_kendall_p(1 + np.linspace(0, drift, 30) + rng.normal(0, 0.01, 30)) < 0.05 for _ in range(500)) / 500
    assert least <= found <= most


def test_a_clear_trend_is_found_in_either_direction_and_none_in_a_constant():
    chooser = random.Random(8)
    rising = [100 + place + chooser.gauss(0, 2) for place in range(30)]
    assert stats.mann_kendall_p(rising) < 0.001
    assert stats.mann_kendall_p(rising[::-1]) == pytest.approx(stats.mann_kendall_p(rising))
    assert stats.mann_kendall_p([5.0] * 30) == 1.0
    assert stats.mann_kendall_p([]) == stats.mann_kendall_p([1.0]) == 1.0


def test_ties_narrow_the_spread_of_the_trend_test():
    values = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]  # 40 of 45 pairs rise; variance (10*9*25 - 5*2*1*9) / 18 = 120
    assert stats.mann_kendall_p(values) == pytest.approx(2 * norm.sf(39 / 120**0.5))


@given(st.lists(st.integers(-5, 20), min_size=2, max_size=70))
def test_the_trend_test_counts_every_pair(values):
    n = len(values)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = [values.count(value) for value in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    expected = 2 * norm.sf((abs(score) - 1) / variance**0.5) if variance > 0 and score else 1.0
    assert stats.mann_kendall_p(values) == pytest.approx(expected, rel=1e-9)


def test_a_hundred_thousand_values_are_counted_as_scipy_counts_them():
    rng = np.random.default_rng(9)
    values = rng.normal(0, 1, 100_000) + np.linspace(0, 0.02, 100_000)
    tau = kendalltau(np.arange(100_000), values)
    z = abs(norm.ppf(stats.mann_kendall_p(values) / 2))
    assert z == pytest.approx(abs(norm.ppf(tau.pvalue / 2)), rel=1e-3)


def test_drift_of_a_line_is_its_rise_over_its_median():
    assert stats.theil_sen_drift([100.0 + 2 * place for place in range(11)]) == pytest.approx(20 / 110)
    assert stats.theil_sen_drift([100.0 - 2 * place for place in range(11)]) == pytest.approx(-20 / 90)
    assert stats.theil_sen_drift([5.0] * 11) == 0.0


def test_drift_does_not_follow_one_outlier():
    values = [100.0] * 11
    values[3] = 500.0
    assert stats.theil_sen_drift(values) == 0.0


@pytest.mark.parametrize("n", [6, 7, 30, 200])
def test_the_slope_and_its_interval_are_scipys(n):
    values = np.random.default_rng(n).normal(0, 1, n) + 0.1 * np.arange(n)
    theirs, ours = theilslopes(values), stats.theil_sen(values)
    assert ours.value == pytest.approx(theirs.slope)
    assert ours.low <= theirs.low_slope <= ours.value <= theirs.high_slope <= ours.high
    assert ours.high - ours.low <= 1.5 * (theirs.high_slope - theirs.low_slope)


def test_the_interval_of_a_slope_covers():
    rng = np.random.default_rng(10)
    found = [stats.theil_sen(0.3 * np.arange(20) + rng.normal(0, 2, 20)) for _ in range(500)]
    assert 0.92 <= sum(one.low <= 0.3 <= one.high for one in found) / 500 <= 0.99


def test_a_long_series_is_told_by_medians_of_neighbours_and_says_so():
    rng = np.random.default_rng(11)
    found = stats.theil_sen(1e-4 * np.arange(100_000) + rng.normal(0, 1, 100_000))
    assert found.low < 1e-4 < found.high
    assert found.high - found.low < 2e-6
    assert "200 neighbours" in found.method
    assert found.n == 100_000


def test_few_values_have_a_slope_without_an_interval_or_none_at_all():
    found = stats.theil_sen([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert "have 5, need 6" in str(found.reason)
    assert stats.theil_sen([1.0]).value is None


# ── courses ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def course(factors, seed=0, spread=0.005):
    rng = np.random.default_rng(seed)
    return stats.steady_state((50 * np.asarray(factors) * np.exp(rng.normal(0, spread, len(factors)))).tolist())


def likeliest(factors):
    """The course that most of thirty noisy series take."""
    found = [course(factors, seed) for seed in range(30)]
    names = [one.course for one in found]
    best = max(set(names), key=names.count)
    assert names.count(best) >= 24
    return best, [one.start for one in found if one.course == best]


@pytest.mark.parametrize(("factors", "name", "start"), [
    ([1] * 30, "flat", 0),
    ([2] + [1] * 29, "warm-up", 1),
    ([2, 1.5, 1.2] + [1] * 27, "warm-up", 3),
    ([1.1] * 12 + [1] * 28, "warm-up", 12),
    ([0.9] * 15 + [1] * 15, "slowdown", 15),
    ([1.3] * 5 + [0.9] * 10 + [1] * 20, "slowdown", 15),
    ([0.5] + [1] * 20, "slowdown", 1),
])
def test_a_course_is_recognised_with_the_place_where_it_ends(factors, name, start):
    found, starts = likeliest(factors)
    assert found == name
    assert abs(float(np.median(starts)) - start) <= 2


def test_durations_that_keep_rising_are_never_steady():
    assert likeliest(np.linspace(1, 2, 40)) == ("no steady state", [None] * 30)


def test_flat_noise_is_mostly_called_flat():
    assert sum(course([1] * 60, seed, 0.03).course == "flat" for seed in range(300)) / 300 >= 0.85


def test_equal_durations_are_flat_and_few_say_nothing():
    assert stats.steady_state([7.0] * 25) == stats.SteadyState("flat", 0)
    assert stats.steady_state([7.0] * 9) is None
    assert not stats.is_steady([7.0] * 9)
