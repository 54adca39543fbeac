"""Faces: the JSON contract, the articles' table, a terminal's width, and hostile text that stays text."""

import json
import re
import shlex
from dataclasses import replace

import pytest
from builders import PROMPTS, clean_run, make_failure, make_finding, make_record, make_run, make_trial, plan_case, verify_trials
from rich.cells import cell_len

from touchstone.judge.findings import findings_of
from touchstone.record import MemoryPeaks
from touchstone.report import FACES, table
from touchstone.report.i18n import translator

LANGUAGES = ("en", "zh")
HOSTILE = "a\x1b[31mb\x1b]0;t\x07|c`d`<script>e\r\nf # **g** [red] [h](x) \\ _i_ \u202ej\u2028```\n```k"
COLUMNS_ZH = ["场景", "输入长度", "生成长度", "Batch Size", "平均首token延迟(ms)", "解码速度(tokens/s/req)", "总吞吐量(tokens/s)", "显存峰值(GB)"]


def show(run, face, lang="en"):
    return FACES[face](findings_of(run), translator(lang), lang)


def document(run, lang="en"):
    return json.loads(show(run, "json", lang))


def table_rows(markdown, heading):
    """The cells of the table under ``heading``, header first, without the line of dashes."""
    section = markdown.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("|")]
    return [rows[0], *rows[2:]]


def mixed_run():
    """Cases of every kind: a good one, one of one token, one that ran out of memory, one without a peak counter."""
    good = [make_trial("good", index) for index in range(5)]
    short = [make_trial("one-token", index, tokens=1) for index in range(5)]
    return make_run([*verify_trials(), *good, *short, make_failure("too-large", batch_size=64), make_trial("alone", memory=MemoryPeaks())])


def unloaded_run():
    """A run whose engine never loaded."""
    return make_run([], cases=[plan_case()], launches=[], status="failed")


def checked_only_run():
    """A run of the verification alone."""
    return make_run(verify_trials(), cases=[])


def large_run():
    """Long names and numbers of many digits."""
    title = {"zh": "高并发批量推理与超长上下文压力测试场景", "en": "A very long title of a very demanding scenario"}
    name = "long-context-and-high-concurrency-stress"
    trials = [make_trial(name, index, tokens=2, batch_size=64, step_ns=1000, first_ns=9_876_543_210) for index in range(5)]
    model = "/models/" + "Some-Very-Long-Model-Name-" * 5
    return make_run(trials, cases=[plan_case(name, batch_size=64, output_tokens=2, title=title)],
                    target={"engine": "transformers", "device": "cuda", "model": model, "dtype": "bf16"})


RUNS = {"clean": clean_run, "mixed": mixed_run, "unloaded": unloaded_run, "checked-only": checked_only_run, "large": large_run}


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("face", list(FACES))
@pytest.mark.parametrize("name", list(RUNS))
def test_every_face_shows_every_kind_of_run(name, face, lang):
    assert show(RUNS[name](), face, lang).strip()


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_json_holds_to_its_contract():
    found = document(clean_run())
    assert found["schema"] == 1
    assert {name: found["run"][name] for name in ("id", "status", "engine", "device", "model", "dtype", "plan")} == {
        "id": "abc123", "status": "complete", "engine": "transformers", "device": "cuda:0", "model": "small", "dtype": "bf16",
        "plan": "hand-made"}
    assert [case["name"] for case in found["cases"]] == ["short", "batch-4"]
    case = found["cases"][1]
    assert {name: case["conditions"][name] for name in ("input_tokens", "output_tokens", "batch_size")} == {
        "input_tokens": 7, "output_tokens": 16, "batch_size": 4}
    assert case["counts"] == {"issued": 40, "ok": 40, "failed": {}}
    assert set(case["metrics"]) == {"ttft", "tpot", "itl", "e2e", "decode_speed", "output_throughput", "peak_memory"}
    for name in ("ttft", "tpot", "itl", "e2e"):
        assert case["metrics"][name]["unit"] == "s"
        assert {"n", "mean", "p50", "p90", "p95", "p99", "max", "low", "high"} <= set(case["metrics"][name])
    for name in ("decode_speed", "output_throughput", "peak_memory"):
        assert {"unit", "value", "low", "high", "n"} <= set(case["metrics"][name])
    assert all({"rule", "status", "message"} <= set(verdict) for verdict in found["verdicts"])


