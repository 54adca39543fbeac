"""The words that pictures share: what an axis counts, and the name of a picture in the page."""

from __future__ import annotations

import re
from collections.abc import Callable

from touchstone.message import Message, say
from touchstone.report.both import Both, both
from touchstone.report.table import METRIC_WORDS, SCALES

_UNITS = {
    "output_throughput": say("output tokens/s, all requests together"), "prompt_throughput": say("input tokens/s, all requests together"),
    "total_throughput": say("input and output tokens/s, all requests together"), "decode_speed": say("output tokens/s per request"),
    "tpot": say("ms per output token"), "itl": say("ms between token events"),
}
_LONGEST = 60


def metric_word(metric: str) -> Message:
    """The name of a metric; one without a word of its own keeps its id."""
    return METRIC_WORDS.get(metric) or say("{metric}", metric=metric)


def unit_words(metric: str, unit: str) -> Message:
    """What a number of ``metric`` counts and per what; ``unit`` is the plot's, for a metric that no face scales."""
    return _UNITS.get(metric) or say("{unit}", unit=unit_of(metric, unit))


def unit_of(metric: str, unit: str) -> str:
    """The unit in which a metric is shown."""
    return SCALES[metric].unit if metric in SCALES else unit


def factor_of(metric: str) -> float:
    """What a value in SI units is multiplied by to be shown."""
    return SCALES[metric].factor if metric in SCALES else 1.0


def identifier(kind: str, name: str) -> str:
    """The id of a picture: its ``kind`` and what is left of ``name`` in a-z, 0-9 and hyphens."""
    return f"{kind}-{re.sub('[^a-z0-9]+', '-', name[:_LONGEST].lower()).strip('-') or 'x'}"


def headings(*words: Message) -> tuple[Both, ...]:
    """The columns of a table."""
    return tuple(both(word) for word in words)


def left_out(caption: Message, count: int) -> Message:
    """``caption``, and how many cases were too many for the picture."""
    return say("{caption} {count} more cases stand in the table only.", caption=caption, count=count) if count > 0 else caption


def about(case: Both, words: Callable[[str], Message]) -> Both:
    """A sentence about a case, whose title has two languages of its own."""
    return Both(both(words(case.en)).en, both(words(case.zh)).zh)
