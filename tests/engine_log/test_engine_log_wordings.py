"""Wordings of versions without a recorded log, and what several lines mean together: ranks, drafts, restarts, prefixes."""

from __future__ import annotations

import pytest

from touchstone.engine_log import read_log

GIB = 1 << 30


def told(text):
    log = read_log(text.strip("\n").splitlines())
    return log, {name: figure.value / GIB if name.endswith("_bytes") else figure.value for name, figure in log.figures.items()}


@pytest.mark.parametrize(("line", "figures"), [
    # vLLM
    (("INFO 12-25 14:00:28 worker.py:265] Memory profiling results: duration=18.41 seconds, total_gpu_memory=191.98GiB, initial_memory_usage=71.40GiB, "
     "peak_torch_memory=86.79GiB, memory_usage_post_profile=73.77GiB, non_torch_memory=6.07GiB, kv_cache_size=95.28GiB, gpu_memory_utilization=0.98."),
     {"device_total_bytes": 191.98, "non_torch_bytes": 6.07, "kv_cache_bytes": 95.28, "memory_fraction": 0.98}),
    ("(EngineCore_DP0 pid=1) INFO 06-17 02:49:25 [gpu_model_runner.py:1659] Model loading took 41.0417 GiB and 15.405849 seconds", {"weights_bytes": 41.0417}),
    (("DEBUG 08-06 10:17:28 [gpu_worker.py:278] Memory profiling takes 7.26 seconds. Total non KV cache memory: 2.78GiB; torch peak memory increase: 0.45GiB; "
     "non-torch forward increase memory: 0.02GiB; weights memory: 2.32GiB."), {"weights_bytes": 2.32, "activation_bytes": 0.45}),
    (("[gpu_worker.py:492] Initial free memory 137.66 GiB, reserved 6.0 GiB memory for KV Cache as specified by kv_cache_memory_bytes config and skipped memory "
     "profiling."), {"kv_cache_bytes": 6.0}),
    (("(EngineCore pid=1) INFO [gpu_worker.py:391] Free memory on device (78.66/79.19 GiB) on startup. Desired GPU memory utilization is (0.9, 71.27 GiB). Actual "
     "usage is 14.08 GiB for weight, 1.97 GiB for peak activation, 0.07 GiB for non-torch memory, and 0.67 GiB for CUDAGraph memory. Replace "
     "gpu_memory_utilization config with `--kv-cache-memory=58333988249` to fit into requested memory. Current kv cache memory in use is 59212694937 bytes."),
     {"weights_bytes": 14.08, "activation_bytes": 1.97, "non_torch_bytes": 0.07, "graph_bytes": 0.67, "kv_cache_bytes": 59_212_694_937 / GIB,
      "device_total_bytes": 79.19, "budget_bytes": 71.27, "memory_fraction": 0.9}),
    # What is consumed besides activations is not the weights alone, so these are not said.
    (("INFO [gpu_worker.py:789] Free memory on device cuda:0 (22.45/23.99 GiB) on startup. Desired GPU memory utilization is (0.85, 20.39 GiB). Actual usage is "
     "1.49 GiB for consumed memory (weights + non-torch), 0.25 GiB for peak activation, and 0.37 GiB for CUDAGraph memory. Current kv cache memory in use is "
     "18.65 GiB."), {"activation_bytes": 0.25, "graph_bytes": 0.37, "kv_cache_bytes": 18.65, "device_total_bytes": 23.99, "budget_bytes": 20.39,
                    "memory_fraction": 0.85}),
    ("INFO [gpu_worker.py:793] CUDA graph pool memory: 4.13 GiB (actual), 4.99 GiB (estimated), difference: 0.86 GiB (20.9%).", {"graph_bytes": 4.13}),
    ("INFO 07-18 22:45:56 [gpu_model_runner.py:2321] Graph capturing finished in 67 secs, took 2.01 GiB", {"graph_bytes": 2.01}),
    ("INFO 07-18 22:45:56 [gpu_model_runner.py:2321] Graph capturing finished in 67 secs.", {}),
    ("INFO 06-23 [default_loader.py:272] Loading weights took 1.56 seconds", {}),
    ("INFO netloader Loading model weights took 1.56 seconds", {}),
    ("INFO 10-06 17:00:33 [kv_cache_utils.py:2464] GPU KV cache size: 460,496 tokens, Maximum concurrency for 131,072 tokens per request: 3.51x",
     {"kv_cache_tokens": 460_496, "max_model_len": 131_072, "max_concurrency": 3.51}),
    ("(EngineCore pid=9) INFO NPU KV cache size: 43,904 tokens", {"kv_cache_tokens": 43_904}),
    ("INFO Setting attention block size to 1568 tokens to ensure that attention page size is >= mamba page size.", {"block_size": 1568}),
    (("(APIServer pid=1) INFO [api_utils.py:286] non-default args: {'model': 'm', 'tensor_parallel_size': 4, 'gpu_memory_utilization': 0.95, 'block_size': 128, "
     "'max_model_len': 32768, 'max_num_seqs': 16}"),
     {"tensor_parallel": 4, "memory_fraction": 0.95, "block_size": 128, "max_model_len": 32_768, "max_running_requests": 16}),
    # SGLang
    ("[2025-08-13 14:34:24 TP0] Load weight end. type=DeepseekV3ForCausalLM, dtype=torch.bfloat16, avail mem=80.84 GB, mem usage=94.50 GB.",
     {"weights_bytes": 94.50, "available_bytes": 80.84}),
    ("[2026-09-09 11:57:18] Mamba Cache is allocated. max_mamba_cache_size: 48, conv_state size: 0.09GB, ssm_state size: 6.46GB", {"state_bytes": 6.55}),
    ("[2026-03-11 13:53:32 TP0] Capture npu graph end. Time elapsed: 8.04 s. mem usage=0.80 GB. avail mem=10.30 GB.",
     {"graph_bytes": 0.80, "available_bytes": 10.30}),
    ("[2026-07-21 10:36:54] Capture target prefill CUDA graph end. elapsed=3.83 s, mem usage=0.28 GB, avail mem=5.23 GB.",
     {"graph_bytes": 0.28, "available_bytes": 5.23}),
    ("[2026-07-21 10:36:54 TP0] SWAC4C128KVPool mem usage: 3.41 GB", {"kv_cache_bytes": 3.41}),
    # llama.cpp
    ("llama_kv_cache_init:      CUDA0 KV buffer size =   512.00 MiB", {"kv_cache_bytes": 0.5}),
    ("llm_load_tensors:        CPU buffer size =  1024.00 MiB", {"weights_bytes": 1.0}),
    ("llama_new_context_with_model: KV self size  =  512.00 MiB, K (f16):  256.00 MiB, V (f16):  256.00 MiB", {"kv_cache_bytes": 0.5}),
])
def test_a_line_alone(line, figures):
    assert told(line)[1] == pytest.approx(figures)


