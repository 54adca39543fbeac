"""Values far from the rest are told by their places, and distances between distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge import stats

QUIET = [100.0, 101.0, 99.0, 100.5, 99.5, 100.2, 99.8, 100.1, 99.9, 100.3]


@pytest.mark.parametrize("far", [stats.far_by_mad, stats.far_by_quartiles])
def test_a_value_far_away_is_told_by_its_place(far):
    assert far(QUIET) == []
    assert far([*QUIET[:4], 140.0, *QUIET[4:], 60.0]) == [4, 11]
    assert far([100.0] * 20 + [101.0]) == [20]
    assert far([]) == far([5.0]) == far([5.0] * 9) == []


def test_the_limits_are_those_of_hyperfine_and_criterion():
    values = list(range(-10, 11))  # with two more far out: median 0, MAD 6, quartiles ±5.5
    limit = 10 * 1.4826 * 6
    assert stats.far_by_mad([*values, limit + 0.1, -limit - 0.1]) == [21, 22]
    assert stats.far_by_mad([*values, limit - 0.1, 0.1 - limit]) == []
    assert stats.far_by_quartiles([*values, 38.6, -38.6]) == [21, 22]
    assert stats.far_by_quartiles([*values, 38.4, -38.4]) == []


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_the_middle_half_is_never_far(values):
    for far in (stats.far_by_mad, stats.far_by_quartiles):
        places = far(values)
        assert len(places) <= len(values) / 2
        assert places == sorted(set(places))
        middle = float(np.median(values)) if values else 0.0
        assert all(values[place] != middle for place in places)


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
