"""Plans: the packaged suites are what they claim, and a mistake in a file is named with its remedy."""

import pytest

from touchstone.errors import DataError, UsageError
from touchstone.plan import load_plan, parse_plan, plan_text, suite_names

SUITES = ("batch-sweep", "generation-settings", "quick", "six-scenarios", "stress", "verify")
CASE = "{name: a, input_tokens: 7, output_tokens: 16}"


def shapes(plan):
    return [(case.input_tokens, case.output_tokens, case.batch_size) for case in plan.cases]


def refusal(text):
    with pytest.raises(UsageError) as caught:
        parse_plan(text, "mine.yaml")
    return str(caught.value)


def test_these_suites_are_packaged():
    assert suite_names() == SUITES


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_loads_under_its_own_name_and_describes_itself_in_both_languages(name):
    plan = load_plan(name)
    assert plan.name == name
    assert set(plan.description) == {"zh", "en"}
    assert all(set(case.title) == {"zh", "en"} for case in plan.cases)


def test_six_scenarios():
    plan = load_plan("six-scenarios")
    assert shapes(plan) == [(7, 128, 1), (27, 128, 1), (11, 512, 1), (7, 128, 4), (7, 128, 8), (550, 128, 1)]
    assert plan.warmup == 3
    assert plan.trials >= 5
    assert all(case.speed and case.sampling.temperature == 0 for case in plan.cases)


def test_batch_sweep():
    plan = load_plan("batch-sweep")
    assert [case.batch_size for case in plan.cases] == [1, 2, 4, 8, 16]
    assert len({(case.input_tokens, case.output_tokens) for case in plan.cases}) == 1


def test_stress():
    plan = load_plan("stress")
    batches = {case.batch_size for case in plan.cases}
    assert len(batches) > 1
    expected = {(size, tokens) for size in batches for tokens in (64, 128, 256)}
    assert {(case.batch_size, case.output_tokens) for case in plan.cases} == expected
    assert plan.trials == 10
    assert plan.order == "sequential"


def test_generation_settings():
    cases = load_plan("generation-settings").cases
    assert [(case.output_tokens, case.sampling.temperature) for case in cases[:3]] == [(256, 0), (128, 0), (64, 0)]
    assert cases[3].sampling.temperature > 0
    assert all(case.stop_at_eos and case.messages for case in cases)


@pytest.mark.parametrize("name", [name for name in SUITES if name != "verify"])
def test_every_suite_verifies_with_the_prompts_of_verify(name):
    assert load_plan(name).verification == load_plan("verify").verification


def test_a_plan_may_do_without_verification():
    assert parse_plan("{name: mine, verification: null}", "mine.yaml").verification is None


@pytest.mark.parametrize("name", SUITES)
def test_a_resolved_plan_is_a_plan_again(name):
    plan = load_plan(name)
    assert parse_plan(plan_text(plan.model_dump(mode="json", by_alias=True)), "plan.yaml") == plan


def test_lists_expand_to_a_grid_with_names_and_titles_that_differ():
    grid = "{name: g, title: {en: Grid}, input_tokens: [8, 16], output_tokens: 4, batch_size: [1, 2]}"
    plan = parse_plan(f"{{name: mine, cases: [{grid}]}}", "mine.yaml")
    assert sorted(shapes(plan)) == [(8, 4, 1), (8, 4, 2), (16, 4, 1), (16, 4, 2)]
    assert len({case.name for case in plan.cases}) == len({case.title["en"] for case in plan.cases}) == 4


def test_overrides_replace_top_level_keys():
    assert load_plan("quick", {"trials": 9}).trials == 9


def test_a_plan_file_is_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"{{name: mine, cases: [{CASE}]}}", encoding="utf-8")
    assert shapes(load_plan(str(path))) == [(7, 16, 1)]


@pytest.mark.parametrize(("text", "where", "nearest"), [
    ("{name: mine, trails: 3}", "trails", "trials"),
    ("{name: mine, cases: [{name: a, input_tokens: 7, output_token: 16}]}", "cases.0.output_token", "output_tokens"),
    ("{name: mine, cases: [{name: a, input_tokens: 7, output_tokens: 1, sampling: {temprature: 1}}]}", "cases.0.sampling.temprature",
     "temperature"),
])
def test_an_unknown_key_is_named_with_the_nearest_known_one(text, where, nearest):
    said = refusal(text)
    assert f"unknown key: {where}." in said
    assert f"Did you mean {nearest}?" in said


@pytest.mark.parametrize("prompt", ["", "input_tokens: 7, messages: [{role: user, content: hi}], "])
def test_a_case_has_exactly_one_kind_of_prompt(prompt):
    assert "exactly one of input_tokens and messages" in refusal(f"{{name: mine, cases: [{{name: a, {prompt}output_tokens: 4}}]}}")


def test_repeated_names_are_refused():
    assert "repeated: a" in refusal(f"{{name: mine, cases: [{CASE}, {CASE}]}}")


@pytest.mark.parametrize("case", ["{name: a, input_tokens: 0, output_tokens: 4}", "{name: a, input_tokens: 7, output_tokens: [4, 0]}",
                                  "{input_tokens: 7, output_tokens: 4}", "just text"])
def test_a_case_that_cannot_be_is_refused(case):
    assert "mine.yaml" in refusal(f"{{name: mine, cases: [{case}]}}")


@pytest.mark.parametrize("case", ["{input_tokens: 7, output_tokens: 4, batch_size: [1, 2]}",
                                  "{name: a, title: Grid, input_tokens: 7, output_tokens: 4, batch_size: [1, 2]}"])
def test_a_grid_is_checked_like_a_single_case(case):
    assert "mine.yaml" in refusal(f"{{name: mine, cases: [{case}]}}")


def test_an_unknown_suite_offers_the_nearest():
    with pytest.raises(UsageError, match="Did you mean quick"):
        load_plan("quikc")


@pytest.mark.parametrize(("text", "why"), [("{name: [", "is not YAML"), ("- a\n- b", "is not a mapping"), ("hello", "is not a mapping"),
                                           ("", "is not a mapping")])
def test_a_file_that_is_no_plan_is_a_data_error(tmp_path, text, why):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=why):
        load_plan(str(path))


def test_a_missing_or_binary_plan_file_is_a_data_error(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    for name in ("missing.yaml", "binary.yaml"):
        with pytest.raises(DataError, match="cannot be read"):
            load_plan(str(tmp_path / name))
