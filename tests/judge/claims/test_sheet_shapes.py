"""Tables whose shape says more than their cells: headings of two lines, metrics down the side, merged cells, limits."""

import pytest

from touchstone.judge.claims.grid import LONGEST_CELL, MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Grid, sheet_of
from touchstone.judge.claims.text_sheets import LONGEST_TEXT, read_document


def sheet(*rows, **fields):
    return sheet_of(Grid(1, len(rows), [[cell.strip() for cell in row.split("|")] for row in rows], **fields), 1, MOST_CELLS)


def notes(given):
    return [str(note) for note in given.notes]


@pytest.mark.parametrize(("first", "second", "heading"), [
    ("并发|TTFT (ms)||TPOT (ms)|", "|P50|P99|P50|P99", ("并发", "TTFT (ms) P50", "TTFT (ms) P99", "TPOT (ms) P50", "TPOT (ms) P99")),
    ("并发|TTFT|TTFT|TPOT|TPOT", "|平均|最大|平均|最大", ("并发", "TTFT 平均", "TTFT 最大", "TPOT 平均", "TPOT 最大")),
    ("并发|TTFT|TPOT|吞吐|显存", "|(ms)|ms|tok/s|GB", ("并发", "TTFT (ms)", "TPOT ms", "吞吐 tok/s", "显存 GB")),
    ("并发|首token时延||吞吐|", "|短输入|长输入|生成|全部", ("并发", "首token时延 短输入", "首token时延 长输入", "吞吐 生成", "吞吐 全部")),
])
def test_a_second_line_of_headings_is_joined(first, second, heading):
    found = sheet(first, second, "1|2|3|4|5", "2|3|4|5|6")
    assert (found.heading, len(found.rows), notes(found)) == (heading, 2, ["The second row was read as part of the heading."])


@pytest.mark.parametrize("second", ["a|OOM|-", "a|x|y", "||", "b|1|P50"])
def test_a_row_without_numbers_is_not_a_heading_for_that_alone(second):
    found = sheet("model|ttft|note", second, "b|3|4", "c|5|6")
    assert found.heading == ("model", "ttft", "note")


def test_marked_headings_are_joined_without_a_guess():
    found = sheet("a|b|b", "a|x|y", "1|2|3", headings=2)
    assert (found.heading, found.rows, found.notes) == (("a", "b x", "b y"), (("1", "2", "3"),), ())


def test_metrics_down_the_side_are_turned():
    found = sheet("指标|910B|A100|备注", "TTFT (ms)|68.2|50|好", "TPOT|17|12|", "吞吐量(tokens/s)|3800|OOM|")
    assert found.heading == ("", "TTFT (ms)", "TPOT", "吞吐量(tokens/s)")
    assert found.rows == (("910B", "68.2", "17", "3800"), ("A100", "50", "12", "OOM"))
    assert notes(found) == ["The table was turned: its first column names what was measured."]
    assert [str(message) for message in found.left_out] == ["The column 备注 was not read."]


def test_the_corner_names_the_cases():
    assert sheet("指标/并发数|1|4", "TTFT (ms)|68.2|50", "TPOT (ms)|17|12").heading[0] == "并发数"
    assert sheet("并发|batch=1|batch=4", "TTFT (ms)|68.2|50", "TPOT (ms)|17|12").rows[1] == ("batch=4", "50", "12")


@pytest.mark.parametrize("rows", [
    ("指标|值|单位", "TTFT|68.2|ms", "TPOT (ms)|17|ms"), ("TTFT (ms)|68.2", "TPOT (ms)|17"), ("Metric|Value", "TTFT (ms)|68.2", "TPOT (ms)|17"),
])
def test_a_list_of_names_and_values_is_one_row(rows):
    found = sheet(*rows)
    assert (found.heading, found.rows) == (("TTFT (ms)", "TPOT (ms)"), (("68.2", "17"),))
    assert notes(found) == ["The list of names and values was read as one row."]


@pytest.mark.parametrize("rows", [
    ("场景|输入长度|平均首token延迟(ms)", "首token延迟-短输入|7|68.27", "解码吞吐量-长输出|11|75.22"),
    ("batch|ttft", "1|2", "2|3"), ("model|size|t/s", "llama 7B|3|4", "qwen|5|6"), ("参数|说明", "--name|名称", "--port|端口"),
])
def test_a_table_that_stands_right_is_not_turned(rows):
    found = sheet(*rows)
    assert found.heading == tuple(rows[0].split("|"))
    assert found.notes == ()


def test_merged_conditions_are_filled_and_numbers_never():
    found = sheet("模型|并发|TTFT|说明", "Qwen2|1|3|好", "||4|", "Llama|1||")
    assert found.rows == (("Qwen2", "1", "3", "好"), ("Qwen2", "", "4", ""), ("Llama", "1", "", ""))
    assert notes(found) == ["Empty cells of 模型 were read as the cell above."]


def test_what_is_over_a_limit_is_said():
    long = Grid(1, 2, [["a", "b"], ["x" * (LONGEST_CELL + 1), "1"]])
    found = sheet_of(long, 1, MOST_CELLS)
    assert (len(found.rows[0][0]), [str(message) for message in found.left_out]) == (LONGEST_CELL, ["1 cells were cut at 1000 characters."])
    wide = sheet_of(Grid(1, 2, [["a"] * 300, ["1"] * 300]), 1, MOST_CELLS)
    assert (len(wide.heading), [str(message) for message in wide.left_out]) == (MOST_COLUMNS, ["Only the first 200 columns of the table were read."])
    tall = sheet_of(Grid(1, 2, [["a", "b"], *[["1", "2"]] * (MOST_ROWS + 7)]), 1, MOST_CELLS)
    assert (len(tall.rows), [str(message) for message in tall.left_out]) == (MOST_ROWS, ["The last 7 rows of the table were not read."])


def test_text_over_the_limit_is_said():
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n" + "words\n" * (LONGEST_TEXT // 6)
    document = read_document(text, "x.md")
    assert (len(document.sheets), [str(message) for message in document.left_out]) == (1, ["Only the first 8000000 characters were read."])


@pytest.mark.parametrize("form", ["| {0} | {0} |\n", "{0},{0}\n", "<tr><td>{0}</td><td>{0}</td></tr>"])
def test_rows_over_the_limit_are_said_in_every_format(form):
    count = MOST_ROWS + 10
    head, foot = ("<table>", "</table>") if form.startswith("<") else ("", "")
    rule = "|---|---|\n" if form.startswith("|") else ""
    document = read_document(head + form.format("a") + rule + form.format(1) * count + foot, "x.md")
    assert len(document.sheets[0].rows) <= MOST_ROWS
    assert [message for message in (*document.left_out, *document.sheets[0].left_out) if "not read" in str(message)]


def test_many_tables_stop_at_a_thousand():
    document = read_document("| a | b |\n|---|---|\n| 1 | 2 |\n\nx\n" * 1003, "x.md")
    assert (len(document.sheets), [str(message) for message in document.left_out]) == (1000, ["3 further tables were not read."])


def test_a_span_cannot_blow_up():
    html = "<table><tr><td colspan=999999999 rowspan=999999999>a</td><td>b</td></tr>" + "<tr><td>1</td></tr>" * 50_000 + "</table>"
    found = read_document(html, "x.html").sheets[0]
    assert len(found.heading) == MOST_COLUMNS
    assert len(found.rows) * MOST_COLUMNS <= MOST_CELLS
    assert any("not read" in str(message) for message in found.left_out)
