"""A share is the least time over the time taken, exactly; what is not known has a reason; the peaks are the named ones."""

import pytest
from builders import GB, MS, make_facts, make_failure, make_record, make_run, make_trial
from device_runs import sampled, steady, watched_run
from hypothesis import given
from hypothesis import strategies as st

from touchstone.hardware import find_chip
from touchstone.judge.limits.devices import why_open
from touchstone.judge.limits.model import costs_of_run, model_of_run
from touchstone.judge.limits.shares import Limits
from touchstone.judge.summarize import summarize
from touchstone.message import Message
from touchstone.simulate import accounting
from touchstone.simulate.known_models import known_model

H200 = find_chip("NVIDIA H200")
QWEN = known_model("Qwen2-7B-Instruct")


def run_of(trials=None, header=None, **facts):
    """A run on an H200, where ``facts`` do not say otherwise."""
    return make_run(trials or [make_trial()], launches=[{"launch": 0, "facts": make_facts(**facts)}], **(header or {}))


def on_host(trials=None, bandwidth=10 * GB, **facts):
    header = {"memory_read_bytes_per_s": bandwidth, "target": {"engine": "llama.cpp", "device": "cpu", "model": "/models/small", "dtype": "fp16", "options": {}}}
    return run_of(trials, header, **{"device": "cpu", "device_name": "AMD EPYC", **facts})


def limits_and_case(run):
    return Limits(run), summarize(run)[0]


