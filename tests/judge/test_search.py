"""The search against servers whose true attainment is known: what it claims is true, what it finds is the edge, and it ends."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.judge.search import Done, Goal, Probe, Tried, falling_fit, next_step
from touchstone.judge.sequential import evidence
from touchstone.judge.stats import allowed_misses, chance_of_at_least, chance_of_at_most


def falling(knee, steepness, top=1.0):
    """A server whose share of requests within the limit falls with the load as a logistic curve."""
    return lambda value: top / (1 + (value / knee) ** steepness)


def search(goal, shares, seed=0):
    """The answer and everything tried, on a simulated server with one true share per level."""
    rng, history = np.random.default_rng(seed), []
    while True:
        step = next_step(goal, history)
        if isinstance(step, Done):
            assert step.requests == sum(tried.issued for tried in history)
            return step, history
        assert goal.least <= step.value <= goal.most
        misses = tuple(int(rng.binomial(step.requests, 1 - share(step.value))) for share in shares)
        history.append(Tried(step.value, step.requests, misses, step.confirming))


# ── what it claims ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("quantile", "share"), [(0.95, 0.9499), (0.9, 0.8999)])
def test_passing_is_claimed_wrongly_in_one_run_of_twenty_at_most(quantile, share):
    """The worst server there is: at every load a hair below the level, so that each value tried is a chance to be wrong."""
    runs = 300
    wrong = sum(search(Goal((quantile,), most=64, rounds=1), [lambda _: share], seed)[0].passes_at is not None for seed in range(runs))
    assert 0 < wrong <= 0.05 * runs + 2 * math.sqrt(0.05 * 0.95 * runs)


def test_failing_by_any_of_several_levels_needs_the_more_evidence():
    """Just enough misses for one level alone are not enough when it is one of eight that might have missed by chance."""
    misses = next(k for k in range(200) if evidence(k, 200, 0.9).fails >= -math.log(0.05 * 3 / 8))
    screened = [(4.0, 100), (5.0, 0)]
    for levels, decided in ((1, True), (8, False)):
        goal = Goal((0.9,) * levels, most=8)
        history = [Tried(value, 100, (100 - within,) * levels, False) for value, within in screened]
        history += [Tried(4.0, 1000, (0,) * levels, True), Tried(5.0, 200, (misses,) + (0,) * (levels - 1), True)]
        assert isinstance(next_step(goal, history), Done) == decided


def test_failing_is_claimed_wrongly_in_one_run_of_twenty_at_most():
    """At a server just on the level, which therefore keeps it."""
    runs = 300
    wrong = sum(search(Goal((0.9,), most=64, rounds=1), [lambda _: 0.9], seed)[0].fails_at is not None for seed in range(runs))
    assert 0 < wrong <= 0.05 * runs + 2 * math.sqrt(0.05 * 0.95 * runs)


@pytest.mark.parametrize(("quantile", "knee", "steepness"), [(0.99, 60, 30), (0.95, 60, 12), (0.9, 5, 10), (0.99, 700, 60)])
@pytest.mark.parametrize("whole", [True, False])
def test_the_edge_lies_between_what_is_claimed(quantile, knee, steepness, whole):
    share = falling(knee, steepness, 0.9999)
    for seed in range(8):
        done, _ = search(Goal((quantile,), whole=whole, rounds=2), [share], seed)
        assert done.passes_at is not None
        assert done.fails_at is not None
        assert share(done.fails_at) < quantile <= share(done.passes_at)
        assert not whole or done.passes_at == int(done.passes_at)
        assert str(done.sentence) == f"passes at {done.passes_at:g}, fails at {done.fails_at:g}, 95 %"


def test_claims_rest_on_confirming_requests_alone():
    goal = Goal((0.9,))
    screened = [Tried(42.0, 100_000, (0,), False), Tried(43.0, 100_000, (100_000,), False)]
    step = next_step(goal, screened)
    assert isinstance(step, Probe)
    assert (step.value, step.confirming) == (42.0, True)
    begun = next_step(goal, [*screened, Tried(42.0, 20, (0,), True)])
    assert isinstance(begun, Probe)
    assert (begun.value, begun.confirming) == (42.0, True)  # the 100,000 before it was chosen do not count
    confirmed = [*screened, Tried(42.0, 1000, (0,), True), Tried(43.0, 1000, (1000,), True)]
    assert (next_step(goal, confirmed).passes_at, next_step(goal, confirmed).fails_at) == (42.0, 43.0)


# ── what it finds ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("edge", [1, 2, 3, 7, 42, 63, 64, 65, 500])
def test_a_cliff_between_two_concurrencies_is_found(edge):
    for seed in range(3):
        done, _ = search(Goal((0.99,)), [lambda value: 0.9999 if value <= edge else 0.5], seed)
        assert done.passes_at <= edge < done.fails_at
        assert done.fails_at - done.passes_at <= max(1, math.floor(0.05 * done.passes_at))
        assert done.notes == ()


@pytest.mark.parametrize("edge", [0.03, 0.7, 3.3, 42.0, 900.0])
def test_a_cliff_between_two_rates_is_found_within_the_resolution(edge):
    for seed in range(3):
        done, _ = search(Goal((0.99,), whole=False, least=0.01), [lambda value: 0.9999 if value <= edge else 0.5], seed)
        assert done.passes_at <= edge < done.fails_at <= done.passes_at * 1.0501


def test_the_requests_go_to_the_edge():
    _, history = search(Goal((0.99,)), [falling(60, 30)])
    near = sum(tried.issued for tried in history if 40 <= tried.value <= 64)
    assert near > 0.8 * sum(tried.issued for tried in history)


def decides(issued, quantile, low, high, error):
    """Whether a fixed number of requests passes at a share of ``low`` and fails at ``high``, each in 80 % of cases."""
    misses = allowed_misses(issued, quantile, 1 - error)
    if misses is None or chance_of_at_least(issued - misses, issued, low) < 0.8:
        return False
    within = max((k for k in range(issued) if chance_of_at_most(k, issued, quantile) <= error), default=-1)
    return within >= 0 and chance_of_at_most(within, issued, high) >= 0.8


def test_it_spends_less_than_the_same_requests_at_every_value():
    """A design that may look once needs, at each of the values, what the two at the edge need."""
    share, spent, fixed = falling(30, 20, 0.9999), 0, 0
    for seed in range(5):
        done, history = search(Goal((0.95,)), [share], seed)
        values = {tried.value for tried in history}
        issued = 100
        while not decides(issued, 0.95, share(done.passes_at), share(done.fails_at), 0.05 / len(values)):
            issued = math.ceil(1.1 * issued)
        spent, fixed = spent + done.requests, fixed + len(values) * issued
    assert spent < 0.6 * fixed


# ── the ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_server_that_keeps_everything_passes_at_the_most_that_may_be_tried():
    done, history = search(Goal((0.99,), most=100), [lambda _: 1.0])
    assert (done.passes_at, done.fails_at) == (100, None)
    assert str(done.sentence) == "passes at 100, the most that was tried, 95 %"
    assert [tried.value for tried in history if not tried.confirming] == [1, 2, 4, 8, 16, 32, 64, 100]


def test_a_server_that_keeps_nothing_fails_at_the_least():
    done, history = search(Goal((0.99,), start=16), [lambda _: 0.0])
    assert (done.passes_at, done.fails_at) == (None, 1)
    assert str(done.sentence) == "fails at 1, the least that was tried, 95 %"
    assert [tried.value for tried in history if not tried.confirming] == [16, 8, 4, 2, 1]


def test_what_lies_on_the_level_is_undecided_and_said_so():
    done, _ = search(Goal((0.95,), most=8), [lambda _: 0.95], seed=1)
    assert (done.passes_at, done.fails_at) == (None, None)
    assert str(done.sentence) == "undecided at 95 %"
    assert "too near the level" in str(done.notes[0])


def test_a_value_that_cannot_be_decided_is_named_and_gone_around():
    share = {1: 1.0, 2: 1.0, 4: 1.0, 8: 0.95}
    done, _ = search(Goal((0.95,), most=16), [lambda value: share.get(value, 1.0 if value < 8 else 0.2)])
    assert (done.passes_at, done.fails_at) == (7, 9)
    assert str(done.notes[0]).startswith("Undecided at 8:")


def test_the_budget_ends_the_search_with_what_is_known():
    done, _ = search(Goal((0.99,), most_requests=1200), [falling(60, 30)])
    assert done.requests < 1200 + 1200
    assert done.fails_at is None
    assert "used up" in str(done.notes[0])


def test_every_level_must_be_kept_and_one_is_enough_to_fail():
    ttft, tpot = falling(200, 30), falling(20, 30)
    both, _ = search(Goal((0.9, 0.9)), [ttft, tpot])
    assert both.passes_at <= 19 <= both.fails_at
    assert both.fails_at <= 24


def test_a_server_that_recovers_under_more_load_is_a_warning():
    history = [Tried(8.0, 500, (250,), False), Tried(16.0, 500, (0,), False)]
    goal = Goal((0.9,), most=16)
    while isinstance(step := next_step(goal, history), Probe):
        history.append(Tried(step.value, step.requests, (step.requests // 2 if step.value == 8 else 0,), step.confirming))
    assert any("8 does worse than 16" in str(note) for note in step.notes)
    clean, _ = search(goal, [falling(9, 10)])
    assert not any("does worse" in str(note) for note in clean.notes)


# ── how it behaves ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_history_gives_the_same_step():
    _, history = search(Goal((0.9,)), [falling(20, 10)])
    for end in range(len(history)):
        step = next_step(Goal((0.9,)), tuple(history[:end]))
        assert (step.value, step.requests, step.confirming) == (history[end].value, history[end].issued, history[end].confirming)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 0.99), st.booleans(), st.integers(1, 300), st.integers(1, 300), st.data())
def test_it_ends_whatever_the_server_does(quantile, whole, start, most, data):
    """Shares that have nothing to do with the load: no exception, no value out of bounds, an end."""
    goal = Goal((quantile,), whole=whole, start=min(start, most), most=most, rounds=1)
    history = []
    for _ in range(400):
        step = next_step(goal, history)
        if isinstance(step, Done):
            assert step.passes_at is None or step.fails_at is None or step.passes_at < step.fails_at
            return
        assert goal.least <= step.value <= goal.most
        assert step.requests >= max(1, goal.rounds * step.value - 1)
        share = data.draw(st.sampled_from([0.0, 0.3, quantile, 0.97, 1.0]))
        history.append(Tried(step.value, step.requests, (round(step.requests * (1 - share)),), step.confirming))
    pytest.fail("no end")


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 1000)), min_size=1, max_size=12))
def test_the_fit_falls_keeps_the_mean_and_is_the_nearest(rows):
    shares, weights = map(list, zip(*rows, strict=True))
    fit = falling_fit(shares, weights)
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(fit))
    assert np.average(fit, weights=weights) == pytest.approx(np.average(shares, weights=weights))
    # The max-min formula of isotonic regression (Robertson, Wright and Dykstra, 1988, theorem 1.4.4).
    means = [[np.average(shares[i:j + 1], weights=weights[i:j + 1]) if i <= j else None for j in range(len(rows))] for i in range(len(rows))]
    for place, value in enumerate(fit):
        assert value == pytest.approx(max(min(means[i][j] for i in range(place + 1)) for j in range(place, len(rows))))
