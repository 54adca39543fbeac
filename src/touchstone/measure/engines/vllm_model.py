"""What vLLM's two engines in process have in common: how they are asked, and how their outputs are read."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from touchstone.measure.devices import Device
from touchstone.measure.engines import Sizes, torch_model, vllm_facts
from touchstone.measure.engines.checkpoint_engine import CheckpointEngine
from touchstone.measure.tape import Tape
from touchstone.plan import Target
from touchstone.record import EngineFacts, Record
from touchstone.request import Batch

Prepared = tuple[list[Any], list[Any], list[Any]]
"""Prompts, and their sampling parameters for the stamped and for the plain call."""
Outputs = list[list[Any]]
"""The ``RequestOutput`` of every mark; of a plain call, one per request in their order."""


class VllmModel(CheckpointEngine):
    """A checkpoint as vLLM takes it. After a call that failed the engine is made anew before the next one."""

    def __init__(self, target: Target, device: Device) -> None:
        vllm_facts.check_first_device(target.device)
        super().__init__(target, device)
        self._calls = 0
        self._sizes: Sizes | None = None
        self._broken = False

    def start(self, sizes: Sizes) -> EngineFacts:
        self._sizes, self._broken = sizes, False
        with vllm_facts.explained(self._target.model):
            from vllm.platforms import current_platform

            vllm_facts.check_platform(current_platform, self.device.kind)
            config = self._open(self._arguments(sizes))
        said = {**vllm_facts.said(config, current_platform), **self._seen()}
        return self._engine_facts(self._target.engine, vllm_facts.version(), vllm_facts.held_dtype(config), said)

    def _seen(self) -> dict[str, object]:
        """What can be seen of the engine beside its configuration."""
        return {}

    def _arguments(self, sizes: Sizes) -> dict[str, Any]:
        given = vllm_facts.arguments(self._target, str(self._directory), sizes, sequence_tokens=self._sequence_tokens(sizes),
                                     kv_bytes_per_token=self.footprint().kv_bytes_per_token)
        return given if self._has_files else {**given, "load_format": "dummy"}

    @abstractmethod
    def _open(self, arguments: dict[str, Any]) -> Any:
        """Start the engine; returns its configuration."""

    @abstractmethod
    def stop(self) -> None:
        """Free the model."""

    @abstractmethod
    def _run(self, prepared: Prepared, tape: Tape, *, marked: bool) -> Outputs:
        """The timed call itself."""

    def prepare(self, batch: Batch) -> Prepared:
        """Token ids as prompts, and the sampling parameters."""
        if self._broken and self._sizes is not None:
            # A step that failed leaves requests and cache blocks behind; nothing may be measured beside them.
            self.stop()
            self.start(self._sizes)
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        prompts = [{"prompt_token_ids": list(request.prompt)} for request in batch.requests]
        chosen = [vllm_facts.sampling(request) for request in batch.requests]
        return (prompts, [SamplingParams(**one, output_kind=RequestOutputKind.DELTA) for one in chosen],
                [SamplingParams(**one, output_kind=RequestOutputKind.FINAL_ONLY) for one in chosen])

    def generate(self, prepared: Prepared, tape: Tape, *, marked: bool) -> Outputs:
        self._calls += 1
        self._broken = True
        outputs = self._run(prepared, tape, marked=marked)
        self._broken = False
        return outputs

    def read(self, batch: Batch, tape: Tape, output: Outputs) -> tuple[Record, ...]:
        return vllm_facts.records(batch, tape, output)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return torch_model.is_out_of_memory(error)
