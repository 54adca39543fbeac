"""Runs, trials, records and findings made by hand: a clean run by default, changed where a test says so."""

from dataclasses import replace

import numpy as np

from touchstone.finding import CaseFinding, Estimate, Trust
from touchstone.load_plan import Load, LoadPlan
from touchstone.plan import Plan
from touchstone.record import MemoryPeaks, Phase, Record, Run, Status, Trial
from touchstone.served import REQUEST_COLUMNS, TOKEN_KINDS, Ending, EventKind, Events, LoadRun, Point, Requests

MS = 1_000_000
S = 1_000_000_000
GB = 1_000_000_000
JITTER = (0.999, 1.002, 1.0, 0.998, 1.001, 1.0, 1.002, 0.999, 1.001, 0.998)
PROMPTS = {"0": " Paris, and the river there is the Seine.", "1": " 5, 6, 7, 8, 9, 10, 11, 12"}


def make_record(**changes):
    """One good request of 16 tokens: the first after ``first_ns``, the others ``step_ns`` apart."""
    first_ns, step_ns = changes.pop("first_ns", 50 * MS), changes.pop("step_ns", 10 * MS)
    sent_ns, tokens = changes.get("sent_ns", 0), changes.pop("tokens", 16)
    stamps = changes.get("event_ns", tuple(sent_ns + first_ns + step_ns * place for place in range(tokens)))
    built = changes.get("input_tokens_built", 7)
    facts = {
        "request_id": "short/0/0", "prompt_digest": "0123456789abcdef", "input_tokens_built": built, "input_tokens": built,
        "cached_tokens": 0, "asked_output_tokens": tokens, "output_tokens": tokens, "status": Status.OK, "finish": "length",
        "sent_ns": sent_ns, "ended_ns": stamps[-1] + 100_000 if stamps else sent_ns, "event_ns": stamps,
        "event_tokens": (1,) * len(stamps), "engine_prefill_ns": first_ns, "engine_decode_ns": step_ns * (tokens - 1),
        "text": "A robot lands on a quiet planet.",
    }
    return Record(**{**facts, **changes})


def make_trial(case="short", index=0, **changes):
    """One good measured trial; what a record takes (``first_ns``, ``tokens``, …) goes to its records, which share their stamps."""
    names = ("first_ns", "step_ns", "tokens", "input_tokens_built")
    sent_ns, batch_size = changes.pop("sent_ns", 0), changes.pop("batch_size", 1)
    given = {name: changes.pop(name) for name in names if name in changes}
    records = changes.pop("records", None)
    if records is None:
        records = tuple(make_record(request_id=f"{case}/{index}/{place}", sent_ns=sent_ns, **given) for place in range(batch_size))
    facts = {
        "launch": 0, "process": 0, "sequence": index, "case": case, "index": index, "phase": Phase.MEASURED, "batch_size": batch_size,
        "status": Status.OK, "sent_ns": sent_ns, "ended_ns": max((record.ended_ns for record in records), default=sent_ns),
        "records": records, "memory": MemoryPeaks(allocated_bytes=3 * GB, reserved_bytes=4 * GB, device_used_bytes=5 * GB),
        "cpu_self_ns": 10 * MS, "cpu_others_ns": 0, "collector_pauses": 0,
    }
    return Trial(**{**facts, **changes})


def make_failure(case="short", index=0, status=Status.OUT_OF_MEMORY, error="out of memory", **changes):
    """A trial whose requests all failed with ``status``, as the player writes it down."""
    batch_size, sent_ns = changes.get("batch_size", 1), changes.get("sent_ns", 0)
    records = tuple(
        make_record(request_id=f"{case}/{index}/{place}", sent_ns=sent_ns, status=status, input_tokens=None, cached_tokens=None,
                    output_tokens=None, finish=None, event_ns=(), text=None, engine_prefill_ns=None, engine_decode_ns=None)
        for place in range(batch_size))
    return make_trial(case, index, status=status, error=error, records=records, memory=MemoryPeaks(), **changes)


