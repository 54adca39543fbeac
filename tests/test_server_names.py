"""What a server's samples become under our names. The pages themselves are read in measure/load/test_scrape.py."""

import json

import pytest

from touchstone.server_names import KINDS, NAMES, Histogram, Kind, Reading, read, wanted


def samples(*rows):
    return {(name, tuple(sorted(labels.items()))): value for name, labels, value in rows}


def test_every_row_of_the_table_is_of_a_known_metric_and_is_wanted():
    for metrics in NAMES.values():
        assert set(metrics) <= set(KINDS)
        for metric, joined in metrics.items():
            names = [name for one in joined for name in one.split("+")]
            suffixes = ("_sum", "_count", "_bucket") if KINDS[metric] is Kind.HISTOGRAM else ("", "_total")
            assert all(wanted(name + suffix) for name in names for suffix in suffixes if not name.endswith("_total"))
            assert all(wanted(name) for name in names if KINDS[metric] is not Kind.HISTOGRAM)
    assert not wanted("process_cpu_seconds_total")
    assert not wanted("vllm:time_to_first_token_seconds_created")


@pytest.mark.parametrize("name", ["vllm:prefix_cache_hits", "vllm:prefix_cache_hits_total", "vllm_prefix_cache_hits_total",
                                  "vllm:gpu_prefix_cache_hits_total"])
def test_a_counter_is_found_however_it_is_spelt(name):
    reading = read(samples((name, {}, 5.0)), 7)
    assert (reading.engine, reading.at_ns, reading.values) == ("vllm", 7, {"prefix_cache_hits": 5.0})


def test_ranks_are_summed_and_fractions_averaged():
    reading = read(samples(("vllm:num_requests_running", {"engine": "0"}, 3.0), ("vllm:num_requests_running", {"engine": "1"}, 5.0),
                           ("vllm:kv_cache_usage_perc", {"engine": "0"}, 0.2), ("vllm:kv_cache_usage_perc", {"engine": "1"}, 0.6)), 0)
    assert reading.values == {"running": 8.0, "kv_cache_fraction": pytest.approx(0.4)}


def test_parts_are_added_only_if_all_are_there():
    old = read(samples(("llamacpp:prompt_tokens_total", {}, 6.0)), 0)
    new = read(samples(("llamacpp:prompt_tokens_total", {}, 6.0), ("llamacpp:prompt_tokens_cached_total", {}, 4.0)), 0)
    assert old.values == {"prompt_tokens_total": 6.0}
    assert new.values == {"prompt_tokens_total": 10.0, "prefix_cache_queries": 10.0, "prefix_cache_hits": 4.0}


def test_an_old_and_a_new_name_are_not_counted_twice():
    reading = read(samples(("vllm:prefix_cache_hits_total", {}, 5.0), ("vllm:gpu_prefix_cache_hits_total", {}, 5.0),
                           ("vllm:inter_token_latency_seconds_count", {}, 9.0), ("vllm:inter_token_latency_seconds_sum", {}, 0.9),
                           ("vllm:time_per_output_token_seconds_count", {}, 4.0)), 0)
    assert reading.values == {"prefix_cache_hits": 5.0}
    assert reading.histograms == {"itl_seconds": Histogram(9.0, 0.9)}


@pytest.mark.parametrize("value", [-1.0, 30.0])
def test_a_fraction_that_is_none_is_left_out_and_not_guessed(value):
    reading = read(samples(("npu_cache_usage_perc", {}, value), ("num_requests_running", {}, 0.0)), 0)
    assert (reading.engine, reading.values) == ("mindie", {"running": 0.0})


def test_a_histogram_sums_its_series_bucket_by_bucket_and_the_infinite_bucket_is_the_count():
    name = "vllm:time_to_first_token_seconds_bucket"
    reading = read(samples((name, {"le": "0.1", "engine": "0"}, 1.0), (name, {"le": "0.1", "engine": "1"}, 2.0),
                           (name, {"le": "+Inf", "engine": "0"}, 4.0), (name, {"le": "+Inf", "engine": "1"}, 5.0),
                           (name, {"le": "nonsense"}, 8.0), (name, {}, 8.0), (name, {"le": "nan"}, 8.0)), 0)
    assert reading.histograms == {"ttft_seconds": Histogram(9.0, None, ((0.1, 3.0),))}


def test_a_page_of_something_else_is_no_reading():
    assert read({}, 0) is None
    assert read(samples(("process_cpu_seconds_total", {}, 1.0)), 0) is None


def test_a_reading_survives_json():
    reading = Reading(3, "vllm", {"running": 1.0}, {"ttft_seconds": Histogram(2.0, 0.5, ((0.1, 1.0),)), "itl_seconds": Histogram(1.0)})
    assert Reading.from_json(json.loads(json.dumps(reading.to_json(), allow_nan=False))) == reading
    assert dict(reading.numbers()) == {"running": 1.0, "ttft_seconds_count": 2.0, "ttft_seconds_sum": 0.5, "itl_seconds_count": 1.0}
