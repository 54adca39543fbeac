"""The faces of one run in detail: what was planned, where it ran, every metric of every case with the reason for what is missing, its parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from touchstone.finding import GRAVITY, CaseFinding, Estimate, Findings, Judgement
from touchstone.listing import ListedRequest, ListedTrial, RunInDetail
from touchstone.message import Message, Say, Translate, say
from touchstone.report import device_words, load_table, sheets, table
from touchstone.report.document import to_json
from touchstone.report.i18n import measured_on
from touchstone.report.load_table import half_width
from touchstone.report.section import Section, to_markup, to_screen
from touchstone.report.table import COLON, COMMA, METRIC_WORDS, NOTHING, SCALES, STATUS_WORDS, TRUST_WORDS, number, plain
from touchstone.units import gigabytes

_QUANTILES = ("p50", "p90", "p95", "p99", "max")
_MEMORY_WORDS: Mapping[str, Message] = {
    "allocated_bytes": say("Peak allocated"), "reserved_bytes": say("Peak reserved"), "resident_bytes": say("Peak resident"),
    "device_used_bytes": say("Device in use"),
}
_METHOD_WORDS: Mapping[str, Message] = {words.template: words for words in (
    say("log-t over launches"), say("log-t over the trials of one launch"), say("log-t over repeats"), say("range of the trials"),
    say("t over the means of 10 batches of requests in order of sending, in one repeat"),
    say("t over 10 equal slices of the window, in one repeat"),
)}
"""How an interval is made; a way that is not here is told as it is named."""
_DEVICE_WORDS = (say("Power (W)"), say("Energy (J/token)"), say("95 % interval"), say("Highest temperature (°C)"), say("Clock: median / least (MHz)"),
                 say("Held down by heat or power"))


def to_show_text(detail: RunInDetail, translate: Translate, lang: str) -> str:
    """The run for a terminal, as wide as it is."""
    with measured_on(detail.findings.identity.get("device")):
        return to_screen(sections(detail, translate, lang))


def to_show_markdown(detail: RunInDetail, translate: Translate, lang: str) -> str:
    """The run in Markdown; hostile text stays text."""
    with measured_on(detail.findings.identity.get("device")):
        return to_markup(sections(detail, translate, lang))


def to_show_json(detail: RunInDetail, translate: Translate, lang: str) -> str:
    """The JSON report of the run, with ``trials`` and ``requests`` beside it where they were asked for."""
    document = json.loads(to_json(detail.findings, translate, lang))
    parts = {name: [vars(one) for one in found] for name, found in (("trials", detail.trials), ("requests", detail.requests)) if found is not None}
    return json.dumps(document | parts, ensure_ascii=False, indent=1, allow_nan=False)


SHOW_FACES: Mapping[str, Callable[[RunInDetail, Translate, str], str]] = {"text": to_show_text, "md": to_show_markdown, "json": to_show_json}
"""Name → function of a run in detail, a translator and a language code."""


def sections(detail: RunInDetail, translate: Translate, lang: str) -> Iterator[Section]:
    """Everything there is to show, in its order."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    findings = detail.findings
    yield _plan(findings, said)
    found = tuple(f"{said(STATUS_WORDS[one.status])}{f' [{one.case}]' if one.case else ''} {one.rule}{said(COLON)}{said(one.message)}"
                  for one in sorted(findings.verdicts, key=lambda one: GRAVITY.index(one.status)) if one.status is not Judgement.PASS)
    yield Section(f"{said(say('Verdict'))}{said(COLON)}{said(TRUST_WORDS[findings.trust])}", found or (said(say("nothing stands against it")),))
    environment = sheets.environment(findings, translate, lang)
    yield Section(environment.title, tuple(f"{name}{said(COLON)}{text}" for name, text in environment.rows))
    for case in findings.cases:
        yield _case(case, said, lang)
    if detail.trials is not None:
        yield _trials(detail.trials, said)
    if detail.requests is not None:
        yield _requests(detail.requests, said)


# ── the run ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _plan(findings: Findings, said: Say) -> Section:
    one = findings.identity
    target = " · ".join(plain(one[name]) for name in ("model", "dtype", "engine_version", "engine", "device", "device_name", "base_url") if one.get(name))
    facts = ((say("What"), target), (say("Plan"), findings.plan_name), (say("When"), findings.created),
             (say("Status"), said(table.run_word(findings.status))), (say("Files"), findings.path), (say("Reproduce"), sheets.commands(findings)))
    return Section(f"{said(say('Run'))} {findings.run_id}", (*(f"{said(word)}{said(COLON)}{text}" for word, text in facts if text), said(sheets.method(findings))))


