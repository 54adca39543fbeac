"""Runs of a known truth, to be compared: launches of an engine and repeats of a load whose every time is multiplied by a known factor."""

import random
from dataclasses import replace

import numpy as np
from builders import MS, S, make_events, make_load, make_load_run, make_requests, make_run, make_trial, plan_case
from builders import make_facts as engine_facts

from touchstone.load_store import REQUEST_FACTS, REQUEST_WORDS, append_answers
from touchstone.load_store import compact as compact_load
from touchstone.served import EVENT_COLUMNS, REQUEST_COLUMNS, Requests
from touchstone.store import PARTS, append_trial, compact, create

CASES = {"short": 1, "batch-4": 4}


def engine_run(slower=1.0, launches=5, seed=0, noise=0.003, trials=6, **header):
    """Every launch is off by ``noise`` (one sigma) of its own, its trials by a third of a percent more."""
    rng, played = random.Random(seed), []
    cases = header.pop("cases", CASES)
    for launch in range(launches):
        own = slower * (1 + rng.gauss(0, noise))
        for index in range(trials):
            for case, batch_size in cases.items():
                factor = own * (1 + rng.gauss(0, 0.003))
                played.append(make_trial(case, index, launch=launch, sequence=len(played), sent_ns=len(played) * S, batch_size=batch_size,
                                         first_ns=round(50 * MS * factor), step_ns=round(10 * MS * factor)))
    run = make_run(played, [plan_case(name, batch_size=size) for name, size in cases.items()], id=f"run-{seed}", **header)
    return replace(run, path=f"runs/{seed}")


def facts(**changes):
    """The launches of a header, where the engine is not the usual one."""
    return [{"launch": 0, "facts": engine_facts(**changes)}]


def load_run(slower=1.0, repeats=5, seed=0, noise=0.003, count=400, concurrency=8, tokens=16, **header):
    """A closed loop, ``repeats`` times; every repeat is off by ``noise`` of its own."""
    rng = random.Random(seed)
    tables, events, load = [], [], header.pop("load", None) or make_load(concurrency=concurrency)
    for point in range(repeats):
        own = slower * (1 + rng.gauss(0, noise))
        step = round(10 * MS * own)
        jitter = [round(MS * own * rng.random()) for _ in range(count)]
        sent = [round(((place // concurrency) * (50 + 10 * tokens) + (place % concurrency) * 5) * MS * own) for place in range(count)]
        first = [at + round(50 * MS * own) + late for at, late in zip(sent, jitter, strict=True)]
        last = [at + (tokens - 1) * step for at in first]
        tables.append(make_requests(count, sent_ns=sent, scheduled_ns=sent, first_event_ns=first, first_token_ns=first, first_output_ns=first, last_token_ns=last,
                                    ended_ns=[at + MS for at in last], point=[point] * count, output_tokens=[tokens] * count, token_events=[tokens] * count,
                                    output_tokens_asked=[tokens] * count))
        events.append(make_events(tables[-1], step_ns=step))
    requests = Requests(**{name: np.ma.concatenate([getattr(one, name) for one in tables]) for name in REQUEST_COLUMNS})
    run = make_load_run(requests, events, load=load, points=[{}] * repeats, id=f"load-{seed}", **header)
    return replace(run, path=f"loads/{seed}")


def save_engine_run(run, directory):
    """The directory that ``touchstone run`` would have written."""
    create(directory, run.header)
    for trial in run.trials:
        append_trial(directory, trial)
    compact(directory)
    return directory


def save_load_run(run, directory):
    """The directory that ``touchstone load`` would have written."""
    create(directory, {**run.header, "points": [vars(point) for point in run.points]})
    for number, events in enumerate(run.events()):
        requests = run.requests.where(run.requests.point == number)
        columns = {name: getattr(requests, name) for name in REQUEST_COLUMNS} | {name: np.ma.masked_all(len(requests), np.int64) for name in REQUEST_FACTS}
        words = {name: [None] * len(requests) for name in REQUEST_WORDS}
        append_answers(directory / PARTS, f"{number:04d}", columns | words, {name: getattr(events, name) for name in EVENT_COLUMNS})
    compact_load(directory)
    return directory


