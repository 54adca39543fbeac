"""What the client says against what the scripted server knows: the definitions, the failures, the schedule.

Counts are compared exactly. Times are compared with the server's log within margins that only a wrong definition oversteps; a lower
bound is strict, because no byte arrives before it is sent.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from pyarrow import parquet
from scipy import stats
from servers import touchstone_load

from touchstone import store
from touchstone.checkpoints.vocabulary import words
from touchstone.judge import metrics
from touchstone.judge.findings import findings_of
from touchstone.judge.load.scan import offered_points
from touchstone.load_plan import Endpoint, Length, Load, LoadPlan, Workload
from touchstone.load_store import load_test
from touchstone.measure.load.connection import parse_address
from touchstone.measure.load.load_test import LoadTest, Target
from touchstone.measure.load.meeting import meet_server
from touchstone.measure.load.play import Control
from touchstone.measure.load.points import Asking
from touchstone.measure.load.preflight import Probe, ServerFacts
from touchstone.measure.load.prompts import Prompter, Words
from touchstone.measure.scripted import FAULTS, Script, ScriptedServer
from touchstone.served import Ending, EventKind

MS = 1_000_000
EARLY_NS = MS // 5
"""How far two stamps of one moment may lie apart: the kernel's are carried over from the wall clock."""
MEDIAN_NS = 5 * MS
TEMPLATE_TOKENS = 4
PATHS = {"openai-chat": "/v1/chat/completions", "openai": "/v1/completions"}
ENDINGS = {None: Ending.OK, "http_500": Ending.HTTP_ERROR, "refuse_429": Ending.REFUSED, "reset": Ending.RESET,
           "stall_forever": Ending.TIMEOUT, "malformed": Ending.MALFORMED, "error_in_stream": Ending.STREAM_ERROR,
           "truncate": Ending.TRUNCATED, "bad_chunk": Ending.MALFORMED, "empty": Ending.EMPTY}
"""What the server did to a request, and how it has to be counted."""


class Offered:
    """A load test that was played in this process, its rows beside the server's log of the same requests."""

    def __init__(self, directory, log):
        self.run = load_test(directory)
        self.requests = self.run.requests
        self.table = parquet.read_table(directory / "requests.parquet").sort_by([("point", "ascending"), ("request", "ascending")])
        by_id = {entry.request_id: entry for entry in log}
        self.entries = [by_id.get(name) for name in self.table["request_id"].to_pylist()]

    def column(self, name):
        return self.table[name].to_pylist()

    def events(self, row):
        """The events of one request, in order, as (kind, at_ns, read_ns, tokens)."""
        found = []
        for batch in self.run.events():
            mine = (batch.request.data == self.requests.request.data[row]) & (batch.point.data == self.requests.point.data[row])
            found += zip(batch.kind[mine].tolist(), batch.at_ns[mine].tolist(), batch.read_ns[mine].tolist(), batch.tokens[mine].tolist(),
                         strict=True)
        return found

    def token_stamps(self, row):
        return [at_ns for kind, at_ns, _, _ in self.events(row) if kind in {EventKind.CONTENT, EventKind.REASONING, EventKind.TOOL}]

    def sending_ns(self, event="token", place=0):
        """When the server began to send that event of each answer: the first, or the last with ``place`` -1."""
        chosen = [entry.token_places if event == "token" else [at for at, name in enumerate(entry.events) if name == event]
                  for entry in self.entries]
        return [entry.sending_ns[places[place]] for entry, places in zip(self.entries, chosen, strict=True)]

    @property
    def verdicts(self):
        return {verdict.rule: verdict.status.value for verdict in findings_of(self.run).verdicts}


