"""What inference servers call their own metrics, and one name for each: the only table of the kind.

The names are those of the servers' public pages: vLLM ``docs/design/metrics.md`` and ``docs/usage/metrics.md`` (V0: ``serving/metrics``),
SGLang ``references/production_metrics.md``, TGI ``reference/metrics``, llama.cpp ``tools/server/README.md``, MindIE Motor's
coordinator. Some exporters write ``_`` where the server says ``:``, and some leave out ``_total``; both are read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A name as the server writes it, and its labels in order."""


class Kind(Enum):
    """How the series of one metric (a data-parallel rank each, say) become one number."""

    LEVEL = "level"  # now; summed
    FRACTION = "fraction"  # now, of 1; averaged
    COUNTER = "counter"  # since the server started; summed
    HISTOGRAM = "histogram"  # since the server started; summed by bucket


KINDS: Mapping[str, Kind] = {
    "running": Kind.LEVEL,
    "waiting": Kind.LEVEL,
    "kv_cache_fraction": Kind.FRACTION,
    "prefix_cache_hit_fraction": Kind.FRACTION,  # over the server's whole life, or over its last batch: never of one point
    "prefix_cache_queries": Kind.COUNTER,
    "prefix_cache_hits": Kind.COUNTER,
    "prompt_tokens_total": Kind.COUNTER,
    "generation_tokens_total": Kind.COUNTER,
    "preemptions": Kind.COUNTER,
    "ttft_seconds": Kind.HISTOGRAM,
    "itl_seconds": Kind.HISTOGRAM,  # one value per token or step
    "tpot_seconds": Kind.HISTOGRAM,  # one value per request: its mean
    "e2e_seconds": Kind.HISTOGRAM,
}

NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    # Of several names the first that is there counts, so that a release with an old and a new one is not counted twice; names joined
    # by + are added up, if all are there.
    "vllm": {
        "running": ("vllm:num_requests_running",),
        "waiting": ("vllm:num_requests_waiting",),
        "kv_cache_fraction": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        "prefix_cache_hit_fraction": ("vllm:gpu_prefix_cache_hit_rate",),
        "prefix_cache_queries": ("vllm:prefix_cache_queries", "vllm:gpu_prefix_cache_queries"),  # tokens
        "prefix_cache_hits": ("vllm:prefix_cache_hits", "vllm:gpu_prefix_cache_hits"),
        "prompt_tokens_total": ("vllm:prompt_tokens_total",),
        "generation_tokens_total": ("vllm:generation_tokens_total",),
        "preemptions": ("vllm:num_preemptions_total",),
        "ttft_seconds": ("vllm:time_to_first_token_seconds",),
        "itl_seconds": ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
        "tpot_seconds": ("vllm:request_time_per_output_token_seconds",),
        "e2e_seconds": ("vllm:e2e_request_latency_seconds",),
    },
    "sglang": {
        "running": ("sglang:num_running_reqs",),
        "waiting": ("sglang:num_queue_reqs",),
        "kv_cache_fraction": ("sglang:token_usage",),
        "prefix_cache_hit_fraction": ("sglang:cache_hit_rate",),
        "prefix_cache_queries": ("sglang:prompt_tokens_total",),  # every prompt token is looked up
        "prefix_cache_hits": ("sglang:cached_tokens_total",),
        "prompt_tokens_total": ("sglang:prompt_tokens_total",),
        "generation_tokens_total": ("sglang:generation_tokens_total",),
        "preemptions": ("sglang:num_retracted_requests_total",),
        "ttft_seconds": ("sglang:time_to_first_token_seconds",),
        "itl_seconds": ("sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"),
        "e2e_seconds": ("sglang:e2e_request_latency_seconds",),
    },
    "tgi": {
        "running": ("tgi_batch_current_size",),
        "waiting": ("tgi_queue_size",),
        "prompt_tokens_total": ("tgi_request_input_length_sum",),  # of finished requests
        "generation_tokens_total": ("tgi_request_generated_tokens_sum",),
        "tpot_seconds": ("tgi_request_mean_time_per_token_duration",),
        "e2e_seconds": ("tgi_request_duration",),
    },
    "llamacpp": {
        "running": ("llamacpp:requests_processing",),
        "waiting": ("llamacpp:requests_deferred",),
        "kv_cache_fraction": ("llamacpp:kv_cache_usage_ratio",),  # no longer in current releases
        "prefix_cache_queries": ("llamacpp:prompt_tokens_total+llamacpp:prompt_tokens_cached_total",),
        "prefix_cache_hits": ("llamacpp:prompt_tokens_cached_total",),
        # The first counts only what was computed; releases before the second existed therefore leave out what the cache held.
        "prompt_tokens_total": ("llamacpp:prompt_tokens_total+llamacpp:prompt_tokens_cached_total", "llamacpp:prompt_tokens_total"),
        "generation_tokens_total": ("llamacpp:tokens_predicted_total",),
    },
    "mindie": {
        "running": ("num_requests_running",),
        "waiting": ("num_requests_waiting",),
        "kv_cache_fraction": ("npu_cache_usage_perc",),
        "prefix_cache_hit_fraction": ("npu_prefix_cache_hit_rate",),
        "prompt_tokens_total": ("prompt_tokens_total",),
        "generation_tokens_total": ("generation_tokens_total",),
        "preemptions": ("num_preemptions_total",),
        "ttft_seconds": ("time_to_first_token_seconds",),
        "itl_seconds": ("time_per_output_token_seconds",),
        "e2e_seconds": ("e2e_request_latency_seconds",),
    },
}


