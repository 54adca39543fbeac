"""The JSON face: one object, for scripts. Its shape is a contract (``"schema": 1``); what is null has a reason beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from touchstone.finding import CaseFinding, Estimate, Findings, Headline
from touchstone.message import Translate

SCHEMA = 1
_IDENTITY: Mapping[str, tuple[str, ...]] = {
    "run": ("engine", "engine_version", "device", "device_name", "model", "random_weights", "dtype", "dtypes", "parameters", "options"),
    "load": ("engine", "engine_version", "device", "device_name", "model", "base_url", "endpoint", "backend", "streamed", "tokenizer",
             "client_processes"),
}


def to_json(findings: Findings, translate: Translate, lang: str) -> str:  # noqa: ARG001 - the signature of every face
    """The findings as one JSON object, numbers in SI units. A load run has ``client`` beside the cases."""
    document = {
        "schema": SCHEMA,
        "run": {"id": findings.run_id, "status": findings.status, "created": findings.created, "plan": findings.plan_name,
                "trust": findings.trust.value, **{name: findings.identity.get(name) for name in _IDENTITY[findings.kind]}},
        "cases": [_case(case, translate) for case in findings.cases],
        "headline": _headline(findings.headline, translate),
        **_client(findings, translate), **_search(findings, translate), **_telemetry(findings, translate),
        "verdicts": [{"rule": verdict.rule, "case": verdict.case, "status": verdict.status.value,
                      "message": verdict.message.render(translate), "observed": verdict.observed, "bound": verdict.bound,
                      "unit": verdict.unit} for verdict in findings.verdicts],
        "advice": [{"workload": one.workload.render(translate), "text": one.text.render(translate), "evidence": one.evidence}
                   for one in findings.advice],
        "no_advice": [one.render(translate) for one in findings.silent],
        "memory": findings.memory, "loads": list(findings.loads), "texts": findings.texts,
        "environment": findings.environment, "reproduce": list(findings.reproduce),
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


def _headline(headline: Headline, translate: Translate) -> dict[str, Any]:
    """The numbers that are read first; ``limit_share`` is how much of what physics allows was reached, and ``limit`` of what, or why not known."""
    return {"sentence": headline.sentence.render(translate) if headline.sentence else None, "cards": [
        {"id": card.id, "metric": card.estimate.metric, "case": card.case, "trust": card.trust.value, **_estimate(card.estimate, translate),
         "limit_share": card.limit_share, "limit": card.limit.render(translate), "note": card.note.render(translate) if card.note else None}
        for card in headline.cards]}


def _search(findings: Findings, translate: Translate) -> dict[str, Any]:
    found = findings.search
    return {} if found is None else {"search": {
        "sentence": found.sentence.render(translate) if found.sentence else None, "notes": [note.render(translate) for note in found.notes],
        "passes_at": found.passes_at, "fails_at": found.fails_at, "confidence": found.confidence, "requests": found.requests}}


def _client(findings: Findings, translate: Translate) -> dict[str, Any]:
    client = findings.client
    return {} if client is None else {"client": {"verdict": client.verdict.value, "floor_s": client.floor_s,
                                                 "reasons": [one.render(translate) for one in client.reasons]}}


def _telemetry(findings: Findings, translate: Translate) -> dict[str, Any]:
    telemetry = findings.telemetry
    return {} if telemetry is None else {"telemetry": {
        **vars(telemetry), "sensors": list(telemetry.sensors), "missing": [one.render(translate) for one in telemetry.missing]}}


def _case(case: CaseFinding, translate: Translate) -> dict[str, Any]:
    return {
        "name": case.name, "title": case.title, "trust": case.trust.value,
        "conditions": {"input_tokens": case.input_tokens, "output_tokens": case.output_tokens, "batch_size": case.batch_size,
                       "trials": case.trials, "launches": case.launches, "length_forced": case.speed, **(case.load or {})},
        "counts": {"issued": case.issued, "ok": case.ok, "failed": case.failed},
        "metrics": {name: _estimate(one, translate) for name, one in case.metrics.items()},
        **({} if case.device is None else {"device": vars(case.device)}),
        **({"memory_peaks": case.memory_peaks, "thinking_tokens": case.thinking_tokens} if case.load is None else _served(case)),
    }


def _served(case: CaseFinding) -> dict[str, Any]:
    return {"window_s": case.window_s, "slos": [vars(one) for one in case.slos]}


def _estimate(estimate: Estimate, translate: Translate) -> dict[str, Any]:
    return (_latency if estimate.unit == "s" else _single)(estimate, translate)


def _latency(estimate: Estimate, translate: Translate) -> dict[str, Any]:
    return {"unit": estimate.unit, "n": estimate.n, "mean": estimate.value,
            **{name: estimate.quantiles.get(name) for name in ("p50", "p90", "p95", "p99", "max")},
            "quantile_bounds": {name: list(both) for name, both in estimate.bounds.items()}, **_proof(estimate, translate)}


def _single(estimate: Estimate, translate: Translate) -> dict[str, Any]:
    share = {} if estimate.share is None else {"share": estimate.share.value, "share_low": estimate.share.low,
                                               "share_high": estimate.share.high, "share_n": estimate.share.n}
    return {"unit": estimate.unit, "value": estimate.value, "n": estimate.n, **_proof(estimate, translate), **share}


def _proof(estimate: Estimate, translate: Translate) -> dict[str, Any]:
    reasons: Mapping[str, str] = {name: reason.render(translate) for name, reason in estimate.reasons.items()}
    return {"low": estimate.low, "high": estimate.high, "confidence": estimate.confidence, "method": estimate.method, "reasons": reasons}
