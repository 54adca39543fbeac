"""Reading a log: order, counts, facts, what nobody knows, and lines made to hurt."""

from __future__ import annotations

import random
import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.failures import FAILURES, Standing, explain
from touchstone.failures.explanation import MOST_UNKNOWN
from touchstone.log_lines import LONGEST

ANYWHERE = [row for row in FAILURES if not any(pattern.opens for pattern in row.patterns) and row.id != "cuda-library"]
PREFIXES = ["", "(Worker_TP0 pid=149317) ERROR 12-01 06:29:14 [core.py:1] ", "\x1b[36m(RayWorkerVllm pid=5085)\x1b[0m ", "vllm-1  | ", "[rank3]:[E1012 22:31:22] ",
            "2026-01-01T00:00:00.000Z stderr F ", "\r 99%|█████████▉| 99/100 ", "> > "]
EXAMPLES = st.sampled_from(ANYWHERE)
JUNK = st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("utf-8", "replace")), st.text("Eer: 0'\"`[]()…\x1b[m\x00\n", max_size=200))


def names(lines):
    return [one.name for one in explain(lines)]


@given(st.lists(st.one_of(JUNK, EXAMPLES.map(lambda row: row.example)), max_size=30))
def test_nothing_breaks_the_reader(lines):
    found = explain(lines)
    assert sum(one.count for one in found) <= len(lines)
    assert all(1 <= one.line <= len(lines) and one.count >= 1 and one.text for one in found)
    assert [one.standing.rank for one in found] == sorted(one.standing.rank for one in found)
    assert len({one.name for one in found if one.failure}) == len([one for one in found if one.failure])


@given(st.lists(st.tuples(EXAMPLES, st.sampled_from(PREFIXES), st.integers(1, 4)), min_size=1, max_size=12), st.randoms())
def test_every_failure_is_found_behind_any_prefix_and_counted(chosen, chance: random.Random):
    lines = [f"{prefix}{row.example}" for row, prefix, count in chosen for _ in range(count)]
    chance.shuffle(lines)
    found = {one.name: one for one in explain(lines)}
    assert set(found) == {row.id for row, _, _ in chosen}
    for name, one in found.items():
        places = [place for place, line in enumerate(lines, start=1) if next(row for row in ANYWHERE if row.id == name).example in line]
        assert (one.count, one.line) == (len(places), places[0])


def test_a_cause_stands_before_its_consequences_wherever_it_is():
    late = ["EngineCore failed to start.", "RuntimeError: NCCL error: unhandled cuda error", "ValueError: No available memory for the cache blocks."]
    assert names(late) == ["vllm-no-kv-memory", "nccl-error", "vllm-engine-start"]
    assert names(["FooError: new", *late]) == ["vllm-no-kv-memory", "nccl-error", "FooError", "vllm-engine-start"]
    early, later = "OSError: [Errno 28] No space left on device", "CUDA out of memory"
    assert names([later, early]) == ["cuda-out-of-memory", "host-disk-full"]
    assert names([early, later]) == ["host-disk-full", "cuda-out-of-memory"]


def test_what_a_program_calls_a_warning_did_not_end_it():
    line = "This can cause errors like `OSError: [Errno 24] Too many open files`"
    warned = f"(APIServer pid=1) WARNING 11-21 15:12:42 [system_utils.py:255] {line}"
    assert explain([warned])[0].standing is Standing.WARNING
    both = explain([warned, warned, "OSError: [Errno 24] Too many open files: '/dev/null'"])
    assert [(one.standing, one.line, one.count) for one in both] == [(Standing.CAUSE, 3, 3)]


def test_source_lines_that_a_traceback_quotes_are_not_its_message():
    frame = '  File "/venv/torch/cuda/__init__.py", line 522, in _lazy_init'
    source = '    raise AssertionError("Torch not compiled with CUDA enabled")'
    message = "AssertionError: Torch not compiled with CUDA enabled"
    found = explain([frame, source, message])
    assert [(one.name, one.line, one.count, one.text) for one in found] == [("cuda-not-built", 3, 1, message)]
    prefix = "(EngineCore pid=1) ERROR 11-21 15:12:59 [core.py:1] "
    assert explain([prefix + frame, prefix + source, prefix + message])[0].line == 3
    assert explain([frame, message])[0].line == 2  # another process may print between


@pytest.mark.parametrize(("line", "facts"), [
    ("RuntimeError: NPU out of memory. Tried to allocate 5.03 GiB (NPU 3; 60.96 GiB total capacity; 49.47 GiB current active; 1.32 GiB free; 57.55 GiB reserved)", {"tried_to_allocate": "5.03 GiB", "free": "1.32 GiB", "total": "60.96 GiB", "device": "NPU 3"}),
    ("CUDA out of memory. Tried to allocate 270.00 MiB. GPU 1 has a total capacity of 21.98 GiB of which 156.94 MiB is free.",
     {"tried_to_allocate": "270.00 MiB", "free": "156.94 MiB", "total": "21.98 GiB", "device": "GPU 1"}),
    ("ValueError: Free memory on device (31.44/47.38 GiB) on startup is less than desired GPU memory utilization (0.95, 45.01 GiB).",
     {"free": "31.44 GiB", "total": "47.38 GiB", "needed": "45.01 GiB"}),
    ("ValueError: Free memory on device cuda:0 (3.22/4.0 GiB) on startup is less than desired GPU memory utilization (0.9, 3.6 GiB).",
     {"free": "3.22 GiB", "total": "4.0 GiB", "needed": "3.6 GiB"}),
    ("RuntimeError: ACL stream synchronize failed, error code:507035", {"code": "507035"}),
    ("dcmi module initialize failed. ret is -8005", {"code": "-8005"}),
    ("Available KV cache memory: -0.87 GiB", {"available": "-0.87 GiB"}),
    ("The model's max seq len (4096) is larger than the maximum number of tokens that can be stored in KV cache (3664).",
     {"requested_length": "4096", "possible_length": "3664"}),
    ("you tried to allocate 51200000000 bytes: DefaultCPUAllocator: can't allocate memory", {"tried_to_allocate": "51200000000 bytes"}),
])
def test_facts_are_taken_as_printed(line, facts):
    assert dict(explain([line])[0].facts) == facts


