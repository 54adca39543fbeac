"""Counting agrees with published totals, with real tensors, with the transformers library, and with itself."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.checkpoints.shape import SHAPES
from touchstone.checkpoints.synthetic import ensure, tensors
from touchstone.errors import DataError, UsageError
from touchstone.simulate.accounting import (
    active_parameters_per_step,
    decode_flops,
    experts_touched,
    kv_bytes,
    kv_bytes_per_device,
    kv_bytes_per_token,
    mtp_parameters,
    parameters,
    parts,
    prefill_flops,
    read_bytes_per_step,
    weight_bytes,
)
from touchstone.simulate.architecture import architecture_of, from_shape
from touchstone.simulate.known_models import known_models

MODELS = known_models()
# name: all parameters, those of a step, GB of weights as published, bytes of keys and values per token in 16 bits
COUNTS = {
    "Llama-2-7B": (6_738_415_616, 6_607_343_616, 13.477, 524_288),
    "Llama-3-8B": (8_030_261_248, 7_504_924_672, 16.061, 131_072),
    "Qwen2-7B": (7_615_616_512, 7_070_619_136, 15.231, 57_344),
    "Qwen2.5-7B": (7_615_616_512, 7_070_619_136, 15.231, 57_344),
    "Qwen2-72B": (72_706_203_648, 71_460_495_360, 145.412, 327_680),
    "Mixtral-8x7B": (46_702_792_704, 12_748_853_248, 93.406, 131_072),
    "DeepSeek-V3": (671_026_419_200, 36_625_618_432, 672.987, 70_272),
    "Mistral-7B-v0.1": (7_241_732_096, 7_110_660_096, 14.483, 131_072),
    "Qwen2.5-0.5B": (494_032_768, 494_032_768, 0.988, 12_288),
    "Qwen3-8B": (8_190_735_360, 7_568_405_504, 16.381, 147_456),
    "Qwen3-32B": (32_762_123_264, 31_984_210_944, 65.524, 262_144),
    "Qwen3-30B-A3B": (30_532_122_624, 3_041_867_776, 61.064, 98_304),
    "DeepSeek-V2-Lite": (15_706_484_224, 2_451_435_008, 31.413, 31_104),
    "gpt-oss-20b": (20_914_757_184, 3_608_307_264, 13.761, 49_152),
    "gpt-oss-120b": (116_829_156_672, 5_132_849_472, 65.249, 73_728),
}
# TFLOP of a prompt of 4,096 tokens, matrices and attention, and GFLOP of the token after it
WORK = {
    "Llama-2-7B": (53.054, 4.399, 13.215, 2.147),
    "Llama-3-8B": (57.178, 4.399, 15.010, 2.147),
    "Qwen2-7B": (53.459, 3.368, 14.141, 1.644),
    "Qwen2-72B": (575.202, 21.996, 142.921, 10.737),
    "Mixtral-8x7B": (103.365, 4.399, 25.498, 2.147),
    "DeepSeek-V3": (292.448, 41.929, 73.251, 69.592),
}
DTYPES = ("fp32", "bf16", "fp8", "int8", "int4", "mxfp4", "nvfp4", "q8_0", "q4_k_m")
anyone = st.sampled_from(sorted(MODELS)).map(MODELS.__getitem__)
context = st.integers(0, 300_000)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name):
    arch = MODELS[name]
    assert (parameters(arch), active_parameters_per_step(arch), round(weight_bytes(arch) / 1e9, 3),
            kv_bytes_per_token(arch)) == COUNTS[name]


@pytest.mark.parametrize("name", WORK)
def test_work_is_that_of_the_formulas(name):
    linear, attention = prefill_flops(MODELS[name], 4096)
    step, step_attention = decode_flops(MODELS[name], 4096)
    assert (linear / 1e12, attention / 1e12, step / 1e9, step_attention / 1e9) == pytest.approx(WORK[name], abs=5e-4)


def test_layers_that_predict_further_tokens_are_counted_apart():
    arch = MODELS["DeepSeek-V3"]
    assert parameters(arch) + mtp_parameters(arch) == 684_489_845_504
    assert mtp_parameters(MODELS["Llama-2-7B"]) == 0


@pytest.mark.parametrize(("name", "dtype", "gigabytes"), [
    ("Qwen2-7B", "w8a8", 8.706), ("Qwen2-7B", "int4", 5.571), ("DeepSeek-V3", "bf16", 1342.053), ("DeepSeek-V2-Lite", "bf16", 31.413),
    ("gpt-oss-20b", "mxfp4", 13.761), ("gpt-oss-20b", "bf16", 41.830), ("Llama-2-7B", "fp32", 26.954),
    # The published files are 8.54, 4.66 and 4.92 GB: they hold the vocabulary as well, and Q4_K_M has some larger blocks.
    ("Llama-3-8B", "Q8_0", 8.532), ("Llama-3-8B", "Q4_0", 4.653), ("Llama-3-8B", "Q4_K_M", 4.653),
])
def test_weights_in_other_dtypes(name, dtype, gigabytes):
    assert weight_bytes(MODELS[name], dtype) / 1e9 == pytest.approx(gigabytes, abs=6e-4)


@pytest.mark.parametrize(("name", "batch", "touched"), [
    ("Mixtral-8x7B", 8, 7.199), ("DeepSeek-V3", 32, 163.314), ("DeepSeek-V3", 1, 8), ("Llama-2-7B", 8, 0)])
def test_a_batch_touches_that_many_experts(name, batch, touched):
    assert experts_touched(MODELS[name], batch) == pytest.approx(touched, abs=1e-3)


def test_a_window_keeps_its_last_tokens_only():
    mistral, gpt = MODELS["Mistral-7B-v0.1"], MODELS["gpt-oss-120b"]
    assert kv_bytes(mistral, 100_000) == kv_bytes(mistral, 4096) == 4096 * 131_072
    assert kv_bytes(mistral, 4095) == 4095 * 131_072
    assert kv_bytes(gpt, 8192) == 37_440 * 8192


def test_attention_within_a_window_is_counted_token_by_token():
    arch = replace(MODELS["gpt-oss-20b"], window=5)
    for cached in (0, 3, 5, 9):
        pairs = sum(12 * min(cached + one, 5) + 12 * (cached + one) for one in range(1, 8))
        assert prefill_flops(arch, 7, cached)[1] == 4 * 64 * 64 * pairs


@pytest.mark.parametrize("name", SHAPES)
def test_counts_are_those_of_the_tensors(name):
    shape, arch = SHAPES[name], from_shape(SHAPES[name])
    sizes = {tensor: int(np.prod(size)) for tensor, size in tensors(shape)}
    assert sum(sizes.values()) == parameters(arch)
    assert sum(sizes.values()) - sizes["model.embed_tokens.weight"] == active_parameters_per_step(arch)


def test_counts_are_those_of_the_bytes_in_the_file(tmp_path):
    from safetensors.numpy import load_file

    weights = load_file(ensure("tiny", tmp_path) / "model.safetensors")
    assert sum(values.nbytes for values in weights.values()) == weight_bytes(from_shape(SHAPES["tiny"]), "fp16")


def test_a_tied_head_is_stored_once_and_read_all_the_same():
    shape = replace(SHAPES["qwen2-7b"], layers=24, hidden_size=896, heads=14, kv_heads=2, intermediate_size=4864, vocab_size=151_936,
                    head_dim=64, tied=True)
    assert parameters(from_shape(shape)) == active_parameters_per_step(from_shape(shape)) == parameters(MODELS["Qwen2.5-0.5B"])
    assert weight_bytes(from_shape(shape), "bf16") == read_bytes_per_step(from_shape(shape), "bf16")
    assert "lm_head.weight" not in dict(tensors(shape))


TINY = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2,
        "head_dim": 16, "vocab_size": 128, "max_position_embeddings": 64}
MIXED = {"num_experts": 6, "num_local_experts": 6, "n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40}
LATENT = {"n_shared_experts": 2, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "kv_lora_rank": 24,
          "q_lora_rank": 20, "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 10, "head_dim": 8, "num_key_value_heads": 8}


@pytest.mark.parametrize("config", [
    {"model_type": "llama"}, {"model_type": "llama", "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    {"model_type": "mistral"}, {"model_type": "qwen2"}, {"model_type": "qwen3"}, {"model_type": "qwen3", "attention_bias": True},
    {"model_type": "mixtral", **MIXED}, {"model_type": "qwen3_moe", **MIXED},
    {"model_type": "qwen3_moe", **MIXED, "mlp_only_layers": [1], "decoder_sparse_step": 2},
    {"model_type": "deepseek_v2", **MIXED, **LATENT}, {"model_type": "deepseek_v2", **MIXED, **LATENT, "q_lora_rank": None},
    {"model_type": "deepseek_v3", **MIXED, **LATENT}, {"model_type": "gpt_oss", **MIXED},
], ids=lambda config: "-".join([config["model_type"], *(key for key in config if key not in {*MIXED, *LATENT, "model_type"})]))
def test_counts_are_those_of_the_transformers_library(config):
    import torch
    import transformers

    whole = {**TINY, **config}
    made = transformers.AutoConfig.for_model(**whole)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(made)
    correction = 3 * 6 if config["model_type"] == "deepseek_v3" else 0  # the library keeps the score correction as a buffer
    assert sum(one.numel() for one in model.parameters()) + correction == parameters(architecture_of(whole, "tiny"))
    assert parameters(architecture_of(made.to_dict(), "tiny")) == parameters(architecture_of(whole, "tiny"))


@given(arch=anyone, dtype=st.sampled_from(DTYPES), batch=st.integers(1, 10**6))
@settings(max_examples=200)
def test_a_larger_batch_reads_no_less_and_never_more_than_all(arch, dtype, batch):
    read = read_bytes_per_step(arch, dtype, batch)
    assert read <= read_bytes_per_step(arch, dtype, batch + 1) * (1 + 1e-12)
    assert read >= read_bytes_per_step(arch, dtype) * (1 - 1e-12)
    counted = parts(arch)
    assert read <= weight_bytes(arch, dtype) * (1 + 1e-12)
    if counted.head:  # not tied: the embedding is the one part that is never read
        smallest_table = counted.embedding * 4 / 8
        assert read <= weight_bytes(arch, dtype) - smallest_table + 1
        assert read_bytes_per_step(arch, "bf16", 1e9) == pytest.approx(weight_bytes(arch, "bf16") - 2 * counted.embedding)


@given(arch=anyone)
def test_the_parts_are_the_whole_and_wider_dtypes_are_larger(arch):
    assert sum(astuple(parts(arch))) == parameters(arch)
    assert weight_bytes(arch, "bf16") == 2 * parameters(arch)
    assert active_parameters_per_step(arch) <= parameters(arch)
    sizes = [weight_bytes(arch, dtype) for dtype in ("int4", "int8", "fp16", "fp32")]
    assert sizes == sorted(set(sizes))
    assert read_bytes_per_step(arch, "bf16") == pytest.approx(2 * active_parameters_per_step(arch), rel=1e-12)


@given(arch=anyone, before=context, more=st.integers(0, 10_000), tp=st.integers(1, 64))
@settings(max_examples=200)
def test_more_context_keeps_and_costs_no_less(arch, before, more, tp):
    assert kv_bytes(arch, before) <= kv_bytes(arch, before + more) <= kv_bytes_per_token(arch) * (before + more)
    assert decode_flops(arch, before)[1] <= decode_flops(arch, before + more)[1]
    assert decode_flops(arch, before)[0] == decode_flops(arch, before + more)[0]
    one = kv_bytes_per_device(arch, before, 2, tp)
    assert kv_bytes_per_device(arch, before, 2, tp + 1) <= one <= kv_bytes_per_device(arch, before, 2, 1) == kv_bytes(arch, before)
    assert tp * one >= kv_bytes(arch, before)
    if arch.latent is None and tp >= arch.kv_heads:
        assert one * arch.kv_heads == kv_bytes(arch, before)
    if arch.latent is not None:
        assert one == kv_bytes(arch, before)


@given(arch=anyone, cached=st.integers(0, 50_000), first=st.integers(1, 5000), second=st.integers(1, 5000))
@settings(max_examples=200)
def test_a_prompt_in_two_chunks_costs_the_same_but_for_one_more_head(arch, cached, first, second):
    whole, one, two = (prefill_flops(arch, first + second, cached), prefill_flops(arch, first, cached),
                       prefill_flops(arch, second, cached + first))
    assert one[1] + two[1] == whole[1]
    assert one[0] + two[0] == whole[0] + 2 * arch.vocab * arch.hidden


@given(arch=anyone.filter(lambda arch: arch.latent is None), cached=st.integers(0, 50_000))
def test_one_new_token_is_a_decoding_step(arch, cached):
    assert prefill_flops(arch, 1, cached) == decode_flops(arch, cached + 1)


def test_without_a_dtype_nothing_is_guessed():
    unsaid = from_shape(SHAPES["tiny"])
    with pytest.raises(DataError, match=r"tiny.*dtype"):
        weight_bytes(unsaid)
    with pytest.raises(UsageError, match=r"bf15.*bf16"):
        read_bytes_per_step(unsaid, "bf15")
