"""OpenTelemetry: decoded from what a collector on the loopback received, and from the file."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from tracked_runs import SECRETS, engine_run, expected, served_run, tracked_run

from touchstone.errors import NotReadyError
from touchstone.judge.findings import findings_of
from touchstone.judge.foreign.export.operations import SECONDS, operations
from touchstone.trackers import send
from touchstone.trackers.facts import Number
from touchstone.trackers.tracked import Settings

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
OUR_UNITS = {"By": "B", "{token}/s": "tokens/s", "{request}/s": "requests/s", "J/{token}": "J/token"}


class Collector(ThreadingHTTPServer):
    """Keeps what is posted and answers with ``status``."""

    daemon_threads = True

    def __init__(self, status=200):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.got = status, []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)


def decoded(body):
    """The resource's attributes, and every point by metric and attributes."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    (scope,) = resource.scope_metrics
    points = [(metric, attributes(point), point) for metric in scope.metrics
              for point in getattr(metric, metric.WhichOneof("data")).data_points]
    return attributes(resource.resource), points


def attributes(holder):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in holder.attributes}


def numbers_of(points):
    """The gauges under the names that every tracker uses."""
    found = {}
    for metric, told, point in points:
        if metric.WhichOneof("data") == "gauge":
            _, name, *count = metric.name.split(".")
            statistic = count[0] if count else told["touchstone.statistic"]
            found[Number(told["touchstone.case"], name, statistic, OUR_UNITS.get(metric.unit, metric.unit), 0).key] = point.as_double or point.as_int
    return found


@pytest.mark.parametrize("make", [engine_run, served_run])
def test_a_collector_gets_every_number(make, tmp_path, capfd):
    tracked = tracked_run(make(), tmp_path)
    with Collector() as collector:
        said = send("otel", tracked, Settings(endpoint=collector.url))
    assert capfd.readouterr() == ("", "")
    assert collector.url in str(said.where)
    ((path, _, body),) = collector.got
    assert path == "/v1/metrics"
    resource, points = decoded(body)
    assert resource == {"service.name": "touchstone", "service.version": resource["service.version"], "touchstone.run.id": tracked.findings.run_id,
                        "touchstone.plan": tracked.findings.plan_name, "touchstone.trust": tracked.findings.trust.value}
    assert numbers_of(points) == expected(tracked)
    assert {point.time_unix_nano for _, _, point in points} == {1795176300 * 10**9}
    assert {point.start_time_unix_nano for metric, _, point in points if metric.WhichOneof("data") == "histogram"} == {1795176000 * 10**9}
    assert not any(secret.encode() in body for secret in (*SECRETS, "somebody"))
    assert not (tmp_path / "otel").exists()


def test_histograms_carry_the_names_and_attributes_of_the_conventions(tmp_path):
    tracked = tracked_run(served_run(), tmp_path)
    with Collector() as collector:
        send("otel", tracked, Settings(endpoint=f"{collector.url}/v1/metrics/"))
    _, points = decoded(collector.got[0][2])
    found = {(metric.name, told.get("error.type"), told.get("gen_ai.token.type")): (metric, told, point) for metric, told, point in points
             if metric.WhichOneof("data") == "histogram"}
    prefix = "gen_ai.client."
    assert set(found) == {(f"{prefix}operation.duration", None, None), (f"{prefix}operation.duration", "timeout", None),
                          (f"{prefix}operation.time_to_first_chunk", None, None), (f"{prefix}operation.time_per_output_chunk", None, None),
                          (f"{prefix}token.usage", None, "input"), (f"{prefix}token.usage", None, "output")}
    (case,) = tracked.findings.cases
    metric, told, point = found[f"{prefix}operation.time_to_first_chunk", None, None]
    assert (metric.unit, metric.histogram.aggregation_temporality) == ("s", 2)
    assert (told["gen_ai.operation.name"], told["gen_ai.provider.name"], told["gen_ai.request.model"]) == ("chat", "vllm", "small")
    assert (told["touchstone.concurrency"], told["touchstone.trust"]) == (8, case.trust.value)
    assert (point.count, list(point.explicit_bounds), sum(point.bucket_counts)) == (case.ok, list(SECONDS), case.ok)
    assert point.sum / point.count == pytest.approx(case.metrics["ttfe"].value)
    assert found[f"{prefix}operation.duration", "timeout", None][2].count == case.failed["timeout"] == 8
    assert found[f"{prefix}token.usage", None, "output"][2].sum == 16 * case.ok