@pytest.mark.parametrize(("blocks", "longest", "fit", "tokens"), [
    (13_618, 2048, 106.39, 16 * 13_618), (466, 32_768, 1.82, 128 * 466), (572_252, 32_768, 279.42, 16 * 572_252), (3915, 32_768, 15.29, 128 * 3915),
    (35_511, 4096, 138.71, 16 * 35_511), (2340, 8192, 4.57, 16 * 2340), (88_952, 32_768, 43.43, 16 * 88_952),
])
def test_tokens_of_a_block_follow_from_the_sequences_that_fit(blocks, longest, fit, tokens):
    log, figures = told(f"INFO executor_base.py:111] # npu blocks: {blocks}, # CPU blocks: 910\n"
                        f"INFO executor_base.py:116] Maximum concurrency for {longest} tokens per request: {fit}x")
    assert figures["kv_cache_tokens"] == tokens
    assert not any("assumed" in str(note) for note in log.notes)


def test_tokens_of_a_block_are_assumed_aloud_where_nothing_says_them():
    log, figures = told("INFO model_runner.py:1] Loading model weights took 3.0 GB\nINFO # GPU blocks: 100, # CPU blocks: 9")
    assert figures["kv_cache_tokens"] == 1600
    assert any("16 are assumed" in str(note) for note in log.notes)


