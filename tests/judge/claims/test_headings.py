"""Headings of every tool and article we know, and those that must not be understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.claim import FIGURE_UNITS, STATISTICS
from touchstone.judge.claims.heading_words import RULES, STATISTIC_WORDS, WORDS
from touchstone.judge.claims.headings import names_lengths, names_rows, read_heading, read_statistic, word_key
from touchstone.judge.claims.units_of_text import read_unit

KNOWN = {
    # the articles
    "平均首token延迟(ms)": "ttft ms", "解码速度(tokens/s/req)": "decode_speed tokens/s/req", "总吞吐量(tokens/s)": "throughput tokens/s",
    "显存峰值(GB)": "peak_memory GB", "批量大小(batch_size)": "batch_size", "序列长度(seq_len)": "output_tokens", "平均延迟(AvgLatency)(秒)": "e2e s",
    "平均吞吐量(AvgThroughput)(tokens / 秒)": "throughput tokens/s", "延迟(latency)(秒)": "e2e s", "吞吐量(throughput)(tokens / 秒)": "throughput tokens/s",
    "批量大小(Batch)": "batch_size", "序列长度(SeqLen)": "output_tokens", "输入长度 (tokens)": "input_tokens tokens", "生成长度 (tokens)": "output_tokens tokens",
    "批量大小 (Batch Size)": "batch_size", "Batch Size": "batch_size", "生成长度": "output_tokens", "批量大小": "batch_size",
    # vLLM bench serve, and its JSON
    "Successful requests": "requests", "Benchmark duration (s)": "duration s", "Request throughput (req/s)": "request_throughput req/s",
    "Output token throughput (tok/s)": "output_throughput tok/s", "Peak output token throughput (tok/s)": "output_throughput.max tok/s",
    "Total Token throughput (tok/s)": "total_throughput tok/s", "Mean TTFT (ms)": "ttft ms", "Median TTFT (ms)": "ttft.p50 ms", "P99 TTFT (ms)": "ttft.p99 ms",
    "Mean TPOT (ms)": "tpot ms", "P99 TPOT (ms)": "tpot.p99 ms", "Mean ITL (ms)": "itl ms", "P99.9 ITL (ms)": "itl.p99.9 ms", "Mean E2EL (ms)": "e2e ms",
    "Maximum request concurrency": "concurrency", "mean_ttft_ms": "ttft ms", "p99_tpot_ms": "tpot.p99 ms", "std_itl_ms": "itl.std ms",
    "output_throughput": "output_throughput", "request_throughput": "request_throughput", "total_token_throughput": "total_throughput", "num_prompts": "requests",
    # SGLang bench_serving
    "Max request concurrency": "concurrency", "Input token throughput (tok/s)": "prompt_throughput tok/s", "Mean E2E Latency (ms)": "e2e ms",
    "P99 E2E Latency (ms)": "e2e.p99 ms", "Max ITL (ms)": "itl.max ms", "Traffic request rate": "request_rate", "Concurrency": "concurrency",
    "median_e2e_latency_ms": "e2e.p50 ms",
    # guidellm, aiperf, genai-bench
    "Out Tok/s": "output_throughput tok/s", "Tot Tok/s": "throughput tok/s", "Req/s": "request_throughput req/s", "Request Latency (sec)": "e2e s",
    "Output Token Throughput Per User (tokens/sec/user)": "decode_speed tokens/sec/user", "Time to First Token (ms)": "ttft ms",
    "Inter Token Latency (ms)": "itl ms", "Inter-token latency (ms)": "itl ms", "Time Per Output Token (ms)": "tpot ms",
    "Output Throughput of Server (tokens/s)": "output_throughput tok/s", "Interactivity (tok/s/user)": "decode_speed tok/s/user",
    # evalscope perf
    "并发数": "concurrency", "请求速率": "request_rate", "请求速率(req/s)": "request_rate req/s", "Rate (req/s)": "request_rate req/s", "平均TTFT(s)": "ttft s",
    "Conc.": "concurrency", "Avg Lat.(s)": "e2e s", "P99 Lat.(s)": "e2e.p99 s", "Gen. toks/s": "output_throughput toks/s", "Avg TPOT(s)": "tpot s",
    "Average time to first token (s)": "ttft s", "Average time per output token (s)": "tpot s", "Average input tokens per request": "input_tokens",
    "Average output tokens per request": "output_tokens", "Time taken for tests (s)": "duration s", "Number of concurrency": "concurrency",
    "Succeed requests": "requests", "Average inter-token latency (s)": "itl s",
    # AISBench, MindIE
    "并发量": "concurrency", "TTFT(avg)(s)": "ttft s", "TPOT(avg)(ms)": "tpot ms", "总吞吐 TPS(输入+输出)": "total_throughput tps", "平均每并发TPS": "user_throughput tps",
    "E2EL": "e2e", "OutputTokenThroughput (token/s)": "output_throughput token/s", "Max Concurrency": "concurrency", "Benchmark Duration": "duration",
    "First token time(ms)": "ttft ms", "Non-first token time(ms)": "tpot ms", "E2E Throughput(Tokens/s)": "throughput tokens/s", "In_seq": "input_tokens",
    "Out_seq": "output_tokens", "Batchsize": "batch_size", "非首token时延(ms)": "tpot ms", "增量时延(ms)": "tpot ms", "增量token时延(ms)": "tpot ms",
    # llama-bench
    "t/s": "throughput t/s",
    # what people write
    "首字延迟": "ttft", "首包时延(ms)": "ttft ms", "首 token 时延(ms)": "ttft ms", "首词元延迟(ms)": "ttft ms", "每token延迟(ms)": "tpot ms", "单token延迟(ms)": "tpot ms",
    "端到端时延(s)": "e2e s", "E2E(s)": "e2e s", "E2E": "e2e", "请求延迟(ms)": "e2e ms", "响应时间(s)": "e2e s", "端到端耗时(s)": "e2e s", "首token耗时(ms)": "ttft ms", "单用户速度(tokens/s)": "user_throughput tokens/s",
    "QPS": "request_throughput qps", "RPS": "request_throughput rps", "吞吐(req/s)": "request_throughput req/s", "每秒请求数": "request_throughput qps",
    "每秒输出token数": "output_throughput tps", "每秒token数": "throughput tps", "并发": "concurrency", "bs": "batch_size", "BS": "batch_size", "Batch": "batch_size",
    "#concurrency": "concurrency", "ISL": "input_tokens", "OSL": "output_tokens", "输出长度": "output_tokens", "prompt len": "input_tokens",
    "input tokens": "input_tokens", "生成token数": "output_tokens", "max_new_tokens": "output_tokens", "输入长度(bytes)": "prompt_bytes bytes",
    "显存占用(GB)": "peak_memory GB", "峰值显存(GiB)": "peak_memory GiB", "GPU memory (MiB)": "peak_memory MiB", "显存(G)": "peak_memory G", "显存/GB": "peak_memory GB",
    "显存GB": "peak_memory GB", "权重显存(GB)": "weight_memory GB", "KV Cache(GB)": "kv_memory GB", "显存容量(GB)": "device_memory GB",
    "gpu_memory_utilization": "memory_fraction", "卡数": "devices", "num_gpus": "devices", "TP": "devices", "请求数": "requests", "总请求数": "requests",
    "测试次数": "runs", "压测时长(min)": "", "duration (h)": "duration h", "TTFT/ms": "ttft ms", "TTFT ms": "ttft ms", "延迟,ms": "e2e ms", "延迟ms": "e2e ms",
    "tok/s": "throughput tok/s", "Output tok/s": "output_throughput tok/s", "token/s/req": "user_throughput token/s/req", "总输出吞吐量(tokens/s)": "output_throughput tps",
    "生成吞吐量(tok/s)": "output_throughput tps", "prefill吞吐(tok/s)": "prompt_throughput tps", "decode throughput (tok/s)": "output_throughput tps",
    "latency (ms/token)": "tpot ms/token", "TPOT(每token延迟)(ms)": "tpot ms", "总耗时(s)": "duration s", "耗时(s)": "e2e s", "首字延迟↓ (ms)": "ttft ms",
    # a statistic in any place and language
    "TTFT P90 (ms)": "ttft.p90 ms", "TTFT_P99(ms)": "ttft.p99 ms", "首token延迟P99(ms)": "ttft.p99 ms", "P99首token延迟(ms)": "ttft.p99 ms", "TTFT 均值(ms)": "ttft ms",
    "TTFT 最大(ms)": "ttft.max ms", "TTFT最小值": "ttft.min", "TTFT min (ms)": "ttft.min ms", "TTFT(min)": "ttft.min", "中位数延迟(ms)": "e2e.p50 ms",
    "延迟标准差(s)": "e2e.std s", "延迟方差(s²)": "e2e.var s²", "耗时极差(s)": "e2e.range s", "TTFT 99分位": "ttft.p99", "TP99 延迟(ms)": "e2e.p99 ms",
    "延迟(P50)(ms)": "e2e.p50 ms", "99th percentile TTFT": "", "p99.9 latency (s)": "e2e.p99.9 s", "峰值吞吐量(tokens/s)": "throughput.max tokens/s",
}


@pytest.mark.parametrize(("heading", "expected"), KNOWN.items(), ids=range(len(KNOWN)))
def test_known_headings(heading, expected):
    figure, _, unit = expected.partition(" ")
    meanings = read_heading(heading)
    assert [meaning.figure for meaning in meanings[:1]] == [figure] * bool(figure)
    for meaning in meanings:
        assert meaning.unit == (read_unit(unit) if unit else None)


@pytest.mark.parametrize("heading", [
    "", "说明", "测试目的", "场景", "N", "Stage", "size", "params", "ngl", "n_batch", "pp512", "模型", "accuracy", "精度", "MFU", "成功率", "Success Rate", "s", "ms",
    "Total input tokens", "Total generated tokens", "Failed requests", "Request goodput (req/s)", "vLLM 吞吐(tok/s)", "吞吐提升", "加速比", "提升(%)",
    "优化后吞吐量(tok/s)", "new throughput (tok/s)", "吞吐量(字/s)", "延迟(tok/s)", "TTFT(GB)", "TTFT/TPOT (ms)", "首token延迟/每token延迟 (ms)", "吞吐量/延迟",
    "throughput per GPU (tok/s/gpu)", "tokens/s/GPU", "单卡吞吐(tokens/s)", "Throughput in tok/s", "显存利用率", "总显存(GB)", "平均显存(GB)", "内存(GB)", "输入字符数",
    "P85 TTFT", "平均P99 TTFT", "TTFT (ms)(s)", "Non-first token Throughput(Tokens/s)", "总吞吐量(tokens/s/req)", "请求", "requests", "命中率", "batch 4", "P99 (ms)",
    "decode latency (ms)", "prefill latency (ms)", "时间", "time (s)", "首", "TTFT (tok/s)", "吞吐量(GB/s)", "ttft_slo", "TTFT " * 40, "延迟" * 100_000,
], ids=lambda heading: heading[:20])
def test_what_is_not_certain_is_not_read(heading):
    assert read_heading(heading) == ()


def test_what_the_words_leave_open_is_said():
    for heading in ("序列长度", "平均延迟(ms)", "显存占用(GB)", "max_new_tokens", "TP", "QPS", "单用户速度(tok/s)", "每token延迟(ms)", "解码速度(tok/s)"):
        assert read_heading(heading)[0].rule.assumption is not None
    for heading in ("TTFT (ms)", "总吞吐量(tokens/s)", "batch_size", "峰值显存(GB)", "解码速度(tokens/s/req)"):
        assert read_heading(heading)[0].rule.assumption is None


def test_every_rule_can_be_reached_by_some_heading():
    words = {atoms: names.split("|")[0] for atoms, names in WORDS.items() if " " not in atoms} | {"max": "max", "one": "per request", "qps": "qps"}
    units = {"s": "s", "tokens/s": "tok/s", "requests/s": "req/s", "B": "GB", "1": "%"}
    for atoms, rules in RULES.items():
        for rule in rules:
            unit = units.get(FIGURE_UNITS[rule.figure], "bytes" if rule.figure == "prompt_bytes" else "words" if rule.figure == "prompt_words" else "")
            heading = " ".join(words[atom] for atom in sorted(atoms)) + f" ({unit})"
            assert rule in [meaning.rule for meaning in read_heading(heading)], heading


@given(st.permutations(["平均", "首token", "延迟", "(ms)"]), st.permutations(["P99 ", "output ", "token ", "throughput ", "(tok/s)"]))
def test_the_order_of_the_words_does_not_matter(chinese, english):
    assert [meaning.figure for meaning in read_heading("".join(chinese))] == ["ttft"]
    assert [meaning.figure for meaning in read_heading(" ".join(english))] == ["output_throughput.p99"]


@pytest.mark.parametrize(("cell", "statistic"), [
    ("P99", "p99"), ("99%", "p99"), ("p99.9", "p99.9"), ("P999", "p99.9"), ("99th", "p99"), ("TP95", "p95"), ("50分位", "p50"), ("Average", "mean"), ("均值", "mean"),
    ("Median", "p50"), ("最大值", "max"), ("Min", "min"), ("Std Dev", "std"), ("标准差", "std"), ("方差", "var"), ("极差", "range"), ("TTFT", None), ("TTFT P99", None),
    ("Average P99", None), ("", None), ("99", None), ("P85", None), ("TP8", None), ("batch=4", None),
])
def test_a_statistic_alone(cell, statistic):
    assert read_statistic(cell) == statistic


def test_every_word_for_a_statistic_is_one():
    for statistic, words in STATISTIC_WORDS.items():
        assert statistic in {*STATISTICS, "mean"}
        assert {read_statistic(word) for word in words.split("|")} == {statistic}


@pytest.mark.parametrize(("heading", "key"), [
    ("模型", "model"), ("Model Name", "model"), ("model_name", "model"), ("硬件", "hardware"), ("GPU", "hardware"), ("芯片(型号)", "hardware"), ("精度", "dtype"),
    ("Precision", "dtype"), ("量化方式", "dtype"), ("TP", "devices"), ("卡数", "devices"), ("场景", None), ("", None), ("吞吐量", None)])
def test_columns_of_words_have_keys(heading, key):
    assert word_key(heading) == key


def test_columns_that_name_rows_or_hold_both_lengths():
    assert all(map(names_rows, ("场景", "测试场景", "Test", "Config", "case")))
    assert not any(map(names_rows, ("说明", "TTFT", "")))
    assert all(map(names_lengths, ("ISL/OSL", "输入/输出长度", "输入输出长度(tokens)", "input/output")))
    assert not any(map(names_lengths, ("ISL", "总吞吐 TPS(输入+输出)", "说明", "")))


@given(st.text(max_size=200))
def test_any_text_is_a_heading_or_none(text):
    for meaning in read_heading(text):
        name, _, statistic = meaning.figure.partition(".")
        assert name in FIGURE_UNITS
        assert statistic in {"", *STATISTICS}
    read_statistic(text)
    word_key(text)
    names_lengths(text)


@given(st.lists(st.sampled_from([word for words in WORDS.values() for word in words.split("|")]), min_size=1, max_size=6), st.sampled_from(["s", "ms", "GB", "tok/s", "req/s"]))
def test_a_figure_always_fits_the_unit_of_its_heading(words, unit):
    for meaning in read_heading(f"{' '.join(words)} ({unit})"):
        assert meaning.unit is not None
        assert meaning.unit.fits(meaning.figure)
