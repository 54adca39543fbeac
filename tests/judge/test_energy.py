"""Energy of samples against power curves whose integral is known, and silence where samples say too little."""

from itertools import pairwise

import numpy as np
import pytest
from builders import S
from hypothesis import assume, given
from hypothesis import strategies as st

from touchstone.judge.energy import Curve, counted_energy, integrated_energy
from touchstone.message import Message

MS = 1_000_000
origins = st.integers(0, 10**15)
watts = st.floats(0, 1500)
knots = st.lists(watts, min_size=8, max_size=60)
shares = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


def curve(values, period_ns=250 * MS, origin_ns=0):
    return Curve.of((origin_ns + place * period_ns, value) for place, value in enumerate(values))


def stretch(count, part, origin_ns=0, period_ns=250 * MS):
    """Two moments within the samples, at least three periods apart."""
    reach_ns = (count - 1) * period_ns
    from_ns, to_ns = (origin_ns + round(share * reach_ns) for share in part)
    assume(to_ns - from_ns >= 3 * period_ns + MS)
    return from_ns, to_ns


def exact(values, from_ns, to_ns, origin_ns=0, period_ns=250 * MS):
    """The integral of the lines between ``values``, by the closed form of each piece."""
    total = 0.0
    for place, (left, right) in enumerate(pairwise(values)):
        start, end = origin_ns + place * period_ns, origin_ns + (place + 1) * period_ns
        low, high = max(start, from_ns), min(end, to_ns)
        if low < high:
            middle = ((low + high) / 2 - start) / period_ns
            total += (left + (right - left) * middle) * (high - low) / S
    return total


@given(knots, shares, origins)
def test_the_integral_of_straight_lines_is_exact(values, part, origin_ns):
    from_ns, to_ns = stretch(len(values), part, origin_ns)
    found = integrated_energy(curve(values, origin_ns=origin_ns), from_ns, to_ns)
    assert found == pytest.approx(exact(values, from_ns, to_ns, origin_ns), rel=1e-9, abs=1e-6)


@given(knots, shares)
def test_energy_lies_between_the_least_and_the_largest_power(values, part):
    from_ns, to_ns = stretch(len(values), part)
    found = integrated_energy(curve(values), from_ns, to_ns)
    length_s = (to_ns - from_ns) / S
    assert min(values) * length_s - 1e-6 <= found <= max(values) * length_s + 1e-6


@given(st.lists(watts, min_size=24, max_size=60), st.floats(0.3, 0.7))
def test_energy_of_two_halves_is_the_energy_of_the_whole(values, share):
    end_ns = (len(values) - 1) * 250 * MS
    cut_ns = round(share * end_ns)
    whole = curve(values)
    for energy in (integrated_energy, counted_energy):
        of = Curve(whole.at_s, np.cumsum(whole.values), whole.start_ns) if energy is counted_energy else whole
        assert energy(of, 0, cut_ns) + energy(of, cut_ns, end_ns) == pytest.approx(energy(of, 0, end_ns), rel=1e-9, abs=1e-6)


@given(watts, shares, st.floats(0, 1e12))
def test_a_counter_and_the_integral_agree_on_constant_power(power, part, begin_j):
    from_ns, to_ns = stretch(40, part)
    counter = curve([begin_j + power * place / 4 for place in range(40)])
    assert counted_energy(counter, from_ns, to_ns) == pytest.approx(power * (to_ns - from_ns) / S, rel=1e-6, abs=1e-2)
    assert integrated_energy(curve([power] * 40), from_ns, to_ns) == pytest.approx(power * (to_ns - from_ns) / S, rel=1e-9)


def test_samples_are_put_in_order_and_a_moment_counts_once():
    shuffled = Curve.of([(750 * MS, 4.0), (0, 1.0), (500 * MS, 3.0), (250 * MS, 9.0), (250 * MS, 2.0)])
    assert shuffled.values.tolist() == [1, 2, 3, 4]
    assert shuffled.period_s == pytest.approx(0.25)


@pytest.mark.parametrize(("samples", "from_ns", "to_ns", "why"), [
    (range(40), 0, 700 * MS, "shorter than 3 sampling periods"),
    (range(40), -250 * MS, 2 * S, "do not reach"),
    (range(40), 8 * S, 10 * S, "do not reach"),
    ([*range(10), *range(14, 40)], 0, 5 * S, "without a sample"),
    ([0], 0, S, "fewer than two"),
    ([], 0, S, "fewer than two"),
])
def test_where_samples_say_too_little_there_is_a_reason(samples, from_ns, to_ns, why):
    power = Curve.of((place * 250 * MS, 100.0) for place in samples)
    for energy in (integrated_energy, counted_energy):
        found = energy(power, from_ns, to_ns)
        assert isinstance(found, Message)
        assert why in str(found)


def test_a_hole_outside_the_time_asked_for_does_not_matter():
    power = Curve.of((place * 250 * MS, 100.0) for place in [*range(20), *range(40, 60)])
    assert integrated_energy(power, 0, 4 * S) == pytest.approx(400)


def test_a_counter_that_fell_counts_nothing():
    found = counted_energy(curve([10, 20, 30, 0, 10, 20, 30]), 0, 1500 * MS)
    assert "fell" in str(found)