def test_json_numbers_are_in_base_units():
    metrics = document(clean_run())["cases"][1]["metrics"]
    assert metrics["ttft"]["mean"] == pytest.approx(0.05)
    assert metrics["tpot"]["mean"] == pytest.approx(0.01)
    assert metrics["e2e"]["mean"] == pytest.approx(0.2)
    assert metrics["decode_speed"]["value"] == pytest.approx(100)
    assert metrics["output_throughput"]["value"] == pytest.approx(320)
    assert (metrics["peak_memory"]["value"], metrics["peak_memory"]["unit"]) == (3e9, "B")


def test_json_keys_and_words_of_the_contract_are_the_same_in_every_language():
    chinese, english = document(clean_run(), "zh"), document(clean_run(), "en")
    assert chinese["run"] == english["run"]
    assert [case["metrics"]["ttft"]["mean"] for case in chinese["cases"]] == [case["metrics"]["ttft"]["mean"] for case in english["cases"]]
    assert [(one["rule"], one["status"]) for one in chinese["verdicts"]] == [(one["rule"], one["status"]) for one in english["verdicts"]]


@pytest.mark.parametrize("name", ["clean", "mixed", "large"])
def test_what_is_null_in_json_has_a_reason_beside_it(name):
    unexplained = [(case["name"], metric, key) for case in document(RUNS[name]())["cases"] for metric, found in case["metrics"].items()
                   for key, value in found.items() if value is None and not found["reasons"].get(key)]
    assert unexplained == []


def test_json_counts_failures_by_kind():
    case = next(case for case in document(mixed_run())["cases"] if case["name"] == "too-large")
    assert case["counts"] == {"issued": 64, "ok": 0, "failed": {"out_of_memory": 64}}


# ── Markdown ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_chinese_table_begins_with_the_eight_columns_of_the_articles():
    header, *rows = table_rows(show(clean_run(), "md", "zh"), "结果")
    assert header[:8] == COLUMNS_ZH
    assert rows[1][:8] == ["batch-4", "7", "16", "4", "50", "100", "320.0", "3"]


def test_the_english_table_has_the_same_numbers():
    header, *rows = table_rows(show(clean_run(), "md", "en"), "Results")
    assert len(header) == len(rows[0]) == 11
    chinese = [row[1:10] for row in table_rows(show(clean_run(), "md", "zh"), "结果")[1:]]
    assert [[cell.replace(" %", "%") for cell in row[1:10]] for row in rows] == chinese


def test_what_is_missing_is_a_dash_and_never_zero():
    rows = {row[0]: row for row in table_rows(show(mixed_run(), "md"), "Results")[1:]}
    assert rows["too-large"][1:] == ["-", "-", "64", "-", "-", "-", "-", "0", "-", "failed"]
    assert rows["one-token"][5] == "-"
    assert rows["alone"][7] == "-"


def test_the_verdict_comes_before_the_numbers():
    for face in ("text", "md"):
        shown = show(clean_run(), face)
        assert shown.index("TRUSTED") < shown.index("320.0")


def test_titles_are_in_the_language_of_the_report():
    run = make_run([make_trial()], cases=[plan_case(title={"zh": "短输入", "en": "Short prompt"})])
    assert "短输入" in show(run, "md", "zh")
    assert "Short prompt" not in show(run, "md", "zh")
    assert "Short prompt" in show(run, "md", "en")


