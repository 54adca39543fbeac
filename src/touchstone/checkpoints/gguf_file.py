"""Writes a synthetic checkpoint as a GGUF file for llama.cpp, with the ``gguf`` package and no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from touchstone.checkpoints import vocabulary
from touchstone.checkpoints.shape import ModelShape, shape_of
from touchstone.checkpoints.synthetic import Weights
from touchstone.errors import NotReadyError

if TYPE_CHECKING:
    from gguf import GGUFWriter

_LAYER_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
_OUTER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def write_gguf(directory: Path, path: Path, quantization: str) -> None:
    """Write the checkpoint in ``directory`` to ``path``; ``quantization`` names a GGML type (F32, F16, BF16, Q8_0).

    Raises :class:`NotReadyError` where the ``gguf`` package is missing.
    """
    try:
        import gguf
    except ImportError as error:
        raise NotReadyError("Writing a GGUF file needs the gguf package.",
                            "pip install 'llm-touchstone[llamacpp]'") from error
    from safetensors.numpy import load_file

    shape = shape_of(directory)
    writer = gguf.GGUFWriter(path, "llama")
    _add_sizes(writer, shape, directory.name)
    _add_tokenizer(writer, json.loads((directory / "tokenizer.json").read_text(encoding="utf-8")))
    kind = gguf.GGMLQuantizationType[quantization]
    writer.add_file_type(gguf.LlamaFileType[f"ALL_{quantization}" if kind == kind.F32 else f"MOSTLY_{quantization}"])
    for name, weights in load_file(directory / "model.safetensors").items():
        values = _rotated(name, weights, shape).astype(np.float32)
        # One-dimensional tensors (norms) always stay in 32 bits in this format.
        stored = values if values.ndim == 1 else gguf.quants.quantize(values, kind)
        raw = None if values.ndim == 1 or kind in (kind.F32, kind.F16) else kind
        writer.add_tensor(gguf_name(name), stored, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(name: str) -> str:
    """The GGUF name of a tensor that the transformers library calls ``name``."""
    stem, _, kind = name.rpartition(".")
    if stem in _OUTER_NAMES:
        return f"{_OUTER_NAMES[stem]}.{kind}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{_LAYER_NAMES[part]}.{kind}"


def _rotated(name: str, weights: Weights, shape: ModelShape) -> Weights:
    """llama.cpp pairs neighbouring rotary dimensions where transformers pairs the two halves of a head."""
    heads = {"q": shape.heads, "k": shape.kv_heads}.get(name.rpartition("_proj.weight")[0][-1:])
    if "self_attn" not in name or heads is None:
        return weights
    rotated: Weights = weights.reshape(heads, 2, -1, weights.shape[-1]).swapaxes(1, 2).reshape(weights.shape)
    return rotated


def _add_sizes(writer: GGUFWriter, shape: ModelShape, name: str) -> None:
    writer.add_name(name)
    writer.add_context_length(shape.max_positions)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_vocab_size(shape.vocab_size)


def _add_tokenizer(writer: GGUFWriter, tokenizer: dict[str, Any]) -> None:
    import gguf

    ids: dict[str, int] = tokenizer["model"]["vocab"]
    tokens = sorted(ids, key=ids.__getitem__)
    kinds = {**dict.fromkeys(vocabulary.CONTROL_TOKENS, gguf.TokenType.CONTROL),
             **dict.fromkeys(vocabulary.THINK_TOKENS, gguf.TokenType.USER_DEFINED)}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges(tokenizer["model"]["merges"])
    writer.add_bos_token_id(tokens.index(vocabulary.BOS))
    writer.add_eos_token_id(tokens.index(vocabulary.EOS))
    writer.add_pad_token_id(tokens.index(vocabulary.PAD))
    writer.add_add_bos_token(True)
    writer.add_chat_template(vocabulary.CHAT_TEMPLATE)
