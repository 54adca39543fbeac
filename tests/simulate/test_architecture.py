"""A config.json is read as the transformers library reads it; what is missing, unknown or absurd is named."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.checkpoints.shape import SHAPES, config_of, shape_from_config, shape_of
from touchstone.errors import DataError
from touchstone.simulate.accounting import decode_flops, kv_bytes, parameters, read_bytes_per_step
from touchstone.simulate.architecture import FAMILIES, architecture_of, from_shape
from touchstone.simulate.known_models import known_models

LLAMA = config_of(SHAPES["llama-2-7b"])
MIXTURE = {**LLAMA, "model_type": "qwen3_moe", "num_experts": 64, "num_experts_per_tok": 4, "moe_intermediate_size": 512}
GPT_OSS = {**LLAMA, "model_type": "gpt_oss", "num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128}
MODEL_SIZES = ("hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "vocab_size")


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_and_its_config_are_one_architecture(name):
    shape = SHAPES[name]
    read = architecture_of(config_of(shape), name)
    counted = from_shape(shape)
    assert (parameters(read), kv_bytes(read, 77), read.max_positions) == (parameters(counted), kv_bytes(counted, 77), shape.max_positions)


@pytest.mark.parametrize("key", ["n_routed_experts", "num_routed_experts", "num_experts", "num_local_experts"])
def test_the_number_of_experts_goes_by_many_names(key):
    read = architecture_of({**without(MIXTURE, "num_experts"), key: 64}, "here")
    assert read == architecture_of(MIXTURE, "here")
    assert (read.experts.count, read.experts.chosen, read.experts.width) == (64, 4, 512)


@pytest.mark.parametrize("key", ["num_experts_per_tok", "experts_per_token"])
def test_the_number_of_chosen_experts_too(key):
    assert architecture_of({**without(MIXTURE, "num_experts_per_tok"), key: 4}, "here") == architecture_of(MIXTURE, "here")


@pytest.mark.parametrize("change", [{key: None} for key in ("head_dim", "num_key_value_heads", "tie_word_embeddings", "sliding_window",
                                                            "attention_bias", "quantization_config")])
def test_null_and_absent_mean_the_default(change):
    (key,) = change
    assert architecture_of({**LLAMA, **change}, "here") == architecture_of(without(LLAMA, key), "here") == architecture_of(LLAMA, "here")


@pytest.mark.parametrize(("changes", "window", "layers"), [
    ({"model_type": "mistral", "sliding_window": 4096}, 4096, 32),
    ({"model_type": "mistral", "sliding_window": None}, None, 0),
    ({"model_type": "llama", "sliding_window": 4096}, None, 0),
    ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 20}, None, 0),
    ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 20}, 4096, 12),
    ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 32}, None, 0),
    ({**GPT_OSS}, 128, 16),
    ({**GPT_OSS, "layer_types": ["full_attention"] * 22 + ["sliding_attention"] * 10}, 128, 10),
])
def test_a_window_is_used_where_the_family_uses_it(changes, window, layers):
    read = architecture_of({**LLAMA, **changes}, "here")
    assert (read.window, read.windowed_layers) == (window, layers)


@pytest.mark.parametrize(("stated", "dtype"), [("bfloat16", "bf16"), ("torch.float16", "fp16"), ("float32", "fp32"), ("auto", None),
                                               (None, None), (7, None)])
@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_the_dtype_of_the_checkpoint(key, stated, dtype):
    assert architecture_of({**without(LLAMA, "torch_dtype"), key: stated}, "here").dtype == dtype


def groups(**weights):
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}


@pytest.mark.parametrize(("stated", "name", "bits"), [
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", 8), ({"quant_method": "fbgemm_fp8"}, "fp8", 8),
    ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4", 4.15625), ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64},
                                                                              "int4", 4.3125),
    ({"quant_method": "gptq", "bits": 4, "group_size": -1}, "int4", 4), ({"quant_method": "gptq", "bits": 8, "group_size": 128}, "int8", 8),
    ({"quant_method": "mxfp4"}, "mxfp4", 4.25), ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4", 4.5),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "nf4", 4.125), ({"quant_method": "bitsandbytes", "load_in_8bit": True},
                                                                             "int8", 8),
    (groups(num_bits=8, type="int"), "int8", 8), (groups(num_bits=8, type="float"), "fp8", 8),
    (groups(num_bits=4, type="int", group_size=128), "int4", 4.15625), (groups(num_bits=4, type="float", group_size=16), "nvfp4", 4.5),
])
def test_the_quantisation_of_the_checkpoint(stated, name, bits):
    found = architecture_of({**LLAMA, "quantization_config": stated}, "here").quantization
    assert (found.name, found.linear, found.head) == (name, bits, 16)


def test_gpt_oss_quantises_its_experts_only():
    found = known_models()["gpt-oss-20b"].quantization
    assert (found.linear, found.attention, found.rest) == (4.25, 16, 16)


@pytest.mark.parametrize("stated", [{"quant_method": "quip"}, {"quant_method": "awq", "bits": 5}, {}, "w9a9", groups(), {"x": {}},
                                    {"quant_method": "compressed-tensors", "config_groups": []}, {"quant_method": ["awq"]}])
def test_a_quantisation_that_cannot_be_counted_is_named(stated):
    if not stated:
        assert architecture_of({**LLAMA, "quantization_config": stated}, "here").quantization is None
        return
    with pytest.raises(DataError, match=r"here: the quantisation .* is not one"):
        architecture_of({**LLAMA, "quantization_config": stated}, "here")


@pytest.mark.parametrize("family", ["mamba", None, "gemma3", "deepseek_v32", {}])
def test_an_unknown_architecture_is_named(family):
    with pytest.raises(DataError, match=r"here/config.json.*model_type .*gpt_oss"):
        architecture_of({**LLAMA, "model_type": family}, "here/config.json")
    with pytest.raises(DataError, match=r"here/config.json.*model_type .*llama, qwen2"):
        shape_from_config({**LLAMA, "model_type": family}, "here/config.json")


@pytest.mark.parametrize(("config", "key"), [
    *((LLAMA, key) for key in MODEL_SIZES if key != "max_position_embeddings"),
    *((MIXTURE, key) for key in ("num_experts_per_tok", "moe_intermediate_size")),
    *(({**MIXTURE, "model_type": "deepseek_v3", "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}, key)
      for key in ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")),
])
@pytest.mark.parametrize("value", [None, "absent", "4096", True, 0, -1, 1e300, float("nan"), float("inf"), 10**400, [], {}])
def test_a_missing_or_absurd_size_is_named(config, key, value):
    spoilt = without(config, key) if value == "absent" else {**config, key: value}
    with pytest.raises(DataError, match=rf"here.*{key}"):
        architecture_of(spoilt, "here")


def test_a_router_cannot_choose_more_experts_than_there_are():
    with pytest.raises(DataError, match="num_experts_per_tok"):
        architecture_of({**MIXTURE, "num_experts_per_tok": 65}, "here")


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                           lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                           max_leaves=5)


@given(family=st.sampled_from(FAMILIES), spoilt=st.dictionaries(st.sampled_from(sorted(
    {*LLAMA, *MIXTURE, "sliding_window", "use_sliding_window", "layer_types", "quantization_config", "mlp_only_layers", "moe_layer_freq",
     "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "first_k_dense_replace"})), json_values, max_size=4))
@settings(max_examples=300)
def test_any_config_is_read_or_refused(family, spoilt):
    try:
        read = architecture_of({**MIXTURE, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8,
                                **spoilt, "model_type": family}, "here")
    except DataError as error:
        assert "here" in str(error)
    else:
        assert parameters(read) > 0
        assert read_bytes_per_step(read, "bf16") > 0
        assert min(decode_flops(read, 10)) > 0


@pytest.mark.parametrize("name", SHAPES)
def test_a_config_gives_its_shape_back(name):
    assert shape_from_config(json.loads(json.dumps(config_of(SHAPES[name]))), name) == SHAPES[name]


def test_optional_keys_of_a_shape_have_the_defaults_of_the_transformers_library():
    config = without(LLAMA, "head_dim", "num_key_value_heads", "rope_theta", "tie_word_embeddings")
    assert shape_from_config(config, "llama-2-7b") == SHAPES["llama-2-7b"]


@pytest.mark.parametrize("key", ["head_dim", "num_key_value_heads"])
def test_null_in_a_shape_means_the_default_as_it_does_in_the_transformers_library(key):
    assert shape_from_config({**LLAMA, key: None}, "llama-2-7b") == SHAPES["llama-2-7b"]


def test_the_rotary_base_is_found_where_newer_configs_have_it():
    config = config_of(SHAPES["llama-3-8b"])
    config["rope_parameters"] = {"rope_theta": config.pop("rope_theta"), "rope_type": "default"}
    assert shape_from_config(config, "llama-3-8b") == SHAPES["llama-3-8b"]


@pytest.mark.parametrize("key", MODEL_SIZES)
def test_a_missing_size_of_a_shape_is_named(key):
    with pytest.raises(DataError, match=rf"here/config.json.*{key}"):
        shape_from_config(without(config_of(SHAPES["tiny"]), key), "here/config.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_config_that_is_no_mapping_is_a_data_error(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(DataError, match=r"config\.json"):
        shape_of(tmp_path)


def test_a_directory_without_a_config_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"config\.json"):
        shape_of(tmp_path)
