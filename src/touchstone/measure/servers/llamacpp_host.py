"""Serves a GGUF file by the HTTP server of the ``xllamacpp`` wheel, taking ``llama-server``'s own options."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from typing import Any


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of ``llama-server`` that :mod:`.commands.llamacpp` gives, under their names there."""
    parser = argparse.ArgumentParser(prog="llamacpp-host", allow_abbrev=False)
    for name in ("model", "host", "alias"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("port", "parallel", "ctx-size"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("threads", "threads-batch", "n-gpu-layers", "cache-ram", "ctx-checkpoints"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--cache-type-k", choices=["f16", "f32"], default="f16")
    parser.add_argument("--cache-type-v", choices=["f16", "f32"], default="f16")
    parser.add_argument("--flash-attn", choices=["on", "off", "auto"], default="auto")
    parser.add_argument("--fit", choices=["on", "off"], default="on")
    for name in ("kv-unified", "cache-prompt", "context-shift"):
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--metrics", action="store_true")
    return parser.parse_args(arguments)


def serve(asked: argparse.Namespace) -> None:
    """Load the model, answer, and return only when the process is told to end."""
    import xllamacpp

    params = _params(xllamacpp, asked)
    server = xllamacpp.Server(params)
    threading.Event().wait()
    del server


def _params(xllamacpp: Any, asked: argparse.Namespace) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = asked.model
    params.model_alias = {asked.alias}
    params.hostnames = [asked.host]
    params.port = asked.port
    params.n_parallel, params.n_ctx = asked.parallel, asked.ctx_size
    params.n_batch = max(2048, asked.parallel)
    params.kv_unified, params.cache_prompt, params.ctx_shift = asked.kv_unified, asked.cache_prompt, asked.context_shift
    params.cache_ram_mib, params.n_ctx_checkpoints = asked.cache_ram or 0, asked.ctx_checkpoints or 0
    params.fit_params = asked.fit == "on"
    params.endpoint_metrics = asked.metrics
    if asked.threads:
        params.cpuparams.n_threads = asked.threads
    if asked.threads_batch:
        params.cpuparams_batch.n_threads = asked.threads_batch
    if asked.n_gpu_layers is not None:
        params.n_gpu_layers = asked.n_gpu_layers
    types = {"f16": xllamacpp.ggml_type.GGML_TYPE_F16, "f32": xllamacpp.ggml_type.GGML_TYPE_F32}
    params.cache_type_k, params.cache_type_v = types[asked.cache_type_k], types[asked.cache_type_v]
    flash = xllamacpp.llama_flash_attn_type
    params.flash_attn_type = {"on": flash.LLAMA_FLASH_ATTN_TYPE_ENABLED, "off": flash.LLAMA_FLASH_ATTN_TYPE_DISABLED,
                              "auto": flash.LLAMA_FLASH_ATTN_TYPE_AUTO}[asked.flash_attn]
    return params
