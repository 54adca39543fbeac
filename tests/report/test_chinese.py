"""Chinese as an engineer writes it: one word for one thing, spaces and marks where they belong, and the right word for memory."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from builders import clean_run, make_run, make_trial
from compared_runs import engine_run, facts
from test_load_faces import open_case, several_cases

from touchstone.judge.compare import compare
from touchstone.judge.compare.margin import usual
from touchstone.judge.compare.measured import measured_of
from touchstone.judge.findings import findings_of
from touchstone.judge.load.estimates import BATCH_MEANS, BETWEEN_REPEATS, SLICE_MEANS
from touchstone.judge.over_launches import BETWEEN_LAUNCHES, WITHIN_LAUNCH
from touchstone.judge.plots import plots_of
from touchstone.judge.summarize import RANGE
from touchstone.listing import RunInDetail
from touchstone.report import FACES, table
from touchstone.report.html.page import to_html
from touchstone.report.i18n import CATALOGUES, measured_on, translator
from touchstone.report.show_text import SHOW_FACES
from touchstone.report.terminal import Screen

ROOT = Path(__file__).resolve().parents[2]
HAN = "[\u4e00-\u9fff]"
FULL = "，。；：？！（）“”、"
ARTICLES_OWN = "平均首token延迟"
"""A column of the articles' table, which keeps their words."""
MISPRINTS = {
    "no space between Chinese and Latin": rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9%]{HAN}",
    "a half-width mark in Chinese": rf"{HAN} ?[,;:!?]|[,;!?]{HAN}",
    "a space beside a full-width mark": rf"(?<=\S) [{FULL}]|[{FULL}] ",
    "a space between two characters": rf"{HAN} {HAN}",
    "two spaces": r"(?<=\S)  +",
    "dots for an ellipsis": rf"{HAN}\.\.\.|\.\.\.{HAN}|(?<!…)…(?!…){HAN}",
    "straight quotes": rf'{HAN}"|"{HAN}',
    "a space before a percent sign": r"[\d}] %",
}
WRONG_WORDS = ("用例", "提示词", "服务器", "吞吐(?!量)", "时延", "试验", "热身", "(?<!本)底噪", "设备内存", "词元", "令牌桶", "您", "极致", "卓越")
GLOSSARY = {
    r"throughputs?": "吞吐量", r"servers?": "服务", r"warm(ing)?[- ]?up": "预热", r"prompts?": "[Pp]rompt|输入", r"tokenizers?": "分词器|tokenizer",
    r"KV cache": "KV 缓存", r"prefix cache": "前缀缓存", r"prefill": "预填充", r"cases|scenarios?": "场景", r"trials?": "试次", r"launch(es)?": "启动|下发",
    r"verdicts?": "判定", r"goodput": "goodput|达标", r"roofline": "屋顶线", r"percentiles?": "百分位", r"request rate": "请求速率",
    r"service levels?": "服务等级", r"margin": "界值", r"noise floors?": "本底噪声", r"measurement floor": "下限", r"in flight": "在途",
    r"latency|latencies": "延迟", r"checkpoints?": "检查点", r"decod(e|ing) speed": "解码速度", r"suites?": "套件", r"weights?": "权重",
    r"speculative": "投机", r"definitions?": "口径", r"memory bandwidth": "带宽",
}
"""English term → what the Chinese has for it, wherever it stands."""


def catalogue():
    return [(one.id, one.string) for one in read_po((CATALOGUES / "zh" / "LC_MESSAGES" / "touchstone.po").open("rb")) if one.id]


def written(template):
    """A template without its fields, its options and what stands in quotes: the words that are ours."""
    return re.sub(r"\{\w+\}|--?[a-z][\w-]*|'[^']*'|`[^`]*`", " ", template)


def pages():
    return sorted([*(ROOT / "docs").rglob("*.zh.md"), ROOT / "README.zh.md"])


