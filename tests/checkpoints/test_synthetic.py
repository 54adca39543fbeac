"""Synthetic checkpoints: the same bytes everywhere, checked on every use, and a clear error where they cannot be made."""

import hashlib
import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file

from touchstone.checkpoints import synthetic
from touchstone.checkpoints.shape import ON_DEVICE_ONLY, SHAPES
from touchstone.checkpoints.vocabulary import FIRST_WORD_TOKEN
from touchstone.errors import DataError, NotReadyError, UsageError

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "touchstone.json")


@pytest.fixture
def tiny(tmp_path):
    return synthetic.ensure("tiny", tmp_path)


def test_tiny_has_every_file_and_the_published_digest(tiny):
    assert sorted(path.name for path in tiny.iterdir()) == list(FILES)
    weights = load_file(tiny / "model.safetensors")
    digest = hashlib.sha256()
    for name, size in synthetic.tensors(SHAPES["tiny"]):
        digest.update(f"{name}:{size}:".encode() + weights[name].astype("<f2").tobytes())
    assert digest.hexdigest() == synthetic.DIGESTS["tiny"]
    assert json.loads((tiny / "touchstone.json").read_text())["weights_sha256"] == synthetic.DIGESTS["tiny"]


def test_made_twice_it_has_the_same_bytes(tiny, tmp_path):
    again = synthetic.ensure("tiny", tmp_path / "elsewhere")
    assert again != tiny
    for name in FILES:
        assert (again / name).read_bytes() == (tiny / name).read_bytes(), name


def test_the_cache_directory_is_taken_from_the_environment(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path))
    stamp = (tiny / "model.safetensors").stat().st_mtime_ns
    assert synthetic.ensure("tiny") == tiny
    assert (tiny / "model.safetensors").stat().st_mtime_ns == stamp  # found, not made again


