"""Names that engines certainly do not know, as published scripts use them. Only what was looked up stands here.

Read in November 2026: SGLang's server-argument reference (004813e) and ``Engine.generate`` (001067f), vLLM's ``SamplingParams`` (00388f6),
llama-cpp-python's ``Llama.create_completion`` (00c954e), openai-python 3.54, transformers 5.23, torch_npu's memory interface (9e73e70).
"""

from __future__ import annotations

from collections.abc import Mapping

from touchstone.judge.lint.generations import LLAMA_CPP, OPENAI, SGLANG, TRANSFORMERS, VLLM
from touchstone.message import Message, say

_IN_SAMPLING_PARAMS = say("put it into sampling_params, the second argument")
_FORCE_LENGTH = say("min_new_tokens = max_new_tokens")
_EXTRA_BODY = say("the client refuses it; a server's own options go into extra_body={{...}}")
_MAX_TOKENS = say("max_tokens")
_MAX_NEW_TOKENS = say("max_new_tokens")

ARGUMENTS: Mapping[str, Mapping[str, Message]] = {
    SGLANG: dict.fromkeys(("max_new_tokens", "max_tokens", "min_new_tokens", "temperature", "top_p", "top_k", "ignore_eos"), _IN_SAMPLING_PARAMS),
    VLLM: dict.fromkeys(("max_tokens", "max_new_tokens", "min_tokens", "temperature", "top_p", "top_k", "ignore_eos"), _IN_SAMPLING_PARAMS),
    TRANSFORMERS: {"max_tokens": _MAX_NEW_TOKENS, "n_predict": _MAX_NEW_TOKENS, "ignore_eos": _FORCE_LENGTH, "min_tokens": _FORCE_LENGTH},
    OPENAI: {"max_new_tokens": _MAX_TOKENS, "n_predict": _MAX_TOKENS, **dict.fromkeys(
        ("ignore_eos", "min_tokens", "min_new_tokens", "top_k", "min_p", "repetition_penalty"), _EXTRA_BODY)},
    LLAMA_CPP: {"max_new_tokens": _MAX_TOKENS, "n_predict": _MAX_TOKENS, "num_predict": _MAX_TOKENS,
                "ignore_eos": say("logit_bias on the end-of-sequence token"), "min_tokens": say("logit_bias on the end-of-sequence token")},
}
"""Engine → keyword arguments of its generating call that it does not have → what to write instead."""

CONSTRUCTORS: Mapping[str, Mapping[str, Message]] = {
    "sglang.Engine": {"backend": say('device="npu" and attention_backend="ascend"')},
    "vllm.SamplingParams": {"max_new_tokens": _MAX_TOKENS, "min_new_tokens": say("min_tokens"), "do_sample": say("temperature=0 is greedy")},
}
"""Class → keyword arguments that it does not have → what to write instead."""

ENVIRONMENT: Mapping[str, Message] = {
    "SGLANG_TARGET_BACKEND": say("choose the device with --device npu"),
    "ASCEND_SKIP_CPU_FALLBACK_WARNING": say("leave it out; neither torch_npu nor CANN reads it"),
}
"""Environment variables that nothing reads."""

ATTRIBUTES: Mapping[str, Message] = {
    "torch_npu.memory.npu_memory_reserved": say("torch.npu.memory_reserved()"),
    "torch_npu.memory.npu_memory_allocated": say("torch.npu.memory_allocated()"),
}
"""Functions that their library does not have."""

SERVER_FLAG = ("sglang.launch_server", "--backend")
"""A command of the first with an option of the second: the server has no such option."""
