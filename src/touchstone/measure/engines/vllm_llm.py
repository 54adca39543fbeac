"""vLLM's synchronous engine: ``LLM`` in this process, stepped by hand.

A step returns tokens that are on the host already, so the stamp after it needs no other synchronisation. The engine core runs in this
process as well (``VLLM_ENABLE_V1_MULTIPROCESSING=0``, the row's variable), so that memory and errors can be seen; with tensor parallelism
its workers are processes of their own.
"""

from __future__ import annotations

import gc
import os
from typing import Any

from touchstone.measure.devices import Device
from touchstone.measure.engines.memory_elsewhere import MemoryElsewhere
from touchstone.measure.engines.vllm_model import Outputs, Prepared, VllmModel
from touchstone.measure.tape import Tape
from touchstone.plan import Target

_IN_PROCESS = "VLLM_ENABLE_V1_MULTIPROCESSING"


class VllmEngine(VllmModel):
    """``vllm.LLM``."""

    def __init__(self, target: Target, device: Device) -> None:
        self._elsewhere = (target.options.tensor_parallel or 1) > 1 or os.environ.get(_IN_PROCESS) != "0"
        super().__init__(target, MemoryElsewhere(device) if self._elsewhere else device)
        self._llm: Any = None

    def _open(self, arguments: dict[str, Any]) -> Any:
        from vllm import LLM

        self._llm = LLM(**arguments)
        return self._llm.llm_engine.vllm_config

    def _seen(self) -> dict[str, object]:
        if self._elsewhere or self.device.kind != "cpu":
            return {}
        import torch

        return {"threads": torch.get_num_threads()}

    def _run(self, prepared: Prepared, tape: Tape, *, marked: bool) -> Outputs:
        prompts, stepped, plain = prepared
        if not marked:
            return [[output] for output in self._llm.generate(prompts, plain, use_tqdm=False)]
        engine = self._llm.llm_engine
        for place, (prompt, parameters) in enumerate(zip(prompts, stepped, strict=True)):
            engine.add_request(f"{self._calls}/{place}", prompt, parameters)
        steps: Outputs = []
        while engine.has_unfinished_requests():
            outputs = engine.step()
            tape.mark()
            steps.append(outputs)
        return steps

    def stop(self) -> None:
        if self._llm is None:
            return
        from vllm.distributed import cleanup_dist_env_and_memory

        self._llm.llm_engine.engine_core.shutdown()
        self._llm = None
        gc.collect()
        cleanup_dist_env_and_memory()
        self.device.release()
