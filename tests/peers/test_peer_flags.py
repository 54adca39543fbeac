"""Every flag that a server is started with and every keyword that an engine is called with exists in the published package.

The packages are read, not run: their argument definitions by their syntax trees. Skipped only where PyPI cannot be reached.
"""

from __future__ import annotations

import ast
import functools
import itertools
import tempfile

import pytest
from peer_source import peer_source, peer_version

from touchstone.measure.engines import Sizes, sglang, vllm_facts
from touchstone.measure.servers.commands import ServerSpec
from touchstone.measure.servers.commands import sglang as sglang_server
from touchstone.measure.servers.commands import transformers as transformers_server
from touchstone.measure.servers.commands import vllm as vllm_server
from touchstone.plan import EngineOptions, Target
from touchstone.request import Request, Sampling

DEVICES = ("cpu", "cuda", "npu", "npu:3")
DTYPES = ("auto", "fp32", "fp16", "bf16")
SGLANG_GROUPS = ("device", "exec_", "memory", "model", "parallel", "schedule", "serving")


def every_option():
    """Every option that our builders look at, set and not set."""
    choices = {"tensor_parallel": (None, 2), "memory_fraction": (None, 0.5), "graph": (None, "on", "off"), "quantization": (None, "awq"),
               "max_sequence_tokens": (None, 999), "trust_remote_code": (False, True), "attention": (None, "sdpa"), "compile": (False, True)}
    return [EngineOptions(**dict(zip(choices, values, strict=True))) for values in itertools.product(*choices.values())]


def emitted(build, devices, dtypes=DTYPES):
    """Every flag that ``build`` can put into a command line."""
    flags = set()
    for device, dtype, batch, dummy, options in itertools.product(devices, dtypes, (1, 8), (False, True), every_option()):
        spec = ServerSpec("python", "/m", device, dtype, "127.0.0.1", 8000, batch, 512, tempfile.gettempdir(), options, dummy_weights=dummy)
        flags |= {part for part in build(spec).arguments if part.startswith("--")}
    return flags


def passed(arguments, devices=DEVICES):
    """Every keyword of the mappings that ``arguments`` makes of a target."""
    return {name for device, dtype, options in itertools.product(devices, DTYPES, every_option())
            for name in arguments(Target(engine="e", device=device, model="m", dtype=dtype, options=options))}


def tree_of(tool, path):
    return ast.parse(peer_source(tool, path))


def class_of(tree, name):
    return next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name)


def fields_of(definition):
    """Names of a class's annotated fields, with the text of their annotations."""
    return {node.target.id: ast.unparse(node.annotation) for node in definition.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}


def parameters_of(definition, name):
    """Names of a method's parameters."""
    method = next(node for node in definition.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name)
    return {one.arg for one in (*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs)} - {"self", "cls"}


def literal_flags(tree):
    """First words of every ``add_argument``."""
    return {one.value for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and node.func.attr == "add_argument" for one in node.args
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.startswith("--")}


def dashed(name):
    return "--" + name.replace("_", "-")


