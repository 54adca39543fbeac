"""Intervals from one series whose neighbours resemble each other."""

import numpy as np
import pytest

from touchstone.judge import stats


def autoregressive(rng, phi, n):
    values = np.empty(n)
    values[0] = rng.normal()
    for place, noise in enumerate(rng.normal(0, (1 - phi**2) ** 0.5, n - 1)):
        values[place + 1] = phi * values[place] + noise
    return values


def test_batches_are_neighbours_and_weigh_by_their_counts():
    assert stats.batch_means(np.arange(8.0), np.ones(8), 4) == [0.5, 2.5, 4.5, 6.5]
    assert stats.batch_means(np.array([10.0, 20.0, 3.0, 3.0]), np.array([1.0, 4.0, 2.0, 0.0]), 2) == [6.0, 3.0]
    assert stats.batch_means(np.arange(20.0), np.ones(20), 3) == pytest.approx([2.5, 9.0, 16.0])
    assert stats.batch_means(np.arange(3.0), np.ones(3), 10) == []
    assert len(stats.batch_means(np.arange(9.0), np.ones(9), 10)) == 4


def test_batches_cover_where_the_plain_interval_does_not():
    rng = np.random.default_rng(4)
    plain = batched = 0
    for _ in range(400):
        values = autoregressive(rng, 0.9, 200)
        means = stats.batch_means(values, np.ones(200), 10)
        plain += abs(values.mean()) <= stats.t_half_width(values.tolist())
        batched += abs(np.mean(means)) <= stats.t_half_width(means)
    assert 0.25 <= plain / 400 <= 0.41
    assert 0.81 <= batched / 400 <= 0.93


def test_blocks_keep_what_neighbours_share_and_single_values_do_not():
    values = autoregressive(np.random.default_rng(5), 0.9, 1000)
    blocks, single = [stats.block_bootstrap(values, np.mean, seed=1, block=size) for size in (50, 1)]
    assert blocks.high - blocks.low > 2 * (single.high - single.low)
    assert "blocks of 50" in blocks.method
    assert "blocks of 10," in stats.block_bootstrap(values, np.mean, seed=1, resamples=10).method


def test_the_bootstrap_of_independent_values_covers():
    rng = np.random.default_rng(6)
    found = [stats.block_bootstrap(rng.normal(5, 1, 60), np.median, seed=seed, block=1, resamples=300) for seed in range(200)]
    assert 0.88 <= sum(one.low <= 5 <= one.high for one in found) / 200 <= 0.99


def test_a_bootstrap_is_repeatable_and_another_seed_is_another_draw():
    values = list(range(40))
    one, same, other = [stats.block_bootstrap(values, np.mean, seed=seed) for seed in (1, 1, 2)]
    assert one == same
    assert (one.low, one.high) != (other.low, other.high)
    assert one.low < one.value < one.high


def test_fewer_than_eight_values_are_not_resampled():
    found = stats.block_bootstrap([1.0] * 7, np.mean, seed=0)
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert "have 7, need 8" in str(found.reason)
    assert stats.block_bootstrap([], np.mean, seed=0).value is None
