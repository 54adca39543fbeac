"""Results of real tools, read: their own numbers in our units, their requests, and where their definitions differ."""

import json
import math
import statistics

import pytest
from foreign_samples import SAMPLES, TOOLS, files_of, result_of

from touchstone.claim import FIGURE_UNITS, STATISTICS
from touchstone.errors import DataError
from touchstone.judge.foreign import FORMATS, read_result, read_results
from touchstone.judge.foreign.document import parse_document

# What each tool printed or wrote of the sample: its numbers, in SI.
GOLDEN = {
    "vllm.json": {"concurrency": 4, "requests": 20, "duration": 0.544007461, "input_tokens": 52.75, "output_tokens": 16,
                  "request_throughput": 36.764201659, "output_throughput": 588.227226538, "total_throughput": 2527.53886403,
                  "ttft": 0.0322796678, "ttft.p50": 0.0323514110, "ttft.std": 0.00182303984, "ttft.p99": 0.0355638168,
                  "tpot": 0.00501680975, "itl": 0.00501680975, "itl.p90": 0.0054196993, "e2e": 0.10753181405, "e2e.p99": 0.112415951},
    "sglang.jsonl": {"concurrency": 4, "requests": 20, "input_tokens": 63, "output_tokens": 16, "prompt_throughput": 2309.82940755,
                     "output_throughput": 586.6233416, "total_throughput": 2896.45274915, "ttft": 0.03125304175, "ttft.p95": 0.0344840975,
                     "tpot": 0.00499861547, "itl.p99": 0.00564663916, "e2e.p50": 0.10640028},
    "guidellm.json": {"concurrency": 4, "requests": 20, "duration": 0.580070257, "input_tokens": 19.7, "output_tokens": 16,
                      "ttft": 0.0310107112, "ttft.p50": 0.0300922394, "ttft.p99": 0.0374393463, "tpot": 0.00504599094, "e2e": 0.10735263824,
                      "request_throughput": 34.478582124, "output_throughput": 551.657313981, "total_throughput": 1230.885382},
    "aiperf": {"concurrency": 4, "requests": 20, "duration": 0.569487104, "ttft": 0.03256171995, "tpot": 0.00243258777, "itl": 0.00502734807,
               "e2e": 0.10797194095, "e2e.p99": 0.1142921693, "output_tokens": 32, "output_throughput": 1112.919504835,
               "decode_speed": 411.442674157, "user_throughput": 296.609798977},
    "evalscope": {"concurrency": 2, "requests": 10, "duration": 0.5474, "e2e": 0.1088, "ttft": 0.03384, "tpot": 0.005, "input_tokens": 55.4,
                  "output_throughput": 292.3081, "total_throughput": 1304.4247, "ttft.p50": 0.0335609, "e2e.p99": 0.1123,
                  "decode_speed.p90": 202.8625, "user_throughput.max": 153.0589},
    "aisbench": {"concurrency": 4, "requests": 20, "duration": 0.5435759, "ttft": 0.0323, "ttft.p99": 0.0356, "e2e.p75": 0.1084, "itl.max": 0.0066,
                 "prompt_throughput": 1940.8514, "output_throughput": 588.6943, "total_throughput": 2529.5457, "user_throughput": 148.8492},
    "genai-bench": {"concurrency": 2, "requests": 36, "duration": 2.171972687, "devices": 1, "ttft": 0.0340183358, "tpot.p99": 0.01219702635,
                    "e2e": 0.11656053267, "request_throughput": 16.574794064, "output_throughput": 265.196705027, "input_tokens": 25.0277777778,
                    "decode_speed": 189.619610885},
    "llama-bench.json": {"batch_size": 1, "input_tokens": 512, "prompt_throughput": 5069.638258, "prompt_throughput.std": 50.196899,
                         "weight_memory": 4.92e9, "runs": 3},
}


@pytest.mark.parametrize(("name", "expected"), GOLDEN.items(), ids=list(GOLDEN))
def test_figures_are_the_tools_own_numbers_in_si(name, expected):
    claim = result_of(name).claims.claims[0]
    assert {figure: claim.value(figure) for figure in expected} == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("name", "tool"), TOOLS.items(), ids=list(TOOLS))
def test_every_sample_is_of_exactly_one_tool(name, tool):
    document = parse_document(files_of(name), name)
    assert [one for one, known in FORMATS.items() if known.recognises(document)] == [tool]
    assert result_of(name).tool == tool


