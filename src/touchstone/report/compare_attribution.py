"""Where two engines spend the time of a request, in words and cells: the sentence, what was asked and answered, and the table of parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from touchstone.comparison import Alike, Attribution, Part, Piece
from touchstone.message import Message, say
from touchstone.report.table import NOTHING, number
from touchstone.units import NS_PER_MS, significant

TITLE = say("Where the time of a request goes, on average")
COLUMNS: tuple[Message, ...] = (say("ms"), say("A"), say("B"), say("Difference"), say("Share"))
PIECE_WORDS: Mapping[Piece, Message] = {
    Piece.ENGINE: say("engine"), Piece.HTTP: say("HTTP"), Piece.TOKENIZER: say("tokenizer"), Piece.CLIENT: say("client"),
    Piece.CALL: say("call around the engine"), Piece.PREFILL: say("prefill"), Piece.DECODE: say("decode"),
}


def sentence(one: Attribution) -> Message:
    """Answers of other lengths before any time, then the difference of the whole, then that of each part, the largest first."""
    words = _whole(one)
    moved = sorted((part for part in one.parts if part.difference_ns), key=lambda part: -abs(part.difference_ns))
    if moved and one.whole.difference_ns:
        listed = _change(moved[0])
        for part in moved[1:]:
            listed = say("{one}, {other}", one=listed, other=_change(part))
        words = say("{whole}: {parts}", whole=words, parts=listed)
    if one.alike.token_ns:
        words = say("{lengths}; {whole}", lengths=_per_token(one.alike), whole=words)
    return say("{case}: {words}", case=one.case, words=words)


def _whole(one: Attribution) -> Message:
    gap_ns = one.whole.difference_ns
    facts = {"time": _short(abs(gap_ns))}
    if not gap_ns:
        return say("a request takes {time} ms on both sides", time=_ms(one.whole.old_ns))
    if one.shown:
        return say("B takes {time} ms longer per request", **facts) if gap_ns > 0 else say("B takes {time} ms less per request", **facts)
    if gap_ns > 0:
        return say("B took {time} ms longer per request, which was not shown to be more than chance", **facts)
    return say("B took {time} ms less per request, which was not shown to be more than chance", **facts)


def _per_token(alike: Alike) -> Message:
    assert alike.token_ns is not None
    old_ns, new_ns = alike.token_ns
    return say("A answers with {old} tokens and B with {new}, at {old_time} and {new_time} ms per token ({change} ms)", old=number(alike.output_tokens[0]),
               new=number(alike.output_tokens[1]), old_time=_ms(old_ns), new_time=_ms(new_ns), change=f"{(new_ns - old_ns) / NS_PER_MS:+.3f}")


def _change(part: Part) -> Message:
    sign = "+" if part.difference_ns > 0 else "-"
    return say("{part} {change} ms", part=part_word(part), change=sign + _short(abs(part.difference_ns)))


def _short(time_ns: int) -> str:
    """Milliseconds with a decimal, or with the microseconds where there is not one of them."""
    return f"{time_ns / NS_PER_MS:,.1f}" if time_ns >= NS_PER_MS else f"{time_ns / NS_PER_MS:.3f}"


def part_word(part: Part) -> Message:
    """The pieces of a part: ``engine and HTTP``."""
    if part.pieces == (Piece.HTTP,):
        return say("HTTP and queue")
    first, *others = (PIECE_WORDS[piece] for piece in part.pieces)
    for other in others[:-1]:
        first = say("{one}, {other}", one=first, other=other)
    return say("{one} and {other}", one=first, other=others[-1]) if others else first


def answers(one: Attribution) -> Message:
    """Whether both sides were asked the same and answered the same."""
    alike = one.alike
    words = say("{old} and {new} requests", old=one.requests[0], new=one.requests[1])
    clauses = [_same(alike.prompts, say("the prompts are the same"), say("no prompt is the same"), say("{percent} % of the prompts are the same",
                                                                                                    percent=_percent(alike.prompts)))]
    clauses.append(say("tokens in {inputs}, out {outputs}", inputs=_counts(alike.input_tokens), outputs=_counts(alike.output_tokens)))
    clauses.append(_same(alike.texts, say("the texts are the same"), say("no text is the same"), say("{percent} % of the texts are the same",
                                                                                                percent=_percent(alike.texts))))
    for clause in clauses:
        if clause is not None:
            words = say("{one}; {other}", one=words, other=clause)
    return words


def _same(share: float | None, every: Message, none: Message, some: Message) -> Message | None:
    return None if share is None else every if share == 1 else some if share else none


def _percent(share: float | None) -> str:
    """Never rounded to all of them, or to none."""
    return "" if share is None else significant(min(99.9, max(0.1, 100 * share)), 3)


def _counts(pair: tuple[float | None, float | None]) -> str:
    return number(pair[0]) if pair[0] == pair[1] else f"{number(pair[0])} | {number(pair[1])}"


def rows(one: Attribution) -> Iterator[tuple[Message, list[str]]]:
    """Every part with its cells; below the engine its own clock's two halves, and at the end the whole."""
    for part in one.parts:
        yield part_word(part), _cells(part)
        if Piece.ENGINE in part.pieces:
            for phase in one.phases:
                yield say("of which {phase}", phase=part_word(phase)), _cells(phase)
    yield say("whole request"), _cells(one.whole)


def _cells(part: Part) -> list[str]:
    compared = part.pieces[:1] not in {(Piece.PREFILL,), (Piece.DECODE,)} or None not in (part.old_ns, part.new_ns)
    return [_ms(part.old_ns), _ms(part.new_ns), f"{part.difference_ns / NS_PER_MS:+,.3f}" if compared else NOTHING,
            NOTHING if part.share is None else f"{100 * part.share:.1f}%".replace("-0.0%", "0.0%")]


def _ms(time_ns: int | None) -> str:
    """Microseconds shown, as they were counted, so that a column adds up."""
    return NOTHING if time_ns is None else f"{time_ns / NS_PER_MS:,.3f}"
