"""Runs as trackers take them, and a reader of the log files that two of them keep."""

import struct
from dataclasses import replace

from builders import clean_run, make_load_run, steady_requests

from touchstone.judge.findings import findings_of
from touchstone.judge.foreign.export.operations import operations
from touchstone.served import Ending
from touchstone.trackers import facts
from touchstone.trackers.tracked import Tracked

SECRETS = ("10.11.12.13", "inference.corp.example", "sk-secret-0123456789")
BASE_URL = "http://10.11.12.13:8000"


def tracked_run(run, directory, **changes):
    """``run`` in ``directory`` with reports in which everything stands that must not leave."""
    findings = findings_of(run)
    identity = {**findings.identity, "base_url": BASE_URL, "options": {
        "threads": 2, "api_key": SECRETS[2], "command": f"serve --api-key {SECRETS[2]}", "cache": "/home/somebody/private/cache"}}
    findings = replace(findings, identity=identity, reproduce=("touchstone load --base-url https://inference.corp.example:8443/v1",))
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("report.en.md", "report.json", "report.html"):
        (directory / name).write_text(f"{name} {BASE_URL} 10.11.12.13 https://inference.corp.example:8443/v1 --api-key {SECRETS[2]} 结束", encoding="utf-8")
    return Tracked(findings, directory, **{"ended": "2026-11-20T12:05:00+00:00", "labels": {"tp": "4"}, "note": "一句话 one sentence",
                                           "histograms": lambda: operations(findings, run), **changes})


def engine_run():
    """An engine in this process, two cases."""
    return clean_run()


def served_run():
    """A server under load, some of whose answers failed."""
    endings = [Ending.TIMEOUT if place % 50 == 7 else Ending.OK for place in range(400)]
    return make_load_run(steady_requests(ending=endings))


def expected(tracked):
    """The numbers that must arrive, by key."""
    found = {number.key: float(number.value) for number in facts.numbers(tracked.findings)}
    assert len(found) > 40
    return found


def records_of(path):
    """The records of a log of LevelDB's format (blocks of 32 KiB; a record in one piece, or in a first, middle and last) after its header."""
    data, at, whole = path.read_bytes(), 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7:at + 7 + length]
        at += 7 + length
        if kind in {1, 4}:
            yield whole
            whole = b""


def all_bytes(directory):
    """Everything that a tracker left below ``directory``, the names of its files too."""
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())