@pytest.mark.parametrize("name", TOOLS)
def test_every_figure_has_a_unit_a_known_statistic_and_its_value_inside_what_was_printed(name):
    claims = result_of(name).claims.claims
    assert [claim.row for claim in claims] == list(range(1, len(claims) + 1))
    for claim in claims:
        assert claim.label
        for figure, read in claim.figures.items():
            base, dot, statistic = figure.partition(".")
            assert base in FIGURE_UNITS
            assert statistic in STATISTICS if dot else True
            assert read.low <= read.value <= read.high
            assert read.text


@pytest.mark.parametrize("name", TOOLS)
def test_nothing_of_a_sound_file_is_left_out_and_every_tool_says_how_it_defines_its_numbers(name):
    result = result_of(name)
    assert result.claims.left_out == ()
    assert len(result.notes) >= 3
    assert len(set(map(str, result.notes))) == len(result.notes)


def test_a_folder_gives_one_row_per_load():
    assert [claim.label for claim in result_of("evalscope").claims.claims] == ["parallel_2_number_10", "parallel_4_number_20"]
    assert [claim.value("concurrency") for claim in result_of("genai-bench").claims.claims] == [2, 4]
    assert [claim.label for claim in result_of("llama-bench.json").claims.claims] == ["pp512", "tg128", "tg128 @ d4096", "pp512+tg128"]


def test_subject_and_conditions_are_those_the_file_states():
    genai = result_of("genai-bench").claims.subject
    assert (genai.model, genai.hardware, genai.devices, genai.lockstep) == ("demo-8b", "H100", 1, False)
    llama = result_of("llama-bench.csv")
    assert (llama.claims.subject.dtype, llama.claims.subject.lockstep) == ("Q4_K", True)
    assert llama.claims.claims[0].words == {"model": "llama 8B Q4_K - Medium", "hardware": "Example GPU", "dtype": "Q4_K"}
    assert result_of("vllm.json").conditions["backend"] == "openai-chat"
    assert [result_of(name).version for name in ("guidellm.json", "aiperf", "genai-bench", "vllm.json")] == ["0.8.1", "0.13.0", "0.0.5", None]


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["vllm.json", "sglang.jsonl", "guidellm.json", "aiperf", "genai-bench"])
def test_requests_add_up_to_the_figures_of_their_row(name):
    result = result_of(name)
    assert set(result.per_request) == {claim.row for claim in result.claims.claims}
    for claim in result.claims.claims:
        columns = result.per_request[claim.row]
        assert len(columns) == claim.value("requests")
        assert statistics.fmean(columns.ttfts_s) == pytest.approx(claim.value("ttft"))
        assert statistics.fmean(columns.output_tokens) == pytest.approx(claim.value("output_tokens"))
        if columns.latencies_s is not None:
            assert statistics.fmean(columns.latencies_s) == pytest.approx(claim.value("e2e"))
        if columns.itls_s is not None:
            assert statistics.fmean(gap for gaps in columns.itls_s for gap in gaps) == pytest.approx(claim.value("itl"))


def test_columns_that_a_file_does_not_have_are_none():
    assert result_of("genai-bench").per_request[1].start_times_s is None
    assert result_of("guidellm.json").per_request[1].itls_s is None
    assert result_of("sglang.jsonl").per_request[1].latencies_s is None
    assert result_of("evalscope").per_request == {}


def test_a_failed_request_has_no_times_though_the_file_has_zeros_for_it():
    run = json.loads((SAMPLES / "vllm.json").read_text())
    run["errors"][3], run["ttfts"][3], run["output_lens"][3], run["itls"][3] = "Internal Server Error", 0.0, 0, []
    run["errors"][4] = "cut off"
    columns = read_result(json.dumps(run).encode(), "vllm.json").per_request[1]
    assert columns.ttfts_s[3:5] == (None, None)
    assert columns.output_tokens[3:5] == (None, None)
    assert columns.itls_s[3] == ()
    assert None not in columns.ttfts_s[5:]


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rounded_figures_hold_the_unrounded_numbers_they_were_rounded_from():
    """The AISBench sample was made by its own calculators from the times of the vLLM sample: its ranges must hold those numbers."""
    exact, rounded = (result_of(name).claims.claims[0].figures for name in ("vllm.json", "aisbench"))
    shared = [name for name in exact if name in rounded and name.partition(".")[0] in {"ttft", "tpot", "itl", "e2e", "input_tokens"}]
    assert len(shared) == 17
    for name in shared:
        assert rounded[name].low - 1e-12 <= exact[name].value <= rounded[name].high + 1e-12, name
        assert rounded[name].low < rounded[name].high