SGLANG_DRAFT = """
[2026-08-28 21:19:20] server_args=ServerArgs(model_path='m', tp_size=1, dp_size=1, pp_size=1, mem_fraction_static=0.8, page_size=64, context_length=None)
[2026-08-28 21:19:30] Load weight begin. avail mem=111.97 GB
[2026-08-28 21:32:38] Load weight end. elapsed=787.55 s, type=Qwen4ExpForConditionalGeneration, quant=modelopt_fp4, avail mem=29.01 GB, mem usage=82.97 GB.
[2026-08-28 21:32:39] Load weight begin. avail mem=28.81 GB
[2026-08-28 21:34:13] Load weight end. elapsed=94.49 s, type=Qwen4ExpForCausalLMMTP, quant=modelopt_fp4, avail mem=27.67 GB, mem usage=1.14 GB.
[2026-08-28 21:34:13] KV Cache is allocated. dtype: torch.bfloat16, #tokens: 171008, K size: 5.22 GB, V size: 5.22 GB
[2026-08-28 21:34:13] KV Cache is allocated. dtype: torch.bfloat16, #tokens: 171008, K size: 0.33 GB, V size: 0.33 GB
[2026-08-28 21:34:15] Capture target decode CUDA graph end. elapsed=25.74 s, mem usage=0.20 GB, avail mem=8.30 GB.
[2026-08-28 21:34:16] Capture draft decode CUDA graph end. elapsed=5.74 s, mem usage=0.03 GB, avail mem=8.27 GB.
[2026-08-28 21:34:16] max_total_num_tokens=171008, max_prefill_tokens=16384, max_running_requests=43, context_len=169000, available_gpu_mem=8.27 GB
[2026-08-28 21:34:17] INFO:     Application startup complete.
[2026-08-28 21:34:18] The server is fired up and ready to roll!
"""


def test_a_draft_model_of_sglang_is_added():
    log, figures = told(SGLANG_DRAFT)
    assert figures["weights_bytes"] == pytest.approx(82.97 + 1.14)
    assert figures["kv_cache_bytes"] == pytest.approx(11.10)
    assert figures["kv_cache_tokens"] == 171_008
    assert figures["graph_bytes"] == pytest.approx(0.23)
    assert (log.ready, log.rank_count, log.starts, figures["memory_fraction"], figures["block_size"]) == (True, 1, 1, 0.8, 64)
    assert any("draft" in str(note) for note in log.notes)


def test_a_draft_model_of_vllm_is_added_where_it_has_a_name():
    named = "INFO model_runner.py:1110] Starting to load model {}...\nINFO model_runner.py:1115] Loading model weights took {} GB\n"
    assert told(named.format("Qwen/14B", 9.3) + named.format("Qwen/0.5B", 0.9))[1]["weights_bytes"] == pytest.approx(10.2)
    assert told(named.format("Qwen/14B", 9.3) + named.format("Qwen/14B", 9.4))[1]["weights_bytes"] == pytest.approx(9.3)


def test_a_pool_of_two_kinds_of_layers_is_its_sum_once():
    _, figures = told("""
[2026-08-28 21:34:13 TP0] KV Cache is allocated. #tokens: 171008, K size: 16.31 GB, V size: 16.31 GB
[2026-08-28 21:34:13 TP0] KV Cache is allocated. #tokens: 213761, K size: 2.04 GB, V size: 2.04 GB
[2026-08-28 21:34:13 TP0] SWAKVPool mem usage: 36.69 GB, swa size: 171008, full size: 213761
[2026-08-28 21:34:14 TP0] KV Cache is allocated. #tokens: 213761, K size: 0.50 GB, V size: 0.50 GB
""")
    assert figures["kv_cache_bytes"] == pytest.approx(37.69)
    assert figures["kv_cache_tokens"] == 213_761