def verify_trials(texts=PROMPTS, again=None, batch=None, **changes):
    """The verification of ``texts``: every prompt alone, again, and all in one batch; other texts there as given.

    Each prompt is a token longer than the one before, so a batch pads all but the last.
    """
    def record(label, prompt, text):
        return make_record(request_id=f"verify/{prompt}/{label}", text=text, input_tokens_built=5 + int(prompt), **changes)

    alone = [(record("alone", prompt, text),) for prompt, text in texts.items()]
    repeated = [(record("again", prompt, text),) for prompt, text in (again or texts).items()]
    together = tuple(record("batch", prompt, text) for prompt, text in (batch or texts).items())
    return [make_trial("verify", index, phase=Phase.VERIFY, records=records, batch_size=len(records))
            for index, records in enumerate([*alone, *repeated, together])]


def plan_case(name="short", **changes):
    """A case as the header keeps it."""
    facts = {"name": name, "title": {}, "input_tokens": 7, "messages": None, "output_tokens": 16, "batch_size": 1, "stop_at_eos": False,
             "sampling": {"temperature": 0.0, "top_p": 1.0, "seed": 0}}
    return {**facts, **changes}


def make_facts(**changes):
    """What an engine says of a small dense model on an H200."""
    facts = {
        "engine": "transformers", "version": "transformers 5.0", "device": "cuda:0", "device_name": "NVIDIA H200", "model": "/models/small",
        "random_weights": False, "dtypes": {"bf16": 2 * GB}, "weight_bytes": 2 * GB, "parameters": GB, "kv_bytes_per_token": 1000,
        "options": {"attention": "sdpa"}, "loads": [{"seconds": 1.5, "resident_fraction": 0.0}], "memory_total_bytes": 141 * GB,
        "read_bytes_per_step": GB,
    }
    return {**facts, **changes}


def make_header(cases, **changes):
    """``run.json`` of a complete run of ``cases`` in one launch."""
    header = {
        "schema": 2, "id": "abc123", "created": "2026-11-20T12:00:00+00:00", "status": "complete", "touchstone": "0.1.0",
        "plan": {**Plan(name="hand-made").model_dump(mode="json", by_alias=True), "cases": cases},
        "target": {"engine": "transformers", "device": "cuda", "model": "/models/small", "dtype": "bf16", "options": {}},
        "asked": {"suite": "hand-made", "model": "/models/small", "dtype": "bf16"},
        "environment": {"cores": 4, "busy_processes": []}, "mark_cost_ns": 50.0, "launches": [{"launch": 0, "facts": make_facts()}],
    }
    return {**header, **changes}


def make_run(trials, cases=None, **header):
    """A run of exactly ``trials``; its plan names their cases unless ``cases`` does."""
    if cases is None:
        measured = {trial.case: trial for trial in trials if trial.phase is not Phase.VERIFY}
        cases = [plan_case(name, batch_size=trial.batch_size) for name, trial in measured.items()]
    return Run("runs/hand-made", make_header(cases, **header), tuple(trials), ())


def clean_run(**header):
    """A run that nobody can find fault with: verified, piloted, ten quiet trials of two batch sizes, one launch."""
    played = verify_trials()
    cases = [plan_case("short"), plan_case("batch-4", batch_size=4)]
    pilots = [("short", phase, index) for index in range(4) for phase in (Phase.PILOT_PLAIN, Phase.PILOT_MARKED)]
    measured = [(case["name"], Phase.MEASURED, index) for index in range(10) for case in cases]
    for name, phase, index in [*pilots, *measured]:
        sent_ns = played[-1].ended_ns + MS
        batch_size = next(case["batch_size"] for case in cases if case["name"] == name)
        factor = JITTER[index] * (1.0005 if phase is Phase.PILOT_MARKED else 1)
        played.append(make_trial(name, index, phase=phase, sent_ns=sent_ns, batch_size=batch_size, sequence=len(played),
                                 first_ns=round(50 * MS * factor), step_ns=round(10 * MS * factor)))
    return make_run(played, cases, **header)


def with_trials(run, change):
    """``run`` with ``change(trial)`` in place of every trial."""
    return replace(run, trials=tuple(change(trial) for trial in run.trials))