def prose(page):
    """The sentences of a page, without code, links, commands and the tables' formulas."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]+`|\]\([^)]*\)|https?://\S+", "x", text)


def test_nothing_is_left_in_english_and_no_field_is_lost():
    def fields(text):
        return set(re.findall(r"\{\w+\}", text))

    assert [one for one, chinese in catalogue() if not chinese or fields(one) != fields(chinese)] == []


@pytest.mark.parametrize("misprint", MISPRINTS)
def test_no_text_is_misprinted(misprint):
    texts = [chinese.strip() for _, chinese in catalogue()]
    assert [text for text in texts if re.search(MISPRINTS[misprint], text.replace(ARTICLES_OWN, "").replace("“指标:毫秒数”", ""))] == []


def test_a_sentence_ends_where_the_english_one_does_and_has_full_width_brackets():
    for english, chinese in catalogue():
        if english.endswith(".") and english != "No.":
            assert re.search(r"[。；]$|[A-Za-z0-9}/]$", chinese), chinese
        if chinese.endswith("。"):
            assert not re.search(rf"{HAN}\(|\){HAN}", chinese), chinese


def test_one_thing_has_one_word():
    used = re.compile("|".join(WRONG_WORDS))
    assert [chinese for _, chinese in catalogue() if used.search(chinese)] == []
    for term, words in GLOSSARY.items():
        standing = re.compile(rf"(?<![\w-])(?:{term})(?![\w-])", re.IGNORECASE)
        assert [(english, chinese) for english, chinese in catalogue() if standing.search(written(english)) and not re.search(words, chinese)] == [], term


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_pages_are_written_like_the_report(page):
    text = prose(page)
    for misprint in ("a space before a percent sign", "a space between two characters", "straight quotes", "a half-width mark in Chinese"):
        if misprint == "a space before a percent sign" and page.name == "definitions.zh.md":
            continue  # its rules are English formulas
        assert re.findall(f".*(?:{MISPRINTS[misprint]}).*", text) == [], misprint
    assert re.findall(".*(?:" + "|".join(one for one in WRONG_WORDS if one != "服务器" or page.name != "first-report.zh.md") + ").*", text) == []


# ── the faces ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def faces(run, **identity):
    """Every Chinese text of a run: as text, as Markdown, in detail, and of the page."""
    found = findings_of(run)
    findings = replace(found, identity={**found.identity, **identity})
    detail = RunInDetail(findings, None, None)
    shown = [FACES[face](findings, translator("zh"), "zh") for face in ("text", "md")] + [SHOW_FACES["md"](detail, translator("zh"), "zh")]
    return [*shown, *map(html.unescape, re.findall(r'<span class="zh" lang="zh-CN">(.*?)</span>', to_html(findings, plots_of(run, findings), "zh")))]


@pytest.mark.parametrize("run", [clean_run(), make_run([make_trial()]), open_case(), several_cases()], ids=["run", "one trial", "open", "several"])
def test_no_label_of_a_face_has_a_half_width_mark(run):
    for text in faces(run):
        for line in text.splitlines():
            assert not re.search(rf"{HAN}\)?\**[:;] ?(?!//)", re.sub(r"`[^`]*`", "", line)), line
            assert not re.search(r"\d %", line) or "E2E" in line, line


def test_a_processor_has_no_device_memory_and_a_device_has():
    assert not any("显存" in text for text in faces(clean_run(), device="cpu"))
    assert any("内存峰值" in text for text in faces(clean_run(), device="cpu"))
    for device in ("npu:0", "cuda:0"):
        shown = faces(clean_run(), device=device)
        assert any("显存峰值(GB)" in text for text in shown)
        assert not any("内存峰值" in text.replace("常驻内存峰值", "") for text in shown)


@pytest.mark.parametrize(("devices", "kind"), [(("cpu", "cpu"), "cpu"), (("npu:0", "npu:0"), "npu"), (("cpu", "npu:0"), None)])
def test_a_comparison_knows_the_device_of_both_sides(devices, kind):
    runs = [engine_run(seed=seed) for seed in range(2)]
    old, new = (measured_of(replace(run, header={**run.header, "launches": facts(device=device)})) for run, device in zip(runs, devices, strict=True))
    assert compare([old], [new], usual(), allow_differences=True).device == kind


def test_a_list_instead_of_a_table_has_the_colons_of_its_language(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    shown = {}
    for lang in ("en", "zh"):
        said = [column.render(translator(lang)) for column in table.COLUMNS]
        screen = Screen()
        screen.table(said, [["a", *map(str, range(10))]])
        shown[lang] = screen.text()
    assert "n: 7" in shown["en"] and "n：7" in shown["zh"] and ": " not in shown["zh"]


def test_what_a_person_named_keeps_its_words():
    translate = translator("zh")
    with measured_on("cpu"):
        assert translate("{case}").format(case="显存压力") == "显存压力"
        assert translate("Peak memory") == "内存峰值"
    assert translate("Peak memory") == "显存峰值"


def test_how_an_interval_was_made_is_said_in_chinese():
    translate = translator("zh")
    for method in (BETWEEN_LAUNCHES, WITHIN_LAUNCH, BETWEEN_REPEATS, BATCH_MEANS, SLICE_MEANS, RANGE):
        assert translate(method) != method
    assert "over launches" not in "".join(faces(clean_run()))


def test_markdown_has_a_blank_line_before_the_reasons():
    """Editors of articles do not begin a list inside a paragraph."""
    for run in (make_run([make_trial()]), open_case()):
        lines = FACES["md"](findings_of(run), translator("zh"), "zh").splitlines()
        first = next(place for place, line in enumerate(lines) if line.startswith("* "))
        assert lines[first - 1] == ""
