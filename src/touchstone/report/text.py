"""The terminal face: identity, verdict, table, analysis, advice. The verdict comes before the numbers."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from touchstone.finding import Findings
from touchstone.message import Message, Translate, say
from touchstone.report import table
from touchstone.report.table import METRIC_WORDS, STATUS_WORDS, TRUST_WORDS, plain
from touchstone.units import gigabytes, significant

_REASONS = 3
_WIDEST = 120
_NARROWEST_TITLE = 6


def to_text(findings: Findings, translate: Translate, lang: str) -> str:
    """The report for a terminal, as wide as it is (80 cells where there is none, at most 120)."""
    from rich.console import Console
    from rich.text import Text

    def said(message: Message) -> str:
        return plain(message.render(translate))

    buffer = io.StringIO()
    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    console = Console(file=buffer, width=width, no_color=True, highlight=False, markup=False, emoji=False)
    console.print(Text(_identity(findings, said(say("random weights")))))
    label = said(say("Verdict"))
    console.print(Text(f"{label}  {said(TRUST_WORDS[findings.trust])}"))
    for verdict in table.gravest(findings.verdicts, _REASONS):
        where = f" [{verdict.case}]" if verdict.case else ""
        console.print(Text(f"  {said(STATUS_WORDS[verdict.status])}{where}: {said(verdict.message)}"))
    if findings.cases:
        console.print()
        for line in _cases([said(column) for column in table.COLUMNS], table.rows(findings, translate, lang), width):
            console.print(line)
        console.print()
    for metric, sentence in findings.analysis:
        console.print(Text(f"{said(METRIC_WORDS[metric])}: {said(sentence)}"))
    for advice in findings.advice:
        console.print(Text(f"{said(say('Advice'))} ({said(advice.workload)}): {said(advice.text)}"))
    for silence in findings.silent:
        console.print(Text(f"{said(say('No advice'))}: {said(silence)}"))
    for prompt, text in findings.texts.items() if not findings.cases else ():
        console.print(Text(f"{said(say('Text'))} {prompt}: {plain(text)}"))
    console.print(Text(_memory(findings, said)))
    console.print(Text(f"{said(say('Files'))}: {plain(findings.path)}/report.{lang}.md, report.json, *.parquet"))
    console.print(Text(f"{said(say('Reproduce'))}: {plain(findings.reproduce[0])}"))
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip().splitlines())


def _cases(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[Any]:
    """The table; where the terminal is too narrow for it, one short list per case."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    headers = list(map(_folded, columns))
    numbers = [max(cell_len(line) for text in (header, *column) for line in text.splitlines())
               for header, *column in zip(headers[1:], *(row[1:] for row in rows), strict=True)]
    titles = width - sum(numbers) - len(numbers)
    if titles < _NARROWEST_TITLE:
        for title, *values in rows:
            yield Text(title)
            for column, value in zip(columns[1:], values, strict=True):
                yield Text(f"  {column}: {value}")
        return
    grid = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    longest = max(cell_len(row[0]) for row in rows)
    grid.add_column(headers[0], width=min(titles, longest), overflow="fold")
    for header, least in zip(headers[1:], numbers, strict=True):
        grid.add_column(header, justify="left" if header is headers[-1] else "right", width=least)
    for row in rows:
        grid.add_row(*map(Text, row))
    yield grid


def _folded(header: str) -> str:
    """A column name on several short lines, cut where its parts meet."""
    for part in ("首token", "长度", "(", "s/req"):
        header = header.replace(part, f"\n{part}")
    return "\n".join(line.strip() for line in header.replace(" ", "\n").splitlines() if line.strip())


def _identity(findings: Findings, random: str) -> str:
    one = findings.identity
    mark = f" ({random})" if one.get("random_weights") else ""
    parts = [f"{one['model']}{mark} {one['dtype']}", one.get("engine_version") or one["engine"], f"{one['device']} {one.get('device_name') or ''}",
             findings.plan_name, findings.status]
    return " · ".join(plain(part).strip() for part in parts)


def _memory(findings: Findings, said: object) -> str:
    assert callable(said)
    memory = findings.memory
    parts = []
    if memory.get("weight_bytes"):
        parts.append(said(say("weights {size}", size=gigabytes(memory["weight_bytes"]))))
    if memory.get("kv_bytes_per_token"):
        parts.append(said(say("KV cache {size} kB per token", size=significant(memory["kv_bytes_per_token"] / 1e3))))
    for load in findings.loads[:2]:
        share = load.get("resident_fraction")
        kind = say("load") if share is None else say("cold load") if share < 0.05 else say("warm load")
        parts.append(said(say("{kind} {seconds} s", kind=kind, seconds=significant(load["seconds"], 3))))
    return " · ".join(parts)
