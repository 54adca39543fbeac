"""Tables of every kind people paste: each is read into the cells that stand in it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import DataError
from touchstone.judge.claims.text_sheets import decode, read_document

HEADING = ("场景", "输入", "TTFT(ms)")
ROWS = (("A", "7", "68.2"), ("B", "8", "70"))


def only(text, name="x.md"):
    """The one sheet of ``text``."""
    sheets = read_document(text, name).sheets
    assert len(sheets) == 1
    return sheets[0]


def said(messages):
    return [str(message) for message in messages]


@pytest.mark.parametrize("text", [
    "| 场景 | 输入 | TTFT(ms) |\n|:---|:---:|---:|\n| A | 7 | 68.2 |\n| B | 8 | 70 |",
    "场景 | 输入 | TTFT(ms)\n-|-|-\nA | 7 | 68.2\nB | 8 | 70",
    "场景 | 输入 | TTFT(ms) |\n---|---|---|\nA | 7 | 68.2 |\nB | 8 | 70 |",
    "场景 |\n---|\n输入 |\n---|\nTTFT(ms) |\n---|\nA |\n7 |\n68.2 |\nB |\n8 |\n70 |",
    "场景 | 输入 | TTFT(ms) |\n---|\n---|\n---|\nA | 7 | 68.2 |\nB | 8 | 70 |",
    "场景 |\n输入 |\nTTFT(ms) |\n---|---|---|\nA |\n7 |\n68.2 |\nB |\n8 |\n70 |",
    "| 场景 | 输入 | TTFT(ms) |\n|---|---|---|\nA |\n7 |\n68.2 |\nB |\n8 |\n70 |",
    "| 场景 | 输入 | TTFT(ms) |\n\n|---|---|---|\n\n| A | 7 | 68.2 |\n\n| B | 8 | 70 |",
    "| 场景 | 输入 | TTFT(ms) |\n| A | 7 | 68.2 |\n| B | 8 | 70 |",
    "> | 场景 | 输入 | TTFT(ms) |\n> |---|---|---|\n> | A | 7 | 68.2 |\n> | B | 8 | 70 |",
    "场景｜输入｜TTFT(ms)\n---｜---｜---\nA｜7｜68.2\nB｜8｜70",
    "说明\n```\n| 场景 | 输入 | TTFT(ms) |\n|---|---|---|\n| A | 7 | 68.2 |\n| B | 8 | 70 |\n```",
    "+---+---+---+\n| 场景 | 输入 | TTFT(ms) |\n+===+===+===+\n| A | 7 | 68.2 |\n+---+---+---+\n| B | 8 | 70 |\n+---+---+---+",
    "╒═══╤═══╤═══╕\n│ 场景 │ 输入 │ TTFT(ms) │\n╞═══╪═══╪═══╡\n│ A │ 7 │ 68.2 │\n├───┼───┼───┤\n│ B │ 8 │ 70 │\n╘═══╧═══╧═══╛",
    " 场景 | 输入 | TTFT(ms)\n---+---+---\n A | 7 | 68.2\n B | 8 | 70",
    "场景      输入    TTFT(ms)\n----  ------  ----------\nA          7        68.2\nB          8        70",
    "====  ======  ==========\n场景    输入      TTFT(ms)\n====  ======  ==========\nA     7       68.2\nB     8       70\n====  ======  ==========",
    "\x1b[1m| 场景 | 输入 | TTFT(ms) |\x1b[0m\r\n|---|---|---|\r\n| A | 7 | 68.2 |\r\n| B | 8 | 70 |\r\n",
    "场景\t输入\tTTFT(ms)\nA\t7\t68.2\nB\t8\t70",
    "场景,输入,TTFT(ms)\nA,7,68.2\nB,8,70",
    "结果如下:\n场景;输入;TTFT(ms)\nA;7;68.2\nB;8;70\n以上。",
    "<table><tr><th>场景</th><th>输入</th><th>TTFT(ms)</th></tr><tr><td>A<td>7<td>68.2<tr><td>B<td>8<td>70</table>",
])
def test_the_same_table_is_read_from_every_form(text):
    sheet = only(text)
    assert (sheet.heading, sheet.rows, sheet.left_out) == (HEADING, ROWS, ())


def test_what_rich_prints_is_read():
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Results")
    for name in HEADING:
        table.add_column(name, max_width=8)
    table.add_row("A very long name", "7", "68.2")
    table.add_row("B", "8", "70")
    console = Console(file=io.StringIO(), width=60, force_terminal=True)
    console.print(table)
    sheet = only(console.file.getvalue(), "x.txt")
    assert (sheet.heading, sheet.caption) == (HEADING, "Results")
    assert sheet.rows[-1] == ("B", "8", "70")
    assert sheet.rows[0][1:] == ("7", "68.2")


def test_a_cell_that_was_printed_over_two_lines_is_one():
    box = "+---+---+\n| 名称 | TTFT |\n|  | (ms) |\n+---+---+\n| long | 1 |\n| name | |\n+---+---+\n| 很长的 | 2 |\n| 名字 | |\n+---+---+\n"
    assert only(box).heading == ("名称", "TTFT (ms)")
    assert only(box.replace("| name | |", "| | name |")).rows[0] == ("long", "1 name")
    assert only("+-+-+-+\n|a|b|c|\n+-+-+-+\n|很长的|2|3|\n|名字| | |\n+-+-+-+\n|x|4|5|\n+-+-+-+\n").rows == (("很长的名字", "2", "3"), ("x", "4", "5"))


def test_a_number_below_a_number_is_a_row_of_its_own():
    box = "+-+-+-+\n|model|c|ttft|\n+-+-+-+\n|Q|1|3|\n| |2|4|\n+-+-+-+\n|L|1|5|\n+-+-+-+\n"
    assert only(box).rows == (("Q", "1", "3"), ("Q", "2", "4"), ("L", "1", "5"))


def test_marks_inside_cells_become_plain_words():
    sheet = only("| **a** | __b__ |\n|---|---|\n| x \\| y | `p|q` |\n| batch_size *4* | 2 * 3 * 4 |\n| <b>1</b><br/>2 &lt;3 | ~~4~~ [d](http://x) |\n")
    assert sheet.heading == ("a", "b")
    assert sheet.rows == (("x | y", "p|q"), ("batch_size 4", "2 * 3 * 4"), ("1 2 <3", "4 d"))


def test_a_row_may_be_short_and_what_is_beyond_is_named():
    sheet = only("| a | b | c |\n|---|---|---|\n| 1 | 2 |\n| 1 | 2 | 3 | 4 |\n")
    assert sheet.rows == (("1", "2", ""), ("1", "2", "3"))
    assert said(sheet.left_out) == ["Cells beyond the last heading were not read, in 1 rows."]


def test_an_empty_first_cell_below_a_heading_without_an_outer_pipe_is_kept():
    assert only("a | b | c\n--|--|--\n | 1 | 2\n3 | 4 | 5").rows == (("", "1", "2"), ("3", "4", "5"))


def test_tables_without_a_line_between_them_are_two():
    sheets = read_document("| a | ttft |\n|---|---|\n| 1 | 2 |\n| b | tpot | c |\n|---|---|---|\n| 3 | 4 | - |\n| - | - | - |\n", "x").sheets
    assert [(sheet.heading, len(sheet.rows)) for sheet in sheets] == [(("a", "ttft"), 1), (("b", "tpot", "c"), 2)]


@pytest.mark.parametrize("text", [
    "cat a | grep b\nls | wc\nfoo | bar | baz", "x = a | b\ny = c | d\nz = 1 | 2", "a, b, and c\nd, e, and f\ng, h, and i",
    "def f(a, b):\n    return g(a, b)\n\nprint(f(1, 2))\n", "port: 8000\nhost: 1\nworkers: 4\n", "-----\n---- ----\ntext\n", "just words",
])
def test_what_is_no_table_is_prose(text):
    document = read_document(text, "x.md")
    assert (document.sheets, document.prose) == ((), text)


def test_prose_keeps_its_lines_and_names_the_place_of_a_table():
    document = read_document("# 结果\n\n下表是结果:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n后文\n", "x.md")
    assert document.prose.split("\n") == ["# 结果", "", "下表是结果:", "", "", "", "", "", "后文", ""]
    assert (document.sheets[0].source, document.sheets[0].line, document.sheets[0].caption) == ("table 1, line 5", 5, "下表是结果:")


def test_separated_values_have_quotes_comments_and_titles():
    sheet = only('# made by x\nbatch,"ttft, ms","a\nb"\n1,12.5,"1,024"\n# a remark\n2,"line\nbreak","say ""hi"""\n', "x.csv")
    assert sheet.heading == ("batch", "ttft, ms", "a b")
    assert sheet.rows == (("1", "12.5", "1,024"), ("2", "line break", 'say "hi"'))
    assert (sheet.caption, sheet.line) == ("made by x", 2)
    two = read_document("Title A\nbatch,ttft\n1,2\n\nTitle B\nbs,tpot\n3,4\n\n5,6\n", "x.csv").sheets
    assert [(sheet.caption, sheet.heading, sheet.rows) for sheet in two] == [
        ("Title A", ("batch", "ttft"), (("1", "2"),)), ("Title B", ("bs", "tpot"), (("3", "4"), ("5", "6")))]


