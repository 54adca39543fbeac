"""The table of known failures: every row is found by the line it quotes, and real logs are explained by the right one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from touchstone.failures import FAILURES, Standing, explain
from touchstone.failures.table import Table

DATA = Path(__file__).parents[1] / "data"
ROWS = {row.id: row for row in FAILURES}
AREAS = {"NPU", "CUDA", "vLLM", "SGLang", "llama.cpp", "transformers", "MindIE", "hub", "host"}
FAILED = {Standing.CAUSE, Standing.STEP, Standing.ECHO, Standing.UNKNOWN}
RECORDED = {  # file: what comes first, and in which line; then what else is known there
    "arguments": ("unrecognized-arguments", 2), "bus-error": ("host-shared-memory", 1), "cann-missing": ("cann-not-sourced", 6), "crash": ("host-crash", 1),
    "disk-full": ("host-disk-full", 3), "hccl-notify-timeout": ("hccl-notify-timeout", 1, "npu-acl-call"), "hccl-port": ("hccl-port", 3, "hccl-call"),
    "hub-connection-broken": ("connection-broken", 5), "hub-file": ("hub-file", 38, "http-not-found"), "hub-gated": ("hub-gated", 37, "http-refused"),
    "hub-name": ("name-resolution", 1, "hub-not-reached"), "hub-not-tls": ("not-tls", 1, "hub-not-reached"), "hub-offline": ("hub-offline", 33),
    "hub-quota": ("hub-quota", 6, "hub-not-reached"), "hub-refused": ("connection-refused", 1, "hub-not-reached"),
    "hub-repository": ("hub-repository", 37, "http-refused"), "hub-revision": ("hub-revision", 35, "http-not-found"),
    "illegal-instruction": ("host-instruction-set", 1), "killed": ("host-killed", 1), "llama-architecture": ("llama-architecture", 7, "llama-load"),
    "llama-context": ("llama-context", 2), "llama-file-absent": ("llama-file-absent", 7, "llama-load"),
    "llama-file-incomplete": ("llama-file-incomplete", 7, "llama-load"), "llama-file-not-gguf": ("llama-file-not-gguf", 7, "llama-load"),
    "modelscope-absent": ("modelscope-absent", 26), "npu-device-memory": ("npu-memory-refused", 2, "npu-device-start"),
    "npu-device-start": ("npu-device-start", 1, "npu-acl-call"), "npu-operator-compiler": ("npu-operator-compiler", 1, "npu-acl-call", "npu-inner-error"),
    "npu-stream-errors": ("npu-vector-core", 1, "npu-core-timeout", "npu-inner-error"), "npu-streams": ("npu-streams", 1, "npu-acl-call"),
    "npu-visible-devices": ("npu-visible-devices", 5, "npu-device-number", "npu-unavailable", "npu-acl-call"), "open-files": ("host-open-files", 4),
    "openmind-scheme": ("openmind-scheme", 11), "safetensors-damaged": ("weights-damaged", 3), "transformers-architecture": ("transformers-architecture", 18),
    "transformers-chat-template": ("chat-template", 8), "transformers-integer-dtype": ("integer-dtype", 22),
    "transformers-no-network": ("connection-refused", 1, "hub-not-reached"), "transformers-package-pin": ("package-pin", 7),
    "transformers-remote-code": ("remote-code", 1), "transformers-tokenizer": ("tokenizer", 15), "uvicorn-port": ("host-port", 6),
    "vllm-0.32-cpu-architecture": ("vllm-architecture", 55, "host-open-files"),
    "vllm-0.32-cpu-host-memory": ("host-out-of-memory", 69, "vllm-engine-start", "host-open-files"),
    "vllm-0.32-cpu-model-length": ("vllm-model-length", 70, "vllm-engine-start", "host-open-files"),
}
OTHER_FORMS = {  # the same failure in the words of another version or of the system
    "torch.OutOfMemoryError: NPU out of memory. Tried to allocate 72.00 MiB (NPU 0; 61.27 GiB total capacity; 5.04 MiB free)": "npu-out-of-memory",
    "rtDeviceSynchronizeWithTimeout execute failed, reason=[vector core exception][FUNC:FuncErrorReason]": "npu-vector-core",
    "[ERROR] RUNTIME(42,x):2025-11-18-09:33:13.673.869 [api_c_device.cc:92]58 rtSetDevice:ErrCode=107001, desc=[device id error]": "npu-device-number",
    "报错EL0004：内存不足": "npu-memory-refused",
    "EI0006: Getting socket times out": "hccl-connect",
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.50 GiB. GPU 0 has a total capacty of 23.69 GiB of which 3.09 GiB is free.": "cuda-out-of-memory",
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 8192.00 MiB on device 0: cudaMalloc failed: out of memory": "cuda-out-of-memory",
    "(EngineCore pid=1) INFO 08-01 00:00:00 [gpu_worker.py:300] Available KV cache memory: -1.25 GiB": "vllm-no-kv-memory",
    "OSError: [Errno 98] Address already in use (while attempting to bind on address ('127.0.0.1', 35139))": "host-port",
    "[2026-01-01] Port is already in use. dist_init_port=1 port_base=2": "host-port",
    "Killed": "host-killed",
    "container exited with code 137": "host-killed",
    "Worker proc VllmWorker-1 died unexpectedly (exit code: -9), shutting down executor.": "host-killed",
    "[123456.789] Out of memory: Killed process 4242 (python) total-vm:90000000kB": "host-killed",
    "requests.exceptions.ChunkedEncodingError: ('Connection broken: IncompleteRead(10 bytes read, 20 more expected)')": "connection-broken",
    "ConnectionResetError: [Errno 104] Connection reset by peer": "connection-broken",
    "NotExistError: The file path: model.gguf not exist in: unsloth/DeepSeek-V3-0324-GGUF": "modelscope-absent",
    "OSError: You are trying to access a gated repo.": "hub-gated",
    "ImportError: /lib64/libstdc++.so.6: version `GLIBCXX_3.4.30' not found": "host-glibc",
    "Error: could not find a KV slot for the batch (try reducing the size of the batch or increase the context)": "llama-kv-slot",
    "ImportError: torch_npu/lib/libtorch_npu.so: undefined symbol: _ZN3atb15CreateOperationINS_5infer14GroupTopkParamEEEiRKT_PPNS_9OperationE": "nnal-mismatch",
}


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row.id)
def test_the_line_that_a_row_quotes_is_explained_by_that_row_alone(row):
    assert [one.name for one in explain([row.example])] == [row.id]


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row.id)
def test_every_phrase_of_a_row_is_found(row):
    table = Table([row])
    for phrase in row.patterns:
        assert phrase.words, phrase  # else the table could not look it up
        assert table.nearest(" … ".join(phrase.parts))[0] is row
        if re.match(r"[a-z0-9_]", phrase.parts[0]):
            assert phrase.place(f"x{phrase.parts[0]}") == -1  # whole words only


def test_rows_are_complete():
    assert len(ROWS) == len(FAILURES) >= 45
    assert {row.area for row in FAILURES} == AREAS
    for row in FAILURES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", row.id)
        assert row.standing is not Standing.UNKNOWN
        for sentence in (str(row.cause), str(row.cure)):  # rendering also proves that no template has a stray brace
            assert sentence.endswith(".") and "{" not in sentence and len(sentence) > 20, row.id
        assert row.source
        assert row.example.strip()


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_failures_are_explained(name):
    first, line, *others = RECORDED[name]
    with (DATA / "failures" / f"{name}.log").open(encoding="utf-8") as log:
        found = explain(log)
    assert (found[0].name, found[0].line) == (first, line)
    assert {one.name for one in found if one.failure} == {first, *others}


def test_every_recorded_failure_is_expected():
    assert {path.stem for path in (DATA / "failures").glob("*.log")} == set(RECORDED)


@pytest.mark.parametrize("line", OTHER_FORMS)
def test_other_forms_of_the_same_failure(line):
    assert explain([line])[0].name == OTHER_FORMS[line]


@pytest.mark.parametrize("path", sorted((DATA / "server-logs").glob("*.txt")), ids=lambda path: path.stem)
def test_logs_of_starts_that_went_well_show_no_failure(path):
    with path.open(encoding="utf-8", errors="replace") as log:
        found = {one.name for one in explain(log) if one.standing in FAILED}
    assert found == {"oom-npu": {"npu-out-of-memory"}, "vllm-ascend-negative-kv-fragment": {"vllm-no-kv-memory"}}.get(path.stem, set())


@pytest.mark.parametrize(("name", "row"), [("errors-container-busy.txt", "npu-busy-elsewhere"), ("errors-container.txt", "npu-container-rights")])
def test_what_npu_smi_says_in_a_container(name, row):
    assert [one.name for one in explain((DATA / "npu-smi" / name).read_text(encoding="utf-8").splitlines())] == [row]
