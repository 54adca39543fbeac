"""What is said of a process that died: its own words, and cause and cure where they are known."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.measure.last_words import ending, last_words

KNOWN = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.00 GiB is free.\n"


def words_of(tmp_path, text, since=0, **how):
    log = tmp_path / "server.log"
    log.write_text(text, encoding="utf-8")
    return last_words(log, since, **how)


def test_a_known_cause_is_said_with_its_cure(tmp_path):
    words = words_of(tmp_path, f"loading\n{KNOWN}" + "INFO: shutting down\n" * 9)
    assert "CUDA out of memory" in str(words.said)
    assert words.known is not None
    assert f"Most likely: {words.known.cause} {words.known.cure}" in str(words.advice)
    assert str(tmp_path / "server.log") in str(words.advice)


def test_an_unknown_one_gets_its_last_lines_and_where_to_look(tmp_path):
    words = words_of(tmp_path, "first\n\nsecond\n  third.\n")
    assert str(words.said) == "Its last words: first | second | third."
    assert f"touchstone explain {tmp_path / 'server.log'}" in str(words.advice)


@pytest.mark.parametrize("text", ["", "\n\n  \n", None])
def test_a_log_that_says_nothing(tmp_path, text):
    words = last_words(tmp_path / "none") if text is None else words_of(tmp_path, text)
    assert str(words.said) == "It said nothing."


def test_what_stood_there_before_is_not_blamed(tmp_path):
    assert words_of(tmp_path, KNOWN + "bind: Permission denied by somebody\n", since=len(KNOWN)).known is None


def test_a_log_cannot_say_why_somebody_was_killed(tmp_path):
    assert words_of(tmp_path, KNOWN, explained=False).known is None


@given(st.binary(max_size=3000), st.integers(0, 4000))
def test_whatever_it_wrote_is_one_short_line(junk, since):
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "server.log"
        log.write_bytes(junk)
        words = last_words(log, since)
    assert len((words.text or "").splitlines()) <= 1
    assert len(words.text or "") < 2000


@pytest.mark.parametrize(("code", "said"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "memory runs out"), (-11, "SIGSEGV"), (-40, "signal 40")])
def test_how_a_process_ended_is_said_by_name(code, said):
    assert said in str(ending(code))
