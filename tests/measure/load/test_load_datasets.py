"""Recorded conversations become exchanges, and a bad row is named by its number."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import DataError, UsageError
from touchstone.load_plan import Workload
from touchstone.measure.load.datasets import counted, read_jsonl, read_sharegpt, read_source
from touchstone.measure.load.traces import Trace


class CharacterCounter:
    def counts(self, texts):
        return [len(text) for text in texts]


def sharegpt(path, rows):
    file = path / "sharegpt.json"
    file.write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return file


def talk(*said):
    return {"id": "x", "conversations": [{"from": who, "value": text} for who, text in said]}


def jsonl(path, *rows):
    file = path / "prompts.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return file


def shape(conversation):
    return [([(one.role, one.content) for one in exchange.messages], exchange.answer) for exchange in conversation.exchanges]


def test_a_sharegpt_conversation(tmp_path):
    data = read_sharegpt(sharegpt(tmp_path, [talk(("system", "be kind"), ("human", "hi"), ("gpt", "hello"), ("human", "你好"), ("gpt", "再见"))]))
    [conversation] = data.conversations
    assert shape(conversation) == [([("system", "be kind"), ("user", "hi")], "hello"), ([("user", "你好")], "再见")]
    assert data.skipped == 0


def test_odd_conversations_are_cut_where_something_was_asked(tmp_path):
    data = read_sharegpt(sharegpt(tmp_path, [
        talk(("gpt", "nobody asked"), ("human", "a"), ("human", "b"), ("gpt", "c"), ("gpt", "again"), ("human", "last")),
        talk(), {"id": "no conversations"}, talk(("gpt", "monologue")), talk(("human", ""), ("gpt", "to nothing")), talk(("system", "alone")),
    ]))
    assert [shape(one) for one in data.conversations] == [[([("user", "a"), ("user", "b")], "c"), ([("user", "last")], None)]]
    assert data.skipped == 5


@pytest.mark.parametrize(("rows", "says"), [
    ([talk(("human", "a")), talk(("narrator", "b"))], "Row 2 .*narrator"),
    ([talk(("human", "a")), {"conversations": [{"from": "human"}]}], "Row 2 .*value"),
    ([talk(("human", "a")), {"conversations": "none"}], "Row 2 .*conversations"),
    ([talk(("human", "a")), 7], "Row 2"),
    ([talk(("human", "a")), {"conversations": [{"from": "human", "value": 7}]}], "Row 2 .*str"),
    ('[{"conversations": [{"from": "human", "value": "\\ud800 and more text"}]}]', "Row 1|not a JSON array"),
    ({"conversations": []}, "not a JSON array"),
    ("[" * 100_000, "not a JSON array"),
    ("[{", "not a JSON array"),
    ([], "asks nothing"),
    ([talk()], "asks nothing"),
])
def test_a_bad_sharegpt_row_is_named(tmp_path, rows, says):
    with pytest.raises(DataError, match=says):
        read_sharegpt(sharegpt(tmp_path, rows))


def test_jsonl_prompts_and_messages(tmp_path):
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    file = jsonl(tmp_path, {"prompt": "p", "output_len": 5, "max_tokens": 9}, "", {"messages": said, "max_tokens": 9}, {"messages": []})
    data = read_jsonl(file)
    assert [shape(one) for one in data.conversations] == [
        [([("user", "p")], None)], [([("user", "a"), ("assistant", "b"), ("user", "c")], None)]]
    assert [one.exchanges[0].output_tokens for one in data.conversations] == [5, 9]
    assert data.skipped == 1
    assert shape(read_jsonl(file, split=True).conversations[1]) == [([("user", "a")], "b"), ([("user", "c")], None)]


def test_an_answer_at_the_end_is_not_sent(tmp_path):
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    [conversation] = read_jsonl(jsonl(tmp_path, {"messages": said})).conversations
    assert shape(conversation) == [([("user", "a")], "b")]


@pytest.mark.parametrize(("row", "says"), [
    ({"text": "a"}, 'Row 3 .*either "prompt" or "messages"'),
    ({"prompt": "a", "messages": []}, "Row 3 .*either"),
    ({"prompt": 5}, "Row 3 .*prompt"),
    ({"prompt": "a", "output_len": 0}, "Row 3 .*output_len"),
    ({"prompt": "a", "output_len": 2.5}, "Row 3 .*output_len"),
    ({"messages": [{"role": "tool", "content": "a"}]}, "Row 3 .*role"),
    ("{", "Row 3"),
    ('{"x": ' + "[" * 100_000, "Row 3 .*recursion"),
    ('{"prompt": "\\ud800 and more text"}', "Row 3"),
])
def test_a_bad_jsonl_row_is_named(tmp_path, row, says):
    with pytest.raises(DataError, match=says):
        read_jsonl(jsonl(tmp_path, {"prompt": "fine"}, "", row))


def test_an_endless_row_is_refused_without_reading_it_all(tmp_path):
    file = tmp_path / "huge.jsonl"
    with file.open("wb") as out:
        out.write(b'{"prompt": "a"}\n{"prompt": "')
        out.truncate(1 << 32)  # a hole: no room is taken
    with pytest.raises(DataError, match=r"Row 2 .* too long"):
        read_jsonl(file)


def test_lengths_are_counted_and_a_stated_one_stays(tmp_path):
    data = counted(read_sharegpt(sharegpt(tmp_path, [talk(("system", "12"), ("human", "345"), ("gpt", "6789"), ("human", "1")), talk(("human", "a"), ("gpt", ""))])),
                   CharacterCounter())
    lengths = [[(one.input_tokens, one.answer_tokens, one.output_tokens) for one in conversation.exchanges] for conversation in data.conversations]
    assert lengths == [[(5, 4, 4), (1, None, None)], [(1, 0, 1)]]
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bcd"}]
    [conversation] = counted(read_jsonl(jsonl(tmp_path, {"messages": said, "output_len": 50})), CharacterCounter()).conversations
    assert (conversation.exchanges[0].answer_tokens, conversation.exchanges[0].output_tokens) == (3, 50)


@settings(max_examples=100, deadline=None)
@given(said=st.lists(st.tuples(st.sampled_from(["system", "human", "gpt"]), st.text(max_size=6)), max_size=12))
def test_nothing_said_is_lost_and_roles_stay_in_order(tmp_path_factory, said):
    said = [*said, ("human", "end")]
    data = read_sharegpt(sharegpt(tmp_path_factory.mktemp("talk"), [talk(*said)]))
    [conversation] = data.conversations
    exchanges = conversation.exchanges
    assert all(one.answer is not None for one in exchanges[:-1])
    assert all(any(message.role == "user" and message.content for message in one.messages) for one in exchanges)
    kept = [message.content for one in exchanges for message in one.messages]
    assert kept == [text for who, text in said if who != "gpt" and text]


def test_a_workload_names_its_source(tmp_path):
    file = jsonl(tmp_path, {"prompt": "a"})
    assert read_source(Workload()) is None
    assert len(read_source(Workload(kind="jsonl", path=str(file))).conversations) == 1
    trace = tmp_path / "trace"
    trace.write_text('{"timestamp": 5, "input_length": 7, "output_length": 2}')
    assert isinstance(read_source(Workload(kind="trace", path=str(trace))), Trace)
    with pytest.raises(UsageError, match="needs its file"):
        read_source(Workload(kind="sharegpt"))
    with pytest.raises(DataError, match="cannot be read"):
        read_source(Workload(kind="sharegpt", path=str(tmp_path / "none")))
