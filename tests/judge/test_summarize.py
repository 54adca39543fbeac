"""From trials to estimates: ratio of sums, the right unit of replication, and a reason for what is missing."""

import math

import pytest
from builders import MS, S, make_facts, make_failure, make_record, make_run, make_trial, plan_case
from scipy.stats import t

from touchstone.judge.summarize import summarize
from touchstone.record import MemoryPeaks, Phase, Status


def only(trials, **header):
    """The finding of a run with one case."""
    (finding,) = summarize(make_run(trials, **header))
    return finding


def paced(index, factor=1.0, **changes):
    """A trial whose every time is the usual one times ``factor``."""
    return make_trial(index=index, first_ns=round(50 * MS * factor), step_ns=round(10 * MS * factor), **changes)


def test_throughput_is_a_ratio_of_sums():
    trials = [make_trial(index=index, records=(make_record(output_tokens=128, event_ns=(S // 10, window), event_tokens=(1, 127)),))
              for index, window in enumerate((1 * S, 1 * S, 3 * S))]
    assert only(trials).metrics["output_throughput"].value == pytest.approx(76.8)


def test_with_one_launch_the_interval_is_over_its_trials_and_says_so():
    factors = (1.0, 1.02, 0.98, 1.01)
    estimate = only([paced(index, factor) for index, factor in enumerate(factors)]).metrics["e2e"]
    logs = [math.log(factor) for factor in factors]
    width = t.ppf(0.975, 3) * math.sqrt(sum((log - sum(logs) / 4) ** 2 for log in logs) / 3) / 2
    assert "one launch" in estimate.method
    assert estimate.low == pytest.approx(estimate.value * math.exp(-width), rel=1e-6)
    assert estimate.high == pytest.approx(estimate.value * math.exp(width), rel=1e-6)


def test_with_several_launches_the_interval_is_over_launch_means():
    levels = (1.0, 1.1, 0.9)
    quiet = [paced(index, level, launch=launch) for launch, level in enumerate(levels) for index in range(10)]
    estimate = only(quiet).metrics["ttft"]
    logs = [math.log(level) for level in levels]
    width = t.ppf(0.975, 2) * math.sqrt(sum((log - sum(logs) / 3) ** 2 for log in logs) / 2) / math.sqrt(3)
    assert "over launches" in estimate.method
    assert estimate.n == 30
    assert estimate.high == pytest.approx(estimate.value * math.exp(width), rel=1e-6)
    assert only(quiet).launches == 3


def test_one_trial_has_a_value_and_no_interval_with_a_reason():
    estimate = only([paced(0)]).metrics["output_throughput"]
    assert estimate.value == pytest.approx(16 / 0.2)
    assert (estimate.low, estimate.high) == (None, None)
    assert "at least two trials" in str(estimate.reasons["low"])


@pytest.mark.parametrize(("quantile", "needed"), [("p50", 5), ("p90", 29), ("p95", 59), ("p99", 299)])
def test_a_quantile_needs_its_number_of_values(quantile, needed):
    few = only([paced(index) for index in range(needed - 1)]).metrics["ttft"]
    assert few.n == needed - 1
    assert few.quantiles[quantile] is None
    assert f"have {needed - 1}, need {needed}" in str(few.reasons[quantile])
    enough = only([paced(index) for index in range(needed)]).metrics["ttft"]
    assert enough.quantiles[quantile] == pytest.approx(0.05)
    assert quantile not in enough.reasons


def test_mean_and_maximum_are_of_the_values():
    estimate = only([paced(index, factor) for index, factor in enumerate((1, 2, 6))]).metrics["ttft"]
    assert (estimate.n, estimate.value, estimate.quantiles["max"]) == (3, pytest.approx(0.15), 0.3)


def test_sequences_of_a_batch_that_share_their_stamps_count_once():
    estimates = only([paced(index, batch_size=4) for index in range(5)]).metrics
    assert {name: estimates[name].n for name in ("ttft", "tpot", "e2e", "itl")} == {"ttft": 5, "tpot": 5, "e2e": 5, "itl": 5 * 15}
    assert estimates["output_throughput"].value == pytest.approx(4 * 16 / 0.2)


def test_sequences_of_a_batch_with_stamps_of_their_own_all_count():
    records = tuple(make_record(request_id=f"short/0/{place}", first_ns=(50 + place) * MS) for place in range(4))
    assert only([make_trial(records=records, batch_size=4)]).metrics["ttft"].n == 4


def test_decode_speed_is_the_inverse_of_the_mean_time_per_token():
    estimates = only([paced(index, factor) for index, factor in enumerate((1.0, 3.0))]).metrics
    speed, tpot = estimates["decode_speed"], estimates["tpot"]
    assert speed.value == pytest.approx(1 / 0.02)
    assert (speed.low, speed.high) == (pytest.approx(1 / tpot.high), pytest.approx(1 / tpot.low))


def test_failed_requests_are_counted_by_kind_and_are_no_latency():
    trials = [paced(0), paced(1), make_failure(index=2, status=Status.OUT_OF_MEMORY), make_failure(index=3, status=Status.ERROR)]
    finding = only(trials)
    assert (finding.issued, finding.ok, dict(finding.failed)) == (4, 2, {"out_of_memory": 1, "error": 1})
    assert {name: finding.metrics[name].n for name in ("ttft", "e2e", "output_throughput")} == {"ttft": 2, "e2e": 2, "output_throughput": 2}
    assert finding.metrics["e2e"].value == pytest.approx(0.2)


def test_a_truncated_request_takes_its_trial_out_of_the_numbers():
    short = make_record(status=Status.TRUNCATED, output_tokens=3, event_ns=(5 * MS, 6 * MS, 7 * MS))
    finding = only([paced(0), make_trial(index=1, records=(short,))])
    assert dict(finding.failed) == {"truncated": 1}
    assert finding.trials == finding.metrics["ttft"].n == 1


def test_a_crash_without_records_counts_every_request_of_its_batch():
    crash = make_trial(status=Status.KILLED, records=(), batch_size=4, error="signal SIGKILL")
    finding = only([crash])
    assert (finding.issued, finding.ok, dict(finding.failed)) == (4, 0, {"killed": 4})


def test_a_case_that_failed_while_warming_up_is_found_without_numbers():
    finding = only([make_failure(phase=Phase.WARMUP)])
    assert (finding.trials, finding.ok, dict(finding.failed)) == (0, 0, {"out_of_memory": 1})
    assert all(estimate.value is None and estimate.reasons["value"] for estimate in finding.metrics.values())


def test_only_measured_trials_are_results():
    finding = only([paced(0), paced(1, 9.0, phase=Phase.WARMUP), paced(2, 9.0, phase=Phase.PILOT_PLAIN)])
    assert (finding.trials, finding.issued) == (1, 1)
    assert finding.metrics["ttft"].value == pytest.approx(0.05)


def test_cases_come_in_the_order_of_the_plan_and_untried_ones_not_at_all():
    trials = [make_trial("b"), make_trial("a")]
    found = summarize(make_run(trials, cases=[plan_case("a"), plan_case("b"), plan_case("c")]))
    assert [case.name for case in found] == ["a", "b"]


def test_lengths_are_those_measured():
    records = [make_record(tokens=16), make_record(tokens=10, input_tokens=9)]
    finding = summarize(make_run([make_trial(index=index, records=(record,)) for index, record in enumerate(records)],
                                 cases=[plan_case(stop_at_eos=True, output_tokens=256)]))[0]
    assert (finding.input_tokens, finding.output_tokens, finding.speed) == (8, 13, False)


def test_one_token_has_no_time_per_token_and_a_reason():
    estimates = only([make_trial(index=index, tokens=1) for index in range(3)]).metrics
    assert estimates["ttft"].value == pytest.approx(0.05)
    for name in ("tpot", "itl", "decode_speed"):
        assert estimates[name].value is None
        assert "fewer than two tokens" in str(estimates[name].reasons["value"])


def test_tokens_that_all_came_at_once_do_not_break_the_summary():
    at_once = make_record(event_ns=(50 * MS, 50 * MS), tokens=2)
    assert only([make_trial(index=index, records=(at_once,)) for index in range(3)]).metrics["decode_speed"].value is None


def test_peak_memory_is_the_largest_with_the_range_of_the_trials():
    trials = [paced(index, memory=MemoryPeaks(allocated_bytes=size)) for index, size in enumerate((5, 9, 7))]
    estimate = only(trials).metrics["peak_memory"]
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (9, 5, 9, 3)
    assert "range" in estimate.method


def test_a_device_without_a_peak_counter_has_no_peak_and_a_reason():
    estimate = only([paced(0, memory=MemoryPeaks())]).metrics["peak_memory"]
    assert estimate.value is None
    assert "no peak counter" in str(estimate.reasons["value"])


def test_the_cache_is_computed_from_the_longest_context():
    finding = only([paced(0, batch_size=4)], launches=[{"launch": 0, "facts": make_facts(kv_bytes_per_token=1000)}])
    assert finding.kv_bytes == 4 * (7 + 16) * 1000