# ── a case ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _case(case: CaseFinding, said: Say, lang: str) -> Section:
    columns = (said(say("Metric")), "n", said(say("Mean")), "±", "P50", "P90", "P95", "P99", said(say("Max")))
    title = table.title(case, lang)
    name = title if title == case.name else f"{title} ({case.name})"
    return Section(f"{name}{said(COLON)}{said(table.verdict_word(case))}", tuple(_conditions(case, said)), columns,
                   tuple(_metric(one, said) for one in case.metrics.values() if one.value is not None), tuple(_reasons(case, said)))


def _conditions(case: CaseFinding, said: Say) -> Iterator[str]:
    yield said(say("{input} tokens in, {output} out, batch {batch}; {trials} trial(s) in {launches} launch(es)", input=number(case.input_tokens),
                   output=number(case.output_tokens), batch=case.batch_size, trials=case.trials, launches=case.launches) if case.load is None else
               say("{load}; {input} tokens in, {output} out; {repeats} repeat(s), window {window} s", load=load_table.load_words(case),
                   input=number(case.input_tokens), output=number(case.output_tokens), repeats=case.trials, window=number(case.window_s)))
    failed = ", ".join(f"{count} {word}" for word, count in case.failed.items())
    yield said(say("{ok} of {issued} requests ended well", ok=case.ok, issued=case.issued)) + (f" ({failed})" if failed else "")
    yield from (f"SLO {said(load_table.level(one))}" for one in case.slos)
    for kind, word in _MEMORY_WORDS.items():
        value = case.memory_peaks.get(kind)
        if value is not None:
            yield f"{said(word)}{said(COLON)}{gigabytes(value)}"
    if case.device is not None:
        yield from (f"{said(word)}{said(COLON)}{text}" for word, text in zip(_DEVICE_WORDS, device_words.device_cells(case, said), strict=True) if text != NOTHING)


def _metric(one: Estimate, said: Say) -> list[str]:
    scale = SCALES[one.metric]
    return [f"{said(METRIC_WORDS[one.metric])} ({scale.unit})", f"{one.n:,}", number(one.value, scale.factor), half_width(one),
            *(number(one.quantiles.get(name), scale.factor) if one.quantiles else "" for name in _QUANTILES)]


def _reasons(case: CaseFinding, said: Say) -> Iterator[str]:
    """Each reason once, after everything that is missing for it; then how the intervals were made."""
    missing: dict[str, list[str]] = {}
    methods: dict[str, None] = {}
    for metric, one in case.metrics.items():
        for statistic, reason in one.reasons.items():
            name = said(METRIC_WORDS[metric])
            words = {"value": name, "low": f"{name} ±", "high": f"{name} ±"}
            missing.setdefault(said(reason), []).append(words.get(statistic, f"{name} {statistic.upper()}"))
        if one.low is not None and one.method:
            how = _METHOD_WORDS.get(one.method)
            methods[said(say("{confidence} %, {how}", confidence=f"{100 * one.confidence:.0f}", how=how or one.method))] = None
    yield from (f"{said(COMMA).join(dict.fromkeys(names))}{said(COLON)}{reason}" for reason, names in missing.items())
    if methods:
        yield f"±{said(COLON)}{said(table.SEMICOLON).join(methods)}"


# ── its parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _trials(trials: Sequence[ListedTrial], said: Say) -> Section:
    columns = (say("Scenario"), say("Launch"), say("Trial"), say("Phase"), say("Status"), say("Requests"), say("At (s)"), say("Took (s)"), say("TTFT ms"),
               say("TPOT ms"), say("Tokens/s"), say("GB"))
    rows = tuple([one.case, _whole(one.launch), str(one.number), one.phase or "", one.status, f"{one.ok}/{one.requests}", number(one.sent_s),
                  number(one.duration_s), _ms(one.ttft_s), _ms(one.tpot_s), number(one.output_throughput), number(one.peak_memory_bytes, SCALES["peak_memory"].factor)]
                 for one in trials)
    errors = {one.error: f"{one.case} #{one.number}: {one.error}" for one in trials if one.error}
    return Section(said(say("Trials")), (), tuple(map(said, columns)), rows, tuple(errors.values()), listing=True)


def _requests(requests: Sequence[ListedRequest], said: Say) -> Section:
    columns = (say("Scenario"), say("Launch"), say("Trial"), say("Phase"), say("Request"), say("Status"), say("At (s)"), say("TTFT ms"), say("TPOT ms"),
               say("E2E ms"), say("In"), say("Cached"), say("Out"))
    rows = tuple([one.case, _whole(one.launch), str(one.trial), one.phase or "", one.name, one.status, number(one.sent_s), _ms(one.ttft_s), _ms(one.tpot_s),
                  _ms(one.e2e_s), _whole(one.input_tokens), _whole(one.cached_tokens), _whole(one.output_tokens)] for one in requests)
    return Section(said(say("Requests")), (), tuple(map(said, columns)), rows, listing=True)


def _ms(seconds: float | None) -> str:
    return number(seconds, SCALES["ttft"].factor)


def _whole(value: int | None) -> str:
    return NOTHING if value is None else str(value)