def test_without_a_chosen_cache_it_lies_in_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("TOUCHSTONE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert synthetic.cache_directory() == tmp_path / "touchstone"


@pytest.mark.parametrize("name", [name for name in FILES if name != "touchstone.json"])
def test_a_damaged_file_is_an_error_that_says_what_to_delete(tiny, tmp_path, name):
    content = bytearray((tiny / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tiny / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as caught:
        synthetic.ensure("tiny", tmp_path)
    assert "Delete that directory" in str(caught.value)
    assert str(tiny) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b'{"files": ', b"{}", b"\xff\xfe"])
def test_a_damaged_list_of_files_is_an_error_too(tiny, tmp_path, content):
    (tiny / "touchstone.json").write_bytes(content)
    with pytest.raises(DataError, match="Delete that directory"):
        synthetic.ensure("tiny", tmp_path)


def test_a_missing_file_is_an_error_and_deleting_the_directory_cures_it(tiny, tmp_path):
    (tiny / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json"):
        synthetic.ensure("tiny", tmp_path)
    for path in tiny.iterdir():
        path.unlink()
    tiny.rmdir()
    assert (synthetic.ensure("tiny", tmp_path) / "tokenizer.json").exists()


def test_what_was_left_half_made_is_made_again(tmp_path):
    half = tmp_path / "checkpoints" / f"v{synthetic.FORMAT}" / "tiny"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    assert sorted(path.name for path in synthetic.ensure("tiny", tmp_path).iterdir()) == list(FILES)
    assert [path.name for path in half.parent.iterdir()] == [half.name]  # no scratch is left behind


@pytest.mark.parametrize("make", [synthetic.ensure, synthetic.ensure_tokenizer])
def test_a_cache_that_cannot_be_written_is_not_ready(tmp_path, make):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(NotReadyError, match="TOUCHSTONE_CACHE"):
        make("tiny", tmp_path / "file" / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_cache_that_may_not_be_looked_into_is_not_ready(tmp_path):
    closed = tmp_path / "closed"
    (closed / "checkpoints").mkdir(parents=True)
    closed.chmod(0)
    try:
        with pytest.raises(NotReadyError, match="TOUCHSTONE_CACHE"):
            synthetic.ensure("tiny", closed)
    finally:
        closed.chmod(0o700)


@pytest.mark.parametrize("name", sorted(ON_DEVICE_ONLY))
def test_shapes_that_exist_on_devices_only_have_no_files(tmp_path, name):
    with pytest.raises(UsageError, match="--engine transformers") as caught:
        synthetic.ensure(name, tmp_path)
    assert "tiny" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_offers_the_nearest(tmp_path):
    with pytest.raises(UsageError, match=r"tinny.*Did you mean tiny\?"):
        synthetic.ensure("tinny", tmp_path)


def test_a_shape_without_files_still_has_a_tokenizer(tmp_path):
    directory = synthetic.ensure_tokenizer("llama-2-7b", tmp_path)
    assert json.loads((directory / "config.json").read_text())["hidden_size"] == 4096
    assert len(json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]) == 32_000
    assert not list(directory.glob("*.safetensors"))
    assert not synthetic.is_random(directory)


def test_is_random_knows_its_own(tiny, tmp_path):
    assert synthetic.is_random(tiny)
    assert not synthetic.is_random(tmp_path)


@pytest.mark.parametrize("dtype", sorted(synthetic.GGUF_TYPES))
def test_a_gguf_file_is_written_once(tiny, dtype):
    path = synthetic.ensure_gguf(tiny, dtype)
    before = path.stat()
    again = synthetic.ensure_gguf(tiny, dtype)
    assert again == path
    assert (again.stat().st_ino, again.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_gguf_files_differ_by_dtype_and_stay_beside_a_valid_checkpoint(tiny, tmp_path):
    paths = {dtype: synthetic.ensure_gguf(tiny, dtype) for dtype in synthetic.GGUF_TYPES}
    sizes = {dtype: path.stat().st_size for dtype, path in paths.items()}
    assert sizes["fp32"] > sizes["fp16"] > sizes["int8"]
    assert paths["fp16"].read_bytes() != paths["bf16"].read_bytes()
    assert synthetic.ensure("tiny", tmp_path) == tiny


@pytest.mark.parametrize("damage", ["file", "sidecar", "no sidecar"])
def test_a_gguf_file_that_does_not_match_its_digest_is_written_again(tiny, damage):
    path = synthetic.ensure_gguf(tiny, "fp16")
    sidecar = path.with_suffix(".sha256")
    good, digest = path.read_bytes(), sidecar.read_text()
    if damage == "file":
        path.write_bytes(good[:-1] + b"\x00\x01")
    elif damage == "sidecar":
        sidecar.write_text("0" * 64)
    else:
        sidecar.unlink()
    assert synthetic.ensure_gguf(tiny, "fp16").read_bytes() == good
    assert sidecar.read_text() == digest


def test_weights_are_a_function_of_name_size_and_seed_alone():
    first = synthetic.random_weights("model.layers.0.mlp.up_proj.weight", (33, 65))
    np.random.seed(5)  # noqa: NPY002 - the global generator must not matter
    synthetic.random_weights("another", (7,))
    again = synthetic.random_weights("model.layers.0.mlp.up_proj.weight", (33, 65))
    assert first.dtype == np.float16
    assert first.shape == (33, 65)
    np.testing.assert_array_equal(first, again)
    for other in (("model.layers.1.mlp.up_proj.weight", (33, 65)), ("model.layers.0.mlp.up_proj.weight", (65, 33)),
                  ("model.layers.0.mlp.up_proj.weight", (33, 65), 1)):
        assert synthetic.random_weights(*other).tobytes() != first.tobytes()


def test_weights_are_spread_as_an_initialised_model_is():
    weights = synthetic.random_weights("model.embed_tokens.weight", (512, 512)).astype(np.float64)
    assert weights.std() == pytest.approx(synthetic.WEIGHT_STD, rel=0.01)
    assert weights.mean() == pytest.approx(0, abs=2e-4)
    assert abs(weights).max() <= synthetic.WEIGHT_STD * 3**0.5 * 1.001  # uniform
    assert (synthetic.random_weights("model.norm.weight", (16,)) == 1).all()


def test_the_head_never_chooses_a_special_token_or_a_single_byte():
    head = synthetic.random_weights("lm_head.weight", (300, 32))
    assert (head[:FIRST_WORD_TOKEN] == 0).all()
    assert (head[FIRST_WORD_TOKEN:] != 0).any(axis=1).all()
