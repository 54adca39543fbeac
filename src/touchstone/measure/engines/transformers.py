"""Hugging Face transformers in this process, on any device that torch has.

One ``generate`` gives the first token, every gap and the whole together. A stopping criterion is called once per step with
the token chosen; it waits for the device and stamps. The same call without it measures what that costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from touchstone.checkpoints import synthetic
from touchstone.checkpoints.shape import ON_DEVICE_ONLY, SHAPES, ModelShape, shape_of
from touchstone.errors import DataError, EngineError
from touchstone.measure import thinking
from touchstone.measure.devices import Device, installed
from touchstone.measure.engines import Footprint, Sizes, Vocabulary, torch_model
from touchstone.measure.engines.tokenizers import CheckpointTokenizer
from touchstone.measure.tape import Tape
from touchstone.plan import ChatMessage, Target
from touchstone.record import EngineFacts, Record, Status
from touchstone.request import Batch, Request
from touchstone.simulate.accounting import kv_bytes_per_token, parameters
from touchstone.simulate.architecture import from_shape


class TransformersEngine:
    """A causal language model of the transformers library, run by its own ``generate``."""

    def __init__(self, target: Target, device: Device) -> None:
        self.device = device
        self._target = target
        self._shape = SHAPES[target.model] if target.model in ON_DEVICE_ONLY else None
        self._directory = synthetic.ensure_tokenizer(target.model) if self._shape else Path(target.model)
        self._model: Any = None
        self._tokenizer: Any = None
        self._eos_ids: list[int] = []
        self._pad_id = 0

    def model_files(self) -> Sequence[str]:
        return [str(path) for path in sorted(self._directory.glob("*.safetensors"))]

    def start(self, sizes: Sizes) -> EngineFacts:  # noqa: ARG002 - its cache grows as it generates
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        options = self._target.options
        if options.threads:
            torch.set_num_threads(options.threads)
        self._tokens = CheckpointTokenizer(self._directory, trust_remote_code=options.trust_remote_code)
        self._tokenizer = self._tokens.library
        self._model = torch_model.load(self._target, self._directory, self._shape, self.device)
        self._take_over_generation_config(transformers)
        dtypes, weight_bytes = torch_model.stored_bytes(self._model)
        return EngineFacts(
            engine="transformers", version=f"transformers {transformers.__version__}, torch {torch.__version__}",
            device=self.device.torch_name, device_name=str(self.device.identity()["name"]), model=self._target.model,
            random_weights=self._shape is not None or synthetic.is_random(self._directory), dtypes=dtypes,
            weight_bytes=weight_bytes, parameters=sum(p.numel() for p in self._model.parameters()),
            kv_bytes_per_token=self.footprint().kv_bytes_per_token,
            options={"threads": torch.get_num_threads(), "attention": torch_model.attention_of(self._model),
                     "cache": options.cache, "compile": options.compile, "device_graph": options.device_graph,
                     "trust_remote_code": options.trust_remote_code,
                     **({"quantization": f"torchao {installed('torchao')} int8 weights"} if self._target.dtype == "int8" else {})},
            memory_total_bytes=self.device.memory().device_total, read_bytes_per_step=torch_model.read_bytes_per_step(self._model),
        )

    def _take_over_generation_config(self, transformers: Any) -> None:
        """Keep the checkpoint's end-of-sequence ids and drop its other defaults, which would change what is measured."""
        found = self._model.generation_config.eos_token_id
        if found is None:
            found = self._tokenizer.eos_token_id
        self._eos_ids = [int(one) for one in (found if isinstance(found, (list, tuple)) else [found]) if one is not None]
        pad = self._tokenizer.pad_token_id
        self._pad_id = pad if pad is not None else (self._eos_ids or [0])[0]
        self._model.generation_config = transformers.GenerationConfig(pad_token_id=self._pad_id)

    def _known_shape(self) -> ModelShape | None:
        try:
            return self._shape or shape_of(self._directory)
        except DataError:
            return None

    def footprint(self) -> Footprint:
        shape = self._known_shape()
        if shape is None:
            return Footprint(None, None, None)
        value_bytes = torch_model.compute_bytes(self._target, self.device)
        weight_bytes = 1 if self._target.dtype == "int8" else value_bytes
        counted = from_shape(shape)
        return Footprint(parameters(counted) * weight_bytes, kv_bytes_per_token(counted, value_bytes), shape.max_positions)

    def vocabulary(self) -> Vocabulary:
        return self._tokens.vocabulary()

    def encode(self, text: str, *, special: bool) -> list[int]:
        return self._tokens.encode(text, special=special)

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        return self._tokens.encode_chat(messages)

    def keeps(self, prompt: Sequence[int]) -> bool:  # noqa: ARG002 - ids go in as they are
        return True

    def prepare(self, batch: Batch) -> dict[str, Any]:
        """Padded ids and mask on the device, and the arguments of ``generate``."""
        import torch
        from transformers import GenerationConfig

        longest = max(request.input_tokens for request in batch.requests)
        padded = [[self._pad_id] * (longest - request.input_tokens) + list(request.prompt) for request in batch.requests]
        mask = [[0] * (longest - request.input_tokens) + [1] * request.input_tokens for request in batch.requests]
        first = batch.first
        config = GenerationConfig(
            max_new_tokens=first.max_output_tokens, do_sample=not first.sampling.greedy, pad_token_id=self._pad_id,
            eos_token_id=self._eos_ids if first.stop_at_eos and self._eos_ids else None, use_cache=True,
            disable_compile=True,  # what --compile asks for is compiled once, in torch_model
            **({} if first.sampling.greedy else
               {"temperature": first.sampling.temperature, "top_p": first.sampling.top_p, "top_k": 0}),
            **({"cache_implementation": "static"} if self._target.options.cache == "static" else {}),
        )
        if not first.sampling.greedy:
            torch.manual_seed(first.sampling.seed)
        device = self.device.torch_name
        return {"input_ids": torch.tensor(padded, device=device), "attention_mask": torch.tensor(mask, device=device),
                "generation_config": config}

    def generate(self, prepared: dict[str, Any], tape: Tape, *, marked: bool) -> Any:
        import torch

        criteria = {"stopping_criteria": [_Marker(tape, self.device)]} if marked else {}
        with torch.inference_mode():
            return self._model.generate(**prepared, **criteria), prepared["attention_mask"]

    def read(self, batch: Batch, tape: Tape, output: Any) -> tuple[Record, ...]:
        rows, processed = output[0].tolist(), output[1].sum(dim=1).tolist()
        longest = output[1].shape[1]
        steps = len(rows[0]) - longest
        if tape.marks_ns and len(tape.marks_ns) != steps:
            raise EngineError("{marks} steps were stamped but {steps} tokens came out.", "", marks=len(tape.marks_ns), steps=steps)
        return tuple(self._record(request, tokens, row[longest:], tape)
                     for request, tokens, row in zip(batch.requests, processed, rows, strict=True))

    def _record(self, request: Request, input_tokens: int, produced: list[int], tape: Tape) -> Record:
        count, finish = len(produced), "length"
        if request.stop_at_eos:
            ends = [place for place, token in enumerate(produced) if token in self._eos_ids]
            if ends:
                count, finish = ends[0] + 1, "stop"  # the end token is produced; what follows it is padding
        kept = produced[:count]
        text = self._tokenizer.decode(kept, skip_special_tokens=True)
        pieces = [(self._tokenizer.decode([token]), 1) for token in kept] if thinking.CLOSE in text else []
        short = not request.stop_at_eos and count != request.max_output_tokens
        marks = tuple(tape.marks_ns[:count])
        return Record(
            request_id=request.id, prompt_digest=request.prompt_digest, input_tokens_built=request.input_tokens,
            # The attention mask that went in says how much of the padded prompt was real; every call starts an empty cache.
            input_tokens=input_tokens, cached_tokens=0, asked_output_tokens=request.max_output_tokens,
            output_tokens=count, status=Status.TRUNCATED if short else Status.OK, finish=finish, sent_ns=tape.sent_ns,
            ended_ns=tape.ended_ns, event_ns=marks, event_tokens=(1,) * len(marks), text=text,
            thinking_tokens=thinking.thinking_tokens(pieces),
            answer_text=thinking.split_text(text)[1] if pieces else None,
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        return torch_model.is_out_of_memory(error)

    def stop(self) -> None:
        self._model = self._tokenizer = None
        self.device.release()


class _Marker:
    """A stopping criterion that never stops: it waits for the device and stamps the step."""

    def __init__(self, tape: Tape, device: Device) -> None:
        self._tape = tape
        self._synchronize = device.synchronize
        self._never: Any = None

    def __call__(self, input_ids: Any, _scores: Any, **_: Any) -> Any:
        self._synchronize()
        self._tape.mark()
        if self._never is None:
            self._never = input_ids.new_zeros(input_ids.shape[0]).bool()
        return self._never
