"""Where the time of a request goes: parts that always add up, and nothing split that no clock tells apart."""

from dataclasses import replace

import pytest
from builders import MS, make_facts, make_record, make_run, make_trial, plan_case
from hypothesis import given
from hypothesis import strategies as st

from touchstone.comparison import Factor, Piece
from touchstone.errors import DataError, UsageError
from touchstone.judge.compare import compare, compare_same
from touchstone.judge.compare.attribution import Cost, attribute
from touchstone.judge.compare.margin import usual
from touchstone.judge.compare.measured import measured_of
from touchstone.record import Status
from touchstone.report.compare_attribution import answers, sentence

LAG = {"requests": 8, "sent_mean_ns": 50_000, "last_mean_ns": 150_000}
SERVED = {"prompts_as": "text", "started_here": True, "client": {"1": LAG, "4": {**LAG, "last_mean_ns": 350_000}}, "tokenizer_ns_per_token": 25_000.0}
CLOCKLESS = {"engine_prefill_ns": None, "engine_decode_ns": None}


def side(name, options, first_ms=50.0, launches=3, trials=4, batch_size=1, header=None, **record):
    """A run of one case: an engine called ``name`` whose first token comes after ``first_ms``; ``record`` changes every record."""
    played = []
    for launch in range(launches):
        for index in range(trials):
            records = []
            for place in range(batch_size):
                good = make_record(request_id=f"short/{index}/{place}", prompt_digest=f"{index}-{place}", text=f"text {index} {place}", input_tokens_built=16,
                                   first_ns=round((first_ms + 0.01 * launch) * MS), **{"tokens": 16, **record})
                records.append(good)
            played.append(make_trial("short", index, launch=launch, sequence=len(played), batch_size=batch_size, records=tuple(records)))
    made = [{"launch": launch, "facts": make_facts(engine=name, options=options)} for launch in range(launches)]
    run = make_run(played, [plan_case("short", batch_size=batch_size)], id=f"{name}-{first_ms}", launches=made, **(header or {}))
    return replace(run, path=f"runs/{name}")


def changed(run, change):
    """``run`` with ``change(record, trial)`` in place of every record."""
    return replace(run, trials=tuple(replace(trial, records=tuple(change(record, trial) for record in trial.records)) for trial in run.trials))


def compared(old, new, **options):
    return compare([measured_of(old)], [measured_of(new)], usual(), **options)


def only(old, new):
    [found] = compared(old, new).attributions
    return found


def times(found):
    return {part.pieces: (part.old_ns, part.new_ns) for part in found.parts}


# ── the parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_example_of_a_server_without_a_clock():
    found = only(side("transformers", {}, **CLOCKLESS), side("transformers-serve", SERVED, 57.7, **CLOCKLESS))
    assert str(sentence(found)) == ("short: B takes 7.7 ms longer per request: engine and HTTP +7.1 ms, tokenizer +0.400 ms, client +0.200 ms")
    assert times(found) == {(Piece.ENGINE, Piece.HTTP): (200_010_000, 207_110_000), (Piece.TOKENIZER,): (None, 400_000), (Piece.CLIENT,): (None, 200_000)}
    assert found.phases == ()
    assert [part.share for part in found.parts] == pytest.approx([7.1 / 7.7, 0.4 / 7.7, 0.2 / 7.7])


def test_a_server_with_a_clock_has_its_engine_apart_and_takes_no_text():
    options = {**SERVED, "prompts_as": "token ids"}
    own = {"engine_prefill_ns": 40 * MS, "engine_decode_ns": 140 * MS}
    found = only(side("llama.cpp", {}, **own), side("llamacpp-server", options, 53.0, **own))
    assert times(found) == {(Piece.ENGINE,): (180 * MS, 180 * MS), (Piece.HTTP,): (None, 22_810_000), (Piece.CLIENT,): (None, 200_000),
                            (Piece.CALL,): (20_010_000, None)}
    assert [(part.pieces, part.old_ns, part.new_ns) for part in found.phases] == [((Piece.PREFILL,), 40 * MS, 40 * MS), ((Piece.DECODE,), 140 * MS, 140 * MS)]


def test_the_lag_of_a_batch_is_that_of_as_many_connections():
    found = only(side("transformers", {}, batch_size=2, **CLOCKLESS), side("transformers-serve", SERVED, batch_size=2, **CLOCKLESS))
    assert times(found)[Piece.CLIENT,] == (None, 400_000)


