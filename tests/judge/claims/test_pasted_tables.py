"""Tables in the shapes that people paste, made from an honest model of a server: none is accused, and one wrong number in it is found."""

from __future__ import annotations

import pytest

from touchstone.claim import Subject
from touchstone.finding import Judgement
from touchstone.judge.claims.device_words import devices_in, names_degree
from touchstone.judge.claims.shortcuts import PREFIX_CACHE, SPECULATION, headed, is_no, names
from touchstone.judge.publication import audit_content

BAD = {Judgement.SUSPECT, Judgement.INCONSISTENT, Judgement.IMPOSSIBLE}
LLAMA = {"model": "Llama-3-8B", "hardware": "H100", "dtype": "fp16"}


def honest(*, batch=1, prompt=512, output=128, devices=1, speedup=1.0, bandwidth=3.35e12):
    """What Llama-3-8B in fp16 takes on H100s at 60 % of their bandwidth and 40 % of their arithmetic."""
    read = 16.06e9 / (devices * bandwidth * 0.6)
    step = read + batch * 131072 * (prompt + output / 2) / (devices * bandwidth * 0.6) + 4e-4
    ttft = batch * 2 * 8.03e9 * prompt / (devices * 989e12 * 0.4) + read + 2e-3
    tpot = step / speedup
    whole = ttft + (output - 1) * tpot
    return {"B": batch, "P": prompt, "G": output, "N": devices, "ttft": 1e3 * ttft, "tpot": 1e3 * tpot, "e2e": whole, "v": 1 / tpot,
            "out": batch * output / whole, "total": batch * (prompt + output) / whole, "rps": batch / whole}


def table(heading, row, cases):
    """A Markdown table of ``cases``, each printed by ``row``."""
    return "\n".join([heading, "|" + "---|" * (heading.count("|") - 1), *(row.format(**case) for case in cases)]) + "\n"


def audit(text, name="t.md", **asked):
    return audit_content(text if isinstance(text, bytes) else text.encode(), name, Subject(**asked))


def statuses(text, name="t.md", **asked):
    return [row.status.value for row in audit(text, name, **asked).rows]


def accused(text, name="t.md", **asked):
    """The numbers of the rows that are accused."""
    return [row.row for row in audit(text, name, **asked).rows if row.status in BAD]


BATCHES = [honest(batch=batch) for batch in (1, 4, 16)]

# ── what a throughput and a latency count ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("counted", ["out", "total"])
@pytest.mark.parametrize(("columns", "cells"), [
    ("并发 | 输入长度 | 输出长度 | TTFT(ms) | TPOT(ms)", "{B} | {P} | {G} | {ttft:.1f} | {tpot:.2f}"), ("并发 | 输入长度 | 输出长度", "{B} | {P} | {G}"),
    ("并发 | 输入长度 | 输出长度 | QPS", "{B} | {P} | {G} | {rps:.4f}"),
])
def test_a_throughput_of_a_server_that_does_not_say_what_it_counts(columns, cells, counted):
    cases = [honest(batch=batch, prompt=2048) for batch in (1, 4, 16)]
    assert accused(table(f"| {columns} | 吞吐(tokens/s) |", f"| {cells} | {{{counted}:.2f}} |", cases), **LLAMA) == []


def test_requests_decide_what_a_throughput_counts_so_that_a_wrong_row_is_found():
    cases = [case | {"total": case["total"] * (1.3 if case["B"] == 4 else 1)} for case in BATCHES]
    text = table("| 并发 | 输入长度 | 输出长度 | QPS | 吞吐(tokens/s) |", "| {B} | {P} | {G} | {rps:.4f} | {total:.2f} |", cases)
    assert statuses(text, **LLAMA) == ["pass", "inconsistent", "pass"]


def test_a_throughput_without_lengths_is_never_called_impossible():
    text = table("| 并发 | 吞吐(tokens/s) |", "| {B} | {total:.1f} |", [honest(prompt=4096)])
    assert statuses(text, **LLAMA) == ["suspect"]
    assert "input tokens" in str(next(one.message for one in audit(text, **LLAMA).rows[0].verdicts if one.rule == "PH1"))


