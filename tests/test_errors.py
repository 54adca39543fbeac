"""Errors: whose fault, what happened, what next, in any language."""

import pytest

from touchstone.errors import DataError, EngineError, NotReadyError, TouchstoneError, UsageError, unknown_name
from touchstone.message import say


@pytest.mark.parametrize(("kind", "code"), [(TouchstoneError, 1), (UsageError, 2), (NotReadyError, 3), (EngineError, 3), (DataError, 3)])
def test_exit_code_says_whose_fault_it_is(kind, code):
    assert kind("x").exit_code == code
    assert issubclass(kind, TouchstoneError)


def test_an_engine_error_is_a_not_ready_error():
    assert isinstance(EngineError("x"), NotReadyError)


def test_unknown_name_offers_the_nearest():
    error = unknown_name(say("suite"), "six-scenario", ["quick", "six-scenarios", "stress"])
    assert isinstance(error, UsageError)
    assert str(error) == "Unknown suite: six-scenario. Did you mean six-scenarios? Known: quick, six-scenarios, stress."


def test_unknown_name_finds_the_nearest_in_any_case():
    assert "Did you mean Llama-2-7B?" in str(unknown_name(say("model"), "llama-2-7b-", ["Llama-2-7B", "tiny"]))


def test_unknown_name_far_from_all_offers_none():
    text = str(unknown_name(say("suite"), "zzzzzz", ["quick", "stress"]))
    assert "Did you mean" not in text
    assert "Known: quick, stress." in text


def test_message_and_cure_are_translated_and_fields_kept():
    chinese = {"{path} is damaged.": "{path} 已损坏。", "Delete {path}.": "请删除 {path}。"}
    error = DataError("{path} is damaged.", "Delete {path}.", path="a{b}.parquet")
    assert error.render(lambda text: chinese[text]) == "a{b}.parquet 已损坏。请删除 a{b}.parquet。"
    assert str(error) == "a{b}.parquet is damaged. Delete a{b}.parquet."


def test_without_a_cure_only_the_message_is_said():
    assert str(UsageError("No {what}.", what="case")) == "No case."


def test_a_message_inside_an_error_is_translated_too():
    error = UsageError("Unknown {kind}: {name}.", kind=say("suite"), name="x")
    assert error.render(lambda text: {"Unknown {kind}: {name}.": "未知{kind}：{name}。", "suite": "套件"}[text]) == "未知套件：x。"


def test_a_message_inside_a_message_is_translated_too():
    outer = say("{kind} took {seconds} s", kind=say("cold load"), seconds=3)
    assert outer.render(lambda text: {"cold load": "冷加载", "{kind} took {seconds} s": "{kind}用了 {seconds} 秒"}[text]) == "冷加载用了 3 秒"
    assert str(outer) == "cold load took 3 s"
