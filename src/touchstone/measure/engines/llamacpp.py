"""llama.cpp inside this process, through the prebuilt ``xllamacpp``: no torch, installs in seconds.

Requests go straight into the library's server loop by a function call; its loopback HTTP port is used only to tokenize.
The prompt cache is off, so every prompt is really processed.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from touchstone.checkpoints import synthetic
from touchstone.errors import EngineError, UsageError
from touchstone.measure import thinking
from touchstone.measure.devices import Device, installed
from touchstone.measure.engines import Footprint, Sizes, Vocabulary
from touchstone.measure.engines.gguf_facts import GgufFacts, read_gguf
from touchstone.measure.engines.tokenizers import LlamaCppTokenizer
from touchstone.measure.load.connection import parse_address
from touchstone.measure.tape import Tape
from touchstone.plan import ChatMessage, Target
from touchstone.record import EngineFacts, Record, Status
from touchstone.request import Batch, Request
from touchstone.units import NS_PER_MS


class LlamaCppEngine:
    """A GGUF model on the CPU, one server slot per sequence of the largest batch."""

    def __init__(self, target: Target, device: Device) -> None:
        self.device = device
        self._target = target
        self._path = gguf_path(target)
        self._gguf = read_gguf(self._path)
        check_dtype(target, self._path, self._gguf)
        self._server: Any = None
        self._api_key = secrets.token_hex(16)

    def model_files(self) -> Sequence[str]:
        return [str(self._path)]

    def footprint(self) -> Footprint:
        values = self._gguf.kv_values_per_token
        return Footprint(sum(self._gguf.dtypes.values()), None if values is None else values * self._kv_value_bytes,
                         self._gguf.max_positions)

    def start(self, sizes: Sizes) -> EngineFacts:
        import xllamacpp

        self._server = self._open_server(xllamacpp, sizes)
        options = self._target.options
        return EngineFacts(
            engine="llama.cpp", version=f"xllamacpp {installed('xllamacpp')}", device=self.device.torch_name,
            device_name=str(self.device.identity()["name"]), model=str(self._path),
            random_weights=synthetic.is_random(self._path.parent), dtypes=self._gguf.dtypes,
            weight_bytes=sum(self._gguf.dtypes.values()), parameters=self._gguf.parameters,
            kv_bytes_per_token=self.footprint().kv_bytes_per_token,
            options={"threads": options.threads, "slots": sizes.batch_size, "prompt_cache": False,
                     "flash_attention": "off" if self._target.dtype == "fp32" else "auto", "kv_cache": "fp32" if self._kv_value_bytes == 4 else "fp16",
                     "context_tokens": sizes.sequence_tokens, "system": xllamacpp.get_system_info().strip()},
            memory_total_bytes=self.device.memory().device_total,
            read_bytes_per_step=sum(self._gguf.dtypes.values()) - self._gguf.embedding_bytes,
        )

    def _open_server(self, xllamacpp: Any, sizes: Sizes) -> Any:
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.hostnames = ["127.0.0.1"]
        params.port = 0  # a free one
        params.api_keys = [self._api_key]  # other users of this host have no business here
        params.n_parallel = sizes.batch_size
        params.kv_unified = False
        # The server shares the context out among its slots; a little is added for what it keeps for itself.
        params.n_ctx = sizes.batch_size * (sizes.sequence_tokens + 8)
        params.n_batch = max(2048, sizes.batch_size)
        params.cache_prompt = False
        params.cache_ram_mib = 0
        params.n_ctx_checkpoints = 0
        params.ctx_shift = False
        params.fit_params = False
        params.warmup = True
        params.verbosity = -1
        if self._target.options.threads:
            params.cpuparams.n_threads = self._target.options.threads
            params.cpuparams_batch.n_threads = self._target.options.threads
        if self._target.dtype == "fp32":
            # Its flash attention works in halves on long prompts, whatever the cache holds.
            params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
            params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        try:
            server = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise EngineError("llama.cpp could not load {path} for a batch of {batch} sequences of {tokens} tokens: {why}.",
                              "Use a smaller batch or model, or check the file; the launch's log has its own words.",
                              path=self._path, batch=sizes.batch_size, tokens=sizes.sequence_tokens,
                              why=str(error).rstrip(".")) from error
        # A server that is destroyed before its loop has begun never ends; one answered request proves that it has.
        server.handle_completions({"prompt": [0], "max_tokens": 1, "cache_prompt": False})
        return server

    @property
    def _kv_value_bytes(self) -> int:
        return 4 if self._target.dtype == "fp32" else 2

    def vocabulary(self) -> Vocabulary:
        return self._tokenizer.vocabulary()

    def encode(self, text: str, *, special: bool) -> list[int]:
        return self._tokenizer.encode(text, special=special)

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        return self._tokenizer.encode_chat(messages)

    @property
    def _tokenizer(self) -> LlamaCppTokenizer:
        """The library tokenizes only behind its HTTP port."""
        return LlamaCppTokenizer(parse_address(self._server.listening_address), self._gguf, self._api_key)

    def keeps(self, prompt: Sequence[int]) -> bool:  # noqa: ARG002 - ids go in as they are
        return True

    def prepare(self, batch: Batch) -> tuple[bytes, bytes]:
        """The bodies of the streamed and of the plain request."""
        first = batch.first
        body = {
            "prompt": [list(request.prompt) for request in batch.requests], "max_tokens": first.max_output_tokens,
            "ignore_eos": not first.stop_at_eos, "cache_prompt": False, "timings_per_token": True,
            "temperature": first.sampling.temperature, "top_p": first.sampling.top_p, "seed": first.sampling.seed,
            "top_k": 0, "min_p": 0.0, "samplers": ["temperature", "top_p"],
        }
        return json.dumps({**body, "stream": True}).encode(), json.dumps({**body, "stream": False}).encode()

    def generate(self, prepared: tuple[bytes, bytes], tape: Tape, *, marked: bool) -> list[bytes]:
        streamed, plain = prepared
        if marked:
            self._server.handle_completions(streamed, tape.keep)
            return tape.payloads
        whole: list[bytes] = []
        self._server.handle_completions(plain, whole.append)
        return whole

    def read(self, batch: Batch, tape: Tape, output: list[bytes]) -> tuple[Record, ...]:
        chunks: dict[int, list[tuple[int | None, dict[str, Any]]]] = defaultdict(list)
        stamps: Sequence[int | None] = tape.marks_ns or [None] * len(output)
        for at_ns, payload in zip(stamps, output, strict=True):
            content = json.loads(payload)
            for part in content if isinstance(content, list) else [content]:
                if part is None:  # the server announces a slot of a batch before its first token
                    continue
                if "choices" not in part:
                    error = part.get("error", part)
                    raise EngineError("llama.cpp answered with an error: {why}.", "", why=error.get("message", error))
                for choice in part["choices"]:
                    chunks[int(choice["index"])].append((at_ns, {**part, "choice": choice}))
        return tuple(_record(request, tape, chunks[index]) for index, request in enumerate(batch.requests))

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)

    def stop(self) -> None:
        self._server = None


def _record(request: Request, tape: Tape, chunks: Sequence[tuple[int | None, dict[str, Any]]]) -> Record:
    """One request's chunks as a record; the cumulative ``predicted_n`` says how many tokens each chunk brought."""
    if not chunks:
        raise EngineError("llama.cpp sent nothing for request {id}.", "", id=request.id)
    events: list[tuple[int, int]] = []
    pieces: list[tuple[str, int]] = []
    seen = 0
    for at_ns, part in chunks:
        total = int((part.get("timings") or {}).get("predicted_n") or seen)
        if total > seen:
            pieces.append((part["choice"]["text"], total - seen))
            if at_ns is not None:
                events.append((at_ns, total - seen))
            seen = total
        elif part["choice"]["text"]:
            pieces.append((part["choice"]["text"], 0))
    last = chunks[-1][1]
    usage, timings = last.get("usage") or {}, last.get("timings") or {}
    text = "".join(piece for piece, _ in pieces)
    thought = thinking.thinking_tokens(pieces)
    output_tokens = usage.get("completion_tokens")
    finish = last["choice"].get("finish_reason")
    short = not request.stop_at_eos and output_tokens != request.max_output_tokens
    return Record(
        request_id=request.id, prompt_digest=request.prompt_digest, input_tokens_built=request.input_tokens,
        input_tokens=usage.get("prompt_tokens"), cached_tokens=timings.get("cache_n"),
        asked_output_tokens=request.max_output_tokens, output_tokens=output_tokens,
        status=Status.TRUNCATED if short else Status.OK, finish=finish, sent_ns=tape.sent_ns, ended_ns=tape.ended_ns,
        event_ns=tuple(at_ns for at_ns, _ in events), event_tokens=tuple(tokens for _, tokens in events),
        engine_prefill_ns=_from_ms(timings.get("prompt_ms")), engine_decode_ns=_from_ms(timings.get("predicted_ms")),
        text=text, thinking_tokens=thought, answer_text=None if thought is None else thinking.split_text(text)[1],
    )


def _from_ms(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * NS_PER_MS)


def gguf_path(target: Target) -> Path:
    """The GGUF file of a target. A synthetic checkpoint has one per dtype; a user's file is what it is."""
    path = Path(target.model)
    if path.is_dir() and (path / "touchstone.json").exists():
        return synthetic.ensure_gguf(path, target.dtype)
    if path.suffix != ".gguf":
        raise UsageError("llama.cpp reads GGUF files; {path} is not one.",
                         "Give a .gguf file, or use --engine transformers.", path=path)
    return path


def check_dtype(target: Target, path: Path, facts: GgufFacts) -> None:
    """Raise :class:`UsageError` unless the file holds weights in the dtype asked for."""
    if target.dtype not in {"auto", facts.main_dtype}:
        raise UsageError("{path} holds {found} weights, not {dtype}; llama.cpp does not convert them.",
                         "Leave --dtype out, or give a file in that type.", path=path, found=facts.main_dtype,
                         dtype=target.dtype)
