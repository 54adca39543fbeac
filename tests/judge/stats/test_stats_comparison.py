"""Two samples: the ratio, its interval, and what it is called."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, ttest_ind

from touchstone.errors import DataError, UsageError
from touchstone.judge import stats
from touchstone.judge.stats.comparison import can_rank, compare_samples, launches_needed, noise_floor

POSITIVE = st.floats(1e-6, 1e9)


def launches(rng, cv, count, ratio=1.0):
    return (100 * ratio * np.exp(rng.normal(0, cv, count))).tolist()


@given(st.lists(POSITIVE, min_size=2, max_size=12), st.lists(POSITIVE, min_size=2, max_size=12), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_and_p_are_welchs_on_logarithms(old, new, confidence):
    if len({*old}) == 1 or len({*new}) == 1:
        return
    effect = compare_samples(old, new, 0.02, confidence)
    theirs = ttest_ind(np.log(new), np.log(old), equal_var=False)
    interval = theirs.confidence_interval(confidence)
    assert math.log(effect.ratio) == pytest.approx(np.log(new).mean() - np.log(old).mean(), abs=1e-9)
    assert effect.p == pytest.approx(theirs.pvalue, rel=1e-5, abs=1e-9)
    if max(abs(interval.low), abs(interval.high)) < 600:
        assert (math.log(effect.low), math.log(effect.high)) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


@given(st.lists(POSITIVE, min_size=1, max_size=10), st.lists(POSITIVE, min_size=1, max_size=10), st.floats(0.001, 0.5))
def test_the_outcome_is_what_its_definition_says(old, new, margin):
    effect = compare_samples(old, new, margin)
    wide = compare_samples(old, new, margin, 0.9)
    if effect.low is None:
        assert (effect.outcome, effect.p, effect.p_rank, wide.low) == ("inconclusive", None, None, None)
        return
    assert effect.low <= effect.ratio <= effect.high
    excludes, reaches = not effect.low <= 1 <= effect.high, abs(math.log(effect.ratio)) >= math.log1p(margin)
    inside = 1 / (1 + margin) <= wide.low and wide.high <= 1 + margin
    edges = [abs(math.log(bound)) for bound in (effect.low, effect.high)]
    edges += [abs(abs(math.log(bound)) - math.log1p(margin)) for bound in (effect.ratio, wide.low, wide.high)]
    if min(edges) > 1e-9:
        expected = ("changed" if excludes and reaches else "equivalent" if inside else "trivial" if excludes else "inconclusive")
        assert effect.outcome == expected
    assert (effect.more is not None) == (effect.outcome == "inconclusive")
    assert effect.more is None or effect.more >= 1


@given(st.lists(POSITIVE, min_size=1, max_size=8), st.lists(POSITIVE, min_size=1, max_size=8))
def test_the_other_way_round_is_the_inverse(old, new):
    one, other = compare_samples(old, new, 0.05), compare_samples(new, old, 0.05)
    assert one.ratio * other.ratio == pytest.approx(1)
    assert (one.p, one.p_rank, one.outcome, one.more) == (other.p, pytest.approx(other.p_rank) if other.p_rank else other.p_rank,
                                                          other.outcome, other.more)
    assert one.low is None or one.low * other.high == pytest.approx(1)


def test_one_launch_per_side_is_a_ratio_and_no_more():
    effect = compare_samples([100.0], [118.0], 0.02)
    assert effect.ratio == pytest.approx(1.18)
    assert (effect.low, effect.high, effect.p, effect.outcome, effect.more) == (None, None, None, "inconclusive", 2)
    assert compare_samples([100.0] * 5, [118.0], 0.02).more == 2


@pytest.mark.parametrize(("new", "outcome", "p"), [(100.0, "equivalent", 1.0), (101.0, "equivalent", 0.0), (103.0, "changed", 0.0)])
def test_counts_that_never_vary_are_compared_exactly(new, outcome, p):
    effect = compare_samples([100.0] * 3, [new] * 2, 0.02)
    assert (effect.outcome, effect.p, effect.more) == (outcome, p, None)
    assert effect.low == effect.high == effect.ratio == pytest.approx(new / 100)


def test_a_small_but_certain_difference_is_trivial():
    old = [100 * math.exp(0.004 * step) for step in (-2, -1, 0, 1, 2)]
    effect = compare_samples(old, [1.0185 * value for value in old], 0.02)
    assert effect.p < 0.05
    assert effect.outcome == "trivial"


@pytest.mark.parametrize(("cv", "needed"), [(0.03, 6), (0.05, 17), (0.08, 43)])
def test_launches_needed_to_find_five_percent(cv, needed):
    assert launches_needed(cv, 0.05) == needed
    side = [100 * math.exp(cv * place) for place in (-1, 0, 1)]  # the spread of the logarithms is cv
    assert compare_samples(side, side, 0.05).more == needed - 3


def test_where_the_power_is_there_already_the_effect_seen_says_how_many_more():
    rng = np.random.default_rng(2)
    for _ in range(200):
        effect = compare_samples(launches(rng, 0.02, 12), launches(rng, 0.02, 12, 1.025), 0.05)
        assert (effect.more is None) == (effect.outcome != "inconclusive")
        assert effect.more is None or 1 <= effect.more < 200


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [-1.0], [math.nan], [math.inf, 1.0]])
def test_values_without_a_ratio_are_refused(values):
    with pytest.raises(DataError) as caught:
        compare_samples([1.0, 2.0], values, 0.02)
    assert caught.value.cure
    with pytest.raises(DataError):
        compare_samples(values, [1.0, 2.0], 0.02)


@pytest.mark.parametrize("margin", [0.0, -0.1, math.nan, math.inf])
def test_a_margin_that_nothing_can_meet_is_refused(margin):
    with pytest.raises(UsageError) as caught:
        compare_samples([1.0, 2.0], [1.0, 2.0], margin)
    assert caught.value.cure


def test_the_widest_values_a_float_holds_give_numbers():
    effect = compare_samples([5e-324, 1e308], [1e308, 5e-324], 0.02)
    assert 0 < effect.low < effect.ratio < effect.high < math.inf
    assert effect.outcome == "inconclusive"
    assert effect.more > 1000
    assert compare_samples([5e-324, 1e308], [1e308, 5e-324], 1e-6).more > 10**12
    assert 0 < compare_samples([5e-324], [1e308], 0.02).ratio < math.inf


# ── ranks ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_ranks_are_dealt_in_every_way_ties_included(one, other):
    pooled = [*one, *other]
    doubled = [sum((value > peer) * 2 + (value == peer) for peer in pooled) + 1 for value in pooled]
    sums = [sum(chosen) for chosen in combinations(doubled, len(one))]
    observed = sum(doubled[:len(one)])
    expected = min(1.0, 2 * min(sum(total <= observed for total in sums), sum(total >= observed for total in sums)) / len(sums))
    assert stats.rank_sum_p(one, other) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(4, 4), (5, 9), (20, 25), (30, 30)])
def test_ranks_without_ties_are_scipys_exact_test(shape):
    rng = np.random.default_rng(shape[0])
    one, other = rng.normal(0, 1, shape[0]), rng.normal(0.4, 1, shape[1])
    assert stats.rank_sum_p(one.tolist(), other.tolist()) == pytest.approx(mannwhitneyu(one, other, method="exact").pvalue, rel=1e-9)


@pytest.mark.parametrize("shape", [(40, 40), (5, 200), (300, 200)])
def test_many_ranks_are_scipys_approximation_with_ties(shape):
    rng = np.random.default_rng(shape[0])
    one, other = rng.integers(0, 30, shape[0]), rng.integers(2, 32, shape[1])
    assert stats.rank_sum_p(one.tolist(), other.tolist()) == pytest.approx(mannwhitneyu(one, other, method="asymptotic").pvalue, rel=1e-9)
    assert stats.rank_sum_p([1.0] * 50, [1.0] * 50) == 1.0


def test_ranks_cannot_reject_below_four_per_side():
    assert [can_rank(n, n) for n in (2, 3, 4, 5, 100_000)] == [False, False, True, True, True]
    assert can_rank(3, 5)
    assert not can_rank(3, 4)
    assert not can_rank(4, 4, 0.99)
    assert compare_samples([1, 2, 3], [10, 11, 12], 0.02).p_rank is None
    assert compare_samples([1, 2, 3, 4], [10, 11, 12, 13], 0.02).p_rank == pytest.approx(2 / 70)


# ── families and noise ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.6, 0.7]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_a_test_that_was_not_possible_does_not_count():
    assert stats.holm([None, 0.01, None, 0.03]) == [None, pytest.approx(0.02), None, pytest.approx(0.03)]


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_the_order_and_lies_between_the_p_and_bonferronis(ps):
    adjusted = stats.holm(ps)
    assert all(p <= one <= min(1.0, len(ps) * p) + 1e-12 for p, one in zip(ps, adjusted, strict=True))
    assert [one for _, one in sorted(zip(ps, adjusted, strict=True))] == sorted(adjusted)


def test_a_family_of_nothing_alarms_as_rarely_as_one_test():
    rng = np.random.default_rng(13)
    assert sum(min(stats.holm(rng.uniform(0, 1, 20).tolist())) < 0.05 for _ in range(1000)) / 1000 <= 0.075


def test_the_margin_is_two_percent_or_the_hosts_own_noise():
    assert noise_floor([]) == noise_floor([1.01, 0.99, 1.005]) == 0.02
    assert noise_floor([1.05]) == noise_floor([1 / 1.05]) == pytest.approx(0.05)
    ratios = np.exp(np.random.default_rng(14).normal(0, 0.05, 2000)).tolist()
    assert noise_floor(ratios) == pytest.approx(math.expm1(1.96 * 0.05), rel=0.08)
    with pytest.raises(DataError):
        noise_floor([1.0, 0.0])


# ── promises, by simulation ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("cv", "count"), [(0.03, 3), (0.03, 5), (0.08, 5)])
def test_the_same_thing_twice_is_called_changed_in_one_of_twenty_at_most(cv, count):
    rng = np.random.default_rng(15)
    effects = [compare_samples(launches(rng, cv, count), launches(rng, cv, count), 0.02) for _ in range(1000)]
    assert sum(effect.outcome == "changed" for effect in effects) / 1000 <= 0.07
    assert sum(effect.p < 0.05 for effect in effects) / 1000 <= 0.07
    assert sum((effect.p_rank or 1) < 0.05 for effect in effects) / 1000 <= 0.07


@pytest.mark.parametrize(("count", "cv", "ratio", "outcome", "expected"), [
    (3, 0.01, 1.0, "equivalent", 0.28), (5, 0.01, 1.0, "equivalent", 0.75), (8, 0.01, 1.0, "equivalent", 0.97),
    (3, 0.03, 1.10, "changed", 0.72), (5, 0.03, 1.05, "changed", 0.58), (8, 0.05, 1.10, "changed", 0.93),
])
def test_outcomes_come_as_often_as_expected(count, cv, ratio, outcome, expected):
    rng = np.random.default_rng(16)
    found = [compare_samples(launches(rng, cv, count), launches(rng, cv, count, ratio), 0.02).outcome for _ in range(600)]
    assert found.count(outcome) / 600 == pytest.approx(expected, abs=0.08)