def test_the_report_of_a_verification_shows_the_texts():
    for face in ("text", "md"):
        assert all(text.strip() in show(checked_only_run(), face) for text in PROMPTS.values())


# ── terminal ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", list(RUNS))
def test_no_line_is_wider_than_the_terminal(name, lang):
    assert [line for line in show(RUNS[name](), "text", lang).splitlines() if cell_len(line) > 80] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_large_numbers_fit_and_are_not_cut(lang):
    findings = findings_of(clean_run())
    wide = make_finding("wide", 1024, throughput=1234567.0, ttft=98.76543, tpot=0.00012345, input_tokens=131072.0, output_tokens=16384.0)
    shown = FACES["text"](replace(findings, cases=(wide,)), translator(lang), lang)
    assert all(cell_len(line) <= 80 for line in shown.splitlines())
    for number in ("131,072", "16,384", "1024", "98,765", "8,100", "1,234,567"):
        assert number in shown


def test_a_wide_terminal_is_used_up_to_120_cells(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    widest = max(cell_len(line) for line in show(mixed_run(), "text").splitlines())
    assert 80 < widest <= 120


# ── hostile text ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def haunted_run(place, text):
    """A run with ``text`` as its model's name, a case's title, an error message, or what the model wrote."""
    cases = [plan_case("short", title={"zh": text, "en": text} if place == "title" else {}), plan_case("free", stop_at_eos=True)]
    written = text if place == "output" else "fine"
    trials = [*verify_trials({"0": written, "1": "fine"}), make_trial("short"), make_trial("free", records=(make_record(text=written),)),
              make_failure("short", 1, error=text if place == "error" else "fine")]
    model = f"/models/{text if place == 'model' else 'fine'}"
    target = {"engine": "transformers", "device": "cuda", "model": model, "dtype": "bf16", "options": {}}
    return make_run(trials, cases=cases, target=target, asked={"model": model})


def skeleton(markdown):
    """What of each line outside the code block is markup."""
    body = markdown.split("```bash")[0]
    return [re.sub(r"[^|`<>*_#\[\]]", "", re.sub(r"\\.", "", line)) for line in body.split("\n")]


PLACES = ("model", "title", "error", "output")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_does_not_command_a_terminal(place, lang):
    tame = "".join(character if character.isprintable() else " " for character in HOSTILE)
    shown = show(haunted_run(place, HOSTILE), "text", lang)
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert shown == show(haunted_run(place, tame), "text", lang)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_is_no_markup_in_markdown(place, lang):
    shown = show(haunted_run(place, HOSTILE), "md", lang)
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert skeleton(shown) == skeleton(show(haunted_run(place, "tame"), "md", lang))
    block = shown.split("```bash\n")[1].splitlines()
    assert len(block) == 2
    assert block[1] == "```"


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_is_kept_as_it_is_in_json(place):
    found = document(haunted_run(place, HOSTILE))
    if place == "model":
        assert found["run"]["model"] == HOSTILE
    if place == "title":
        assert found["cases"][0]["title"]["en"] == HOSTILE
    if place == "error":
        assert any(HOSTILE in verdict["message"] for verdict in found["verdicts"])
    if place == "output":
        assert found["texts"]["0"] == HOSTILE


def test_the_command_to_reproduce_gives_a_shell_the_model_as_one_word():
    run = haunted_run("model", "my model; echo `id` $(id)")
    assert shlex.split(findings_of(run).reproduce[0]).count("/models/my model; echo `id` $(id)") == 1


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_no_number_is_cut_off_however_narrow_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    findings = findings_of(clean_run())
    for lang in ("en", "zh"):
        text = FACES["text"](findings, translator(lang), lang)
        shown = "".join(text.split())
        for row in table.rows(findings, translator(lang), lang):
            assert all("".join(cell.removesuffix("%").split()) in shown for cell in row[1:])  # its head has the unit