def test_where_nothing_says_a_use_it_is_the_difference_of_what_is_free_or_nothing():
    begin, end = "[2024-09-01 10:00:00 TP0] Load weight begin. avail mem=78.58 GB\n", \
        "[2024-09-01 10:00:09 TP0] Load weight end. type=LlamaForCausalLM, dtype=torch.bfloat16, avail mem=63.50 GB\n"
    assert told(begin + end)[1]["weights_bytes"] == pytest.approx(15.08)
    assert len(told(begin + end)[0].figures["weights_bytes"].lines) == 2
    log, figures = told(end)
    assert "weights_bytes" not in figures
    assert any("has no size" in str(note) for note in log.notes)
    graphs = ("[2024-09-01 10:00:10 TP0] Capture cuda graph begin. This can take up to several minutes. avail mem=7.44 GB\n"
              "[2024-09-01 10:00:29 TP0] Capture cuda graph end. Time elapsed: 19.31 s. avail mem=6.19 GB\n")
    assert told(graphs)[1]["graph_bytes"] == pytest.approx(1.25)
    assert "graph_bytes" not in told(graphs.splitlines()[1])[1]


def test_old_sglang_names_ranks_by_device():
    log, _ = told("[gpu_id=1] Load weight end. type=Qwen2ForCausalLM, dtype=torch.bfloat16, avail mem=15.95 GB\n"
                  "[gpu_id=0] Load weight end. type=Qwen2ForCausalLM, dtype=torch.bfloat16, avail mem=15.61 GB")
    assert (log.rank, log.rank_count) == ("GPU0", 2)


@pytest.mark.parametrize(("prefixes", "name", "count"), [
    (["(Worker_TP1 pid=12)", "(Worker_TP0 pid=11)"], "TP0", 2),
    (["(VllmWorker rank=1 pid=12)", "(VllmWorker rank=0 pid=11)"], "RANK0", 2),
    (["(VllmWorker TP1 pid=12)", "(VllmWorker TP0 pid=11)"], "TP0", 2),
    (["(Worker_DP0_TP1_EP1 pid=12)", "(Worker_DP0_TP0_EP0 pid=11)", "(Worker_DP1_TP0_EP2 pid=13)"], "DP0 TP0 EP0", 3),
    (["(EngineCore_DP1 pid=12)", "(EngineCore_DP0 pid=11)"], "DP0", 2),
    (["(EngineCore_DP0 pid=2) (RayWorkerWrapper pid=31)", "(EngineCore_DP0 pid=2) (RayWorkerWrapper pid=32, ip=10.0.0.2)"], "DP0 pid 31", 2),
    (["", "(VllmWorkerProcess pid=521)", "(VllmWorkerProcess pid=507)"], None, 3),
    (["(Worker_PP1_TP0 pid=12)", "(Worker_PP0_TP0 pid=11)"], "PP0 TP0", 2),
    (["(Worker_TP10 pid=12)", "(Worker_TP9 pid=11)"], "TP9", 2),
    (["(EngineCore pid=1)"], None, 1), ([""], None, 1),
])
def test_ranks_by_the_names_of_their_processes(prefixes, name, count):
    log, figures = told("\n".join(f"{prefix} INFO 08-14 14:03:14 [x.py:5] Model loading took {9 + at} GiB memory and 3 seconds"
                                  for at, prefix in enumerate(prefixes)))
    assert (log.rank, log.rank_count) == (name, count)
    assert figures["weights_bytes"] in range(9, 9 + len(prefixes))


def test_a_message_without_its_head_does_not_say_how_many_ranks_there_are():
    assert told("Loading model weights took 9.1948 GB\nGPU KV cache size: 559,232 tokens")[0].rank_count is None
    assert told("2026-08-14T14:03:14Z stdout F Model loading took 9.1 GiB memory and 3 seconds")[0].rank_count is None
    assert told("[20:52:05] Load weight end. elapsed=2.57 s, type=Qwen3, avail mem=14.47 GB, mem usage=8.62 GB.")[0].rank_count == 1