def offer(directory, server, load=None, **choices):
    """Offer ``load`` to a scripted server without asking it anything first; ``choices`` go to the plan but for a few."""
    load = load or Load(concurrency=2)
    backend = choices.pop("backend", "openai-chat")
    lengths = {"input_len": Length(mean=choices.pop("input_tokens", 24)), "output_len": Length(mean=choices.pop("output_tokens", 8))}
    endpoint = Endpoint(base_url=server.base_url, backend=backend, path=PATHS[backend], model="scripted", stream=choices.pop("stream", True))
    template_tokens = choices.pop("template_tokens", TEMPLATE_TOKENS if backend == "openai-chat" else 0)
    identity, keep_text = choices.pop("identity", "truth"), choices.pop("keep_text", False)
    plan = LoadPlan(workload=Workload(**lengths), loads=(load,), **{"num_prompts": 4, "warmup": 0, "calibrate": False, "timeout_s": 30, **choices})
    asking = Asking(parse_address(server.base_url), endpoint, Prompter(Words(words()[:64])), template_tokens)
    header = {"id": identity, "kind": "load", "status": "created", "plan": plan.model_dump(mode="json"), "keep_text": keep_text,
              "probe": {"template_tokens": template_tokens}, "endpoint": endpoint.model_dump(mode="json")}
    store.create(directory, header)
    probe = Probe(endpoint, ServerFacts(None, ("scripted",), None, None), template_tokens, (), 0.05, 0.01)
    assert LoadTest(directory, header, Target(asking, {}, probe), lambda *_: None, Control()).play() == "complete"
    return Offered(directory, server.log())


def assert_near(values_ns, truth_ns):
    """Never before the truth, and by the median hardly after it."""
    late_ns = np.asarray(values_ns) - np.asarray(truth_ns)
    assert late_ns.min() > -EARLY_NS
    assert np.median(late_ns) < MEDIAN_NS


# ── which event, which number ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_role_is_not_the_first_token(tmp_path):
    with ScriptedServer(Script(role_first=True, role_s=0.005, ttft_s=0.214, itl_s=0.005)) as server:
        seen = offer(tmp_path / "run", server)
    assert_near(seen.column("first_event_ns"), seen.sending_ns("role"))
    assert_near(seen.column("first_token_ns"), seen.sending_ns())
    assert metrics.ttft(seen.requests).min() > 0.21
    assert metrics.ttfe(seen.requests).max() < 0.2
    assert [kind for kind, *_ in seen.events(0)][:2] == [EventKind.EMPTY, EventKind.CONTENT]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_tokens_and_not_output(tmp_path, field):
    script = Script(ttft_s=0.02, itl_s=0.03, reasoning_tokens=5, reasoning_field=field)
    with ScriptedServer(script) as server:
        seen = offer(tmp_path / "run", server)
    assert [kind for kind, *_ in seen.events(0)][:8] == [EventKind.REASONING] * 5 + [EventKind.CONTENT] * 3
    assert_near(seen.column("first_token_ns"), seen.sending_ns("reasoning"))
    assert_near(seen.column("first_output_ns"), seen.sending_ns("content"))
    assert (metrics.ttfo(seen.requests) - metrics.ttft(seen.requests)).min() > 0.1
    assert seen.column("token_events") == [8] * 4


def test_an_answer_that_only_thinks_has_no_output(tmp_path):
    with ScriptedServer(Script(ttft_s=0.01, itl_s=0.002, reasoning_tokens=8)) as server:
        seen = offer(tmp_path / "run", server)
    assert seen.column("ending") == [Ending.OK] * 4
    assert metrics.ttft(seen.requests).count() == 4
    assert metrics.ttfo(seen.requests).count() == 0


def test_tpot_leaves_out_all_tokens_of_the_first_event(tmp_path):
    """30 tokens: 10 in the first event, then 4 in each of five, 40 ms apart. A token takes 10 ms, not 40, nor 200/29."""
    script = Script(ttft_s=0.02, itl_s=0.04, first_event_tokens=10, tokens_per_event=4, usage="continuous")
    with ScriptedServer(script) as server:
        seen = offer(tmp_path / "run", server, output_tokens=30)
    assert seen.column("first_tokens") == [10] * 4
    assert [tokens for kind, _, _, tokens in seen.events(0) if kind == EventKind.CONTENT] == [10, 4, 4, 4, 4, 4]
    span_s = (seen.requests.last_token_ns - seen.requests.first_token_ns) / 1e9
    assert np.allclose(metrics.tpot(seen.requests), span_s / 20, rtol=0, atol=1e-12)
    assert np.median(metrics.tpot(seen.requests).compressed()) == pytest.approx(0.010, abs=0.0005)


