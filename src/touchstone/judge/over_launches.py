"""The interval around a mean: over launches where there are several, else within the one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from touchstone.judge import stats
from touchstone.message import Message, say

WITHIN_LAUNCH = "log-t over the trials of one launch"
BETWEEN_LAUNCHES = "log-t over launches"


def interval(centre: float, groups: Sequence[Sequence[float]]) -> tuple[float | None, float | None, str, dict[str, Message]]:
    """The 95 % interval around ``centre``: between launches where there are several, else within the one, and it says so."""
    if len(groups) > 1:
        units, method = [fmean(group) for group in groups], BETWEEN_LAUNCHES
    else:
        units, method = list(groups[0]), WITHIN_LAUNCH
    width = stats.log_t_half_width(units)
    if width is None:
        reason = say("an interval needs at least two trials; have {have}", have=len(units)) if len(units) < 2 \
            else say("an interval on the log scale needs positive values")
        return None, None, method, {"low": reason, "high": reason}
    return centre * math.exp(-width), centre * math.exp(width), method, {}
