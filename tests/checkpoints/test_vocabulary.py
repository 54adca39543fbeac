"""The vocabulary made without training: complete, loadable, lossless, and long enough words for real prompts."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from touchstone.checkpoints import synthetic, vocabulary

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


def tokenizer_of(size):
    return Tokenizer.from_str(json.dumps(vocabulary.tokenizer_json(vocabulary.build(size))))


SMALLEST, LARGE = tokenizer_of(264), tokenizer_of(8192)


@pytest.mark.parametrize("size", [264, 1024, 8192, 32_000])
def test_it_has_exactly_so_many_distinct_tokens(size):
    made = vocabulary.build(size)
    assert len(made.tokens) == len(set(made.tokens)) == size
    assert made.tokens[:len(vocabulary.SPECIAL_TOKENS)] == vocabulary.SPECIAL_TOKENS
    assert len(made.merges) == size - vocabulary.FIRST_WORD_TOKEN


@pytest.mark.parametrize("size", [264, 1024, 8192, 32_000])
def test_parts_of_a_merge_exist_before_it(size):
    made = vocabulary.build(size)
    known = set(vocabulary.byte_symbols())
    for left, right in made.merges:
        assert left in known, (left, right)
        assert right in known, (left, right)
        known.add(left + right)
    assert known == set(made.tokens[len(vocabulary.SPECIAL_TOKENS):])


def test_it_is_the_same_every_time_and_too_small_a_one_is_refused():
    assert vocabulary.build(1024) == vocabulary.build(1024)
    with pytest.raises(ValueError, match="264"):
        vocabulary.build(263)


def test_the_byte_symbols_are_256_visible_characters():
    symbols = vocabulary.byte_symbols()
    assert len(set(symbols)) == 256
    assert all(symbol.isprintable() and not symbol.isspace() for symbol in symbols)
    assert (symbols[ord("A")], symbols[ord(" ")], symbols[ord("\n")]) == ("A", "Ġ", "Ċ")  # as GPT-2 published them


@settings(max_examples=100, deadline=None)
@given(TEXT)
def test_any_text_comes_back_unchanged(text):
    for tokenizer in (SMALLEST, LARGE):
        encoded = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(encoded.ids, skip_special_tokens=False) == text
        assert max(encoded.ids, default=0) < tokenizer.get_vocab_size()


@settings(max_examples=50, deadline=None)
@given(TEXT)
def test_bos_is_put_first_and_nothing_else_is_added(text):
    assert LARGE.encode(text).ids == [vocabulary.SPECIAL_TOKENS.index(vocabulary.BOS), *LARGE.encode(text, add_special_tokens=False).ids]


def test_every_english_word_is_one_token_after_a_space():
    english = [word for word in vocabulary.words() if word.isascii()]
    assert len(english) > 300
    assert [word for word in english if len(LARGE.encode(f" {word}", add_special_tokens=False).ids) != 1] == []


def test_every_chinese_word_is_one_token():
    chinese = [word for word in vocabulary.words() if not word.isascii()]
    assert len(chinese) > 100
    assert [word for word in chinese if len(LARGE.encode(word, add_special_tokens=False).ids) != 1] == []


def test_control_tokens_are_special_and_think_marks_are_text():
    marked = LARGE.encode("<|user|>a<think>b</think><|end|>", add_special_tokens=False)
    assert {vocabulary.SPECIAL_TOKENS.index(token) for token in ("<|user|>", "<think>", "</think>", "<|end|>")} < set(marked.ids)
    assert LARGE.decode(marked.ids, skip_special_tokens=True) == "a<think>b</think>"


def test_transformers_renders_a_conversation_that_waits_for_the_answer(tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(synthetic.ensure("tiny", tmp_path), local_files_only=True)
    turns = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == "<|begin|><|system|>\nbe brief<|end|>\n<|user|>\nhello<|end|>\n<|assistant|>\n"
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[-2:] == [vocabulary.SPECIAL_TOKENS.index("<|assistant|>"), *tokenizer("\n", add_special_tokens=False).input_ids]
    assert not tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=False).endswith("<|assistant|>\n")