def test_tokens_that_no_event_owns_up_to_are_not_guessed(tmp_path):
    """The same without running usage: that an event brings four tokens cannot be known, and is not claimed."""
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.01, first_event_tokens=10, tokens_per_event=4)) as server:
        seen = offer(tmp_path / "run", server, output_tokens=30)
    assert seen.column("first_tokens") == [None] * 4
    assert {tokens for kind, _, _, tokens in seen.events(0) if kind == EventKind.CONTENT} == {None}
    assert seen.column("output_tokens") == [30] * 4
    assert seen.column("token_events") == [6] * 4


def test_events_that_come_together_share_a_stamp_and_make_no_gap(tmp_path):
    """Twelve events in four sends of three: three gaps per answer at most, and none of nothing."""
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.01, coalesce=3)) as server:
        seen = offer(tmp_path / "run", server, output_tokens=12)
    [offered] = offered_points(seen.run)
    for row in range(4):
        stamps = seen.token_stamps(row)
        assert len(stamps) == 12
        assert all(len(set(stamps[first:first + 3])) == 1 for first in range(0, 12, 3))
        arrivals = len(set(stamps))
        assert arrivals <= 4
        assert offered.streams.arrivals[row] == arrivals
    assert (np.asarray(offered.gaps_s) > 0).all()
    assert len(offered.gaps_s) == offered.streams.arrivals.sum() - 4
    assert np.median(offered.gaps_s) == pytest.approx(0.03, abs=0.005)


@pytest.mark.parametrize("line_end", ["LF", "CRLF"])
def test_an_event_has_come_when_its_last_byte_has(tmp_path, line_end):
    """Each event is written in seven pieces, so that characters and line ends are cut in two."""
    script = Script(ttft_s=0.02, itl_s=0.03, split=7, split_pause_s=0.002, token_text=" 试金石", line_end=line_end)
    with ScriptedServer(script) as server:
        seen = offer(tmp_path / "run", server, keep_text=True)
    for row, entry in enumerate(seen.entries):
        assert_near(seen.token_stamps(row), [entry.sending_ns[place] for place in entry.token_places])
    assert seen.table["text"].to_pylist() == [" 试金石" * 8] * 4


def test_what_follows_the_last_token_is_not_decoding(tmp_path):
    """Usage comes 50 ms after the last token and the end of the stream another 50 ms later."""
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.005, usage="late", late_usage_s=0.05, done_late_s=0.05)) as server:
        seen = offer(tmp_path / "run", server)
    assert_near(seen.column("last_token_ns"), seen.sending_ns(place=-1))
    assert_near(seen.column("ended_ns"), seen.sending_ns("done"))
    assert (metrics.stream_end(seen.requests) - metrics.e2e(seen.requests)).min() > 0.09
    assert seen.column("output_tokens") == [8] * 4
    assert np.median(metrics.e2e(seen.requests).compressed()) < 0.02 + 7 * 0.005 + 0.04


def test_an_answer_in_one_piece_has_no_first_token_before_its_end(tmp_path):
    with ScriptedServer(Script(ttft_s=0.03, itl_s=0.01)) as server:
        seen = offer(tmp_path / "run", server, stream=False)
    assert seen.column("ending") == [Ending.OK] * 4
    assert seen.column("output_tokens") == [8] * 4
    assert metrics.tpot(seen.requests).count() == 0
    assert_near(seen.column("last_token_ns"), seen.sending_ns(place=-1))
    assert metrics.e2e(seen.requests).min() > 0.03 + 7 * 0.01 - 5e-3


def test_an_answer_that_stops_early_is_counted_as_long_as_it_is(tmp_path):
    with ScriptedServer(Script(ttft_s=0.01, itl_s=0.002, output_tokens=3)) as server:
        seen = offer(tmp_path / "run", server)
    assert seen.column("output_tokens_asked") == [8] * 4
    assert seen.column("output_tokens") == [3] * 4
    assert seen.verdicts["output-length"] != "pass"


