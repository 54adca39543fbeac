"""Words for dtypes and quantisation, in the spellings people use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import UsageError
from touchstone.simulate.precision import find_precision, precision_of


@pytest.mark.parametrize(("word", "name", "bits"), [
    ("fp32", "fp32", 32), ("float32", "fp32", 32), ("FP16", "fp16", 16), ("half", "fp16", 16), ("torch.bfloat16", "bf16", 16),
    ("BF16", "bf16", 16), ("fp8", "fp8", 8), ("FP8-dynamic", "fp8", 8), ("fp8_e4m3", "fp8", 8), ("int8", "int8", 8), ("W8A8", "int8", 8),
    ("w8a16", "int8", 8), ("GPTQ-Int8", "int8", 8), ("INT4", "int4", 4.15625), ("w4a16", "int4", 4.15625), ("AWQ", "int4", 4.15625),
    ("gptq", "int4", 4.15625), ("GPTQ-Int4", "int4", 4.15625), ("mxfp4", "mxfp4", 4.25), ("NVFP4", "nvfp4", 4.5),
    ("Q8_0", "q8_0", 8.5), ("q4_k_m", "q4_k", 4.5), ("Q4_K_S", "q4_k", 4.5), ("q4_0", "q4_0", 4.5), ("q5_k_m", "q5_k", 5.5),
    ("Q6_K", "q6_k", 6.5625), ("q3_k_l", "q3_k", 3.4375), ("q2_k", "q2_k", 2.625), ("iq4_xs", "iq4_xs", 4.25),
])
def test_a_word_names_its_bits_per_weight(word, name, bits):
    found = precision_of(word)
    assert (found.name, found.linear) == (name, bits)


def test_what_stays_in_sixteen_bits():
    for word in ("int4", "int8", "fp8", "mxfp4", "nvfp4"):
        found = precision_of(word)
        assert (found.embedding, found.head, found.rest) == (16, 16, 16)
        assert found.attention == found.linear
    assert (precision_of("fp32").head, precision_of("fp32").rest) == (32, 32)
    assert (precision_of("q4_k_m").embedding, precision_of("q4_k_m").head) == (4.5, 6.5625)
    assert precision_of("q8_0").head == 8.5


@pytest.mark.parametrize("word", ["", "bf15", "w9a9", "w8a8sc", "q9_0", "模型", "\0", "x" * 1_000_000])
def test_an_unknown_word_is_unknown(word):
    assert find_precision(word) is None
    with pytest.raises(UsageError, match="Unknown dtype"):
        precision_of(word)


@given(st.text())
def test_any_text_is_a_precision_or_none(word):
    found = find_precision(word)
    assert found is None or 2 < found.linear <= 32
