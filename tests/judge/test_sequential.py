"""The bets that a search watches: their arithmetic against direct integration, and their promise by exhaustion and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from touchstone.judge.sequential import evidence, more_to_pass

_ROUNDING = 1e-6  # logarithms of incomplete beta functions far out in their tails are good to about 1e-8


def capital(misses, issued, quantile, low, high):
    """The mixture of likelihood ratios by numerical integration; rate = root² takes the singularity at 0 away."""
    limit = 1 - quantile

    def ratio(root):
        rate = root * root
        return (rate / limit) ** misses * ((1 - rate) / quantile) ** (issued - misses)

    whole = math.sqrt(high) - math.sqrt(low)
    return quad(ratio, math.sqrt(low), math.sqrt(high), limit=200)[0] / whole


@given(st.integers(0, 60), st.data(), st.sampled_from([0.5, 0.9, 0.99]))
def test_the_formula_is_the_integral(issued, data, quantile):
    misses = data.draw(st.integers(0, issued))
    found = evidence(misses, issued, quantile)
    assert math.exp(found.passes) == pytest.approx(capital(misses, issued, quantile, 0, 1 - quantile), rel=1e-6, abs=1e-12)
    assert math.exp(found.fails) == pytest.approx(capital(misses, issued, quantile, 1 - quantile, 1), rel=1e-6, abs=1e-12)


@given(st.integers(0, 300), st.data(), st.sampled_from([0.5, 0.9, 0.99]), st.floats(0, 1))
def test_neither_bet_gains_on_average_while_the_claim_against_it_is_true(issued, data, quantile, part):
    """The supermartingale property, one request ahead, wherever the bet stands."""
    misses = data.draw(st.integers(0, issued))
    limit = 1 - quantile
    now, hit, miss = evidence(misses, issued, quantile), evidence(misses, issued + 1, quantile), evidence(misses + 1, issued + 1, quantile)
    bad, good = limit + part * (1 - limit), part * limit
    if math.isfinite(now.passes):
        assert bad * math.exp(miss.passes - now.passes) + (1 - bad) * math.exp(hit.passes - now.passes) <= 1 + _ROUNDING
    if math.isfinite(now.fails):
        assert good * math.exp(miss.fails - now.fails) + (1 - good) * math.exp(hit.fails - now.fails) <= 1 + _ROUNDING
    assert math.isfinite(now.passes) or misses > issued * limit
    assert math.isfinite(now.fails) or misses < issued * limit


def test_looking_after_every_request_keeps_the_error():
    """At the limit itself, the hardest place, neither bet may be won in more than 5 % of runs, however often one looks."""
    runs, issued, quantile = 1000, 400, 0.9
    rng = np.random.default_rng(7)
    misses = np.cumsum(rng.random((runs, issued)) < 1 - quantile, axis=1)
    wins = {name: np.full((issued + 1, issued + 1), False) for name in ("passes", "fails")}
    for n in range(1, issued + 1):
        for m in np.unique(misses[:, n - 1]):
            found = evidence(int(m), n, quantile)
            wins["passes"][n, m], wins["fails"][n, m] = found.passes >= math.log(20), found.fails >= math.log(20)
    for table in wins.values():
        won = table[np.arange(1, issued + 1), misses].any(axis=1)
        assert 0 < won.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


@given(st.integers(0, 10), st.integers(0, 300), st.sampled_from([0.5, 0.9, 0.99]), st.sampled_from([0.05, 0.01]))
def test_more_to_pass_is_just_enough(misses, within, quantile, error):
    issued = misses + within
    more = more_to_pass(misses, issued, quantile, error)
    assert evidence(misses, issued + more, quantile).passes >= -math.log(error)
    assert more == 0 or evidence(misses, issued + more - 1, quantile).passes < -math.log(error)


def test_nothing_seen_is_no_evidence_and_much_seen_stays_finite():
    assert evidence(0, 0, 0.99).passes == pytest.approx(0, abs=1e-12)
    assert evidence(0, 0, 0.99).fails == pytest.approx(0, abs=1e-12)
    assert evidence(10**6, 10**6, 0.99).fails > 1e6
    assert evidence(10**6, 10**6, 0.99).passes < 0
    assert evidence(0, 10**6, 0.5).passes > 1e5
    assert not math.isnan(evidence(5 * 10**5, 10**6, 0.999).passes)
