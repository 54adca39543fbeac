"""How many sessions fit, what share they need, and what a claimed pool would mean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.device_list import DeviceList, DeviceReading
from touchstone.engine_log import read_log
from touchstone.errors import DataError, UsageError
from touchstone.judge.footprint import Question, footprint_of
from touchstone.judge.footprint.claim import readings_of
from touchstone.judge.footprint.device import device_named, device_of_listing
from touchstone.simulate.known_models import known_models

MODELS = known_models()
GIB = 1 << 30


def footprint(log=None, model=None, device=None, **asked):
    return footprint_of(Question(model=MODELS[model] if model else None, device=device_named(device) if device else None, **asked),
                        None if log is None else read_log(log.splitlines()))


def sessions(found, tokens):
    return {one.fraction: one.sessions for one in found.capacity if one.tokens == tokens}


@pytest.mark.parametrize(("tokens", "longest", "fit"), [(686_320, 100_000, 6.86), (451_728, 4096, 110.29), (1_497_600, 6656, 225.0), (472_320, 40_960, 11.53)])
def test_the_log_s_pool_holds_as_many_as_the_engine_says(tokens, longest, fit):
    found = footprint(f"GPU KV cache size: {tokens:,} tokens\nMaximum concurrency for {longest:,} tokens per request: {fit}x", tokens=(longest,))
    assert sessions(found, longest) == {None: int(fit)}


def test_a_session_takes_whole_blocks():
    log = "INFO Block size is set to 128\nGPU KV cache size: 12,800 tokens"
    assert sessions(footprint(log, tokens=(129,)), 129) == {None: 50}
    assert sessions(footprint(log, tokens=(128,)), 128) == {None: 100}


def test_without_tokens_the_pool_s_bytes_count():
    found = footprint("Available KV cache memory: 10.0 GiB", model="Llama-3-8B", tokens=(4096,))
    assert sessions(found, 4096) == {None: 10 * GIB // (4096 * 131_072)}
    assert sessions(footprint("Available KV cache memory: -0.87 GiB", model="Llama-3-8B", tokens=(4096,)), 4096) == {None: 0}
    assert footprint("Available KV cache memory: 10.0 GiB").capacity == ()


def test_shares_are_of_the_memory_that_is_visible():
    found = footprint(model="Llama-3-8B", device="910B", tokens=(4096,), sessions=70)
    visible, weights, session = 65_452_113_920, 16_060_522_496, 4096 * 131_072
    assert sessions(found, 4096) == {share: (int(share * visible) - weights) // session for share in (0.80, 0.85, 0.90, 0.95)}
    assert sessions(found, 4096) == {0.80: 67, 0.85: 73, 0.90: 79, 0.95: 85}
    (need,) = found.needs
    assert need.fraction == pytest.approx((weights + 70 * session) / visible)
    assert 0.80 < need.fraction < 0.85


def test_what_the_log_says_of_the_rest_is_taken_off():
    log = "Model loading took 15.0 GiB memory\nINFO PyTorch activation peak memory takes 2.00GiB; non_torch_memory takes 1.00GiB"
    found = footprint(log, model="Llama-3-8B", device="60GiB", tokens=(4096,))
    assert sessions(found, 4096)[0.90] == (54 - 18) * GIB // (4096 * 131_072)


def test_lengths_are_those_asked_for_else_the_usual_ones_that_the_model_has():
    assert [one.tokens for one in footprint(model="Llama-3.1-8B", device="910B").capacity][::4] == [2048, 8192, 32_768]
    assert [one.tokens for one in footprint(model="Llama-3-8B", device="910B").capacity][::4] == [2048, 8192]
    assert [one.tokens for one in footprint("GPU KV cache size: 9,000 tokens\nMaximum concurrency for 512 tokens per request: 17.5x").capacity] == [512]
    assert [one.tokens for one in footprint(model="Llama-3-8B", device="910B", tokens=(9, 9, 5)).capacity][::4] == [9, 5]


def test_layers_with_a_window_let_more_sessions_fit():
    found = footprint(model="Mistral-7B-v0.1", device="910B", tokens=(4096, 32_768))
    assert sessions(found, 4096) == sessions(found, 32_768)
    assert any("window" in str(one) or "last 4096 tokens" in str(one) for one in found.accounting.assumptions)


def test_a_model_that_does_not_fit_has_no_session():
    found = footprint(model="Llama-3-70B", device="910B", tokens=(2048,), sessions=1)
    assert set(sessions(found, 2048).values()) == {0}
    assert found.needs[0].fraction > 2


def test_a_claim_of_an_article_in_both_readings():
    """48.2 "GB" of keys and values beside Llama-3-8B on a 64 GB 910B at a share of 0.9: too much as GB, impossible as GiB."""
    found = footprint(model="Llama-3-8B", device="910B", tokens=(4096, 8192), claim="48.2 GB")
    as_gb, as_gib = found.claimed
    assert (as_gb.unit, as_gb.pool_bytes, as_gb.pool_tokens, as_gb.sessions) == ("GB", 48_200_000_000, 367_736, {4096: 89, 8192: 44})
    assert (as_gib.unit, as_gib.pool_bytes, as_gib.pool_tokens, as_gib.sessions) == ("GiB", 51_754_355_917, 394_854, {4096: 96, 8192: 48})
    assert (as_gb.total_bytes, as_gb.limit_bytes) == (64_260_522_496, 58_906_902_528)
    assert (as_gb.fraction, as_gib.fraction) == (pytest.approx(0.98179, abs=1e-5), pytest.approx(1.03610, abs=1e-5))
    assert str(as_gb.says) == "with the weights 64.26 GB (59.85 GiB), 98.18 % of the device's memory: too much for a share of 90 %"
    assert str(as_gib.says) == "impossible: with the weights 67.81 GB (63.16 GiB), 103.6 % of the device's memory"


def test_a_claim_that_fits_is_said_to():
    (only,) = footprint(model="Llama-3-8B", device="910B", tokens=(4096,), claim="39GiB").claimed
    assert (only.unit, "it fits a share of 90 %" in str(only.says)) == ("GiB", True)
    (unknown, _) = footprint(model="Llama-3-8B", tokens=(4096,), claim="40 GB").claimed
    assert (unknown.says, unknown.limit_bytes) == (None, None)


@pytest.mark.parametrize("text", ["", "48.2", "48,2 GB", "GB", "-3 GB", "1e9 GB", "48.2 GBB", "9" * 99 + " GB", "\x1b[2J"])
def test_what_is_no_size_is_said(text):
    with pytest.raises(UsageError, match="is not a size"):
        readings_of(text)


def test_a_claim_needs_a_model():
    with pytest.raises(UsageError, match="--model"):
        footprint("GPU KV cache size: 9,000 tokens", claim="48.2 GB")


def test_the_first_device_of_a_listing_with_its_chip_s_visible_memory():
    listing = DeviceList((DeviceReading(0, name="910B3"), DeviceReading(1, name="910B3", memory_total_bytes=64 * GIB, memory_used_bytes=3 * GIB)))
    found = device_of_listing(listing, "npu.txt", None)
    assert (found.visible_bytes, found.label_bytes, found.used_bytes) == (65_452_113_920, 64 * GIB, 3 * GIB)
    card = device_of_listing(DeviceList((DeviceReading(0, name="NVIDIA Wonder", memory_total_bytes=20 * GIB),)), "gpu.txt", None)
    assert (card.visible_bytes, card.label_bytes) == (None, 20 * GIB)
    assert device_of_listing(DeviceList((DeviceReading(0, memory_total_bytes=64 * GIB),)), "x", "910B").visible_bytes == 65_452_113_920
    assert device_of_listing(DeviceList((DeviceReading(0, memory_total_bytes=64 * GIB),)), "x", "61 GiB").visible_bytes == 61 * GIB
    with pytest.raises(DataError, match=r"npu\.txt"):
        device_of_listing(DeviceList((DeviceReading(0, name="910B3"),)), "npu.txt", None)


@given(model=st.sampled_from(sorted(MODELS)), memory=st.integers(1, 500), tokens=st.integers(1, 200_000), more=st.integers(0, 100_000), tp=st.integers(1, 16))
@settings(max_examples=150, deadline=None)
def test_longer_sessions_fit_no_more_often_and_more_memory_takes_no_fewer(model, memory, tokens, more, tp):
    arch = MODELS[model]
    dtype = None if arch.dtype or arch.quantization else "bf16"
    found = footprint(model=model, device=f"{memory}GiB", tokens=(tokens, tokens + more), tp=tp, dtype=dtype)
    short, long = sessions(found, tokens), sessions(found, tokens + more)
    assert all(long[share] <= short[share] for share in short)
    assert list(short.values()) == sorted(short.values())
    for share, count in short.items():
        if count:
            (need,) = footprint(model=model, device=f"{memory}GiB", tokens=(tokens,), tp=tp, dtype=dtype, sessions=count).needs
            assert need.fraction <= share + 1e-9
            (need,) = footprint(model=model, device=f"{memory}GiB", tokens=(tokens,), tp=tp, dtype=dtype, sessions=count + 1).needs
            assert need.fraction > share - 1e-9
