"""AISBench on the same answers: its own reader of the stream, its own summary and its own calculator."""

import pytest
from peer_source import peer_module, peer_version
from peer_streams import Clock, make_played, ours, run, session

from touchstone.judge.definitions import TOOLS

ROOT = "ais_bench/benchmark"
STATISTICS = {"mean": "Average", "min": "Min", "max": "Max", "p50": "Median", "p75": "P75", "p90": "P90", "p99": "P99"}
FAMILIES = {"E2EL": 1e3, "TTFT": 1e3, "TPOT": 1e3, "ITL": 1e3, "InputTokens": 1, "OutputTokens": 1, "OutputTokenThroughput": 1}
RATES = ("Concurrency", "Request Throughput", "Prefill Token Throughput", "Input Token Throughput", "Output Token Throughput",
         "Total Token Throughput", "Benchmark Duration")


class Quiet:
    """A logger that says nothing."""

    def __getattr__(self, _name):
        return lambda *_args, **_how: None


def details_of(played, *, chat):
    """What the tool keeps of every answer, and the points in time that it keeps apart."""
    clock = Clock()
    output = peer_module("aisbench", f"{ROOT}/models/output.py", time=clock)["RequestOutput"]
    client = peer_module("aisbench", f"{ROOT}/models/api_models/base_api.py", AISBenchValueError=ValueError)["BaseAPIModel"]
    module, name = ("vllm_custom_api_chat", "VLLMCustomAPIChat") if chat else ("vllm_custom_api", "VLLMCustomAPI")
    parser = peer_module("aisbench", f"{ROOT}/models/api_models/{module}.py", BaseAPIModel=client)[name]
    details, times = [], {}
    for one in played:
        model, answer = object.__new__(parser), output(perf_mode=True)
        model.session, model.url, model.headers, model.logger = session(clock, one), "", {}, Quiet()
        try:
            run(model.stream_infer({}, answer))
        except ConnectionResetError:
            answer.success = False
        kept = answer.get_metrics()
        times[len(details)] = kept["time_points"]
        details.append({"success": kept["success"], "id": len(details), "db_name": "", "input": "x" * one.prompt, "prediction": kept["prediction"],
                        "time_points": {"__db_ref__": len(details)}, **{name: kept[name] for name in ("input_tokens", "output_tokens")}})
    return details, times


def theirs(played, *, chat):
    letters = type("Letters", (), {"__init__": lambda *_args: None, "encode": lambda _self, text: list(text or "")})
    details, times = details_of(played, chat=chat)
    summarizer = peer_module("aisbench", f"{ROOT}/summarizers/default_perf.py", AISTokenizer=letters, is_mm_prompt=lambda _prompt: False,
                             load_all_numpy_from_db=lambda _conn: times)["DefaultPerfSummarizer"]
    rows = []
    summarizer._calc_perf_data(object.__new__(summarizer), rows, {}, "", details)
    columns = {}
    for row in rows:
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    base = peer_module("aisbench", f"{ROOT}/calculators/base_perf_metric_calculator.py", AISLogger=Quiet)
    calculator = peer_module("aisbench", f"{ROOT}/calculators/default_perf_metric_calculator.py", DEFAULT_STATS=base["DEFAULT_STATS"],
                             BasePerfMetricCalculator=base["BasePerfMetricCalculator"])["DefaultPerfMetricCalculator"]()
    calculator._init_datas(columns, 8)
    calculator._calc_metrics()
    calculator._calc_common_metrics()
    return calculator.metrics, calculator.common_metrics


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_aisbench_s(seed, chat):
    played = make_played(seed, chat=chat)
    (families, rates), found = theirs(played, chat=chat), ours("aisbench", played, chat=chat)
    assert 0 < rates["Success Requests"]["total"] < len(played)
    wrong = {}
    for name, scale in FAMILIES.items():  # rounded to four decimals of a second by the tool
        wrong |= {f"{name} {one}": (found[name][one], value) for one, key in STATISTICS.items()
                  if abs(found[name][one] / scale - (value := families[name]["total"][key])) > 0.50001e-4}
    wrong |= {name: (found[name]["value"], rates[name]["total"]) for name in RATES
              if abs(found[name]["value"] - rates[name]["total"]) > 0.50001e-4}
    assert wrong == {}


def test_the_version_read_is_the_version_named():
    assert TOOLS["aisbench"].version == peer_version("aisbench")
