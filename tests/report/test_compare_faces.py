"""Faces of comparisons and histories: the answer first, differences before numbers, narrow terminals, and hostile text that stays text."""

import json
import re
from dataclasses import replace

import pytest
from compared_runs import engine_run, facts, load_run
from rich.cells import cell_len
from test_faces import HOSTILE

from touchstone.judge.compare import compare, compare_same
from touchstone.judge.compare.history import history_of
from touchstone.judge.compare.margin import usual
from touchstone.judge.compare.measured import measured_of
from touchstone.report.compare_document import to_compare_json
from touchstone.report.compare_markdown import to_compare_markdown
from touchstone.report.compare_text import to_compare_text
from touchstone.report.history_text import HISTORY_FACES
from touchstone.report.i18n import translator

FACES = {"text": to_compare_text, "md": to_compare_markdown, "json": to_compare_json}
GOLDEN = """\
B is 1.18× ± 0.02 faster (throughput +18.1 %)
A  runs/2 · small bf16 · transformers 5.0 · - × 4, NVIDIA H200 · 5 launches ·
   SUSPECT
B  runs/52 · small bf16 · transformers 5.1 · - × 4, NVIDIA H200 · 5 launches ·
   SUSPECT

The one difference: the engine
  engine: engine_version transformers 5.0 → transformers 5.1

TTFT (ms)
Scenario           A           B       Change      p   n Outcome
short    50.06 ±1.6% 42.34 ±1.1% -15.4% ± 1.4 <0.001 5+5 better
"""


def header(run, **changes):
    return replace(run, header={**run.header, **changes})


def pairs():
    """Comparisons of every kind, by name."""
    old, new = (measured_of(engine_run(slower, seed=seed, noise=0.01, cases={"short": 1})) for slower, seed in ((1, 2), (1 / 1.18, 52)))
    odd = header(engine_run(1.5, seed=4), environment={HOSTILE: HOSTILE, "variables": {HOSTILE: "x"}, "cores": 9, "cpu": HOSTILE},
                 launches=facts(version=HOSTILE), labels={HOSTILE: HOSTILE * 50})
    return {
        "changed": compare([old], [new], usual()), "same": compare_same([measured_of(engine_run(seed=1))], [measured_of(engine_run(seed=2))]),
        "once": compare([measured_of(engine_run(seed=1, launches=1))], [measured_of(engine_run(seed=2, launches=1))], usual()),
        "load": compare([measured_of(load_run(seed=1, repeats=2))], [measured_of(load_run(1.2, seed=2, repeats=3))], usual()),
        "one load": compare([measured_of(load_run(seed=1, repeats=1))], [measured_of(load_run(1.2, seed=2, repeats=3))], usual()),
        "hostile": compare([measured_of(engine_run(seed=3))], [measured_of(odd)], usual(), allow_differences=True),
    }


PAIRS = pairs()


