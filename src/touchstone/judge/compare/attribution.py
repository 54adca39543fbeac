"""Where two engines spend the time of a request: engine, HTTP, tokenizer, client, as far as clocks tell them apart.

The engine's part is read from its own clock, the tokenizer's and the client's were measured apart, and HTTP is what is left. A piece that
was not measured stays with what is left, by name, on both sides: nothing is guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from touchstone.comparison import Alike, Attribution, Part, Piece
from touchstone.message import Message, say
from touchstone.record import Record, Run, Status

_US = 1000
_LONGEST_NS = 1e15
_PIECES = tuple(Piece)
Place = tuple[int, int]
"""A request of a case, whatever the launch: the trial's index, and its place in the batch."""


@dataclass(frozen=True)
class Setup:
    """How a launch asked its engine. Costs are means in ns; None is not measured. ``served``: over HTTP; ``as_text``: the prompts too."""

    served: bool
    as_text: bool
    client_ns: Mapping[int, float]
    tokenizer_ns_per_token: float | None
    why: str | None = None

    def client_of(self, batch_size: int) -> float | None:
        """The lag with the fewest connections that are as many as the batch, or else with the most that were tried."""
        enough = [count for count in self.client_ns if count >= batch_size]
        return self.client_ns[min(enough) if enough else max(self.client_ns)] if self.client_ns else None


@dataclass(frozen=True)
class Cost:
    """A good measured request: what it took in all and by piece, in ns. A piece that is there and not known is None.

    ``pieces`` lacks those that its engine does not have. ``digest`` is of the prompt, ``text`` of the greedy answer.
    """

    place: Place
    e2e_ns: int
    pieces: Mapping[Piece, float | None]
    phases: tuple[int | None, int | None]
    input_tokens: int | None
    output_tokens: int | None
    digest: str
    text: str | None


# ── of a run ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def setups_of(header: Mapping[str, Any]) -> dict[int, Setup]:
    """How each launch asked its engine, by the launch's number. Raises ValueError, or what else a header that nobody wrote so deserves."""
    launches = header.get("launches")
    return {int(one["launch"]): _setup(one["facts"].get("options") or {}) for one in (launches if isinstance(launches, list) else [])}


def _setup(options: Mapping[str, Any]) -> Setup:
    client = options.get("client") or {}
    lags = {int(count): _checked_ns(lag["sent_mean_ns"]) + _checked_ns(lag["last_mean_ns"]) for count, lag in client.items() if isinstance(lag, Mapping)}
    tokenizer = options.get("tokenizer_ns_per_token")
    return Setup("started_here" in options, options.get("prompts_as") == "text", lags, None if tokenizer is None else _checked_ns(tokenizer), client.get("reason"))


def _checked_ns(value: Any) -> float:
    if not isinstance(value, (int, float)) or not abs(value) < _LONGEST_NS:
        raise ValueError(f"a time of {str(value)[:20]} ns")
    return float(value)


def costs_of(run: Run, case: str, *, greedy: bool) -> tuple[Cost, ...]:
    """Every request of ``case`` that was measured, ended well and has a stamp of its last token; texts only if they are ``greedy``."""
    setups = setups_of(run.header)
    return tuple(_cost(record, (trial.index, place), setups[trial.launch], trial.batch_size, greedy=greedy)
                 for trial in run.measured(case) if trial.status is Status.OK and trial.launch in setups
                 for place, record in enumerate(trial.records) if record.status is Status.OK and record.event_ns)


def _cost(record: Record, place: Place, setup: Setup, batch_size: int, *, greedy: bool) -> Cost:
    e2e_ns = record.event_ns[-1] - record.sent_ns
    phases = record.engine_prefill_ns, record.engine_decode_ns
    own_ns = None if phases[0] is None or phases[1] is None else float(phases[0] + phases[1])
    text = hashlib.sha256(record.text.encode("utf-8", "replace")).hexdigest() if greedy and record.text is not None else None
    return Cost(place, e2e_ns, _pieces(record, setup, own_ns, e2e_ns, batch_size), phases, record.input_tokens, record.output_tokens, record.prompt_digest, text)


def _pieces(record: Record, setup: Setup, own_ns: float | None, e2e_ns: int, batch_size: int) -> dict[Piece, float | None]:
    """The pieces there are, with their times. In process and without a clock of its own, the call itself is the engine."""
    if not setup.served:
        return {Piece.ENGINE: float(e2e_ns)} if own_ns is None else {Piece.ENGINE: own_ns, Piece.CALL: None}
    pieces = {Piece.ENGINE: own_ns, Piece.HTTP: None, Piece.CLIENT: setup.client_of(batch_size)}
    if setup.as_text:
        known = setup.tokenizer_ns_per_token is not None and record.input_tokens is not None
        pieces[Piece.TOKENIZER] = setup.tokenizer_ns_per_token * record.input_tokens if known else None  # type: ignore[operator]
    return pieces


# ── of two sides ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def attribute(case: str, old: Sequence[Cost], new: Sequence[Cost], *, shown: bool) -> Attribution | None:
    """The difference between two sides of ``case``, part by part; None where one has no request to tell by."""
    if not old or not new:
        return None
    sides = _Side.of(old), _Side.of(new)
    groups = _groups(*(side.unknown for side in sides))
    whole = Part((), sides[0].whole_ns, sides[1].whole_ns)
    whole = replace(whole, share=1.0 if whole.difference_ns else None)
    parts = [part for group in groups if (part := Part(group, *(side.spent(group) for side in sides))) and (part.old_ns, part.new_ns) != (None, None)]
    return Attribution(
        case, whole, tuple(replace(part, share=part.difference_ns / whole.difference_ns if whole.difference_ns else None) for part in parts),
        tuple(part for place, piece in enumerate((Piece.PREFILL, Piece.DECODE))
              if (part := Part((piece,), *(_phase(costs, place) for costs in (old, new)))) and (part.old_ns, part.new_ns) != (None, None)),
        (len(old), len(new)), _alike(old, new, sides), shown)


