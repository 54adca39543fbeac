"""Every rule on a load run: passes on a sound one, and speaks up on the one thing that was broken."""

import numpy as np
import pytest
from builders import MS, S, make_events, make_load, make_load_plan, make_load_run, make_requests, make_stream, steady_requests

from touchstone.finding import Judgement, Trust
from touchstone.judge.findings import findings_of
from touchstone.judge.load.audit import LOAD_RULES
from touchstone.served import Ending

PASS, SUSPECT, INCONSISTENT, CANNOT_TELL = Judgement.PASS, Judgement.SUSPECT, Judgement.INCONSISTENT, Judgement.CANNOT_TELL


def verdicts(rule, requests=None, events=None, **header):
    run = make_load_run(steady_requests(400) if requests is None else requests, events, **header)
    return [one for one in findings_of(run).verdicts if one.rule == rule]


def status(rule, requests=None, events=None, **header):
    (found,) = verdicts(rule, requests, events, **header)
    return found.status


def reading(at_ns=0, tokens=0, queries=0, hits=0, ttft=(0, 0.0), engine="vllm"):
    return {"at_ns": at_ns, "engine": engine,
            "values": {"generation_tokens_total": tokens, "prefix_cache_queries": queries, "prefix_cache_hits": hits},
            "histograms": {"ttft_seconds": {"count": ttft[0], "sum_s": ttft[1], "buckets": []}}}


def served(after):
    return {"points": [{"server": {"before": reading(), "after": after}}]}


def test_a_sound_run_passes_every_rule_that_applies():
    found = findings_of(make_load_run(steady_requests(400), plan={"repeats": 1}, **served(reading(1, 6400, 3200, 0, (400, 20.0)))))
    assert found.trust is Trust.TRUSTED
    assert {one.rule for one in found.verdicts if one.status is not PASS} == {"repeats"}
    assert {one.rule for one in found.verdicts} == {rule.id for rule in LOAD_RULES} - {
        "send-lag", "offered-rate", "arrivals", "burst", "warm-up", "text-tokens"} | {"AL1", "AL2", "AL3", "AL9", "AL13"}


def test_ids_of_rules_differ_and_each_says_what_must_hold():
    assert len({rule.id for rule in LOAD_RULES}) == len(LOAD_RULES)
    assert all(rule.formula for rule in LOAD_RULES)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("failed", "expected"), [(0, PASS), (1, SUSPECT), (20, SUSPECT), (21, INCONSISTENT)])
def test_failures_are_counted_and_too_many_reject(failed, expected):
    requests = steady_requests(400, ending=[Ending.RESET if place < failed else Ending.OK for place in range(400)])
    (found,) = verdicts("failures", requests)
    assert found.status is expected
    if failed:
        assert f"{failed} of 400 requests failed (reset {failed})" in str(found.message)


def test_requests_that_we_stopped_are_no_failures():
    assert status("failures", steady_requests(400, ending=[Ending.OK] * 300 + [Ending.STOPPED] * 100)) is PASS


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, PASS), ({"output_tokens": [16] * 399 + [3]}, SUSPECT), ({"output_tokens": [16] * 399 + [17]}, INCONSISTENT),
    ({"output_tokens": [None] * 400}, CANNOT_TELL)])
def test_answers_must_have_the_length_that_was_asked(changes, expected):
    assert status("output-length", steady_requests(400, **changes)) is expected


def test_answers_may_stop_where_they_are_free_to():
    assert verdicts("output-length", steady_requests(400, output_tokens=[3] * 400), plan={"ignore_eos": False}) == []


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, PASS), ({"input_tokens": [8] * 399 + [12]}, INCONSISTENT), ({"input_tokens": [None] * 400}, CANNOT_TELL),
    ({"input_tokens_asked": [None] * 400}, CANNOT_TELL)])
def test_the_length_of_every_prompt_is_proven(changes, expected):
    assert status("input-length", steady_requests(400, **changes)) is expected