def test_a_system_s_throughput_beside_one_request_s_latency_is_of_many_requests():
    row = "| 512 | 128 | {e2e:.3f} | {out:.1f} |"
    heading = "| 输入长度 | 输出长度 | 端到端时延(s) | 输出吞吐(tok/s) |"
    assert accused(table(heading, row, [honest(batch=16)]), **LLAMA) == []
    assert accused(table("| QPS " + heading, "| 4 " + row, [honest(batch=16)]), **LLAMA) == []
    assert accused(table(heading, row, [honest(), honest() | {"out": 130}]), **LLAMA) == [2]  # one request's, and 20 % off


def test_means_of_requests_of_different_lengths_need_not_add_up():
    cases = [case | {"e2e": 0.88 * case["e2e"]} for case in BATCHES]  # the mean of products is not the product of means
    for load in ("QPS", "Request rate", "P99 TTFT (ms)"):
        text = table(f"| {load} | Output tokens | TTFT (ms) | TPOT (ms) | E2E latency (s) |", "| 400 | {G} | {ttft:.2f} | {tpot:.3f} | {e2e:.3f} |", cases)
        assert accused(text, **LLAMA) == []
    assert accused(text.replace("P99 TTFT (ms)", "batch"), **LLAMA) == [1, 2, 3]


@pytest.mark.parametrize(("heading", "row"), [
    ("| batch | 输出长度 | 延迟(ms) | 吞吐(tokens/s) |", "| {B} | {G} | {tpot:.2f} | {out:.1f} |"),
    ("| batch | 输出长度 | TTFT(ms) | 延迟(ms) |", "| {B} | {G} | {ttft:.2f} | {tpot:.2f} |"),
])
def test_a_bare_latency_may_be_of_a_token(heading, row):
    assert accused(table(heading, row, BATCHES), **LLAMA) == []


def test_a_bare_latency_of_requests_stays_one():
    cases = [honest(output=16), honest(output=16, batch=4) | {"e2e": 1.0}]
    text = table("| batch | 输出长度 | TTFT(ms) | TPOT(ms) | 延迟(s) |", "| {B} | {G} | {ttft:.2f} | {tpot:.3f} | {e2e:.4f} |", cases)
    assert statuses(text, **LLAMA) == ["pass", "inconsistent"]


def test_lengths_that_are_written_roughly_allow_for_it():
    heading, row = "| batch | 输入 | 输出 | TTFT(ms) | TPOT(ms) | 总吞吐(tok/s) |", "| {B} | 4k | 1k | {ttft:.2f} | {tpot:.3f} | {out:.2f} |"
    cases = [honest(batch=batch, prompt=4000, output=1000) for batch in (1, 4)]
    assert accused(table(heading, row, cases), **LLAMA) == []
    assert accused(table(heading, row.replace("4k | 1k", "约4050 | ~1010"), cases), **LLAMA) == []
    assert accused(table(heading, row, [cases[0], cases[1] | {"out": 1.2 * cases[1]["out"]}]), **LLAMA) == [2]


def test_a_chat_template_is_not_an_inconsistency():
    row = "| 8 | 128 | 128 | {rps:.3f} | {total:.1f} |"
    text = table("| 并发 | 输入长度 | 输出长度 | RPS | 总吞吐(输入+输出 tok/s) |", row, [honest(batch=8, prompt=128) | {"total": 281 * honest(batch=8, prompt=128)["rps"]}])
    assert statuses(text, **LLAMA) == ["suspect"]


def test_prompts_of_a_batch_that_run_one_after_another():
    mean = 1e3 * 64 * 2 * 8.03e9 * 2048 / (989e12 * 0.6) / 2  # half of the prompts come first
    text = "| batch | 输入长度 | 输出长度 | TTFT(ms) |\n|---|---|---|---|\n| 64 | 2048 | 128 | {} |\n"
    assert "impossible" not in statuses(text.format(f"{mean:.1f}"), **LLAMA)
    assert statuses(text.format(f"{mean / 2:.1f}"), **LLAMA) == ["impossible"]


