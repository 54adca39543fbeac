"""Runs, trials, records and findings made by hand: a clean run by default, changed where a test says so."""

from dataclasses import replace

from touchstone.finding import CaseFinding, Estimate, Trust
from touchstone.plan import Plan
from touchstone.record import MemoryPeaks, Phase, Record, Run, Status, Trial

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
