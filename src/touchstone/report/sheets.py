"""The tables of a report in one language, before a face draws them: what Markdown and HTML both show stands here once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from touchstone.finding import CaseFinding, Findings
from touchstone.message import Message, Say, Translate, say
from touchstone.report import device_words, load_table, table
from touchstone.report import environment as facts
from touchstone.report.load_table import OUTCOME_WORDS
from touchstone.report.table import COLON, METRIC_WORDS, NOTHING, SCALES, STATUS_WORDS, number, percent, plain, shown
from touchstone.units import gigabytes, significant

_MEMORY: Mapping[str, Message] = {
    "kv_bytes": say("KV cache, computed"), "allocated_bytes": say("Peak allocated"), "reserved_bytes": say("Peak reserved"),
    "resident_bytes": say("Peak resident"), "device_used_bytes": say("Device in use"), "device_memory": METRIC_WORDS["device_memory"],
}
"""Kind of size → its name, in the order of the columns."""


@dataclass(frozen=True)
class Sheet:
    """A table without markup. Its cells may be foreign text: a face escapes them. ``code`` are the columns that hold names of the program."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    code: frozenset[int] = frozenset()


SheetOf = Callable[[Findings, Translate, str], Sheet]
"""Findings, a translator and a language code → a sheet, without rows where there is nothing to show."""


def _sheet(said: Say, title: Message, columns: Sequence[Message], rows: Sequence[Sequence[object]], note: Message | None = None) -> Sheet:
    return Sheet(said(title), tuple(map(said, columns)), tuple(tuple(map(str, row)) for row in rows), said(note) if note else "")


def results(findings: Findings, translate: Translate, lang: str) -> Sheet:
    """One row per case: of a run the articles' eight columns, of a load what was offered and what came of it."""
    said = _said(translate)
    if findings.kind == "load":
        note = say("Lengths are counted by the server. Throughput and goodput are of the measured window: from the first request that ended "
                   "well (in a closed loop, from the end of the first round) to the last one sent, or the whole span where that is not steady.")
        rows = [load_table.row(case, translate, lang, 4) for case in findings.cases]
        return _sheet(said, say("Results"), load_table.COLUMNS, rows, note)
    note = say("Lengths are measured, special tokens counted. ± is half the 95 % interval of the throughput. 1 GB = 10⁹ bytes.")
    return _sheet(said, say("Results"), table.COLUMNS, table.rows(findings, translate, lang), note)


def _said(translate: Translate) -> Say:
    return lambda message: message.render(translate)


def latencies(findings: Findings, translate: Translate, lang: str) -> Sheet:
    """Mean, interval and quantiles of every latency of every case."""
    said = _said(translate)
    if findings.kind == "load":
        return _load_latencies(findings, translate, lambda _case: load_table.LATENCIES)
    rows = [[table.title(case, lang), *row] for case in findings.cases for row in _latency_rows(case, said)]
    columns = (say("Scenario"), say("Metric"), say("Mean"), say("95 % interval"), say("P50"), say("P90"), say("P95"), say("P99"), say("Max"), say("n"))
    return _sheet(said, say("Latency"), columns, rows, say("A dash stands where the sample is too small: P90 needs 29 values, P95 59, P99 299."))


def main_latencies(findings: Findings, translate: Translate, lang: str) -> Sheet:
    """Of a load run the latencies that are read first; of any other all."""
    return _load_latencies(findings, translate, load_table.main_latencies) if findings.kind == "load" else latencies(findings, translate, lang)


def other_latencies(findings: Findings, translate: Translate, lang: str) -> Sheet:  # noqa: ARG001 - the signature of every sheet
    """Those that :func:`main_latencies` leaves out: to other events, from the scheduled time, of the client."""
    sheet = _load_latencies(findings, translate, lambda case: tuple(name for name in load_table.LATENCIES if name not in load_table.main_latencies(case)))
    return replace(sheet, title=_said(translate)(say("Other latencies")))


def _load_latencies(findings: Findings, translate: Translate, names: Callable[[CaseFinding], Sequence[str]]) -> Sheet:
    note = say("Of requests that ended well. A dash stands where the sample is too small: P90 needs 29 values, P99 299.")
    rows = [[case.name, *row] for case in findings.cases for row in load_table.latency_rows(case, translate, names(case))] if findings.kind == "load" else []
    return _sheet(_said(translate), say("Latency"), (say("Load"), say("Latency (ms)"), *load_table.LATENCY_COLUMNS[1:]), rows, note)


