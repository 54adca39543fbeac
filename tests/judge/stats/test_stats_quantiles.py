"""Quantiles and their exact intervals, against numpy, hand-counted ranks and simulation."""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge import stats


@pytest.mark.parametrize(("probability", "confidence", "n"), [
    (0.5, 0.95, 5), (0.9, 0.95, 29), (0.95, 0.95, 59), (0.99, 0.95, 299), (0.9, 0.99, 44), (0.95, 0.99, 90), (0.99, 0.99, 459),
])
def test_values_needed_before_a_quantile_has_a_bound(probability, confidence, n):
    assert stats.least_n(probability, confidence) == n
    assert stats.quantile_upper(range(n), probability, confidence).high == n - 1
    assert stats.quantile_upper(range(n - 1), probability, confidence).high is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_quantile_is_numpys(values, probability):
    assert stats.quantile(values, probability) == pytest.approx(float(np.quantile(values, probability)), rel=1e-9, abs=1e-6)


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=200), st.sampled_from([(0.5, 0.9, 0.99), (0.0, 1.0), (0.95,)]))
def test_quantiles_of_an_array_are_numpys(values, probabilities):
    found = stats.quantiles(np.array(values, dtype=np.float32), list(probabilities))
    assert found == pytest.approx(np.quantile(np.array(values, dtype=float), probabilities).tolist(), rel=1e-6)


@pytest.mark.parametrize(("n", "low", "high", "coverage"), [
    (6, 1, 6, 62 / 64), (8, 1, 8, 1 - 2 / 256), (9, 2, 8, 1 - 20 / 512), (10, 2, 9, 1 - 22 / 1024), (20, 6, 15, 0.95861),
])
def test_the_median_lies_between_two_ranks_counted_by_hand(n, low, high, coverage):
    found = stats.median_interval(list(range(n, 0, -1)))
    assert (found.low, found.high) == (low, high)
    assert found.coverage == pytest.approx(coverage, abs=1e-5)
    assert found.value == (n + 1) / 2
    assert f"ranks {low} and {high}" in found.method


def binomial_cdf(n, q):
    return list(accumulate(math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)))


@given(st.integers(1, 250), st.sampled_from([0.1, 0.5, 0.75, 0.9, 0.95]), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_ranks_are_the_narrowest_that_leave_half_the_error_on_each_side(n, q, confidence):
    found = stats.quantile_interval(range(1, n + 1), q, confidence)
    tail = (1 - confidence) / 2
    if n < stats.least_n_two_sided(q, confidence):
        assert found.low is found.high is None
        assert str(stats.least_n_two_sided(q, confidence)) in str(found.reason)
        return
    at_most = binomial_cdf(n, q)
    low, high = found.low, found.high
    assert at_most[low - 1] <= tail + 1e-9 < at_most[low] + 2e-9
    assert 1 - at_most[high - 1] <= tail + 1e-9 < 1 - at_most[high - 2] + 2e-9
    assert found.coverage == pytest.approx(at_most[high - 1] - at_most[low - 1])
    assert found.coverage >= confidence - 1e-9


@pytest.mark.parametrize(("n", "q"), [(10, 0.5), (60, 0.9), (200, 0.95)])
def test_the_ranks_cover_as_often_as_they_say(n, q):
    rng = np.random.default_rng(11)
    truth = -math.log(1 - q)
    found = [stats.quantile_interval(rng.exponential(1, n).tolist(), q) for _ in range(2000)]
    covered = sum(one.low <= truth <= one.high for one in found) / 2000
    assert covered == pytest.approx(found[0].coverage, abs=0.02)


def test_an_upper_bound_covers_and_tightens_with_more_values():
    rng = np.random.default_rng(12)
    found = [stats.quantile_upper(rng.exponential(1, 1000).tolist(), 0.95) for _ in range(500)]
    assert sum(one.high >= math.log(20) for one in found) / 500 >= 0.93
    assert all(one.low is None and one.reason is None and one.high < 2 * math.log(20) for one in found)
    assert 0.95 <= found[0].coverage < 0.96


def test_no_values_have_no_quantile():
    found = stats.median_interval([])
    assert (found.value, found.low, found.n) == (None, None, 0)
    assert "have 0, need 6" in str(found.reason)
