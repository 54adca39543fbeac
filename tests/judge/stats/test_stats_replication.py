"""Launches and iterations: what varies, how often to repeat, when to stop."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from touchstone.judge import stats
from touchstone.judge.stats import Variances


def test_variances_of_launches_and_iterations_are_told_apart():
    rng = np.random.default_rng(1)
    found = [stats.variance_components((100 + rng.normal(0, 3, (8, 1)) + rng.normal(0, 1, (8, 10))).tolist()) for _ in range(300)]
    assert np.mean([one.between for one in found]) == pytest.approx(9, rel=0.1)
    assert np.mean([one.within for one in found]) == pytest.approx(1, rel=0.05)


def test_launches_may_differ_in_length():
    rng = np.random.default_rng(2)
    sizes = (2, 5, 20, 1, 9)
    found = [stats.variance_components([(100 + rng.normal(0, 3) + rng.normal(0, 1, size)).tolist() for size in sizes]) for _ in range(1000)]
    assert np.mean([one.between for one in found]) == pytest.approx(9, rel=0.15)
    assert np.mean([one.within for one in found]) == pytest.approx(1, rel=0.05)


def test_launches_that_differ_no_more_than_iterations_have_no_variance_of_their_own():
    assert stats.variance_components([[1.0, 3.0], [3.0, 1.0]]) == Variances(0.0, 2.0)


@pytest.mark.parametrize("launches", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[], [1.0, 2.0]]])
def test_variances_need_two_launches_and_two_iterations(launches):
    assert stats.variance_components(launches) is None


def test_time_goes_where_the_variance_is():
    # 60 s to load, 2 s an iteration, 3 % between launches, 1 % within: sqrt(30 / 9) = 1.83 (Kalibera and Jones).
    assert stats.iterations_per_launch(60, 2, Variances(0.03**2, 0.01**2)) == 2
    assert stats.iterations_per_launch(60, 2, Variances(0.01**2, 0.03**2)) == 17
    assert stats.iterations_per_launch(1, 100, Variances(1.0, 1.0)) == 1
    assert stats.iterations_per_launch(60, 2, Variances(0.0, 1.0)) is None


@pytest.mark.parametrize(("cv", "needed"), [(0.01, (7, 4, 3)), (0.03, (38, 12, 4)), (0.05, (99, 27, 7)), (0.10, (387, 99, 18))])
def test_units_needed_for_a_half_width(cv, needed):
    assert tuple(stats.units_needed(cv, half_width) for half_width in (0.01, 0.02, 0.05)) == needed


@given(st.floats(1e-4, 0.3), st.floats(0.005, 0.1), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_units_needed_are_the_fewest(cv, half_width, confidence):
    def width(n):
        return t.ppf(0.5 + confidence / 2, n - 1) * cv / math.sqrt(n)

    n = stats.units_needed(cv, half_width, confidence)
    assert width(n) <= half_width * (1 + 1e-9)
    assert n == 2 or width(n - 1) > half_width * (1 - 1e-9)


def test_precision_is_not_asked_of_fewer_than_ten():
    assert not stats.known_within([5.0] * 9, 0.02)
    assert stats.known_within([5.0] * 10, 0.02)
    assert not stats.known_within([5.0] * 10 + [0.0], 0.02)


def test_intervals_between_launches_cover_and_intervals_over_iterations_do_not():
    rng = np.random.default_rng(3)
    naive = ours = 0
    for _ in range(1000):
        logs = rng.normal(0, 0.03, (5, 1)) + rng.normal(0, 0.01, (5, 10))
        naive += abs(logs.mean()) <= stats.log_t_half_width(np.exp(logs).ravel().tolist())
        ours += abs(logs.mean()) <= stats.log_t_half_width(np.exp(logs.mean(axis=1)).tolist())
    assert 0.37 <= naive / 1000 <= 0.49
    assert 0.93 <= ours / 1000 <= 0.97


def test_a_stop_at_ten_or_later_still_covers():
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(600):
        logs = rng.normal(0, 0.03, 200)
        values = np.exp(logs).tolist()
        n = next(n for n in range(10, 201) if n == 200 or stats.known_within(values[:n], 0.02))
        covered += abs(logs[:n].mean()) <= stats.log_t_half_width(values[:n])
    assert covered / 600 >= 0.91