UNMEASURED = {
    "client": ({key: value for key, value in SERVED.items() if key != "client"}, (Piece.ENGINE, Piece.HTTP, Piece.CLIENT), "client's own lag was not measured"),
    "why": ({**SERVED, "client": {"reason": "no port"}}, (Piece.ENGINE, Piece.HTTP, Piece.CLIENT), "not known (no port)"),
    "tokenizer": ({**SERVED, "tokenizer_ns_per_token": None}, (Piece.ENGINE, Piece.HTTP, Piece.TOKENIZER), "tokenizer's time was not measured"),
}


@pytest.mark.parametrize("what", UNMEASURED)
def test_what_was_not_measured_stays_with_the_rest_and_is_named(what):
    options, together, words = UNMEASURED[what]
    found = compared(side("transformers", {}, **CLOCKLESS), side("transformers-serve", options, **CLOCKLESS))
    [one] = found.attributions
    assert together in times(one)
    assert not {piece for group in times(one) if group != together for piece in group} & set(together)
    assert any(words in str(note) for note in found.notes)
    assert any("engine and HTTP are one part" in str(note) for note in found.notes)


def test_one_record_without_the_engines_clock_leaves_no_mean_of_it():
    whole = side("llamacpp-server", {**SERVED, "prompts_as": "token ids"})
    holed = changed(whole, lambda record, trial: replace(record, engine_decode_ns=None) if trial.sequence == 3 else record)
    found = only(side("transformers", {}, **CLOCKLESS), holed)
    assert (Piece.ENGINE, Piece.HTTP) in times(found)
    assert [part.pieces for part in found.phases] == [(Piece.PREFILL,)]


def test_parts_that_take_more_than_the_whole_are_told():
    slow = {**SERVED, "prompts_as": "token ids", "client": {"1": {**LAG, "last_mean_ns": 5 * MS}}}
    found = compared(side("transformers", {}, **CLOCKLESS), side("llamacpp-server", slow))
    assert times(found.attributions[0])[Piece.HTTP,] == (None, -5_050_000)
    assert "short: what was measured apart takes 5.050 ms more than the whole on B" in [str(note) for note in found.notes]


@st.composite
def sides(draw):
    """Requests of one side: an engine in process, with or without a clock, or a server of which anything may be unknown."""
    kind = draw(st.sampled_from(["call", "clock", "server"]))
    unknown = draw(st.sets(st.sampled_from([Piece.ENGINE, Piece.TOKENIZER, Piece.CLIENT])))
    costs = []
    for place in range(draw(st.integers(1, 5))):
        e2e_ns = draw(st.integers(1, 10**10))
        spent = st.floats(0, e2e_ns)
        pieces = {"call": lambda e2e_ns=e2e_ns: {Piece.ENGINE: float(e2e_ns)}, "clock": lambda spent=spent: {Piece.ENGINE: draw(spent), Piece.CALL: None},
                  "server": lambda spent=spent: {Piece.HTTP: None, **{piece: None if piece in unknown else draw(spent)
                                                                     for piece in (Piece.ENGINE, Piece.TOKENIZER, Piece.CLIENT)}}}[kind]()
        tokens = draw(st.none() | st.integers(1, 100))
        costs.append(Cost((place, 0), e2e_ns, pieces, (None, None), tokens, tokens, draw(st.sampled_from("ab")), draw(st.none() | st.sampled_from("xy"))))
    return costs


@given(sides(), sides())
def test_parts_add_up_to_the_whole_exactly_and_unknown_stays_unknown(old, new):
    found = attribute("short", old, new, shown=True)
    for letter, costs in (("old_ns", old), ("new_ns", new)):
        whole = getattr(found.whole, letter)
        assert sum(getattr(part, letter) or 0 for part in found.parts) == whole
        assert abs(whole - sum(cost.e2e_ns for cost in costs) / len(costs)) <= 500
        unknown = {piece for piece, spent in costs[0].pieces.items() if spent is None}
        assert not unknown or any(unknown <= set(part.pieces) for part in found.parts), "what is unknown was told apart"
        for part in found.parts:
            assert (getattr(part, letter) is None) == (not set(part.pieces) & set(costs[0].pieces))
    listed = [piece for part in found.parts for piece in part.pieces]
    assert len(listed) == len(set(listed))
    assert sum(part.difference_ns for part in found.parts) == found.whole.difference_ns
    if found.whole.difference_ns:
        assert sum(part.share for part in found.parts) == pytest.approx(1, abs=1e-6 * sum(abs(part.share) for part in found.parts) + 1e-9)
    else:
        assert all(part.share is None for part in found.parts)
    assert str(sentence(found))
    assert str(answers(found))


