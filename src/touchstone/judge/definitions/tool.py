"""What another tool's definitions are made of: the rules that all its metrics share, and the function that gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from touchstone.finding import ForeignMetric
from touchstone.judge.definitions.answers import Answers, Reading


@dataclass(frozen=True)
class Tool:
    """A load generator, as read in ``source`` of ``version``.

    ``clock`` says where its latencies start, ``tokens`` how it counts them, ``percentiles`` by which rule, ``window`` over which time its
    rates are, ``failures`` what it takes for one. ``chat`` and ``completions`` are how it reads the answers of the two endpoints,
    ``measure`` gives its metrics over the repeats of one load.
    """

    name: str
    version: str
    source: str
    clock: str
    tokens: str
    percentiles: str
    window: str
    failures: str
    chat: Reading
    completions: Reading
    measure: Callable[[Sequence[Answers]], tuple[ForeignMetric, ...]]
