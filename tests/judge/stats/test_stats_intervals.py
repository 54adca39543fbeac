"""Intervals for a centre, against scipy and simulation."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

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


@pytest.mark.parametrize("n", [2, 10, 40])
def test_half_width_of_a_mean_is_students(n):
    values = [math.sin(7 * place) for place in range(n)]
    assert stats.t_half_width(values) == pytest.approx(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    assert stats.t_half_width(values[:1]) is None


def test_the_interval_covers_the_truth_as_often_as_it_says():
    chooser = random.Random(20)
    covered = 0
    for _ in range(2000):
        logs = [chooser.gauss(3.0, 0.2) for _ in range(5)]
        covered += abs(sum(logs) / 5 - 3.0) <= stats.log_t_half_width([math.exp(log) for log in logs])
    assert 0.93 <= covered / 2000 <= 0.97


def test_paired_ratio_is_geometric_and_cancels_what_pairs_share():
    plain = [1.0, 10.0, 100.0]
    ratio, width = stats.paired_ratio([1.05 * value for value in plain], plain)
    assert ratio == pytest.approx(1.05)
    assert width == pytest.approx(0.0, abs=1e-9)
    assert stats.paired_ratio([2.0, 8.0], [1.0, 1.0])[0] == pytest.approx(4.0)
    assert stats.paired_ratio([2.0], [1.0]) == (2.0, None)


def test_a_ratio_of_sums_weighs_every_second_alike():
    # 100 tokens in 1 s and 100 tokens in 4 s are 40 tokens/s, not the 62.5 that the mean of the two rates says.
    found = stats.ratio_of_sums([100, 100], [1, 4])
    assert found.value == 40
    assert found.low < 40 < found.high
    assert "ratio of sums" in found.method


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0.001, 1e6)), min_size=2, max_size=30), st.floats(0.1, 10))
def test_a_ratio_of_sums_follows_its_unit(pairs, scale):
    above, below = zip(*pairs, strict=True)
    one, other = stats.ratio_of_sums(above, below), stats.ratio_of_sums([scale * value for value in above], below)
    assert (other.value, other.low, other.high) == pytest.approx([scale * one.value, scale * one.low, scale * one.high], rel=1e-6, abs=1e-6)


def test_a_ratio_of_sums_covers_the_true_ratio():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        seconds = rng.exponential(2, 40)
        found = stats.ratio_of_sums((30 * seconds * rng.lognormal(-0.02, 0.2, 40)).tolist(), seconds.tolist())
        covered += found.low <= 30 <= found.high
    assert 0.91 <= covered / 1000 <= 0.97


def test_a_ratio_without_a_denominator_or_an_interval_says_so():
    nothing = stats.ratio_of_sums([], [])
    assert (nothing.value, nothing.low) == (None, None)
    assert str(nothing.reason)
    one = stats.ratio_of_sums([10], [2])
    assert (one.value, one.low, one.high) == (5, None, None)
    assert "have 1, need 2" in str(one.reason)
    assert stats.ratio_of_sums([3, 4], [0, 0]).value is None
