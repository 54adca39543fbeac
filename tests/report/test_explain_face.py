"""The faces of explain: golden pages of 80 columns, the JSON contract, and hostile text that stays text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from touchstone.failures import FAILURES, explain
from touchstone.report.explain_text import EXPLAIN_FACES
from touchstone.report.i18n import translator

DATA = Path(__file__).parents[1] / "data" / "failures"
GOLDEN = ["npu-stream-errors", "npu-device-start", "vllm-0.32-cpu-model-length", "hub-not-tls"]
HOSTILE = ["\x1b]0;owned\x07\x1b[2JFooError: \x1b[31m\x00\u202egone", "<script>alert(1)</script> CUDA out of memory \x9b2J", "launch_server.py: error: unrecognized arguments: \x1b[2J\x07"]


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def face(lines, kind="text", lang="en"):
    return EXPLAIN_FACES[kind](explain(lines), "server.log", len(FAILURES), translator(lang))


@pytest.mark.parametrize("name", GOLDEN)
def test_the_page_is_as_it_should_be(name):
    with (DATA / f"{name}.log").open(encoding="utf-8") as log:
        assert face(log) + "\n" == (DATA / "golden" / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_row_fits_a_terminal(lang):
    for row in FAILURES:
        page = face([row.example], lang=lang)
        assert max(map(cell_len, page.splitlines())) <= 80
        assert row.id in page


def test_the_first_line_says_what_is_there():
    def verdict(*lines):
        return " ".join(face(lines).split("\n\n")[0].split())

    count = len(FAILURES)
    assert verdict("CUDA out of memory") == "server.log: the likeliest cause first"
    assert verdict("all is well") == f"server.log: nothing here is known as a failure ({count} are known) or looks like an error"
    assert verdict("FooError: x") == f"server.log: errors, but none that is known to be a cause ({count} failures are known)"
    assert "the cause is not in this part" in verdict("EngineCore failed to start.")
    assert verdict("WARNING CUDA out of memory") == "server.log: warnings only"


def test_what_is_left_out_is_counted():
    rows = [row.example for row in FAILURES[:12]]
    assert "and 4 more (--format json has them all)" in face(rows)
    assert "and 2 more" in face([f"Foo{letter}Error: x" for letter in "abcdefg"])
    assert "more" not in face(rows[:8]).splitlines()[-1]


def test_json_has_everything():
    lines = ["FooError: x", *(row.example for row in FAILURES)]
    document = json.loads(face(lines, "json"))
    assert (document["schema"], document["log"], document["known"]) == (1, "server.log", len(FAILURES))
    assert len(document["explanations"]) == len(FAILURES) + 1
    for one in document["explanations"]:
        assert set(one) == {"failure", "name", "standing", "line", "count", "text", "facts", "about"}
        assert one["failure"] is None or set(one["failure"]) == {"id", "area", "cause", "cure", "source"}
    (stranger,) = [one for one in document["explanations"] if one["failure"] is None]
    assert (stranger["name"], stranger["standing"], stranger["line"], stranger["about"]) == ("FooError", "unknown", 1, None)


@pytest.mark.parametrize("kind", EXPLAIN_FACES)
def test_a_terminal_obeys_nothing_that_a_log_says(kind):
    page = face(HOSTILE, kind)
    assert "FooError" in page
    assert "cuda-out-of-memory" in page
    assert not [letter for letter in page if not letter.isprintable() and letter != "\n"]