def test_a_wrong_prompt_of_a_request_that_failed_is_not_counted():
    requests = steady_requests(400, input_tokens=[8] * 399 + [12], ending=[Ending.OK] * 399 + [Ending.EMPTY])
    assert status("input-length", requests) is PASS


def test_tokens_of_events_must_be_those_the_server_counted():
    requests = steady_requests(400)
    events = make_events(requests)
    events.tokens[7] = 3
    assert status("token-conservation", requests, events) is INCONSISTENT
    assert status("token-conservation", requests, make_events(requests, tokens=None)) is PASS  # as many events as tokens
    more = steady_requests(400, output_tokens=[16] * 399 + [64], output_tokens_asked=[64] * 400)
    assert status("token-conservation", more, make_events(more, tokens=None)) is CANNOT_TELL


def test_a_last_token_that_is_counted_and_not_sent_is_forgiven_where_the_answer_stopped_early():
    requests, events = make_stream([(50 + place, "CONTENT", 1) for place in range(9)], output_tokens=[10])
    assert status("token-conservation", requests, events) is PASS
    assert status("token-conservation", *make_stream([(50 + place, "CONTENT", 1) for place in range(15)], output_tokens=[16])) is INCONSISTENT


def test_more_events_than_tokens_are_suspect():
    requests = steady_requests(400, output_tokens=[12] * 400, output_tokens_asked=[12] * 400)
    assert status("token-conservation", requests, make_events(requests, tokens=None)) is SUSPECT


def test_an_event_table_that_is_not_the_requests_is_inconsistent():
    requests = steady_requests(400)
    events = make_events(requests)
    assert status("token-conservation", requests, type(events)(**{name: column[:-1] for name, column in vars(events).items()})) is INCONSISTENT
    events.request[:] = events.request + 1
    assert status("token-conservation", requests, events) is INCONSISTENT


def test_tokenising_again_is_told_and_proves_nothing():
    assert status("text-tokens", steady_requests(400, output_tokens_text=[16] * 400)) is PASS
    assert status("text-tokens", steady_requests(400, output_tokens_text=[23] * 400)) is CANNOT_TELL


def test_first_events_of_unknown_size_are_suspect_where_events_bring_several_tokens():
    told = [(50 + 10 * place, "CONTENT", None) for place in range(8)]
    assert status("first-event", *make_stream(told, output_tokens=[32])) is SUSPECT
    assert status("first-event", *make_stream([(at, kind, 4) for at, kind, _ in told])) is PASS
    assert status("first-event", *make_stream(told, output_tokens=[8])) is PASS


# ── times ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_stamps_of_requests_must_be_those_of_their_events():
    requests = steady_requests(400)
    events = make_events(requests)
    requests.last_token_ns[5] = requests.last_token_ns[5] + MS
    assert status("times-add-up", requests, events) is INCONSISTENT


def test_a_token_before_its_request_was_sent_is_inconsistent():
    requests = steady_requests(400)
    requests.sent_ns[5] = requests.first_token_ns[5] + 1_000_000
    assert status("times-add-up", requests, make_events(requests)) is INCONSISTENT


def test_little_s_law_counts_what_is_in_flight():
    (found,) = verdicts("littles-law")
    assert found.status is PASS
    assert "7.96" in str(found.message)


def test_more_in_flight_than_was_allowed_is_inconsistent():
    assert status("littles-law", load=make_load(concurrency=7)) is INCONSISTENT


def test_slots_that_stand_empty_are_suspect():
    assert status("littles-law", load=make_load(concurrency=16)) is SUSPECT


def test_users_who_think_between_their_turns_leave_slots_empty():
    load = make_load(concurrency=16)
    lengths = {"input_len": {"mean": 8.0}, "output_len": {"mean": 16.0}}
    thinking = {"kind": "synthetic", **lengths, "turns": 3, "think_time_s": 0.3}
    assert status("littles-law", load=load, plan=make_load_plan(load, workload=thinking)) is PASS


