"""Prometheus metrics of a measurement while it goes on, on loopback, from the same records as its events.

Names begin with ``touchstone_`` and are in base units. What is not known yet has no sample: the tokens of a load are counted after it,
from what was kept, so that the client has nothing else to do meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from touchstone.cli.outlets import Record
from touchstone.errors import NotReadyError

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

HOST = "127.0.0.1"


class MetricsEndpoint:
    """Serves /metrics at ``port`` of this machine only (0: any free one) until it is closed. Raises :class:`NotReadyError` where it cannot."""

    name = "metrics"

    def __init__(self, port: int) -> None:
        from prometheus_client import CollectorRegistry, start_http_server

        self._registry = CollectorRegistry()
        self._metrics = _Metrics(self._registry)
        try:
            self._server, self._thread = start_http_server(port, HOST, self._registry)
        except OSError as error:
            raise NotReadyError("Metrics cannot be served at {host}:{port}: {error}.", "Choose another port, or any free one: --metrics-port 0",
                                host=HOST, port=port, error=error.strerror or error) from error

    @property
    def url(self) -> str:
        """Where the metrics are."""
        return f"http://{HOST}:{self._server.server_port}/metrics"

    def put(self, record: Record) -> None:
        """Count one record."""
        self._metrics.put(record)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge, Info, Summary

        def one(kind: Callable[..., Any], name: str, text: str, *labels: str) -> Any:
            return kind(f"touchstone_{name}", text, labels, registry=registry)

        self._run = one(Info, "run", "What is measured.")
        self._progress = one(Gauge, "progress_ratio", "How much of the measurement is done, 0 to 1, as far as that can be told.")
        self._stage = one(Gauge, "stage", "1 for the stage that goes on now.", "stage", "case")
        self._trials = one(Counter, "trials", "Trials of a run that ended.", "case", "phase", "status")
        self._seconds = one(Summary, "trial_duration_seconds", "How long measured trials took.", "case")
        self._tokens = one(Counter, "output_tokens", "Tokens that measured trials generated, where the engine counts them.", "case")
        self._sent = one(Counter, "requests_sent", "Requests of a load that were sent.", "case")
        self._requests = one(Counter, "requests", "Requests of a load that ended.", "case", "status")
        self._in_flight = one(Gauge, "requests_in_flight", "Requests of a load that are under way.", "case")
        self._floor = one(Gauge, "client_floor_seconds", "The client's own error of TTFT, measured before the load; the latest load's.")
        self._late = one(Gauge, "client_late_seconds", "The longest time for which the client did not look at its sockets.", "case")
        self._warnings = one(Counter, "warnings", "Warnings.", "code")
        self._seen = dict.fromkeys(("sent", "ended", "failed"), 0)

    def put(self, record: Record) -> None:
        """Count one record."""
        if record.get("progress") is not None:
            self._progress.set(record["progress"])
        if count := getattr(self, f"_on_{record['event'].replace('.', '_')}", None):
            count(record)

    def _on_run_start(self, record: Record) -> None:
        self._run.info({name: str(record[name]) for name in ("run_id", "kind", "plan", "model", "touchstone") if record[name] is not None})

    def _on_stage_start(self, record: Record) -> None:
        self._stage.clear()
        self._stage.labels(record["stage"], record["case"] or "").set(1)
        self._seen = dict.fromkeys(self._seen, 0)  # every point counts from zero

    def _on_trial(self, record: Record) -> None:
        case = record["case"]
        self._trials.labels(case, record["phase"], record["status"]).inc()
        if record["phase"] == "measured":
            self._seconds.labels(case).observe(record["elapsed_s"])
            if record["output_tokens"] is not None:
                self._tokens.labels(case).inc(record["output_tokens"])

    def _on_sample(self, record: Record) -> None:
        if record.get("client_floor_s") is not None:
            self._floor.set(record["client_floor_s"])
        if "client_late_s" in record:
            self._late.labels(record["case"]).set(record["client_late_s"])
        if "sent" in record:
            sent, ended, failed = (record[name] - self._seen[name] for name in ("sent", "ended", "failed"))
            self._seen = {name: record[name] for name in self._seen}
            self._sent.labels(record["case"]).inc(sent)
            self._requests.labels(record["case"], "ok").inc(ended - failed)
            self._requests.labels(record["case"], "failed").inc(failed)
            self._in_flight.labels(record["case"]).set(record["in_flight"])

    def _on_warning(self, record: Record) -> None:
        self._warnings.labels(record["code"]).inc()

    def _on_run_end(self, record: Record) -> None:
        self._stage.clear()
        if record["status"] == "complete":
            self._progress.set(1)