def test_without_usage_nothing_is_claimed_about_tokens(tmp_path):
    with ScriptedServer(Script(ttft_s=0.01, itl_s=0.002, usage="missing")) as server:
        seen = offer(tmp_path / "run", server)
    assert seen.column("ending") == [Ending.OK] * 4
    assert [seen.column(name) for name in ("output_tokens", "input_tokens", "output_tokens_text")] == [[None] * 4] * 3
    assert metrics.ttft(seen.requests).count() == 4
    assert metrics.tpot(seen.requests).count() == 0


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("template_tokens", [0, 4, 37])
def test_the_template_is_found_and_taken_off_the_prompts(tmp_path, template_tokens):
    plan = LoadPlan(workload=Workload(), loads=(Load(concurrency=1),), num_prompts=1)
    with ScriptedServer(Script(ttft_s=0.001, itl_s=0.001, template_tokens=template_tokens)) as server:
        endpoint = Endpoint(base_url=server.base_url, backend="openai-chat", path=PATHS["openai-chat"])
        target = meet_server(endpoint, plan, {}, fixed=False)
        assert target.asking.template_tokens == template_tokens
        seen = offer(tmp_path / "run", server, template_tokens=template_tokens, input_tokens=64)
    assert [entry.prompt_tokens for entry in seen.entries] == [64] * 4
    assert seen.column("input_tokens") == seen.column("input_tokens_asked") == [64] * 4
    assert seen.verdicts["input-length"] == "pass"


def test_a_template_that_was_missed_is_seen(tmp_path):
    with ScriptedServer(Script(ttft_s=0.001, itl_s=0.001, template_tokens=37)) as server:
        seen = offer(tmp_path / "run", server, template_tokens=0, input_tokens=64)
    assert seen.column("input_tokens") == [64 + 37] * 4
    assert seen.column("input_tokens_asked") == [64] * 4
    assert seen.verdicts["input-length"] not in {"pass", "cannot tell"}


def test_no_two_prompts_share_anything_that_a_cache_could_keep(tmp_path):
    with ScriptedServer(Script(ttft_s=0.001, itl_s=0.001, cache=True)) as server:
        first = offer(tmp_path / "a", server, identity="a", input_tokens=200, repeats=2, num_prompts=6)
        other = offer(tmp_path / "b", server, identity="b", input_tokens=200, repeats=2, num_prompts=6)
        again = offer(tmp_path / "c", server, identity="b", input_tokens=200, repeats=2, num_prompts=6)
    assert first.column("cached_tokens") == other.column("cached_tokens") == [0] * 12
    assert first.verdicts["prefix-cache"] == other.verdicts["prefix-cache"] == "pass"
    assert min(again.column("cached_tokens")) > 150
    assert again.verdicts["prefix-cache"] == "inconsistent"


def test_a_very_long_prompt(tmp_path):
    with ScriptedServer(Script(ttft_s=0.05, itl_s=0.002)) as server:
        seen = offer(tmp_path / "run", server, input_tokens=100_000, num_prompts=2)
    assert seen.column("input_tokens") == [100_000] * 2
    assert seen.column("ending") == [Ending.OK] * 2
    assert metrics.ttft(seen.requests).min() > 0.045


# ── times and schedules against the log ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("processes", [1, 2])
def test_every_request_as_the_server_saw_it(tmp_path, processes):
    with ScriptedServer(Script(ttft_s=0.03, itl_s=0.01, jitter=0.5, role_first=True)) as server:
        seen = offer(tmp_path / "run", server, Load(concurrency=8), num_prompts=48, output_tokens=12, processes=processes)
        log = server.log()
    assert set(seen.column("process")) == set(range(processes))
    assert sorted(entry.request_id for entry in log) == sorted(seen.table["request_id"].to_pylist())
    assert seen.column("token_events") == [len(entry.token_places) for entry in seen.entries] == [12] * 48
    assert seen.column("output_tokens") == [entry.output_tokens for entry in seen.entries]
    received = [entry.received_ns for entry in seen.entries]
    assert_near(received, seen.column("sent_ns"))
    assert_near(seen.column("first_token_ns"), seen.sending_ns())
    assert_near(seen.column("last_token_ns"), seen.sending_ns(place=-1))
    errors = [np.abs(np.diff(seen.token_stamps(row)) - np.diff(entry.token_sent_ns)) for row, entry in enumerate(seen.entries)]
    assert np.median(np.concatenate(errors)) < MEDIAN_NS
    assert seen.verdicts["times-add-up"] == "pass"


