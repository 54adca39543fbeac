"""What our own side costs a request to a server: the client's lag, measured against a server whose write times are known, and the tokenizer.

Both are measured when an engine starts, while its server is idle. Beside a busy one they may cost more; that much is not known.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median

from touchstone.checkpoints.vocabulary import words
from touchstone.clock import now_ns
from touchstone.errors import TouchstoneError
from touchstone.measure.engines.served_records import lanes_of, record_of
from touchstone.measure.load.connection import Address, parse_address
from touchstone.measure.scripted import Entry, Script, ScriptedServer
from touchstone.measure.servers import asking
from touchstone.measure.servers.lanes import Lanes
from touchstone.measure.servers.request_bytes import post
from touchstone.measure.tape import Tape
from touchstone.record import Record
from touchstone.request import Request

_SCRIPT = Script(ttft_s=0.004, itl_s=0.001)
_OUTPUT_TOKENS = 8
_PATH = "/v1/completions"
_PLAY_NS = 120_000_000
_MOST_PLAYS, _FEWEST_PLAYS = 12, 2
_TEXT_WORDS = 512
_TOKENIZE_NS = 60_000_000
_FEWEST_TEXTS = 5


def client_lag(lane_counts: Sequence[int]) -> dict[str, object]:
    """How late the client is, by the number of connections read at once, or the ``reason`` why nobody knows.

    ``sent``: a request's last bytes at the server − our stamp before writing; ``first`` and ``last``: our stamp of the event − the
    server's stamp just before it wrote it, loopback included. Each as mean and maximum over the ``requests``, in ns.
    """
    try:
        with ScriptedServer(_SCRIPT) as server:
            address = parse_address(server.base_url)
            played = {count: _played(address, count, place) for place, count in enumerate(sorted(set(lane_counts)))}
            truth = {entry.prompt_tokens: entry for entry in server.log()}
    except (TouchstoneError, OSError) as error:
        return {"reason": str(error)}
    return {str(count): _lags(records, truth) for count, records in played.items()}


def _played(address: Address, count: int, place: int) -> list[Record]:
    """Batches of ``count`` requests for an eighth of a second, after one that does not count."""
    records: list[Record] = []
    started_ns = now_ns()
    for play in range(_MOST_PLAYS):
        # Every request is known in the server's log by the length of its prompt; counts ascend, so no length comes twice.
        first = 1 + (place * _MOST_PLAYS + play) * count
        batch = _play(address, [Request(f"client/{play}/{lane}", (1,) * (first + lane), _OUTPUT_TOKENS) for lane in range(count)])
        records += batch if play else []
        if play >= _FEWEST_PLAYS and now_ns() - started_ns > _PLAY_NS:
            break
    return records


def _play(address: Address, requests: Sequence[Request]) -> list[Record]:
    bodies = [post(address, _PATH, asking.openai_ids(request, _SCRIPT.model, stream=True)) for request in requests]
    lanes, tape = Lanes(address, len(requests)), Tape()
    try:
        tape.start()
        closed = lanes.play(bodies, tape)
        tape.stop()
    finally:
        lanes.close()
    return [record_of(request, lane, tape, marked=True, closed=shut)[0] for request, lane, shut in zip(requests, lanes_of(tape), closed, strict=True)]


def _lags(records: Sequence[Record], truth: Mapping[int, Entry]) -> dict[str, float]:
    pairs = [(record, truth[record.input_tokens_built]) for record in records]
    lags = {"sent": [entry.received_ns - record.sent_ns for record, entry in pairs],
            "first": [record.event_ns[0] - _token_writes_ns(entry)[0] for record, entry in pairs],
            "last": [record.event_ns[-1] - _token_writes_ns(entry)[-1] for record, entry in pairs]}
    return {"requests": len(pairs), **{f"{name}_mean_ns": round(fmean(values)) for name, values in lags.items()},
            **{f"{name}_max_ns": max(values) for name, values in lags.items()}}


def _token_writes_ns(entry: Entry) -> list[int]:
    return [entry.sending_ns[place] for place in entry.token_places]


def own_cost(lane_counts: Sequence[int], encode: Callable[[str], Sequence[int]] | None) -> dict[str, object]:
    """Both as settings of an engine: ``client``, and ``tokenizer_ns_per_token`` with the ``encode`` of the checkpoint's own tokenizer, if given."""
    tokenizer = {} if encode is None else {"tokenizer_ns_per_token": tokenizer_ns_per_token(encode)}
    return {"client": client_lag(lane_counts), **tokenizer}


def tokenizer_ns_per_token(encode: Callable[[str], Sequence[int]]) -> float:
    """The median time that ``encode`` takes for a token of a prompt-like text, here and now."""
    chooser = random.Random("own cost")  # noqa: S311 - reproducible, not secret
    started_ns = now_ns()
    found: list[float] = []
    while len(found) < _FEWEST_TEXTS or now_ns() - started_ns < _TOKENIZE_NS:
        text = " ".join(chooser.choices(words(), k=_TEXT_WORDS))
        before_ns = now_ns()
        tokens = encode(text)
        found.append((now_ns() - before_ns) / max(1, len(tokens)))
    return round(median(found), 1)