def test_the_delimiter_of_decimal_commas_is_the_semicolon():
    assert only("batch;ttft\n1;12,5\n2;13,5\n").rows == (("1", "12.5"), ("2", "13.5"))


def test_a_heading_may_start_with_a_hash_or_be_missing():
    assert only("#concurrency,ttft\n1,2\n2,3\n", "x.csv").heading == ("concurrency", "ttft")
    sheet = only("1,2\n2,3\n", "x.csv")
    assert (sheet.heading, len(sheet.rows), said(sheet.notes)) == (("", ""), 2, ["The table has no heading."])


def test_quotes_that_do_not_close_do_not_swallow_the_file():
    sheet = only('a,b\n1,"2\n3,4\n', "x.csv")
    assert sheet.rows == (("1", '"2'), ("3", "4"))


def test_values_printed_in_an_article_are_found():
    document = read_document("跑完打印:\n```\nBatch, SeqLen, AvgLatency(s)\n1, 64, 0.038\n2, 64, 0.078\n```\n结束", "x.md")
    assert document.sheets[0].heading == ("Batch", "SeqLen", "AvgLatency(s)")
    assert document.prose == "跑完打印:\n```\n\n\n\n```\n结束"


def test_a_printed_list_of_results_is_one_row():
    sheet = only("""============ Serving Benchmark Result ============
Successful requests:                     200
Benchmark duration (s):                  12.30
---------------Time to First Token----------------
Mean TTFT (ms):                          68.27
P99 TTFT (ms):                           168.27
==================================================
""", "x.txt")
    assert sheet.heading == ("Successful requests", "Benchmark duration (s)", "Mean TTFT (ms)", "P99 TTFT (ms)")
    assert (sheet.rows, sheet.caption) == ((("200", "12.30", "68.27", "168.27"),), "Serving Benchmark Result")