def written_strings(tool, path):
    return {node.value for node in ast.walk(tree_of(tool, path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


# ── vLLM ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@functools.lru_cache
def vllm_fields():
    tree = tree_of("vllm", "vllm/engine/arg_utils.py")
    return {**fields_of(class_of(tree, "EngineArgs")), **fields_of(class_of(tree, "AsyncEngineArgs"))}


@functools.lru_cache
def vllm_flags():
    """Those that are registered by name, those of the frontend's fields, and the negative of every switch."""
    engine, frontend = tree_of("vllm", "vllm/engine/arg_utils.py"), tree_of("vllm", "vllm/entrypoints/common/cli_args.py")
    front = {**fields_of(class_of(frontend, "BaseFrontendArgs")), **fields_of(class_of(frontend, "FrontendArgs"))}
    given = literal_flags(engine) | literal_flags(frontend) | {dashed(name) for name in front}
    assert "BooleanOptionalAction" in peer_source("vllm", "vllm/engine/arg_utils.py")
    switches = {name for name, annotation in {**vllm_fields(), **front}.items() if "bool" in annotation and dashed(name) in given}
    return given | {dashed(f"no_{name}") for name in switches}


def vllm_arguments(target):
    return vllm_facts.arguments(target, "m", Sizes(4, 512), sequence_tokens=512, kv_bytes_per_token=1024)


def test_every_flag_of_vllms_server_exists():
    flags = emitted(vllm_server.build, ("cpu", "cuda", "npu"))
    assert {"--enforce-eager", "--no-enable-prefix-caching", "--kv-cache-memory-bytes", "--tensor-parallel-size"} <= flags
    assert flags - vllm_flags() == set()


def test_every_keyword_of_vllms_engines_exists():
    asked = passed(vllm_arguments) | {"load_format"}
    assert {"enable_prefix_caching", "kv_cache_memory_bytes", "enforce_eager", "gpu_memory_utilization"} <= asked
    assert asked - set(vllm_fields()) == set()


def test_the_sampling_parameters_of_vllm_exist():
    asked = {name for request in (Request("r", (0,), 1), Request("r", (0,), 1, sampling=Sampling(1.0, 0.9, 3)))
             for name in vllm_facts.sampling(request)} | {"output_kind"}
    tree = tree_of("vllm", "vllm/sampling_params.py")
    assert asked - set(fields_of(class_of(tree, "SamplingParams"))) == set()
    assert {"DELTA", "FINAL_ONLY"} <= {target.id for node in class_of(tree, "RequestOutputKind").body if isinstance(node, ast.Assign)
                                       for target in node.targets}


def test_what_is_called_of_vllm_is_there():
    engine = class_of(tree_of("vllm", "vllm/v1/engine/llm_engine.py"), "LLMEngine")
    assert {"request_id", "prompt", "params"} <= parameters_of(engine, "add_request")
    assert parameters_of(engine, "step") == parameters_of(engine, "has_unfinished_requests") == set()
    llm = class_of(tree_of("vllm", "vllm/entrypoints/llm.py"), "LLM")
    assert {"prompts", "sampling_params", "use_tqdm"} <= parameters_of(llm, "generate")
    serving = class_of(tree_of("vllm", "vllm/v1/engine/async_llm.py"), "AsyncLLM")
    assert {"prompt", "sampling_params", "request_id"} <= parameters_of(serving, "generate")
    assert {"engine_args"} <= parameters_of(serving, "from_engine_args")
    assert {"timeout"} <= parameters_of(serving, "shutdown")
    said = parameters_of(class_of(tree_of("vllm", "vllm/outputs.py"), "RequestOutput"), "__init__")
    assert {"request_id", "prompt_token_ids", "outputs", "finished", "num_cached_tokens"} <= said
    answer = fields_of(class_of(tree_of("vllm", "vllm/outputs.py"), "CompletionOutput"))
    assert {"text", "token_ids", "finish_reason"} <= set(answer)
    assert "prompt_token_ids" in fields_of(class_of(tree_of("vllm", "vllm/inputs/llm.py"), "TokensPrompt"))
    assert "def cleanup_dist_env_and_memory(" in peer_source("vllm", "vllm/distributed/parallel_state.py")


def test_the_environment_of_vllm_is_read_by_it():
    known = written_strings("vllm", "vllm/envs.py")
    spec = ServerSpec("python", "/m", "cpu", "fp32", "127.0.0.1", 8000, 1, 512, "/d", EngineOptions())
    ours = {name for name in vllm_server.build(spec).variables if name.startswith("VLLM_")} | {"VLLM_ENABLE_V1_MULTIPROCESSING"}
    assert ours == {"VLLM_NO_USAGE_STATS", "VLLM_CPU_OMP_THREADS_BIND", "VLLM_ENABLE_V1_MULTIPROCESSING"}
    assert ours - known == set()
    assert "nobind" in written_strings("vllm", "vllm/utils/ompmultiprocessing.py")


def test_the_module_that_is_started_can_be():
    assert '__name__ == "__main__"' in peer_source("vllm", "vllm/entrypoints/openai/api_server.py")
    assert '__name__ == "__main__"' in peer_source("sglang", "sglang/launch_server.py")


def test_vllm_ascend_registers_itself_as_a_platform_called_npu():
    points = peer_source("vllm-ascend", f"vllm_ascend-{peer_version('vllm-ascend')}.dist-info/entry_points.txt")
    assert "[vllm.platform_plugins]\nascend = vllm_ascend:register" in points
    platform = class_of(tree_of("vllm-ascend", "vllm_ascend/platform.py"), "NPUPlatform")
    kinds = {ast.unparse(node.target): ast.literal_eval(node.value) for node in platform.body
             if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)}
    assert kinds["device_type"] == "npu"
    assert "_enum = PlatformEnum.OOT" in ast.unparse(platform)


# ── SGLang ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@functools.lru_cache
def sglang_fields():
    """``ServerArgs`` is assembled of the annotated fields of these classes."""
    groups = [tree_of("sglang", f"sglang/srt/arg_groups/fields/{group}.py") for group in SGLANG_GROUPS]
    return {name: annotation for tree in groups for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
            for name, annotation in fields_of(node).items()}


@functools.lru_cache
def sglang_flags():
    derived = {dashed(name) for name, annotation in sglang_fields().items()
               if annotation.startswith("A[") and "no_cli=True" not in annotation and "cli_name=" not in annotation}
    aliases = {word for annotation in sglang_fields().values() for node in ast.walk(ast.parse(annotation))
               if isinstance(node, ast.keyword) and node.arg == "aliases" for word in ast.literal_eval(node.value)}
    return derived | aliases | literal_flags(tree_of("sglang", "sglang/srt/server_args.py"))


def sglang_arguments(target):
    return sglang.arguments(target, "m", batch_size=4, context_tokens=512)


def test_every_flag_of_sglangs_server_exists():
    flags = emitted(sglang_server.build, DEVICES)
    assert {"--attention-backend", "--mem-fraction-static", "--tp-size", "--disable-cuda-graph", "--base-gpu-id"} <= flags
    assert flags - sglang_flags() == set()


def test_every_keyword_of_sglangs_engine_exists():
    asked = passed(sglang_arguments) | {"load_format"}
    assert {"attention_backend", "mem_fraction_static", "disable_cuda_graph", "context_length"} <= asked
    assert asked - set(sglang_fields()) == set()


def test_ascend_is_one_of_sglangs_attention_backends_and_npu_one_of_its_devices():
    assert "ascend" in written_strings("sglang", "sglang/srt/arg_groups/choices.py")
    assert "'npu'" in peer_source("sglang", "sglang/srt/arg_groups/fields/device.py")


def test_what_is_called_and_read_of_sglang_is_there():
    engine = class_of(tree_of("sglang", "sglang/srt/entrypoints/engine.py"), "Engine")
    assert {"input_ids", "sampling_params", "stream"} <= parameters_of(engine, "generate")
    assert parameters_of(engine, "get_server_info") == parameters_of(engine, "shutdown") == set()
    asked = {name for request in (Request("r", (0,), 1), Request("r", (0,), 1, sampling=Sampling(1.0, 0.9, 3))) for name in sglang.sampling(request)}
    assert asked - set(fields_of(class_of(tree_of("sglang", "sglang/srt/sampling/sampling_params.py"), "SamplingParams"))) == set()
    written = written_strings("sglang", "sglang/srt/managers/tokenizer_manager.py")
    assert {"index", "text", "meta_info", "completion_tokens", "prompt_tokens", "cached_tokens", "finish_reason"} <= written


def test_what_sglang_says_of_itself_is_looked_for_by_its_names():
    said = set(sglang_fields()) | written_strings("sglang", "sglang/srt/managers/scheduler.py")
    assert set(sglang._SAID.values()) | {"disable_radix_cache"} <= said


# ── transformers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_flag_of_transformers_serve_exists():
    serve = class_of(tree_of("transformers", "transformers/cli/serve.py"), "Serve")
    flags = emitted(transformers_server.build, ("cpu", "cuda:0"), ("fp32", "fp16", "bf16"))
    assert {"--continuous-batching", "--cb-num-blocks", "--attn-implementation"} <= flags
    assert flags - {dashed(name) for name in parameters_of(serve, "__init__")} == set()


# ── the check itself ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_flags_of_published_articles_that_do_not_exist_are_not_found():
    """``--backend ascend`` and ``sgl.Engine(backend=…)`` belong to benchmark tools or to nobody."""
    assert "--backend" not in sglang_flags()
    assert "backend" not in sglang_fields()
    assert "--device" in sglang_flags()


@pytest.mark.parametrize(("flags", "known"), [(sglang_flags, "--model-path"), (vllm_flags, "--model")])
def test_a_made_up_flag_would_be_caught(flags, known):
    assert {known, "--made-up", "--no-made-up"} - flags() == {"--made-up", "--no-made-up"}