def test_streams_do_not_multiply_either():
    text = "| 并发 | 输入长度 | 输出长度 | 输出吞吐(tok/s) |\n|---|---|---|---|\n| 1 | 512 | 128 | 100 |\n| 4 | 512 | 128 | 380 |\n| 16 | 512 | 128 | 2400 |\n"
    assert accused(text, **LLAMA) == [3]


# ── what a row says of itself ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("text", "count"), [
    ("8×H100", 8), ("4x H100 80GB", 4), ("H100*2", 2), ("A100 80GB × 4", 4), ("910B x 8", 8), ("H100 (8卡)", 8), ("TP4DP2", 8), ("TP=4", 4), ("vLLM tp8", 8),
    ("TP8 EP8", 8), ("tp_size=2, pp_size=2", 4), ("双机八卡", 16), ("2机16卡", 16), ("单卡", 1), ("4 GPUs", 4), ("Ascend 910B", None), ("Mixtral-8x7B", None),
    ("RTX 4090", None), ("昇腾310 卡", None), ("2x faster", None), ("pp512", None), ("pp64+tg128", None), ("vLLM 0.9.1", None), ("batch=4", None), ("", None), ("8" * 400 + "卡", None),
])
def test_devices_in_words(text, count):
    assert devices_in(text) == count


@pytest.mark.parametrize(("heading", "cells"), [
    ("硬件", ["8×H100", "H100*2", "H100 (4卡)", "4x H100 80GB"]), ("配置", ["TP8", "tp=2", "vLLM TP4", "4卡"]), ("GPU", ["8", "2", "4", "4"]),
    ("并行策略", ["TP4DP2", "DP2", "TP2 DP2", "TP4 EP4"]),
])
def test_a_row_of_several_devices(heading, cells):
    cases = [honest(devices=count) | {"cell": cell} for count, cell in zip((8, 2, 4, 4), cells, strict=True)]
    text = table(f"| {heading} | batch | 输出长度 | TPOT(ms) |", "| {cell} | {B} | {G} | {tpot:.2f} |", cases)
    assert accused(text, **LLAMA) == []
    assert accused(text.replace(cells[0], cells[1], 1), **LLAMA) == [1]


def test_degrees_of_parallelism_multiply():
    text = "| TP | DP | 并发 | 输出长度 | 输出吞吐(tok/s) |\n|---|---|---|---|---|\n| 1 | 8 | 8 | 1000 | {0} |\n| 2 | 4 | 8 | 1000 | {0} |\n| 1 | 1 | 8 | 1000 | {0} |\n"
    assert accused(text.format(2400), **LLAMA) == [3]
    assert [names_degree(name) for name in ("DP", "pp_size", "数据并行", "TP", "卡数")] == [True, True, True, False, False]


@pytest.mark.parametrize(("heading", "known", "unknown"), [
    ("硬件", "910B", "MI300X"), ("硬件", "910B", "GB300"), ("模型", "Llama-3-8B", "NoOne-0.3B"), ("精度", "FP16", "IQ3_XXS"), ("精度", "FP16", "2-bit"),
    ("方案", "baseline", "HQQ 3bit"),
])
def test_a_word_that_is_not_understood_takes_away_what_is_known(heading, known, unknown):
    slow = {"硬件": 1.6e12}.get(heading, 3.35e12)
    cases = [honest(bandwidth=slow) | {"cell": known}, honest() | {"cell": unknown, "tpot": 1.5}]
    text = table(f"| {heading} | batch | 输出长度 | TPOT(ms) |", "| {cell} | {B} | {G} | {tpot:.2f} |", cases)
    assert statuses(text, **LLAMA | ({"hardware": "910B"} if heading == "硬件" else {})) == ["pass", "cannot tell"]