@dataclass(frozen=True)
class Histogram:
    """Counts since the server started. ``buckets`` holds (upper bound in seconds, values up to it); the infinite one is ``count``."""

    count: float
    sum_s: float | None = None
    buckets: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Reading:
    """A server's metrics at one moment, under our names; what it does not show is absent."""

    at_ns: int
    engine: str
    values: Mapping[str, float] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)

    def numbers(self) -> Iterator[tuple[str, float]]:
        """Every plain number, of a histogram ``…_count`` and ``…_sum``: the rows of a time series."""
        yield from self.values.items()
        for metric, histogram in self.histograms.items():
            yield f"{metric}_count", histogram.count
            if histogram.sum_s is not None:
                yield f"{metric}_sum", histogram.sum_s

    def to_json(self) -> dict[str, Any]:
        """As kept in a run's header."""
        histograms = {metric: {"count": one.count, "sum_s": one.sum_s, "buckets": [list(bucket) for bucket in one.buckets]}
                      for metric, one in self.histograms.items()}
        return {"at_ns": self.at_ns, "engine": self.engine, "values": dict(self.values), "histograms": histograms}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Reading:
        """The inverse of :meth:`to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        histograms = {metric: Histogram(one["count"], one["sum_s"], tuple((bound, count) for bound, count in one["buckets"]))
                      for metric, one in content["histograms"].items()}
        return cls(content["at_ns"], content["engine"], dict(content["values"]), histograms)


_Found = dict[str, list[tuple[dict[str, str], float]]]
"""Plain name to the series of that name: labels and value of each."""


def _plain(name: str) -> str:
    return name.replace(":", "_").removesuffix("_total")


_PARTS = ("_sum", "_count", "_bucket")
_WANTED = frozenset(_plain(name) + part for metrics in NAMES.values() for metric, names in metrics.items()
                    for joined in names for name in joined.split("+") for part in (_PARTS if KINDS[metric] is Kind.HISTOGRAM else ("",)))


def wanted(name: str) -> bool:
    """Whether a server's sample of this name has a place in the table."""
    return _plain(name) in _WANTED


def read(samples: Mapping[Series, float], at_ns: int) -> Reading | None:
    """A server's samples under our names; None if they belong to no server of the table.

    A fraction outside 0 to 1 (a server that has none says -1, one release counted in per cent) is left out: what it means is a guess.
    """
    found: _Found = defaultdict(list)
    for (name, labels), value in samples.items():
        found[_plain(name)].append((dict(labels), value))
    for engine, metrics in NAMES.items():
        values: dict[str, float] = {}
        histograms: dict[str, Histogram] = {}
        for metric, names in metrics.items():
            if KINDS[metric] is Kind.HISTOGRAM:
                histogram = next((shown for name in names if (shown := _histogram(found, _plain(name)))), None)
                if histogram is not None:
                    histograms[metric] = histogram
            else:
                number = next((one for name in names if (one := _number(found, name.split("+"), KINDS[metric])) is not None), None)
                if number is not None:
                    values[metric] = number
        if values or histograms:
            return Reading(at_ns, engine, values, histograms)
    return None


def _number(found: _Found, names: list[str], kind: Kind) -> float | None:
    series = [[value for _, value in found.get(_plain(name), ())] for name in names]
    if not all(series):
        return None
    total = math.fsum(math.fsum(values) / (len(values) if kind is Kind.FRACTION else 1) for values in series)
    return total if kind is not Kind.FRACTION or 0 <= total <= 1 else None


def _histogram(found: _Found, name: str) -> Histogram | None:
    buckets: dict[float, float] = defaultdict(float)
    for labels, value in found.get(f"{name}_bucket", ()):
        try:
            bound = float(labels["le"])
        except (KeyError, ValueError):
            continue
        if not math.isnan(bound):
            buckets[bound] += value
    infinite = buckets.pop(math.inf, None)
    counts = [value for _, value in found.get(f"{name}_count", ())]
    sums = [value for _, value in found.get(f"{name}_sum", ())]
    count = math.fsum(counts) if counts else infinite
    return None if count is None else Histogram(count, math.fsum(sums) if sums else None, tuple(sorted(buckets.items())))
