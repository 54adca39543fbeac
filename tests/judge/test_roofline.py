"""Every point lies where its work and its time put it, under the roof of the devices; what has no roof says why."""

import pytest
from builders import GB, MS, clean_run, make_facts, make_failure, make_run, make_trial
from hypothesis import given
from hypothesis import strategies as st

from touchstone.finding import Trust
from touchstone.hardware import find_chip
from touchstone.judge.findings import findings_of
from touchstone.judge.limits.shares import Limits
from touchstone.judge.plots.roofline import roofline_of
from touchstone.message import Message

H200 = find_chip("NVIDIA H200")


def drawn(run):
    return roofline_of(run, findings_of(run))


def host_run(**facts):
    facts = make_facts(device="cpu", device_name="AMD EPYC", **facts)
    target = {"engine": "llama.cpp", "device": "cpu", "model": "/models/small", "dtype": "fp16", "options": {}}
    return make_run([make_trial()], target=target, launches=[{"launch": 0, "facts": facts}], memory_read_bytes_per_s=100 * GB)


@given(batch=st.integers(1, 16), prompt=st.integers(1, 20_000), first_ms=st.integers(1, 5000), step_ms=st.integers(1, 100))
def test_every_point_is_its_share_of_the_roof_above_it(batch, prompt, first_ms, step_ms):
    trial = make_trial(batch_size=batch, input_tokens_built=prompt, first_ns=first_ms * MS, step_ns=step_ms * MS)
    found = drawn(make_run([trial]))
    assert [point.phase for point in found.points] == ["prefill", "decode"]
    for point in found.points:
        roof = min(found.bandwidth * point.intensity, found.flops)
        assert point.share == pytest.approx(point.flops / roof, rel=1e-12)
    prefill, decode = found.points
    assert prefill.intensity == pytest.approx(batch * prompt * GB / GB)
    assert prefill.flops == pytest.approx(batch * prompt * GB / (first_ms / 1e3))
    assert decode.flops == pytest.approx(batch * GB / (step_ms / 1e3))


def test_the_roof_is_that_of_the_chip():
    found = drawn(clean_run())
    assert (found.bandwidth, found.flops) == (H200.bandwidth, H200.flops)
    assert H200.source in str(found.source)
    assert [(point.case, point.phase) for point in found.points] == [
        ("short", "prefill"), ("short", "decode"), ("batch-4", "prefill"), ("batch-4", "decode")]
    assert {point.trust for point in found.points} == {Trust.TRUSTED}


def test_the_roof_is_that_of_all_devices_that_the_engine_counts():
    found = drawn(make_run([make_trial()], launches=[{"launch": 0, "facts": make_facts(options={"tensor_parallel": 4})}]))
    assert (found.bandwidth, found.flops) == (4 * H200.bandwidth, 4 * H200.flops)
    assert found.device == f"4 x {H200.name}"


def test_a_host_has_a_slope_and_no_ceiling():
    found = drawn(host_run())
    assert found.flops is None
    for point in found.points:
        assert point.share == pytest.approx(point.flops / (100 * GB * point.intensity))


def test_a_point_shares_what_the_card_shares():
    run = clean_run()
    limits, findings = Limits(run), findings_of(run)
    shares = {(point.case, point.phase): point.share for point in roofline_of(run, findings).points}
    for case in findings.cases:
        assert shares[case.name, "decode"] == limits.decode_share(case).value
        assert shares[case.name, "prefill"] == limits.prefill_share(case).value


def test_a_case_that_was_rejected_says_so_at_its_points():
    found = drawn(make_run([make_trial(step_ns=MS // 100)]))  # 100 TB/s
    assert {point.trust for point in found.points} == {Trust.REJECTED}
    assert found.points[1].share > 1


@pytest.mark.parametrize(("facts", "words"), [
    ({"device_name": "Some GPU 9000"}, "in no table of chips"), ({"read_bytes_per_step": None}, "how many bytes of weights"),
    ({"parameters": None}, "does not count the parameters"), ({"kv_bytes_per_token": None}, "may be a mixture of experts"),
    ({"options": {"started_here": False}}, "was there before the run")])
def test_without_a_roof_or_a_point_there_is_a_reason(facts, words):
    found = drawn(make_run([make_trial()], launches=[{"launch": 0, "facts": make_facts(**facts)}]))
    assert isinstance(found, Message)
    assert words in str(found)


def test_a_run_that_never_got_anywhere_has_a_reason():
    assert isinstance(drawn(make_run([], cases=[], launches=[])), Message)
    assert isinstance(drawn(make_run([make_failure()])), Message)
