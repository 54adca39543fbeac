"""What is read first is of cases that stand: no card of a rejected case beside another, no number of one in the sentence."""

import json
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest
from builders import (
    GB,
    clean_run,
    make_estimate,
    make_events,
    make_failure,
    make_finding,
    make_load,
    make_load_run,
    steady_requests,
    with_trials,
)
from hypothesis import given
from hypothesis import strategies as st

from touchstone.finding import Findings, Judgement, SloFinding, Trust, Verdict
from touchstone.judge.advice import advise
from touchstone.judge.findings import findings_of
from touchstone.judge.headline import headline_of_load, headline_of_run
from touchstone.judge.headline.chosen import TRUSTS
from touchstone.judge.headline.sentence import told
from touchstone.message import say
from touchstone.report.document import to_json

RUN = clean_run()
CLEAN = findings_of(RUN)
ORDER = ["ttft", "tpot", "decode_speed", "output_throughput", "goodput", "best_batch", "device_memory", "peak_memory"]
SCHEMA = json.loads(resources.files("touchstone.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
WHOLE_RUN = Verdict("client", Judgement.INCONSISTENT, say("nothing here can be"))


def findings(*cases, verdicts=()) -> Findings:
    return replace(CLEAN, cases=cases, verdicts=tuple(verdicts))


def of(*cases, verdicts=()):
    return headline_of_run(RUN, findings(*cases, verdicts=verdicts))


def card(headline, name):
    (found,) = [one for one in headline.cards if one.id == name]
    return found


# ── of a run ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_clean_run_has_six_cards_and_a_sentence():
    headline = CLEAN.headline
    assert [one.id for one in headline.cards] == ["ttft", "tpot", "decode_speed", "output_throughput", "best_batch", "peak_memory"]
    assert [one.case for one in headline.cards] == ["short", "short", "short", "batch-4", "batch-4", "short"]
    assert {one.trust for one in headline.cards} == {Trust.TRUSTED}
    by_name = {case.name: case for case in CLEAN.cases}
    for one in headline.cards:
        assert one.estimate is by_name[one.case].metrics["output_throughput" if one.id == "best_batch" else one.id]
        assert one.limit_share is not None
    assert str(headline.sentence) == (
        "small bf16 on NVIDIA H200: first token after 50.00 ± 0.05 ms (7 tokens in), 100.0 ± 0.1 tokens/s to one user, up to 320.0 ± 0.3 tokens/s at batch 4.")


TRIED = st.builds(dict, batch_size=st.sampled_from([1, 1, 2, 4]), trust=st.sampled_from(Trust), speed=st.booleans(), ok=st.sampled_from([0, 5, 5]),
                  spread=st.sampled_from([0.001, 0.2, 0.9]))


@given(tried=st.lists(TRIED, max_size=6), whole=st.sampled_from([(), (WHOLE_RUN,)]))
def test_no_rejected_case_is_shown_beside_one_that_stands_and_none_is_spoken_of(tried, whole):
    cases = [make_finding(f"case-{place}", throughput=1000.0 + 37 * place, ttft=0.1 + 0.011 * place, tpot=0.02 + 0.0013 * place, **one)
             for place, one in enumerate(tried)]
    headline = of(*cases, verdicts=whole)
    by_name = {case.name: case for case in cases}
    standing = [case for case in cases if case.ok and case.trust is not Trust.REJECTED]
    names = [one.id for one in headline.cards]
    assert names == sorted(set(names), key=ORDER.index)
    assert len(names) <= 6
    for one in headline.cards:
        case = by_name[one.case]
        assert case.ok
        assert case in standing or not standing
        assert TRUSTS.index(one.trust) >= TRUSTS.index(case.trust)
        assert one.trust is Trust.REJECTED or not whole
    text = str(headline.sentence)
    assert (headline.sentence is None) == (not standing or bool(whole))
    for case in cases:
        if case not in standing:
            said = [told(case.metrics["ttft"], 1e3), told(case.metrics["decode_speed"]), told(case.metrics["output_throughput"])]
            assert not [number for number in said if number in text]


def test_what_is_trusted_comes_before_what_came_first():
    cases = [make_finding("first", trust=Trust.SUSPECT, ttft=0.2), make_finding("second", ttft=0.3), make_finding("b4", 4, 350.0),
             make_finding("b8", 8, 351.0, trust=Trust.SUSPECT)]
    headline = of(*cases)
    assert card(headline, "ttft").case == "second"
    assert {card(headline, name).case for name in ("output_throughput", "best_batch")} == {"b4"}
    assert "351" not in str(headline.sentence)


def test_what_is_suspect_is_not_passed_over_where_it_is_clearly_more():
    cases = make_finding("b1", 1, 100.0), make_finding("b4", 4, 350.0), make_finding("b8", 8, 500.0, trust=Trust.SUSPECT)
    headline = of(*cases)
    for name in ("output_throughput", "best_batch"):
        assert (card(headline, name).case, card(headline, name).trust) == ("b8", Trust.SUSPECT)
    assert "up to 500 ± 5 tokens/s at batch 8 (suspect)" in str(headline.sentence)
    assert "use batch 8: 500" in str(advise(cases)[0][0].text)
    rejected = of(*cases[:2], make_finding("b8", 8, 500.0, trust=Trust.REJECTED))
    assert {card(rejected, name).case for name in ("output_throughput", "best_batch")} == {"b4"}


def test_what_is_suspect_is_said_to_be():
    headline = of(make_finding("b1", trust=Trust.SUSPECT), make_finding("b4", 4, 350.0))
    assert card(headline, "ttft").trust is Trust.SUSPECT
    assert str(headline.sentence) == ("small bf16 on NVIDIA H200: first token after 100.0 ± 1.0 ms (7 tokens in), 50.00 ± 0.50 tokens/s to one user (suspect), "
                                      "up to 350.0 ± 3.5 tokens/s at batch 4.")


def test_where_nothing_stands_the_cards_say_so_and_the_sentence_is_silent():
    headline = of(make_finding(trust=Trust.REJECTED), make_finding("b4", 4, 350.0, trust=Trust.REJECTED))
    assert {one.trust for one in headline.cards} == {Trust.REJECTED}
    assert [one.id for one in headline.cards] == ["ttft", "tpot", "decode_speed", "output_throughput", "peak_memory"]
    assert headline.sentence is None


def test_a_verdict_on_the_whole_run_is_one_on_every_card():
    headline = of(make_finding(), verdicts=[replace(WHOLE_RUN, status=Judgement.SUSPECT)])
    assert {one.trust for one in headline.cards} == {Trust.SUSPECT}
    assert "(suspect)" in str(headline.sentence)


def test_a_run_without_any_case_has_no_headline():
    assert of() == of(make_finding(ok=0))
    assert of().cards == ()
    assert of().sentence is None


def test_the_best_batch_names_itself_and_those_that_may_be_as_good():
    clear = of(make_finding("b1", 1, 100.0), make_finding("b2", 2, 190.0), make_finding("b4", 4, 350.0, tpot=0.025))
    assert str(card(clear, "best_batch").note) == "batch 4 of 1, 2, 4; each request then decodes at 40 tokens/s"
    tied = of(make_finding("b1", 1, 100.0), make_finding("b2", 2, 345.0), make_finding("b4", 4, 350.0))
    assert str(card(tied, "best_batch").note) == "batch 4 of 1, 2, 4; not told apart from batch 2"
    assert card(tied, "best_batch").estimate.metric == "output_throughput"


@pytest.mark.parametrize("cases", [
    [make_finding("b1"), make_finding("again")],
    [make_finding("b1"), make_finding("long-b4", 4, 350.0, input_tokens=500.0)],
])
def test_one_batch_size_has_no_best_batch(cases):
    assert "best_batch" not in [one.id for one in of(*cases).cards]


def test_without_a_single_request_the_smallest_batch_stands_for_the_users():
    headline = of(make_finding("b8", 8, 700.0), make_finding("b2", 2, 190.0))
    assert card(headline, "ttft").case == "b2"
    assert "tokens/s to each of 2 users, up to 700" in str(headline.sentence)


def test_memory_is_the_highest_peak_of_what_stands():
    high, rejected = ({"peak_memory": make_estimate("peak_memory", size)} for size in (9e9, 20e9))
    base = make_finding()
    headline = of(base, replace(base, name="high", metrics={**base.metrics, **high}, trust=Trust.SUSPECT),
                  replace(base, name="rejected", metrics={**base.metrics, **rejected}, trust=Trust.REJECTED))
    assert card(headline, "peak_memory").case == "high"
    assert card(headline, "peak_memory").limit_share == pytest.approx(9 * GB / (141 * GB))


def test_memory_in_use_on_the_device_outranks_what_an_allocator_counted():
    base = make_finding()
    headline = of(replace(base, metrics={**base.metrics, "device_memory": make_estimate("device_memory", 5e9, unit="B")}))
    assert [one.id for one in headline.cards][-1] == "device_memory"


def test_a_broken_run_has_a_headline_of_what_is_left():
    run = with_trials(RUN, lambda trial: make_failure("short", trial.index) if trial.case == "short" else trial)
    headline = findings_of(run).headline
    assert {one.case for one in headline.cards} <= {"batch-4"}
    assert headline_of_run(RUN, replace(CLEAN, identity={}, cases=(make_finding(),))).sentence is not None


def test_a_server_that_was_there_before_is_not_said_to_run_on_this_host():
    options = {"started_here": False}
    headline = headline_of_run(RUN, replace(CLEAN, identity={**CLEAN.identity, "engine": "server", "options": options}))
    assert str(headline.sentence).startswith("small on server: ")


# ── of numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("value", "low", "high", "words"), [
    (0.1, 0.099, 0.101, "100.0 ± 1.0"), (0.02471, 0.0241, 0.0253, "24.71 ± 0.60"), (1.3212, 1.2, 1.44, "1,321 ± 120"), (0.025, 0.004, 0.15, "4–150"),
    (0.02471, None, None, "≈ 25"), (0.05, 0.0499999, 0.0500001, "50")])
