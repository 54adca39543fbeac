"""The Markdown face: the skeleton of a published report, every sentence tied to a measured row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from touchstone.finding import CaseFinding, Findings
from touchstone.message import Message, Translate, say
from touchstone.report import device_words, table
from touchstone.report.table import METRIC_WORDS, SCALES, STATUS_WORDS, TRUST_WORDS, number, plain
from touchstone.units import gigabytes, significant

Say = Callable[[Message], str]


def to_markdown(findings: Findings, translate: Translate, lang: str) -> str:
    """The whole report, ready to paste; hostile text in names or outputs stays text."""
    def said(message: Message) -> str:
        return message.render(translate)

    note = say("n1 is the number of tokens in the first token-bearing event. Intervals are 95 %; their unit is the trial within one "
               "launch, and the launch where there are several.")
    parts = [_head(findings, said), _results(findings, said, translate, lang), _latencies(findings, said, lang),
             analysis(findings, said), _advice(findings, said), _memory(findings, said, lang), _devices(findings, said, lang), audit(findings, said),
             _texts(findings, said, lang), definitions(findings, said, note), environment(findings, said), reproduction(findings, said)]
    return "\n\n".join(part for part in parts if part)


def cell(text: object) -> str:
    """``text`` inside a table or sentence: no markup, no line breaks, no HTML."""
    safe = plain(text)
    for character in "\\`|<>[]*_#":
        safe = safe.replace(character, {"<": "&lt;", ">": "&gt;"}.get(character, f"\\{character}"))
    return safe


def grid(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _head(findings: Findings, said: Say) -> str:
    one = findings.identity
    lines = [f"# {cell(one['model'])} {cell(one['dtype'])} · {cell(one['engine'])} · {cell(one.get('device_name') or one['device'])}",
             "", " · ".join([f"{said(say('Suite'))} {cell(findings.plan_name)}", cell(findings.created),
                             f"{said(say('Run'))} {findings.run_id}", cell(said(table.run_word(findings.status)))]),
             "", _method(findings, said), "", f"**{said(say('Verdict'))}: {said(TRUST_WORDS[findings.trust])}**"]
    return "\n".join([*lines, *reasons(findings, said)])


def reasons(findings: Findings, said: Say) -> list[str]:
    """The three gravest verdicts, one line each."""
    lines = []
    for verdict in table.gravest(findings.verdicts, 3):
        where = f" ({cell(verdict.case)})" if verdict.case else ""
        cure = f" → {cell(said(verdict.cure))}" if verdict.cure else ""
        lines.append(f"* {said(STATUS_WORDS[verdict.status])}{where}: {cell(said(verdict.message))}{cure}")
    return lines


def _method(findings: Findings, said: Say) -> str:
    """How it was measured, in one sentence."""
    method = findings.method
    rounds = say("case after case") if method["order"] == "sequential" else say("cases in rounds of shuffled order")
    return said(say("Method: {launches} launch(es) as separate processes, {trials} trials of each case in each, warm-up {warmup}, {rounds}, "
                    "seed {seed}; prompts of exact length, a different one for every sequence.", launches=method["launches"],
                    trials=method["trials"], warmup=method["warmup"], rounds=rounds, seed=method["seed"]))


def definitions(findings: Findings, said: Say, note: Message) -> str:
    """What the words of this report mean."""
    rows = [[said(METRIC_WORDS[name]), cell(unit), cell(formula)] for name, unit, formula in findings.definitions]
    return f"## {said(say('Definitions'))}\n\n{grid([said(say('Metric')), said(say('Unit')), said(say('Formula'))], rows)}\n\n{said(note)}"


def _results(findings: Findings, said: Say, translate: Translate, lang: str) -> str:
    if not findings.cases:
        return ""
    header = [said(column) for column in table.COLUMNS]
    body = [[cell(one) for one in row] for row in table.rows(findings, translate, lang)]
    note = said(say("Lengths are measured, special tokens counted. ± is half the 95 % interval of the throughput. 1 GB = 10^9 bytes."))
    return f"## {said(say('Results'))}\n\n{grid(header, body)}\n\n{note}"


def _latencies(findings: Findings, said: Say, lang: str) -> str:
    rows = []
    for case in findings.cases:
        for name in ("ttft", "tpot", "itl", "e2e"):
            estimate = case.metrics[name]
            if estimate.value is not None:
                factor = SCALES[name].factor
                interval = "-" if estimate.low is None else f"{number(estimate.low, factor)} … {number(estimate.high, factor)}"
                quantiles = [number(estimate.quantiles[key], factor) for key in ("p50", "p90", "p95", "p99", "max")]
                rows.append([cell(table.title(case, lang)), f"{said(METRIC_WORDS[name])} (ms)", number(estimate.value, factor), interval,
                             *quantiles, estimate.n])
    if not rows:
        return ""
    header = [said(say("Scenario")), said(say("Metric")), said(say("Mean")), said(say("95 % interval")), "P50", "P90", "P95", "P99",
              said(say("Max")), "n"]
    note = said(say("A dash stands where the sample is too small: P90 needs 29 values, P95 59, P99 299."))
    return f"## {said(say('Latency'))}\n\n{grid(header, rows)}\n\n{note}"


def analysis(findings: Findings, said: Say) -> str:
    """What the cases show together."""
    if not findings.analysis:
        return ""
    lines = [f"* **{said(METRIC_WORDS[metric])}**: {cell(said(sentence))}" for metric, sentence in findings.analysis]
    return f"## {said(say('Analysis'))}\n\n" + "\n".join(lines)


def _advice(findings: Findings, said: Say) -> str:
    lines = [f"* **{said(one.workload)}**: {cell(said(one.text))} ({said(say('evidence'))}: {cell(one.evidence)})" for one in findings.advice]
    lines += [f"* {said(say('No advice'))}: {cell(said(one))}" for one in findings.silent]
    return f"## {said(say('Deployment advice'))}\n\n" + "\n".join(lines) if lines else ""


def _memory(findings: Findings, said: Say, lang: str) -> str:
    memory = findings.memory
    rows: list[list[object]] = []
    if memory.get("weight_bytes"):
        rows.append([said(say("Weights, as stored")), gigabytes(memory["weight_bytes"])])
    for case in findings.cases:
        rows += _case_memory(case, said, lang)
    if memory.get("device_total_bytes"):
        rows.append([said(say("Device memory")), gigabytes(memory["device_total_bytes"])])
    for place, load in enumerate(findings.loads):
        share = load.get("resident_fraction")
        cached = "" if share is None else f" ({said(say('{share} % of the files were in memory', share=f'{100 * share:.0f}'))})"
        rows.append([f"{said(say('Load time'))} {place + 1}", f"{significant(load['seconds'], 3)} s{cached}"])
    return f"## {said(say('Memory and loading'))}\n\n{grid([said(say('What')), said(say('How much'))], rows)}" if rows else ""


def _case_memory(case: CaseFinding, said: Say, lang: str) -> list[list[object]]:
    rows: list[list[object]] = []
    name = cell(table.title(case, lang))
    if case.kv_bytes is not None:
        rows.append([f"{said(say('KV cache, computed'))}: {name}", gigabytes(case.kv_bytes)])
    for kind, label in (("allocated_bytes", say("Peak allocated")), ("reserved_bytes", say("Peak reserved")),
                        ("resident_bytes", say("Peak resident")), ("device_used_bytes", say("Device in use"))):
        value = case.memory_peaks.get(kind)
        if value is not None:
            rows.append([f"{said(label)}: {name}", gigabytes(value)])
    above = case.metrics.get("device_memory")
    if above is not None and above.value is not None:
        rows.append([f"{said(METRIC_WORDS['device_memory'])}: {name}", gigabytes(above.value)])
    return rows


def _devices(findings: Findings, said: Say, lang: str) -> str:
    """Energy, heat and clocks of the devices, and how they were watched."""
    notes = [cell(said(one)) for one in device_words.watching(findings)]
    notes += [f"{said(say('Energy'))}: {cell(method)}" for method in device_words.methods(findings)]
    notes += [f"{cell(table.title(case, lang))}, {said(METRIC_WORDS[name])}: {cell(said(reason))}"
              for case, name, reason in device_words.unknown(findings)]
    rows = [[cell(table.title(case, lang)), *device_words.device_cells(case)] for case in findings.cases
            if case.device is not None or "power" in case.metrics]
    if not notes and not rows:
        return ""
    header = [said(one) for one in (say("Scenario"), say("Power (W)"), say("Energy (J/token)"), say("95 % interval"),
                                    say("Highest temperature (°C)"), say("Clock: median / least (MHz)"), say("Held down by heat or power"))]
    parts = [f"## {said(say('Energy and devices'))}", *([grid(header, rows)] if rows else []), "\n".join(f"* {note}" for note in notes)]
    return "\n\n".join(part for part in parts if part)


def audit(findings: Findings, said: Say) -> str:
    """Every verdict."""
    rows = [[f"`{verdict.rule}`", cell(verdict.case or "-"), said(STATUS_WORDS[verdict.status]), cell(said(verdict.message))]
            for verdict in findings.verdicts]
    header = [said(say("Rule")), said(say("Scenario")), said(say("Status")), said(say("Finding"))]
    return f"## {said(say('Audit'))}\n\n{grid(header, rows)}" if rows else ""


def _texts(findings: Findings, said: Say, lang: str) -> str:
    rows = [[said(say("verification prompt {number}", number=int(prompt) + 1)), cell(text)] for prompt, text in findings.texts.items()]
    rows += [[cell(table.title(case, lang)), cell(text)] for case in findings.cases if not case.speed for text in case.texts]
    if not rows:
        return ""
    random = said(say("The weights are random, so the text means nothing; it is shown to be compared.")) + "\n\n" \
        if findings.identity.get("random_weights") else ""
    return f"## {said(say('Text produced'))}\n\n{random}{grid([said(say('Prompt')), said(say('Text'))], rows)}"


def environment(findings: Findings, said: Say) -> str:
    """What was measured, and where."""
    options = findings.identity.get("options")
    settings = options if isinstance(options, Mapping) else {}
    facts = {**{name: value for name, value in findings.identity.items() if name != "options"}, **settings, **findings.environment}
    rows = [[cell(name), cell(text)] for name, value in facts.items() if value is not None and (text := _flat(value))]
    return f"## {said(say('Environment'))}\n\n{grid([said(say('Fact')), said(say('Value'))], rows)}" if rows else ""


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flat(one)}" for name, one in value.items() if one is not None)
    if isinstance(value, (list, tuple)):
        return ", ".join(_flat(one) for one in value)
    return str(value)


def reproduction(findings: Findings, said: Say) -> str:
    """The commands that measure it again."""
    commands = "\n".join(plain(command) for command in findings.reproduce)
    return f"## {said(say('Reproduce'))}\n\n```bash\n{commands}\n```"
