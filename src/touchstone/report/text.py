"""The terminal face: identity, verdict, table, analysis, advice. The verdict comes before the numbers."""

from __future__ import annotations

from touchstone.finding import Findings
from touchstone.message import Message, Translate, say
from touchstone.report import device_words, table
from touchstone.report.table import METRIC_WORDS, STATUS_WORDS, TRUST_WORDS, plain
from touchstone.report.terminal import Screen
from touchstone.units import gigabytes, significant

_REASONS = 3


def to_text(findings: Findings, translate: Translate, lang: str) -> str:
    """The report for a terminal, as wide as it is (80 cells where there is none, at most 120)."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen()
    screen.line(_identity(findings, said(say("random weights")), said(table.run_word(findings.status))))
    label = said(say("Verdict"))
    screen.line(f"{label}  {said(TRUST_WORDS[findings.trust])}")
    for verdict in table.gravest(findings.verdicts, _REASONS):
        where = f" [{verdict.case}]" if verdict.case else ""
        screen.line(f"  {said(STATUS_WORDS[verdict.status])}{where}: {said(verdict.message)}")
    if findings.cases:
        screen.line()
        screen.table([said(column) for column in table.COLUMNS], table.rows(findings, translate, lang))
        screen.line()
    for metric, sentence in findings.analysis:
        screen.line(f"{said(METRIC_WORDS[metric])}: {said(sentence)}")
    for advice in findings.advice:
        screen.line(f"{said(say('Advice'))} ({said(advice.workload)}): {said(advice.text)}")
    for silence in findings.silent:
        screen.line(f"{said(say('No advice'))}: {said(silence)}")
    for prompt, text in findings.texts.items() if not findings.cases else ():
        screen.line(f"{said(say('Text'))} {prompt}: {plain(text)}")
    screen.line(_memory(findings, said))
    watched = [said(one) for one in device_words.watching(findings)]
    if watched:
        screen.line(f"{said(say('Devices'))}: {' · '.join(watched)}")
    screen.line(f"{said(say('Files'))}: {plain(findings.path)}/report.{lang}.md, report.json, *.parquet")
    screen.line(f"{said(say('Reproduce'))}: {plain(findings.reproduce[0])}")
    return screen.text()


def _identity(findings: Findings, random: str, status: str) -> str:
    one = findings.identity
    mark = f" ({random})" if one.get("random_weights") else ""
    parts = [f"{one['model']}{mark} {one['dtype']}", one.get("engine_version") or one["engine"], f"{one['device']} {one.get('device_name') or ''}",
             findings.plan_name, status]
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
