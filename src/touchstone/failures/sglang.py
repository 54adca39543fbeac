"""Failures of SGLang."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

SGLANG: tuple[Failure, ...] = (
    Failure(
        "sglang-no-kv-memory", "SGLang", phrases("Not enough memory. Please try to increase --mem-fraction-static",
                                                 "Not enough memory to allocate KV cache"),
        say("What mem-fraction-static allows is used up by the weights, so no KV cache fits."),
        say("Raise --mem-fraction-static if the device has memory free (out of memory while serving is the opposite: lower it); else "
            "quantize or use a greater --tp-size."),
        "sglang #4330, #322",
        "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static."),
    Failure(
        "unrecognized-arguments", "SGLang", phrases("error: unrecognized arguments:"),
        say("The command has no such option in this version; it may be of another version, of another engine, or invented (SGLang's "
            "server has no `--backend ascend`)."),
        say("Look it up with --help of this version. SGLang on Ascend: --device npu --attention-backend ascend."),
        "sglang #5032, #4116",
        "launch_server.py: error: unrecognized arguments: --backend ascend"),
    Failure(
        "quantized-partition", "SGLang", phrases("is not divisible by weight quantization", "is not divisible by min_thread"),
        say("Shared out among so many devices, a quantized weight is cut inside one of its blocks."),
        say("Choose a smaller tensor-parallel size, or expert or data parallelism, or a model quantized with smaller blocks."),
        "sglang #4791, #3491, vllm #17569",
        "ValueError: Weight output_partition_size = 576 is not divisible by weight quantization block_n = 128."),
    Failure(
        "sglang-scheduler", "SGLang", phrases("Scheduler hit an exception", "Initialization failed. warmup error",
                                              "usually means the child failed", "usually means one child failed"),
        say("A process of SGLang ended; this line does not say why."),
        say("Read the error in the traceback below it, or the first error above it."),
        "sglang #14159, #4791",
        "[2025-11-30 05:12:25] Initialization failed. warmup error: Traceback (most recent call last):", Standing.ECHO),
)
