"""``evalscope perf`` on the same answers: its own reader of the stream, accumulator, database and percentiles."""

import sqlite3
from types import SimpleNamespace

import pytest
from peer_source import peer_module, peer_version
from peer_streams import Clock, make_played, ours, run, same, session

from touchstone.judge.definitions import TOOLS

COLUMNS = {"TTFT": "TTFT (ms)", "ITL": "ITL (ms)", "TPOT": "TPOT (ms)", "Latency": "Latency (s)", "Input tokens": "Input tokens",
           "Output tokens": "Output tokens", "Output": "Output (tok/s)", "Decode": "Decode (tok/s)"}
AVERAGES = {"Latency": ("avg_latency", 1), "TTFT": ("avg_first_chunk_latency", 1e3), "TPOT": ("avg_time_per_output_token", 1e3),
            "ITL": ("avg_inter_token_latency", 1e3), "Input tokens": ("avg_prompt_tokens", 1), "Output tokens": ("avg_completion_tokens", 1)}
RATES = {"Req Throughput": "qps", "Output Throughput": "avg_output_token_throughput", "Total Throughput": "avg_total_token_throughput",
         "Test Duration": "total_time"}


def theirs(played, database):
    clock = Clock()
    words = peer_module("evalscope", "evalscope/perf/utils/perf_constants.py")
    names = {"Metrics": words["Metrics"], "PercentileMetrics": words["PercentileMetrics"]}
    sums = peer_module("evalscope", "evalscope/perf/utils/benchmark_util.py", **names)
    client = peer_module("evalscope", "evalscope/perf/plugin/api/default_api.py", time=clock, BenchmarkData=sums["BenchmarkData"],
                         is_stream_body=sums["is_stream_body"])["DefaultApiPlugin"](None)
    store = peer_module("evalscope", "evalscope/perf/utils/db_util.py", **names,
                        PercentileResult=SimpleNamespace(from_transposed=lambda columns: columns))
    total = sums["MetricsAccumulator"]()
    with sqlite3.connect(database) as connection:
        store["create_result_table"](connection.cursor())
        for one in played:
            data = run(client.process_request(session(clock, one), "http://host", {}, {"stream": True}))
            parser = SimpleNamespace(parse_responses=lambda *_args, one=one, **_how: (one.prompt, len(one.text)))
            total.update(data, parser)
            store["insert_benchmark_data"](connection.cursor(), data)
    return total.to_result(), store["get_percentile_results"](str(database))


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_evalscope_s(seed, chat, tmp_path):
    played = make_played(seed, chat=chat)
    (averages, percentiles), found = theirs(played, tmp_path / "results.db"), ours("evalscope", played, chat=chat)
    assert 0 < averages.succeed_requests < len(played)
    places = ["min", *(f"p{label[:-1]}" for label in percentiles["Percentiles"][1:-1]), "max"]
    wrong = {}
    for name, column in COLUMNS.items():  # rounded to four decimals by the tool
        wrong |= {f"{name} {place}": (found[name][place], value) for place, value in zip(places, percentiles[column], strict=True)
                  if abs(found[name][place] - value) > 0.50001e-4}
    wrong |= {f"{name} mean": (found[name]["mean"], value) for name, (field, scale) in AVERAGES.items()
              if not same(found[name]["mean"], value := scale * getattr(averages, field))}
    wrong |= {name: (found[name]["value"], value) for name, field in RATES.items()
              if not same(found[name]["value"], value := getattr(averages, field))}
    assert wrong == {}


def test_the_version_read_is_the_version_named():
    assert TOOLS["evalscope"].version == peer_version("evalscope")
