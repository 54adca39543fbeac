"""``sglang.benchmark.serving`` on the same answers: its own reader of the stream and its own arithmetic."""

from types import SimpleNamespace

import pytest
from peer_source import peer_module, peer_version
from peer_streams import Clock, duration_s, make_played, ours, run, same, session

from touchstone.judge.definitions import TOOLS

FAMILIES = {"TTFT": "ttft", "TPOT": "tpot", "ITL": "itl", "E2E Latency": "e2e_latency"}
RATES = {"Request throughput": "request_throughput", "Input token throughput": "input_throughput",
         "Output token throughput": "output_throughput", "Total token throughput": "total_throughput", "Total generated tokens": "total_output",
         "Concurrency": "concurrency", "Peak output token throughput": "max_output_tokens_per_s",
         "Peak concurrent requests": "max_concurrent_requests"}


def theirs(played, *, chat):
    clock = Clock()
    module = peer_module("sglang", "sglang/benchmark/serving.py", time=clock, remove_prefix=str.removeprefix)
    module["args"] = SimpleNamespace(disable_stream=False, disable_ignore_eos=False, return_logprob=False, top_logprobs_num=0)
    ask = module["async_request_openai_chat_completions" if chat else "async_request_openai_completions"]
    url = "http://host/v1/chat/completions" if chat else "http://host/v1/completions"
    outputs = []
    for one in played:
        module["_create_bench_client_session"] = lambda one=one: session(clock, one)
        asked = module["RequestFuncInput"](prompt="x", api_url=url, prompt_len=one.prompt, output_len=one.asked, model="m", lora_name="",
                                           image_data=None, extra_request_body={})
        outputs.append(run(ask(asked)))
    rows = [SimpleNamespace(prompt_len=one.prompt, text_prompt_len=one.prompt, vision_prompt_len=0) for one in played]
    tokenizer = SimpleNamespace(encode=lambda text, **_how: list(text))
    metrics, _ = module["calculate_metrics"](rows, outputs, duration_s(played), tokenizer, "vllm-chat")
    return metrics


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_sglang_s(seed, chat):
    # Its own completions client cannot read the usage event that it does not ask for.
    played = make_played(seed, chat=chat, usage_share=0.8 if chat else 0)
    expected, found = theirs(played, chat=chat), ours("sglang", played, chat=chat)
    assert 0 < expected.completed < len(played)
    wrong = {}
    for name, key in FAMILIES.items():
        wanted = {"mean": f"mean_{key}_ms", "std": f"std_{key}_ms", "p50": f"median_{key}_ms", "p90": f"p90_{key}_ms", "p95": f"p95_{key}_ms",
                  "p99": f"p99_{key}_ms"} | ({"max": "max_itl_ms"} if name == "ITL" else {})
        wrong |= {f"{name} {one}": (found[name][one], value) for one, field in wanted.items()
                  if not same(found[name][one], value := getattr(expected, field))}
    wrong |= {name: (found[name]["value"], value) for name, field in RATES.items()
              if not same(found[name]["value"], value := getattr(expected, field))}
    assert wrong == {}


def test_the_version_read_is_the_version_named():
    assert TOOLS["sglang"].version == peer_version("sglang")
