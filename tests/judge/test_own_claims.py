"""Our own runs on several devices, of mixtures of experts and behind servers: only what no arrangement of theirs can do is impossible."""

import pytest
from builders import GB, MS, make_facts, make_record, make_run, make_trial
from hypothesis import given
from hypothesis import strategies as st

from touchstone.finding import Judgement, Trust
from touchstone.hardware import find_chip
from touchstone.judge.audit import judge_run
from touchstone.judge.findings import findings_of
from touchstone.judge.summarize import summarize
from touchstone.record import MemoryPeaks
from touchstone.simulate import accounting
from touchstone.simulate.known_models import known_model

H200 = find_chip("NVIDIA H200")
DENSE, LARGE, MIXTURE, WINDOWED = (known_model(name) for name in ("Qwen2-7B", "Llama-3.1-70B", "Qwen3-30B-A3B", "gpt-oss-20b"))
PASS, SUSPECT, IMPOSSIBLE, CANNOT_TELL = Judgement.PASS, Judgement.SUSPECT, Judgement.IMPOSSIBLE, Judgement.CANNOT_TELL
SPEED = ("PH1", "PH2", "PH2-TTFT")
OURS = {"started_here": True, "weights_from": "request"}
"""What a served engine says of a server that this run started."""


def of_model(model, **changes):
    """What an engine counts of ``model`` in bf16: all its weights, whatever a token needs of them."""
    weights = accounting.weight_bytes(model, "bf16")
    table = 0 if model.tied else 2 * model.vocab * model.hidden
    return {"dtypes": {"bf16": weights}, "weight_bytes": weights, "read_bytes_per_step": weights - table, "parameters": accounting.parameters(model),
            "kv_bytes_per_token": accounting.kv_bytes_per_token(model, 2), **changes}


def run_of(name="small", engine="vllm", options=None, trial=None, facts=None):
    """Two trials of the model ``name`` on H200s by an engine that was asked for ``options``; nobody counts the memory of its processes."""
    target = {"engine": engine, "device": "cuda", "model": f"/models/{name}", "dtype": "bf16", "options": options or {}}
    said = make_facts(**{"engine": engine, "model": f"/models/{name}", **(facts or {})})
    trials = [make_trial(index=index, **{"memory": MemoryPeaks(), **(trial or {})}) for index in range(2)]
    return make_run(trials, target=target, asked={"model": name}, launches=[{"launch": 0, "facts": said}])


def of_share(share, devices=1, options=None, facts=None, **changes):
    """Steps of 10 ms in which the weights of a model that nobody knows take ``share`` of the bandwidth of ``devices``."""
    read = int(share * devices * H200.bandwidth_hard * 0.01)
    options = {**({"tensor_parallel": devices} if devices > 1 else {}), **(options or {})}
    return run_of(options=options, facts={"read_bytes_per_step": read, "weight_bytes": read, "kv_bytes_per_token": 1, **(facts or {})}, **changes)


def verdicts(run, *rules):
    return [one for one in judge_run(run, summarize(run)) if one.rule in rules]


def gravity(run, rule="PH1"):
    """The one status that ``rule`` has for the only case of ``run``."""
    (verdict,) = verdicts(run, rule)
    return verdict.status


def cannot_be_told(run, words):
    """Whether of speed ``run`` is only said that it cannot be judged, in ``words``."""
    (verdict,) = verdicts(run, *SPEED)
    return verdict.status is CANNOT_TELL and words in str(verdict.message)


# ── several devices ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("share", "status"), [(0.8, PASS), (0.95, SUSPECT), (1.05, IMPOSSIBLE)])
@pytest.mark.parametrize(("engine", "devices"), [
    ("transformers", 1), ("vllm", 1), ("vllm", 4), ("vllm-async", 2), ("sglang", 8), ("vllm-server", 1), ("vllm-server", 4), ("sglang-server", 2), ("mindie", 8)])
def test_devices_that_share_the_weights_read_as_fast_as_all_of_them(engine, devices, share, status):
    facts = {"options": OURS} if engine in {"vllm-server", "sglang-server", "mindie"} else None
    (verdict,) = verdicts(of_share(share, devices, engine=engine, facts=facts), "PH1")
    assert verdict.status is status
    assert (f"{devices} x {H200.name} gives" in str(verdict.message)) == (devices > 1)


