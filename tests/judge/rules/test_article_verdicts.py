"""The verdicts on five published articles, row by row: 6 rows that do not add up, 17 that no chip can do, 3 that nobody has reached.

Their figures are under tests/data/articles; what is expected was computed by hand from the tables (model, hardware and dtype as the text
beside them says: Llama-2-7B, Llama-3-8B and Qwen2-7B in fp16 on one Ascend 910B of 64 GB).
"""

from pathlib import Path

import pytest

from touchstone.claim import Subject
from touchstone.finding import Judgement
from touchstone.judge.publication import audit_content

ARTICLES = Path(__file__).parents[2] / "data" / "articles"
X, A, S, OK = Judgement.IMPOSSIBLE, Judgement.INCONSISTENT, Judgement.SUSPECT, Judgement.PASS
FP16_910B = {"hardware": "910B", "dtype": "fp16"}


def audit(number, **asked):
    path, = ARTICLES.glob(f"{number:03d}*.md")
    return audit_content(path.read_bytes(), path.name, Subject(**asked))


def results(findings):
    """The tables that hold results, without the numbers quoted in sentences."""
    return [table for table in findings.tables if "quoted" not in table.source]


def quoted(findings):
    table, = (table for table in findings.tables if "quoted" in table.source)
    return table


def said(row):
    """Rule → status of what is not a pass."""
    return {verdict.rule: verdict.status for verdict in row.verdicts if verdict.status in {X, A, S}}


@pytest.mark.parametrize("asked", [{}, {"model": "Llama-2-7B", **FP16_910B}])
@pytest.mark.parametrize("number", [0, 1])
def test_the_six_scenarios_break_their_own_script_s_arithmetic(number, asked):
    table, = results(audit(number, **asked))
    assert [row.status for row in table.rows] == [A] * 6
    assert [set(said(row)) for row in table.rows] == [{"AL1"}, {"AL1"}, {"AL1"}, {"AL1", "AL2", "PH3"}, {"AL1", "AL2", "PH3"}, {"AL1"}]
    expected = [62.01, 60.34, 63.40, 230.44, 422.91, 47.55]
    assert [next(one.bound for one in row.verdicts if one.rule == "AL1") for row in table.rows] == pytest.approx(expected, abs=0.01)
    ceilings = [64.13, 64.35, 63.99, 258.38, 519.58, 64.62]
    assert [next(one.bound for one in row.verdicts if one.rule == "AL2") for row in table.rows] == pytest.approx(ceilings, abs=0.01)
    assert {"PH1", "PH2", "PH4"} <= {one.rule for row in table.rows for one in row.verdicts if one.status is OK}


@pytest.mark.parametrize("asked", [{}, {"model": "Llama-3-8B", **FP16_910B}])
def test_seventeen_rows_are_faster_than_the_memory_and_three_are_close(asked):
    first, stress = results(audit(2, **asked))
    assert [row.status for row in first.rows] == [X] * 5
    assert [row.status for row in stress.rows] == [X, X, X, X, S] * 3
    for row in (*first.rows, *stress.rows):
        assert all(one.status is OK for one in row.verdicts if one.rule == "AL3")  # latency · throughput = tokens, on every row
    assert {"PH2"} <= set(said(first.rows[4]))  # 413 TFLOPS
    assert ["PH3" in said(row) for row in first.rows] == [False, True, True, True, True]
    assert all("DG1" in said(row) for row in first.rows)  # multiples of 12.5
    assert not any("DG1" in said(row) for row in stress.rows)
    assert "XR1" in said(first.rows[0])  # 1.024 s in one table, 0.076 s in the other
    assert said(stress.rows[9]).keys() >= {"PH1", "XR1"}


def test_what_the_seventeen_rows_would_need():
    first, stress = results(audit(2))

    def floor_over_claim(row):
        verdict = next(one for one in row.verdicts if one.rule == "PH1")
        return verdict.bound / verdict.observed

    assert [floor_over_claim(row) for row in first.rows] == pytest.approx([1.07, 1.97, 3.79, 7.43, 14.8], rel=0.03)
    expected = [14.4, 7.0, 3.5, 1.78, 0.89, 14.4, 7.1, 3.5, 1.77, 0.90, 13.9, 7.2, 3.6, 1.80, 0.92]
    assert [floor_over_claim(row) for row in stress.rows] == pytest.approx(expected, rel=0.03)


def test_the_quoted_numbers_of_the_server_article():
    rows = {row.label.split()[0].rstrip(":"): row for row in quoted(audit(3)).rows}
    assert said(rows["Total"]) == {"AL4": A}  # 14.15 requests/s of 512 + 256 tokens are 10,867 tokens/s, not 3,800
    assert said(rows["TTFT"]) == {"PH5": X}  # 4K tokens from 2,020 bytes
    assert said(rows["TPOT"]) == {}
    memory = next(row for row in quoted(audit(3)).rows if "kv_cache" in row.label)
    assert said(memory)["PH4-CAPACITY"] is X  # 62.7 of 57.6 GB


def test_the_printed_statistics_of_the_last_article():
    rows = quoted(audit(4)).rows
    raw, memory, summaries = rows[:0], next(row for row in rows if row.label == "15.33 GB"), [row for row in rows if "max_new" in row.label]
    raw = [row for row in rows if "tok/s" in row.label]
    assert [said(row) for row in raw] == [{}, {}, {}]  # 256 / 13.33 = 19.20
    assert said(memory) == {"PH4": X}  # the script divides by 1e9, and the weights are 16.06 GB
    baseline, shorter, shortest = summaries
    assert said(baseline) == {"AL5": A, "AL7": S, "AL8": A}
    assert said(shorter) == {"AL5": A, "AL7": S}
    assert said(shortest) == {}
    assert all(one.status is OK for row in summaries for one in row.verdicts if one.rule == "AL6")
