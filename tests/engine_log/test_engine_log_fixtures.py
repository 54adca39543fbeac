"""Every recorded log is read exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchstone.engine_log import read_log
from touchstone.log_lines import bounded_lines

LOGS = Path(__file__).parents[1] / "data" / "server-logs"
GIB = 1 << 30


def gib(value):
    return round(value * GIB)


def read(name):
    with (LOGS / name).open("rb") as stream:
        return read_log(bounded_lines(stream))


# file: (engine, version, rank, ranks, ready), figures with bytes in GiB where they are no whole number, and the lines they are on
EXPECTED = {
    "vllm-0.3-v0-cuda-mb.txt": (("vllm", None, None, 1, False), {
        "weights_bytes": (round(244.61 * (1 << 20)), [2]), "kv_cache_blocks": (76_240, [3]), "kv_cache_tokens": (16 * 76_240, [3]),
        "block_size": (16, []), "max_model_len": (2048, [1]), "tensor_parallel": (1, [1])}),
    "vllm-0.6.4-v0-cuda-results.txt": (("vllm", None, None, 1, False), {
        "weights_bytes": (gib(2.6419), [1]), "kv_cache_bytes": (gib(3.54), [2]), "kv_cache_tokens": (16 * 1207, [3, 4]), "kv_cache_blocks": (1207, [3]),
        "block_size": (16, [4]), "non_torch_bytes": (gib(0.47), [2]), "device_total_bytes": (gib(7.92), [2]), "memory_fraction": (0.9, [2]),
        "max_model_len": (2048, [4]), "max_concurrency": (9.43, [4])}),
    "vllm-0.6.5-v0-cuda-list.txt": (("vllm", None, None, 1, False), {
        "weights_bytes": (gib(14.96), [6]), "kv_cache_bytes": (gib(53.29), [9]), "activation_bytes": (gib(1.26), [8]),
        "non_torch_bytes": (gib(1.79), [7]), "device_total_bytes": (gib(79.22), [3]), "memory_fraction": (0.9, [4])}),
    "vllm-0.7-v0-cuda.txt": (("vllm", None, None, 1, False), {
        "weights_bytes": (gib(7.1694), [1]), "kv_cache_bytes": (gib(26.60), [4]), "kv_cache_tokens": (217_888, [5, 6]), "kv_cache_blocks": (13_618, [5]),
        "block_size": (16, [6]), "activation_bytes": (gib(1.83), [4]), "non_torch_bytes": (gib(0.01), [4]), "device_total_bytes": (gib(39.56), [3]),
        "budget_bytes": (gib(35.60), [3]), "memory_fraction": (0.9, [3]), "max_model_len": (2048, [6]), "max_concurrency": (106.39, [6])}),
    "vllm-0.7-v0-cuda-tp2.txt": (("vllm", None, None, 2, False), {"weights_bytes": (gib(30.7098), [1])}),
    "vllm-0.7-v1-cuda.txt": (("vllm", None, None, 1, False), {
        "weights_bytes": (gib(67.7229), [1]), "kv_cache_blocks": (1381, [5]), "kv_cache_tokens": (22_096, [5, 6]), "block_size": (16, [6]),
        "max_model_len": (2048, [6]), "max_concurrency": (10.79, [6])}),
    "vllm-0.8-v0-cuda-workers.txt": (("vllm", None, "pid 521", 2, False), {
        "weights_bytes": (gib(21.21), [1]), "kv_cache_bytes": (gib(1.57), [1]), "activation_bytes": (gib(0.37), [1]), "non_torch_bytes": (gib(0.20), [1]),
        "memory_fraction": (0.99, [3])}),
    "vllm-0.11-v1-cuda-tp2-usage.txt": (("vllm", None, "TP0", 2, False), {
        "weights_bytes": (gib(74.28), [4]), "kv_cache_bytes": (47_878_721_024, [4]), "activation_bytes": (gib(5.58), [4]), "graph_bytes": (gib(2.37), [3]),
        "non_torch_bytes": (gib(1.38), [4]), "device_total_bytes": (gib(139.81), [4]), "budget_bytes": (gib(125.83), [4]), "memory_fraction": (0.9, [4])}),
    "vllm-0.12-v1-cuda.txt": (("vllm", None, "TP0", 1, False), {
        "kv_cache_bytes": (gib(52.36), [1]), "kv_cache_tokens": (686_320, [2]), "max_model_len": (100_000, [3]), "max_concurrency": (6.86, [3])}),
    "vllm-0.27-v1-cuda-tp2.txt": (("vllm", None, "TP0", 2, False), {
        "kv_cache_bytes": (gib(6.87), [8]), "graph_estimate_bytes": (gib(0.36), [7])}),
    "vllm-0.32-v1-cpu.txt": (("vllm", "0.32.0", None, 1, False), {
        "kv_cache_bytes": (gib(0.25), [12]), "kv_cache_tokens": (262_144, [13]), "max_model_len": (256, [13]), "max_concurrency": (1024, [13]),
        "tensor_parallel": (1, [4])}),
    "vllm-2026-v1-cuda-load-line.txt": (("vllm", None, None, 1, False), {"weights_bytes": (gib(19.75), [1])}),
    "vllm-2026-v1-runner-v2.txt": (("vllm", None, None, 1, False), {"weights_bytes": (gib(7.64), [2])}),
    "vllm-vs-sglang-2025-07-bodies.txt": (("sglang", None, None, None, False), {
        "kv_cache_bytes": (gib(16.46), [3]), "kv_cache_tokens": (367_404, [3])}),
    "vllm-ascend-0.9.1-310P-llama2-7b.txt": (("vllm-ascend", None, None, 1, False), {"weights_bytes": (gib(12.5534), [7])}),
    "vllm-ascend-0.9-v1-910B-qwen3-1.7b.txt": (("vllm-ascend", None, None, 1, False), {
        "weights_bytes": (gib(3.2153), [4]), "kv_cache_tokens": (472_320, [7]), "max_model_len": (40_960, [8]), "max_concurrency": (11.53, [8])}),
    "vllm-ascend-0.10-tp8-ranks.txt": (("vllm-ascend", None, "RANK0", 7, False), {
        "kv_cache_bytes": (19_443_365_990, [6]), "device_total_bytes": (31_662_800_896, [6])}),
    "vllm-ascend-0.12-bodies-gib.txt": (("vllm-ascend", None, None, None, False), {
        "weights_bytes": (gib(9.1948), [2]), "kv_cache_bytes": (gib(43.39572334289551), [4]), "device_total_bytes": (gib(60.95703125), [4])}),
    "vllm-ascend-0.11-tp8-910B-qwen3-32b.txt": (("vllm-ascend", "0.11.2", "TP0", 2, False), {
        "weights_bytes": (gib(7.6857), [5]), "kv_cache_bytes": (49_075_702_272, [8]), "device_total_bytes": (65_452_113_920, [8]),
        "kv_cache_tokens": (1_497_600, [9]), "max_model_len": (6656, [10]), "max_concurrency": (225, [10]), "graph_bytes": (gib(0.40), [11])}),
    "vllm-ascend-0.11rc-tp1-910B.txt": (("vllm-ascend", None, "DP0 pid 271261", 1, False), {
        "weights_bytes": (gib(3.2153), [3]), "kv_cache_bytes": (47_612_861_952, [4]), "device_total_bytes": (65_452_113_920, [4]),
        "kv_cache_tokens": (415_104, [5]), "max_model_len": (64, [6]), "max_concurrency": (3243, [6])}),
    "vllm-ascend-0.14-dp-ep-910B.txt": (("vllm-ascend", None, "DP0 TP3 EP3", 1, False), {
        "kv_cache_bytes": (28_138_531_840, [1]), "device_total_bytes": (65_452_113_920, [1]), "kv_cache_tokens": (249_216, [2])}),
    "vllm-ascend-2026-07-dp-ep-A3.txt": (("vllm-ascend", None, "DP1 TP7 EP15", 1, False), {
        "weights_bytes": (gib(39.51), [1]), "kv_cache_bytes": (gib(13.73), [1]), "activation_bytes": (gib(1.52), [1]), "graph_bytes": (0, [1]),
        "non_torch_bytes": (gib(3.15), [1]), "device_total_bytes": (gib(60.96), [1]), "budget_bytes": (gib(57.91), [1]), "memory_fraction": (0.95, [1])}),
    "vllm-ascend-negative-kv-fragment.txt": (("vllm-ascend", None, None, None, False), {
        "weights_bytes": (gib(27.5376), [1]), "kv_cache_bytes": (gib(-0.87), [2])}),
    "sglang-0.3-rocm-clock-only.txt": (("sglang", None, "TP0", 1, False), {
        "kv_cache_tokens": (1_256_440, [4]), "available_bytes": (gib(22.83), [2])}),
    "sglang-2025-02-cuda-no-token-count.txt": (("sglang", None, "TP0", 1, False), {
        "weights_bytes": (gib(22.76) - gib(8.37), [2, 3]), "kv_cache_bytes": (gib(5.64), [4]), "kv_cache_tokens": (105_531, [8]),
        "max_model_len": (131_072, [8]), "max_running_requests": (2049, [8]), "available_bytes": (gib(1.68), [5])}),
    "sglang-2025-03-cuda-tp4-progress.txt": (("sglang", None, "TP0", 4, False), {
        "graph_bytes": (gib(0.93), [5]), "kv_cache_tokens": (46_611, [9]), "max_model_len": (131_072, [9]), "max_running_requests": (2049, [9]),
        "available_bytes": (gib(0.53), [5])}),
    "sglang-2025-10-npu-qwen3.txt": (("sglang", None, "TP0", 1, False), {
        "weights_bytes": (gib(7.95), [1]), "kv_cache_bytes": (gib(40.5), [2]), "kv_cache_tokens": (589_696, [2]), "available_bytes": (gib(11.61), [3])}),
    "sglang-2026-01-npu-dp-tp.txt": (("sglang", None, "DP0 TP0", 2, False), {
        "weights_bytes": (gib(30.67), [2]), "kv_cache_bytes": (gib(17.68), [5]), "kv_cache_tokens": (192_896, [5]), "available_bytes": (gib(11.85), [6])}),
    "sglang-2026-02-cuda-hybrid.txt": (("sglang", None, "TP0", 1, False), {
        "weights_bytes": (gib(5.98), [1]), "kv_cache_bytes": (gib(3.04), [3]), "kv_cache_tokens": (399_740, [3]), "graph_bytes": (gib(0.09), [5]),
        "available_bytes": (gib(2.89), [5])}),
    "sglang-2026-02-mla-line.txt": (("sglang", None, "TP6", 1, False), {"kv_cache_bytes": (gib(160.63), [1]), "kv_cache_tokens": (2_454_421, [1])}),
    "sglang-2026-07-rocm-moe.txt": (("sglang", None, None, 1, False), {
        "weights_bytes": (gib(56.98), [1]), "kv_cache_bytes": (gib(152.88), [5]), "kv_cache_tokens": (1_669_816, [5]), "available_bytes": (gib(74.01), [6])}),
    "sglang-2026-09-cuda-ep.txt": (("sglang", None, "TP0 EP0", 1, False), {
        "weights_bytes": (gib(94.0), [1]), "kv_cache_tokens": (2_999_808, [3]), "max_model_len": (1_048_576, [3]), "max_running_requests": (4, [3]),
        "available_bytes": (gib(7.68), [3])}),
    "llama-cpp-2026-cpu.txt": (("llama.cpp", "b0-unknown", None, None, True), {
        "weights_bytes": (round(1.21 * (1 << 20)), [3]), "kv_cache_bytes": (1 << 19, [8]), "kv_cache_tokens": (1024, [9]),
        "activation_bytes": (round(3.83 * (1 << 20)), [12]), "max_model_len": (512, [5])}),
    "mindie-start-ok.txt": (("mindie", None, None, None, True), {}),
    "oom-npu.txt": ((None, None, None, None, False), {}),
}


def test_every_recorded_log_is_here():
    assert {path.name for path in LOGS.glob("*.txt")} == set(EXPECTED)
    page = (LOGS / "README.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in page for name in EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_log_is_read_exactly(name):
    log = read(name)
    facts, figures = EXPECTED[name]
    assert (log.engine, log.version, log.rank, log.rank_count, log.ready) == facts
    found = {figure: (round(one.value) if figure.endswith(("_bytes", "tokens", "blocks", "len", "size", "requests", "parallel")) else one.value,
                      [line.number for line in one.lines]) for figure, one in log.figures.items()}
    assert found == figures


@pytest.mark.parametrize("name", EXPECTED)
def test_each_figure_shows_its_own_line(name):
    lines = [line.strip() for line in (LOGS / name).read_text(encoding="utf-8").splitlines()]
    for figure in read(name).figures.values():
        assert all(lines[line.number - 1].startswith(line.text) for line in figure.lines)
        assert all(line.text for line in figure.lines)


def test_the_gigabytes_of_logs_are_two_to_the_thirty():
    parameters = 6_738_415_616  # Llama-2-7B
    assert read("vllm-ascend-0.9.1-310P-llama2-7b.txt").count("weights_bytes") == pytest.approx(2 * parameters, rel=3e-4)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_missing_has_a_reason(name):
    log = read(name)
    missing = [figure for figure in ("weights_bytes", "kv_cache_bytes", "kv_cache_tokens", "activation_bytes", "graph_bytes") if figure not in log.figures]
    notes = " ".join(map(str, log.notes))
    if log.engine in {None, "mindie"}:
        assert notes
    else:
        assert all(figure in notes for figure in missing)
