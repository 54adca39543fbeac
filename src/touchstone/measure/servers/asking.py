"""How each server is asked for exactly the tokens of a request: the bodies of its completions endpoint."""

from __future__ import annotations

import json
from typing import Any

from touchstone.request import Request

_PLAIN_SAMPLING = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""What a model's own generation config may set otherwise: a penalty of 1.05 would change what is measured."""
_USAGE = {"include_usage": True, "continuous_usage_stats": True}


def openai_ids(request: Request, model: str, *, stream: bool) -> dict[str, Any]:
    """Of vLLM and SGLang: token ids as the prompt, an output of exact length by ``ignore_eos``, a running count of tokens in every event."""
    return {**_openai(request, model, stream=stream), **_PLAIN_SAMPLING, "prompt": list(request.prompt), **({"stream_options": _USAGE} if stream else {})}


def openai_text(request: Request, model: str, *, stream: bool) -> dict[str, Any]:
    """As :func:`openai_ids` where a server takes text alone; the caller fills in ``prompt``."""
    return {**_openai(request, model, stream=stream), **({"stream_options": {"include_usage": True}} if stream else {})}


def _openai(request: Request, model: str, *, stream: bool) -> dict[str, Any]:
    sampling = request.sampling
    return {"model": model, "max_tokens": request.max_output_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p,
            "seed": sampling.seed, "ignore_eos": not request.stop_at_eos, "stream": stream}


def llamacpp(request: Request, model: str, *, stream: bool) -> dict[str, Any]:
    """llama.cpp: as the engine in process asks, with its own timings in every event and no prompt cache."""
    sampling = request.sampling
    return {"model": model, "prompt": list(request.prompt), "max_tokens": request.max_output_tokens, "ignore_eos": not request.stop_at_eos,
            "cache_prompt": False, "timings_per_token": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed,
            "top_k": 0, "min_p": 0.0, "samplers": ["temperature", "top_p"], "stream": stream}


def transformers_serve(request: Request, model: str, *, stream: bool) -> dict[str, Any]:
    """``transformers serve`` refuses ``ignore_eos``, but takes a whole generation config: a least length does the same."""
    sampling = request.sampling
    least = {} if request.stop_at_eos else {"min_new_tokens": request.max_output_tokens}
    chosen = {} if sampling.greedy else {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    config = {"max_new_tokens": request.max_output_tokens, "do_sample": not sampling.greedy, **least, **chosen}
    return {"model": model, "generation_config": json.dumps(config), "seed": sampling.seed, "stream": stream}
