"""The options of ``touchstone run`` that choose an engine and its settings, and what they mean together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from touchstone.plan import EngineOptions

_LEAST_ONE = click.IntRange(min=1)
_OPTIONS = (
    click.option("--engine", metavar="NAME", help="In this process: transformers, llama.cpp, vllm, vllm-async, sglang. As a server that is started and "
                 "stopped: vllm-server, sglang-server, mindie, transformers-serve, llamacpp-server. Default: the best one installed for the device."),
    click.option("--device", metavar="NAME", help="npu, cuda, cuda:1 or cpu. Default: the best one present."),
    click.option("--dtype", metavar="NAME", help="fp32, fp16, bf16 or int8. Default: the engine's usual one on the device."),
    click.option("--threads", metavar="N", type=_LEAST_ONE, help="CPU threads. Default: every usable core."),
    click.option("--engine-python", metavar="PATH", help="The interpreter that has the engine, where its packages do not go with ours."),
    click.option("--trust-remote-code", is_flag=True, help="Run Python code that comes with the checkpoint."),
    click.option("--tensor-parallel", "--tp", "tensor_parallel", metavar="N", type=_LEAST_ONE, help="Devices that share the model."),
    click.option("--memory-fraction", metavar="SHARE", type=click.FloatRange(0, 1, min_open=True), help="Share of device memory the engine may take."),
    click.option("--max-sequence-tokens", metavar="N", type=_LEAST_ONE, help="Longest sequence the engine allows. Default: the plan's."),
    click.option("--quantization", metavar="METHOD", help="In the engine's own word: ascend, modelslim, awq, …"),
    click.option("--graph/--no-graph", default=None, help="Device graphs of the engine. Default: as the engine does."),
    click.option("--attention", metavar="NAME", help="Attention implementation: sdpa, eager, flash_attention_2."),
    click.option("--cache", type=click.Choice(["dynamic", "static"]), default="dynamic", help="KV cache of transformers."),
    click.option("--compile/--no-compile", "compile", default=False, help="torch.compile the model."),
    click.option("--device-graph/--no-device-graph", default=False, help="Capture decoding steps as device graphs."),
    click.option("--server-arg", "server_args", metavar="ARG", multiple=True, help="One more argument for the started server, as it is; may be repeated."),
    click.option("--start-timeout", "start_timeout_s", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), default=1800.0,
                 help="How long the server may take to be ready."),
    click.option("--base-url", metavar="URL", help="Measure the server that runs there and leave it running; --model is the directory with its tokenizer."),
)
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Engine": ("engine", "device", "dtype", "threads", "engine_python", "trust_remote_code"),
    "Settings of vllm, sglang, mindie and their servers": (
        "tensor_parallel", "memory_fraction", "max_sequence_tokens", "quantization", "graph"),
    "Settings of transformers": ("attention", "cache", "compile", "device_graph"),
    "Servers": ("server_args", "start_timeout_s", "base_url"),
}
"""Headings of ``--help`` and the options under each."""


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to ``command``, in the order above."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_options(given: Mapping[str, Any]) -> EngineOptions:
    """The settings among ``given``. Raises :class:`touchstone.errors.UsageError` for an address that cannot be measured or chosen."""
    from touchstone.errors import UsageError
    from touchstone.plan import EngineOptions

    for argument in given["server_args"]:
        if argument.partition("=")[0] == "--api-key":
            raise UsageError("A server that asks for a key would refuse the run's own requests, and the key would be kept with the run.",
                             "Leave --server-arg --api-key out: a server that a run starts listens on this machine only.")
        if argument.partition("=")[0] in {"--host", "--port"}:
            raise UsageError("The run itself chooses where its server listens; --server-arg {argument} cannot.",
                             "Leave it out, or start the server yourself and measure it with --base-url.", argument=argument)
    graph = None if given["graph"] is None else "on" if given["graph"] else "off"
    settings = {name: given[name] for name in EngineOptions.model_fields if name in given}
    return EngineOptions.model_validate(settings | {"graph": graph, "engine_python": _absolute(given["engine_python"]), "base_url": _address(given)})


def _absolute(python: str | None) -> str | None:
    """A path holds wherever the interpreter is started; a bare name is looked up where programs are."""
    return str(Path(python).expanduser().absolute()) if python and os.sep in python else python


def _address(given: Mapping[str, Any]) -> str | None:
    """The address of the server that runs already, as other tools write it too; None where there is none to be measured."""
    from touchstone.errors import UsageError
    from touchstone.measure.load.connection import parse_address

    url, engine = given["base_url"], given["engine"]
    if url is None:
        if engine == "server":
            raise UsageError("Which server? --base-url is missing.", "Give it: --base-url http://127.0.0.1:8000")
        return None
    if engine not in {None, "server"}:
        raise UsageError("--base-url measures a server that runs already, whatever its engine; --engine {engine} would start one.",
                         "Leave out one of the two.", engine=engine)
    if given["model"] is None:
        raise UsageError("--base-url needs --model.", "Give the directory of the model that the server serves: its tokenizer builds the prompts.")
    if parse_address(url).tls:
        raise UsageError("A run talks to its server without encryption, and {url} wants it.",
                         "Give the address behind the proxy, on the server's own host for instance; touchstone load takes https.", url=url)
    return str(url).rstrip("/").removesuffix("/v1")
