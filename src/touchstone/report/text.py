"""The terminal face: identity, verdict, the sentence, the table, memory and limits, then what else there is room for.

A screen of 24 lines of 80 cells holds six scenarios. The verdict comes before the numbers; of analysis and advice stands here what
fits, and everything in the report whose path is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from touchstone.finding import Findings
from touchstone.message import Message, Translate, say
from touchstone.report import device_words, end_screen, table
from touchstone.report.table import COLON, METRIC_WORDS, plain, shortened
from touchstone.report.terminal import Screen
from touchstone.units import BYTES_PER_GB, significant

COLUMNS: tuple[Message, ...] = (
    say("Scenario"), say("In"), say("Out"), say("Batch"), say("TTFT ms"), say("tok/s /req"), say("Output tok/s"), say("Peak GB"), say("n"),
    say("±%"), say("Verdict"),
)
"""The columns of every face's table, in its order, under heads that leave room for the titles of the rows."""
_LONGEST_NAME = 48
_MEMORY, _ADVICE, _DEVICES, _SILENCE, _ANALYSIS = 2, 5, 6, 7, 8
"""What of a run is left out where there are too few lines: the highest first (:mod:`touchstone.report.end_screen` has the others)."""
_ENERGY = frozenset({"power", "energy_per_token"})
"""Metrics that the table has no column for, so that their sentences outrank the others."""

Said = Callable[[Message], str]


def to_text(findings: Findings, translate: Translate, lang: str) -> str:
    """The report for a terminal, as wide as it is (80 cells where there is none, at most 120)."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen(end_screen.height(findings))
    screen.line(_identity(findings, said(say("random weights")), said(table.run_word(findings.status))), most=3)
    end_screen.verdict(screen, findings, said)
    end_screen.sentence(screen, findings, said)
    if findings.cases:
        screen.line(rank=end_screen.BLANK)
        screen.table([said(column) for column in COLUMNS], [_without_percent(row) for row in table.rows(findings, translate, lang)],
                     names=[plain(case.name) for case in findings.cases])
        screen.line(rank=end_screen.BLANK)
    _beside_the_table(screen, findings, said)
    for prompt, text in findings.texts.items() if not findings.cases else ():
        screen.line(f"{said(say('Text'))} {prompt}{said(COLON)}{plain(text)}")
    end_screen.files(screen, findings, said, lang)
    return screen.text()


def _identity(findings: Findings, random: str, status: str) -> str:
    one = findings.identity
    mark = f" ({random})" if one.get("random_weights") else ""
    parts = [f"{shortened(str(one['model']), _LONGEST_NAME)}{mark} {one['dtype']}", one.get("engine_version") or one["engine"],
             f"{one['device']} {one.get('device_name') or ''}", findings.plan_name, status]
    return " · ".join(plain(part).strip() for part in parts)


def _without_percent(row: list[str]) -> list[str]:
    """The unit of the interval stands in the head of its column."""
    return [*row[:-2], row[-2].removesuffix("%").rstrip(), row[-1]]


def _beside_the_table(screen: Screen, findings: Findings, said: Said) -> None:
    """Memory, limits, and, as far as there is room, advice, devices and analysis."""
    if memory := " · ".join(map(said, _memory(findings))):
        screen.line(memory, rank=_MEMORY, most=2)
    end_screen.limits(screen, findings, said)
    for advice in findings.advice:
        screen.line(f"{said(say('Advice ({workload})', workload=advice.workload))}{said(COLON)}{said(advice.text)}", rank=_ADVICE)
    watched = [said(one) for one in device_words.watching(findings)]
    if watched:
        screen.line(f"{said(say('Devices'))}{said(COLON)}{' · '.join(watched)}", rank=_DEVICES)
    for silence in findings.silent:
        screen.line(f"{said(say('No advice'))}{said(COLON)}{said(silence)}", rank=_SILENCE)
    for metric, words in findings.analysis:
        screen.line(f"{said(METRIC_WORDS[metric])}{said(COLON)}{said(words)}", rank=_MEMORY if metric in _ENERGY else _ANALYSIS)


def _memory(findings: Findings) -> Iterator[Message]:
    memory = findings.memory
    if memory.get("weight_bytes"):
        yield say("weights {size}", size=f"{significant(memory['weight_bytes'] / BYTES_PER_GB)} GB")
    if memory.get("kv_bytes_per_token"):
        yield say("KV cache {size} kB per token", size=significant(memory["kv_bytes_per_token"] / 1e3))
    for load in findings.loads[:1]:
        share = load.get("resident_fraction")
        kind = say("load") if share is None else say("cold load") if share < 0.05 else say("warm load")
        yield say("{kind} {seconds} s", kind=kind, seconds=significant(load["seconds"], 3))
