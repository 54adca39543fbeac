"""Synthetic prompts of an exact number of tokens, no two alike, and the messages of every request of a schedule.

Words are chosen that cost one token each, and whose costs add up: a text that holds every ordered pair of them has as many tokens
as words. Byte-pair merging works on neighbours, so what holds for every pair holds for every text of these words, and prompts
need not be encoded one by one; every 64th is, all the same. The server's own count proves each of them again later.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from touchstone.checkpoints.vocabulary import words
from touchstone.errors import EngineError, NotReadyError
from touchstone.load_plan import Workload
from touchstone.measure.load.datasets import Dataset, Source
from touchstone.measure.load.schedule import Schedule
from touchstone.measure.load.traces import BLOCK_TOKENS, Trace
from touchstone.plan import ChatMessage

_WORDS = 128  # more add nothing: 32 tokens hold 224 bits, and every pair has to be tried
_FEWEST = 8
_REPAIRS = 8
_CHECKED_EVERY = 64
_AT_ONCE = 256


class Tokenizer(Protocol):
    """What counting needs of a tokenizer. No special tokens are added."""

    def encode(self, text: str) -> list[int]: ...
    def counts(self, texts: Sequence[str]) -> list[int]: ...


class TokenizerFile:
    """The ``tokenizer.json`` of a model, read by the tokenizers library."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`NotReadyError` where the file or the library is missing or they do not fit each other."""
        file = path / "tokenizer.json" if path.is_dir() else path
        if not file.is_file():
            raise NotReadyError("There is no tokenizer at {path}.", "Give a directory with tokenizer.json, or leave out --tokenizer.", path=path)
        try:
            import tokenizers
        except ImportError as error:
            raise NotReadyError("The tokenizer {path} needs a library that is not installed.", "pip install tokenizers", path=file) from error
        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises Exception itself
            raise NotReadyError("The tokenizer {path} cannot be read: {error}.", "", path=file, error=error) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def counts(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each of ``texts``."""
        return [len(encoding) for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]


@dataclass(frozen=True)
class Words:
    """Words that cost one token each, at the start of a text after ``lead`` and further on after a space.

    Where only their cost after a space is known, every text begins with the word ``first``, whose cost there is always the same.
    ``tokenizer`` checks what is made of them; None where they were found by asking a server. ``additive`` says that their costs
    were seen to add up, so that checking some texts is enough.
    """

    words: tuple[str, ...]
    lead: str = ""
    first: str = ""
    tokenizer: Tokenizer | None = None
    additive: bool = True


def probed_words(found: Sequence[str]) -> Words:
    """Words that a server counted as one token each after a space; texts begin with the first of them.

    Whatever that one costs at the start of a prompt is part of the overhead that was measured with it there.
    """
    return Words(tuple(found), first=found[0])


def learn_words(tokenizer: Tokenizer, candidates: Iterable[str] | None = None) -> Words:
    """Words of one token each under ``tokenizer``, out of ``candidates`` (the packaged list).

    Texts begin without a space where that is possible, because some chat templates strip it.
    Raises :class:`EngineError` where there are too few such words.
    """
    offered = [word for word in dict.fromkeys(words() if candidates is None else candidates) if candidates is not None or word.isascii()]
    found = []
    for lead in ("", " "):
        once, twice = (tokenizer.counts([lead + " ".join([word] * times) for word in offered]) for times in (1, 2))
        found = [word for word, one, two in zip(offered, once, twice, strict=True) if (one, two) == (1, 2)][:_WORDS]
        if len(found) >= _FEWEST:
            text = lead + " ".join(_every_pair(found))
            return Words(tuple(found), lead, tokenizer=tokenizer, additive=tokenizer.counts([text]) == [len(found) ** 2 + 1])
    raise EngineError("Only {found} of the {offered} common words are one token for this tokenizer.",
                      "Leave out --tokenizer: then the words are found by asking the server.", found=len(found), offered=len(offered))


def _every_pair(found: Sequence[str]) -> Iterator[str]:
    """A row of words in which each ordered pair of ``found`` stands once (a de Bruijn sequence of order 2, opened)."""
    for place, word in enumerate(found):
        yield word
        for later in found[place + 1:]:
            yield word
            yield later
    yield found[0]


def synthesize(tokens: int, seed_key: str, source: Tokenizer | Words) -> str:
    """A text of exactly ``tokens`` tokens, another one for every ``seed_key``; see :class:`Prompter`. For many, keep the prompter."""
    return Prompter(source if isinstance(source, Words) else learn_words(source)).texts([tokens], [seed_key])[0]


class Prompter:
    """Makes texts of exact length out of ``words``.

    The words of a text are drawn by SHAKE-128 of its key, so two keys give texts that differ within the first 32 tokens (the odds of
    failing at 8 words are 2⁻⁹⁰), and of two lengths under one key the shorter text begins the longer one.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self._table = [words.words[byte % len(words.words)] for byte in range(256)]
        self._made = 0

    def texts(self, tokens: Sequence[int], keys: Sequence[str]) -> list[str]:
        """A text of each length under each key. Raises :class:`EngineError` where the tokenizer will not have it so."""
        return self.checked([self.bare(length, key) for length, key in zip(tokens, keys, strict=True)], tokens)

    def bare(self, tokens: int, key: str) -> str:
        """``tokens`` words, to be put together with others by :meth:`checked`; not yet a text."""
        return " ".join(map(self._table.__getitem__, hashlib.shake_128(key.encode()).digest(tokens)))

    def checked(self, texts: Sequence[str], tokens: Sequence[int]) -> list[str]:
        """``texts`` of words, led in as a text is, with their lengths checked: some where costs add up, else all, and repaired."""
        led = [self._begun(text) for text in texts]
        tokenizer = self._words.tokenizer
        if tokenizer is None:
            return led
        step = _CHECKED_EVERY if self._words.additive else 1
        places = range(-self._made % step, len(led), step)
        self._made += len(led)
        for place, got in zip(places, tokenizer.counts([led[place] for place in places]) if places else [], strict=True):
            if got != tokens[place]:
                led[place] = self._repaired(led[place], tokens[place], tokenizer)
        return led

    def _begun(self, text: str) -> str:
        if not text or not self._words.first:
            return text and self._words.lead + text
        return self._words.first + text[len(text.split(" ", 1)[0]):]

    def _repaired(self, text: str, tokens: int, tokenizer: Tokenizer) -> str:
        if self._words.additive:
            raise EngineError("The tokenizer makes {got} tokens of a text that was built to have {asked}.",
                              "Leave out --tokenizer: then the words are found by asking the server.",
                              got=tokenizer.counts([text])[0], asked=tokens)
        for attempt in range(_REPAIRS):
            [got] = tokenizer.counts([text])
            if got == tokens:
                return text
            more = self.bare(max(0, tokens - got), f"{attempt}/{text}")
            text = f"{text} {more}" if got < tokens else text.rsplit(" ", got - tokens)[0]
        raise EngineError("No text of exactly {asked} tokens could be built for this tokenizer.",
                          "Leave out --tokenizer: then the words are found by asking the server.", asked=tokens)


def prompts(schedule: Schedule, workload: Workload, prompter: Prompter, key: str, source: Source | None = None) -> Iterator[tuple[ChatMessage, ...]]:
    """The messages of every row of ``schedule``, in its order; all of the conversation so far, for a later turn.

    ``key`` names run, point and repeat: everything made under another key is another text, so no cache can know it. Under one key
    the prefixes, and the blocks of a trace with equal hashes, are the same text. Only one session is in memory at a time.
    """
    said: tuple[ChatMessage, ...] = ()
    for turn, own, answer in _turns(schedule, workload, prompter, key, source):
        messages = own if turn == 0 else said + own
        yield messages
        said = (*messages, ChatMessage(role="assistant", content=answer))


def _turns(schedule: Schedule, workload: Workload, prompter: Prompter, key: str,
           source: Source | None) -> Iterator[tuple[int, tuple[ChatMessage, ...], str]]:
    """For every row: its turn, its own messages, and the answer that the next turn has in front of it."""
    if isinstance(source, Dataset):
        for row, turn in zip(schedule.source.data, schedule.turn, strict=True):
            exchange = source.conversations[row].exchanges[turn]
            yield int(turn), exchange.messages, exchange.answer or ""
        return
    sessions = workload.turns > 1
    for first in range(0, len(schedule), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        tokens = schedule.message_tokens.data[part].tolist()
        turns = schedule.turn[part].tolist()
        if isinstance(source, Trace):
            bare = [_blocks(prompter, source, row, key) for row in range(first, first + len(tokens))]
        else:
            prefixes = schedule.prefix[part].filled(-1).tolist()
            bare = [_prefixed(prompter, workload, (length, prefix if turn == 0 else -1), f"{key}/{row}", key)
                    for row, length, prefix, turn in zip(itertools.count(first), tokens, prefixes, turns, strict=False)]
        answers: Iterator[str] = itertools.repeat("")
        if sessions:
            lengths = schedule.output_tokens.data[part].tolist()
            answers = iter(prompter.texts(lengths, [f"{key}/{row}/answer" for row in range(first, first + len(lengths))]))
        for turn, text, answer in zip(turns, prompter.checked(bare, tokens), answers, strict=False):
            yield turn, (ChatMessage(role="user", content=text),), answer


def _prefixed(prompter: Prompter, workload: Workload, shape: tuple[int, int], own_key: str, key: str) -> str:
    tokens, prefix = shape
    if prefix < 0:
        return prompter.bare(tokens, own_key)
    shared = prompter.bare(workload.shared_prefix_tokens, f"{key}/prefix/{prefix}")
    rest = prompter.bare(tokens - workload.shared_prefix_tokens, own_key)
    return f"{shared} {rest}" if rest else shared


def _blocks(prompter: Prompter, trace: Trace, row: int, key: str) -> str:
    """The prompt of ``row``: a text for each of its blocks, and words of its own for what no block covers."""
    played, place = divmod(row, len(trace))
    tokens = int(trace.input_tokens[place])
    hashes = trace.blocks[place] if trace.blocks is not None else ()
    texts = []
    for block in hashes:
        if tokens > 0:  # a chat template may take so much that the last block is left out
            texts.append(prompter.bare(min(BLOCK_TOKENS, tokens), f"{key}/{played}/block/{block}"))
            tokens -= BLOCK_TOKENS
    if tokens > 0:
        texts.append(prompter.bare(tokens, f"{key}/{row}"))
    return " ".join(texts)