def _latency_rows(case: CaseFinding, said: Say) -> list[list[object]]:
    rows: list[list[object]] = []
    for name in ("ttft", "tpot", "itl", "e2e"):
        estimate = case.metrics[name]
        if estimate.value is not None:
            factor = SCALES[name].factor
            interval = NOTHING if estimate.low is None else f"{number(estimate.low, factor)} … {number(estimate.high, factor)}"
            quantiles = [number(estimate.quantiles[key], factor) for key in ("p50", "p90", "p95", "p99", "max")]
            rows.append([f"{said(METRIC_WORDS[name])} (ms)", number(estimate.value, factor), interval, *quantiles, f"{estimate.n:,}"])
    return rows


def conditions(findings: Findings, translate: Translate, lang: str) -> Sheet:  # noqa: ARG001 - the signature of every sheet
    """How each load was offered, and what was served of it."""
    columns = (say("Load"), say("How"), say("Window (s)"), say("Output (tokens/s)"), say("±"), say("Total (tokens/s)"),
               say("Goodput, share of issued"), say("Input asked (min, max)"), say("Output asked (min, max)"), say("Tokens per event"))
    said, rows = _said(translate), []
    for case in findings.cases:
        load: Mapping[str, Any] = case.load or {}
        share = case.metrics["goodput"].share
        rows.append([case.name, said(load_table.load_words(case)), number(case.window_s), shown(case.metrics["output_throughput"]),
                     load_table.half_width(case.metrics["output_throughput"]), shown(case.metrics["total_throughput"]),
                     NOTHING if share is None else _share(said, share.value, share.low, share.high),
                     _length(load["input_tokens_asked"]), _length(load["output_tokens_asked"]), number(load["tokens_per_event"])])
    return _sheet(said, say("Load offered"), columns, rows)


