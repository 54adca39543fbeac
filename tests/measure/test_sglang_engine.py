"""SGLang's engine through a fake of its interface. The real one runs on no CPU; its names are proven by tests/peers/test_peer_flags.py."""

from __future__ import annotations

import sys
import types
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import EngineError, NotReadyError
from touchstone.measure.devices import open_device
from touchstone.measure.engines import Sizes, sglang
from touchstone.measure.engines.sglang import SglangEngine
from touchstone.measure.tape import Tape
from touchstone.plan import EngineOptions, Target
from touchstone.record import Status
from touchstone.request import Batch, Request, Sampling

WORDS = (" one", " two", " three", " four", " five")


def chunk_of(place, count, prompt, *, text=None, finished=False):
    """As ``TokenizerManager`` builds it without incremental output: the whole text so far, a running count, a finish reason at the end."""
    said = {"id": f"rid-{place}", "finish_reason": {"type": "length", "length": count} if finished else None, "prompt_tokens": prompt,
            "completion_tokens": count, "cached_tokens": 0}
    return {"text": "".join(WORDS[:count]) if text is None else text, "output_ids": [7] * count, "meta_info": said, "index": place}


class FakeSglang:
    """The names of SGLang that the engine imports. ``counts`` are the running counts of each chunk, round by round."""

    def __init__(self, monkeypatch, counts=(1, 2, 3, 4, 5), fails=None):
        self.made, self.asked, self.ended = [], [], 0
        fake = self

        class Engine:
            def __init__(self, **arguments):
                if fails:
                    raise fails
                fake.made.append(arguments)
                self.tokenizer_manager = SimpleNamespace(model_config=SimpleNamespace(dtype="torch.bfloat16"))

            def get_server_info(self):
                return {**fake.made[-1], "max_total_num_tokens": 4096, "page_size": 128, "version": "0.5.23"}

            def generate(self, *, input_ids, sampling_params, stream=False):
                fake.asked.append((input_ids, sampling_params))
                rounds = [[chunk_of(place, count, len(ids), finished=count == counts[-1]) for place, ids in enumerate(input_ids)] for count in counts]
                return (chunk for one in rounds for chunk in reversed(one)) if stream else rounds[-1]

            def shutdown(self):
                fake.ended += 1

        module = types.ModuleType("sglang")
        module.Engine = Engine
        monkeypatch.setitem(sys.modules, "sglang", module)


def started(tiny, **options):
    one = SglangEngine(Target(engine="sglang", device="cpu", model=str(tiny), dtype="bf16", options=EngineOptions(**options)), open_device("cpu"))
    return one, one.start(Sizes(2, 256))


def played(engine, batch, *, marked=True):
    tape = Tape()
    prepared = engine.prepare(batch)
    tape.start()
    output = engine.generate(prepared, tape, marked=marked)
    tape.stop()
    return engine.read(batch, tape, output), tape


BATCH = Batch((Request("a", (0, 5, 6), 5), Request("b", (0, 9), 5)))


def test_chunks_of_several_requests_are_told_apart(tiny, monkeypatch):
    fake = FakeSglang(monkeypatch)
    one, _ = started(tiny)
    records, tape = played(one, BATCH)
    assert fake.asked[0][0] == [[0, 5, 6], [0, 9]]
    for record, inputs in zip(records, (3, 2), strict=True):
        assert (record.status, record.finish, record.output_tokens, record.input_tokens, record.cached_tokens) == (Status.OK, "length", 5, inputs, 0)
        assert record.event_tokens == (1,) * 5
        assert record.text == "".join(WORDS)
    assert records[0].event_ns == tuple(tape.marks_ns[1::2])
    assert records[1].event_ns == tuple(tape.marks_ns[0::2])
    one.stop()
    one.stop()
    assert fake.ended == 1


def test_a_chunk_that_brings_several_tokens_counts_them(tiny, monkeypatch):
    FakeSglang(monkeypatch, counts=(2, 2, 5))
    one, _ = started(tiny)
    records, _ = played(one, BATCH)
    assert records[0].event_tokens == (2, 3)
    assert len(records[0].event_ns) == 2