def test_cases_across_are_of_the_chip_or_the_model_they_are_named_after():
    text = "| 指标 | {} | {} |\n|---|---|---|\n| TPOT (ms) | {} | {} |\n| TTFT (ms) | 60 | 28 |\n| 输出长度 | 128 | 128 |\n"
    assert statuses(text.format("910B", "H100", 17.2, 8.4), **LLAMA | {"hardware": "910B"}) == ["pass", "pass"]
    assert statuses(text.format("H100", "910B", 17.2, 8.4), **LLAMA | {"hardware": "910B"}) == ["pass", "impossible"]
    assert statuses(text.format("Llama-3-8B", "Qwen2-0.5B", 8.6, 1.2), **LLAMA) == ["pass", "pass"]


def test_a_table_is_of_the_chip_in_the_line_above_it():
    both = [table("| batch | 输出长度 | TPOT(ms) |", "| {B} | {G} | {tpot:.2f} |", [honest(bandwidth=speed)]) for speed in (1.6e12, 3.35e12)]
    text = f"# Llama-3-8B\n\n## Ascend 910B\n\n{both[0]}\n## H100\n\n{both[1]}"
    assert statuses(text, dtype="fp16") == ["pass", "pass"]
    assert statuses(text, **LLAMA | {"hardware": "910B"}) == ["pass", "pass"]
    assert statuses(text.replace("## H100", "## Ascend 910B"), dtype="fp16") == ["suspect", "impossible"]


def test_of_several_chips_in_the_prose_none_is_accused_in_another_s_place():
    fast = table("| batch | 输出长度 | TPOT(ms) |", "| 1 | 128 | 6.0 |", [{}])
    assert statuses(f"和 A100 相比, H200 更快。\n\n以下在单卡上测得。\n\n{fast}", model="Llama-3-8B", dtype="fp16") == ["cannot tell"]
    assert statuses(f"在 A100 上测得。\n\n单卡:\n\n{fast}", model="Llama-3-8B", dtype="fp16") == ["impossible"]


# ── shortcuts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("shortcut", "text", "taken"), [
    (SPECULATION, "EAGLE-3", True), (SPECULATION, "MTP1", True), (SPECULATION, "投机推理", True), (SPECULATION, "n-gram", True), (SPECULATION, "without MTP", False),
    (SPECULATION, "MTP off", False), (SPECULATION, "关闭投机", False), (SPECULATION, "baseline", False), (PREFIX_CACHE, "prefix cache 命中", True),
    (PREFIX_CACHE, "开启前缀缓存", True), (PREFIX_CACHE, "无前缀缓存", False), (PREFIX_CACHE, "prefix caching disabled", False), (PREFIX_CACHE, "KV cache", False),
])
def test_shortcuts_in_words(shortcut, text, taken):
    assert names(shortcut, text) is taken


def test_shortcuts_of_columns():
    assert [headed(name) for name in ("MTP", "前缀缓存命中率", "Prefix caching", "接受长度", "TTFT (ms)")] == [SPECULATION, PREFIX_CACHE, PREFIX_CACHE, SPECULATION, None]
    assert [is_no(cell) for cell in ("关", "off", "0%", "0", "", "-", "开", "1", "50%", "2.7")] == [True] * 6 + [False] * 4


@pytest.mark.parametrize(("heading", "cells"), [("MTP", "关 开"), ("MTP", "0 1"), ("接受长度", "- 2.7"), ("方案", "baseline EAGLE-3"), ("方案", "无投机 投机推理")])
def test_rows_with_and_without_speculative_decoding(heading, cells):
    off, on = cells.split()
    text = table(f"| {heading} | batch | 输出长度 | TPOT(ms) |", "| {cell} | {B} | {G} | {tpot:.2f} |", [honest() | {"cell": off}, honest(speedup=2.5) | {"cell": on}])
    assert accused(text, **LLAMA) == []
    if heading != "方案":
        assert accused(text.replace("8.43", "3.37"), **LLAMA) == [1]  # the row that says it did not


@pytest.mark.parametrize(("heading", "cells"), [("前缀缓存命中率", "0% 90%"), ("Prefix caching", "off on"), ("场景", "无缓存 前缀缓存命中"), ("场景", "cold radix")])
def test_rows_with_and_without_a_cached_prefix(heading, cells):
    cold, warm = cells.split()
    text = f"| {heading} | 并发 | 输入长度 | TTFT(ms) |\n|---|---|---|---|\n| {cold} | 1 | 8192 | {{}} |\n| {warm} | 1 | 8192 | 25.0 |\n"
    assert statuses(text.format("330"), **LLAMA) == ["pass", "pass"]
    assert statuses(text.format("25.0"), **LLAMA) == ["impossible", "pass"]


