"""Counting from a shape agrees with published totals, with real tensors, and with what config.json says."""

import json
from dataclasses import replace

import numpy as np
import pytest

from touchstone.checkpoints.shape import SHAPES, config_of, shape_from_config, shape_of
from touchstone.checkpoints.synthetic import ensure, tensors
from touchstone.errors import DataError
from touchstone.simulate.accounting import kv_bytes_per_token, parameters, parameters_read_per_step

# Totals of the models' own cards; the others follow from them by taking the input embedding away.
PUBLISHED = {
    "llama-2-7b": (6_738_415_616, 6_607_343_616, 524_288),
    "llama-3-8b": (8_030_261_248, 7_504_924_672, 131_072),
    "qwen2-7b": (7_615_616_512, 7_070_619_136, 57_344),
}
MODEL_SIZES = ("hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "vocab_size")


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_the_published_ones(name):
    shape = SHAPES[name]
    assert (parameters(shape), parameters_read_per_step(shape), kv_bytes_per_token(shape, 2)) == PUBLISHED[name]


@pytest.mark.parametrize("name", SHAPES)
def test_counts_are_those_of_the_tensors(name):
    shape = SHAPES[name]
    sizes = {tensor: int(np.prod(size)) for tensor, size in tensors(shape)}
    assert sum(sizes.values()) == parameters(shape)
    assert sum(sizes.values()) - sizes["model.embed_tokens.weight"] == parameters_read_per_step(shape)


def test_counts_are_those_of_the_bytes_in_the_file(tmp_path):
    from safetensors.numpy import load_file

    weights = load_file(ensure("tiny", tmp_path) / "model.safetensors")
    assert sum(values.size for values in weights.values()) == parameters(SHAPES["tiny"])


def test_a_tied_head_is_stored_once_and_read_all_the_same():
    # Qwen2.5-0.5B, from its published config.json and model card.
    tied = replace(SHAPES["qwen2-7b"], layers=24, hidden_size=896, heads=14, kv_heads=2, intermediate_size=4864, vocab_size=151_936,
                   head_dim=64, tied=True)
    assert parameters(tied) == parameters_read_per_step(tied) == 494_032_768
    assert kv_bytes_per_token(tied, 2) == 12_288
    assert "lm_head.weight" not in dict(tensors(tied))


@pytest.mark.parametrize("name", SHAPES)
def test_a_config_gives_its_shape_back(name):
    assert shape_from_config(json.loads(json.dumps(config_of(SHAPES[name]))), name) == SHAPES[name]


def test_optional_keys_have_the_defaults_of_the_transformers_library():
    config = config_of(SHAPES["llama-2-7b"])
    for key in ("head_dim", "num_key_value_heads", "rope_theta", "tie_word_embeddings"):
        del config[key]
    assert shape_from_config(config, "llama-2-7b") == SHAPES["llama-2-7b"]


@pytest.mark.parametrize("key", ["head_dim", "num_key_value_heads"])
def test_null_means_the_default_as_it_does_in_the_transformers_library(key):
    assert shape_from_config({**config_of(SHAPES["llama-2-7b"]), key: None}, "llama-2-7b") == SHAPES["llama-2-7b"]


def test_the_rotary_base_is_found_where_newer_configs_have_it():
    config = config_of(SHAPES["llama-3-8b"])
    config["rope_parameters"] = {"rope_theta": config.pop("rope_theta"), "rope_type": "default"}
    assert shape_from_config(config, "llama-3-8b") == SHAPES["llama-3-8b"]


@pytest.mark.parametrize("family", ["mamba", None])
def test_an_unknown_architecture_is_named(family):
    with pytest.raises(DataError, match=rf"here/config.json.*model_type {family}.*llama, qwen2"):
        shape_from_config({**config_of(SHAPES["tiny"]), "model_type": family}, "here/config.json")


@pytest.mark.parametrize("key", MODEL_SIZES)
def test_a_missing_size_is_named(key):
    config = config_of(SHAPES["tiny"])
    del config[key]
    with pytest.raises(DataError, match=rf"here/config.json.*{key}"):
        shape_from_config(config, "here/config.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_config_that_is_no_mapping_is_a_data_error(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(DataError, match=r"config\.json"):
        shape_of(tmp_path)


def test_a_directory_without_a_config_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"config\.json"):
        shape_of(tmp_path)
