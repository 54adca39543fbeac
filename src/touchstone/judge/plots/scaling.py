"""How throughput grows with the batch, beside the growth that would cost nobody anything."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.finding import CaseFinding, Trust
from touchstone.judge.plots.shapes import Shape
from touchstone.plots import Scaling, ScalingPoint


def scalings(shapes: Sequence[Shape]) -> tuple[Scaling, ...]:
    """One for every shape that was measured at several batch sizes, one of them believable."""
    return tuple(scaling for shape in shapes if shape.batched and (scaling := _scaling(shape)) is not None)


def _scaling(shape: Shape) -> Scaling | None:
    known = [(value, case) for case in shape.cases if (value := case.metrics["output_throughput"].value) is not None]
    base = next(((value, case) for value, case in known if case.trust is not Trust.REJECTED), None)
    if base is None or len(known) < 2:
        return None
    points = [_point(case, value, base[0] * (case.batch_size / base[1].batch_size)) for value, case in known]
    return Scaling(shape.input_tokens, shape.output_tokens, tuple(points))


def _point(case: CaseFinding, value: float, ideal: float) -> ScalingPoint:
    estimate = case.metrics["output_throughput"]
    return ScalingPoint(case.name, case.trust, case.batch_size, value, estimate.low, estimate.high, ideal,
                        superlinear=estimate.low is not None and estimate.low > ideal)