def strict(text):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def test_the_answer_comes_first_and_differences_before_numbers(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    new = header(engine_run(1 / 1.18, seed=52, noise=0.01, cases={"short": 1}), launches=facts(version="transformers 5.1"))
    found = compare([measured_of(engine_run(seed=2, noise=0.01, cases={"short": 1}))], [measured_of(new)], usual())
    text = to_compare_text(found, str)
    assert text[:len(GOLDEN)] == GOLDEN
    document = to_compare_markdown(found, str)
    assert document.startswith("**B is 1.18× ± 0.02 faster (throughput +18.1 %)**")
    assert document.index("engine\\_version") < document.index("| short |")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", PAIRS)
def test_lines_fit_the_terminal(name, lang, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = to_compare_text(PAIRS[name], translator(lang))
    assert max(map(cell_len, text.splitlines())) <= width


@pytest.mark.parametrize("face", FACES)
def test_hostile_text_stays_text(face):
    text = FACES[face](PAIRS["hostile"], str)
    assert "\x1b" not in text
    assert "<script" not in text if face == "md" else True
    assert "\0" not in text


@pytest.mark.parametrize("name", PAIRS)
def test_json_has_a_reason_beside_every_null(name):
    found = strict(to_compare_json(PAIRS[name], str))
    optional = {"better", "more"}
    assert found["metrics"]
    for row in found["metrics"]:
        unexplained = [key for key, value in row.items() if value is None and key not in optional and not row["reasons"].get(key)]
        assert unexplained == []
        assert (row["more"] is None) == (row["outcome"] not in {"inconclusive", "differs within this launch"})
        assert (row["better"] is None) == (row["outcome"] in {"inconclusive", "equivalent"})


def test_a_tilde_stands_where_nothing_changed_and_only_there():
    text = to_compare_markdown(PAIRS["same"], str)
    assert text.count("| ~ |") == text.count("| equivalent |") == 11
    changed = to_compare_markdown(PAIRS["changed"], str)
    assert changed.count("| ~ |") == 1  # memory
    assert changed.count("| better |") == 4


def test_what_nobody_would_measure_is_called_too_noisy():
    wild = compare([measured_of(engine_run(seed=5, noise=0.3))], [measured_of(engine_run(seed=6, noise=0.3))], usual())
    assert min(row.more for row in wild.metrics if row.unit != "B") > 100
    assert "the launches vary too much for a margin of 2 %" in to_compare_markdown(wild, str)
    assert "| inconclusive, too noisy |" in to_compare_markdown(wild, str)


def test_what_only_seems_to_differ_among_many_is_explained():
    found = compare([measured_of(engine_run(seed=1, noise=0.02))], [measured_of(engine_run(1.04, seed=3, noise=0.02))], usual())
    assert found.headline.p < 0.05 <= found.headline.p_adjusted
    assert "but among so many comparisons chance may give that" in to_compare_markdown(found, str)


def test_what_is_confounded_is_given_no_cause():
    text = to_compare_markdown(PAIRS["hostile"], str)
    assert "## Confounded, by what differs" in text
    for word in ("faster", "slower", "better", "worse"):
        assert word not in text


def test_an_a_a_comparison_shows_its_floor():
    found = strict(to_compare_json(PAIRS["same"], str))
    assert found["kind"] == "same"
    assert found["noise_floor"]["margin"] == 0.02
    assert found["sentence"].startswith("equivalent: measured twice, the same thing agrees; the noise floor is 0.")


# ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def history(count):
    runs = []
    for day in range(1, count + 1):
        run = engine_run(1.0 if day < 12 else 1.2, launches=2, trials=2, seed=day, cases={"short": 1}, created=f"2026-11-{day:02d}")
        runs.append(measured_of(header(run, launches=facts(version="5.0" if day < 12 else f"5.1{HOSTILE}"))))
    return history_of(runs, "runs", 0.02, ())


def test_a_history_is_listed_oldest_first_with_what_changed(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = HISTORY_FACES["text"](history(22), str).splitlines()
    runs = [line for line in lines if line.startswith("runs/")]
    assert [line.split()[1][8:] for line in runs] == [f"{day:02d}" for day in range(1, 23)]
    assert runs[0].split() == ["runs/1", "2026-11-01", "79.91", "±6.6%", "2", "SUSPECT"]
    difference, level, *rest = lines[lines.index(runs[-1]) + 1:]
    assert difference.startswith("* from runs/12 on: engine: engine_version 5.0 → 5.1")
    assert re.fullmatch(r"\* from runs/12 on, short: worse by -16\.\d % \(p <0\.001\)", level)
    assert not "".join(rest)


def test_runs_of_several_cases_are_one_table_and_what_is_missing_is_said_once(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    runs = [measured_of(engine_run(seed=day, created=f"2026-11-{day:02d}T12:00:00+00:00")) for day in (1, 2)]
    text = HISTORY_FACES["text"](history_of(runs, "runs", 0.02, ()), str)
    assert text.count("runs/1 ") == text.count("2026-11-01 12:00") == 1
    assert text.count("Throughput (tokens/s)") == text.count("change of level") == 1
    assert "from 15 runs of one thing on, and at most 2 are here" in text.replace("\n ", "")
    assert len(text.splitlines()) < 10


def test_a_level_that_never_changed_is_said_to_be_level():
    runs = [measured_of(engine_run(seed=day, trials=2, created=f"2026-11-{day:02d}")) for day in range(1, 17)]
    for face in ("text", "md"):
        assert "no change of level in batch-4, short" in HISTORY_FACES[face](history_of(runs, "runs", 0.02, ()), str)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("face", HISTORY_FACES)
@pytest.mark.parametrize("count", [0, 3, 22])
def test_every_face_of_a_history_is_clean(face, count, lang):
    text = HISTORY_FACES[face](history(count), translator(lang))
    assert text
    assert "\x1b" not in text
    if face == "md":
        assert "<script" not in text
    if face == "json":
        found = strict(text)
        assert [len(one["runs"]) for one in found["series"]] == [count] * bool(count)
