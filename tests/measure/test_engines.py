"""Real engines on a real tiny model: exact token counts, natural ends, parity, quantisation that is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from touchstone.checkpoints import synthetic
from touchstone.errors import EngineError, UsageError
from touchstone.judge import verification
from touchstone.judge.columns import requests_of
from touchstone.judge.metrics import e2e, later_tokens, tpot, ttft
from touchstone.measure import workloads
from touchstone.measure.devices import open_device
from touchstone.measure.engines import Engine, Sizes, open_engine
from touchstone.measure.tape import Tape
from touchstone.plan import EngineOptions, Target, Verification
from touchstone.record import Phase, Record, Status, Trial
from touchstone.request import Batch, Request, Sampling

EOS_ID, CLOSE_THINK_ID = 1, 7
ENGINES = ("llama.cpp", "transformers")
PROMPTS = ("The capital of France is", "1, 2, 3, 4,", "大语言模型的推理速度取决于", "robot explores planet")


def started(engine: str, model: Path, *, dtype: str = "fp32", options: EngineOptions | None = None, batch_size: int = 4) -> Engine:
    target = Target(engine=engine, device="cpu", model=str(model), dtype=dtype, options=options or EngineOptions(threads=2))
    one = open_engine(target, open_device("cpu"))
    one.start(Sizes(batch_size, 256))
    return one


def played(engine: Engine, batch: Batch, *, marked: bool = True) -> tuple[tuple[Record, ...], Tape]:
    tape = Tape()
    prepared = engine.prepare(batch)
    tape.start()
    output = engine.generate(prepared, tape, marked=marked)
    tape.stop()
    return engine.read(batch, tape, output), tape


def changed_head(tiny: Path, model: Path, winner: int, loser: int) -> Path:
    """A copy of the model in which token ``winner`` comes wherever ``loser`` would have."""
    shutil.copytree(tiny, model, ignore=shutil.ignore_patterns("*.gguf", "*.sha256"))
    weights = load_file(tiny / "model.safetensors")
    weights["lm_head.weight"][winner] = weights["lm_head.weight"][loser] * np.float16(1.5)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    return model


def first_new_token(tiny: Path, tokens: int) -> tuple[int, int]:
    """Where, after the third, greedy text first has a token it had not before, and which."""
    one = started("transformers", tiny)
    (record,), _ = played(one, Batch((request(one, PROMPTS[3], tokens),)))
    produced = one._tokenizer(record.text, add_special_tokens=False).input_ids
    one.stop()
    return next((place, token) for place, token in enumerate(produced) if place > 2 and token not in produced[:place])


def request(engine: Engine, text: str, tokens: int, **choices: object) -> Request:
    return Request(text, tuple(engine.encode(text, special=True)), tokens, **choices)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, tiny: Path):
    one = started(request.param, tiny)
    yield one
    one.stop()


def test_every_sequence_of_a_batch_gets_exactly_its_tokens_and_stamps(engine: Engine):
    batch = Batch(tuple(request(engine, text, 33) for text in PROMPTS))
    records, tape = played(engine, batch)
    assert len(records) == 4
    for record, asked in zip(records, batch.requests, strict=True):
        assert record.status is Status.OK
        assert record.output_tokens == 33 == sum(record.event_tokens)
        assert record.input_tokens == asked.input_tokens
        assert record.cached_tokens == 0
        assert list(record.event_ns) == sorted(record.event_ns)
        assert tape.sent_ns < record.event_ns[0] <= record.event_ns[-1] <= tape.ended_ns


def test_one_generate_gives_first_token_every_gap_and_the_whole(engine: Engine):
    records, _ = played(engine, Batch((request(engine, PROMPTS[0], 20),)))
    requests = requests_of(records[:1])
    assert e2e(requests)[0] == pytest.approx((ttft(requests) + later_tokens(requests) * tpot(requests))[0], rel=1e-9)


def test_a_repeated_prompt_is_processed_again(engine: Engine):
    batch = Batch((request(engine, PROMPTS[0], 4),))
    assert [played(engine, batch)[0][0].cached_tokens for _ in range(3)] == [0, 0, 0]


def test_without_stamps_the_same_tokens_come_out(engine: Engine):
    batch = Batch((request(engine, PROMPTS[0], 12),))
    (watched,), _ = played(engine, batch)
    (plain,), tape = played(engine, batch, marked=False)
    assert tape.marks_ns == []
    assert plain.event_ns == ()
    assert (plain.text, plain.output_tokens) == (watched.text, watched.output_tokens)


def test_sampling_follows_its_seed(engine: Engine):
    def text(seed: int) -> str | None:
        return played(engine, Batch((request(engine, PROMPTS[0], 24, sampling=Sampling(1.0, 1.0, seed)),)))[0][0].text

    assert text(1) == text(1)
    assert len({text(seed) for seed in range(4)}) > 1


def test_two_engines_on_the_same_weights_write_the_same_text(tiny: Path):
    texts = []
    for name in ENGINES:
        one = started(name, tiny)
        batch = [Batch((request(one, text, 48),)) for text in PROMPTS]
        texts.append([played(one, single)[0][0].text for single in batch])
        one.stop()
    assert texts[0] == texts[1]
    assert all(len(text) > 48 for text in texts[0])


@pytest.mark.parametrize("name", ENGINES)
def test_a_natural_end_is_counted_where_it_came(name: str, tiny: Path, tmp_path: Path):
    """The output head is changed so that the end token wins where greedy text would have had its sixth new token."""
    place, token = first_new_token(tiny, 24)
    model = changed_head(tiny, tmp_path / "ends", EOS_ID, token)
    one = started(name, model)
    batch = Batch(tuple(request(one, text, 24, stop_at_eos=True) for text in (PROMPTS[3], PROMPTS[0])))
    ended = played(one, batch)[0][0]
    forced = played(one, Batch((request(one, PROMPTS[3], 24),)))[0][0]
    one.stop()
    assert (ended.finish, ended.output_tokens, sum(ended.event_tokens)) == ("stop", place + 1, place + 1)
    assert (forced.finish, forced.output_tokens) == ("length", 24)


@pytest.mark.parametrize("name", ENGINES)
def test_thinking_is_split_from_the_answer(name: str, tiny: Path, tmp_path: Path):
    """The output head is changed so that the closing mark comes where greedy text would have had another token."""
    place, token = first_new_token(tiny, 16)
    model = changed_head(tiny, tmp_path / "thinks", CLOSE_THINK_ID, token)
    one = started(name, model)
    (record,), _ = played(one, Batch((request(one, PROMPTS[3], 16),)))
    one.stop()
    thought, _, answer = record.text.partition("</think>")
    assert thought
    assert record.thinking_tokens == place + 1
    assert record.answer_text == answer


@pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name in ENGINES for dtype in ("fp32", "fp16", "bf16", "int8")])
def test_weights_are_stored_in_the_dtype_that_was_asked_for(name: str, dtype: str, tiny: Path):
    target = Target(engine=name, device="cpu", model=str(tiny), dtype=dtype, options=EngineOptions(threads=2))
    one = open_engine(target, open_device("cpu"))
    facts = one.start(Sizes(1, 64))
    (record,), _ = played(one, Batch((request(one, PROMPTS[0], 8),)))
    one.stop()
    assert record.output_tokens == 8
    width = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}
    values = {stored: size / width[stored] for stored, size in facts.dtypes.items()}
    assert max(values, key=values.get) == dtype
    assert facts.weight_bytes == sum(facts.dtypes.values())
    assert 0 < facts.read_bytes_per_step < facts.weight_bytes
    assert facts.random_weights


def test_refusals_name_what_can_be_done(tiny: Path):
    with pytest.raises(EngineError, match="sdpa"):
        started("transformers", tiny, options=EngineOptions(attention="flashy"))
    with pytest.raises(UsageError, match="--cache static"):
        started("transformers", tiny, options=EngineOptions(device_graph=True))
    with pytest.raises(UsageError, match="threads"):
        started("llama.cpp", tiny, options=EngineOptions(compile=True))
    gguf = synthetic.ensure_gguf(tiny, "fp16")
    with pytest.raises(UsageError, match="fp16"):
        open_engine(Target(engine="llama.cpp", device="cpu", model=str(gguf), dtype="fp32"), open_device("cpu"))
    broken = tiny / "not-a-model.gguf"
    broken.write_bytes(b"GGUF but not really")
    with pytest.raises(EngineError, match="not a readable GGUF"):
        open_engine(Target(engine="llama.cpp", device="cpu", model=str(broken), dtype="auto"), open_device("cpu"))
    broken.unlink()


def test_static_cache_and_eager_attention_are_what_really_runs(tiny: Path):
    options = EngineOptions(attention="eager", cache="static", threads=1)
    one = open_engine(Target(engine="transformers", device="cpu", model=str(tiny), dtype="fp32", options=options), open_device("cpu"))
    facts = one.start(Sizes(1, 64))
    (record,), _ = played(one, Batch((request(one, PROMPTS[0], 8),)))
    one.stop()
    assert record.output_tokens == 8
    assert (facts.options["attention"], facts.options["cache"], facts.options["threads"]) == ("eager", "static", 1)


@pytest.mark.slow
def test_a_compiled_model_writes_the_same_text(tiny: Path):
    plain = started("transformers", tiny)
    compiled = started("transformers", tiny, options=EngineOptions(compile=True, cache="static", threads=2))
    batch = Batch((request(plain, PROMPTS[0], 16),))
    assert played(plain, batch)[0][0].text == played(compiled, batch)[0][0].text


@pytest.mark.slow
def test_a_seven_billion_shape_is_created_on_the_device_in_its_own_sizes(monkeypatch: pytest.MonkeyPatch):
    """The same code path as llama-2-7b, with two of its layers: a whole one needs 14 GB."""
    from dataclasses import replace

    from touchstone.checkpoints import shape
    from touchstone.simulate.accounting import parameters
    from touchstone.simulate.architecture import from_shape

    short = replace(shape.SHAPES["llama-2-7b"], layers=2, hidden_size=512, heads=4, kv_heads=4, intermediate_size=1024)
    monkeypatch.setitem(shape.SHAPES, "llama-2-7b", short)
    one = open_engine(Target(engine="transformers", device="cpu", model="llama-2-7b", dtype="bf16"), open_device("cpu"))
    facts = one.start(Sizes(1, 64))
    (record,), _ = played(one, Batch((request(one, PROMPTS[0], 8),)))
    one.stop()
    assert facts.parameters == parameters(from_shape(short))
    assert facts.weight_bytes == 2 * facts.parameters
    assert record.output_tokens == 8
    assert record.text.isascii()
    assert len(set(record.text)) > 3


def verified(engine: Engine, prompts: tuple[str, ...] = PROMPTS) -> list[Trial]:
    trials = []
    for index, batch in enumerate(workloads.verification_batches(Verification(prompts=prompts), engine, len(prompts))):
        records, tape = played(engine, batch)
        trials.append(Trial(0, 0, index, "verify", index, Phase.VERIFY, batch.size, Status.OK, tape.sent_ns, tape.ended_ns, records))
    return trials


def test_verification_passes_a_sound_engine(engine: Engine):
    assert verification.problem(verified(engine), random_weights=True) is None


def test_verification_finds_padding_on_the_wrong_side(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    one = started("transformers", tiny)
    sound = one.prepare

    def right_padded(batch: Batch) -> dict:
        prepared = sound(batch)
        for key in ("input_ids", "attention_mask"):
            rows = prepared[key]
            for place, asked in enumerate(batch.requests):
                rows[place] = rows[place].roll(asked.input_tokens - rows.shape[1])
        return prepared

    monkeypatch.setattr(one, "prepare", right_padded)
    found = verification.problem(verified(one), random_weights=True)
    one.stop()
    assert found is not None
    assert "padding" in str(found)
