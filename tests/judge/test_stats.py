"""The mathematics, against scipy, numpy and simulation."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from touchstone.judge import stats


@pytest.mark.parametrize("n", [2, 3, 5, 10, 40])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_half_width_is_students(n, confidence):
    values = [10 * math.exp(0.1 * math.sin(7 * place)) for place in range(n)]
    logs = np.log(values)
    expected = t.ppf(0.5 + confidence / 2, n - 1) * logs.std(ddof=1) / math.sqrt(n)
    assert stats.log_t_half_width(values, confidence) == pytest.approx(expected, rel=1e-9)


def test_no_interval_below_two_values_or_for_values_without_a_logarithm():
    assert stats.log_t_half_width([]) is None
    assert stats.log_t_half_width([3.0]) is None
    assert stats.log_t_half_width([3.0, 0.0, 4.0]) is None


def test_the_interval_covers_the_truth_as_often_as_it_says():
    chooser = random.Random(20)
    covered = 0
    for _ in range(2000):
        logs = [chooser.gauss(3.0, 0.2) for _ in range(5)]
        covered += abs(sum(logs) / 5 - 3.0) <= stats.log_t_half_width([math.exp(log) for log in logs])
    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.parametrize(("probability", "confidence", "n"), [
    (0.5, 0.95, 5), (0.9, 0.95, 29), (0.95, 0.95, 59), (0.99, 0.95, 299), (0.9, 0.99, 44), (0.95, 0.99, 90), (0.99, 0.99, 459),
])
def test_values_needed_before_a_quantile_has_a_bound(probability, confidence, n):
    assert stats.least_n(probability, confidence) == n


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_quantile_is_numpys(values, probability):
    assert stats.quantile(values, probability) == pytest.approx(float(np.quantile(values, probability)), rel=1e-9, abs=1e-6)


def test_noise_is_called_a_trend_as_rarely_as_promised():
    chooser = random.Random(7)
    alarms = sum(stats.mann_kendall_p([chooser.gauss(100, 5) for _ in range(30)]) < 0.05 for _ in range(400))
    assert 0.02 <= alarms / 400 <= 0.08


def test_a_clear_trend_is_found_in_either_direction_and_none_in_a_constant():
    chooser = random.Random(8)
    rising = [100 + place + chooser.gauss(0, 2) for place in range(30)]
    assert stats.mann_kendall_p(rising) < 0.001
    assert stats.mann_kendall_p(rising[::-1]) == pytest.approx(stats.mann_kendall_p(rising))
    assert stats.mann_kendall_p([5.0] * 30) == 1.0


def test_ties_narrow_the_spread_of_the_trend_test():
    values = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]  # 40 of 45 pairs rise; variance (10*9*25 - 5*2*1*9) / 18 = 120
    assert stats.mann_kendall_p(values) == pytest.approx(2 * norm.sf(39 / math.sqrt(120)))


def test_drift_of_a_line_is_its_rise_over_its_median():
    assert stats.theil_sen_drift([100.0 + 2 * place for place in range(11)]) == pytest.approx(20 / 110)
    assert stats.theil_sen_drift([100.0 - 2 * place for place in range(11)]) == pytest.approx(-20 / 90)
    assert stats.theil_sen_drift([5.0] * 11) == 0.0


def test_drift_does_not_follow_one_outlier():
    values = [100.0] * 11
    values[3] = 500.0
    assert stats.theil_sen_drift(values) == 0.0


def test_paired_ratio_is_geometric_and_cancels_what_pairs_share():
    plain = [1.0, 10.0, 100.0]
    ratio, width = stats.paired_ratio([1.05 * value for value in plain], plain)
    assert ratio == pytest.approx(1.05)
    assert width == pytest.approx(0.0, abs=1e-9)
    assert stats.paired_ratio([2.0, 8.0], [1.0, 1.0])[0] == pytest.approx(4.0)
    assert stats.paired_ratio([2.0], [1.0]) == (2.0, None)


# ── of long columns ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [2, 10, 40])
def test_half_width_of_a_mean_is_students(n):
    values = [math.sin(7 * place) for place in range(n)]
    assert stats.t_half_width(values) == pytest.approx(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    assert stats.t_half_width(values[:1]) is None


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=200), st.sampled_from([(0.5, 0.9, 0.99), (0.0, 1.0), (0.95,)]))
def test_quantiles_of_an_array_are_numpys(values, probabilities):
    found = stats.quantiles(np.array(values, dtype=np.float32), list(probabilities))
    assert found == pytest.approx(np.quantile(np.array(values, dtype=float), probabilities).tolist(), rel=1e-6)


def test_batches_are_neighbours_and_weigh_by_their_counts():
    assert stats.batch_means(np.arange(8.0), np.ones(8), 4) == [0.5, 2.5, 4.5, 6.5]
    assert stats.batch_means(np.array([10.0, 20.0, 3.0, 3.0]), np.array([1.0, 4.0, 2.0, 0.0]), 2) == [6.0, 3.0]
    assert stats.batch_means(np.arange(20.0), np.ones(20), 3) == pytest.approx([2.5, 9.0, 16.0])
    assert stats.batch_means(np.arange(3.0), np.ones(3), 10) == []
    assert len(stats.batch_means(np.arange(9.0), np.ones(9), 10)) == 4


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_the_distance_between_distributions_is_the_largest_difference_of_their_shares(one, other):
    def share(sample, bound):
        return sum(value <= bound for value in sample) / len(sample)

    expected = max(abs(share(one, bound) - share(other, bound)) for bound in [*one, *other])
    assert stats.ks_distance(np.array(one), np.array(other)) == pytest.approx(expected)


def test_exponential_gaps_are_called_strange_as_rarely_as_promised():
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(400):
        gaps = np.sort(rng.exponential(0.02, 300))
        alarms += stats.ks_p(stats.ks_against(1 - np.exp(-gaps / 0.02)), 300) < 0.05
    assert 0.02 <= alarms / 400 <= 0.08
    assert stats.ks_p(stats.ks_against(1 - np.exp(-np.sort(rng.uniform(0, 0.04, 300)) / 0.02)), 300) < 0.001