def make_estimate(metric, value, spread=0.01, **changes):
    """An estimate of ``value`` whose interval reaches ``spread`` to each side."""
    units = {"decode_speed": "tokens/s/req", "output_throughput": "tokens/s", "peak_memory": "B"}
    return Estimate(**{"metric": metric, "unit": units.get(metric, "s"), "n": 5, "value": value, "low": value * (1 - spread),
                       "high": value * (1 + spread), **changes})


def make_finding(name="short", batch_size=1, throughput=100.0, **changes):
    """A case that stands; ``ttft`` and ``tpot`` in seconds, ``spread`` for all its intervals."""
    ttft, tpot, spread = changes.pop("ttft", 0.1), changes.pop("tpot", 0.02), changes.pop("spread", 0.01)
    values = {"ttft": ttft, "tpot": tpot, "itl": tpot, "e2e": ttft + 15 * tpot, "decode_speed": 1 / tpot, "output_throughput": throughput,
              "peak_memory": 3e9}
    facts = {
        "name": name, "title": {}, "input_tokens": 7.0, "output_tokens": 16.0, "batch_size": batch_size, "speed": True, "trials": 5,
        "launches": 1, "issued": 5 * batch_size, "ok": 5 * batch_size, "failed": {}, "trust": Trust.TRUSTED,
        "metrics": {metric: make_estimate(metric, value, spread) for metric, value in values.items()},
    }
    return CaseFinding(**{**facts, **changes})


# ── a server under load ──────────────────────────────────────────────────────────────────────────────────────────────────


def ints(values):
    """A column: integers, masked where None."""
    listed = [None if value is None else int(value) for value in values]
    return np.ma.array([value or 0 for value in listed], mask=[value is None for value in listed], dtype=np.int64)


def make_requests(count, **changes):
    """``count`` good requests a second apart: 8 tokens in, 16 out, the first after 50 ms, the others 10 ms apart, one event each."""
    sent = changes.get("sent_ns") or [S * place for place in range(count)]
    facts = {
        "point": [0] * count, "request": range(count), "turn": [None] * count, "ending": [Ending.OK] * count,
        "input_tokens_asked": [8] * count, "input_tokens": [8] * count, "cached_tokens": [0] * count,
        "output_tokens_asked": [16] * count, "output_tokens": [16] * count, "output_tokens_text": [None] * count,
        "first_tokens": [1] * count, "token_events": [16] * count, "scheduled_ns": sent, "sent_ns": sent,
        "first_event_ns": [at + 50 * MS for at in sent], "first_token_ns": [at + 50 * MS for at in sent],
        "first_output_ns": [at + 50 * MS for at in sent], "last_token_ns": [at + 200 * MS for at in sent],
        "ended_ns": [at + 201 * MS for at in sent], "delay_ns": [None] * count,
    }
    return Requests(**{name: ints({**facts, **changes}[name]) for name in REQUEST_COLUMNS})


def make_stream(told, sent_ms=0, ended_ms=None, **changes):
    """One answer as ``(requests, events)``: ``told`` lists its events as (milliseconds, kind, tokens)."""
    bearing = [(at, tokens) for at, kind, tokens in told if EventKind[kind] in TOKEN_KINDS]
    visible = [at for at, kind, _ in told if kind == "CONTENT"]
    counted = [tokens for _, tokens in bearing]
    facts = {
        "sent_ns": [sent_ms * MS], "first_event_ns": [told[0][0] * MS], "first_token_ns": [bearing[0][0] * MS],
        "first_output_ns": [visible[0] * MS if visible else None], "last_token_ns": [bearing[-1][0] * MS],
        "ended_ns": [(told[-1][0] if ended_ms is None else ended_ms) * MS], "first_tokens": [counted[0]], "token_events": [len(bearing)],
        "output_tokens": [None if None in counted else sum(counted)],
    }
    events = Events(point=ints([0] * len(told)), request=ints([0] * len(told)), at_ns=ints([at * MS for at, _, _ in told]),
                    read_ns=ints([at * MS for at, _, _ in told]), tokens=ints([tokens for _, _, tokens in told]),
                    kind=ints([EventKind[kind] for _, kind, _ in told]))
    return make_requests(1, **{**facts, **changes}), events


