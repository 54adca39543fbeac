"""Changes of level in a series of runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge.stats.history import LEAST_POINTS, MOST_POINTS, change_points


def levels(*stretches, spread=0.01, seed=0):
    """A series that stays at each level for as many runs as said."""
    rng = np.random.default_rng(seed)
    return (np.concatenate([np.full(count, level) for level, count in stretches])
            * np.exp(rng.normal(0, spread, sum(count for _, count in stretches)))).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_one_change_is_found_at_its_place(seed):
    [found] = change_points(levels((100, 20), (105, 20), seed=seed))
    assert abs(found.index - 20) <= 1
    assert found.before == pytest.approx(100, rel=0.01)
    assert found.after == pytest.approx(105, rel=0.01)
    assert found.p < 0.001


def test_up_and_back_are_two_changes():
    found = change_points(levels((100, 20), (110, 20), (100, 20)))
    assert [round(one.index, -1) for one in found] == [20, 40]
    assert found[0].after == found[1].before == pytest.approx(110, rel=0.01)


def test_a_jump_without_noise_is_found_exactly():
    [found] = change_points([100.0] * 10 + [103.0] * 10)
    assert (found.index, found.before, found.after, found.p) == (10, 100.0, 103.0, 0.0)


def test_a_change_within_the_margin_is_none():
    values = levels((100, 30), (103, 30), spread=0.005)
    assert len(change_points(values, margin=0.02)) == 1
    assert change_points(values, margin=0.05) == []


def test_one_point_is_never_a_change():
    assert change_points([*levels((100, 30)), 150.0]) == []
    values = levels((100, 30))
    values[15] = 150.0
    assert change_points(values) == []


def test_noise_has_changes_as_rarely_as_promised():
    assert sum(bool(change_points(levels((100, 40), spread=0.05, seed=seed))) for seed in range(150)) <= 7


def test_too_few_points_say_nothing_and_a_constant_has_no_change():
    assert change_points(levels((100, 7), (200, LEAST_POINTS - 8))) == []
    assert len(change_points(levels((100, 7), (200, LEAST_POINTS - 7)))) == 1
    assert change_points([100.0] * 40) == []


def test_the_seed_makes_it_repeatable():
    values = levels((100, 15), (102, 15), (104, 10), spread=0.015, seed=3)
    assert change_points(values, seed=5) == change_points(values, seed=5)


def test_of_a_long_series_the_newest_are_looked_at_and_keep_their_places():
    values = [50.0] * 40 + [100.0] * (MOST_POINTS - 100) + [110.0] * 100
    assert [one.index for one in change_points(values)] == [40 + MOST_POINTS - 100]


@given(st.lists(st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1.0]), max_size=60))
def test_any_series_has_an_answer_with_places_in_order(values):
    found = change_points(values)
    assert [one.index for one in found] == sorted({one.index for one in found})
    assert all(3 <= one.index <= len(values) - 3 for one in found)
