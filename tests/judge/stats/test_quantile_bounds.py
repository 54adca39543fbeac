"""The bounds of printed quantiles: the same order statistics, however the values are ordered, in the findings and in the JSON report."""

import json

import numpy as np
from builders import clean_run
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge import stats
from touchstone.judge.findings import findings_of
from touchstone.report.document import to_json


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_partly_sorted_bounds_are_those_of_the_interval(values, probability):
    interval = stats.quantile_interval(values, probability)
    bounds = stats.quantile_bounds(np.array(values), probability)
    assert bounds == (None if interval.low is None else (interval.low, interval.high))


def test_ranks_are_those_of_the_tables():
    assert stats.quantile_ranks(6, 0.5) == (1, 6)
    assert stats.quantile_ranks(10, 0.5) == (2, 9)
    assert stats.quantile_ranks(5, 0.5) is None
    assert stats.quantile_ranks(367, 0.99) is None
    assert stats.quantile_ranks(368, 0.99) is not None


def test_a_report_gives_them_beside_the_quantiles():
    metric = json.loads(to_json(findings_of(clean_run()), str, "en"))["cases"][0]["metrics"]["itl"]
    low, high = metric["quantile_bounds"]["p50"]
    assert low <= metric["p50"] <= high
    assert "p99" not in metric["quantile_bounds"] or metric["p99"] is not None