def test_what_stands_behind_a_bar_of_progress_is_read():
    bar = f"Capturing CUDA graph shapes: 100%|{'█' * 420}| 35/35 [00:19<00:00,  1.78it/s]"
    line = "INFO 12-31 08:02:14 [model_runner.py:1592] Graph capturing finished in 20 secs, took 0.08 GiB"
    assert told(bar + line)[1]["graph_bytes"] == pytest.approx(0.08)
    log, figures = told(f"{bar}(Worker_TP1 pid=7) {line}\n(Worker_TP0 pid=6) {line}")
    assert (log.rank, log.rank_count, figures["graph_bytes"]) == ("TP0", 2, pytest.approx(0.08))


def test_llama_cpp_of_2023_names_its_pool_in_small_letters():
    _, figures = told("llama_new_context_with_model: n_ctx      = 512\nllama_new_context_with_model: kv self size  =  468.00 MB\n"
                      "llama_new_context_with_model: compute buffer total size = 143.60 MB")
    assert (figures["kv_cache_bytes"], figures["activation_bytes"]) == (pytest.approx(468 / 1024), pytest.approx(143.6 / 1024))


def test_the_lowest_of_the_ranks_that_say_most_is_reported_with_what_its_engine_says():
    log, figures = told("""
(Worker_DP1_TP0_EP2 pid=3) INFO 08-14 14:03:14 [x.py:5] Model loading took 9.3 GiB memory and 3 seconds
(Worker_DP0_TP1_EP1 pid=2) INFO 08-14 14:03:14 [x.py:5] Model loading took 9.2 GiB memory and 3 seconds
(Worker_DP0_TP0_EP0 pid=1) INFO 08-14 14:03:14 [x.py:5] Model loading took 9.1 GiB memory and 3 seconds
(Worker_DP1_TP0_EP2 pid=3) INFO 08-14 14:07:22 [gpu_worker.py:563] Available KV cache memory: 6.3 GiB
(Worker_DP0_TP1_EP1 pid=2) INFO 08-14 14:07:22 [gpu_worker.py:563] Available KV cache memory: 6.2 GiB
(EngineCore_DP1 pid=5) INFO 10-06 17:00:33 [kv_cache_utils.py:2464] GPU KV cache size: 1,001 tokens
(EngineCore_DP0 pid=4) INFO 10-06 17:00:33 [kv_cache_utils.py:2464] GPU KV cache size: 1,000 tokens
""")
    assert log.rank == "DP0 TP1 EP1"
    assert figures == pytest.approx({"weights_bytes": 9.2, "kv_cache_bytes": 6.2, "kv_cache_tokens": 1000})


@pytest.mark.parametrize(("line", "count"), [
    ("INFO [parallel_state.py:1065] rank 0 in world size 8 is assigned as DP rank 0, PP rank 0, TP rank 0, EP rank 0", 8),
    (("(EngineCore_DP0 pid=1) INFO [core.py:93] Initializing a V1 LLM engine (v0.11.0) with config: model='m', tensor_parallel_size=4, pipeline_parallel_size=2, "
     "data_parallel_size=2, disable_custom_all_reduce=False"), 16),
    ("[2026-01-01 00:00:00] server_args=ServerArgs(model_path='m', tp_size=8, dp_size=4, pp_size=1, enable_dp_attention=True)", 8),
    ("[2026-01-01 00:00:00] server_args=ServerArgs(model_path='m', tp_size=2, dp_size=4, pp_size=1, enable_dp_attention=False)", 8),
])
def test_stated_ranks_count(line, count):
    assert told(line)[0].rank_count == count


def test_a_worker_is_one_rank_before_and_after_it_has_its_name():
    log, _ = told("(Worker pid=447) INFO 08-14 14:02:53 [x.py:62] hello\n(Worker pid=448) INFO 08-14 14:02:53 [x.py:62] hello\n"
                  "(Worker_TP0 pid=447) INFO 08-14 14:03:14 [x.py:5] Model loading took 9.1 GiB memory and 3 seconds\n"
                  "(Worker_TP1 pid=448) INFO 08-14 14:03:14 [x.py:5] Model loading took 9.1 GiB memory and 3 seconds")
    assert (log.rank, log.rank_count) == ("TP0", 2)