@pytest.mark.parametrize("processes", [1, 2])
def test_requests_leave_as_planned(tmp_path, processes):
    """The gaps that the server saw have the distribution that was asked for, however many processes made them."""
    rate = 80.0
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.002)) as server:
        seen = offer(tmp_path / "run", server, Load(arrival="poisson", request_rate=rate), num_prompts=200, processes=processes)
    planned = np.array(seen.column("scheduled_ns"))
    received = np.array([entry.received_ns for entry in seen.entries])
    assert set(seen.column("process")) == set(range(processes))
    assert_near(received, planned)
    gaps_s = np.diff(np.sort(received)) / 1e9
    assert stats.ks_2samp(gaps_s, np.diff(planned) / 1e9).statistic < 0.15
    assert stats.kstest(gaps_s, stats.expon(scale=1 / rate).cdf).pvalue > 1e-3
    [digest] = {point.client["schedule_digest"] for point in seen.run.points}
    assert digest


def test_a_server_that_stands_still_is_seen_from_the_schedule(tmp_path):
    """Every two seconds it stands still for half of one, and four requests may be in flight: from sending, four are late each time;
    from the schedule all are that were due meanwhile (coordinated omission)."""
    with ScriptedServer(Script(ttft_s=0.01, itl_s=0.002, stall_s=0.5, stall_every_s=2.0)) as server:
        seen = offer(tmp_path / "run", server, Load(arrival="constant", request_rate=60.0, concurrency=4), num_prompts=260)
    ttft, response = metrics.ttft(seen.requests), metrics.response_ttft(seen.requests)
    assert np.allclose(response - ttft, metrics.send_lag(seen.requests), rtol=0, atol=1e-9)
    late, really_late = int((ttft > 0.2).sum()), int((response > 0.2).sum())
    assert 0 < late <= 4 * 8
    assert really_late > 2 * late
    assert np.quantile(response.compressed(), 0.9) > 5 * np.quantile(ttft.compressed(), 0.9)


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_by_itself(tmp_path, fault):
    backend = "openai" if FAULTS.index(fault) % 2 else "openai-chat"
    with ScriptedServer(Script(ttft_s=0.005, itl_s=0.002, faults={fault: 1.0})) as server:
        seen = offer(tmp_path / "run", server, backend=backend, timeout_s=0.5)
    unheard = [row for row, entry in enumerate(seen.entries) if entry is None]
    assert [entry.fault for entry in seen.entries if entry] == [fault] * (4 - len(unheard))
    assert seen.column("ending") == [Ending.TRUNCATED if row in unheard else ENDINGS[fault] for row in range(4)]
    # After a bad chunk the server closes a connection that looked good, and the next request may be on its way already.
    assert not unheard or fault == "bad_chunk"
    for latency in (metrics.ttft, metrics.e2e, metrics.tpot, metrics.response_ttft, metrics.stream_end):
        assert latency(seen.requests).count() == 0
    assert metrics.send_lag(seen.requests).count() == 4
    assert all(seen.table["error"].to_pylist()) or fault in {"reset", "stall_forever"}


def test_faults_mixed_are_each_counted_once(tmp_path):
    """Through the command itself: what it printed, the rows and the server's own log say the same of every request."""
    script = Script(ttft_s=0.01, itl_s=0.003, role_first=True, faults=dict.fromkeys(FAULTS, 0.05), seed=3)
    with ScriptedServer(script) as server:
        loaded = touchstone_load(tmp_path / "run", server.base_url, "--input-len", 24, "--output-len", 8, "--num-prompts", 160,
                                 "--concurrency", 8, "--warmup", 0, "--timeout", "1s")
        log = {entry.request_id: entry for entry in server.log()}
    heard = [log.get(name) for name in loaded.facts["request_id"]]
    truth = [ENDINGS[entry.fault] if entry else Ending.TRUNCATED for entry in heard]  # see above for those that were not heard
    faults = Counter(entry.fault for entry in heard if entry)
    assert set(faults) == {None, *FAULTS}
    assert heard.count(None) <= faults["bad_chunk"]
    assert loaded.requests.ending.tolist() == truth
    [case] = loaded.report["cases"]
    failed = Counter(ending.word for ending in truth if ending is not Ending.OK)
    assert case["counts"] == {"issued": 160, "ok": faults[None], "failed": dict(failed)}
    assert faults[None] + sum(failed.values()) == 160
    for name in ("ttft", "e2e", "tpot"):
        assert case["metrics"][name]["n"] == faults[None]
    assert metrics.e2e(loaded.requests).max() < 1.0
