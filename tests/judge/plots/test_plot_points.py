"""Fewer points that say the same: steps of a distribution, thinned series, and the front of ways to run."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from touchstone.finding import Trust
from touchstone.judge.plots.cdf import STEPS, steps_of
from touchstone.judge.plots.curves import with_front
from touchstone.judge.plots.gantt import _longer_than_a_blink
from touchstone.judge.plots.thinning import thinned
from touchstone.plots import OperatingPoint
from touchstone.units import NS_PER_S

# ── distributions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def samples(most):
    """Whole nanoseconds in seconds, many of them equal."""
    sizes = st.integers(1, most)
    return st.one_of(arrays.arrays(np.int64, sizes, elements=st.integers(1, 20)),
                     arrays.arrays(np.int64, sizes, elements=st.integers(1, 10**13), fill=st.nothing())).map(lambda values: values / NS_PER_S)


@settings(max_examples=150)
@given(samples(2000))
def test_every_step_of_a_distribution_is_the_true_share_of_what_is_at_most_x(values):
    points = steps_of(values)
    assert len(points) <= STEPS
    assert [share for _, share in points] == [np.count_nonzero(values <= x) / len(values) for x, _ in points]
    assert all(one[0] < other[0] and one[1] < other[1] for one, other in pairwise(points))
    assert (points[0][0], points[-1][0]) == (values.min(), values.max())
    assert points[0][1] > 0
    assert points[-1][1] == 1


@settings(max_examples=60)
@given(samples(STEPS))
def test_a_small_sample_keeps_every_value(values):
    assert [x for x, _ in steps_of(values)] == np.unique(values).tolist()


@settings(max_examples=60)
@given(st.integers(STEPS + 1, 5000), st.integers(1, 99))
def test_every_percent_of_a_large_sample_can_be_read_off(n, percent):
    values = np.random.default_rng(n).permutation(n) + 1.0
    least = -(-percent * n // 100)
    assert (least, least / n) in steps_of(values)


def test_the_upper_tail_is_closer_the_nearer_it_is_to_the_largest():
    shares = [share for _, share in steps_of(np.arange(1.0, 1_000_001.0))]
    for beyond in (0.99, 0.999, 0.9999, 0.99999):
        assert sum(share > beyond for share in shares) >= 10


def test_gaps_of_32_bits_come_out_as_whole_nanoseconds():
    assert steps_of(np.array([0.01, 0.02], dtype=np.float32)) == ((0.01, 0.5), (0.02, 1.0))


# ── thinning ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


series = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 50)), min_size=1, max_size=600, unique_by=lambda pair: pair[0]).map(sorted)


@given(series, st.integers(4, 60))
def test_thinning_keeps_the_ends_and_the_extremes_and_invents_nothing(points, most):
    x, y = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    kept = thinned(x, y, most)
    assert len(kept) <= most
    assert set(kept) <= set(points)
    assert list(kept) == sorted(kept)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert (min(y for _, y in kept), max(y for _, y in kept)) == (y.min(), y.max())


@given(series, st.integers(4, 60))
def test_a_step_holds_after_thinning_wherever_nothing_happens_for_long(points, most):
    x, y = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    kept = thinned(x, y, most)
    stretch = (x[-1] - x[0]) / ((most - 1) // 3)
    for place, after in enumerate(np.diff(x)):
        if after > stretch:  # until the next step, this one must be seen
            assert points[place] in kept


def test_nothing_thins_to_nothing():
    assert thinned(np.zeros(0), np.zeros(0), 10) == ()


# ── the front ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def point(speed, throughput, trust=Trust.TRUSTED):
    return OperatingPoint(case="c", trust=trust, load_kind="concurrency", load=1.0, output_throughput=throughput or 1.0, low=None, high=None,
                          ttft_p50=None, ttft_p99=None, tpot_p50=None, tpot_p99=None, user_speed=speed, device_throughput=throughput,
                          goodput=None, goodput_low=None, goodput_high=None, on_front=False)


worth = st.one_of(st.none(), st.integers(1, 8).map(float))


@settings(max_examples=300)
@given(st.lists(st.builds(point, worth, worth, st.sampled_from(Trust)), max_size=14))
def test_the_front_is_what_no_believable_point_beats(points):
    fronted = with_front(points)
    assert [one.trust for one in fronted] == [one.trust for one in points]
    for mine in fronted:
        x, y = mine.user_speed, mine.device_throughput
        beaten = [other for other in points if other.trust is not Trust.REJECTED and None not in (x, y, other.user_speed, other.device_throughput)
                  and ((other.user_speed > x and other.device_throughput >= y) or (other.user_speed >= x and other.device_throughput > y))]
        assert mine.on_front == (mine.trust is not Trust.REJECTED and None not in (x, y) and not beaten)


@pytest.mark.parametrize("trust", [Trust.TRUSTED, Trust.SUSPECT])
def test_a_rejected_point_hides_no_other(trust):
    best, other = with_front([point(9.0, 9.0, Trust.REJECTED), point(1.0, 1.0, trust)])
    assert (best.on_front, other.on_front) == (False, True)


def test_the_gap_between_an_answer_and_the_next_request_is_not_drawn_but_a_real_dip_and_a_short_peak_are():
    at_ns = np.array([0, 1_000, 1_001, 2_000, 2_001, 2_002, 3_000, 3_500, 10_000])
    counts = np.array([4, 0, 4, 4, 9, 4, 1, 4, 0])
    assert [(int(at_ns[one]), int(counts[one])) for one in _longer_than_a_blink(at_ns, counts)] == [
        (0, 4), (1_001, 4), (2_001, 9), (2_002, 4), (3_000, 1), (3_500, 4), (10_000, 0)]