@dataclass(frozen=True)
class _Side:
    """Means over a side's requests in whole microseconds, and the pieces that are there and ``unknown``: together they take the rest."""

    whole_ns: int
    known: Mapping[Piece, int]
    unknown: frozenset[Piece]

    @classmethod
    def of(cls, costs: Sequence[Cost]) -> _Side:
        pieces = {piece for cost in costs for piece in cost.pieces}
        unknown = frozenset(piece for piece in pieces if any(cost.pieces.get(piece) is None for cost in costs))
        means = {piece: _mean_ns([cost.pieces[piece] or 0.0 for cost in costs]) for piece in pieces - unknown}
        return cls(_mean_ns([cost.e2e_ns for cost in costs]), means, unknown)

    def spent(self, group: Sequence[Piece]) -> int | None:
        """What the pieces of ``group``, which has all the unknown ones or none, take together; None where there are none of them."""
        if self.unknown & set(group):
            return self.whole_ns - sum(spent for piece, spent in self.known.items() if piece not in group)
        found = [self.known[piece] for piece in group if piece in self.known]
        return sum(found) if found else None


def _mean_ns(values: Sequence[float]) -> int:
    return round(fmean(values) / _US) * _US


def _groups(old: frozenset[Piece], new: frozenset[Piece]) -> list[tuple[Piece, ...]]:
    """Every piece once, in their order: together those that one side cannot tell apart, so that the other side's are the same."""
    unknown = [old | new] if old & new else [old, new]
    together = [group for group in unknown if group]
    singles = [frozenset({piece}) for piece in _PIECES if not any(piece in group for group in together)]
    ordered = [tuple(piece for piece in _PIECES if piece in group) for group in (*together, *singles)]
    return sorted(ordered, key=lambda group: _PIECES.index(group[0]))


def _phase(costs: Sequence[Cost], place: int) -> int | None:
    times = [cost.phases[place] for cost in costs]
    return None if None in times else _mean_ns([float(one or 0) for one in times])


def _alike(old: Sequence[Cost], new: Sequence[Cost], sides: tuple[_Side, _Side]) -> Alike:
    mine, yours = ({cost.place: cost for cost in costs} for costs in (old, new))
    both = [(mine[place], yours[place]) for place in mine if place in yours]
    same = [(one, other) for one, other in both if one.digest == other.digest]
    told = [one.text == other.text for one, other in same if one.text is not None and other.text is not None]
    tokens = [_mean_tokens([cost.output_tokens for cost in costs]) for costs in (old, new)]
    differ = None not in tokens and tokens[0] != tokens[1] and all(tokens)
    per_token = [round(side.whole_ns / (count or 1)) for side, count in zip(sides, tokens, strict=True)]
    return Alike(len(same) / len(both) if both else None, fmean(told) if told else None,
                 (_mean_tokens([cost.input_tokens for cost in old]), _mean_tokens([cost.input_tokens for cost in new])),
                 (tokens[0], tokens[1]), (per_token[0], per_token[1]) if differ else None)


def _mean_tokens(counts: Sequence[int | None]) -> float | None:
    return None if None in counts else fmean(count or 0 for count in counts)


# ── what the parts rest on ───────────────────────────────────────────────────────────────────────────────────────────────


def notes_of(letter: str, setup: Setup, attributions: Sequence[Attribution]) -> Iterator[Message]:
    """How the pieces of a side were measured, and which were not."""
    if not setup.served or not attributions:
        return
    if any(Piece.ENGINE in part.pieces and Piece.HTTP in part.pieces for one in attributions for part in one.parts) \
            and not any(_of(letter, phase) is not None for one in attributions for phase in one.phases):
        yield say("{side}: its server gives no times of its own, so engine and HTTP are one part", side=letter)
    if setup.client_ns:
        yield say("{side}: the client was measured before the trials, against a server whose write times are known; what it takes more beside a busy engine "
                  "counts as HTTP and queue", side=letter)
    elif setup.why:
        yield say("{side}: the client's own lag is not known ({why}), so it is part of the rest", side=letter, why=setup.why)
    else:
        yield say("{side}: the client's own lag was not measured, so it is part of the rest", side=letter)
    if setup.as_text and setup.tokenizer_ns_per_token is not None:
        yield say("{side}: the tokenizer's time is that of the checkpoint's own, measured here", side=letter)
    elif setup.as_text:
        yield say("{side}: the tokenizer's time was not measured, so it is part of the rest", side=letter)


def overrun(attribution: Attribution) -> Iterator[Message]:
    """Parts that are less than nothing: what was measured apart is more than the whole."""
    for letter in ("A", "B"):
        for part in attribution.parts:
            spent_ns = _of(letter, part)
            if spent_ns is not None and spent_ns < 0:
                yield say("{case}: what was measured apart takes {excess} ms more than the whole on {side}", case=attribution.case, side=letter,
                          excess=f"{-spent_ns / 1e6:.3f}")


def _of(letter: str, part: Part) -> int | None:
    return part.old_ns if letter == "A" else part.new_ns