def test_of_several_starts_the_last_counts():
    one = ("(APIServer pid=1) INFO [api_server.py:1] vLLM API server version 0.11.0\n"
           "(Worker_TP0 pid=2) INFO [x.py:5] Model loading took 9.1 GiB memory and 3 seconds\n(Worker_TP1 pid=3) INFO [x.py:5] Model loading took 9.1 GiB memory\n")
    two = one.replace("9.1", "8.1") + ("(Worker_TP0 pid=2) INFO [gpu_worker.py:563] Available KV cache memory: 6.87 GiB\n"
                                       "(EngineCore pid=4) INFO GPU KV cache size: 460,496 tokens\n(APIServer pid=1) INFO:     Application startup complete.\n")
    log, figures = told(one + "ValueError: No available memory for the cache blocks.\n" + two)
    assert (log.starts, log.ready, log.rank_count) == (2, True, 2)
    assert figures == pytest.approx({"weights_bytes": 8.1, "kv_cache_bytes": 6.87, "kv_cache_tokens": 460_496})
    log, figures = told(two + one)
    assert (log.starts, log.ready) == (2, False)
    assert figures == pytest.approx({"weights_bytes": 9.1})
    log, figures = told(SGLANG_DRAFT + SGLANG_DRAFT.replace("mem usage=82.97", "mem usage=81.97"))
    assert (log.starts, figures["weights_bytes"]) == (2, pytest.approx(81.97 + 1.14))


def test_a_start_without_an_announcement_is_known_by_its_weights():
    one = ("INFO [x.py:5] Model loading took 9.1 GiB memory and 3 seconds\nINFO Available KV cache memory: 6.87 GiB\nINFO GPU KV cache size: 460,496 tokens\n")
    log, figures = told(one + "INFO [x.py:5] Model loading took 7.1 GiB memory and 3 seconds")
    assert (log.starts, figures) == (2, pytest.approx({"weights_bytes": 7.1}))


def test_groups_that_start_side_by_side_are_one_start():
    engine = "(EngineCore_DP{} pid=1{}) INFO [core.py:93] Initializing a V1 LLM engine (v0.11.0) with config: model='m', tensor_parallel_size=1, data_parallel_size=2"
    loads = "(EngineCore_DP{} pid=1{}) INFO [x.py:5] Model loading took 9.{} GiB memory and 3 seconds"
    log, figures = told("\n".join([engine.format(0, 0), loads.format(0, 0, 0), engine.format(1, 1), loads.format(1, 1, 1)]))
    assert (log.starts, log.rank, log.rank_count, figures["weights_bytes"]) == (1, "DP0", 2, 9.0)


def test_what_a_user_asks_is_no_figure():
    log, figures = told("INFO [x.py:5] Model loading took 9.1 GiB memory and 3 seconds\nINFO:     Application startup complete.\n"
                        "INFO [logger.py:43] Received request cmpl-1: prompt: 'x] Model loading took 3.0 GiB memory; GPU KV cache size: 5 tokens', params: x")
    assert (log.starts, figures) == (1, pytest.approx({"weights_bytes": 9.1}))


@pytest.mark.parametrize("prefix", [
    "2025-12-01T06:28:13.123456789Z stderr F ", "vllm-1  | ", "Dec 01 06:28:13 host vllm[312]: ", "2024-10-07T22:54:54,595 [INFO ] W-9000-model_1.0-stdout MODEL_LOG - ",
    "\x1b[1;36m", "    ", "> ", '{"log":"',
])
def test_any_prefix_may_come_first(prefix):
    _, figures = told(f"{prefix}(Worker_TP0 pid=447)\x1b[0;0m INFO 08-14 14:03:14 [x.py:5] Model loading took 9.1 GiB memory and 3 seconds\r")
    assert figures == {"weights_bytes": 9.1}


def test_engines_without_figures_are_named():
    assert told("Daemon start success!")[0].engine == "mindie"
    log, figures = told("[transformers] Loading /models/tiny@main\nINFO:     Application startup complete.")
    assert (log.engine, log.ready, figures) == ("transformers", True, {})
