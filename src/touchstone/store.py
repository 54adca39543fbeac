"""Run ⇄ directory: ``run.json`` and one Parquet file per table.

While a run is going on, every trial becomes a few small files under ``parts/``, each written whole and renamed into place, the
``trials`` part last. Whatever kills the program, the directory therefore holds exactly the trials that ended. The sampler's parts are
lines of JSON (:mod:`touchstone.sample_lines`). When the run ends the parts are merged into ``trials.parquet``, ``requests.parquet``,
``events.parquet``, ``telemetry.parquet`` (the host) and ``devices.parquet`` (accelerators, energy).

The header has a schema number; ``MIGRATIONS`` brings older ones up to date when they are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from touchstone import parquet, sample_lines
from touchstone.errors import DataError, NotReadyError
from touchstone.record import DeviceSample, MemoryPeaks, Phase, Record, Run, Sample, Status, Trial

SCHEMA = 2
HEADER = "run.json"
PARTS = sample_lines.PARTS

Row = dict[str, Any]
_KEY = {"launch": "int64", "process": "int64", "sequence": "int64"}
TABLES: Mapping[str, Mapping[str, str]] = {
    "trials": {
        **_KEY, "case": "utf8", "index": "int64", "phase": "utf8", "batch_size": "int64", "status": "utf8", "error": "utf8",
        "sent_ns": "int64", "ended_ns": "int64", "allocated_bytes": "int64", "reserved_bytes": "int64",
        "device_used_bytes": "int64", "resident_bytes": "int64", "cpu_self_ns": "int64", "cpu_others_ns": "int64",
        "collector_pauses": "int64",
    },
    "requests": {
        **_KEY, "request": "int64", "case": "utf8", "phase": "utf8", "request_id": "utf8", "prompt_digest": "utf8",
        "input_tokens_built": "int64", "input_tokens": "int64", "cached_tokens": "int64", "asked_output_tokens": "int64",
        "output_tokens": "int64", "status": "utf8", "finish": "utf8", "sent_ns": "int64", "ended_ns": "int64",
        "engine_prefill_ns": "int64", "engine_decode_ns": "int64", "text": "utf8", "thinking_tokens": "int64",
        "answer_text": "utf8",
    },
    "events": {**_KEY, "request": "int64", "event": "int64", "at_ns": "int64", "tokens": "int64"},
    "telemetry": {
        "launch": "int64", "at_ns": "int64", "resident_bytes": "int64", "cpu_self_ns": "int64", "cpu_busy_fraction": "float64",
        "load_1min": "float64", "frequency_hz": "int64", "memory_available_bytes": "int64",
    },
    "devices": {
        "launch": "int64", "at_ns": "int64", "kind": "utf8", "index": "int64", "memory_used_bytes": "int64", "power_w": "float64",
        "energy_j": "float64", "temperature_c": "float64", "utilization_percent": "float64", "frequency_hz": "int64", "throttle": "utf8",
        "other_processes": "int64",
    },
}
_DISTINGUISHING: Mapping[str, tuple[str, ...]] = {
    "events": ("event", "request"), "requests": ("request",), "telemetry": ("at_ns",), "devices": ("at_ns", "kind", "index"), "trials": ()}


def _one_to_two(header: dict[str, Any]) -> dict[str, Any]:
    """Schema 1 (before the first release) kept one engine description; now each launch has its own."""
    engine = header.pop("engine", None)
    header["launches"] = [{"launch": 0, "facts": engine}] if engine else []
    return header


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _one_to_two}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def create(directory: Path, header: Mapping[str, Any]) -> None:
    """Start a run directory. Raises :class:`NotReadyError` if it already holds a run or cannot be made.

    A run that failed before any trial of it ended leaves its place to the next: the same command again, once the mistake is mended.
    """
    if _left_nothing(directory):
        for path in [directory / HEADER, *(directory / f"{table}.parquet" for table in TABLES), *(directory / PARTS).glob("*")]:
            path.unlink(missing_ok=True)
    if (directory / HEADER).exists():
        raise NotReadyError("{directory} already holds a run.",
                            "Choose another directory with -o, or go on with it: touchstone run --resume {directory}",
                            directory=directory)
    try:
        (directory / PARTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise parquet.unwritable(directory, error) from error
    write_header(directory, header)


def _left_nothing(directory: Path) -> bool:
    try:
        header = read_header(directory)
    except DataError:
        return False
    trials = [directory / "trials.parquet", *_parts(directory, "trials")]
    return header.get("status") == "failed" and header.get("kind") is None and not any(path.exists() for path in trials)


def write_header(directory: Path, header: Mapping[str, Any]) -> None:
    """Replace ``run.json`` in one step; its schema number is always the current one."""
    text = json.dumps({**header, "schema": SCHEMA}, ensure_ascii=False, indent=1, default=str)
    parquet.replace_file(directory / HEADER, (text + "\n").encode("utf-8", "replace"))


def append_trial(directory: Path, trial: Trial) -> None:
    """Add one ended trial. The ``trials`` part is written last: without it the others do not count."""
    key: Row = {"launch": trial.launch, "process": trial.process, "sequence": trial.sequence}
    stem = f"{trial.launch:03d}-{trial.process:03d}-{trial.sequence:06d}"
    requests = [
        {**vars(record), **key, "request": index, "case": trial.case, "phase": trial.phase.value, "status": record.status.value}
        for index, record in enumerate(trial.records)
    ]
    events = [
        {**key, "request": index, "event": number, "at_ns": at_ns, "tokens": tokens}
        for index, record in enumerate(trial.records)
        for number, (at_ns, tokens) in enumerate(zip(record.event_ns, record.event_tokens, strict=True))
    ]
    row = {**vars(trial), **vars(trial.memory), "phase": trial.phase.value, "status": trial.status.value}
    _write_part(directory, "events", stem, events)
    _write_part(directory, "requests", stem, requests)
    _write_part(directory, "trials", stem, [row])


def compact(directory: Path) -> None:
    """Merge all parts into one file per table. Safe to repeat and to be interrupted."""
    ended = {_key(row) for row in _read_table(directory, "trials")}
    for table in TABLES:
        parts = _parts(directory, table)
        if not parts:
            continue
        rows = _read_table(directory, table)
        if table in {"events", "requests"}:  # what a killed process left of a trial that never ended
            rows = [row for row in rows if _key(row) in ended]
        parquet.write_rows(directory / f"{table}.parquet", TABLES[table], rows)
        for part in parts:
            part.unlink()
    parts_directory = directory / PARTS
    for unfinished in parts_directory.glob("*.partial"):  # of a process that was killed while it wrote
        unfinished.unlink()
    if parts_directory.exists() and not any(parts_directory.iterdir()):
        parts_directory.rmdir()


def _write_part(directory: Path, table: str, stem: str, rows: list[Row]) -> None:
    if rows:
        (directory / PARTS).mkdir(exist_ok=True)
        parquet.write_rows(directory / PARTS / f"{table}-{stem}.parquet", TABLES[table], rows)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_header(directory: Path) -> dict[str, Any]:
    """``run.json``, migrated to the current schema. Raises :class:`DataError`."""
    path = directory / HEADER
    if not path.is_file():
        raise DataError("{directory} is not a run: it has no run.json.",
                        "Give the directory that 'touchstone run -o' wrote.", directory=directory)
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        version = int(header["schema"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError("{path} is damaged: {error}.", "The tables beside it can still be opened with DuckDB or pandas.",
                        path=path, error=error) from error
    if version < 1:
        raise DataError("{path} is damaged: {error}.", "The tables beside it can still be opened with DuckDB or pandas.",
                        path=path, error=f"schema {version}")
    if version > SCHEMA:
        raise DataError("{path} was written by a newer version (schema {version}; this one reads up to {known}).",
                        "Upgrade: pip install -U llm-touchstone", path=path, version=version, known=SCHEMA)
    while version < SCHEMA:
        header = MIGRATIONS[version](header)
        version += 1
    return dict(header, schema=SCHEMA)


def load(directory: Path) -> Run:
    """Read a run, finished or not. Raises :class:`DataError` naming the file that is damaged."""
    header = read_header(directory)
    records: dict[tuple[int, int, int], dict[int, Record]] = {}
    stamps: dict[tuple[int, int, int, int], list[tuple[int, int, int]]] = {}
    for row in _read_table(directory, "events"):
        stamps.setdefault((*_key(row), row["request"]), []).append((row["event"], row["at_ns"], row["tokens"]))
    for row in _read_table(directory, "requests"):
        events = sorted(stamps.get((*_key(row), row["request"]), []))
        records.setdefault(_key(row), {})[row["request"]] = _record(row, events)
    trials = [
        _trial(row, tuple(record for _, record in sorted(records.get(_key(row), {}).items())))
        for row in _read_table(directory, "trials")
    ]
    trials.sort(key=lambda trial: (trial.launch, trial.process, trial.sequence))
    samples = tuple(Sample(**row) for row in sorted(_read_table(directory, "telemetry"), key=lambda row: row["at_ns"]))
    watched = sorted(_read_table(directory, "devices"), key=lambda row: (row["at_ns"], row["kind"], row["index"]))
    return Run(str(directory), header, tuple(trials), samples, tuple(DeviceSample(**row) for row in watched))


def _key(row: Row) -> tuple[int, int, int]:
    return row["launch"], row["process"], row["sequence"]


def _record(row: Row, events: list[tuple[int, int, int]]) -> Record:
    kept = {name: value for name, value in row.items() if name not in {*_KEY, "request", "case", "phase"}}
    return Record(**{**kept, "status": Status(row["status"])}, event_ns=tuple(at_ns for _, at_ns, _ in events),
                  event_tokens=tuple(tokens for _, _, tokens in events))


def _trial(row: Row, records: tuple[Record, ...]) -> Trial:
    peaks = {peak.name: row[peak.name] for peak in fields(MemoryPeaks)}
    kept = {name: value for name, value in row.items() if name not in peaks}
    return Trial(**{**kept, "phase": Phase(row["phase"]), "status": Status(row["status"])}, records=records,
                 memory=MemoryPeaks(**peaks))


def _parts(directory: Path, table: str) -> list[Path]:
    """The parts of a table: Parquet, or of the samples also lines of JSON."""
    return sorted(path for ending in ("parquet", sample_lines.ENDING) for path in (directory / PARTS).glob(f"{table}-*.{ending}"))


def _read_table(directory: Path, table: str) -> list[Row]:
    """All rows of a table, merged file first; a part that was merged before its removal is not counted twice."""
    rows: dict[tuple[Any, ...], Row] = {}
    for path in [directory / f"{table}.parquet", *_parts(directory, table)]:
        if path.exists():
            for row in _read_rows(path, table):
                key = tuple(row.get(name) for name in (*_KEY, *_DISTINGUISHING[table]))
                rows.setdefault(key, row)
    return list(rows.values())


def _read_rows(path: Path, table: str) -> list[Row]:
    if path.suffix == ".parquet":
        return parquet.read_rows(path)
    try:
        return [{name: row.get(name) for name in TABLES[table]} for row in sample_lines.read(path)]
    except ValueError as error:
        raise parquet.damaged(path, str(error)) from error
