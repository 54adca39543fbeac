"""Before a load: who is there, how it wants to be asked, and what its own count says of our prompts.

A few short requests answer three questions that every later number rests on: which endpoint works, how many tokens the chat template
adds, and whether the server counts tokens at all.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from touchstone.checkpoints.vocabulary import words
from touchstone.errors import EngineError, NotReadyError, UsageError
from touchstone.load_plan import Backend, Endpoint, LoadPlan
from touchstone.measure.load.body import ANY, Dialect, RequestTemplate, sampling_fields
from touchstone.measure.load.connection import Address
from touchstone.measure.load.exchange import Exchanged, exchange, get_json
from touchstone.plan import ChatMessage
from touchstone.served import TOKEN_KINDS, Ending
from touchstone.units import seconds

PATHS: Mapping[Backend, str] = {"openai-chat": "/v1/chat/completions", "openai": "/v1/completions"}
"""Backend → where it is, under the base URL."""
_ATTEMPTS = 4
_PROBE_OUTPUT_TOKENS = 8
_FEW, _MANY = 16, 48
_LEAST_WORDS = 16
_MOST_PROBES = 64
_LINGER_S = 0.05
_PATIENCE_S = 120.0
_LOCATION = re.compile(r'"loc":\s*\[([^\]]*)\]')
_DISPENSABLE = ("ignore_eos", "temperature", "stream_options", "max_tokens")


@dataclass(frozen=True)
class ServerFacts:
    """What a server says of itself."""

    server: str | None
    models: tuple[str, ...]
    owned_by: str | None
    max_model_len: int | None


@dataclass(frozen=True)
class Probe:
    """What a few requests taught us.

    ``template_tokens`` is what the chat template adds; None where the server counts nothing.
    ``words`` cost one token each, by the server's count; ``ttft_s`` and ``itl_s`` are of one short request alone. ``notes`` are "no-usage"
    (prompt lengths cannot be proven), "template-varies" and "words-unknown" (prompt lengths are approximate), "tokenizer-differs" (the
    server counts otherwise than the tokenizer given; its count was followed), "closes-connections" (each
    request pays for a new one), and "ignore-eos-refused" and the like: fields of the body that the server does not take.
    """

    endpoint: Endpoint
    server: ServerFacts
    template_tokens: int | None
    words: tuple[str, ...]
    ttft_s: float | None
    itl_s: float | None
    notes: tuple[str, ...] = ()
    dialect: Dialect = ANY


def list_models(address: Address, headers: Mapping[str, str]) -> ServerFacts:
    """``GET /v1/models``, which some servers answer with an error or an empty list. Raises :class:`NotReadyError` if nobody is there."""
    status, body, server = get_json(address, "/v1/models", dict(headers))
    if status in {401, 403}:
        raise NotReadyError("{server} wants a key (HTTP {status}).", "Set OPENAI_API_KEY, or give --api-key.",
                            server=address.host_header, status=status)
    rows = body.get("data") if status == 200 and isinstance(body, dict) else None
    listed = [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)] if isinstance(rows, list) else []
    first: Mapping[str, Any] = listed[0] if listed else {}
    length = first.get("max_model_len")
    return ServerFacts(server, tuple(row["id"] for row in listed), first.get("owned_by") if isinstance(first.get("owned_by"), str) else None,
                       length if isinstance(length, int) else None)


def choose_model(asked: str | None, facts: ServerFacts, address: Address) -> str:
    """The model to ask for. Raises :class:`UsageError` where that is not clear."""
    if asked:
        return asked
    if not facts.models:
        raise UsageError("{server} does not list its models.", "Give its name with --model.", server=address.host_header)
    return facts.models[0]


class Prober:
    """Sends the probes of one endpoint. ``made`` gives a text of so many tokens by the user's tokenizer, where there is one."""

    def __init__(self, address: Address, endpoint: Endpoint, headers: Mapping[str, str], plan: LoadPlan,
                 made: Callable[[int], str] | None) -> None:
        self._address, self._endpoint, self._headers, self._plan, self._made = address, endpoint, headers, plan, made
        self._asked = 0
        self._dialect = ANY

    def probe(self, facts: ServerFacts, *, fixed: bool) -> Probe:
        """Find the endpoint that works (the given one alone if ``fixed``) and learn what it counts. Raises :class:`EngineError`."""
        backends: list[Backend] = [self._endpoint.backend]
        if not fixed:
            backends += [other for other in PATHS if other != self._endpoint.backend]
        first = self._first_answer(backends)
        overhead, single, notes = self._counting(first)
        notes += tuple(f"{field.replace('_', '-')}-refused" for field in self._dialect.refused)
        if self._dialect.closes:
            notes += ("closes-connections",)
        return Probe(self._endpoint, facts, overhead, single, *_pace(first), notes, self._dialect)

    def _counting(self, first: Exchanged) -> tuple[int | None, tuple[str, ...], tuple[str, ...]]:
        """Tokens that the template adds, words of one token each, and notes on both."""
        if first.answer.input_tokens is None:
            return None, (), ("no-usage",)
        overheads = {self._used(self._made(size)) - size for size in (_FEW, _MANY)} if self._made is not None else set()
        if len(overheads) == 1 and min(overheads) >= 0:
            return overheads.pop(), (), ()
        # No tokenizer, or one that counts otherwise than the server. What proves a prompt is the server's count, so it is asked for words.
        single, overhead = self._single_token_words()
        if len(single) >= _LEAST_WORDS:
            return overhead, tuple(single), ("tokenizer-differs",) if overheads else ()
        return (max(0, min(overheads)), (), ("template-varies",)) if overheads else (overhead, tuple(single), ("words-unknown",))

    def _first_answer(self, backends: Sequence[Backend]) -> Exchanged:
        """An answer that brought tokens; a faulty server is asked again, one without the endpoint is asked on the other."""
        last: Exchanged | None = None
        for backend in backends:
            path = self._endpoint.path if backend == self._endpoint.backend else PATHS[backend]
            endpoint = self._endpoint.model_copy(update={"backend": backend, "path": path})
            for _ in range(_ATTEMPTS):
                last = self._ask_again(endpoint, " ".join(words()[:_FEW]), _PROBE_OUTPUT_TOKENS, linger_s=_LINGER_S)
                while refused := self._refused(last):
                    self._dialect = replace(self._dialect, refused=(*self._dialect.refused, *refused))
                    last = self._ask_again(endpoint, " ".join(words()[:_FEW]), _PROBE_OUTPUT_TOKENS, linger_s=_LINGER_S)
                if last.answer.ending is Ending.OK:
                    self._endpoint, self._dialect = endpoint, replace(self._dialect, closes=last.closes)
                    return last
                if last.answer.http_status in {404, 405, 501}:
                    break
        assert last is not None
        status = last.answer.http_status
        if status in {401, 403}:
            raise NotReadyError("{server} wants a key (HTTP {status}).", "Set OPENAI_API_KEY, or give --api-key.",
                                server=self._address.host_header, status=status)
        raise EngineError("{server} did not answer a short request on {path}: {why}.", "Check --model, --endpoint and the server's log.",
                          server=self._address.host_header, path=self._endpoint.path,
                          why=last.answer.error or last.answer.ending.word + (f" (HTTP {status})" if status else ""))

    def _refused(self, last: Exchanged) -> tuple[str, ...]:
        """The fields that ``last`` says the server does not take, out of those that it can do without and that nobody insisted on."""
        if last.answer.http_status not in {400, 422}:
            return ()
        places = _LOCATION.findall(last.raw.decode(errors="replace"))  # pydantic names the field there and not in its message
        said = " ".join([last.answer.error or "", *places])
        ours = [field for field in _DISPENSABLE if field not in self._dialect.refused and field not in self._plan.extra_body]
        return tuple(field for field in ours if re.search(rf"\b{field}\b", said))

    def _ask_again(self, endpoint: Endpoint, text: str, output_tokens: int, *, linger_s: float = 0.0) -> Exchanged:
        """One answer; where the user's patience is short, a server that stays silent is asked several times."""
        for _ in range(_ATTEMPTS - 1 if self._plan.timeout_s < _PATIENCE_S else 0):
            with contextlib.suppress(NotReadyError):
                return self._ask(endpoint, text, output_tokens, linger_s)
        return self._ask(endpoint, text, output_tokens, linger_s)

    def _ask(self, endpoint: Endpoint, text: str, output_tokens: int, linger_s: float) -> Exchanged:
        self._asked += 1
        template = RequestTemplate(self._address, endpoint, self._headers, sampling_fields(self._plan), self._dialect)
        request = template.render(f"touchstone-probe-{self._asked}", [ChatMessage(role="user", content=text)], output_tokens)
        return exchange(self._address, request, streamed=endpoint.stream, timeout_s=min(_PATIENCE_S, self._plan.timeout_s), linger_s=linger_s)

    def _used(self, text: str) -> int:
        """Prompt tokens of ``text`` by the server's count, template included. Raises :class:`EngineError`."""
        for _ in range(_ATTEMPTS):
            used = self._ask_again(self._endpoint, text, 1).answer.input_tokens
            if used is not None:
                return used
        raise EngineError("{server} answers short requests without saying how many tokens they had.", "", server=self._address.host_header)

    def _single_token_words(self) -> tuple[list[str], int]:
        """Words of one token each and the template's overhead, by asking: n words must cost n tokens more than none."""
        candidates = [word for word in words() if word.isalpha()][:_FEW + _MANY]
        anchor = candidates[0]
        alone = self._used(anchor)
        if self._used(" ".join(candidates)) - alone < _FEW:
            return [], 0  # whatever it counts, it is not these words
        single = [word for group in _groups(candidates, 16) for word in self._singles(anchor, alone, group)]
        if not single:
            return [], alone - 1
        few = self._used(" ".join([single[0]] * 2))
        return single, few - 2

    def _singles(self, anchor: str, alone: int, group: Sequence[str]) -> list[str]:
        """Those of ``group`` that cost one token each; halves a group that does not add up."""
        if self._asked >= _MOST_PROBES:
            return []
        if self._used(" ".join([anchor, *group])) - alone == len(group):
            return list(group)
        if len(group) == 1:
            return []
        half = len(group) // 2
        return self._singles(anchor, alone, group[:half]) + self._singles(anchor, alone, group[half:])


def _groups(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[start:start + size] for start in range(0, len(items), size)]


def _pace(first: Exchanged) -> tuple[float | None, float | None]:
    """TTFT and mean time per token of one answer, in seconds; an event may bring several tokens."""
    places = [place for place, kind in enumerate(first.answer.kinds) if kind in TOKEN_KINDS]
    if not places:
        return None, None
    start_ns, end_ns = first.event_ns(places[0]), first.event_ns(places[-1])
    later = max(len(places), first.answer.output_tokens or 0) * (len(places) - 1) / len(places)
    return seconds(start_ns - first.sent_ns), seconds(end_ns - start_ns) / later if later else None
