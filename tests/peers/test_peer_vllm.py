"""``vllm bench serve`` on the same answers: its own reader of the stream and its own arithmetic."""

import pytest
from peer_source import peer_module, peer_version
from peer_streams import Clock, duration_s, letters, make_played, ours, run, same, session

from touchstone.judge.definitions import TOOLS

FAMILIES = {"TTFT": "ttft", "TPOT": "tpot", "ITL": "itl", "E2EL": "e2el"}


def theirs(played, *, chat):
    clock = Clock()
    reader = peer_module("vllm", "vllm/benchmarks/lib/endpoint_request_func.py", time=clock)
    ask = reader["async_request_openai_chat_completions" if chat else "async_request_openai_completions"]
    url = "http://host/v1/chat/completions" if chat else "http://host/v1/completions"
    outputs = [run(ask(reader["RequestFuncInput"](prompt="x", api_url=url, prompt_len=one.prompt, output_len=one.asked, model="m"),
                       session(clock, one))) for one in played]
    arithmetic = peer_module("vllm", "vllm/benchmarks/serve.py")
    metrics, _ = arithmetic["calculate_metrics"]([], outputs, duration_s(played), letters, [90, 95, 99], {})
    return metrics


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_vllm_s(seed, chat):
    played = make_played(seed, chat=chat)
    expected, found = theirs(played, chat=chat), ours("vllm", played, chat=chat)
    assert 0 < expected.completed < len(played)
    wrong = {}
    for name, key in FAMILIES.items():
        wanted = {"mean": getattr(expected, f"mean_{key}_ms"), "std": getattr(expected, f"std_{key}_ms"),
                  "p50": getattr(expected, f"median_{key}_ms")}
        wanted |= {f"p{place}": value for place, value in getattr(expected, f"percentiles_{key}_ms")}
        wrong |= {f"{name} {one}": (found[name][one], value) for one, value in wanted.items() if not same(found[name][one], value)}
    rates = {"Request throughput": expected.request_throughput, "Output token throughput": expected.output_throughput,
             "Total token throughput": expected.total_token_throughput, "Peak output token throughput": expected.max_output_tokens_per_s,
             "Peak concurrent requests": expected.max_concurrent_requests, "Benchmark duration": duration_s(played)}
    wrong |= {name: (found[name]["value"], value) for name, value in rates.items() if not same(found[name]["value"], value)}
    assert wrong == {}


def test_the_version_read_is_the_version_named():
    assert TOOLS["vllm"].version == peer_version("vllm")