def _share(said: Say, value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return NOTHING
    return f"{said(percent(significant(100 * value, 4)))} ({significant(100 * low, 4)} … {significant(100 * high, 4)})"


def _length(length: Mapping[str, Any]) -> str:
    return NOTHING if length["mean"] is None else f"{number(length['mean'])} ({number(length['min'])}, {number(length['max'])})"


def levels(findings: Findings, translate: Translate, lang: str) -> Sheet:  # noqa: ARG001 - the signature of every sheet
    """Each service level on each load."""
    said = _said(translate)
    rows = [[case.name, one.level, said(OUTCOME_WORDS[one.outcome]), number(one.observed_s, 1e3), one.issued, _share(said, one.share, one.low, one.high)]
            for case in findings.cases for one in case.slos]
    columns = (say("Load"), say("Level"), say("Outcome"), say("Measured (ms)"), say("n"), say("Share inside the limit"))
    return _sheet(said, say("Service levels"), columns, rows)


def failures(findings: Findings, translate: Translate, lang: str) -> Sheet:  # noqa: ARG001 - the signature of every sheet
    """Which requests failed, by load and kind."""
    rows = [[case.name, kind, count, significant(100 * count / case.issued, 3)] for case in findings.cases for kind, count in case.failed.items()]
    note = say("None: every request ended well.") if findings.cases and not rows else None
    columns = (say("Load"), say("Kind"), say("Requests"), say("Share (%)"))
    return _code(_sheet(_said(translate), say("Failures"), columns, rows, note), 1)


def _code(sheet: Sheet, *columns: int) -> Sheet:
    return Sheet(sheet.title, sheet.columns, sheet.rows, sheet.note, frozenset(columns))


def memory(findings: Findings, translate: Translate, lang: str) -> Sheet:
    """Where the memory of each case went, of what was read or computed of any."""
    said = _said(translate)
    sizes = [(table.title(case, lang), _case_memory(case)) for case in findings.cases]
    kinds = [kind for kind in _MEMORY if any(found.get(kind) is not None for _, found in sizes)]
    rows = [[name, *(_size(found.get(kind)) for kind in kinds)] for name, found in sizes] if kinds else []
    return _sheet(said, say("Memory by scenario"), (say("Scenario"), *(_MEMORY[kind] for kind in kinds)), rows)


def _case_memory(case: CaseFinding) -> Mapping[str, float | None]:
    above = case.metrics.get("device_memory")
    return {**case.memory_peaks, "kv_bytes": case.kv_bytes, "device_memory": above.value if above else None}


def _size(size: float | None) -> str:
    return NOTHING if size is None else gigabytes(size)


def loading(findings: Findings, translate: Translate, lang: str) -> Sheet:  # noqa: ARG001 - the signature of every sheet
    """What is the same for every case: the weights, the device, and how long loading took."""
    said = _said(translate)
    facts = (("weight_bytes", say("Weights, as stored")), ("device_total_bytes", say("Device memory")))
    rows: list[list[object]] = [[said(label), gigabytes(findings.memory[name])] for name, label in facts if findings.memory.get(name)]
    for place, load in enumerate(findings.loads):
        share = load.get("resident_fraction")
        took = f"{significant(load['seconds'], 3)} s"
        rows.append([f"{said(say('Load time'))} {place + 1}", took if share is None else said(
            say("{time} ({share} % of the files were in memory)", time=took, share=f"{100 * share:.0f}"))])
    return _sheet(said, say("Memory and loading"), (say("What"), say("How much")), rows)


def devices(findings: Findings, translate: Translate, lang: str) -> Sheet:
    """Energy, heat and clocks of the devices."""
    columns = (say("Scenario"), say("Power (W)"), say("Energy (J/token)"), say("95 % interval"), say("Highest temperature (°C)"),
               say("Clock: median / least (MHz)"), say("Held down by heat or power"))
    said = _said(translate)
    rows = [[table.title(case, lang), *device_words.device_cells(case, said)] for case in findings.cases
            if case.device is not None or "power" in case.metrics]
    return _sheet(said, say("Energy and devices"), columns, rows)


def device_notes(findings: Findings, translate: Translate, lang: str) -> list[str]:
    """How the devices were watched, and which numbers of them are missing and why."""
    said = _said(translate)
    notes = [said(one) for one in device_words.watching(findings)]
    notes += [f"{said(say('Energy'))}{said(COLON)}{method}" for method in device_words.methods(findings)]
    return notes + [f"{table.title(case, lang)}, {said(METRIC_WORDS[name])}{said(COLON)}{said(reason)}"
                    for case, name, reason in device_words.unknown(findings)]


def audit(findings: Findings, translate: Translate, lang: str) -> Sheet:  # noqa: ARG001 - the signature of every sheet
    """Every verdict."""
    said = _said(translate)
    rows = [[one.rule, one.case or NOTHING, said(STATUS_WORDS[one.status]), said(one.message)] for one in findings.verdicts]
    return _code(_sheet(said, say("Audit"), (say("Rule"), say("Scenario"), say("Status"), say("Finding")), rows), 0)


def texts(findings: Findings, translate: Translate, lang: str) -> Sheet:
    """What the model wrote where its text was checked or free."""
    said = _said(translate)
    rows = [[said(say("verification prompt {number}", number=place)), text] for place, text in enumerate(findings.texts.values(), 1)]
    rows += [[table.title(case, lang), text] for case in findings.cases if not case.speed for text in case.texts]
    random = say("The weights are random, so the text means nothing; it is shown to be compared.") if findings.identity.get("random_weights") else None
    return _sheet(said, say("Text produced"), (say("Prompt"), say("Text")), rows, random)


def environment(findings: Findings, translate: Translate, lang: str) -> Sheet:  # noqa: ARG001 - the signature of every sheet
    """What was measured, and where."""
    said = _said(translate)
    return _sheet(said, say("Environment"), (say("Fact"), say("Value")), list(facts.rows(findings, said)))


def definitions(findings: Findings, translate: Translate, lang: str) -> Sheet:  # noqa: ARG001 - the signature of every sheet
    """What the words of this report mean."""
    said = _said(translate)
    run = say("n1 is the number of tokens in the first token-bearing event. Intervals are 95 %; their unit is the trial within one "
              "launch, and the launch where there are several.")
    load = say("n1 is the number of tokens in the first token-bearing event. Intervals are 95 %; their unit is the repeat, and where there is "
               "one repeat, batches of neighbouring requests or slices of the window.")
    rows = [[said(METRIC_WORDS[name]), unit, said(formula)] for name, unit, formula in findings.definitions]
    return _sheet(said, say("Definitions"), (say("Metric"), say("Unit"), say("Formula")), rows, load if findings.kind == "load" else run)


def method(findings: Findings) -> Message:
    """How it was measured, in one sentence."""
    how = findings.method
    if findings.kind == "load":
        return say("Method: {workload} prompts, {repeats} repeat(s) of each load, warm-up {warmup}, seed {seed}, timeout {timeout} s; output "
                   "length {forced}.", workload=say("synthetic") if how["workload"] == "synthetic" else how["workload"], repeats=how["repeats"], warmup=how["warmup"], seed=how["seed"],
                   timeout=significant(how["timeout_s"]), forced=say("forced") if how["ignore_eos"] else say("free"))
    rounds = say("case after case") if how["order"] == "sequential" else say("cases in rounds of shuffled order")
    return say("Method: {launches} launch(es) as separate processes, {trials} trials of each case in each, warm-up {warmup}, {rounds}, "
               "seed {seed}; prompts of exact length, a different one for every sequence.", launches=how["launches"], trials=how["trials"],
               warmup=how["warmup"], rounds=rounds, seed=how["seed"])


def commands(findings: Findings) -> str:
    """The commands that measure it again, one a line."""
    return "\n".join(plain(command) for command in findings.reproduce)