@given(sides(), sides())
def test_swapping_the_sides_swaps_every_part(old, new):
    one, other = attribute("short", old, new, shown=True), attribute("short", new, old, shown=True)
    assert {part.pieces: (part.new_ns, part.old_ns) for part in other.parts} == times(one)
    assert (other.alike.prompts, other.alike.texts) == (one.alike.prompts, one.alike.texts)


# ── what was asked and answered ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_requests_with_the_same_answers_are_said_to_be():
    found = only(side("transformers", {}, **CLOCKLESS), side("transformers-serve", SERVED, **CLOCKLESS))
    assert (found.alike.prompts, found.alike.texts, found.alike.input_tokens, found.alike.output_tokens) == (1.0, 1.0, (16, 16), (16, 16))
    assert found.alike.token_ns is None
    assert str(answers(found)) == "12 and 12 requests; the prompts are the same; tokens in 16, out 16; the texts are the same"


def test_answers_of_other_lengths_are_told_per_token_before_any_time():
    found = only(side("transformers", {}, **CLOCKLESS), side("transformers-serve", SERVED, tokens=10, **CLOCKLESS))
    assert found.alike.token_ns == (12_500_625, 14_001_000)
    assert str(sentence(found)).startswith("short: A answers with 16 tokens and B with 10, at 12.501 and 14.001 ms per token (+1.500 ms); B took 60.0 ms less")


def test_other_prompts_and_other_texts_are_counted_and_texts_of_other_prompts_are_not():
    def other(record, trial):
        return replace(record, prompt_digest="other") if trial.index == 0 else replace(record, text="other") if trial.index == 1 else record

    found = only(side("transformers", {}, **CLOCKLESS), changed(side("transformers-serve", SERVED, **CLOCKLESS), other))
    assert found.alike.prompts == 3 / 4
    assert found.alike.texts == 2 / 3
    assert "75 % of the prompts are the same" in str(answers(found))
    assert "66.7 % of the texts are the same" in str(answers(found))


def test_sampled_texts_are_not_compared():
    sampled = plan_case("short", sampling={"temperature": 0.7, "top_p": 1.0, "seed": 0})

    def hot(run):
        return replace(run, header={**run.header, "plan": {**run.header["plan"], "cases": [sampled]}})

    found = only(hot(side("transformers", {}, **CLOCKLESS)), hot(side("transformers-serve", SERVED, **CLOCKLESS)))
    assert found.alike.texts is None
    assert "text" not in str(answers(found))


def test_requests_that_failed_do_not_count():
    def broken(record, trial):
        return replace(record, status=Status.ERROR, event_ns=(), event_tokens=()) if trial.index == 2 else record

    found = only(side("transformers", {}, **CLOCKLESS), changed(side("transformers-serve", SERVED, **CLOCKLESS), broken))
    assert found.requests == (12, 9)


# ── when ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_two_engines_and_nothing_else_are_attributed():
    old = side("transformers", {}, **CLOCKLESS)
    assert compared(old, side("transformers", {}, 60.0, **CLOCKLESS)).attributions == ()
    assert compare_same([measured_of(old)], [measured_of(side("transformers", {}, 51.0, **CLOCKLESS))]).attributions == ()
    elsewhere = side("transformers-serve", SERVED, header={"environment": {"cores": 64, "cpu": "Kunpeng"}}, **CLOCKLESS)
    assert compared(old, elsewhere, allow_differences=True).attributions == ()


def test_a_difference_that_may_be_chance_is_said_to_be():
    found = only(side("transformers", {}, launches=1, **CLOCKLESS), side("transformers-serve", SERVED, 57.7, launches=1, **CLOCKLESS))
    assert not found.shown
    assert str(sentence(found)).startswith("short: B took 7.7 ms longer per request, which was not shown to be more than chance: engine and HTTP")
    assert str(sentence(replace(found, shown=True))).startswith("short: B takes 7.7 ms longer per request: engine")
    same = attribute("short", [Cost((0, 0), MS, {Piece.ENGINE: float(MS)}, (None, None), 1, 1, "a", "x")] * 2,
                     [Cost((0, 0), MS, {Piece.ENGINE: float(MS)}, (None, None), 1, 1, "a", "x")], shown=False)
    assert str(sentence(same)) == "short: a request takes 1.000 ms on both sides"
    assert attribute("short", [], [], shown=True) is None


