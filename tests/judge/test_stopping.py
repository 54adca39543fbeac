"""Warm enough and precise enough: decided on the trials alone."""

import math
import random

import pytest
from builders import JITTER, MS, make_trial
from scipy.stats import t

from touchstone.judge.stopping import enough, warm_after


def series(factors):
    """Trials whose first token and steps take the usual time, times each factor."""
    return [make_trial(index=index, first_ns=round(50 * MS * factor), step_ns=round(10 * MS * factor))
            for index, factor in enumerate(factors)]


def first_answer(factors):
    """What a pilot is told after each further trial, until it gets a number."""
    trials = series(factors)
    return next(((seen, found) for seen in range(1, len(trials) + 1) if (found := warm_after(trials[:seen])) is not None), None)


@pytest.mark.parametrize("n", range(10))
def test_never_enough_before_ten_trials(n):
    assert not enough(series([1.0] * n), 0.5)


def test_a_quiet_series_is_enough():
    assert enough(series(JITTER), 0.02)


def test_a_noisy_series_is_not_enough_and_becomes_so_for_a_wider_wish():
    chooser = random.Random(3)
    noisy = series([chooser.uniform(0.7, 1.3) for _ in range(12)])
    assert not enough(noisy, 0.02)
    assert enough(noisy, 0.5)


def test_the_wish_is_the_half_width_that_is_reached():
    trials = series([math.exp(0.05), math.exp(-0.05)] * 5)
    reached = math.expm1(t.ppf(0.975, 9) * 0.05 / 3)  # the deviation of ten values of ±a is a·sqrt(10/9)
    assert not enough(trials, 0.99 * reached)
    assert enough(trials, 1.01 * reached)


def test_flat_from_the_start_is_warm_after_two():
    assert first_answer([JITTER[place % 10] for place in range(20)]) == (12, 2)
    assert first_answer([1.0] * 20) == (12, 2)


@pytest.mark.parametrize("head", [[2.0, 1.6, 1.3, 1.1], [3.0, 2.5, 2.0, 1.8]])
def test_a_slow_start_is_left_behind(head):
    seen, found = first_answer(head + [JITTER[place % 10] for place in range(16)])
    assert 2 <= found <= 10
    assert seen == found + 10


def test_trials_that_keep_getting_slower_or_faster_are_never_warm():
    assert first_answer([1 + 0.05 * place for place in range(20)]) is None
    assert first_answer([2 - 0.05 * place for place in range(20)]) is None


def test_too_few_trials_say_nothing():
    assert warm_after(series([1.0] * 11)) is None