def test_a_number_is_told_no_more_precisely_than_it_is_known(value, low, high, words):
    assert told(make_estimate("ttft", value, low=low, high=high), 1e3) == words


# ── of a load ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def level(outcome="passes", text="ttft p95<=100ms"):
    return SloFinding(text, "ttft", 0.95, 0.1, outcome, 0.05, 400, 1.0, 0.99, 1.0, None)


def loads(*outcomes, kind="closed", trust=None):
    """Findings of a load of 1, 2, 4, …: the case of a real one, with other outcomes."""
    requests = steady_requests()
    base = findings_of(make_load_run(requests, make_events(requests), slos=[]))
    cases = []
    for place, outcome in enumerate(outcomes):
        load = {"arrival": kind, "concurrency": 2**place, "request_rate": None} if kind == "closed" else {"arrival": kind, "concurrency": None,
                                                                                                        "request_rate": 2.0**place}
        throughput = make_estimate("output_throughput", 100.0 * (place + 1))
        cases.append(replace(base.cases[0], name=f"load-{place}", load={**base.cases[0].load, **load}, slos=(level(outcome),) if outcome else (),
                             metrics={**base.cases[0].metrics, "output_throughput": throughput}, trust=(trust or {}).get(place, Trust.TRUSTED)))
    return replace(base, cases=tuple(cases), verdicts=())


