"""SGLang's ``Engine`` in this process; scheduler and model run in processes that it starts.

Every chunk of the stream is stamped as it is handed out. A chunk holds the whole text so far and a running count of its tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from touchstone.errors import EngineError, NotReadyError
from touchstone.measure.devices import Device, installed
from touchstone.measure.engines import Sizes, torch_model
from touchstone.measure.engines.checkpoint_engine import CheckpointEngine
from touchstone.measure.engines.memory_elsewhere import MemoryElsewhere
from touchstone.measure.engines.streamed_record import Ending, Piece, record_of
from touchstone.measure.engines.vllm_facts import DTYPES
from touchstone.measure.servers.commands.sglang import CONTEXT_SLACK
from touchstone.measure.tape import Tape
from touchstone.plan import EngineOptions, Target
from touchstone.record import EngineFacts, Record
from touchstone.request import Batch, Request

Chunk = Mapping[str, Any]
_SAID = {"tensor_parallel": "tp_size", "max_sequence_tokens": "context_length", "max_sequences": "max_running_requests",
         "kv_cache_tokens": "max_total_num_tokens", "kv_cache": "kv_cache_dtype", "block_tokens": "page_size",
         "chunked_prefill_tokens": "chunked_prefill_size", "attention": "attention_backend", "graph_off": "disable_cuda_graph",
         "memory_fraction": "mem_fraction_static", "quantization": "quantization", "platform": "device"}


class SglangEngine(CheckpointEngine):
    """``sglang.Engine``, asked with token ids."""

    def __init__(self, target: Target, device: Device) -> None:
        super().__init__(target, MemoryElsewhere(device))
        self._engine: Any = None

    def start(self, sizes: Sizes) -> EngineFacts:
        try:
            from sglang import Engine
        except (ImportError, RuntimeError) as error:
            raise NotReadyError("SGLang cannot be imported: {why}.", "Install the build of SGLang that belongs to this machine.",
                                why=torch_model.first_line(error)) from error
        try:
            self._engine = Engine(**self._arguments(sizes))
        except Exception as error:
            raise EngineError("SGLang could not start {model}: {why}.",
                              "The launch's log has its own words. Shorter sequences, a smaller batch or --memory-fraction change what it needs.",
                              model=self._target.model, why=torch_model.first_line(error)) from error
        info = self._engine.get_server_info()
        said = {ours: info.get(theirs) for ours, theirs in _SAID.items()}
        radix_off = info.get("disable_radix_cache")
        return self._engine_facts("sglang", _version(), self._held_dtype(),
                                  {**said, "prefix_cache": None if radix_off is None else not radix_off})

    def _arguments(self, sizes: Sizes) -> dict[str, Any]:
        most, needed = self._checkpoint.max_positions, sizes.sequence_tokens + CONTEXT_SLACK
        context = self._target.options.max_sequence_tokens or (needed if most is None else min(needed, most))
        given = arguments(self._target, str(self._directory), batch_size=sizes.batch_size, context_tokens=context)
        return given if self._has_files else {**given, "load_format": "dummy"}

    def _held_dtype(self) -> str:
        stated = str(self._engine.tokenizer_manager.model_config.dtype).removeprefix("torch.")
        found = next((ours for ours, theirs in DTYPES.items() if theirs == stated), None)
        if found is None:
            raise EngineError("The engine runs in {dtype}, which this version does not know.", "", dtype=stated)
        return found

    def prepare(self, batch: Batch) -> tuple[list[list[int]], list[dict[str, Any]]]:
        """Token ids and sampling parameters, one of each per request."""
        return [list(request.prompt) for request in batch.requests], [sampling(request) for request in batch.requests]

    def generate(self, prepared: tuple[list[list[int]], list[dict[str, Any]]], tape: Tape, *, marked: bool) -> list[Chunk]:
        ids, parameters = prepared
        if not marked:
            return list(self._engine.generate(input_ids=ids, sampling_params=parameters))
        chunks: list[Chunk] = []
        for chunk in self._engine.generate(input_ids=ids, sampling_params=parameters, stream=True):
            tape.mark()
            chunks.append(chunk)
        return chunks

    def read(self, batch: Batch, tape: Tape, output: list[Chunk]) -> tuple[Record, ...]:
        of_request: dict[int, list[tuple[int | None, Chunk]]] = defaultdict(list)
        stamps: Sequence[int | None] = tape.marks_ns or [None] * len(output)
        for order, (at_ns, chunk) in enumerate(zip(stamps, output, strict=True)):
            of_request[int(chunk["index"]) if tape.marks_ns else order].append((at_ns, chunk))
        return tuple(record_of(request, tape, _pieces(of_request[place]), _ending(of_request[place]))
                     for place, request in enumerate(batch.requests))

    def is_out_of_memory(self, error: BaseException) -> bool:
        return torch_model.is_out_of_memory(error)

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.shutdown()
        self._engine = None
        self.device.release()


def arguments(target: Target, model: str, *, batch_size: int, context_tokens: int) -> dict[str, Any]:
    """Keyword arguments of ``sglang.Engine``, which are those of its ``ServerArgs``. A name that is left out keeps SGLang's own default."""
    options: EngineOptions = target.options
    kind, _, index = target.device.partition(":")
    chosen: dict[str, Any] = {
        "model_path": model, "device": kind, "base_gpu_id": int(index or 0), "dtype": DTYPES[target.dtype], "random_seed": 0,
        "context_length": context_tokens, "max_running_requests": batch_size, "tp_size": options.tensor_parallel or 1,
        "disable_radix_cache": True,  # or a prompt that comes again would not be processed again
        "trust_remote_code": options.trust_remote_code,
    }
    if kind == "npu":
        chosen["attention_backend"] = "ascend"
    if options.memory_fraction is not None:
        chosen["mem_fraction_static"] = options.memory_fraction
    if options.graph is not None:
        chosen["disable_cuda_graph"] = options.graph == "off"
    if options.quantization is not None:
        chosen["quantization"] = options.quantization
    return chosen


def sampling(request: Request) -> dict[str, Any]:
    """One request's sampling parameters, by SGLang's names."""
    chosen = request.sampling
    seed = {} if chosen.greedy else {"sampling_seed": chosen.seed}
    return {"max_new_tokens": request.max_output_tokens, "temperature": chosen.temperature, "top_p": chosen.top_p,
            "ignore_eos": not request.stop_at_eos, **seed}


def _pieces(chunks: Sequence[tuple[int | None, Chunk]]) -> list[Piece]:
    """What each chunk added to the text and the count before it."""
    pieces: list[Piece] = []
    text, tokens = "", 0
    for at_ns, chunk in chunks:
        whole, total = str(chunk["text"]), int(chunk["meta_info"]["completion_tokens"])
        pieces.append(Piece(at_ns, total - tokens, whole[len(text):]))
        text, tokens = whole, total
    return pieces


def _ending(chunks: Sequence[tuple[int | None, Chunk]]) -> Ending | None:
    if not chunks:
        return None
    said = chunks[-1][1]["meta_info"]
    finish = said.get("finish_reason")
    return Ending(said.get("prompt_tokens"), said.get("cached_tokens"), finish.get("type") if isinstance(finish, Mapping) else finish)


def _version() -> str:
    names = ("sglang", "torch", "sgl_kernel_npu", "torch_npu")
    return ", ".join(f"{name} {found}" for name in names if (found := installed(name)))