@given(share=st.floats(0.05, 3), devices=st.integers(2, 16))
def test_n_devices_that_read_n_times_as_much_are_judged_as_one(share, devices):
    one, many = of_share(share), of_share(share, devices)
    assert gravity(one) is gravity(many)
    assert gravity(many, "PH2-TTFT") is gravity(one, "PH2-TTFT")


@pytest.mark.parametrize("said", [{"tensor_parallel": 4}, {**OURS, "log_says": {"ranks": 4}}])
def test_the_engines_word_or_its_log_may_count_more_devices_than_were_asked_for(said):
    assert gravity(of_share(3.0)) is IMPOSSIBLE
    assert gravity(of_share(3.0, facts={"options": said})) is PASS


def test_a_large_model_fits_into_the_devices_that_share_it():
    alone, shared = (run_of("Llama-3.1-70B", options=options, facts=of_model(LARGE, device_name="NVIDIA H100 80GB HBM3"), trial={"step_ns": 100 * MS})
                     for options in ({}, {"tensor_parallel": 4}))
    assert [one.status for one in verdicts(alone, "PH4-CAPACITY")] == [IMPOSSIBLE]
    assert not verdicts(shared, "PH4-CAPACITY")
    assert findings_of(shared).cases[0].trust is Trust.TRUSTED


def test_the_peak_of_one_device_holds_its_share_of_the_weights():
    trial = {"memory": MemoryPeaks(allocated_bytes=40 * GB), "step_ns": 100 * MS}
    alone, shared = (run_of("Llama-3.1-70B", options=options, facts=of_model(LARGE), trial=trial) for options in ({}, {"tensor_parallel": 4}))
    assert gravity(alone, "PH4") is IMPOSSIBLE
    assert gravity(shared, "PH4") is PASS


@pytest.mark.parametrize(("model", "name"), [(DENSE, "Qwen2-7B"), (MIXTURE, "Qwen3-30B-A3B")])
def test_prefill_has_the_arithmetic_of_all_devices(model, name):
    work = sum(accounting.prefill_flops(model, 20_000))
    alone = work / H200.flops_hard

    def judged(seconds, ways):
        trial = {"input_tokens_built": 20_000, "first_ns": round(seconds * 1e9), "step_ns": 100 * MS}
        return gravity(run_of(name, options={"tensor_parallel": ways}, facts=of_model(model), trial=trial), "PH2-TTFT")

    assert [judged(factor * alone, 1) for factor in (1.3, 1.05, 0.9)] == [PASS, SUSPECT, IMPOSSIBLE]
    assert [judged(factor * alone / 4, 4) for factor in (1.3, 1.05, 0.9)] == [PASS, SUSPECT, IMPOSSIBLE]


def test_decoding_has_the_arithmetic_of_all_devices():
    trial = {"batch_size": 256, "first_ns": 3 * MS, "step_ns": 3 * MS}
    alone, shared = (run_of("Qwen2-7B", options={"tensor_parallel": ways}, facts=of_model(DENSE), trial=trial) for ways in (1, 2))
    assert gravity(alone, "PH2") is IMPOSSIBLE
    assert gravity(shared, "PH2") is PASS


def test_narrow_weights_have_the_higher_peak_of_operations():
    trial = {"batch_size": 256, "first_ns": 3 * MS, "step_ns": 3 * MS}
    narrow = {"dtypes": {"int8": 7 * GB, "bf16": GB}, "weight_bytes": 8 * GB, "read_bytes_per_step": 7 * GB}
    assert gravity(run_of("Qwen2-7B", facts=of_model(DENSE, **narrow), trial=trial), "PH2") is PASS


def test_prompts_out_of_a_cache_need_no_arithmetic():
    def judged(cached):
        records = (make_record(input_tokens_built=20_000, first_ns=20 * MS, step_ns=100 * MS, cached_tokens=cached),)
        return gravity(run_of("Qwen2-7B", facts=of_model(DENSE), trial={"records": records}), "PH2-TTFT")

    assert judged(0) is IMPOSSIBLE
    assert judged(19_999) is PASS


# ── mixtures of experts ──────────────────────────────────────────────────────────────────────────────────────────────────


