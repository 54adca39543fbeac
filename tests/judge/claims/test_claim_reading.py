"""Sheets read as claims: the articles' tables to the last cell, other tools' tables, and what a bad table must not become."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstone.claim import FIGURE_UNITS, STATISTICS
from touchstone.judge.claims.reading import claim_table, no_claims
from touchstone.judge.claims.row_names import conditions_in, lengths_in, llama_bench_throughput
from touchstone.judge.claims.sheet import Sheet
from touchstone.judge.claims.text_sheets import read_document

ARTICLES = Path(__file__).parents[2] / "data" / "articles"


def sheet(heading, *rows):
    cells = tuple(tuple(cell.strip() for cell in row.split("|")) for row in rows)
    return Sheet("table 1", 1, tuple(name.strip() for name in heading.split("|")), cells)


def read(heading, *rows):
    table = claim_table(sheet(heading, *rows))
    assert table is not None
    return table


def values(claim):
    return {name: figure.value for name, figure in claim.figures.items()}


def article(number):
    path, = ARTICLES.glob(f"{number}*")
    sheets = read_document(path.read_text(encoding="utf-8"), path.name).sheets
    return [table for table in map(claim_table, sheets) if table]


# ── the articles ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LLAMA_2 = [(7, 128, 1, 68.27, 63.63, 59.43, 14.80), (27, 128, 1, 132.32, 63.85, 58.75, 14.81), (11, 512, 1, 75.22, 63.87, 62.13, 15.01),
           (7, 128, 4, 240.24, 64.09, 280.95, 15.22), (7, 128, 8, 450.48, 64.44, 534.82, 16.03), (550, 128, 1, 711.23, 64.12, 53.68, 15.25)]


@pytest.mark.parametrize("number", ["000", "001"])
def test_the_table_of_the_first_two_articles(number):
    table, = article(number)  # the table of test purposes has no result
    assert [claim.row for claim in table.claims] == [1, 2, 3, 4, 5, 6]
    assert [claim.label for claim in table.claims][3] == "批量推理 (batch=4)"
    assert (table.assumptions, table.left_out) == ((), ())
    for claim, (prompt, output, batch, ttft, speed, throughput, memory) in zip(table.claims, LLAMA_2, strict=True):
        assert values(claim) == pytest.approx({
            "input_tokens": prompt, "output_tokens": output, "batch_size": batch, "ttft": ttft / 1e3, "decode_speed": speed,
            "throughput": throughput, "peak_memory": memory * 1e9}, rel=1e-12)
    first = table.claims[0].figures
    assert (first["ttft"].low, first["ttft"].high) == pytest.approx((0.068265, 0.068275), rel=1e-12)
    assert (first["peak_memory"].low, first["peak_memory"].high) == pytest.approx((14.795e9, 14.805e9), rel=1e-12)


def test_the_tables_of_the_third_article():
    small, stress = article("002")
    assert [tuple(values(claim).values()) for claim in small.claims] == [
        (1, 128, 1.024, 125), (2, 128, 0.554, 462.5), (4, 128, 0.288, 1775), (8, 128, 0.147, 6950), (16, 128, 0.074, 27500)]
    assert list(small.claims[0].figures) == ["batch_size", "output_tokens", "e2e", "throughput"]
    assert (small.claims[4].figures["throughput"].low, small.claims[4].figures["throughput"].high) == (27499.5, 27500.5)
    assert list(small.claims[0].words) == ["说明"]
    assert small.claims[4].words == {}  # its last cell is missing
    assert small.claims[4].label == "batch_size=16, output_tokens=128"
    assert [str(message).partition(":")[0] for message in small.assumptions] == ["序列长度(seq_len)", "延迟(latency)(秒)"]
    assert len(stress.claims) == 15
    assert tuple(values(stress.claims[0]).values()) == (1, 64, 0.038, 1704.22)  # with a remark in brackets
    assert tuple(values(stress.claims[14]).values()) == (16, 256, 2.425, 1688.87)
    assert stress.left_out == ()


def test_articles_without_results_in_tables_give_none():
    assert article("003") == []
    assert article("004") == []


# ── other tools ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_llama_bench():
    table = read("model | size | params | backend | ngl | test | t/s",
                 "llama 7B mostly Q4_0 | 3.56 GiB | 6.74 B | CUDA | 99 | pp512 | 2345.67 ± 12.30",
                 "llama 7B mostly Q4_0 | 3.56 GiB | 6.74 B | CUDA | 99 | tg128 | 123.45 ± 0.30",
                 "llama 7B mostly Q4_0 | 3.56 GiB | 6.74 B | CUDA | 99 | tg128 @ d4096 | 103.45 ± 0.30")
    assert [values(claim) for claim in table.claims] == [
        {"prompt_throughput": 2345.67, "input_tokens": 512}, {"decode_speed": 123.45, "output_tokens": 128}, {"decode_speed": 103.45}]
    assert table.claims[0].words == {"model": "llama 7B mostly Q4_0", "backend": "CUDA", "test": "pp512"}
    assert table.claims[1].figures["decode_speed"].high == pytest.approx(123.755)
    assert {str(message).split()[0] for message in table.left_out} == {"size", "params", "ngl"}


def test_aisbench_prints_statistics_down_the_rows_once_it_is_turned():
    text = ("| Performance Parameters | Stage | Average | Min | Max | P99 | N |\n|---|---|---|---|---|---|---|\n"
            "| E2EL | total | 2048.29 ms | 1729.75 ms | 3450.96 ms | 3424.44 ms | 8 |\n| TTFT | total | 50.3 ms | 50.1 ms | 52.1 ms | 52.0 ms | 8 |\n"
            "| OutputTokens | total | 40 | 10 | 80 | 44 | 8 |\n| OutputTokenThroughput | total | 787.6 token/s | 744.0 token/s | 800.0 token/s | 799.0 token/s | 8 |\n")
    sheet, = read_document(text, "a.md").sheets
    table = claim_table(sheet)
    assert values(table.claims[0]) == pytest.approx({
        "e2e": 2.04829, "ttft": 0.0503, "output_tokens": 40, "e2e.min": 1.72975, "ttft.min": 0.0501, "output_tokens.min": 10, "e2e.max": 3.45096,
        "ttft.max": 0.0521, "output_tokens.max": 80, "e2e.p99": 3.42444, "ttft.p99": 0.052, "output_tokens.p99": 44})
    assert all(not claim.figures for claim in table.claims[1:])  # N and Stage are no statistics: never read as means
    assert any("OutputTokenThroughput" in str(message) for message in table.left_out)


def test_an_aisbench_summary_in_chinese():
    table = read("并发量 | TTFT(avg)(s) | TPOT(avg)(ms) | 总吞吐 TPS(输入+输出) | 平均每并发TPS", "1 | 0.12 | 20.1 | 900 | 48", "10 | 0.5 | 25.1 | 7000 | 38")
    assert [values(claim) for claim in table.claims] == [
        {"concurrency": 1, "ttft": 0.12, "tpot": 0.0201, "total_throughput": 900, "user_throughput": 48},
        {"concurrency": 10, "ttft": 0.5, "tpot": 0.0251, "total_throughput": 7000, "user_throughput": 38}]
    assert table.assumptions == ()


def test_evalscope_percentiles_are_one_claim_and_groups_are_several():
    table = read("Percentiles | TTFT (s) | Latency (s) | Output tokens", "50% | 0.06 | 1.3 | 128", "99% | 0.09 | 1.9 | 128")
    claim, = table.claims
    assert values(claim) == {"ttft.p50": 0.06, "e2e.p50": 1.3, "output_tokens.p50": 128, "ttft.p99": 0.09, "e2e.p99": 1.9, "output_tokens.p99": 128}
    table = read("并发 | 统计 | TTFT (ms)", "1 | 平均 | 60", "1 | P99 | 90", "8 | 平均 | 160", "8 | P99 | 190")
    assert [(claim.row, values(claim)) for claim in table.claims] == [
        (1, {"concurrency": 1, "ttft": 0.06, "ttft.p99": 0.09}), (3, {"concurrency": 8, "ttft": 0.16, "ttft.p99": 0.19})]


def test_a_variance_of_rows_has_the_square_of_its_unit():
    table = read("统计 | 耗时(ms)", "平均 | 5220", "方差 | 57000", "极差 | 640")
    assert values(table.claims[0]) == pytest.approx({"e2e": 5.22, "e2e.var": 0.057, "e2e.range": 0.64})


def test_conditions_of_the_subject_are_words():
    table = read("Model | ISL/OSL | TP | Conc | GPU | 精度 | TPOT (ms) | Output tok/s/GPU", "DeepSeek-R1 | 1k/1k | 8 | 64 | H200 | FP8 | 22.3 | 812",
                 "DeepSeek-R1 | 8k/1k | 8 | 64 | H200 | FP8 | 32.3 | 512")
    claim = table.claims[1]
    assert values(claim) == {"devices": 8, "concurrency": 64, "tpot": 0.0323, "input_tokens": 8192, "output_tokens": 1024}
    assert claim.words == {"model": "DeepSeek-R1", "devices": "8", "hardware": "H200", "dtype": "FP8"}
    assert (claim.figures["input_tokens"].low, claim.label) == (8000, "DeepSeek-R1")
    assert any("1024" in str(message) for message in table.assumptions)


# ── what the other columns decide ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("heading", "row", "figure"), [
    ("序列长度 | TTFT (ms)", "128 | 5", "output_tokens"), ("序列长度 | 输入长度 | TTFT (ms)", "128 | 7 | 5", None),
    ("耗时(s) | TTFT (ms)", "5.2 | 5", "e2e"), ("耗时(s) | 请求数 | TTFT (ms)", "5.2 | 200 | 5", None), ("总耗时(s) | 请求数 | TTFT (ms)", "5.2 | 200 | 5", "duration"),
    ("总耗时(s) | batch | TTFT (ms)", "5.2 | 4 | 5", "e2e"), ("生成速度(tok/s) | TTFT (ms)", "5.2 | 5", "user_throughput"),
    ("生成速度(tok/s) | batch | TTFT (ms)", "5.2 | 4 | 5", None), ("解码速度(tok/s) | batch | 吞吐量(tok/s)", "5.2 | 4 | 20", "decode_speed"),
    ("解码速度(tok/s) | batch | TTFT (ms)", "5.2 | 4 | 5", None), ("decode throughput (tok/s) | batch | TTFT (ms)", "52 | 4 | 5", None),
    ("QPS | TTFT (ms)", "3.47 | 5", "request_throughput"), ("QPS | TTFT (ms)", "4 | 5", "request_rate"), ("显存(GB) | TTFT (ms)", "15.2 | 5", "peak_memory"),
    ("TP | TTFT (ms)", "8 | 5", "devices"), ("TP | 卡数 | TTFT (ms)", "8 | 16 | 5", None),
])
def test_the_other_columns_decide_what_a_vague_one_means(heading, row, figure):
    table = read(heading, row)
    vague = float(row.split("|")[0])
    found = {name for name, value in values(table.claims[0]).items() if value == pytest.approx(vague * (1e9 if "GB" in heading else 1))}
    assert found == ({figure} if figure else set())
    assert figure is not None or any(heading.split(" |")[0] in str(message) for message in table.left_out)


@pytest.mark.parametrize(("heading", "cells", "figure", "first"), [
    ("TTFT", ("68.27", "132.32"), "ttft", 0.06827), ("TTFT", ("0.068", "0.132"), "ttft", 0.068), ("TTFT", ("5.2", "7.1"), None, None),
    ("TTFT", ("0.5", "75"), None, None), ("TTFT", ("5.2", "75"), "ttft", 0.0052), ("TPOT", ("15.6",), "tpot", 0.0156), ("TPOT", ("1.2",), None, None),
    ("端到端时延", ("1.02",), "e2e", 1.02), ("端到端时延", ("68",), None, None), ("显存占用", ("14.8",), "peak_memory", 14.8e9), ("峰值显存", ("15232",), "peak_memory", 15.232e9),
    ("峰值显存", ("300",), None, None), ("吞吐量", ("59.4", "534.8"), "throughput", 59.4), ("吞吐量", ("59.4", "80"), None, None),
    ("吞吐量", ("59.4 tok/s", "80 tok/s"), "throughput", 59.4), ("吞吐量", ("5.4 req/s",), "request_throughput", 5.4), ("TTFT", ("68 ms", "0.1 s"), "ttft", 0.068),
])
def test_a_heading_without_a_unit_is_read_where_one_unit_is_sane(heading, cells, figure, first):
    table = claim_table(sheet(f"{heading} | ITL (ms)", *(f"{cell} | 5" for cell in cells)))
    rest = {name: value for name, value in values(table.claims[0]).items() if name != "itl"}
    assert rest == ({figure: pytest.approx(first)} if figure else {})
    bare = not any(letter.isalpha() for cell in cells for letter in cell)
    assert any("has no unit" in str(message) for message in table.assumptions) == (bool(figure) and bare)
    assert any(heading in str(message) for message in table.left_out) == (figure is None)


def test_of_two_columns_with_one_meaning_the_first_is_taken_and_a_statistic_is_another():
    table = read("TTFT (ms) | 首token延迟(s) | P99 TTFT (ms)", "50 | 9 | 90")
    assert values(table.claims[0]) == {"ttft": 0.05, "ttft.p99": 0.09}
    assert "both read as ttft" in str(table.left_out[0])


def test_rows_and_cells_that_cannot_be_read_are_counted_and_said():
    table = read("场景 | batch | TTFT (ms)", "a | 1 | 50", "b | 64 | OOM", "c | - | -", " | | ", "e | 128 | OOM")
    assert [(claim.row, claim.label, values(claim)) for claim in table.claims] == [
        (1, "a", {"batch_size": 1, "ttft": 0.05}), (2, "b", {"batch_size": 64}), (3, "c", {}), (4, "", {}), (5, "e", {"batch_size": 128})]
    said = [str(message) for message in table.left_out]
    assert any("cells left out: 2" in sentence and "memory" in sentence for sentence in said)


def test_a_row_shorter_than_its_heading_is_read_as_far_as_it_goes():
    table = claim_table(Sheet("t", 1, ("TTFT (ms)", "TPOT (ms)"), (("5",), (), ("6", "7", "8"))))
    assert [values(claim) for claim in table.claims] == [{"ttft": 0.005}, {}, {"ttft": 0.006, "tpot": 0.007}]


def test_a_table_without_results_is_none_and_says_what_it_has():
    for bad in (sheet("参数 | 说明", "a | b"), sheet("batch | 输入长度", "1 | 2"), sheet("TTFT (ms)", "fast"), Sheet("t", 1, (), ()), sheet("TTFT (ms)")):
        assert claim_table(bad) is None
        assert all(heading in str(no_claims(bad)) for heading in bad.heading)


# ── names of rows ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "expected"), [
    ("批量推理 (batch=4)", {"batch_size": 4}), ("b4", {"batch_size": 4}), ("Qwen2-7B bs=16", {"batch_size": 16}), ("qwen_b8_fp16", {"batch_size": 8}),
    ("batch size 4 (fp16)", {"batch_size": 4}), ("并发 8", {"concurrency": 8}), ("16路并发", {"concurrency": 16}), ("concurrency=32", {"concurrency": 32}),
    ("in512_out128", {"input_tokens": 512, "output_tokens": 128}), ("1k/1k", {"input_tokens": 1024, "output_tokens": 1024}),
    ("random (1024/128)", {"input_tokens": 1024, "output_tokens": 128}), ("3.5K+1.5K", {"input_tokens": 3500, "output_tokens": 1500}),
    ("isl4k_osl1k", {"input_tokens": 4096, "output_tokens": 1024}), ("输入512 输出128", {"input_tokens": 512, "output_tokens": 128}),
    ("pp512", {"input_tokens": 512}), ("tg128", {"output_tokens": 128}), ("pp512+tg128", {"input_tokens": 512, "output_tokens": 128}),
    ("首token延迟-短输入", {}), ("batch=4, batch=8", {}), ("2024/05", {}), ("in 2024", {}), ("输入1", {}), ("vLLM 0.9.1", {}), ("8x910B", {}), ("FP16/INT8", {}),
    ("10/20/30", {}), ("B200", {}), ("Llama-3-8B", {}), ("pp512 @ d4096", {}), ("in=1,024", {}), ("", {}), ("batch=" + "9" * 50, {}),
])
def test_conditions_in_the_name_of_a_row(name, expected):
    assert {figure: value.value for figure, value in conditions_in(name).items()} == expected


def test_a_column_goes_before_the_name_of_a_row():
    table = read("场景 | Batch Size | TTFT (ms)", "批量推理 (batch=4) | 2 | 5")
    assert values(table.claims[0])["batch_size"] == 2
    table = read("场景 | TTFT (ms)", "批量推理 (batch=4) | 5")
    assert values(table.claims[0]) == {"batch_size": 4, "ttft": 0.005}
    assert "batch_size" in str(table.assumptions[0])


def test_lengths_and_throughputs_of_names():
    assert lengths_in("7 / 128") == ("7", "128")
    assert lengths_in("128") is lengths_in("a/b") is None
    assert [llama_bench_throughput(name) for name in ("pp512", "tg128", "tg128 @ d512", "pp512+tg128", "x")] == [
        "prompt_throughput", "decode_speed", "decode_speed", None, None]


# ── anything at all ──────────────────────────────────────────────────────────────────────────────────────────────────────

words = st.one_of(st.text(max_size=30), st.sampled_from([
    "TTFT (ms)", "P99", "吞吐量", "batch", "显存(GB)", "场景", "耗时(s)", "QPS", "ISL/OSL", "12.5", "98-101", "OOM", "{x}", "1k/1k", "1e300", "\x1b[31m", "平均"]))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(words, max_size=6).flatmap(lambda heading: st.tuples(st.just(heading), st.lists(st.lists(words, max_size=7), max_size=6))))
def test_any_sheet_is_claims_or_none(drawn):
    heading, rows = drawn
    table = claim_table(Sheet("t", 1, tuple(heading), tuple(map(tuple, rows))))
    if table is None:
        assert str(no_claims(Sheet("t", 1, tuple(heading), ())))
        return
    assert all(1 <= claim.row <= len(rows) for claim in table.claims)
    assert [claim.row for claim in table.claims] == sorted({claim.row for claim in table.claims})
    for claim in table.claims:
        for name, figure in claim.figures.items():
            figure_name, _, statistic = name.partition(".")
            assert figure_name in FIGURE_UNITS
            assert statistic in {"", *STATISTICS}
            assert 0 <= figure.low <= figure.value <= figure.high
    for message in (*table.assumptions, *table.left_out):
        assert "\x1b" not in str(message)
        assert len(str(message)) < 1000


def test_a_table_of_many_rows_is_read_in_full():
    rows = [f"场景 {row} (batch={1 + row % 64}) | {row % 4096 + 1} | {row / 7:.2f} | {row % 977 + 1}.25 tok/s" for row in range(5000)]
    table = read("场景 | 输入长度 | TTFT (ms) | 吞吐量", *rows)
    assert len(table.claims) == 5000
    assert values(table.claims[4321]) == pytest.approx({"input_tokens": 226, "ttft": 617.29e-3, "throughput": 414.25, "batch_size": 34})
