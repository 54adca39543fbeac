"""Advice follows from cases that stand, names them, and is silent with a reason elsewhere."""

from dataclasses import replace

import pytest
from builders import make_finding

from touchstone.finding import Trust
from touchstone.judge.advice import advise


def series(*throughputs, **changes):
    """Batches 1, 2, 4, … of one shape."""
    return [make_finding(f"b{2 ** place}", 2 ** place, throughput, **changes) for place, throughput in enumerate(throughputs)]


def on(workload, cases):
    return [one for one in advise(cases)[0] if str(one.workload) == workload]


def test_the_largest_batch_is_advised_where_it_is_clearly_best():
    (advice,) = on("offline and batch work", series(100, 190, 350))
    assert "use batch 4: 350 tokens/s, 3.50 times batch 1" in str(advice.text)
    assert "the largest batch tried" in str(advice.text)
    assert advice.evidence == "b1, b2, b4"


def test_the_smallest_of_the_batches_that_cannot_be_told_apart_is_advised():
    (advice,) = on("offline and batch work", series(100, 340, 350, spread=0.02))
    assert "use batch 2: 340 tokens/s" in str(advice.text)
    assert "the largest batch tried" not in str(advice.text)


def test_where_wide_intervals_hide_the_difference_nothing_is_advised():
    cases = series(100, 190, 200, spread=0.9)
    assert on("offline and batch work", cases) == []
    _, silent = advise(cases)
    assert "batch 1 and batch 4 are known too widely" in str(silent[0])


def test_a_batch_clearly_below_the_best_is_not_tied_with_it():
    (advice,) = on("offline and batch work", series(100, 330, 350, spread=0.02))
    assert "use batch 4" in str(advice.text)


def test_the_best_batch_may_lie_in_the_middle():
    (advice,) = on("offline and batch work", series(100, 350, 200))
    assert "use batch 2" in str(advice.text)


def test_shapes_are_not_mixed():
    other = [replace(case, name=f"long-{case.name}", input_tokens=500.0) for case in series(50, 60)]
    assert [one.evidence for one in on("offline and batch work", [*series(100, 190), *other])] == ["b1, b2", "long-b1, long-b2"]


def test_one_batch_size_is_no_ground_for_choosing_one():
    advice, silent = advise(series(100))
    assert not [one for one in advice if str(one.workload) == "offline and batch work"]
    assert [str(one).partition(":")[0] for one in silent] == ["which batch size to use"]


def test_rejected_cases_carry_no_advice():
    cases = series(100, 190, 350)
    cases[2] = replace(cases[2], trust=Trust.REJECTED)
    advice, _ = advise(cases)
    assert advice
    assert not [one for one in advice if "b4" in one.evidence or "batch 4" in str(one.text)]


def test_where_nothing_stands_there_is_no_advice_and_the_reasons_are_given():
    advice, silent = advise([replace(case, trust=Trust.REJECTED) for case in series(100, 190)])
    assert advice == ()
    assert len(silent) == 2


@pytest.mark.parametrize("changes", [{"ok": 0}, {"speed": False}])
def test_failed_cases_and_free_lengths_carry_no_advice(changes):
    assert advise([replace(case, **changes) for case in series(100, 190)])[0] == ()


def test_the_highest_peak_is_what_to_plan_for():
    cases = series(100, 190)
    peak = replace(cases[1].metrics["peak_memory"], value=17e9)
    cases[1] = replace(cases[1], metrics={**cases[1].metrics, "peak_memory": peak})
    (advice,) = on("memory", cases)
    assert "17 GB (15.83 GiB)" in str(advice.text)
    assert advice.evidence == "b2"


def test_interactive_up_to_the_largest_batch_tried():
    (advice,) = on("interactive work", series(100, 190, 350, tpot=0.03))
    assert "up to batch 4, the largest tried" in str(advice.text)


@pytest.mark.parametrize("slow", [{"tpot": 0.06}, {"tpot": 0.0499}, {"ttft": 0.6}])
def test_a_larger_batch_that_breaks_a_limit_is_named(slow):
    cases = [*series(100, 190), make_finding("b4", 4, 350, **slow)]  # 49.9 ms are inside, the upper end of their interval is not
    (advice,) = on("interactive work", cases)
    assert "hold up to batch 2 and no longer at batch 4" in str(advice.text)


def test_no_batch_inside_the_limits_is_said():
    (advice,) = on("interactive work", series(100, 190, ttft=2.0))
    assert "no batch tried keeps TTFT <= 500 ms" in str(advice.text)