def test_a_search_is_not_doubted_for_the_short_window_of_a_probe():
    goal = {"quantiles": [0.9], "whole": True, "start": 1.0, "least": 1.0, "most": 16.0, "resolution": 0.05, "confidence": 0.95, "most_requests": None}
    short = steady_requests(24)
    assert status("window", short) is SUSPECT
    assert status("window", short, search={"goal": goal, "history": []}) is CANNOT_TELL


def test_a_queue_that_grows_is_not_steady():
    sent = [place * 10 * MS for place in range(1000)]
    ended = [round(at + 100 * MS + 2 * at) for at in sent]
    requests = make_requests(1000, sent_ns=sent, ended_ns=ended)
    assert status("littles-law", requests, load=make_load(concurrency=None, request_rate=100.0, arrival="constant")) is SUSPECT


def test_without_a_steady_window_little_s_law_cannot_be_asked():
    requests = make_requests(40, sent_ns=[0] * 40)
    assert status("littles-law", requests, load=make_load(concurrency=None, arrival="burst")) is CANNOT_TELL
    assert status("window", requests, load=make_load(concurrency=None, arrival="burst")) is SUSPECT


def test_a_window_must_hold_three_of_the_longest_request():
    assert status("window") is PASS
    assert status("window", steady_requests(32)) is SUSPECT


@pytest.mark.parametrize(("count", "expected"), [(298, CANNOT_TELL), (299, PASS)])
def test_a_p99_needs_its_number_of_requests(count, expected):
    assert status("samples", steady_requests(count)) is expected


# ── the offer ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def drawn(count=2000, rate=50.0, shape=1.0, seed=1, lag=None, stretch=1.0):
    """Requests of a gamma schedule, sent ``lag`` (a function of a generator) late and ``stretch`` times as slowly."""
    rng = np.random.default_rng(seed)
    planned = np.cumsum(rng.gamma(shape, 1 / shape / rate, count) * S).astype(np.int64)
    sent = (planned * stretch).astype(np.int64) + (0 if lag is None else lag(rng, count))
    return make_requests(count, scheduled_ns=planned, sent_ns=[int(at) for at in sent])


POISSON = make_load(concurrency=None, request_rate=50.0, arrival="poisson")


def test_a_poisson_load_that_left_as_planned_passes():
    for rule in ("offered-rate", "arrivals", "send-lag"):
        assert status(rule, drawn(), load=POISSON) is PASS


def test_a_schedule_that_is_not_the_one_named_is_found():
    assert status("arrivals", drawn(shape=4.0), load=POISSON) is SUSPECT
    assert status("offered-rate", drawn(rate=40.0), load=POISSON) is SUSPECT


