"""What to offer a server: the workload (what is asked), the loads (how often), the service levels, and of whom.

The same rules as for :mod:`touchstone.plan`: frozen, validated at the edge, an unknown key is an error. The resolved plan of every
run is kept beside its results, and playing it again sends the same bytes at the same times.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from touchstone.plan import PLAN_SCHEMA, Noun, Positive, plan_error, plan_mapping, read_plan_text

LONGEST_S = 366 * 86_400.0
"""No load, pause or patience is longer than a year."""
LONGEST_TOKENS = 1 << 31
"""Every length is below it."""
_KEPT = frozenset({"model", "messages", "prompt", "stream", "max_tokens"})

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Duration = Annotated[float, Field(gt=0, le=LONGEST_S, allow_inf_nan=False)]
Pause = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1, lt=LONGEST_TOKENS)]
Backend = Literal["openai-chat", "openai"]
"""Chat completions, or plain completions."""


class Length(Noun):
    """A distribution of token counts: always ``mean``, or spread as ``uniform`` over [low, high] or ``normal`` with ``deviation``.

    A normal length is cut to [low, high].
    """

    kind: Literal["exact", "uniform", "normal"] = "exact"
    mean: Annotated[float, Field(ge=1, lt=LONGEST_TOKENS, allow_inf_nan=False)]
    low: Tokens = 1
    high: Tokens | None = None
    deviation: Annotated[float, Field(ge=0, lt=LONGEST_TOKENS, allow_inf_nan=False)] = 0.0


class Workload(Noun):
    """What is asked.

    ``synthetic`` prompts have an exact length in tokens; a ``trace`` brings its own lengths (and times); ``sharegpt`` and ``jsonl``
    bring the texts. The first ``shared_prefix_tokens`` of a prompt are one of ``prefixes`` texts. A session has ``turns``, each
    sent ``think_time_s`` after the one before it ended, with the conversation so far in front.
    """

    kind: Literal["synthetic", "sharegpt", "jsonl", "trace"] = "synthetic"
    path: str | None = None
    input_len: Length | None = None
    output_len: Length | None = None
    shared_prefix_tokens: Annotated[int, Field(ge=0, lt=LONGEST_TOKENS)] = 0
    prefixes: Positive = 1
    turns: Positive = 1
    think_time_s: Pause = 0.0


class Stage(Noun):
    """A stretch of an open load at one rate."""

    duration_s: Duration
    request_rate: PositiveFloat


class Load(Noun):
    """How requests are offered.

    Closed loop: ``concurrency`` alone; a slot sends its next request when the last one ended. Open loop: ``arrival`` says how the
    gaps between requests are drawn, and ``concurrency``, if given, caps how many may be in flight. A ``burst`` sends everything at once.
    ``burstiness`` is the shape of the gamma distribution: 1 is Poisson, below 1 is burstier. ``ramp_s`` raises the rate (or starts
    the slots) evenly over that time. ``stages`` replace ``request_rate``. ``speedup`` plays a trace faster.
    """

    concurrency: Positive | None = None
    request_rate: PositiveFloat | None = None
    arrival: Literal["poisson", "constant", "gamma", "burst", "trace"] | None = None
    burstiness: PositiveFloat = 1.0
    ramp_s: Pause = 0.0
    stages: tuple[Stage, ...] = ()
    speedup: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _holds_together(self) -> Load:
        if self.arrival is None and self.concurrency is None:
            raise ValueError("give a concurrency (closed loop) or an arrival (open loop)")
        if self.arrival in {"poisson", "constant", "gamma"} and (self.request_rate is None) == (not self.stages):
            raise ValueError("an open load needs a request_rate or stages, not both")
        if self.arrival in {None, "burst", "trace"} and (self.request_rate is not None or self.stages):
            raise ValueError("request_rate and stages belong to the arrivals poisson, constant and gamma")
        return self

    @property
    def closed(self) -> bool:
        """Whether the next request waits for an answer rather than for the clock."""
        return self.arrival is None

    @property
    def label(self) -> str:
        """A short name: ``c64``, ``r8-poisson``, ``burst``, ``trace-x2``."""
        if self.arrival is None:
            return f"c{self.concurrency}"
        if self.arrival in {"burst", "trace"}:
            return self.arrival if self.speedup == 1 else f"{self.arrival}-x{self.speedup:.12g}"
        rate = "-".join(f"{stage.request_rate:.12g}" for stage in self.stages) or f"{self.request_rate:.12g}"
        return f"r{rate}-{self.arrival}"


class Slo(Noun):
    """A service level: a metric in seconds, at a quantile of the requests; without one it holds for each request by itself."""

    metric: Literal["ttft", "ttfo", "tpot", "e2e", "response_ttft", "response_e2e", "itl"]
    limit_s: PositiveFloat
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None


class Endpoint(Noun):
    """Who is asked. The key is not here: it is never written anywhere."""

    base_url: str
    backend: Backend
    path: str
    model: str | None = None
    tokenizer: str | None = None
    stream: bool = True
    verify_tls: bool = True


class LoadPlan(Noun):
    """A load test: every load in turn, ``repeats`` times, each with ``num_prompts`` requests or for ``duration_s``, whichever ends first.

    ``warmup`` is a number of requests before each load, or "auto": one for every request that the load has in flight; ``warmup_s``
    warms up for a time instead. ``extra_body`` goes into every request, but may not replace what the measurement rests on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: Literal[1] = Field(default=PLAN_SCHEMA, alias="schema")
    kind: Literal["load"] = "load"
    name: str = "load"
    workload: Workload
    loads: tuple[Load, ...] = Field(min_length=1)
    num_prompts: Positive | None = None
    duration_s: Duration | None = None
    warmup: Annotated[int, Field(ge=0)] | Literal["auto"] = 3
    warmup_s: Duration | None = None
    repeats: Positive = 1
    seed: Annotated[int, Field(ge=0)] = 0
    timeout_s: Duration = 600.0
    ignore_eos: bool = True
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = 0.0
    extra_body: dict[str, Any] = Field(default_factory=dict)
    slos: tuple[Slo, ...] = ()
    processes: Positive | None = None
    calibrate: bool = True

    @model_validator(mode="after")
    def _ends(self) -> LoadPlan:
        if self.num_prompts is None and self.workload.kind != "trace":
            if self.duration_s is None and not all(load.stages for load in self.loads):
                raise ValueError("give num_prompts or duration_s, or the load would never end")
            if any(load.arrival == "burst" for load in self.loads):
                raise ValueError("a burst needs num_prompts")
        return self

    @model_validator(mode="after")
    def _holds_together(self) -> LoadPlan:
        if (self.workload.kind == "synthetic") == (self.workload.path is not None):
            raise ValueError("a path belongs to every workload but a synthetic one")
        for length in (self.workload.input_len, self.workload.output_len):
            if length is not None and length.high is not None and length.high < length.low:
                raise ValueError(f"a length between {length.low} and {length.high} does not exist")
        for load in self.loads:
            if load.ramp_s and load.arrival in {"burst", "trace"}:
                raise ValueError(f"a {load.arrival} has no rate that could ramp up")
            if (load.burstiness != 1 and load.arrival != "gamma") or (load.speedup != 1 and load.arrival != "trace"):
                raise ValueError("a burstiness belongs to the arrival gamma, and a speedup to the arrival trace")
        if any(load.arrival == "trace" for load in self.loads) and self.workload.kind != "trace":
            raise ValueError("the arrival trace needs a trace as the workload")
        labels = [load.label for load in self.loads]
        repeated = sorted({label for label in labels if labels.count(label) > 1})
        if repeated:
            raise ValueError(f"loads must differ; repeated: {', '.join(repeated)}")
        kept = sorted(_KEPT & set(self.extra_body))
        if kept:
            raise ValueError(f"extra_body may not replace {', '.join(kept)}")
        return self


LOAD_NOUNS = (LoadPlan, Workload, Length, Load, Stage, Slo)
"""What a load plan is made of."""


def load_plan_of(content: dict[str, Any], source: str) -> LoadPlan:
    """The load plan of a mapping; ``source`` names it in errors. Raises :class:`touchstone.errors.UsageError`."""
    try:
        return LoadPlan.model_validate(content)
    except ValidationError as error:
        raise plan_error(error, source, LOAD_NOUNS) from error


def read_load_plan(path: Path) -> LoadPlan:
    """The load plan in a YAML file. Raises :class:`touchstone.errors.DataError` or :class:`touchstone.errors.UsageError`."""
    return load_plan_of(plan_mapping(read_plan_text(path), str(path)), str(path))
