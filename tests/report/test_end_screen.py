"""What stands on the terminal at the end: verdict before numbers, 24 lines of 80 cells, and only letters that the terminal has."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from builders import clean_run, make_finding, make_load, make_load_run, steady_requests
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from test_load_faces import SLOS, several_cases

from touchstone.finding import Advice, Card, Headline, Judgement, Trust, Verdict
from touchstone.judge.findings import findings_of
from touchstone.message import say
from touchstone.plan import load_plan
from touchstone.report import FACES, load_text, terminal, text
from touchstone.report.end_screen import painted
from touchstone.report.i18n import translator

SCREENS = Path(__file__).with_name("screens")
LANGUAGES = ("en", "zh")
LONG = "the first trial is 11.3 % slower than the rest; more warm-up is needed, and other work took 22.0 % of the host's cores meanwhile"


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def scenarios(count=6):
    """The cases of the packaged suite, with the numbers of a card, and as many more as wanted."""
    numbers = {"first-token-short": (0.0247, 0.0083, 118.1), "first-token-long": (0.0711, 0.0128, 75.17), "long-output": (0.0379, 0.0089, 111.6),
               "batch-4": (0.0757, 0.0244, 161.4), "batch-8": (0.1374, 0.0344, 12_227.4), "long-context": (1.321, 0.0102, 48.97)}
    plan = load_plan("six-scenarios").cases
    cases = [make_finding(case.name, case.batch_size, numbers[case.name][2], ttft=numbers[case.name][0], tpot=numbers[case.name][1], title=case.title,
                          input_tokens=float(case.input_tokens), output_tokens=float(case.output_tokens)) for case in plan]
    return tuple((cases * 4)[:count])


def findings(**changes):
    """A run of six scenarios with more to say than there is room for."""
    cases = changes.pop("cases", scenarios())
    verdicts = tuple(Verdict(rule, status, say("{text}", text=LONG), "long-output") if place else Verdict(rule, status, say("short and bad"))
                     for place, (rule, status) in enumerate([("steady", Judgement.SUSPECT), ("contention", Judgement.INCONSISTENT),
                                                             ("verified", Judgement.CANNOT_TELL), ("precision", Judgement.SUSPECT)]))
    verdicts = tuple(replace(one, message=say("{place}: {text}", place=place, text=one.message)) for place, one in enumerate(verdicts))
    ttft = cases[0].metrics["ttft"]
    cards = (Card("ttft", "first-token-short", ttft, Trust.TRUSTED, say("of the peak"), 0.28), Card("tpot", "x", ttft, Trust.TRUSTED, say("y"), 0.54),
             Card("decode_speed", "x", ttft, Trust.TRUSTED, say("y"), 0.54), Card("goodput", "x", ttft, Trust.TRUSTED, say("nobody knows")))
    known = {
        "cases": cases, "verdicts": verdicts, "trust": Trust.REJECTED, "plan_name": "six-scenarios",
        "headline": Headline(cards, say("small bf16 on NVIDIA H200: first token after 24.7 ms, 120 tokens/s to one user, up to 12,227 tokens/s at batch 8.")),
        "analysis": tuple(("ttft", say("analysis {n}: {text}", n=place, text=LONG)) for place in range(5)),
        "advice": (Advice(say("memory"), say("plan at least 3 GB"), "batch-8"),), "silent": (say("nothing is said of batches"),),
        "reproduce": ("touchstone run runs/hand-made/plan.yaml --engine transformers --device cuda --model /models/small --dtype bf16",),
    }
    return replace(findings_of(clean_run()), **{**known, **changes})


def screen(found, lang="en"):
    return FACES["text"](found, translator(lang), lang)


def order(shown, *parts):
    places = [shown.index(part) for part in parts]
    assert places == sorted(places), parts


# ── what stands where ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_screen_of_six_scenarios_is_as_it_was_looked_at():
    assert screen(findings()) + "\n" == (SCREENS / "six-scenarios.en.txt").read_text(encoding="utf-8")


def test_the_table_in_chinese_is_as_it_was_looked_at():
    """Only its rows: the words around them belong to the catalogue."""
    rows = [line for line in screen(findings(), "zh").splitlines() if line.rstrip().endswith(("可信", "存疑", "不可信"))][-6:]
    assert "\n".join(rows) + "\n" == (SCREENS / "six-scenarios-rows.zh.txt").read_text(encoding="utf-8")


def test_the_screen_of_a_load_is_as_it_was_looked_at():
    found = replace(findings_of(several_cases(3)), headline=Headline((), say("small on vllm keeps what it was asked to keep.")))
    assert screen(found) + "\n" == (SCREENS / "load.en.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_six_scenarios_fit_a_screen_each_in_one_line(lang):
    lines = screen(findings(), lang).splitlines()
    assert len(lines) <= 24
    assert max(map(cell_len, lines)) <= 80
    assert sum("128" in line and line.endswith(translator(lang)("TRUSTED")) for line in lines) == 5  # the sixth is of 512 tokens


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("cases", range(2, 7))
def test_as_many_loads_fit_a_screen(cases, lang):
    found = findings_of(several_cases(cases))
    assert len(found.cases) == cases
    lines = screen(replace(found, headline=Headline((), say("a sentence. " * 6))), lang).splitlines()
    assert len(lines) <= 24
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize("cases", [7, 12, 24])
def test_more_cases_are_more_rows_and_nothing_else_grows(cases):
    assert len(screen(findings(cases=scenarios(cases))).splitlines()) <= 24 + cases - 6


def test_parts_stand_in_their_order():
    translate = str
    order(text.to_text(findings(), translate, "en"), "small bf16", "REJECTED", "short and bad", "small bf16 on NVIDIA H200", "Scenario", "\nLong context",
          "weights", "Share of the physical limit", "report.html", "Reproduce")
    load = load_text.to_load_text(replace(findings_of(several_cases()), headline=Headline((), say("one sentence"))), translate, "en")
    order(load, "load · small", "Verdict", "Client", "SLO ", "one sentence", "\nc1 ", "report.html", "Reproduce")


def test_what_has_no_room_is_left_out_by_its_weight_and_the_gravest_reason_stays():
    shown = screen(findings())
    assert "analysis 0" not in shown
    assert "short and bad" in shown
    assert shown.count("  inconsistent") == 1
    roomy = screen(findings(analysis=(), verdicts=()))
    assert "plan at least 3 GB" in roomy
    assert "nothing is said of batches" in roomy


def test_a_share_is_said_once_and_one_that_nobody_knows_not_at_all():
    line = next(line for line in screen(findings()).splitlines() if line.startswith("Share of the"))
    assert line == "Share of the physical limit: TTFT 28.0 % · TPOT 54 %"


def test_without_a_sentence_there_is_no_line_for_it():
    assert "None" not in screen(findings(headline=Headline((), None)))


def test_a_reason_of_a_thousand_words_is_cut_with_a_sign():
    endless = Verdict("complete", Judgement.SUSPECT, say("{text}", text="word " * 1000))
    shown = screen(findings(verdicts=(endless,)))
    assert len(shown.splitlines()) <= 24
    assert "…" in shown


NAMES = st.text(alphabet="abc-012 长上下文处理（）✓×…", min_size=1, max_size=60)


@settings(max_examples=60)
@given(names=st.lists(NAMES, min_size=1, max_size=9, unique=True), numbers=st.lists(st.floats(1e-6, 1e7), min_size=3, max_size=3),
       words=st.lists(st.text(alphabet="ab 首长。，-/", max_size=300), max_size=5), width=st.integers(40, 120), lang=st.sampled_from(LANGUAGES))
def test_no_line_is_wider_than_the_terminal_whatever_was_found(names, numbers, words, width, lang):
    throughput, ttft, tpot = numbers
    cases = tuple(make_finding(name, 4, throughput, ttft=ttft, tpot=tpot, title={"zh": name, "en": name[::-1]}) for name in names)
    verdicts = tuple(Verdict(f"rule-{place}", Judgement.SUSPECT, say("{words}", words=one), names[0]) for place, one in enumerate(words))
    found = findings(cases=cases, verdicts=verdicts, headline=Headline((), say("{words}", words=" ".join(words) or "x")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        shown = screen(found, lang)
    assert all(cell_len(line) <= width for line in shown.splitlines())
    if width >= 80 and all(cell_len(name) <= 15 for name in names):
        assert len(shown.splitlines()) <= 24 + max(0, len(names) - 6)


def test_where_titles_are_too_long_for_a_line_and_names_are_not_the_table_has_the_names():
    long = tuple(replace(case, title={"en": "A very long title of a very demanding scenario"}) for case in scenarios())
    lines = screen(findings(cases=long)).splitlines()
    assert [line.split()[0] for line in lines if line.endswith("TRUSTED")] == [case.name for case in long]


# ── letters and colours ──────────────────────────────────────────────────────────────────────────────────────────────────


class Stream(io.StringIO):
    def __init__(self, encoding):
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding


@pytest.mark.parametrize(("encoding", "expected"), [
    ("utf-8", "✓ ✗ ± · → – × ≤ 首"), ("ascii", "+ x +- | -> - x <= ?"), ("gbk", "+ x ± · → – × ≤ 首"), ("no-such-encoding", "✓ ✗ ± · → – × ≤ 首")])
def test_signs_are_spelled_in_the_letters_of_the_stream(encoding, expected):
    assert terminal.spelled("✓ ✗ ± · → – × ≤ 首", Stream(encoding)) == expected


@given(st.text(max_size=200), st.sampled_from(["ascii", "gbk", "latin-1", "cp437"]))
def test_what_is_spelled_can_always_be_written(words, encoding):
    assert terminal.spelled(words, Stream(encoding)).encode(encoding) is not None


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_terminal_of_few_letters_has_lines_that_fit(encoding, lang, monkeypatch):
    monkeypatch.setattr(terminal.sys, "stdout", Stream(encoding))
    shown = screen(findings(), lang)
    shown.encode(encoding)
    assert all(cell_len(line) <= 80 for line in shown.splitlines())
    assert len(shown.splitlines()) <= 24


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("trust", list(Trust))
def test_only_the_word_of_the_verdict_is_coloured(trust, lang):
    plain = screen(findings(trust=trust), lang)
    coloured = painted(plain, translator(lang))
    assert coloured.count("\x1b[") == 2
    before, _, rest = coloured.partition("\x1b[")
    assert before.count("\n") <= 3
    assert before + rest.partition("m")[2].replace("\x1b[0m", "", 1) == plain


def test_a_load_of_one_case_keeps_its_levels_beside_the_numbers():
    found = findings_of(make_load_run(steady_requests(400), plan={"slos": SLOS}, load=make_load()))
    lines = screen(found).splitlines()
    assert len(lines) <= 24
    assert sum(line.startswith("SLO ") for line in lines) >= 2
