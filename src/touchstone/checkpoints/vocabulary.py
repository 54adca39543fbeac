"""A byte-level BPE vocabulary of any size, made without training and without a tokenizer library.

Every word of a word list becomes a chain of merges (`Ġ`+`t`, `Ġt`+`h`, `Ġth`+`e`), so each of its prefixes is a token and the
whole is a valid merge table for any byte-level BPE implementation. Merges are ranked by length, which makes every
listed word reachable: a longer prefix never has to compete with a shorter pair inside it that starts a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import count, islice

BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
CONTROL_TOKENS = (BOS, EOS, PAD, "<|system|>", "<|user|>", "<|assistant|>")
THINK_TOKENS = ("<think>", "</think>")
SPECIAL_TOKENS = (*CONTROL_TOKENS, *THINK_TOKENS)
FIRST_WORD_TOKEN = len(SPECIAL_TOKENS) + 256
"""Ids below it are special tokens and single bytes."""

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@dataclass(frozen=True)
class Vocabulary:
    """Token strings in id order (special tokens first) and the merges in rank order."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]


def byte_symbols() -> tuple[str, ...]:
    """The printable character that stands for each byte in a byte-level BPE (GPT-2's published mapping)."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = count(0x100)
    return tuple(chr(byte) if byte in kept else chr(next(spare)) for byte in range(256))


def words() -> tuple[str, ...]:
    """The packaged word list: common English words, then common Chinese words."""
    text = resources.files("touchstone.checkpoints").joinpath("words.txt").read_text(encoding="utf-8")
    return tuple(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def _invented_words() -> Iterator[str]:
    """Pronounceable words without end, in a fixed order, to fill large vocabularies."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    for length in count(2):
        for number in range(len(syllables) ** length):
            yield "".join(syllables[number // len(syllables) ** place % len(syllables)] for place in range(length))


def build(vocab_size: int) -> Vocabulary:
    """A vocabulary of exactly ``vocab_size`` tokens (at least 264: 8 special ones and 256 bytes)."""
    symbols = byte_symbols()
    wanted = vocab_size - len(SPECIAL_TOKENS) - len(symbols)
    if wanted < 0:
        raise ValueError(f"a byte-level vocabulary needs at least {len(SPECIAL_TOKENS) + len(symbols)} tokens")
    merges: dict[str, tuple[str, str]] = {}
    for word in _all_words():
        if len(merges) >= wanted:
            break
        for parts in _chains(word, symbols):
            for end in range(2, len(parts) + 1):
                merges.setdefault("".join(parts[:end]), ("".join(parts[:end - 1]), parts[end - 1]))
    chosen = dict(islice(merges.items(), wanted))
    ranked = sorted(chosen.items(), key=lambda item: (not item[0].startswith(symbols[0x20]), len(item[0])))
    return Vocabulary(
        tokens=(*SPECIAL_TOKENS, *symbols, *(token for token, _ in ranked)),
        merges=tuple(pair for _, pair in ranked),
    )


def _chains(word: str, symbols: Sequence[str]) -> Iterator[list[str]]:
    """The rows of parts along which ``word`` is put together: letters, or for other scripts bytes and then characters."""
    spelled = [[symbols[byte] for byte in character.encode("utf-8")] for character in word]
    if not word.isascii():
        yield from spelled
    yield ["".join(character) for character in spelled]


def _all_words() -> Iterator[str]:
    for word in words():
        yield " " + word if word.isascii() else word
    for word in _invented_words():
        yield " " + word


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, object]:
    """The ``tokenizer.json`` of the Hugging Face tokenizers library for ``vocabulary``; it puts BOS first."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    bos_id = vocabulary.tokens.index(BOS)
    first = {"SpecialToken": {"id": BOS, "type_id": 0}}
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None,
        "added_tokens": [
            {"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": token in CONTROL_TOKENS}
            for index, token in enumerate(SPECIAL_TOKENS)
        ],
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [first, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {BOS: {"id": BOS, "ids": [bos_id], "tokens": [BOS]}},
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(vocabulary.tokens)},
            "merges": [f"{left} {right}" for left, right in vocabulary.merges],
        },
    }