def test_gaps_that_were_bent_on_the_way_are_found():
    requests = drawn()
    requests.sent_ns[:] = -(-requests.sent_ns // (50 * MS)) * (50 * MS)  # as a timer does that ticks every 50 ms
    assert status("arrivals", requests, load=POISSON) is SUSPECT


def test_jitter_leaves_a_poisson_load_what_it_is():
    assert status("arrivals", drawn(lag=lambda rng, count: rng.integers(0, 40 * MS, count)), load=POISSON) is PASS


@pytest.mark.parametrize(("stretch", "expected"), [(1.005, PASS), (1.03, SUSPECT), (1.1, INCONSISTENT)])
def test_a_load_that_is_offered_too_slowly_is_found(stretch, expected):
    assert status("offered-rate", drawn(20_000, stretch=stretch), [], load=POISSON) is expected


def test_a_closed_loop_has_no_schedule_to_keep():
    assert verdicts("offered-rate") == verdicts("arrivals") == verdicts("send-lag") == []


def test_a_late_send_is_told_by_case():
    (found,) = verdicts("send-lag", drawn(lag=lambda _, count: np.full(count, 5 * MS)), load=POISSON)
    assert (found.status, found.case) == (INCONSISTENT, "r50-poisson")  # 5 ms of a mean gap of 20


def test_a_burst_is_called_a_burst():
    (found,) = verdicts("burst", make_requests(40, sent_ns=[0] * 40), load=make_load(concurrency=None, arrival="burst"))
    assert found.status is CANNOT_TELL
    assert "burst" in str(found.message)
    assert verdicts("burst") == []


@pytest.mark.parametrize(("warmup", "told", "expected"), [
    (3, {"issued": 3, "failed": {}}, PASS), (3, {"issued": 3, "failed": {"timeout": 1}}, SUSPECT), (3, {"failed": 2}, SUSPECT)])
def test_a_warm_up_that_failed_is_suspect(warmup, told, expected):
    client = {"processes": [], "warmup": told}
    assert status("warm-up", plan={"warmup": warmup}, points=[{"client": client}]) is expected


def test_without_a_warm_up_nobody_can_tell():
    assert status("warm-up", plan={"warmup": 0}) is CANNOT_TELL


def test_a_run_that_broke_off_is_suspect():
    assert status("load-complete", status="running") is SUSPECT
    assert status("load-complete", plan={"repeats": 2}) is SUSPECT


# ── the server's own word ────────────────────────────────────────────────────────────────────────────────────────────────


def test_tokens_by_the_server_s_counters_must_be_those_of_the_answers():
    assert status("server-tokens", **served(reading(1, 6400))) is PASS
    assert status("server-tokens", **served(reading(1, 7000))) is SUSPECT
    assert verdicts("server-tokens") == []


def test_after_a_failure_nobody_knows_what_the_server_generated():
    requests = steady_requests(400, ending=[Ending.OK] * 399 + [Ending.TIMEOUT])
    assert verdicts("server-tokens", requests, **served(reading(1, 7000))) == []


def test_a_cache_that_knows_unique_prompts_rejects_the_point():
    found = findings_of(make_load_run(steady_requests(400), **served(reading(1, 6400, 3200, 1600))))
    (rule,) = [one for one in found.verdicts if one.rule == "prefix-cache"]
    assert (rule.status, rule.observed) == (INCONSISTENT, 0.5)
    assert rule.cure is not None
    assert (found.trust, found.cases[0].trust) == (Trust.REJECTED, Trust.REJECTED)


def test_a_cache_may_know_prompts_that_share_prefixes_and_the_tokens_of_the_template():
    shared = {"workload": {"kind": "synthetic", "input_len": {"mean": 8}, "output_len": {"mean": 16}, "shared_prefix_tokens": 4}}
    assert status("prefix-cache", plan=shared, **served(reading(1, 6400, 3200, 1600))) is PASS
    assert status("prefix-cache", probe={"template_tokens": 4}, **served(reading(1, 6400, 3200, 1600))) is PASS


def test_a_server_without_counters_is_judged_by_its_usage():
    assert status("prefix-cache", steady_requests(400, cached_tokens=[4] * 400)) is INCONSISTENT
    assert verdicts("prefix-cache", steady_requests(400, cached_tokens=[None] * 400)) == []
    assert status("server-metrics") is CANNOT_TELL


def test_the_server_s_own_first_token_must_not_be_far_from_ours():
    assert status("server-ttft", **served(reading(1, ttft=(400, 400 * 0.049)))) is PASS
    assert status("server-ttft", **served(reading(1, ttft=(400, 400 * 0.030)))) is SUSPECT
    assert status("server-ttft", **served(reading(1, ttft=(400, 400 * 0.070)))) is SUSPECT


@pytest.mark.parametrize("after", [{"engine": "vllm"}, {"at_ns": 1, "engine": "vllm", "values": 5, "histograms": {}}, "?", None])
def test_a_reading_that_cannot_be_read_is_none(after):
    assert status("server-metrics", points=[{"server": {"before": reading(), "after": after}}]) is CANNOT_TELL


def test_columns_of_one_request_do_not_break_any_rule():
    found = findings_of(make_load_run(make_requests(1), load=POISSON))
    assert {one.rule for one in found.verdicts} >= {"failures", "window", "samples"}
    assert findings_of(make_load_run(make_requests(2, ending=[Ending.UNREACHABLE] * 2, first_token_ns=[None] * 2, last_token_ns=[None] * 2,
                                                   token_events=[0, 0], output_tokens=[None] * 2), [])).trust is Trust.REJECTED
