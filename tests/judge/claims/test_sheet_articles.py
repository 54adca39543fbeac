"""The tables of published articles, as their pages paste: every one is found, cell for cell."""

from pathlib import Path

import pytest

from touchstone.judge.claims.text_sheets import decode, read_document

ARTICLES = Path(__file__).parents[2] / "data" / "articles"
MEASURED = ("场景", "输入长度", "生成长度", "Batch Size", "平均首token延迟(ms)", "解码速度(tokens/s/req)", "总吞吐量(tokens/s)", "显存峰值(GB)")
ROWS = (
    ("首token延迟-短输入", "7", "128", "1", "68.27", "63.63", "59.43", "14.80"),
    ("首token延迟-长输入", "27", "128", "1", "132.32", "63.85", "58.75", "14.81"),
    ("解码吞吐量-长输出", "11", "512", "1", "75.22", "63.87", "62.13", "15.01"),
    ("批量推理 (batch=4)", "7", "128", "4", "240.24", "64.09", "280.95", "15.22"),
    ("高并发批量 (batch=8)", "7", "128", "8", "450.48", "64.44", "534.82", "16.03"),
    ("长上下文处理", "550", "128", "1", "711.23", "64.12", "53.68", "15.25"),
)


def article(number):
    path = next(ARTICLES.glob(f"{number:03}*.md"))
    return read_document(decode(path.read_bytes()), path.name)


@pytest.mark.parametrize(("number", "lines"), [(0, [8, 19]), (1, [8, 20, 29]), (2, [7, 17]), (3, []), (4, [7])])
def test_every_table_is_found(number, lines):
    assert [sheet.line for sheet in article(number).sheets] == lines


@pytest.mark.parametrize("number", [0, 1])
def test_the_table_of_the_first_two(number):
    sheet = article(number).sheets[-1]
    assert (sheet.heading, sheet.rows, sheet.notes, sheet.left_out) == (MEASURED, ROWS, (), ())
    assert sheet.caption == "结果:"


def test_the_list_of_a_report_template():
    sheet = article(1).sheets[0]
    assert sheet.heading == ("芯片", "模型", "精度", "PyTorch版本", "torch_npu版本", "transformers版本")
    assert [str(message) for message in sheet.left_out] == ["Cells beyond the last heading were not read, in 1 rows."]


def test_the_tables_of_the_third():
    first, second = article(2).sheets
    assert first.heading == ("批量大小(batch_size)", "序列长度(seq_len)", "延迟(latency)(秒)", "吞吐量(throughput)(tokens / 秒)", "说明")
    assert first.rows[0] == ("1", "128", "1.024", "125", "一条一批")
    assert first.rows[-1] == ("16", "128", "0.074", "27500", "")
    assert len(second.rows) == 15
    assert second.rows[0] == ("1", "64", "0.038", "1704.22(本表最高)")
    assert second.rows[-1] == ("16", "256", "2.425", "1688.87(最长 + 最大的一组)")


def test_cells_that_came_one_to_a_line():
    sheet = article(4).sheets[0]
    assert sheet.rows == (("--name=bench", "内核在系统里的名字(与环境同名为好)"),
                          ("--display-name", '列表里显示的名字,可以带空格,如 "Bench (Python 3.10)"'))


def test_prose_is_left_whole():
    document = article(3)
    assert "Total throughput: ~3800 tokens/s" in document.prose
    assert document.prose.split("\n")[0].startswith("# Qwen2-7B")