def test_html_spans_are_expanded_and_its_words_kept_in_their_lines():
    document = read_document("""<!DOCTYPE html><html><head><style>td {}</style></head>
<body><h2>结果 &amp; more</h2><!-- <table><tr><td>no</td></tr></table> -->
<p>下表</p><table class="a">
<thead><tr><th rowspan=2>并发</th><th colspan="2">TTFT (ms)</th></tr><tr><th>P50</th><th>P99</th></tr></thead>
<tr><td rowspan="2">1<td>2<sub>3</sub><td>4<br>5</tr>
<tr><td>6</td><td>&lt;7</td></tr></table>
<p>后文</p></body></html>""", "page")
    sheet = document.sheets[0]
    assert (sheet.heading, sheet.caption, sheet.line) == (("并发", "TTFT (ms) P50", "TTFT (ms) P99"), "下表", 3)
    assert sheet.rows == (("1", "23", "4 5"), ("1", "6", "<7"))
    lines = [line.strip() for line in document.prose.split("\n")]
    assert lines == ["", "结果 & more", "下表", "", "", "", "后文"]


def test_html_tables_inside_tables_are_their_own_unless_they_are_one_row():
    inner = "<table><tr><td>x</td><td>ttft</td></tr><tr><td>a</td><td>2</td></tr></table>"
    assert only(f"<html><table><tr><td>{inner}</td></tr></table>").rows == (("a", "2"),)
    flat = "<html><table><tr><th>a<th>b</tr><tr><td>1<td><table><tr><td>7</td><td>8</td></tr></table></td></tr></table>"
    assert only(flat).rows == (("1", "7 8"),)