def make_load(**changes):
    """A load as a point keeps it: eight requests in flight."""
    return Load(**{"concurrency": 8, **changes}).model_dump(mode="json")


def make_load_plan(load, **changes):
    """The plan of a load test as the header keeps it."""
    length = {"mean": 8.0}
    facts = {"workload": {"kind": "synthetic", "input_len": length, "output_len": {"mean": 16.0}}, "loads": [load], "num_prompts": 400}
    return LoadPlan(**{**facts, **changes}).model_dump(mode="json")


def make_conduct(**changes):
    """How a client behaved that nobody can find fault with."""
    process = {"cpu_fraction": 0.3, "loop_busy_fraction": 0.25, "longest_loop_ns": 400_000, "late_loops": 0, "late_ns": 0,
               "collector_pauses": 0, "read_delay_ns": {"mean": 8000, "p50": 6000, "p99": 40_000, "max": 200_000, "count": 10_000}}
    return {"processes": [{**process, **changes}]}


def make_load_header(load, plan=None, **changes):
    """``run.json`` of a complete load test."""
    header = {
        "schema": 2, "kind": "load", "id": "10ad", "created": "2026-11-20T12:00:00+00:00", "status": "complete", "touchstone": "0.1.0",
        "plan": make_load_plan(load, **(plan or {})), "processes": 1,
        "endpoint": {"base_url": "http://127.0.0.1:8000", "path": "/v1/chat/completions", "backend": "openai-chat", "model": "small",
                     "tokenizer": None, "stream": True},
        "server": {"name": "vllm", "version": "0.11"}, "environment": {"cores": 4},
        "calibration": {"floor_s": 0.0001, "ttft_error_mean_s": 0.00002, "gap_error_p99_s": 0.00005, "events_per_s": 12_800.0},
    }
    return {**header, **changes}


def make_events(requests, tokens=1, step_ns=10 * MS, kind=EventKind.CONTENT):
    """The token events of ``requests``: each answer's evenly spaced from its first token on, ``tokens`` in each but the first."""
    counts = requests.token_events.filled(0)
    row = np.repeat(np.arange(len(requests)), counts)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    at_ns = requests.first_token_ns.filled(0)[row] + place * step_ns
    brought = np.where(place == 0, requests.first_tokens.filled(1)[row], tokens or 0)
    return Events(point=requests.point[row], request=requests.request[row], at_ns=np.ma.array(at_ns), read_ns=np.ma.array(at_ns),
                  tokens=np.ma.array(brought, mask=tokens is None), kind=ints([kind]).repeat(len(row)))


def make_load_run(requests, events=None, load=None, points=None, **header):
    """A load run of ``requests`` (one point, unless ``points`` changes the facts of several) and the batches of ``events``."""
    load = make_load() if load is None else load
    batches = [make_events(requests)] if events is None else [events] if isinstance(events, Events) else list(events)
    plan = header.pop("plan", None)
    told = [{}] * (int(requests.point.max()) + 1) if points is None else points
    name = Load(**load).label
    made = []
    for index, facts in enumerate(told):
        mine = requests.point == index
        usual = {"index": index, "case": name, "repeat": index, "load": load, "client": make_conduct(), "server": {},
                 "started_ns": int(requests.sent_ns[mine].min()), "ended_ns": int(requests.ended_ns[mine].max())}
        made.append(Point(**{**usual, **facts}))
    return LoadRun("runs/load", make_load_header(load, plan, **header), tuple(made), requests, lambda: iter(batches))


def steady_requests(count=400, concurrency=8, **changes):
    """A closed loop that keeps ``concurrency`` in flight: slot k starts k ms after the first, answers take 201 ms, and 1 ms lies between."""
    sent = [(place // concurrency) * 202 * MS + (place % concurrency) * 25 * MS for place in range(count)]
    return make_requests(count, **{"sent_ns": sent, "scheduled_ns": [None] * count, **changes})