@pytest.mark.parametrize(("line", "name", "about"), [
    ("[rank0]: my.package.FrobnicationError: the widget is blue", "my.package.FrobnicationError", None),
    ("AssertionError", "AssertionError", None),
    ("(Worker pid=1) ERROR 01-01 00:00:00 [x.py:1] Exception: nobody has seen this", "Exception", None),
    ("[ERROR] 2026-01-01 (PID:1, Device:0) ERR02005 DIST internal error.", "ERR02005", "a code of torch_npu: module DIST, kind internal error"),
    ("[ERROR] ERR03042 something", "ERR03042", "a code of torch_npu: module not documented, kind not documented"),
    ("EL0003: [PID: 528886] 2025-06-24 The argument is invalid.", "EL0003", "a code of CANN's module Driver"),
    ("EK9999[PID: 1] inner", "EK9999", "a code of CANN's module Profiling, internal"),
    ("E10035: [PID: 1] The [--dynamic_batch_size] argument has [1] profiles", "E10035", "a code of CANN's module GE"),
    ("NPU function error: aclrtFoo, error code is 507899", "507899", "a return code of the Ascend runtime: an internal error of software or hardware"),
    ("x failed, runtime result = 207099[FUNC:X]", "207099", "a return code of the Ascend runtime: a resource is not enough, or not of this device"),
    ("HCCL said error code: 900001", "900001", None),
    ("terminate called after throwing an instance of 'std::system_error'", "std::system_error",
     "an exception of C++ that nothing caught: the process ended with it; what it says of itself is on the next line"),
    ("[llm] [ERROR] MIE05E040001 failed", "MIE05E040001", "a code of MindIE's component MindIE LLM"),
])
def test_what_nobody_knows_is_said_to_be_unknown(line, name, about):
    (found,) = explain([line, line.replace("1", "2")] if name == "AssertionError" else [line])
    assert (found.failure, found.standing, found.name) == (None, Standing.UNKNOWN, name)
    assert (str(found.about) if found.about else None) == about


@pytest.mark.parametrize("line", [
    'INFO:     127.0.0.1:46006 - "GET /health HTTP/1.1" 200 OK', "Error: 0", "no errors: fine", "except ValueError: pass", "raise KeyError: x", "errors=0 failed=0",
    "the ErrorHandler: started", "I0229 E1012 22:31:22.267 something", "loss: 1.507035e-3", "request 507035 took 12 ms", "XEL00041", "EL00045: x", "WARNING FooError: retried",
    "INFO 06-16 15:10:58 [__init__.py:44] plugin ascend loaded.", "Killing local vLLM worker processes", "Successfully killed 0 processes", "",
])
def test_harmless_lines_are_left_alone(line):
    assert explain([line]) == []


def test_the_same_error_with_other_numbers_is_one():
    (found,) = explain([f"FooError: request {number} failed" for number in range(50)])
    assert (found.count, found.line) == (50, 1)


def test_a_flood_of_different_errors_is_bounded():
    letters = "abcdefghijklmnopqrstuvwxyz"
    flood = (f"Foo{a}{b}{c}Error: x" for a in letters for b in letters for c in letters)
    assert len(explain(flood)) == MOST_UNKNOWN


def test_memory_does_not_grow_with_the_log():
    lines = (f"INFO line {number} " + "x" * 2000 for number in range(10_000))
    tracemalloc.start()
    explain(lines)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000  # of 20 MB


def test_a_line_of_twenty_megabytes_is_read_as_far_as_any():
    assert names(["CUDA out of memory " + "error: " * 3_000_000]) == ["cuda-out-of-memory"]
    assert names(["x" * LONGEST + "CUDA out of memory"]) == []


@pytest.mark.parametrize("piece", ["error code is 50703", "a.a.a.a.", "Error", "AaError", "E", "\x1b[", "\x1b[0", "(", 'File "x", line 1', " ", "Tried to allocate 1",
                                   "is restricted. You must", "version `glibc_2", "ERR0010", "…", "İ"])
def test_lines_made_of_one_piece_end(piece):
    line = piece * (LONGEST // len(piece))
    found = explain([line, line + " CUDA out of memory"])
    assert all(len(one.text) < 400 for one in found)


def test_phrases_that_almost_fit_cost_no_more_than_their_length():
    for row in FAILURES:
        for pattern in row.patterns:
            part = pattern.parts[0]
            explain([part * (LONGEST // len(part)), f"{part} " * (LONGEST // (len(part) + 1))])


def test_the_shown_part_of_a_long_line_holds_the_message():
    (found,) = explain(["x" * 5000 + " CUDA out of memory. " + "y" * 5000])
    assert "CUDA out of memory" in found.text
    assert len(found.text) < 310


def test_colours_are_not_part_of_a_message():
    (found,) = explain(["\x1b[1;31mCUDA out\x1b[0m of memory\x1b[0m"])
    assert found.text == "CUDA out of memory"
    assert not re.search("\x1b", found.text)