def test_evalscopes_figures_are_as_wide_as_its_rounding():
    ttft, e2e = (result_of("evalscope").claims.claims[0].figures[name] for name in ("ttft", "e2e"))
    assert (ttft.high - ttft.low, e2e.high - e2e.low) == (pytest.approx(1e-5), pytest.approx(1e-4))


def test_the_same_word_for_another_thing_is_read_as_the_thing():
    aiperf, guidellm = (result_of(name).claims.claims[0] for name in ("aiperf", "guidellm.json"))
    assert aiperf.value("tpot") == pytest.approx((aiperf.value("e2e") - aiperf.value("ttft")) / 31, rel=1e-3)  # they say inter_token_latency
    assert guidellm.value("tpot") == pytest.approx((guidellm.value("e2e") - guidellm.value("ttft")) / 15, rel=0.02)
    assert guidellm.value("itl") is None
    assert not any(abs(figure.value - 0.006668786) < 1e-6 for figure in guidellm.figures.values())  # time_per_output_token has the TTFT in it


@pytest.mark.parametrize(("name", "said"), [("aiperf", "32 a request by its own tokenizer, 16 by the server's count"),
                                            ("sglang.jsonl", "320 by the server's count or as asked for, 640 by its own tokenizer")])
def test_two_counts_of_the_same_answers_are_told(name, said):
    assert any(said in str(note) for note in result_of(name).notes)


def test_one_count_is_not_told_twice():
    run = json.loads((SAMPLES / "sglang.jsonl").read_text())
    run["total_output_tokens_retokenized"] = run["total_output_tokens"]
    assert not any("tokenizer" in str(note) for note in read_result(json.dumps(run).encode(), "x.jsonl").notes)


# ── what is not there ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content", [b"", b"# notes\n\n| a, b | c |\n", b"a,b,c\n1,2,3\n", b"plain", b"[link](https://example.org)", b"\xff\xfe\x00",
                                     b'{"schema": 1, "run": {}, "cases": []}', b"[1, 2, 3]", b"null", b'[{"duration": 1}]'])
def test_files_of_nobody_are_none(content):
    assert read_result(content, "somebody.md") is None
    assert read_results({"a.md": content, "b.md": content}, "folder") is None


def test_a_file_that_calls_itself_json_and_is_not_is_an_error():
    with pytest.raises(DataError, match=r"broken\.json is not JSON"):
        read_result(b'{"duration": 1, "compl', "broken.json")


def test_one_broken_file_beside_a_sound_one_is_left_out_by_name():
    files = {**files_of("evalscope"), "parallel_8_number_40/benchmark_summary.json": b'{"Concurr'}
    (result,) = read_results(files, "evalscope")
    assert len(result.claims.claims) == 2
    assert [str(one) for one in result.claims.left_out] == ["parallel_8_number_40/benchmark_summary.json: not JSON"]


DAMAGES = [("vllm.json", "duration", ("duration",)), ("vllm.json", "completed", ("completed",)), ("sglang.jsonl", "duration", ("duration",)),
           ("guidellm.json", "metrics", ("benchmarks", 0, "metrics")),
           ("aiperf/profile_export_aiperf.json", "request_latency", ("request_latency", "avg")),
           ("evalscope/parallel_2_number_10/benchmark_summary.json", "Test Duration (s)", ("Test Duration (s)",)),
           ("aisbench/synthetic.json", "Benchmark Duration", ("Benchmark Duration", "total")),
           ("genai-bench/D64_16_text-to-text_num_concurrency_2_time_2s.json", "run_duration", ("aggregated_metrics", "run_duration")),
           ("llama-bench.json", "avg_ts", (0, "avg_ts"))]


