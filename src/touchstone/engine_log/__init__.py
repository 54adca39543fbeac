"""Reads the log of a serving engine for what it says of memory; pure, a line at a time, in constant memory.

Sizes that these engines print as GB and MB are GiB and MiB: Llama-2-7B in half precision, 6,738,415,616 values of two bytes, is
logged as 12.5534 GB, which is its 13.477e9 bytes divided by 2^30.
"""

from __future__ import annotations

from collections.abc import Iterable

from touchstone.engine_log.lines import cleaned
from touchstone.engine_log.story import Story
from touchstone.footprint import EngineLog
from touchstone.log_lines import LONGEST


def read_log(lines: Iterable[str]) -> EngineLog:
    """What the last start in the ``lines`` of a log says, of vLLM, vLLM-Ascend, SGLang, llama.cpp, MindIE or transformers.

    Lines may have any prefix (a container's, a process's) and colours; what no pattern knows is passed over. Never raises.
    """
    story = Story()
    for number, line in enumerate(lines, start=1):
        story.hear(number, cleaned(line[:LONGEST]))
    return story.told()
