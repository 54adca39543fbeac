"""Other tools' files as sides: one value each, so nothing is claimed; unlike ones are refused; definitions that differ are said."""

import json

import pytest
from compared_runs import load_run

from touchstone.comparison import Outcome
from touchstone.errors import UsageError
from touchstone.judge.compare import compare
from touchstone.judge.compare.margin import usual
from touchstone.judge.compare.measured import measured_of
from touchstone.judge.compare.results import measured_results
from touchstone.judge.foreign import read_result


def vllm(**changes):
    """A file of ``vllm bench serve``, as far as it matters here."""
    return {"date": "20261120", "backend": "openai-chat", "model_id": "small", "tokenizer_id": "small", "num_prompts": 100, "duration": 10.0, "completed": 100,
            "total_input_tokens": 800, "total_output_tokens": 1600, "request_throughput": 10.0, "output_throughput": 160.0, "total_token_throughput": 240.0,
            "max_concurrency": 8, "mean_ttft_ms": 50.0, "median_ttft_ms": 49.0, "std_ttft_ms": 3.0, "p99_ttft_ms": 60.0, "mean_tpot_ms": 10.0,
            "mean_itl_ms": 10.0, **changes}


def side(path="a.json", **changes):
    return measured_results(read_result(json.dumps(vllm(**changes)).encode(), path), path)


def test_two_files_give_ratios_and_no_claim():
    found = compare([side()], [side("b.json", output_throughput=190.0, mean_ttft_ms=40.0)], usual())
    rows = {one.metric: one for one in found.metrics}
    assert {"ttft", "ttft.p50", "ttft.p99", "tpot", "output_throughput"} <= set(rows)
    assert "ttft.std" not in rows
    assert rows["output_throughput"].ratio == pytest.approx(190 / 160)
    assert rows["ttft"].ratio == pytest.approx(0.8)
    assert {one.outcome for one in found.metrics} == {Outcome.INCONCLUSIVE}
    assert {one.more for one in found.metrics} == {2}


def test_several_files_on_each_side_can_be_decided():
    old, new = ([side(f"{name}-{place}.json", output_throughput=rate * (1 + 0.002 * place)) for place in range(4)] for name, rate in (("a", 160), ("b", 190)))
    found = compare(old, new, usual())
    assert found.headline.outcome is Outcome.CHANGED
    assert found.headline.better


@pytest.mark.parametrize(("change", "said"), [({"model_id": "large"}, "model"), ({"total_output_tokens": 800}, "output_tokens"), ({"total_input_tokens": 9000}, "input_tokens")])
def test_files_of_other_work_are_refused(change, said):
    with pytest.raises(UsageError, match=said):
        compare([side()], [side("b.json", **change)], usual())
    assert compare([side()], [side("b.json", **change)], usual(), allow_differences=True).confounded


def test_the_same_file_under_two_names_is_one_measurement():
    with pytest.raises(UsageError, match="same measurement"):
        compare([side()], [side("b.json")], usual())


def test_beside_a_run_of_ours_the_load_decides_what_belongs_together_and_definitions_are_said():
    ours = measured_of(load_run(seed=1, concurrency=8))
    found = compare([side()], [ours], usual())
    assert {one.case for one in found.metrics} == {"max_concurrency=8 | c8"}
    assert any("definitions differ: touchstone, vllm" in str(note) for note in found.notes)
    assert any(str(note).startswith("TTFT:") for note in found.notes)
    with pytest.raises(UsageError):
        compare([side(max_concurrency=16)], [ours], usual())