@pytest.mark.parametrize(("name", "key", "path"), DAMAGES, ids=[f"{name}:{key}" for name, key, _ in DAMAGES])
@pytest.mark.parametrize("junk", ["missing", None, "fast", [1], True, math.nan])
def test_a_damaged_file_of_a_known_tool_is_an_error_that_names_the_key(name, key, path, junk):
    content = json.loads((SAMPLES / name).read_text())
    place = content
    for step in path[:-1]:
        place = place[step]
    if junk == "missing" and key != "Benchmark Duration":
        del place[path[-1]]
    else:
        place[path[-1]] = junk
    with pytest.raises(DataError) as error:
        read_result(json.dumps(content).encode(), name.rpartition("/")[2])
    assert key in str(error.value)
    assert name.rpartition("/")[2].partition(".")[0] in str(error.value)


def test_zeros_and_minus_ones_are_not_measured_values():
    run = json.loads((SAMPLES / "vllm.json").read_text())
    run |= {"mean_ttft_ms": 0.0, "p99_ttft_ms": 0.0, "std_ttft_ms": 0.0, "output_throughput": -1}
    result = read_result(json.dumps(run).encode(), "vllm.json")
    figures = result.claims.claims[0].figures
    assert {"ttft", "ttft.p99", "output_throughput"} & set(figures) == set()
    assert figures["ttft.std"].value == 0
    assert len(result.claims.left_out) == 3
    assert "vllm.json: ttft mean is 0.0, which vllm writes where nothing was measured" in map(str, result.claims.left_out)


def test_a_load_without_a_limit_has_no_concurrency_or_rate():
    run = json.loads((SAMPLES / "vllm.json").read_text())
    run |= {"max_concurrency": None}
    claim = read_result(json.dumps(run).encode(), "vllm.json").claims.claims[0]
    assert {"concurrency", "request_rate"} & set(claim.figures) == set()
    run |= {"request_rate": 12.5}
    claim = read_result(json.dumps(run).encode(), "vllm.json").claims.claims[0]
    assert (claim.value("request_rate"), claim.label) == (12.5, "request_rate=12.5")
    summary = json.loads((SAMPLES / "evalscope/parallel_2_number_10/benchmark_summary.json").read_text()) | {"Concurrency": -1, "Request Rate (req/s)": 5.0}
    claim = read_result(json.dumps(summary).encode(), "benchmark_summary.json").claims.claims[0]
    assert (claim.value("concurrency"), claim.value("request_rate")) == (None, 5.0)


def test_the_longer_keys_of_older_evalscopes_are_read_in_their_seconds():
    older = {"Time taken for tests (s)": 10.5, "Number of concurrency": 8, "Total requests": 40, "Succeed requests": 39, "Failed requests": 1,
             "Output token throughput (tok/s)": 400.1234, "Average latency (s)": 2.1, "Average time to first token (s)": 0.25,
             "Average time per output token (s)": 0.02}
    claim = read_result(json.dumps(older).encode(), "benchmark_summary.json").claims.claims[0]
    assert {name: claim.value(name) for name in ("duration", "concurrency", "requests", "ttft", "tpot", "e2e")} == {
        "duration": 10.5, "concurrency": 8, "requests": 39, "ttft": 0.25, "tpot": 0.02, "e2e": 2.1}


# ── shapes of files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_three_forms_of_llama_bench_say_the_same():
    def figures(name):
        return [{figure: read.value for figure, read in claim.figures.items() if figure != "runs"} for claim in result_of(name).claims.claims]

    assert figures("llama-bench.json") == figures("llama-bench.jsonl") == [pytest.approx(one) for one in figures("llama-bench.csv")]


def test_appended_runs_are_rows_and_a_last_line_that_was_cut_off_is_dropped():
    line = (SAMPLES / "vllm.json").read_bytes().strip()
    result = read_result(line + b"\n" + line + b"\n" + line[:700], "appended.json")
    assert [claim.row for claim in result.claims.claims] == [1, 2]
    assert set(result.per_request) == {1, 2}


def test_byte_order_mark_nan_and_infinity_are_read():
    run = json.loads((SAMPLES / "vllm.json").read_text()) | {"request_rate": math.inf, "mean_itl_ms": math.nan}
    result = read_result(b"\xef\xbb\xbf" + json.dumps(run).encode(), "vllm.json")
    figures = result.claims.claims[0].figures
    assert "request_rate" not in figures
    assert "itl" not in figures
    assert figures["ttft"].value == pytest.approx(0.0322796678)


def test_a_folder_may_hold_the_results_of_two_tools():
    files = {**files_of("vllm.json"), **files_of("llama-bench.csv")}
    assert {one.tool for one in read_results(files, "both")} == {"vllm", "llama-bench"}
