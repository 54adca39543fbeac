"""What a run was spread over: which chip, how many of them, or why its settings leave that open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.hardware import Chip, find_chip
from touchstone.header import mapping
from touchstone.judge.footprint.of_run import facts_of
from touchstone.message import Message, say
from touchstone.record import Run

_HARMLESS: Mapping[str, frozenset[str]] = {
    "vllm-server": frozenset({"--max-num-seqs", "--max-num-batched-tokens", "--max-model-len", "--gpu-memory-utilization", "--seed"}),
    "sglang-server": frozenset({"--max-running-requests", "--max-total-tokens", "--max-prefill-tokens", "--mem-fraction-static", "--context-length",
                                "--random-seed"}),
    "llamacpp-server": frozenset({"--threads", "--threads-batch"}),
}
"""Arguments of one value that only size a batch, a pool or a crowd of threads, or that seed: no step reads less, no device joins in.

By https://docs.vllm.ai/en/latest/configuration/engine_args.html, https://docs.sglang.io/advanced_features/server_arguments.html and
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md. An abbreviation, or any other argument, may mean anything.
"""


def chip_of(run: Run) -> Chip | None:
    """The chip that the engine names as its device; None where it is in no table."""
    return find_chip(device_name_of(run))


def device_name_of(run: Run) -> str:
    """The device as the engine names it, else its kind; empty where no launch got that far."""
    facts = facts_of(run)
    return str(facts.get("device_name") or facts.get("device") or "")


def is_host(run: Run) -> bool:
    """Whether the engine computes on the host itself."""
    return facts_of(run).get("device") == "cpu"


def count_of(run: Run) -> int:
    """How many devices were asked for, or took part by the engine's word or its log, whichever is more."""
    options = said_options(run)
    said = asked_options(run).get("tensor_parallel"), options.get("tensor_parallel"), mapping(options.get("log_says")).get("ranks")
    return max(one if isinstance(one, int) else 1 for one in said)


def why_open(run: Run) -> Message | None:
    """Why nobody knows what moved how many bytes on how many devices; None where it is known."""
    engine = str(mapping(run.header.get("target")).get("engine"))
    if said_options(run).get("started_here") is False:
        return say("the server was there before the run and does not say what it runs on")
    if not _are_harmless(asked_options(run).get("server_args") or (), engine):
        return say("the server was given further arguments, which may change what a step reads and on how many devices")
    if engine == "llamacpp-server" and not is_host(run):
        return say("llama.cpp shares a model out over all the devices that it sees, and does not say how many those were")
    return None


def _are_harmless(arguments: object, engine: str) -> bool:
    """Whether ``arguments`` are nothing but such arguments, each with its value; of what cannot be read nobody knows."""
    left = iter(arguments if isinstance(arguments, (list, tuple)) else [arguments])
    for argument in left:
        name, sign, _ = str(argument).partition("=")
        value = sign or str(next(left, "-"))
        if name not in _HARMLESS.get(engine, ()) or value.startswith("-"):
            return False
    return True


def asked_options(run: Run) -> Mapping[str, Any]:
    """The settings that the engine was asked for."""
    return mapping(mapping(run.header.get("target")).get("options"))


def said_options(run: Run) -> Mapping[str, Any]:
    """The settings of the engine in its own words."""
    return mapping(facts_of(run).get("options"))
