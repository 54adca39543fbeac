"""Reads a server's own metrics while a load runs, on the clock of the load and from outside the measuring processes.

A server may say anything here, or nothing: a line that cannot be read is skipped, a page that cannot be had is a reason, and
neither is an error. Only what :mod:`touchstone.server_names` lists is kept, so a talkative server costs no memory.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from touchstone.clock import now_ns
from touchstone.measure.load.connection import Address, tls_context
from touchstone.server_names import Reading, Series, read, wanted
from touchstone.units import NS_PER_S

PERIOD_S = 0.5
TIMEOUT_S = 2.0
_MOST_BYTES = 16 << 20
_MOST_SERIES = 20_000
_LONGEST_LINE = 1 << 14
_NAME = re.compile(r"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)")


@dataclass(frozen=True)
class MetricSample:
    """One number of a server at one moment: a row of the table ``server``."""

    at_ns: int
    engine: str
    metric: str
    value: float


def samples_of(reading: Reading | None) -> list[MetricSample]:
    """The numbers of one reading as rows; none of none."""
    return [] if reading is None else [MetricSample(reading.at_ns, reading.engine, metric, value) for metric, value in reading.numbers()]


class Scraper:
    """A thread that reads ``/metrics`` every ``period_s`` seconds, at fixed times, between entering and leaving.

    ``headers`` may hold an API key; it goes to the server only. A server that answers, but not with metrics, is not asked again.
    """

    def __init__(self, address: Address, headers: Mapping[str, str] | None = None, *, period_s: float = PERIOD_S,
                 timeout_s: float = TIMEOUT_S) -> None:
        self._address, self._headers = address, {"Accept": "text/plain", "Connection": "close", **(headers or {})}
        self._period_ns, self._timeout_s = round(period_s * NS_PER_S), timeout_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scrape", daemon=True)
        self._samples: list[MetricSample] = []
        self.reason: str | None = None
        """Why the last reading brought nothing; None if it did, or if there was none."""
        self.failures = 0
        """Readings that brought nothing."""

    def __enter__(self) -> Scraper:  # noqa: PYI034 - typing.Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * self._timeout_s + 1)

    def read_once(self) -> Reading | None:
        """The server's metrics now; None with ``reason`` set if it shows none. Never raises for what a server does."""
        try:
            text = self._get()
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: an address that cannot be encoded
            self.reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        else:
            if text is not None:
                reading = read(parse_exposition(text), now_ns())
                self.reason = None if reading else "no metric that is known"
                if reading:
                    return reading
        self.failures += 1
        return None

    def take_samples(self) -> list[MetricSample]:
        """What the thread has read since the last call, oldest first."""
        taken, self._samples = self._samples, []
        return taken

    def _run(self) -> None:
        # The measuring processes come first, also where there is one core for all: a merely nicer thread still keeps its slice of 3 ms.
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        due_ns = now_ns()
        seen = False
        while True:
            reading = self.read_once()
            if reading is not None:
                seen = True
                self._samples += samples_of(reading)
            elif not seen and self._answered():
                return
            due_ns += self._period_ns * max(1, -(-(now_ns() - due_ns) // self._period_ns))
            if self._stop.wait((due_ns - now_ns()) / NS_PER_S):
                return

    def _answered(self) -> bool:
        return self.reason is not None and self.reason.startswith(("HTTP ", "no metric"))

    def _get(self) -> str | None:
        """The page; None with ``reason`` set for a status other than 200, or one too large or too slow."""
        address = self._address
        if address.tls:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                address.host, address.port, timeout=self._timeout_s, context=tls_context(verify=address.verify))
        else:
            connection = http.client.HTTPConnection(address.host, address.port, timeout=self._timeout_s)
        started_ns = now_ns()
        try:
            connection.request("GET", f"{address.prefix.removesuffix('/v1')}/metrics", headers=self._headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                self.reason = f"HTTP {response.status}"
                return None
            content = bytearray()
            while part := response.read1(1 << 16):
                content += part
                if len(content) > _MOST_BYTES or now_ns() - started_ns > self._timeout_s * NS_PER_S:
                    self.reason = "too large" if len(content) > _MOST_BYTES else "too slow"
                    return None
            return content.decode("utf-8", "replace")
        finally:
            connection.close()


def parse_exposition(text: str) -> dict[Series, float]:
    """The samples of a page in Prometheus' text format that :func:`touchstone.server_names.wanted` wants; of a repeated one the last.

    Each line is read by itself, so that a broken one costs no other. Values that are not finite are left out.
    """
    from prometheus_client.parser import text_string_to_metric_families

    samples: dict[Series, float] = {}
    for line in text.split("\n"):
        name = _NAME.match(line)
        if name is None or len(line) > _LONGEST_LINE or not wanted(name[1]):
            continue
        try:
            found = [sample for family in text_string_to_metric_families(line) for sample in family.samples]
        except Exception:  # noqa: BLE001, S112 - the library raises whatever a broken line makes it stumble over
            continue
        for sample in found:
            if math.isfinite(sample.value):
                samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        if len(samples) >= _MOST_SERIES:
            break
    return samples
