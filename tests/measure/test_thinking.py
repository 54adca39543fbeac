"""Where thinking ends and the answer begins."""

import pytest

from touchstone.measure.thinking import split_text, thinking_tokens


@pytest.mark.parametrize(("text", "expected"), [
    ("<think>why</think>so", ("why", "so")),
    ("why</think>so", ("why", "so")),  # the template put the opening mark into the prompt
    ("so", (None, "so")),
    ("", (None, "")),
    ("<think>cut off", (None, "<think>cut off")),
    ("<think></think>so", ("", "so")),
    ("</think>", ("", "")),
    ("\n<think>a\nb</think>\n\nc", ("a\nb", "\n\nc")),
    ("<think>a</think>b<think>c</think>d", ("a", "b<think>c</think>d")),  # the first closing mark decides
    ("a</think>b</think>c", ("a", "b</think>c")),
])
def test_split_text(text, expected):
    assert split_text(text) == expected


@pytest.mark.parametrize(("pieces", "expected"), [
    ([], None),
    ([("so", 3), (" it is", 2)], None),
    ([("<think>", 1)], None),
    ([("<think>", 1), ("why", 1), ("</think>", 1), ("so", 1)], 3),
    ([("why</th", 2), ("ink>", 3), ("so", 5)], 5),  # a mark split over two events
    ([("<", 1), ("/", 1), ("think", 1), (">", 1), ("x", 1)], 4),
    ([("all</think>at once", 7), ("more", 1)], 7),
    ([("a</think>", 2), ("b</think>", 2)], 2),
])
def test_thinking_tokens(pieces, expected):
    assert thinking_tokens(pieces) == expected