def test_html_tables_stand_in_markdown_too():
    document = read_document("# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<table>\n<tr><td>c</td><td>d</td></tr>\n<tr><td>3</td><td>4</td></tr>\n</table>\nend", "x.md")
    assert [(sheet.line, sheet.rows) for sheet in document.sheets] == [(3, (("1", "2"),)), (7, (("3", "4"),))]
    assert document.prose == "# A\n" + "\n" * 9 + "end"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_text_is_decoded_by_its_bytes(encoding):
    text = "| 场景 | 平均首token延迟(ms) |\n|---|---|\n| 长上下文 | 711.23 |"
    assert decode(text.encode(encoding)) == text


def test_a_wrong_byte_in_much_text_does_not_change_its_encoding():
    assert decode("首token延迟很长的一句话,总吞吐量也在其中,显存峰值也是。".encode() + b"\xff") == "首token延迟很长的一句话,总吞吐量也在其中,显存峰值也是。\ufffd"


@pytest.mark.parametrize("text", ["", " \n\t", "\ufeff", "\x00\x00"])
def test_nothing_to_read_is_the_one_error(text):
    with pytest.raises(DataError, match=r"notes\.md is empty"):
        read_document(text, "notes.md")


def test_front_matter_is_kept_as_it_is_written():
    document = read_document("---\nmodel: Qwen2-7B\ndevices: 8\ndate: 2024-05-01\nrate: 1e3\ndtype: ~\nlist: [a, b]\nmore: {a: b}\n---\n# H\n", "x.md")
    assert document.front_matter == {"model": "Qwen2-7B", "devices": "8", "date": "2024-05-01", "rate": "1e3", "list": "a, b"}
    assert said(document.left_out) == ["more in the front matter is not a plain value and was not read."]
    assert document.prose == "\n" * 9 + "# H\n"


@pytest.mark.parametrize(("text", "left_out"), [
    ("---\nmodel: [\n---\ntext", ["The front matter is not YAML and was not read."]),
    ("---\na: " + "[" * 5000 + "\n---\ntext", ["The front matter is not YAML and was not read."]),
    ("---\na: " + "x" * 20_000 + "\n---\ntext", ["The front matter is longer than 16384 characters and was not read."]),
    ("---\na: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\ntext", ["b in the front matter is not a plain value and was not read.",
                                                              "c in the front matter is not a plain value and was not read."]),
    ("---\nOnly a line between rules.\n---\ntext", []),
])
def test_front_matter_that_is_not_plain_is_left_out(text, left_out):
    document = read_document(text, "x.md")
    assert (said(document.left_out), document.prose.endswith("text")) == (left_out, True)


CELL = st.from_regex(r"[a-zA-Z批量延迟][a-zA-Z0-9批量延迟(). ]{0,8}[a-z)]", fullmatch=True)
NUMBER = st.decimals(min_value=0, max_value=10**6, places=2).map(str)
TABLE = st.integers(2, 5).flatmap(lambda width: st.tuples(
    st.lists(CELL.map(lambda name: "c" + name), min_size=width, max_size=width, unique=True),
    st.lists(st.lists(NUMBER, min_size=width, max_size=width), min_size=2, max_size=6)))


def printed(heading, rows, form):
    lines = [heading, *rows]
    if form == "md":
        return "\n".join(["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading), *("| " + " | ".join(row) + " |" for row in rows)])
    if form == "html":
        return "<table>" + "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>\n" for line in lines) + "</table>"
    if form == "box":
        rule = "+" + "---+" * len(heading)
        return "\n".join([rule, *(part for line in lines for part in ("| " + " | ".join(line) + " |", rule))])
    return "\n".join(form.join(line) for line in lines)


@given(TABLE, st.sampled_from(["md", "html", "box", ",", ";", "\t"]))
def test_a_printed_table_reads_back(table, form):
    heading, rows = table
    sheet = only("Words above.\n\n" + printed(heading, rows, form) + "\n\nWords below.\n" if form in {"md", "html", "box"}
                 else printed(heading, rows, form))
    assert [" ".join(name.split()) for name in heading] == [" ".join(name.split()) for name in sheet.heading]
    assert [list(row) for row in sheet.rows] == rows
