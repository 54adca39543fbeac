"""Text that may be measured, and text that shows an engine, a checkpoint or a batch to be broken."""

import pytest
from builders import PROMPTS, make_failure, verify_trials

from touchstone.judge.verification import problem, texts
from touchstone.record import Phase, Status

FOUR = {"0": "The capital is Paris.", "1": "Speed depends on memory.", "2": "One two three four five.", "3": "Water boils at 100 degrees."}


def changed(**different):
    return {**FOUR, **different}


def test_sane_text_may_be_measured():
    assert problem(verify_trials(), random_weights=False) is None
    assert problem(verify_trials(FOUR), random_weights=False) is None


def test_chinese_text_is_sane():
    assert problem(verify_trials({"0": "模型的大小、内存带宽和批量。"}), random_weights=False) is None


@pytest.mark.parametrize("random_weights", [False, True])
def test_text_that_changes_on_repetition_is_refused(random_weights):
    found = problem(verify_trials(FOUR, again=changed(**{"2": "One two three four six."})), random_weights)
    assert "prompt 2 changed on repetition" in str(found)


@pytest.mark.parametrize("random_weights", [False, True])
@pytest.mark.parametrize("text", ["!!!!!!!!", " ! ! ! ! ! ! ! !", "\N{REPLACEMENT CHARACTER}" * 24])
def test_one_symbol_over_and_over_is_refused(text, random_weights):
    assert "one symbol repeated" in str(problem(verify_trials({"0": text}), random_weights))


@pytest.mark.parametrize("random_weights", [False, True])
@pytest.mark.parametrize("text", ["", "  \n ", None])
def test_tokens_without_text_are_refused(text, random_weights):
    assert "no text" in str(problem(verify_trials({"0": text}), random_weights))


def test_no_token_at_all_is_refused():
    assert "produced no token" in str(problem(verify_trials(PROMPTS, output_tokens=0), random_weights=True))


def test_undecodable_text_is_excused_by_random_weights_only():
    garbage = verify_trials({"0": "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"})
    assert "undecodable" in str(problem(garbage, random_weights=False))
    assert problem(garbage, random_weights=True) is None


def test_a_character_cut_off_at_the_end_is_not_garbage():
    assert problem(verify_trials({"0": "模型的推理速度取决\N{REPLACEMENT CHARACTER}"}), random_weights=False) is None


@pytest.mark.parametrize("random_weights", [False, True])
def test_most_padded_prompts_different_in_a_batch_is_wrong_padding(random_weights):
    inside = changed(**{"0": "xyz xyz xyz", "1": "qqq rrr"})
    assert "2 of 3 prompts" in str(problem(verify_trials(FOUR, batch=inside), random_weights))


def test_one_late_difference_in_a_batch_is_rounding():
    inside = changed(**{"0": "The capital is Lyon."})
    assert problem(verify_trials(FOUR, batch=inside), random_weights=False) is None


def test_one_of_three_padded_prompts_different_in_a_batch_is_not_padding():
    assert problem(verify_trials(FOUR, batch=changed(**{"0": "xyz xyz xyz"})), random_weights=False) is None


def test_the_longest_prompt_is_not_padded_and_accuses_nobody():
    two = {"0": FOUR["0"], "1": FOUR["1"]}
    assert problem(verify_trials(two, batch={**two, "1": "xyz xyz xyz"}), random_weights=False) is None
    assert problem(verify_trials(two, batch={**two, "0": "xyz xyz xyz"}), random_weights=False) is not None


def test_a_failed_prompt_is_refused_with_its_error():
    failed = make_failure("verify", phase=Phase.VERIFY, status=Status.ERROR, error="CUDA error 719")
    assert "CUDA error 719" in str(problem([*verify_trials(), failed], random_weights=True))


def test_texts_are_found_by_prompt_and_label():
    found = texts(verify_trials(FOUR))
    assert {prompt: set(records) for prompt, records in found.items()} == {prompt: {"alone", "again", "batch"} for prompt in FOUR}
    assert found["2"]["batch"].text == FOUR["2"]
