"""An engine behind HTTP: a server that this run starts, or one that is running already, asked for the same batches as an engine in process.

A server of ours is started, awaited, measured and stopped with everything it started. One that was there before is only measured.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psutil

from touchstone.errors import EngineError, EngineLostError, NotReadyError
from touchstone.measure.devices.served import ServedDevice
from touchstone.measure.engines import Footprint, Sizes, StoppedError, Vocabulary, Workplace
from touchstone.measure.engines.served_model import model_of
from touchstone.measure.engines.served_records import lanes_of, record_of
from touchstone.measure.engines.tokenizers import CheckpointTokenizer, Tokenizer
from touchstone.measure.load.connection import Address, parse_address
from touchstone.measure.load.exchange import get_json
from touchstone.measure.servers import SERVERS, ServerRow, asking
from touchstone.measure.servers.commands import ServerSpec
from touchstone.measure.servers.effective import effective_settings, identify, log_facts, versions_in
from touchstone.measure.servers.lanes import Lanes
from touchstone.measure.servers.own_cost import own_cost
from touchstone.measure.servers.process import ServerProcess
from touchstone.measure.servers.readiness import await_ready, check_model, check_size, free_port, listed_models
from touchstone.measure.servers.request_bytes import post
from touchstone.measure.tape import Tape
from touchstone.message import say
from touchstone.plan import ChatMessage, Target
from touchstone.record import EngineFacts, LoadTime, Record
from touchstone.request import Batch, Request
from touchstone.wire.http import is_whole

_HOST = "127.0.0.1"
_PROBE = "one two three four"
_UNKNOWN = ServerRow("", asking.openai_text, takes_ids=False)
_DYING_S = 5.0
"""How long after an answer that was cut off its server may take to be seen dead."""
_OUT_OF_MEMORY_TEXTS = ("out of memory", "outofmemory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Asked:
    """A batch ready to go: its requests as they are really asked, the streamed and the plain bytes, and open connections for either."""

    batch: Batch
    streamed: Sequence[bytes]
    plain: Sequence[bytes]
    lanes: Lanes | None


@dataclass(frozen=True)
class Answered:
    """What came of a batch beside the tape: whether events were asked for, and which connections the server closed."""

    batch: Batch
    marked: bool
    closed: Sequence[bool]


class ServedEngine:
    """A server asked over loopback HTTP, one connection per request of a batch."""

    def __init__(self, target: Target, workplace: Workplace) -> None:
        self._target, self._workplace = target, workplace
        self._row = SERVERS.get(target.engine, _UNKNOWN)
        self._model = model_of(target)
        self._process: ServerProcess | None = None
        self._address: Address | None = None
        self._tokenizer: Tokenizer | None = None
        self._served_model, self._api_path = target.model, "/v1/completions"
        self._answers_as: tuple[str, ...] = ()
        self._own_cost: Mapping[str, object] = {}
        self.device = ServedDevice(target.device, self._tree)

    def _tree(self) -> Sequence[psutil.Process]:
        return self._process.tree() if self._process else ()

    def model_files(self) -> Sequence[str]:
        """Those of a server that is started here; nothing of one that has long loaded them."""
        return [] if self._target.options.base_url else self._model.files()

    def footprint(self) -> Footprint:
        return self._model.footprint()

    # ── starting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, sizes: Sizes) -> EngineFacts:
        options = self._target.options
        ready_s = None
        if options.base_url:
            self._address = parse_address(options.base_url)
            models = self._meet(self._address)
        else:
            ready_s = self._start_own(sizes)
            assert self._address is not None
            models = listed_models(self._address)
        check_model(models, self._served_model, self._longest(sizes))
        check_size(models, self._served_model, self._model.parameters)
        self._tokenizer = self._model.tokenizer(self._address, trust_remote_code=options.trust_remote_code)
        self._probe()
        self._own_cost = self._own_cost or own_cost((1, sizes.batch_size), self._encode_here)
        facts = self._facts(models, ready_s)
        if self._process:
            self._process.turn_page()
        return facts

    @property
    def _encode_here(self) -> Callable[[str], Sequence[int]] | None:
        """The checkpoint's own tokenizer, where the server takes text; one at the end of a wire would be timed with the wire."""
        tokenizer = self._tokenizer
        if self._row.takes_ids or not isinstance(tokenizer, CheckpointTokenizer):
            return None
        return lambda text: tokenizer.encode(text, special=True)

    def _meet(self, address: Address) -> list[dict[str, Any]]:
        """Find out whom we talk to, where the server was not started here. Raises :class:`NotReadyError` where nobody answers."""
        get_json(address, "/v1/models", {})
        models = listed_models(address)
        known = identify(models)
        self._row = SERVERS[known] if known else _UNKNOWN
        named = [str(one["id"]) for one in models if "id" in one]
        if self._served_model not in named and named:
            self._served_model = named[0]
        return models

    def _longest(self, sizes: Sizes) -> int:
        """The longest sequence to make room for; a server refuses to start with more positions than its model has."""
        most = self._model.footprint().max_positions
        return sizes.sequence_tokens if most is None else min(sizes.sequence_tokens, most)

    def _start_own(self, sizes: Sizes) -> float:
        options = self._target.options
        port = free_port(_HOST)
        directory = self._workplace.directory / f"server-{self._workplace.launch}"
        spec = ServerSpec(
            python=options.engine_python or sys.executable, model=str(self._model.path), device=self._target.device, dtype=self._target.dtype,
            host=_HOST, port=port, batch_size=sizes.batch_size, sequence_tokens=self._longest(sizes), directory=str(directory.resolve()),
            options=options, dummy_weights=self._model.dummy,
            kv_bytes_per_token=self._model.footprint().kv_bytes_per_token)
        command = self._row.build(spec)
        self._served_model, self._api_path, self._answers_as = command.served_model, command.api_path, command.answers_as
        self._address = Address(_HOST, port, tls=False, verify=False, prefix="")
        self._process = ServerProcess(command, directory, self._workplace.directory / f"server-{self._workplace.launch}.log")
        self._process.start()
        try:
            return await_ready(self._process, self._address, options.start_timeout_s, self._say_waiting)
        except BaseException:
            self._process.stop()
            raise

    def _say_waiting(self, waited_s: float, last_line: str) -> None:
        if self._workplace.should_stop():
            raise StoppedError
        self._workplace.notify("server", {"waited_s": round(waited_s, 1), "says": last_line[:200]})

    def _probe(self) -> None:
        """One token of a short prompt: the server must count its tokens as the tokenizer does, and name the model it was asked for."""
        prompt = tuple(self.encode(_PROBE, special=True))
        tape = Tape()
        asked = self.prepare(Batch((Request("probe", prompt, 1, stop_at_eos=True),)))
        tape.start()
        answered = self.generate(asked, tape, marked=True)
        tape.stop()
        record, model = record_of(asked.batch.first, lanes_of(tape)[0], tape, marked=True, closed=answered.closed[0])
        if model is not None and model not in {self._served_model, *self._answers_as}:
            raise EngineError("The server was asked for {wanted} and answered as {found}.", "It serves another model; nothing was measured.",
                              wanted=self._served_model, found=model)
        if record.input_tokens is not None and record.input_tokens != len(prompt):
            raise EngineError("The server counts {server} tokens in a prompt in which the tokenizer of {model} counts {own}.",
                              "It serves another model or tokenizer than the one given with --model; nothing was measured.",
                              server=record.input_tokens, own=len(prompt), model=self._model.path)

    def _facts(self, models: list[dict[str, Any]], ready_s: float | None) -> EngineFacts:
        assert self._address is not None
        settings: dict[str, object] = {"prompts_as": "token ids" if self._row.takes_ids else "text", "started_here": self._process is not None,
                                       "server_says": effective_settings(self._target.engine, self._address), **self._own_cost}
        logged = log_facts(self._process.log) if self._process else {}
        if self._process:
            settings |= {"command": shlex.join(self._process.command.arguments), "variables": dict(self._process.command.variables), "log_says": logged}
        settings["weights_from"] = self._model.weights_from(logged.get("weights_bytes"), self._target.options.tensor_parallel or 1)
        limits = [one["max_model_len"] for one in models if isinstance(one.get("max_model_len"), int)]
        return EngineFacts(
            engine=self._target.engine, version=self._version(models),
            device=self._target.device, device_name=str(self.device.identity()["name"]), model=str(self._model.path),
            random_weights=self._model.random_weights, dtypes=self._model.dtypes(), weight_bytes=sum(self._model.dtypes().values()),
            parameters=self._model.parameters, kv_bytes_per_token=self._model.footprint().kv_bytes_per_token,
            options=settings | ({"max_model_tokens": limits[0]} if limits else {}), memory_total_bytes=self.device.memory().device_total,
            loads=() if ready_s is None else (LoadTime(ready_s, None),),
            read_bytes_per_step=self._model.read_bytes_per_step())

    def _version(self, models: list[dict[str, Any]]) -> str:
        """What runs: the packages of a server that was started here; of another what it calls itself and its model."""
        options = self._target.options
        if options.base_url:
            return f"{self._target.engine} ({identify(models) or 'engine unknown'}, serves {self._served_model})"
        versions = versions_in(options.engine_python or sys.executable, self._target.engine)
        return f"{self._target.engine} ({', '.join(f'{name} {version}' for name, version in versions.items()) or 'version unknown'})"

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def vocabulary(self) -> Vocabulary:
        return self._tokens.vocabulary()

    def encode(self, text: str, *, special: bool) -> list[int]:
        return self._tokens.encode(text, special=special)

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        return self._tokens.encode_chat(messages)

    def keeps(self, prompt: Sequence[int]) -> bool:
        return self._row.takes_ids or self.encode(self._text_of(prompt), special=True) == list(prompt)

    @property
    def _tokens(self) -> Tokenizer:
        assert self._tokenizer is not None
        return self._tokenizer

    # ── trials ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, batch: Batch) -> Asked:
        """The bytes of every request, and connections that are open. Where the server is gone, :meth:`generate` says so."""
        assert self._address is not None
        pairs = [self._as_asked(request) for request in batch.requests]
        streamed, plain = ([post(self._address, self._api_path, {**self._row.body(request, self._served_model, stream=stream), **text})
                            for request, text in pairs] for stream in (True, False))
        try:
            lanes = Lanes(self._address, len(pairs))
        except NotReadyError:
            lanes = None
        return Asked(Batch(tuple(request for request, _ in pairs)), streamed, plain, lanes)

    def _as_asked(self, request: Request) -> tuple[Request, Mapping[str, str]]:
        """The request with the tokens that its text stands for, where the server takes text, and that text; a BOS it adds itself."""
        if self._row.takes_ids:
            return request, {}
        text = self._text_of(request.prompt)
        return replace(request, prompt=tuple(self.encode(text, special=True))), {"prompt": text}

    def _text_of(self, prompt: Sequence[int]) -> str:
        bos = self.vocabulary().bos_id
        return self._tokens.decode(prompt[1:] if bos is not None and prompt[0] == bos else prompt, skip_special=False)

    def generate(self, prepared: Asked, tape: Tape, *, marked: bool) -> Answered:
        if prepared.lanes is None:
            raise self._lost()
        try:
            closed = prepared.lanes.play(prepared.streamed if marked else prepared.plain, tape)
        except OSError as error:
            raise self._lost() from error
        finally:
            prepared.lanes.close()
        return Answered(prepared.batch, marked, closed)

    def read(self, batch: Batch, tape: Tape, output: Answered) -> tuple[Record, ...]:  # noqa: ARG002 - what was really asked is in output
        lanes = lanes_of(tape)
        whole = all(is_whole(bytes(lane.raw), closed=closed) for lane, closed in zip(lanes, output.closed, strict=True))
        if self._process and not whole and self._process.ended(_DYING_S):
            raise self._lost()
        return tuple(record_of(request, lane, tape, marked=output.marked, closed=closed)[0]
                     for request, lane, closed in zip(output.batch.requests, lanes, output.closed, strict=True))

    def _lost(self) -> EngineError:
        """The error for a server that is gone; one that was not started here cannot be brought back."""
        if self._process is None:
            return EngineError("The server at {url} does not answer any more.", "Look at its log.", url=self._target.options.base_url)
        failure = self._process.failure(self._process.ended(_DYING_S) or say("it does not answer"))
        return EngineLostError(failure.message, failure.cure, **failure.fields)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return any(text in str(error).lower() for text in _OUT_OF_MEMORY_TEXTS)

    def stop(self) -> None:
        if self._process:
            self._process.stop()