def of_mixture(step_ns, name="Qwen3-30B-A3B", **changes):
    return run_of(name, facts=of_model(MIXTURE, **changes), trial={"step_ns": round(step_ns), "first_ns": 50 * MS})


def test_a_mixture_reads_the_experts_of_a_token_and_not_all():
    floor, dense_floor = (1e9 * read / H200.bandwidth_hard for read in (accounting.read_bytes_per_step(MIXTURE, "bf16"), of_model(MIXTURE)["read_bytes_per_step"]))
    assert floor * 8 < dense_floor
    assert [gravity(of_mixture(step_ns)) for step_ns in (1.05 * dense_floor, dense_floor / 2, 1.3 * floor)] == [PASS] * 3
    assert gravity(of_mixture(1.1 * floor)) is SUSPECT
    assert gravity(of_mixture(0.95 * floor)) is IMPOSSIBLE


def test_a_mixture_with_layers_that_predict_further_tokens_is_held_to_what_it_reads_without_them():
    model = known_model("DeepSeek-V3")
    counted = accounting.parameters(model) + accounting.mtp_parameters(model)
    facts = of_model(model, parameters=counted, weight_bytes=2 * counted, read_bytes_per_step=2 * (counted - model.vocab * model.hidden))
    floor = 1e9 * accounting.read_bytes_per_step(model, "bf16") / (16 * H200.bandwidth_hard)
    judged = [gravity(run_of("DeepSeek-V3", options={"tensor_parallel": 16}, facts=facts, trial={"step_ns": round(factor * floor), "first_ns": 500 * MS}))
              for factor in (1.3, 1.01, 0.98)]
    assert judged == [PASS, SUSPECT, IMPOSSIBLE]


def test_a_dense_model_of_a_known_name_still_reads_all():
    floor = 1e9 * accounting.read_bytes_per_step(DENSE, "bf16") / H200.bandwidth_hard
    steps = {factor: run_of("Qwen2-7B", facts=of_model(DENSE), trial={"step_ns": round(factor * floor)}) for factor in (1.3, 0.95)}
    assert [gravity(run) for run in steps.values()] == [PASS, IMPOSSIBLE]


def test_layers_with_a_window_read_no_further_back():
    tokens, batch = 30_000, 32
    cache = [batch * accounting.kv_bytes(WINDOWED, tokens, 2), batch * tokens * accounting.kv_bytes_per_token(WINDOWED, 2)]
    bounds = [(accounting.read_bytes_per_step(WINDOWED, "bf16") + one) / H200.bandwidth_hard for one in cache]
    trial = {"batch_size": batch, "input_tokens_built": tokens, "first_ns": 60_000 * MS}
    between, below = (run_of("gpt-oss-20b", facts=of_model(WINDOWED), trial={**trial, "step_ns": round(1e9 * step)})
                      for step in (0.9 * bounds[1], 0.9 * bounds[0]))
    assert gravity(between) is PASS
    assert gravity(below) is IMPOSSIBLE


DOUBTFUL = [
    ("Qwen3-30B-A3B", {"parameters": None}),  # several weights packed into one stored value
    ("Qwen3-30B-A3B", {"parameters": 15_000_000_000}),
    ("Qwen1.5-MoE-A2.7B-Chat", {"parameters": 14_300_000_000}),
    ("Llama-4-Scout-17B-16E", {"parameters": 109_000_000_000}),
    ("Qwen2-57B-A14B-Instruct", {"parameters": 57_400_000_000}),
    ("WizardLM-2-8x22B", {"parameters": 10**9}),
    ("step-1000", {}),  # counted as a known mixture
    ("step-1000", {"parameters": accounting.parameters(known_model("DeepSeek-V3")) + accounting.mtp_parameters(known_model("DeepSeek-V3"))}),
    ("GLM-4.5-Air", {"parameters": 110_000_000_000, "kv_bytes_per_token": None}),
]
"""Models whose architecture is not known, and why each may be a mixture."""


@pytest.mark.parametrize(("name", "changes"), DOUBTFUL)
def test_what_may_be_a_mixture_is_never_called_impossible(name, changes):
    assert cannot_be_told(of_mixture(MS / 10, name, **changes), "may be a mixture of experts")


@given(step_ns=st.integers(1000, 10**9), first_ns=st.integers(1000, 10**10), tokens=st.integers(1, 30_000), batch=st.integers(1, 4),
       doubtful=st.sampled_from(DOUBTFUL), ways=st.integers(1, 8))
