"""What is true passes however it is rounded; what is not does not; and nothing is called impossible that might be excused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.claim import Claim, ClaimTable, Figure, Subject
from touchstone.finding import Judgement
from touchstone.judge.audit.rules import CLAIM_RULES, judge_claims
from touchstone.judge.audit.rules.boxes import exact
from touchstone.judge.audit.rules.readings import common_constant
from touchstone.judge.audit.rules.setting import Resolver, dtype_of, gigabyte_of

BAD = {Judgement.SUSPECT, Judgement.INCONSISTENT, Judgement.IMPOSSIBLE}
NOBODY = Subject()
LLAMA = Subject("Llama-3-8B", "Ascend 910B", "fp16", 1)


def printed(value, digits):
    """``value`` as printed with ``digits`` decimals, and every value that prints like it."""
    shown = round(value, digits)
    half = 0.5 * 10**-digits
    return Figure(shown, shown - half, shown + half)


def judge(subject=NOBODY, elsewhere=(), **figures):
    claim = Claim(1, "row", {name.replace("__", "."): one if isinstance(one, Figure) else exact(float(one)) for name, one in figures.items()})
    row, = judge_claims(ClaimTable("table", (claim,)), Resolver(subject), elsewhere)
    return {verdict.rule: verdict.status for verdict in sorted(row.verdicts, key=lambda one: one.status in BAD)}


def bad(found):
    return {rule: status for rule, status in found.items() if status in BAD}


lengths = st.integers(2, 4096)
times = st.floats(1e-3, 10.0)


@given(st.sampled_from([1, 2, 4, 8, 64]), st.integers(1, 8192), lengths, times, st.floats(1e-3, 1.0), st.integers(2, 6))
def test_a_true_row_of_a_batch_passes_however_it_is_rounded(batch, prompt, output, ttft, tpot, digits):
    latency = ttft + (output - 1) * tpot
    found = judge(batch_size=batch, input_tokens=prompt, output_tokens=output, ttft=printed(ttft, digits), tpot=printed(tpot, digits + 1),
                  decode_speed=printed(1 / tpot, digits), e2e=printed(latency, digits), output_throughput=printed(batch * output / latency, digits))
    assert bad(found) == {}


@given(st.sampled_from([1, 4, 8]), lengths, times, st.floats(1e-3, 1.0), st.sampled_from([0.5, 0.95, 1.05, 1.2, 4.0]))
def test_a_throughput_that_is_off_by_five_percent_is_inconsistent(batch, output, ttft, tpot, factor):
    throughput = factor * batch * output / (ttft + (output - 1) * tpot)
    others = [batch * output / (ttft + output * tpot), batch / tpot]  # the other usual meanings of a decode speed
    if any(abs(throughput / other - 1) < 0.02 for other in others):
        return
    found = judge(batch_size=batch, output_tokens=output, ttft=ttft, decode_speed=1 / tpot, output_throughput=throughput)
    assert found["AL1"] is Judgement.INCONSISTENT


@given(st.integers(1, 512), st.integers(1, 4096), lengths, times, st.floats(1e-3, 1.0), st.floats(0.05, 1.0))
def test_a_server_that_is_not_always_busy_is_no_contradiction(concurrency, prompt, output, ttft, tpot, busy):
    latency = ttft + (output - 1) * tpot
    requests = busy * concurrency / latency
    found = judge(concurrency=concurrency, input_tokens=prompt, output_tokens=output, ttft=ttft, tpot=tpot, e2e=latency,
                  request_throughput=requests, output_throughput=requests * output, total_throughput=requests * (prompt + output))
    assert bad(found) == {}


@given(st.integers(1, 512), times, st.floats(1.1, 3.0))
def test_more_requests_in_flight_than_allowed_contradict_littles_law(concurrency, latency, factor):
    assert judge(concurrency=concurrency, e2e=latency, request_throughput=factor * concurrency / latency)["AL11"] is Judgement.INCONSISTENT


def test_rates_of_requests_and_tokens():
    known = {"input_tokens": 512, "output_tokens": 256, "request_throughput": 14.15}
    assert judge(**known, output_throughput=3622.4)["AL4"] is Judgement.PASS
    assert judge(**known, output_throughput=2000)["AL4"] is Judgement.SUSPECT  # answers may have ended before their limit
    assert judge(**known, output_throughput=3800)["AL4"] is Judgement.INCONSISTENT
    assert judge(**known, total_throughput=3800)["AL4"] is Judgement.INCONSISTENT  # less than the prompts alone
    assert judge(**known, total_throughput=10867.2)["AL4"] is Judgement.PASS
    assert judge(requests=200, duration=14.13, request_throughput=14.15)["AL12"] is Judgement.PASS
    assert judge(requests=200, duration=20, request_throughput=14.15)["AL12"] is Judgement.INCONSISTENT


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=30))
def test_statistics_of_real_values_pass_and_disordered_quantiles_do_not(values):
    import numpy as np

    if max(values) - min(values) < 1e-3:
        return
    found = judge(runs=len(values), e2e=np.mean(values), e2e__var=np.var(values), e2e__range=max(values) - min(values),
                  e2e__min=min(values), e2e__max=max(values), e2e__p50=np.quantile(values, 0.5), e2e__p90=np.quantile(values, 0.9))
    assert bad(found) == {}
    assert judge(ttft__p50=1.0, ttft__p99=0.5)["AL13"] is Judgement.INCONSISTENT
    assert judge(ttft=3.0, ttft__max=2.0)["AL13"] is Judgement.INCONSISTENT
    assert judge(e2e=1.0, e2e__var=4.0, e2e__range=1.0)["AL6"] is Judgement.INCONSISTENT
    assert judge(e2e=1.0, e2e__var=1e-6, e2e__range=1.0, runs=5)["AL6"] is Judgement.INCONSISTENT


# ── physics ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_floor_of_a_step_and_its_excuses():
    fast = {"batch_size": 1, "output_tokens": 128, "e2e": 1.024}  # 8.00 ms a step; 15.01 GB at 1.76 TB/s take 8.53
    assert judge(LLAMA, **fast)["PH1"] is Judgement.IMPOSSIBLE
    for excuse in ({"dtype": "int8"}, {"devices": 2}, {"accepted_tokens": 2.0}):
        assert judge(replace(LLAMA, **excuse), **fast)["PH1"] is Judgement.PASS
    assert judge(LLAMA, **{**fast, "e2e": 1.3})["PH1"] is Judgement.PASS  # 84 % of the bound
    assert judge(LLAMA, **{**fast, "e2e": 1.2})["PH1"] is Judgement.SUSPECT
    assert judge(LLAMA, **{**fast, "e2e": Figure(1.09, 1.0, 1.2)})["PH1"] is Judgement.SUSPECT  # some point of its box is possible


def test_what_is_not_known_is_not_judged():
    fast = {"batch_size": 1, "output_tokens": 128, "e2e": 0.01}
    for subject in (NOBODY, replace(LLAMA, hardware=None), replace(LLAMA, model="nobody-7B"), replace(LLAMA, hardware="Ascend 310P3")):
        assert judge(subject, **fast)["PH1"] is Judgement.CANNOT_TELL
    large = replace(LLAMA, model="Llama-2-70B", devices=None)  # 138 GB do not fit, so several devices took part
    assert judge(large, **fast)["PH1"] is Judgement.CANNOT_TELL


def test_a_single_request_of_a_loaded_server_says_only_that_one_was_decoding():
    assert "PH1" not in bad(judge(LLAMA, concurrency=512, input_tokens=8000, output_tokens=1000, tpot=0.012))
    assert judge(LLAMA, concurrency=4, output_tokens=1000, output_throughput=500)["PH1"] is Judgement.IMPOSSIBLE  # 8 ms a step


def test_arithmetic_limits():
    assert judge(LLAMA, output_throughput=27_500)["PH2"] is Judgement.IMPOSSIBLE  # 413 TFLOPS of 376
    assert judge(LLAMA, output_throughput=20_000)["PH2"] is Judgement.PASS
    assert judge(LLAMA, input_tokens=4096, prompt_throughput=40_000)["PH2"] is Judgement.IMPOSSIBLE
    assert "PH2" not in judge(replace(LLAMA, cached_prefix=True), input_tokens=4096, prompt_throughput=40_000)
    assert judge(LLAMA, input_tokens=4096, ttft=0.1)["PH2-TTFT"] is Judgement.IMPOSSIBLE  # 61.6 TFLOP take 0.16 s
    assert judge(replace(LLAMA, cached_prefix=True), input_tokens=4096, ttft=0.1)["PH2-TTFT"] is Judgement.PASS
    assert judge(replace(LLAMA, cached_prefix=True), input_tokens=4096, ttft=0.008)["PH2-TTFT"] is Judgement.IMPOSSIBLE  # weights are read all the same


def test_memory_in_both_readings():
    assert judge(LLAMA, peak_memory=17e9)["PH4"] is Judgement.PASS
    assert judge(LLAMA, peak_memory=15.28e9)["PH4"] is Judgement.SUSPECT  # fits if GB means GiB
    assert judge(LLAMA, peak_memory=14e9)["PH4"] is Judgement.IMPOSSIBLE
    claim = Claim(1, "", {"peak_memory": exact(15.28e9)})
    row, = judge_claims(ClaimTable("t", (claim,)), Resolver(LLAMA, gigabyte_bytes=10**9))
    assert {one.rule: one.status for one in row.verdicts}["PH4"] is Judgement.IMPOSSIBLE
    assert gigabyte_of("print(x / 1e9)") == 10**9
    assert gigabyte_of("x / 1024**3") == 1 << 30
    assert gigabyte_of("x / 1e9, y / 1024**3") is None
    assert judge(LLAMA, peak_memory=17e9, batch_size=64, input_tokens=1000, output_tokens=1000)["PH4"] is Judgement.IMPOSSIBLE
    assert judge(replace(LLAMA, model="DeepSeek-R1", dtype="bf16", devices=16), tpot=0.1)["PH4-CAPACITY"] is Judgement.IMPOSSIBLE
    assert "PH4-CAPACITY" not in bad(judge(replace(LLAMA, model="DeepSeek-R1", dtype="w8a8", devices=16), tpot=0.1))
    assert judge(LLAMA, peak_memory=100e9)["PH4-CAPACITY"] is Judgement.IMPOSSIBLE


def test_tokens_and_bytes():
    assert judge(input_tokens=4096, prompt_bytes=2020)["PH5"] is Judgement.IMPOSSIBLE
    assert judge(input_tokens=2050, prompt_bytes=2020)["PH5"] is Judgement.PASS
    assert judge(input_tokens=7, prompt_words=8)["PH5"] is Judgement.IMPOSSIBLE


@pytest.mark.parametrize(("text", "dtype"), [
    ("Qwen2.5-72B-Instruct-GPTQ-Int4", "int4"), ("W8A8", "int8"), ("Q4_K_M", "q4_k"), ("bfloat16", "bf16"), ("batch=4", None), ("half of it", None),
    ("FP8", "fp8"), ("7B", None), ("", None), ("AWQ", "int4"),
])
def test_dtypes_in_names(text, dtype):
    assert dtype_of(text) == dtype


def test_a_row_s_own_words_outrank_the_table_s():
    def one(**words):
        claim = Claim(1, "", {"batch_size": exact(1), "output_tokens": exact(128), "e2e": exact(1.024)}, words)
        row, = judge_claims(ClaimTable("t", (claim,)), Resolver(LLAMA))
        return {verdict.rule: verdict.status for verdict in row.verdicts}["PH1"]

    assert one() is Judgement.IMPOSSIBLE
    assert one(dtype="W8A8") is Judgement.PASS
    assert one(model="Qwen2-0.5B") is Judgement.PASS
    assert one(hardware="H100") is Judgement.PASS
    assert one(remark="with MTP") is Judgement.PASS


@pytest.mark.parametrize(("values", "constant"), [
    ((125, 462.5, 1775, 6950, 27500), 12.5), ((125, 250, 375, 500, 625), 125), ((1200, 2300, 3400, 4500, 5700), None), ((25, 50, 75, 100, 125), None),
    ((59.43, 58.75, 62.13, 280.95, 534.82, 53.68), None), ((125, 250, 375), None), ((13.7, 27.4, 41.1, 54.8, 68.5), 13.7),
])
def test_values_that_were_multiplied_out_of_one(values, constant):
    digits = {value: len(str(value).partition(".")[2]) for value in values}
    found = common_constant([printed(value, digits[value]) for value in values])
    assert found == (None if constant is None else pytest.approx(constant))


def test_rules_have_ids_of_their_own():
    assert len({rule.id for rule in CLAIM_RULES}) == len(CLAIM_RULES)