@pytest.mark.parametrize("make", [engine_run, served_run])
def test_every_value_is_in_its_bucket(make):
    run = make()
    for one in operations(findings_of(run), run):
        assert len(one.counts) == len(one.bounds) + 1
        assert one.n > 0
        assert one.smallest * one.n <= one.total * (1 + 1e-9)
        assert one.total <= one.largest * one.n * (1 + 1e-9)
        filled = [place for place, count in enumerate(one.counts) if count]
        edges = [-np.inf, *one.bounds, np.inf]
        assert edges[filled[0]] < one.smallest <= edges[filled[0] + 1]
        assert edges[filled[-1]] < one.largest <= edges[filled[-1] + 1]


def test_a_value_on_a_bound_belongs_below_it():
    run = served_run()
    (output,) = (one for one in operations(findings_of(run), run) if one.attributes == {"gen_ai.token.type": "output"})
    assert dict(zip(output.bounds, output.counts, strict=False))[16.0] == output.n  # answers of exactly 16 tokens


def test_an_answer_that_is_not_streamed_has_no_chunks(tmp_path):
    tracked = tracked_run(served_run(), tmp_path)
    tracked.findings.identity["streamed"] = False
    assert {one.name for one in tracked.histograms()} == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}


def test_without_an_endpoint_it_is_a_file_of_otlp_json(tmp_path):
    tracked = tracked_run(engine_run(), tmp_path)
    send("otel", tracked, Settings())
    send("otel", tracked, Settings(output=tmp_path / "elsewhere" / "m.json", endpoint="http://127.0.0.1:9"))
    text = (tmp_path / "otel" / "metrics.json").read_text(encoding="utf-8")
    assert text == (tmp_path / "elsewhere" / "m.json").read_text(encoding="utf-8")
    assert text.count("\n") == 1
    scope = json.loads(text)["resourceMetrics"][0]["scopeMetrics"][0]
    histograms = [metric for metric in scope["metrics"] if "histogram" in metric]
    assert all(metric["histogram"]["aggregationTemporality"] == 2 for metric in histograms)
    from google.protobuf.json_format import Parse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    _, points = decoded(Parse(text, ExportMetricsServiceRequest()).SerializeToString())
    assert numbers_of(points) == expected(tracked)


def test_the_variable_names_an_endpoint_and_its_headers_go_nowhere_else(tmp_path, monkeypatch):
    tracked = tracked_run(engine_run(), tmp_path)
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={SECRETS[2]}")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=secret-host")
        send("otel", tracked, Settings())
    ((path, headers, body),) = collector.got
    assert (path, {name.lower(): text for name, text in headers.items()}["authorization"]) == ("/v1/metrics", SECRETS[2])
    assert SECRETS[2].encode() not in body
    assert b"secret-host" not in body


def test_the_password_in_an_address_is_not_shown(tmp_path):
    tracked = tracked_run(engine_run(), tmp_path)
    with Collector() as collector:
        said = str(send("otel", tracked, Settings(endpoint=collector.url.replace("//", "//user:secret-word@"))).where)
    assert len(collector.got) == 1
    assert said == f"sent to {collector.url}/v1/metrics"


def test_a_collector_that_refuses_is_an_error_with_its_reason(tmp_path):
    tracked = tracked_run(engine_run(), tmp_path)
    with Collector(status=403) as collector, pytest.raises(NotReadyError) as caught:
        send("otel", tracked, Settings(endpoint=collector.url))
    assert "403" in str(caught.value)
    assert f"touchstone export {tmp_path} --to otel" in str(caught.value)