def test_no_speed_of_what_may_be_a_mixture_takes_trust_away(step_ns, first_ns, tokens, batch, doubtful, ways):
    trial = {"step_ns": step_ns, "first_ns": first_ns, "input_tokens_built": tokens, "batch_size": batch}
    run = run_of(doubtful[0], options={"tensor_parallel": ways}, facts=of_model(MIXTURE, **doubtful[1]), trial=trial)
    assert {one.status for one in verdicts(run, *SPEED)} == {CANNOT_TELL}


def test_what_may_be_a_mixture_lies_in_memory_all_the_same():
    for peak, status in ((70 * GB, PASS), (40 * GB, IMPOSSIBLE)):
        run = run_of("Qwen3-30B-A3B", facts=of_model(MIXTURE, parameters=None), trial={"memory": MemoryPeaks(allocated_bytes=peak)})
        assert gravity(run, "PH4") is status


@pytest.mark.parametrize("name", ["small", "Qwen2-7B-pruned", "my-llama-13b", "a100-tuned", "smollm", "model-2b-e3"])
def test_a_name_that_says_nothing_of_experts_is_of_a_dense_model(name):
    assert gravity(of_share(1.05, name=name)) is IMPOSSIBLE


def test_operations_of_a_model_that_nobody_knows_are_not_judged():
    trial = {"input_tokens_built": 30_000, "first_ns": 50 * MS}
    assert gravity(of_share(0.5, trial=trial), "PH2-TTFT") is PASS
    assert not verdicts(of_share(0.5, trial=trial), "PH2")


# ── servers whose settings leave it open ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("engine", "options", "said", "words"), [
    ("vllm-server", {"server_args": ["--data-parallel-size", "2"]}, OURS, "further arguments"),
    ("vllm-server", {"base_url": "http://127.0.0.1:8000"}, {"started_here": False}, "was there before the run"),
    ("vllm-server", {"quantization": "fp8"}, OURS, "which type it holds the weights; fp8 was asked for"),
    ("llamacpp-server", {}, {**OURS, "weights_from": "file"}, "all the devices that it sees"),
])
def test_a_server_that_may_run_otherwise_than_said_is_not_accused(engine, options, said, words):
    run = of_share(2.0, engine=engine, options=options, facts={"options": said})
    assert cannot_be_told(run, words)
    assert findings_of(run).cases[0].trust is Trust.TRUSTED


@pytest.mark.parametrize(("arguments", "status"), [
    (["--max-num-seqs", "64", "--gpu-memory-utilization=0.8"], IMPOSSIBLE), (["--max-num-seqs", "64", "--data-parallel-size=2"], CANNOT_TELL)])
def test_arguments_that_change_neither_reads_nor_devices_excuse_nothing(arguments, status):
    assert gravity(of_share(2.0, engine="vllm-server", options={"server_args": arguments}, facts={"options": OURS})) is status


def test_a_peak_over_what_the_devices_have_is_impossible_in_whatever_type_the_weights_are():
    run = of_share(0.5, engine="vllm-server", options={"quantization": "fp8"}, facts={"options": OURS}, trial={"memory": MemoryPeaks(allocated_bytes=500 * GB)})
    assert gravity(run, "PH4-CAPACITY") is IMPOSSIBLE


def test_weights_that_the_log_confirms_are_held_to_what_they_are():
    options = {"quantization": "fp8"}
    assert gravity(of_share(2.0, engine="vllm-server", options=options, facts={"options": {**OURS, "weights_from": "log"}})) is IMPOSSIBLE


def test_weights_that_nobody_counted_have_a_reason():
    assert cannot_be_told(run_of(facts={"read_bytes_per_step": None}), "how many bytes of weights a step reads")


@pytest.mark.parametrize("options", [None, [], "x" * 100_000, {"tensor_parallel": "all", "log_says": [1]}, {"log_says": {"ranks": "many"}}])
def test_odd_words_of_an_engine_count_no_devices(options):
    assert gravity(of_share(1.05, facts={"options": options})) is IMPOSSIBLE


def test_a_name_of_any_length_is_read_quickly_to_its_end():
    assert gravity(of_share(1.05, name="1" * 300_000)) is IMPOSSIBLE
