"""``touchstone audit`` as somebody uses it: a table, an article, a paste, a run; bad input; the contract for scripts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.claim import Subject
from touchstone.errors import DataError
from touchstone.judge.publication import audit_content

TABLE = """\
| 场景 | 输入长度 | 生成长度 | Batch Size | 平均首token延迟(ms) | 解码速度(tokens/s/req) | 总吞吐量(tokens/s) |
|---|---|---|---|---|---|---|
| short | 7 | 128 | 1 | 68.27 | 63.63 | 62.01 |
| 批量 | 7 | 128 | 4 | 240.24 | 64.09 | 280.95 |
| ? | - | - | - | - | - | - |
"""


def audit(*arguments, stdin="", env=None):
    import os

    return subprocess.run([sys.executable, "-m", "touchstone", "audit", *map(str, arguments)], input=stdin.encode(), capture_output=True,
                          env={**os.environ, "COLUMNS": "80", **(env or {})}, timeout=60, check=False)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.md"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_the_contract_for_scripts(table):
    done = audit(table, "--model", "Llama-2-7B", "--hardware", "910B", "--dtype", "fp16", "--devices", 1, "--format", "json")
    assert (done.returncode, done.stderr) == (0, b"")
    document = json.loads(done.stdout)
    assert (document["schema"], document["left_out"]) == (1, [])
    only, = document["tables"]
    assert set(only) == {"source", "assumptions", "rows", "left_out"}
    assert [(row["row"], row["verdict"]) for row in only["rows"]] == [(1, "pass"), (2, "inconsistent"), (3, "cannot tell")]
    rules = {rule["id"]: rule for rule in only["rows"][1]["rules"]}
    assert set(rules["AL2"]) == {"id", "status", "observed", "low", "high", "bound", "unit", "message"}
    assert (rules["AL2"]["status"], rules["AL2"]["observed"], rules["AL2"]["low"], rules["AL2"]["high"]) == ("inconsistent", 280.95, 280.945, 280.955)
    assert rules["AL2"]["bound"] == pytest.approx(258.38, abs=0.01)
    assert rules["PH1"]["status"] == "pass"


def test_the_documents_keep_their_schema(table):
    import jsonschema

    import touchstone.report

    schema = json.loads((Path(touchstone.report.__file__).parent / "audit.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(audit(table, "--format", "json").stdout), schema)


def test_a_paste_reads_as_the_file(table):
    from_file, pasted = audit(table), audit("-", stdin=TABLE)
    assert from_file.stdout.replace(b"table.md", b"-") == pasted.stdout
    assert b"of 3 rows: 1 inconsistent" in pasted.stdout


def test_exit_codes_are_asked_for(table, tmp_path):
    assert audit(table).returncode == 0
    assert audit(table, "--fail-on", "rejected").returncode == 4
    good = tmp_path / "good.md"
    good.write_text("\n".join(TABLE.splitlines()[:3]), encoding="utf-8")
    assert audit(good, "--fail-on", "suspect").returncode == 0


def test_no_line_is_wider_than_the_terminal(table):
    from rich.cells import cell_len

    for lang in ("zh", "en"):
        for width in ("40", "80"):
            text = audit(table, "--lang", lang, "--model", "Llama-2-7B", "--hardware", "910B", env={"COLUMNS": width}).stdout.decode()
            assert max(map(cell_len, text.splitlines())) <= int(width)


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (("no-such-file.md",), 3, "No such file"), (("TABLE", "--hardware", "910BX"), 2, "Did you mean"), (("TABLE", "--dtype", "fp61"), 2, "fp16"),
    (("TABLE", "--devices", "0"), 2, "devices"), (("TABLE", "--model", "config.json"), 3, "config.json"), (("DIRECTORY",), 3, "neither a run nor"),
])
def test_mistakes_are_said_in_a_sentence(table, arguments, code, says):
    done = audit(*[{"TABLE": table, "DIRECTORY": table.parent}.get(one, one) for one in arguments])
    assert (done.returncode, done.stdout) == (code, b"")
    assert says in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_config_of_an_unknown_architecture_names_the_key(table, tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "mamba"}')
    done = audit(table, "--model", config)
    assert done.returncode == 3
    assert b"model_type" in done.stderr
    config.write_text('{"model_type": "llama", "hidden_size": 4096}')
    assert b"num_" in audit(table, "--model", config).stderr


def test_front_matter_and_words_of_the_text_are_conditions_and_options_outrank_them(table):
    stated = "---\nmodel: Llama-2-7B\nhardware: 910B\ndtype: fp16\ndevices: 1\n---\n\n"
    text = stated + TABLE

    def rules(*options, body=text):
        rows = json.loads(audit("-", "--format", "json", *options, stdin=body).stdout)["tables"][0]["rows"]
        return {rule["id"]: rule["status"] for rule in rows[0]["rules"]}

    assert rules()["PH1"] == "pass"
    assert rules(body=TABLE)["PH1"] == "cannot tell"
    assert rules("--model", "Llama-2-70B", "--dtype", "int4")["PH1"] == "impossible"
    assert rules(body=f"我们在单张昇腾910B上以FP16测试 Llama-2-7B。\n\n{TABLE}")["PH1"] == "pass"


HOSTILE = ["", "\0" * 1000, "|" * 100_000, "<table>" * 20_000, "<tr><td colspan=999999999>1" * 100, "a,b\n" * 50_000, "{" * 50_000, "[1," * 50_000,
           "| a |\n|---|\n" + "| 1e400 |\n" * 100, "\x1b[2J\x1b]0;x\x07", "TTFT: " * 20_000, "1" * 1_000_000, "\n" * 1_000_000,
           "| TTFT (ms) |\n|---|\n| \x1b[31m1 |\n", "---\n" + "a: &a [*a]\n" * 50 + "---\n"]


@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_hostile_text_gives_an_audit_or_a_sentence(place):
    try:
        findings = audit_content(HOSTILE[place].encode(), "paste.md", Subject())
    except DataError as error:
        assert str(error)
    else:
        assert all(row.status for row in findings.rows)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.one_of(st.sampled_from(["1", "~3800", "1,024", "１２８", "98–101", "12.3 ± 0.4", "1.2k", "0", "-1", "nan", "1e999", "OOM", "", "0.45 s / 3 ms", "<b>7</b>"]),
                                   st.text(max_size=12)), min_size=4, max_size=9), max_size=6))
def test_any_cells_under_known_headings_give_an_audit(rows):
    heading = "| Batch | 输入长度 | 生成长度 | TTFT(ms) | TPOT(ms) | 吞吐量(tokens/s) | P99 TTFT(ms) | 显存峰值(GB) |\n" + "|---" * 8 + "|\n"
    body = "\n".join("| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in row) + " |" for row in rows)
    findings = audit_content((heading + body).encode("utf-8", "replace"), "t.md", Subject("Qwen2-7B", "Ascend 910B", "fp16"))
    for row in findings.rows:
        for verdict in row.verdicts:
            assert str(verdict.message)
            assert all(value is None or value == value for value in (verdict.observed, verdict.low, verdict.high, verdict.bound))


def test_escapes_never_reach_a_terminal():
    done = audit("-", stdin=TABLE.replace("short", "\x1b[31mred<script>"))
    assert b"\x1b" not in done.stdout
    markdown = audit("-", "--format", "md", stdin=TABLE.replace("short", "<script>alert(1)</script>"))
    assert b"<script>" not in markdown.stdout