@given(step_ms=st.integers(1, 500), batch=st.integers(1, 8), prompt=st.integers(1, 4000), read=st.integers(GB // 100, 100 * GB),
       cache=st.integers(0, 500_000))
def test_the_share_of_decoding_is_bytes_over_time_over_bandwidth(step_ms, batch, prompt, read, cache):
    trial = make_trial(batch_size=batch, step_ns=step_ms * MS, input_tokens_built=prompt)
    limits, case = limits_and_case(run_of([trial], read_bytes_per_step=read, weight_bytes=2 * read, kv_bytes_per_token=cache, parameters=None))
    moved = read + batch * cache * (prompt + 16 / 2)
    assert limits.decode_share(case).value == pytest.approx(moved / (step_ms / 1e3) / H200.bandwidth, rel=1e-12)


@given(step_ms=st.integers(1, 500), batch=st.integers(1, 8), parameters=st.one_of(st.none(), st.integers(1, 10**15)))
def test_twice_the_time_is_half_the_share(step_ms, batch, parameters):
    once, twice = (Limits(run).decode_share(summarize(run)[0]).value for run in (
        run_of([make_trial(batch_size=batch, step_ns=factor * step_ms * MS)], parameters=parameters) for factor in (1, 2)))
    assert once == pytest.approx(2 * twice, rel=1e-12)


def test_a_long_prompt_is_bound_by_arithmetic_and_a_short_one_by_reading_the_weights():
    facts = {"model": "/models/Qwen2-7B-Instruct", "parameters": accounting.parameters(QWEN), "weight_bytes": accounting.weight_bytes(QWEN, "bf16"),
             "read_bytes_per_step": int(accounting.read_bytes_per_step(QWEN, "bf16"))}
    header = {"target": {"engine": "transformers", "device": "cuda", "model": "/models/Qwen2-7B-Instruct", "dtype": "bf16", "options": {}}}
    long, short = (limits_and_case(run_of([make_trial(input_tokens_built=tokens, first_ns=400 * MS)], header, **facts)) for tokens in (8000, 7))
    share = long[0].prefill_share(long[1])
    assert share.value == pytest.approx(sum(accounting.prefill_flops(QWEN, 8000)) / 0.4 / H200.flops)
    assert "TFLOP at 989 TFLOP/s: nominal figures of NVIDIA H200 SXM (" in str(share.limit)
    assert share.note is None
    share = short[0].prefill_share(short[1])
    assert share.value == pytest.approx(accounting.read_bytes_per_step(QWEN, "bf16") / 0.4 / H200.bandwidth)
    assert "GB/s: nominal figures of NVIDIA H200" in str(share.limit)


def test_the_prompts_of_a_batch_in_step_are_all_done_by_its_first_token():
    one, four = (limits_and_case(run_of([make_trial(batch_size=batch, input_tokens_built=4000)])) for batch in (1, 4))
    assert four[0].prefill(four[1]).flops == 4 * one[0].prefill(one[1]).flops
    assert four[0].prefill(four[1]).read_bytes == one[0].prefill(one[1]).read_bytes


def test_sequences_out_of_step_count_as_one_in_a_step_and_all_in_a_throughput():
    records = tuple(make_record(request_id=f"short/0/{place}", first_ns=(50 + 40 * place) * MS) for place in range(4))
    run = run_of([make_trial(records=records, batch_size=4)], parameters=None, kv_bytes_per_token=10**6)
    limits, case = limits_and_case(run)
    assert limits.decode(case).read_bytes == GB + 10**6 * (7 + 8)
    rate = case.metrics["output_throughput"].value
    assert limits.throughput_share(case).value == pytest.approx((GB + 4 * 10**6 * (7 + 8)) / H200.bandwidth * rate / 4)


def test_a_host_has_the_bandwidth_read_beside_the_run_and_no_known_arithmetic():
    limits, case = limits_and_case(on_host(kv_bytes_per_token=0, bandwidth=200 * GB))
    share = limits.decode_share(case)
    assert share.value == pytest.approx(GB / 0.01 / (200 * GB))
    assert "at 200 GB/s: as AMD EPYC read memory beside the run" in str(share.limit)
    assert limits.prefill_share(case).value is None
    assert "operations per second AMD EPYC can do is not known" in str(limits.prefill_share(case).limit)


def test_a_share_above_one_is_shown_with_a_note_and_not_cut():
    limits, case = limits_and_case(on_host(kv_bytes_per_token=0, bandwidth=50 * GB))
    share = limits.decode_share(case)
    assert share.value == pytest.approx(2.0)
    assert "caches help" in str(share.note)
    limits, case = limits_and_case(run_of([make_trial(step_ns=MS // 10)], kv_bytes_per_token=0))
    assert limits.decode_share(case).value == pytest.approx(GB / 1e-4 / H200.bandwidth)
    assert str(limits.decode_share(case).note) == "more than the nominal figures allow"


@pytest.mark.parametrize(("facts", "words"), [
    ({"read_bytes_per_step": None}, "how many bytes of weights a step reads"),
    ({"weight_bytes": None}, "how many bytes of weights a step reads"),
    ({"device_name": "Some GPU 9000"}, "Some GPU 9000 is in no table of chips"),
    ({"options": {"started_here": False}}, "does not say what it runs on"),
    ({"device_name": "Ascend 310P3"}, "are guesses (grade G)"),
])
def test_what_is_not_known_has_a_reason_and_no_share(facts, words):
    limits, case = limits_and_case(run_of(**facts))
    for share in (limits.decode_share(case), limits.prefill_share(case), limits.throughput_share(case)):
        assert share.value is None
        assert words in str(share.limit)


def test_a_run_without_any_launch_has_reasons():
    limits, case = limits_and_case(make_run([make_trial()], launches=[]))
    for share in (limits.decode_share(case), limits.prefill_share(case), limits.memory_share(case.metrics["peak_memory"])):
        assert share.value is None
        assert str(share.limit)


def test_a_metric_that_nobody_could_measure_has_its_own_reason():
    limits, case = limits_and_case(run_of([make_trial(tokens=1)]))
    assert limits.decode_share(case).value is None
    assert "no request carries this value" in str(limits.decode_share(case).limit)


def test_prompts_out_of_a_cache_have_no_share_of_prefill():
    limits, case = limits_and_case(run_of([make_trial(records=(make_record(cached_tokens=5),))]))
    assert "came out of a cache" in str(limits.prefill_share(case).limit)


@pytest.mark.parametrize("dtype", ["int8", "fp32", "q4_k"])
def test_the_arithmetic_of_a_dtype_that_is_not_tabled_is_not_known(dtype):
    limits, case = limits_and_case(run_of(dtypes={dtype: 2 * GB, "fp16": 1000}))
    assert limits.peaks.flops is None
    assert f"its weights are {dtype}" in str(limits.prefill_share(case).limit)
    assert limits.decode_share(case).value is not None


def test_devices_that_share_the_weights_add_up():
    target = {"engine": "vllm", "device": "cuda", "model": "/models/small", "dtype": "bf16", "options": {"tensor_parallel": 2}}
    limits, case = limits_and_case(run_of(None, {"target": target}))
    assert limits.peaks.bandwidth == 2 * H200.bandwidth
    assert limits.peaks.flops == 2 * H200.flops
    assert "2 x NVIDIA H200 SXM" in str(limits.decode_share(case).limit)
    assert "not of all 2 devices" in str(limits.memory_share(case.metrics["peak_memory"]).limit)


def test_memory_is_a_share_of_the_device_that_the_engine_saw_or_of_the_label():
    limits, case = limits_and_case(run_of())
    assert limits.memory_share(case.metrics["peak_memory"]).value == pytest.approx(3 / 141)
    limits, case = limits_and_case(run_of(memory_total_bytes=None, device_name="Ascend 910B2"))
    assert limits.memory_share(case.metrics["peak_memory"]).value == pytest.approx(3 * GB / find_chip("Ascend 910B2").visible_bytes)
    limits, case = limits_and_case(run_of(memory_total_bytes=None, device_name="Some GPU 9000"))
    assert "size of the memory of Some GPU 9000 is not known" in str(limits.memory_share(case.metrics["peak_memory"]).limit)


def test_memory_in_use_on_several_devices_is_a_share_of_all_of_them():
    run = watched_run((*sampled(steady), *sampled(steady, index=1)))
    case = summarize(run)[0]
    used = case.metrics["device_memory"]
    assert Limits(run).memory_share(used).value == pytest.approx(used.value / (2 * 141 * GB))


def test_a_mixture_of_experts_reads_the_experts_of_one_token():
    model = known_model("Qwen3-30B-A3B")
    weights = accounting.weight_bytes(model, "bf16")
    target = {"engine": "vllm", "device": "cuda", "model": "/models/Qwen3-30B-A3B", "dtype": "bf16", "options": {}}
    costs = costs_of_run(run_of(None, {"target": target}, parameters=accounting.parameters(model), weight_bytes=weights, read_bytes_per_step=weights))
    assert costs.read_bytes == pytest.approx(accounting.read_bytes_per_step(model, "bf16"), rel=1e-6)
    assert costs.read_bytes < weights / 8
    assert costs.token_flops == 2 * accounting.active_parameters_per_step(model)


def test_a_name_is_believed_only_with_as_many_parameters():
    target = {"engine": "transformers", "device": "cuda", "model": "/models/Qwen2-7B-Instruct", "dtype": "bf16", "options": {}}
    assert model_of_run(run_of(None, {"target": target}, parameters=accounting.parameters(QWEN))) is not None
    pruned = run_of(None, {"target": target}, parameters=accounting.parameters(QWEN) // 2)
    assert model_of_run(pruned) is None
    limits, case = limits_and_case(pruned)
    assert "taken as a dense model" in str(limits.decode_share(case).note)


def test_an_unknown_model_does_two_operations_for_each_parameter_but_the_embedding():
    costs = costs_of_run(run_of(parameters=10**9, weight_bytes=2 * GB, read_bytes_per_step=GB))
    assert costs.token_flops == 10**9
    assert costs.prompt_flops(100) == 100 * 10**9
    assert isinstance(costs_of_run(run_of(weight_bytes=None)), Message)


def test_failed_trials_do_not_say_whether_a_batch_was_in_step():
    trials = [make_trial(batch_size=4), make_failure(index=1, batch_size=4)]
    limits, case = limits_and_case(run_of(trials))
    assert limits.decode(case).read_bytes == GB + 4 * 1000 * (7 + 8)


# ── models that read less than they hold ─────────────────────────────────────────────────────────────────────────────────


def of_model(name, counted, **facts):
    """A run of the known model ``name`` in bf16, of which an engine counts ``counted`` parameters and reads all but the embedding."""
    model = known_model(name)
    target = {"engine": "vllm", "device": "cuda", "model": f"/models/{name}", "dtype": "bf16", "options": {}}
    trials = facts.pop("trials", None)
    facts = {"parameters": counted, "weight_bytes": 2 * counted, "read_bytes_per_step": 2 * (counted - model.vocab * model.hidden),
             "kv_bytes_per_token": accounting.kv_bytes_per_token(model, 2), **facts}
    return run_of(trials, {"target": target}, **facts)


@pytest.mark.parametrize("name", ["DeepSeek-V3", "DeepSeek-R1"])
def test_a_model_is_believed_with_the_layers_that_predict_further_tokens_and_costs_what_it_does_without(name):
    model = known_model(name)
    proper = accounting.parameters(model)
    runs = [of_model(name, counted) for counted in (proper, proper + accounting.mtp_parameters(model))]
    assert [model_of_run(run) for run in runs] == [model, model]
    alone, further = (costs_of_run(run) for run in runs)
    assert alone.weight_bytes == 2 * proper
    assert alone.read_bytes == pytest.approx(accounting.read_bytes_per_step(model, "bf16"))
    assert (further.weight_bytes, further.read_bytes) == pytest.approx((alone.weight_bytes, alone.read_bytes))
    assert (further.token_flops, further.prompt_flops(100)) == (alone.token_flops, alone.prompt_flops(100))


def test_a_dense_model_reads_what_the_engine_counted_of_it():
    counted = accounting.parameters(QWEN)
    mixed = {"weight_bytes": 2 * counted + 10**6, "read_bytes_per_step": 2 * (counted - QWEN.vocab * QWEN.hidden) + 10**6}  # some of it wider
    costs = costs_of_run(of_model("Qwen2-7B-Instruct", counted, **mixed))
    assert (costs.weight_bytes, costs.read_bytes) == (mixed["weight_bytes"], mixed["read_bytes_per_step"])


@pytest.mark.parametrize("factor", [0.97, 1.01, 1.035, 2])
def test_no_other_number_of_parameters_is_a_model_with_such_layers(factor):
    proper = accounting.parameters(known_model("DeepSeek-V3"))
    run = of_model("DeepSeek-V3", round(proper * factor))
    assert (model_of_run(run) is None) == (factor != 1.01)


@given(prompt=st.integers(1, 60_000), value_bytes=st.sampled_from([1, 2, 4]))
def test_layers_with_a_window_read_no_further_back(prompt, value_bytes):
    model = known_model("gpt-oss-20b")
    counted = accounting.parameters(model)
    run = of_model("gpt-oss-20b", counted, kv_bytes_per_token=accounting.kv_bytes_per_token(model, value_bytes), trials=[make_trial(input_tokens_built=prompt)])
    limits, case = limits_and_case(run)
    cache = limits.decode(case).read_bytes - limits.costs.read_bytes
    assert cache == pytest.approx(accounting.kv_bytes(model, prompt + 8, value_bytes))
    if prompt > 1000:
        assert cache < 0.6 * (prompt + 8) * accounting.kv_bytes_per_token(model, value_bytes)


@pytest.mark.parametrize("facts", [{"model": "/models/Qwen1.5-MoE-A2.7B"}, {"kv_bytes_per_token": None}, {"parameters": accounting.parameters(known_model("Mixtral-8x7B"))}])
def test_what_may_be_a_mixture_of_experts_has_no_share_and_is_not_taken_as_dense(facts):
    path = facts.get("model", "/models/small")
    target = {"engine": "vllm", "device": "cuda", "model": path, "dtype": "bf16", "options": {}}
    limits, case = limits_and_case(run_of(None, {"target": target, "asked": {"model": path}}, **facts))
    for share in (limits.decode_share(case), limits.prefill_share(case), limits.throughput_share(case)):
        assert (share.value, share.note) == (None, None)
        assert "may be a mixture of experts" in str(share.limit)


# ── devices that nobody counted ──────────────────────────────────────────────────────────────────────────────────────────


def of_server(engine, arguments=(), device="cuda", facts=None, **options):
    """A run of a server that was started with ``arguments``."""
    target = {"engine": engine, "device": device, "model": "/models/small", "dtype": "bf16", "options": {"server_args": list(arguments), **options}}
    said = {"options": {"started_here": True, "weights_from": "file"}, **(facts or {})}
    return run_of(None, {"target": target, "memory_read_bytes_per_s": 10 * GB}, **{**({"device": "cpu", "device_name": "AMD EPYC"} if device == "cpu" else {}), **said})


OPEN = [
    (of_server("vllm-server", ["--data-parallel-size", "2"]), "further arguments"),
    (of_server("vllm-server", ["--pipeline-parallel-size=2"]), "further arguments"),
    (of_server("sglang-server", ["--speculative-algorithm", "EAGLE"]), "further arguments"),
    (of_server("llamacpp-server", ["--model-draft", "small.gguf"], "cpu"), "further arguments"),
    (of_server("llamacpp-server"), "all the devices that it sees"),
    (of_server("vllm-server", base_url="http://127.0.0.1:8000", facts={"options": {"started_here": False}}), "was there before the run"),
    (of_server("vllm-server", quantization="fp8", facts={"options": {"started_here": True, "weights_from": "request"}}), "fp8 was asked for"),
]


@pytest.mark.parametrize(("run", "words"), OPEN)
def test_where_the_settings_leave_open_what_ran_on_what_there_is_no_share(run, words):
    limits, case = limits_and_case(run)
    for share in (limits.decode_share(case), limits.prefill_share(case), limits.throughput_share(case)):
        assert share.value is None
        assert words in str(share.limit)


def test_a_host_has_one_memory_and_one_bandwidth_whatever_serves_on_it():
    limits, case = limits_and_case(of_server("llamacpp-server", device="cpu"))
    assert limits.decode_share(case).value == pytest.approx((GB + 1000 * (7 + 8)) / 0.01 / (10 * GB))
    limits, case = limits_and_case(of_server("llamacpp-server", ["--model-draft", "small.gguf"], "cpu"))
    assert limits.memory_share(case.metrics["peak_memory"]).value == pytest.approx(3 / 141)
    limits, case = limits_and_case(of_server("llamacpp-server"))
    assert "all the devices that it sees" in str(limits.memory_share(case.metrics["peak_memory"]).limit)


@pytest.mark.parametrize("said", [{"tensor_parallel": 4}, {"log_says": {"ranks": 4}}])
def test_devices_that_the_engine_or_its_log_counts_add_up(said):
    limits, case = limits_and_case(run_of(options=said))
    assert (limits.peaks.bandwidth, limits.peaks.flops) == (4 * H200.bandwidth, 4 * H200.flops)
    assert "not of all 4 devices" in str(limits.memory_share(case.metrics["peak_memory"]).limit)


HARMLESS = [("vllm-server", ["--max-num-batched-tokens", "4096", "--gpu-memory-utilization=0.8", "--max-num-seqs", "8"]),
            ("sglang-server", ["--mem-fraction-static", "0.8", "--context-length", "4096"]), ("llamacpp-server", ["--threads", "4", "--threads-batch=4"])]


@pytest.mark.parametrize(("engine", "arguments"), HARMLESS)
def test_arguments_that_size_batches_pools_and_threads_leave_nothing_open(engine, arguments):
    run = of_server(engine, arguments, "cpu" if engine == "llamacpp-server" else "cuda")
    limits, case = limits_and_case(run)
    assert why_open(run) is None
    assert limits.decode_share(case).value is not None


@pytest.mark.parametrize(("engine", "arguments"), [
    ("vllm-server", ["--max-num"]), ("vllm-server", ["--max-num-s", "8"]), ("vllm-server", ["--seed"]), ("vllm-server", ["--seed", "--seed"]),
    ("vllm-server", ["--seed", "1", "other-model"]), ("vllm-server", ["other-model", "--seed", "1"]), ("vllm-server", ["--mem-fraction-static", "0.8"]),
    ("sglang-server", ["--seed", "1"]), ("sglang-server", ["--max-total-tokens", "9", "-tp", "2"]), ("transformers-serve", ["--seed", "1"]),
    ("vllm-server", ["--seed", "-1"]), ("vllm-server", [None, {}, 7]), ("vllm-server", ["--kv-cache-dtype", "fp8"])])
def test_any_other_argument_leaves_open_what_ran(engine, arguments):
    assert "further arguments" in str(why_open(of_server(engine, arguments)))


@given(known=st.sampled_from(HARMLESS[:2]), place=st.integers(0, 6), other=st.text(st.characters(codec="utf-8"), max_size=20))
def test_one_unknown_argument_among_harmless_ones_is_enough(known, place, other):
    engine, arguments = known
    run = of_server(engine, [*arguments[:place], f"--{other}", "1", *arguments[place:]])
    harmless = f"--{other}".partition("=")[0] in {one.partition("=")[0] for one in arguments}
    assert harmless or why_open(run) is not None


@pytest.mark.parametrize("arguments", ["--seed", 7, {"--seed": 1}])
def test_arguments_that_cannot_be_read_leave_it_open(arguments):
    target = {"engine": "vllm-server", "device": "cuda", "model": "/models/small", "dtype": "bf16", "options": {"server_args": arguments}}
    assert why_open(run_of(None, {"target": target})) is not None