@pytest.mark.parametrize("damage", [{"client": "fast"}, {"client": {"1": {}}}, {"client": {"one": LAG}}, {"client": {"1": {**LAG, "last_mean_ns": float("nan")}}},
                                    {"client": {"1": {**LAG, "sent_mean_ns": 10**400}}}, {"tokenizer_ns_per_token": 1e300}, {"tokenizer_ns_per_token": []}])
def test_costs_that_nobody_measured_are_an_error_that_names_the_file(damage):
    with pytest.raises(DataError, match=r"runs/transformers-serve/run\.json is damaged"):
        measured_of(side("transformers-serve", {**SERVED, **damage}, **CLOCKLESS))


# ── the one factor ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_server_started_again_is_the_same_engine():
    """Its port, its folder, how long it took to start and what was measured then are no settings."""
    def started(port, first_ms, lag):
        command = f"/opt/{port}/python -m transformers.cli.transformers serve /models/{port}/small --host 127.0.0.1 --port {port} --device cpu"
        said = {"model_path": f"/models/{port}/small.gguf", "port": port, "nccl_port": port, "media_marker": f"<{port}>", "n_ctx": 512}
        return side("transformers-serve", {**SERVED, "log_says": {"available_bytes": port}, "command": command, "server_says": said, "client": {"1": {**LAG, "last_mean_ns": lag}}},
                    first_ms, **CLOCKLESS)

    assert compared(started(8000, 50.0, 1), started(9000, 51.0, 2)).differences == ()
    other = started(9000, 51.0, 2)
    other.header["launches"][0]["facts"]["options"]["server_says"]["n_ctx"] = 1024
    assert [str(one) for one in compared(started(8000, 50.0, 1), other).differences] == ["options.server_says.n_ctx 512 → 1024"]


def test_a_command_that_no_shell_would_take_is_compared_as_it_is():
    odd = side("transformers-serve", {**SERVED, "command": "python 'serve --port 1"}, **CLOCKLESS)
    assert compared(odd, side("transformers-serve", {**SERVED, "command": "python 'serve --port 2"}, 51.0, **CLOCKLESS)).differences == ()


def test_a_device_at_the_end_of_a_wire_is_not_another_machine():
    seen = {"environment": {"cores": 4, "device": {"name": "NVIDIA H200", "memory_bytes": 150}}}
    unseen = {"environment": {"cores": 4, "device": {"name": "cuda"}}}
    wired = side("vllm-server", SERVED, header=unseen, **CLOCKLESS)
    for one in wired.header["launches"]:
        one["facts"] |= {"device": "cuda", "device_name": "cuda"}
    found = compared(side("vllm", {}, header=seen, **CLOCKLESS), wired)
    assert {one.factor for one in found.differences} == {Factor.ENGINE}
    assert len(found.attributions) == 1
    wired.header["launches"][0]["facts"]["device_name"] = "NVIDIA H20"
    with pytest.raises(UsageError, match=r"machine: device_name NVIDIA H200 → NVIDIA H20"):
        compared(side("vllm", {}, header=seen, **CLOCKLESS), wired)


@pytest.mark.parametrize("path", ["/cache/v1/small/model-fp32.gguf", "/cache/small-GGUF/ggml-model-Q8_0.gguf", "/cache/small.gguf", "small"])
def test_a_checkpoint_and_its_gguf_are_one_model(path):
    target = {"engine": "llama.cpp", "device": "cuda", "model": path, "dtype": "bf16", "options": {}}
    assert len(compared(side("transformers", {}, **CLOCKLESS), side("llama.cpp", {}, header={"target": target})).attributions) == 1


def test_the_weights_that_are_stored_count_and_not_only_those_asked_for():
    new = side("llama.cpp", {})
    new.header["launches"][0]["facts"]["dtypes"] = {"F16": 3, "F32": 1}
    with pytest.raises(UsageError, match=r"work: stored_dtype bf16 → fp16"):
        compared(side("transformers", {}, **CLOCKLESS), new)


def test_words_are_translated_piece_by_piece():
    found = only(side("transformers", {}, **CLOCKLESS), side("transformers-serve", SERVED, 57.7, **CLOCKLESS))
    assert "<engine> and <HTTP>" in sentence(found).render(lambda template: f"<{template}>" if template in {"engine", "HTTP"} else template)
