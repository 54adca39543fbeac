"""The words that pictures share: what an axis counts, and the name of a picture in the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from touchstone.message import Message, say
from touchstone.report.both import Both, both
from touchstone.report.charts import palette
from touchstone.report.charts.chart import Key
from touchstone.report.table import METRIC_WORDS, SCALES

_UNITS = {
    "output_throughput": say("output tokens/s, all requests together"), "prompt_throughput": say("input tokens/s, all requests together"),
    "total_throughput": say("input and output tokens/s, all requests together"), "decode_speed": say("output tokens/s per request"),
    "tpot": say("ms per output token"), "itl": say("ms between token events"),
}
_LONGEST = 60
_MOST_SHARING = 4


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


def launch_keys(launches: Iterable[int]) -> tuple[Key, ...]:
    """The entries of a legend for ``launches`` (from 0): where there are more than marks, an entry names all that share one."""
    sharing: dict[int, list[int]] = {}
    for launch in sorted(set(launches)):
        sharing.setdefault(launch % len(palette.SERIES), []).append(launch + 1)
    return tuple(Key(both(say("launch {number}", number=", ".join(map(str, numbers[:_MOST_SHARING])) + (" …" if len(numbers) > _MOST_SHARING else ""))),
                     series) for series, numbers in sorted(sharing.items()))


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
