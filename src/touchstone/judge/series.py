"""Cases that differ only in their batch size: what batching does can be seen in them and in no others."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from touchstone.finding import CaseFinding


def batch_series(cases: Iterable[CaseFinding]) -> list[list[CaseFinding]]:
    """``cases`` grouped by input and output length as measured, each group by batch size."""
    ordered = sorted(cases, key=lambda case: (*_shape(case), case.batch_size))
    return [list(group) for _, group in groupby(ordered, key=_shape)]


def _shape(case: CaseFinding) -> tuple[float, float]:
    return case.input_tokens or 0.0, case.output_tokens or 0.0
