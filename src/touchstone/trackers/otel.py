"""OpenTelemetry metrics over OTLP/HTTP, or as a line of OTLP JSON in a file.

Histograms carry the names of the conventions for generative AI (``gen_ai.client.*``), gauges ours (``touchstone.ttft`` with the attribute
``touchstone.statistic``). All points bear the times of the run. The server's address is not among the attributes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from touchstone import __version__
from touchstone.errors import DataError
from touchstone.finding import CaseFinding, Findings
from touchstone.histogram import Histogram
from touchstone.message import say
from touchstone.trackers import facts
from touchstone.trackers.tracked import Sent, Settings, Tracked

_UNITS = {"tokens/s": "{token}/s", "tokens/s/req": "{token}/s", "requests/s": "{request}/s", "B": "By", "J/token": "J/{token}"}
_PATH = "v1/metrics"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def send(tracked: Tracked, settings: Settings) -> Sent:
    """Post the metrics to the endpoint that was named, else write them to a file. Raises :class:`DataError` and RuntimeError."""
    asked = settings.endpoint or any(os.environ.get(name) for name in _ENDPOINTS)
    if asked and settings.output is None:
        return Sent(say("sent to {url}", url=_post(_metrics(tracked), settings.endpoint)))
    place = settings.output or tracked.directory / "otel" / "metrics.json"
    _write(_metrics(tracked), place)
    return Sent(say("kept in {place}; nothing has left this machine", place=place))


def _post(metrics: Any, endpoint: str | None) -> str:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import MetricExportResult, OTLPMetricExporter

    url = None if endpoint is None else endpoint if endpoint.rstrip("/").endswith(_PATH) else f"{endpoint.rstrip('/')}/{_PATH}"
    heard = _Heard()
    exporter = OTLPMetricExporter(endpoint=url)
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(heard)
    try:
        result = exporter.export(metrics)
    finally:
        logger.removeHandler(heard)
        exporter.shutdown()
    if result is not MetricExportResult.SUCCESS:
        raise RuntimeError(heard.said[0] if heard.said else "the endpoint refused")  # later words are of the attempts after it
    return facts.shown_address(url or next(os.environ[name] for name in _ENDPOINTS if os.environ.get(name)))


class _Heard(logging.Handler):
    """Keeps what the exporter says of a failure: it returns no reason."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def _write(metrics: Any, place: Path) -> None:
    from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

    text = MessageToJson(encode_metrics(metrics), indent=None, use_integers_for_enums=True)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError("{path} cannot be written: {error}.", "", path=place, error=error.strerror or error) from error


def _metrics(tracked: Tracked) -> Any:
    """Everything as one message of the library. Points are made by hand: its instruments would stamp them with the time of sending."""
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    findings = tracked.findings
    # Made without create(), which would add what variables of the environment say.
    resource = Resource({"service.name": "touchstone", "service.version": __version__, "touchstone.run.id": findings.run_id,
                         "touchstone.plan": findings.plan_name, "touchstone.trust": findings.trust.value})
    times = facts.moment_ns(findings.created), facts.moment_ns(tracked.ended or findings.created)
    cases = facts.named_cases(findings)
    by_name = {name: {"touchstone.case": name, **_attributes(findings, case)} for name, case in cases}
    by_case = {case.name: by_name[name] for name, case in cases}
    metrics = [*_gauges(facts.numbers(findings), by_name, times), *_histograms(tracked.histograms(), by_case, times)]
    scope = ScopeMetrics(InstrumentationScope("touchstone", __version__), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _attributes(findings: Findings, case: CaseFinding) -> dict[str, str | int | float]:
    identity, load = findings.identity, case.load or {"batch_size": case.batch_size}
    known = {
        "gen_ai.operation.name": "chat" if identity.get("backend") == "openai-chat" else "text_completion",
        "gen_ai.provider.name": identity.get("engine") or "openai", "gen_ai.request.model": identity.get("model"),
        "touchstone.run.id": findings.run_id, "touchstone.trust": case.trust.value,
        **{f"touchstone.{name}": load.get(name) for name in ("batch_size", "concurrency", "request_rate")},
    }
    return {name: value for name, value in known.items() if value is not None}


def _gauges(numbers: Iterable[facts.Number], attributes: Mapping[str, Mapping[str, Any]], times: tuple[int, int]) -> list[Any]:
    """One gauge per metric and unit; how many samples it rests on is a gauge of its own."""
    from opentelemetry.sdk.metrics.export import Gauge, Metric, NumberDataPoint

    points: dict[tuple[str, str], list[Any]] = {}
    for number in numbers:
        counts = number.statistic in {"n", "share"}
        name = f"touchstone.{number.metric}" + (f".{number.statistic}" if counts else "")
        told = {**attributes[number.case], **({} if counts else {"touchstone.statistic": number.statistic})}
        unit = "1" if counts else _UNITS.get(number.unit, number.unit)
        points.setdefault((name, unit), []).append(NumberDataPoint(told, times[0], times[1], number.value))
    return [Metric(name, "", unit, Gauge(values)) for (name, unit), values in points.items()]


def _histograms(found: Iterable[Histogram], attributes: Mapping[str, Mapping[str, Any]], times: tuple[int, int]) -> list[Any]:
    from opentelemetry.sdk.metrics.export import AggregationTemporality, HistogramDataPoint, Metric
    from opentelemetry.sdk.metrics.export import Histogram as OtlpHistogram

    points: dict[tuple[str, str], list[Any]] = {}
    for one in found:
        point = HistogramDataPoint({**attributes[one.case], **one.attributes}, times[0], times[1], one.n, one.total, list(one.counts),
                                   list(one.bounds), one.smallest, one.largest)
        points.setdefault((one.name, one.unit), []).append(point)
    return [Metric(name, "", unit, OtlpHistogram(values, AggregationTemporality.CUMULATIVE)) for (name, unit), values in points.items()]
