"""A run by the definitions of other tools: hand-computed numbers of one small answer, and what holds for all of them.

That each definition is the tool's own is proven in tests/peers, by the tool's own code.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
from builders import MS, S, clean_run, ints, make_events, make_load_run, make_requests, make_stream, steady_requests
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.claim import STATISTICS
from touchstone.errors import UsageError
from touchstone.judge.definitions import TOOLS, metrics_as_table
from touchstone.judge.metrics import METRICS
from touchstone.served import EVENT_COLUMNS, Ending, EventKind, Events

ROLE_FIRST = [(5, "EMPTY", None), (100, "REASONING", 4), (120, "CONTENT", 1), (120, "CONTENT", 1), (160, "CONTENT", 4), (165, "FINISH", None),
              (190, "USAGE", None)]


def table(run, tool):
    """The metrics of a run with one case, by name."""
    ((_, found),) = metrics_as_table(run, tool)
    return {one.name: one for one in found}


def of_one_answer(tool, told=ROLE_FIRST, ended_ms=200, backend="openai-chat", **changes):
    """The metrics of one answer of ten tokens."""
    requests, events = make_stream(told, ended_ms=ended_ms, **{"output_tokens": [10], **changes})
    return table(make_load_run(requests, events, endpoint={"backend": backend, "stream": True}), tool)


def mean(metric):
    return metric.statistics["mean" if "mean" in metric.statistics else "value"]


@pytest.mark.parametrize(("tool", "expected"), [
    ("vllm", {"TTFT": 100, "TPOT": 60 / 9, "ITL": 60 / 3, "E2EL": 160, "Output token throughput": 50}),
    ("sglang", {"TTFT": 100, "TPOT": 100 / 9, "ITL": 60 / 3, "E2E Latency": 200, "Output token throughput": 50}),
    ("guidellm", {"TTFT": 100, "TTFOT": 120, "ITL": 60 / 9, "TPOT": 160 / 10, "Request Latency": 0.2, "Output Tokens Per Sec": 50}),
    ("aiperf", {"Time to First Token": 100, "Time to First Output Token": 120, "Time to Second Token": 20, "Inter Token Latency": 60 / 9,
                "Inter Chunk Latency": 20, "Request Latency": 160, "Output Token Throughput": 10 / 0.16}),
    ("evalscope", {"TTFT": 100, "TPOT": 90 / 9, "ITL": 20, "Latency": 0.19, "Output Throughput": 10 / 0.19}),
    ("aisbench", {"TTFT": 5, "TPOT": 185 / 9, "ITL": 185 / 6, "E2EL": 190, "Output Token Throughput": 10 / 0.19}),
])
def test_one_answer_is_six_different_answers(tool, expected):
    """Role at 5 ms, ten tokens in four events from 100 to 160 ms, two of them together, usage at 190 ms, end at 200 ms."""
    found = of_one_answer(tool)
    assert {name: mean(found[name]) for name in expected} == {name: pytest.approx(value) for name, value in expected.items()}


@pytest.mark.parametrize("tool", ["vllm", "sglang"])
def test_requests_in_one_second_count_as_concurrent_and_it_is_said(tool):
    """Three of a tenth of a second, one after the other."""
    found = table(make_load_run(requests := make_requests(3, sent_ns=[0, 200 * MS, 400 * MS]), make_events(requests, step_ns=MS)), tool)
    assert mean(found["Peak concurrent requests"]) == 3
    assert "exceeds the concurrency" in str(found["Peak concurrent requests"].differs)


def test_where_no_answer_counts_there_is_no_peak():
    """An answer of one event that vLLM does not count, and one that broke off before any."""
    events = make_events(requests := make_requests(1, token_events=[1], output_tokens=[1]))
    empty = make_load_run(requests, Events(**{**vars(events), "kind": ints([EventKind.EMPTY] * len(events))}))
    for run in (empty, make_load_run(make_requests(1, ending=[Ending.RESET]), [])):
        found = table(run, "vllm")
        assert [mean(found[f"Peak {what}"]) for what in ("concurrent requests", "output token throughput")] == [None, None]


def test_an_empty_text_is_a_token_to_vllm_once_the_first_has_come():
    told = [(5, "EMPTY", None), (100, "CONTENT", 1), (130, "EMPTY", None), (165, "FINISH", None)]
    chat, plain = (of_one_answer("vllm", told, backend=backend) for backend in ("openai-chat", "openai"))
    assert (mean(chat["TTFT"]), mean(chat["E2EL"])) == (pytest.approx(100), pytest.approx(130))
    assert (mean(plain["TTFT"]), mean(plain["E2EL"])) == (pytest.approx(5), pytest.approx(165))


def test_where_nobody_counts_sglang_takes_what_was_asked_and_guidellm_the_events():
    missing = {"output_tokens": [None], "output_tokens_asked": [64]}
    assert mean(of_one_answer("sglang", **missing)["Total generated tokens"]) == 64
    assert mean(of_one_answer("guidellm", **missing)["Output Tok Per Req"]) == 4
    lost = of_one_answer("vllm", **missing)
    assert mean(lost["Output token throughput"]) is None
    assert mean(lost["TPOT"]) is None
    assert "the tokens of 1 answers are unknown" in str(lost["TPOT"].differs)
    assert mean(of_one_answer("vllm", **missing, output_tokens_text=[11])["TPOT"]) == pytest.approx(60 / 10)


@pytest.mark.parametrize("tool", TOOLS)
def test_of_a_plain_stream_all_tools_say_what_we_say(tool):
    """One token in every event, nothing before the first or after the last: there is nothing left to disagree about but the ramp."""
    requests = steady_requests(80)
    requests.ended_ns[:] = requests.last_token_ns
    expected = {"ttft": 0.05, "ttfo": 0.05, "ttfe": 0.05, "tpot": 0.01, "itl": 0.01, "e2e": 0.2, "decode_speed": 100}
    found = table(make_load_run(requests), tool).values()
    scale = {"ms": 1e-3, "s": 1, "tokens/sec/user": 1, "tok/s": 1}
    compared = [(one.name, mean(one) * scale[one.unit], expected[one.ours]) for one in found if one.ours in expected
                and (tool, one.name) != ("guidellm", "TPOT")]  # the wait for the first token is in it
    assert len(compared) >= 3
    assert [name for name, value, right in compared if value != pytest.approx(right)] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_every_metric_says_what_it_is(tool):
    assert TOOLS[tool].name == tool
    for one in table(make_load_run(steady_requests(40)), tool).values():
        assert one.formula
        assert one.unit
        assert one.ours is None or one.ours in METRICS
        assert set(one.statistics) <= {*STATISTICS, "mean", "value"}
        assert all(isinstance(value, float) for value in one.statistics.values()), one.name


def test_an_unknown_tool_is_a_usage_error_that_offers_the_nearest():
    with pytest.raises(UsageError, match="Did you mean sglang"):
        metrics_as_table(make_load_run(steady_requests(8)), "sglng")


@pytest.mark.parametrize("tool", TOOLS)
def test_repeats_are_one_long_run(tool):
    one, other = make_requests(4), make_requests(4, first_token_ns=[S * place + 70 * MS for place in range(4)])
    both = make_requests(8, point=[0] * 4 + [1] * 4, request=[*range(4)] * 2, sent_ns=[*one.sent_ns.tolist(), *other.sent_ns.tolist()],
                         first_token_ns=[*one.first_token_ns.tolist(), *other.first_token_ns.tolist()])
    found, single = table(make_load_run(both), tool), table(make_load_run(one), tool)
    rates = [name for name, metric in single.items() if metric.unit in {"req/s", "requests/sec"}]
    name = next(name for name, metric in single.items() if metric.ours in {"ttft", "ttfe"})
    assert mean(found[name]) == pytest.approx(60)
    assert rates
    for rate in rates:  # twice the requests in twice the time
        assert mean(found[rate]) == pytest.approx(mean(single[rate]), rel=0.01)


@pytest.mark.parametrize("tool", TOOLS)
def test_an_engine_in_this_process_is_read_by_the_same_definitions(tool):
    cases = dict(metrics_as_table(clean_run(), tool))
    assert list(cases) == ["short", "batch-4"]
    for found in cases.values():
        first = next(one for one in found if one.ours in {"ttft", "ttfe"})
        assert mean(first) == pytest.approx(50, rel=0.01)


def test_answers_in_one_piece_do_not_say_when_a_token_came():
    requests = make_requests(4, first_token_ns=[None] * 4, token_events=[1] * 4)
    events = make_events(requests)
    events.at_ns[:] = requests.ended_ns
    found = table(make_load_run(requests, events, endpoint={"backend": "openai-chat", "stream": False}), "vllm")
    for name in ("TTFT", "TPOT", "ITL"):
        assert set(found[name].statistics.values()) == {None}
        assert "in one piece" in str(found[name].differs)
    assert mean(found["E2EL"]) == pytest.approx(201)
    assert mean(found["Output token throughput"]) > 0


# ── nothing breaks them ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tool", TOOLS)
def test_without_one_good_answer_there_are_no_latencies(tool):
    for events in (None, []):
        found = table(make_load_run(make_requests(3, ending=[Ending.RESET] * 3), events), tool).values()
        latencies = [one for one in found if one.unit in {"ms", "s"} and "duration" not in one.name.lower()]
        assert len(latencies) >= 4
        assert {value for one in latencies for value in one.statistics.values()} == {None}


@pytest.mark.parametrize("tool", TOOLS)
def test_events_of_nobody_and_without_a_time_change_nothing(tool):
    requests = make_requests(3)
    events = make_events(requests)
    more = [Events(point=ints([point]), request=ints([request]), at_ns=ints([at_ns]), read_ns=ints([at_ns]), tokens=ints([1]), kind=ints([0]))
            for point, request, at_ns in ((0, 17, 1), (0, 1 << 40, 1), (0, -5, 1), (9, 0, 1), (0, 0, None))]
    whole, plain = (table(make_load_run(requests, batches), tool) for batches in ([events, *more], [events]))
    assert {name: one.statistics for name, one in whole.items()} == {name: one.statistics for name, one in plain.items()}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("far_ns", [400 * 86_400 * S, 1 << 61])
def test_stamps_ages_apart_cost_no_memory(tool, far_ns):
    requests = make_requests(2, sent_ns=[0, far_ns])
    found = table(make_load_run(requests), tool)
    assert all(value is None or np.isfinite(value) for one in found.values() for value in one.statistics.values())
    if tool in {"vllm", "sglang"}:
        assert mean(found["Peak concurrent requests"]) is None


@pytest.mark.parametrize("tool", TOOLS)
def test_a_point_without_requests_has_no_numbers(tool):
    run = make_load_run(make_requests(2))
    nobody = replace(run, points=(replace(run.points[0], index=5, case="nobody"),))
    assert {value for one in table(nobody, tool).values() for value in one.statistics.values()} <= {None, 0.0}
    assert metrics_as_table(replace(run, points=()), tool) == ()


def rows(events, chosen):
    return Events(**{one.name: getattr(events, one.name)[chosen] for one in fields(Events)})


@settings(max_examples=30)
@given(st.data())
def test_batches_and_the_order_of_answers_change_nothing(data):
    tool = data.draw(st.sampled_from(sorted(TOOLS)))
    count = data.draw(st.integers(1, 10))
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    requests = make_requests(count, token_events=lengths, output_tokens=lengths,
                             ending=data.draw(st.lists(st.sampled_from([Ending.OK, Ending.OK, Ending.STREAM_ERROR, Ending.RESET]),
                                                       min_size=count, max_size=count)))
    events = make_events(requests)
    kinds = data.draw(st.lists(st.sampled_from(list(EventKind)), min_size=len(events), max_size=len(events)))
    events = Events(**{**vars(events), "kind": ints(kinds)})
    whole = table(make_load_run(requests, events), tool)
    answers = [np.flatnonzero(events.request.data == row) for row in data.draw(st.permutations(range(count)))]
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1)))) if count > 1 else []
    parts = [np.concatenate([answers[place] for place in part]) for part in np.split(np.arange(count), cuts)]
    parted = table(make_load_run(requests, [rows(events, part) for part in parts]), tool)
    for name, one in whole.items():
        assert parted[name].statistics == {key: value if value is None else pytest.approx(value) for key, value in one.statistics.items()}
    assert set(EVENT_COLUMNS) == {one.name for one in fields(Events)}