def test_the_highest_load_that_keeps_every_level_is_shown():
    found = headline_of_load(loads("passes", "passes", "fails"))
    assert {one.case for one in found.cards} == {"load-1"}
    assert str(found.sentence) == "small on vllm: keeps ttft p95<=100ms up to 2 in flight, with 200 ± 2 tokens/s."


def test_up_to_is_said_only_where_every_lower_load_keeps_the_levels_too():
    found = headline_of_load(loads("passes", "undecided", "passes", kind="poisson"))
    assert str(found.sentence) == "small on vllm: keeps ttft p95<=100ms at 4 requests/s, with 300 ± 3 tokens/s."


def test_a_load_that_is_rejected_keeps_nothing():
    found = headline_of_load(loads("passes", "passes", trust={1: Trust.REJECTED}))
    assert {one.case for one in found.cards} == {"load-0"}
    assert "up to 1 in flight" in str(found.sentence)


def test_where_no_load_is_shown_to_keep_the_levels_the_sentence_claims_no_more():
    found = headline_of_load(loads("undecided", "fails"))
    assert {one.case for one in found.cards} == {"load-1"}
    assert str(found.sentence) == ("small on vllm: no load tried is shown to keep ttft p95<=100ms; 200 ± 2 tokens/s at 2 in flight.")


def test_without_levels_the_highest_throughput_is_shown_and_what_one_user_gets():
    found = headline_of_load(loads(None, None))
    assert {one.case for one in found.cards} == {"load-1"}
    assert str(found.sentence).startswith("small on vllm: 200 ± 2 tokens/s at 2 in flight, first token after ")


def test_a_client_that_may_not_be_believed_leaves_nothing_to_say():
    found = headline_of_load(replace(loads("passes"), verdicts=(WHOLE_RUN,)))
    assert found.sentence is None
    assert {one.trust for one in found.cards} == {Trust.REJECTED}


def test_a_real_load_run_has_its_cards_in_order_and_no_known_limit():
    requests = steady_requests()
    plan = {"slos": [{"metric": "ttft", "limit_s": 0.1, "quantile": 0.5}]}
    found = findings_of(make_load_run(requests, make_events(requests), load=make_load(), plan=plan)).headline
    assert [one.id for one in found.cards] == ["ttft", "tpot", "decode_speed", "output_throughput", "goodput"]
    assert {one.limit_share for one in found.cards} == {None}
    assert {str(one.limit) for one in found.cards} == {"the server does not say what it runs on"}
    assert "keeps ttft p50<=100ms up to 8 in flight, with" in str(found.sentence)


# ── in JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_json_report_carries_it():
    told_in = json.loads(to_json(CLEAN, str, "en"))["headline"]
    assert told_in["sentence"] == str(CLEAN.headline.sentence)
    first, best = told_in["cards"][0], told_in["cards"][4]
    assert (first["id"], first["metric"], first["mean"], first["p50"]) == ("ttft", "ttft", CLEAN.headline.cards[0].estimate.value,
                                                                          CLEAN.headline.cards[0].estimate.quantiles["p50"])
    assert (best["id"], best["metric"], best["note"][:7]) == ("best_batch", "output_throughput", "batch 4")
    nothing = to_json(replace(CLEAN, headline=of(make_finding(trust=Trust.REJECTED), verdicts=[WHOLE_RUN])), str, "en")
    assert json.loads(nothing)["headline"]["sentence"] is None
    for document in (json.loads(nothing), json.loads(to_json(CLEAN, str, "en"))):
        jsonschema.validate(document, SCHEMA)