def test_shortcuts_that_the_text_names_are_assumed_and_said():
    text = table("| batch | 输出长度 | TPOT(ms) |", "| {B} | {G} | {tpot:.2f} |", [honest(speedup=2.5)])
    assert accused(text, **LLAMA) == [1]
    found = audit(f"# EAGLE speculative decoding\n\n结果:\n\n{text}", **LLAMA)
    assert [row.status for row in found.rows] == [Judgement.PASS]
    assert any("speculative decoding" in str(message) for message in found.tables[0].assumptions)


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

ROWS = "{B};{P};{G};{ttft:.2f};{tpot:.3f};{out:.2f}"
SEMICOLONS = "\n".join(["Batch;输入长度;输出长度;TTFT(ms);TPOT(ms);输出吞吐(tok/s)", *(ROWS.format(**case) for case in BATCHES)])
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


@pytest.mark.parametrize(("content", "name"), [
    (("\ufeff" + SEMICOLONS).encode(), "a.csv"), (SEMICOLONS.encode("gbk"), "a.csv"), (SEMICOLONS.replace(".", ",").encode(), "a.csv"),
    (SEMICOLONS.replace(";", "\t").encode("utf-16"), "a.csv"), (SEMICOLONS.replace(";", "\t").encode(), "-"), (SEMICOLONS.replace(";", "   ").encode(), "-"),
    (SEMICOLONS.replace(";", ",").translate(WIDE).encode(), "a.csv"),
], ids=["bom", "gbk", "decimal commas", "utf-16", "tabs", "spaces", "full width"])
def test_the_same_numbers_in_every_file(content, name):
    assert statuses(content, name, **LLAMA) == ["pass"] * 3
    wrong = content.decode("utf-16" if content[:2] == b"\xff\xfe" else "gbk" if b"\xca\xe4" in content else "utf-8")
    last = wrong.split("\n")[-1]
    size = last[:2]
    wrong = wrong.replace(last, last.replace(size, "32" if size == "16" else "３２", 1))
    assert statuses(wrong.encode(), name, **LLAMA) == ["pass", "pass", "inconsistent"]


def test_a_frame_as_pandas_prints_it():
    text = "   batch  output_len  TTFT(ms)  TPOT(ms)\n0      1         128      28.0      8.43\n1      4         128      40.0      8.54\n\nafter it\n"
    assert [(row.row, row.status.value) for row in audit(text, "-", **LLAMA).rows] == [(1, "pass"), (2, "pass")]


def test_a_column_of_words_beside_values_is_no_case():
    text = ("| Common Metric | Stage | Value |\n|---|---|---|\n| Benchmark Duration | total | 20 s |\n| Total Requests | total | 200 |\n"
            "| Request Throughput | total | {} req/s |\n| Output Token Throughput | total | 1280 token/s |\n")
    assert statuses(text.format("10.0")) == ["pass"]
    assert statuses(text.format("14.0")) == ["inconsistent"]


def test_shares_are_quantiles_only_where_the_heading_says_so():
    rows = "| 50% | 8 | 100 |\n| 90% | 8 | 30 |\n"
    heading = "| {} | 并发 | TTFT (ms) |\n|---|---|---|\n"
    assert len(audit(heading.format("GPU利用率") + rows).rows) == 2
    assert statuses(heading.format("Percentiles") + rows) == ["inconsistent"]


def test_memory_printed_in_gib_is_not_read_twice():
    text = "| batch | TTFT(ms) | 显存({}) |\n|---|---|---|\n| 1 | 30 | {} |\n"
    assert statuses(text.format("GiB", 14.0), **LLAMA) == ["impossible"]
    assert statuses(text.format("GiB", 15.2), **LLAMA) == ["pass"]
    assert statuses(text.format("GB", 15.3), **LLAMA) == ["suspect"]
