"""What the difference of two readings says, and when there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge.server_metrics import counted, generated_tokens, grown_histogram, mean_seconds, prefix_hit_rate
from touchstone.server_names import Histogram, Reading

counts = st.integers(0, 10**12).map(float)


def reading(values=None, engine="vllm", **histograms):
    return Reading(0, engine, values or {}, histograms)


@given(counts, counts, counts)
def test_a_counter_rose_by_its_difference(start, tokens, running):
    before = reading({"generation_tokens_total": start, "running": running})
    after = reading({"generation_tokens_total": start + tokens, "running": 0.0})
    assert generated_tokens(before, after).value == tokens  # a gauge may fall


def test_a_counter_that_first_shows_in_the_second_reading_rose_from_zero():
    before, after = reading({"prefix_cache_queries": 100.0}), reading({"prefix_cache_queries": 300.0, "prefix_cache_hits": 50.0})
    assert prefix_hit_rate(before, after).value == 0.25


def test_a_restart_is_seen_in_any_counter_and_spoils_all_of_them():
    before = reading({"generation_tokens_total": 5.0}, ttft_seconds=Histogram(10.0, 1.0))
    after = reading({"generation_tokens_total": 50.0}, ttft_seconds=Histogram(3.0, 0.2))
    for result in (generated_tokens(before, after), mean_seconds(before, after, "ttft_seconds"), prefix_hit_rate(before, after)):
        assert result.value is None
        assert "restarted" in str(result.reason)
    assert "restarted" in str(generated_tokens(before, reading({"running": 1.0})).reason)
    assert "restarted" in str(generated_tokens(before, Reading(0, "sglang", after.values, before.histograms)).reason)


@pytest.mark.parametrize("pair", [(None, None), (reading(), None), (None, reading())])
def test_without_two_readings_there_is_a_reason(pair):
    for result in (generated_tokens(*pair), prefix_hit_rate(*pair), mean_seconds(*pair, "ttft_seconds")):
        assert (result.value, str(result.reason)) == (None, "The server shows no metrics of its own.")


def test_what_a_server_does_not_show_is_missing_and_not_zero():
    one = reading({"prompt_tokens_total": 5.0}, engine="llamacpp")
    assert counted(one, one, "prompt_tokens_total").value == 0.0
    rate = prefix_hit_rate(one, one)
    assert rate.value is None
    assert "llamacpp" in str(rate.reason)
    assert "prefix_cache_queries" in str(rate.reason)


def test_no_look_ups_give_no_rate():
    one = reading({"prefix_cache_queries": 7.0, "prefix_cache_hits": 7.0})
    assert prefix_hit_rate(one, one).value is None
    assert "none" in str(prefix_hit_rate(one, one).reason)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=30), st.lists(st.floats(0.001, 100), max_size=30))
def test_the_mean_is_of_what_was_added_between_the_readings(added, earlier):
    before = reading(ttft_seconds=Histogram(float(len(earlier)), sum(earlier), ((1.0, float(sum(one <= 1 for one in earlier))),)))
    both = earlier + added
    after = reading(ttft_seconds=Histogram(float(len(both)), sum(both), ((1.0, float(sum(one <= 1 for one in both))),)))
    assert mean_seconds(before, after, "ttft_seconds").value == pytest.approx(sum(added) / len(added), abs=1e-9)
    grown = grown_histogram(before, after, "ttft_seconds")
    assert grown.buckets == ((1.0, float(sum(one <= 1 for one in added))),)
    assert grown.count == len(added)


def test_a_histogram_without_a_sum_has_no_mean_but_has_counts():
    before, after = reading(ttft_seconds=Histogram(5.0, None)), reading(ttft_seconds=Histogram(9.0, None))
    assert mean_seconds(before, after, "ttft_seconds").value is None
    assert "no sum" in str(mean_seconds(before, after, "ttft_seconds").reason)
    assert grown_histogram(before, after, "ttft_seconds").count == 4.0
    assert "do not show" in str(mean_seconds(before, after, "tpot_seconds").reason)
    idle = reading(ttft_seconds=Histogram(9.0, 3.0))
    assert "none" in str(mean_seconds(idle, idle, "ttft_seconds").reason)
