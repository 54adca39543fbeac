"""Sentences on a load run: each from what was measured, none where nothing shows."""

from builders import make_estimate, make_finding

from touchstone.judge.load.analysis import analyse_load


def served(name, ttft=0.05, throughput=100.0, **metrics):
    case = make_finding(name, ttft=ttft, throughput=throughput)
    found = {"goodput": make_estimate("goodput", 1.0), "itl": make_estimate("itl", 0.01, quantiles={"p50": 0.01, "max": 0.012})}
    return type(case)(**{**vars(case), "metrics": {**case.metrics, **found, **metrics}})


def sentences(*cases):
    return {metric: str(sentence) for metric, sentence in analyse_load(cases)}


def test_a_single_quiet_case_needs_no_words():
    assert sentences(served("c1")) == {}


def test_several_cases_are_compared_by_what_was_measured():
    found = sentences(served("c1", 0.05, 100.0), served("c8", 0.2, 600.0), served("c16", 0.8, 550.0, goodput=make_estimate("goodput", 3.0)))
    assert found["ttft"] == "from 50 ms (c1) to 800 ms (c16) on average, 16 times as long"
    assert found["output_throughput"] == "highest at c8: 600 tokens/s, 6 times that of c1"
    assert found["goodput"] == "highest at c16: 3 requests/s inside every service level"


def test_what_does_not_rise_is_not_said_to_rise():
    assert "ttft" not in sentences(served("c1", 0.05), served("c2", 0.0501))


def test_a_stall_is_named_with_its_case():
    stalled = make_estimate("itl", 0.012, quantiles={"p50": 0.01, "max": 0.51})
    assert sentences(served("c1"), served("c8", itl=stalled))["itl"] == "the longest gap is 510 ms (c8), 51 times the median"


def test_a_case_without_one_good_request_says_nothing():
    case = served("c1")
    failed = type(case)(**{**vars(case), "ok": 0})
    assert analyse_load([failed, served("c8")]) == ()
