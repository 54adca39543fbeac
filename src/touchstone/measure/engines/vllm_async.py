"""vLLM's asynchronous engine, the one inside its server, without HTTP: ``AsyncLLM`` with deltas.

All requests of a batch are submitted at once; each delta is stamped as it is handed out. The model runs in processes of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from touchstone.measure.devices import Device
from touchstone.measure.engines.memory_elsewhere import MemoryElsewhere
from touchstone.measure.engines.vllm_model import Outputs, Prepared, VllmModel
from touchstone.measure.tape import Tape
from touchstone.plan import Target


class VllmAsyncEngine(VllmModel):
    """``vllm.v1.engine.async_llm.AsyncLLM`` on an event loop that runs only while a batch does."""

    def __init__(self, target: Target, device: Device) -> None:
        super().__init__(target, MemoryElsewhere(device))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Any = None

    def _open(self, arguments: dict[str, Any]) -> Any:
        self._loop = asyncio.new_event_loop()
        self._engine = self._loop.run_until_complete(_opened(arguments))
        return self._engine.vllm_config

    def _run(self, prepared: Prepared, tape: Tape, *, marked: bool) -> Outputs:
        assert self._loop is not None
        prompts, streamed, plain = prepared
        if marked:
            return self._loop.run_until_complete(self._play(prompts, streamed, tape))
        return self._loop.run_until_complete(self._play(prompts, plain, None))

    async def _play(self, prompts: list[Any], parameters: list[Any], tape: Tape | None) -> Outputs:
        """Every request at once. With a tape, one output per mark; without, one per request in their order."""
        events: Outputs = []
        tasks = [asyncio.ensure_future(self._follow(f"{self._calls}/{place}", prompt, chosen, tape, events))
                 for place, (prompt, chosen) in enumerate(zip(prompts, parameters, strict=True))]
        try:
            last = await asyncio.gather(*tasks)
        except BaseException:
            await _end(tasks)
            raise
        return events if tape is not None else last

    async def _follow(self, request_id: str, prompt: Any, parameters: Any, tape: Tape | None, events: Outputs) -> list[Any]:
        """Stamp and keep what comes of one request; returns the last of it."""
        last: list[Any] = []
        async for output in self._engine.generate(prompt, parameters, request_id):
            if tape is not None:
                tape.mark()
                events.append([output])
            last = [output]
        return last

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.shutdown()
        if self._loop is not None:
            _close(self._loop)
        self._engine = self._loop = None
        self.device.release()


async def _opened(arguments: dict[str, Any]) -> Any:
    """The engine, made inside its loop: it starts tasks there."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """End what the engine left running on the loop, and the loop."""
    loop.run_until_complete(_end(asyncio.all_tasks(loop)))
    loop.close()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