def test_without_stamps_the_whole_answers_are_read(tiny, monkeypatch):
    FakeSglang(monkeypatch)
    one, _ = started(tiny)
    records, tape = played(one, BATCH, marked=False)
    assert tape.marks_ns == []
    assert [(record.text, record.output_tokens, record.event_ns) for record in records] == [("".join(WORDS), 5, ())] * 2


def test_too_few_tokens_are_said_to_be_too_few(tiny, monkeypatch):
    FakeSglang(monkeypatch, counts=(1, 2))
    one, _ = started(tiny)
    assert {record.status for record in played(one, BATCH)[0]} == {Status.TRUNCATED}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.lists(st.text(max_size=3), min_size=20, max_size=20))
def test_pieces_add_up_to_the_whole(gains, texts):
    total, text, chunks = 0, "", []
    for at_ns, (gain, more) in enumerate(zip(gains, texts, strict=False)):
        total, text = total + gain, text + more
        chunks.append((at_ns, chunk_of(0, total, 4, text=text)))
    pieces = sglang._pieces(chunks)
    assert [piece.tokens for piece in pieces] == gains
    assert "".join(piece.text for piece in pieces) == text


def test_what_runs_is_what_the_engine_says(tiny, monkeypatch):
    FakeSglang(monkeypatch)
    _, facts = started(tiny, memory_fraction=0.7)
    assert facts.dtypes == {"bf16": 2 * 631_424}
    said = facts.options
    assert (said["kv_cache_tokens"], said["block_tokens"], said["memory_fraction"], said["prefix_cache"]) == (4096, 128, 0.7, False)
    assert said["quantization"] is None


def test_room_is_made_for_what_the_scheduler_keeps_and_not_beyond_the_model(tiny, monkeypatch):
    fake = FakeSglang(monkeypatch)
    started(tiny)
    assert fake.made[0]["context_length"] == 264
    one = SglangEngine(Target(engine="sglang", device="cpu", model=str(tiny), dtype="auto"), open_device("cpu"))
    one.start(Sizes(1, 4096))
    assert fake.made[1]["context_length"] == 4096


def test_an_npu_gets_the_ascend_kernels_and_its_own_number():
    asked = sglang.arguments(Target(engine="sglang", device="npu:3", model="m", dtype="bf16", options=EngineOptions(tensor_parallel=2, graph="off")),
                             "m", batch_size=4, context_tokens=512)
    assert (asked["device"], asked["base_gpu_id"], asked["attention_backend"]) == ("npu", 3, "ascend")
    assert (asked["tp_size"], asked["disable_cuda_graph"], asked["disable_radix_cache"]) == (2, True, True)
    assert None not in asked.values()
    assert "attention_backend" not in sglang.arguments(Target(engine="sglang", device="cuda", model="m", dtype="bf16"), "m", batch_size=1, context_tokens=8)


def test_sampling_is_passed_on():
    assert sglang.sampling(Request("r", (0,), 5)) == {"max_new_tokens": 5, "temperature": 0.0, "top_p": 1.0, "ignore_eos": True}
    drawn = sglang.sampling(Request("r", (0,), 5, stop_at_eos=True, sampling=Sampling(0.7, 0.9, 3)))
    assert drawn == {"max_new_tokens": 5, "temperature": 0.7, "top_p": 0.9, "ignore_eos": False, "sampling_seed": 3}


def test_failures_to_start_are_explained(tiny, monkeypatch):
    FakeSglang(monkeypatch, fails=RuntimeError("Not enough memory. Please try to increase --mem-fraction-static.\nmore"))
    with pytest.raises(EngineError, match=r"Not enough memory\. Please try to increase --mem-fraction-static\. The"):
        started(tiny)
    monkeypatch.setitem(sys.modules, "sglang", None)
    with pytest.raises(NotReadyError, match="SGLang cannot be imported"):
        started(tiny)
