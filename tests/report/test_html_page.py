"""The page: one file under a policy that lets nothing in, both languages, the numbers of the findings, and hostile text that stays text."""

import base64
import hashlib
import re
from dataclasses import replace
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

import pytest
import test_faces
import test_load_faces
from builders import clean_run, make_trial, plan_case, verify_trials
from builders import make_run as run_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import read
from test_faces import HOSTILE

import touchstone.report.html.page as page_module
from touchstone.finding import Judgement, Trust
from touchstone.judge.findings import findings_of
from touchstone.judge.plots import plots_of
from touchstone.message import say
from touchstone.plots import Plots
from touchstone.report import table
from touchstone.report.charts import drawing, palette
from touchstone.report.charts.wording import identifier
from touchstone.report.html.blocks import Grid
from touchstone.report.html.masking import MASK, masked
from touchstone.report.html.page import to_html
from touchstone.report.i18n import translator
from touchstone.units import gigabytes

RUNS = {**{f"run-{name}": make for name, make in test_faces.RUNS.items()}, **{f"load-{name}": make for name, make in test_load_faces.RUNS.items()}}
EVERY_RUN = pytest.mark.parametrize("name", list(RUNS))


def six_scenarios():
    """A run of six cases, as the default suite plays it."""
    shapes = [("first-short", 1, 16), ("first-long", 1, 16), ("long-output", 1, 64), ("batch-4", 4, 16), ("batch-8", 8, 16), ("long", 1, 16)]
    trials = [make_trial(name, index, batch_size=batch, tokens=tokens, first_ns=50_000_000 + 400_000 * ((index * 7 + launch) % 5), launch=launch)
              for launch in range(2) for index in range(5) for name, batch, tokens in shapes]
    cases = [plan_case(name, batch_size=batch, output_tokens=tokens, title={"zh": f"场景 {name}", "en": f"Scenario {name}"})
             for name, batch, tokens in shapes]
    return run_of([*verify_trials(), *trials], cases=cases)


@cache
def judged(name):
    run = RUNS[name]() if name in RUNS else six_scenarios()
    found = findings_of(run)
    return found, plots_of(run, found)


@cache
def page(name, lang="en"):
    return to_html(*judged(name), lang)


@cache
def tree(name, lang="en"):
    return read(page(name, lang))


def undrawn(findings, plots=None, lang="en"):
    """A page without pictures, which is quick to make."""
    return to_html(findings, Plots() if plots is None else plots, lang)


# ── one file, and nothing else ───────────────────────────────────────────────────────────────────────────────────────────


def digest(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@EVERY_RUN
def test_the_policy_lets_in_only_the_style_and_script_of_the_page(name):
    root = tree(name)
    policy = root.one("meta", http_equiv="Content-Security-Policy").facts["content"]
    assert policy == (f"default-src 'none'; style-src '{digest(root.one('style').says())}'; script-src '{digest(root.one('script').says())}'; "
                      "img-src data: blob:; base-uri 'none'; form-action 'none'")


@EVERY_RUN
def test_nothing_is_fetched_and_nothing_runs_from_an_attribute(name):
    root = tree(name)
    for element in root.all():
        assert element.tag not in {"link", "iframe", "object", "embed", "base", "img", "audio", "video", "source", "foreignobject"}
        for fact, value in element.facts.items():
            assert not fact.startswith("on"), (element.tag, fact)
            assert fact != "style", element.tag
            if fact in {"href", "src", "xlink:href", "action", "formaction", "data", "srcset", "poster"}:
                assert value.startswith("#"), (element.tag, fact, value)
            if fact in {"fill", "stroke", "clip-path", "mask", "filter"} and "url(" in value:
                assert re.fullmatch(r"url\(#[\w-]+\)", value), value
    assert "url(" not in root.one("style").says()
    assert "@import" not in root.one("style").says()
    assert not re.search(r"fetch\(|XMLHttp|WebSocket|localStorage|sessionStorage|cookie|eval\(|innerHTML|http:", root.one("script").says()
                         .replace("http://www.w3.org/2000/svg", ""))


def test_the_script_is_small_and_the_page_without_pictures_is_whole_without_it():
    root = tree("six")
    assert len(root.one("script").says().encode()) <= 12_000
    assert list(root.all("button")) == [*root.one("template", id="table-tools").all("button"), *root.one("template", id="figure-tools").all("button"),
                                        *root.one("template", id="command-tools").all("button"), *root.one("dialog").all("button")]


@EVERY_RUN
def test_every_reference_has_its_target_and_no_id_is_used_twice(name):
    root = tree(name)
    ids = [element.facts["id"] for element in root.all() if "id" in element.facts]
    assert sorted(ids) == sorted(set(ids))
    for element in root.all():
        for fact in ("aria-labelledby", "aria-describedby", "for"):
            assert set((element.facts.get(fact) or "").split()) <= set(ids)
        if "href" in element.facts:
            assert element.facts["href"][1:] in ids


def test_six_scenarios_with_their_pictures_stay_below_their_budget():
    assert len(list(tree("six").all("figure"))) >= 8
    assert len(page("six").encode()) <= 400_000


def test_the_same_run_gives_the_same_page():
    found, plots = judged("six")
    assert undrawn(found, replace(plots, dots=(), cdfs=())) == undrawn(found, replace(plots, dots=(), cdfs=()))


# ── both languages ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_language_asked_for_is_shown_first_and_the_other_is_there(lang):
    root = tree("run-clean", lang)
    assert root.one("html").facts["lang"] == {"en": "en", "zh": "zh-CN"}[lang]
    assert [choice.facts["id"] for choice in root.all("input", name="lang") if "checked" in choice.facts] == [f"lang-{lang}"]
    assert "Mean TTFT (ms)" in root.one("table", id="results").says("en")
    assert "平均首token延迟(ms)" in root.one("table", id="results").says("zh")


@EVERY_RUN
def test_every_text_stands_in_both_languages_and_says_which(name):
    root = tree(name)
    for first, second in (("en", "zh"), ("zh", "en")):
        for parent in [root, *root.all()]:
            kinds = [child.facts.get("class") for child in parent.children if not isinstance(child, str)]
            assert kinds.count(first) == kinds.count(second), parent
    assert {one.facts["lang"] for one in root.all(cls="en")} <= {"en"}
    assert {one.facts["lang"] for one in root.all(cls="zh")} <= {"zh-CN"}


# ── the numbers of the findings ──────────────────────────────────────────────────────────────────────────────────────────


def cells(root, name, lang):
    """The text of a table; the name of a case, which stands beside its title, is left out."""
    found = root.one("table", id=name)
    rows = [[cell for cell in row.children if not isinstance(cell, str)] for row in found.all("tr")]
    for row in rows:
        for cell in row:
            cell.children = [child for child in cell.children if isinstance(child, str) or child.facts.get("class") != "name"]
    return [[cell.words(lang) for cell in row] for row in rows]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", ["run-clean", "run-mixed", "run-large", "six"])
def test_the_results_are_the_table_that_every_face_shows(name, lang):
    found, _ = judged(name)
    header, *body = cells(read(page(name)), "results", lang)
    assert header == [column.render(translator(lang)) for column in table.COLUMNS]
    assert body == [[" ".join(cell.split()) for cell in row] for row in table.rows(found, translator(lang), lang)]


@pytest.mark.parametrize("name", ["run-clean", "load-several"])
def test_cards_show_the_headline(name):
    found, _ = judged(name)
    cards = list(tree(name).all("li", cls="card"))
    assert len(cards) == len(found.headline.cards) > 3
    for shown, card in zip(cards, found.headline.cards, strict=True):
        assert card.trust.value in shown.facts["class"].split()
        value = table.number(card.estimate.value, table.SCALES[card.estimate.metric].factor)
        if card.id == "best_batch":
            assert shown.one("b").says() == str(next(case.batch_size for case in found.cases if case.name == card.case))
            assert f"at {value} tokens/s" in shown.words("en")
            assert str(card.note) in " ".join(one.words("en") for one in shown.all("p", cls="share"))
        else:
            assert shown.one("b").says() == value
        assert f"n = {card.estimate.n:,}" in shown.words()
        assert (card.limit_share is None or card.id == "best_batch") == (not list(shown.all("rect", cls="fill")))
        assert str(card.limit) in shown.words("en")


@pytest.mark.parametrize("name", ["run-mixed", "load-several"])
def test_the_trust_strip_has_the_verdict_and_the_three_gravest_reasons(name):
    found, _ = judged(name)
    strip = tree(name).one("div", cls="trust")
    assert found.trust.value in strip.facts["class"].split()
    assert table.TRUST_WORDS[found.trust].template in strip.words("en")
    for verdict in table.gravest(found.verdicts, 3):
        assert " ".join(str(verdict.message).split()) in strip.words("en")


@EVERY_RUN
def test_the_audit_has_every_verdict_and_the_gravest_first(name):
    found, _ = judged(name)
    tables = [table_id for table_id in ("verdicts", "passes") if list(tree(name).all("table", id=table_id))]
    assert tables == [table_id for table_id, there in (("verdicts", any(one.status is not Judgement.PASS for one in found.verdicts)),
                                                       ("passes", any(one.status is Judgement.PASS for one in found.verdicts))) if there]
    rows = cells(read(page(name)), "verdicts", "en")[1:] if "verdicts" in tables else []
    passes = cells(read(page(name)), "passes", "en")[1:] if "passes" in tables else []
    shown = {(row[0], row[1], row[3]) for row in rows} | {("pass", row[0], row[2]) for row in passes}
    assert {(table.STATUS_WORDS[one.status].template, one.rule, " ".join(table.shortened(str(one.message), 4000).split()))
            for one in found.verdicts} == shown
    rules = [row[0] for row in passes]
    assert [rule for rule, _ in groupby(rules)] == list(dict.fromkeys(rules))  # what a rule found of each case stands together
    order = [table.STATUS_WORDS[one].template for one in (Judgement.IMPOSSIBLE, Judgement.INCONSISTENT, Judgement.SUSPECT, Judgement.PASS,
                                                          Judgement.CANNOT_TELL)]
    places = [order.index(row[0]) for row in rows]
    assert places == sorted(places)


def test_a_row_of_the_audit_names_its_cases_or_says_all():
    found, _ = judged("run-mixed")
    names = {case.name for case in found.cases}
    for row in cells(read(page("run-mixed")), "verdicts", "en")[1:]:
        assert row[2] in {"-", f"all {len(names)}"} or set(row[2].split(", ")) <= names


def test_the_filter_counts_what_it_shows():
    audit = tree("run-mixed").one("section", id="part-audit")
    rows = list(audit.one("table", id="verdicts").one("tbody").all("tr"))
    for choice in audit.one("fieldset").all("label"):
        tone = choice.one("input").facts.get("class", "").removeprefix("only-")
        count = len([row for row in rows if row.facts["class"] == tone]) if tone else len(rows)
        assert f"({count})" in choice.words("en")


@pytest.mark.parametrize("name", ["six", "load-several"])
def test_what_decides_is_seen_and_the_rest_is_a_fold_away(name):
    root = tree(name)
    folded = {figure.facts["id"] for fold in root.all("details", cls="more") for figure in fold.all("figure")}
    seen = [figure.facts["id"] for figure in root.all("figure") if figure.facts["id"] not in folded]
    kinds = [figure.partition("-")[0] for figure in seen]
    assert {"cdf-ttft", "cdf-tpot"} <= set(seen)
    assert folded >= {"cdf-itl", "cdf-e2e"}
    assert all(kinds.count(kind) == 1 for kind in ("gantt", "timeline", "dots", "scaling", "curve", "pareto") if kind in kinds)
    for fold in root.all("details", cls="more"):
        said = next(fold.all("summary")).words("en")
        assert all(figure.one("h3").words("en") in said for figure in fold.all("figure"))
        assert list(fold.all("table"))


def test_the_course_that_is_seen_is_that_of_the_headline():
    found, plots = judged("load-several")
    card = found.headline.cards[0]
    assert card.case in {gantt.case for gantt in plots.gantts}
    folded = {figure.facts["id"] for fold in tree("load-several").all("details", cls="more") for figure in fold.all("figure")}
    assert [figure.facts["id"] for figure in tree("load-several").all("figure") if figure.facts["id"].startswith("gantt")
            and figure.facts["id"] not in folded] == [identifier("gantt", card.case)]


def test_fields_that_share_a_reason_share_an_entry():
    found, plots = judged("load-several")
    same = replace(plots, missing={"scaling": say("because"), "heat_maps": say("because"), "memory": say("for another reason")})
    entries = [one.words("en") for part in read(undrawn(found, same)).all("ul", cls="missing") for one in part.all("li")]
    assert entries == ["Not shown: Scaling with the batch, Batch and length because", "Memory for another reason"]


def test_the_memory_of_each_case_is_one_row():
    found, _ = judged("six")
    head, *rows = cells(read(page("six")), "memory-sizes", "en")
    assert head[:2] == ["Scenario", "KV cache, computed"]
    assert [row[0] for row in rows] == [case.title["en"] for case in found.cases]
    for case, row in zip(found.cases, rows, strict=True):
        assert set(row[1:]) <= {gigabytes(size) for size in (case.kv_bytes, *case.memory_peaks.values()) if size is not None} | {"-"}
    assert cells(read(page("six")), "loading", "en")[1][0] == "Weights, as stored"


def test_columns_of_numbers_are_told_from_empty_ones():
    def right(*column):
        return Grid("g", "", ("",), tuple((cell,) for cell in column)).numeric[0]

    assert all(map(right, ("1,234", "-"), ("± 3 %".replace("± ", "±"), "5 %"), ("17.90 … 34.10", "-"), ("100 % (98.2 … 100)", "64 (64, 65)")))
    assert not any(map(right, ("-", "-"), ("", ""), ("a 1", "2"), ("c1", "c2")))


def test_numbers_stand_to_the_right_and_words_to_the_left():
    for table_id in ("results", "latencies", "verdicts", "dots-output-throughput-table"):
        found = tree("six").one("table", id=table_id)
        of_numbers = "num" in (found.facts.get("class") or "").split()
        heads = [cell.facts.get("class") == "n" for cell in found.one("thead").all("th")]
        for row in found.one("tbody").all("tr"):
            cells_right = [cell.facts.get("class") != "t" if of_numbers else cell.facts.get("class") == "n" for cell in row.all("td")]
            assert cells_right == heads[1:]
        assert any(heads) or table_id == "verdicts"


def test_the_method_and_the_command_stand_in_the_page():
    found, _ = judged("run-clean")
    part = tree("run-clean").one("section", id="part-reproduce")
    assert part.one("pre").says().splitlines() == list(found.reproduce)
    assert "warm-up" in part.words("en")


def test_a_picture_that_is_missing_says_why():
    found, plots = judged("load-one")
    said = read(undrawn(found, plots)).words("en")
    assert plots.missing
    for reason in plots.missing.values():
        assert " ".join(str(reason).split()) in said


def test_without_the_drawing_library_the_numbers_stand_in_tables(monkeypatch):
    whole = tree("run-clean")
    monkeypatch.setattr(drawing, "installed", lambda: False)
    root = read(to_html(*judged("run-clean"), "en"))
    figures = list(root.all("figure"))
    assert len(figures) == len(list(whole.all("figure"))) > 3
    assert all("open" in figure.one("details").facts for figure in figures)
    assert not list(root.all("div", cls="picture"))
    assert "llm-touchstone[charts]" in root.words("en")
    assert "llm-touchstone[charts]" not in whole.words("en")


# ── for everybody ────────────────────────────────────────────────────────────────────────────────────────────────────────


@EVERY_RUN
def test_headings_go_down_one_step_at_a_time(name):
    levels = [int(element.tag[1]) for element in tree(name).all() if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@EVERY_RUN
def test_tables_can_be_heard_and_scrolled_by_keyboard(name):
    root = tree(name)
    regions = list(root.all("div", cls="scroll"))
    assert all((one.facts["role"], one.facts["tabindex"]) == ("region", "0") and one.facts["aria-labelledby"] for one in regions)
    assert len(regions) == len(list(root.all("table")))
    for found in root.all("table"):
        assert found.facts["aria-labelledby"]
        assert {cell.facts["scope"] for cell in found.one("thead").all("th")} == {"col"}
        body = found.one("tbody")
        assert all(row.children[0].facts.get("scope") == "row" for row in body.all("tr"))
        widths = {len([cell for cell in row.children if not isinstance(cell, str)]) for row in found.all("tr")}
        assert len(widths) == 1


def test_every_input_has_a_name_and_every_picture_a_table():
    root = tree("six")
    for choice in root.all("label"):
        assert choice.one("input")
        assert choice.words()
    for figure in root.all("figure"):
        drawing = figure.one("div", cls="picture").one("svg")
        assert drawing.facts["role"] == "img"
        assert list(figure.one("table").all("tr"))[1:]


def _luminance(colour):
    parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The contrast of two colours, by WCAG 2.2."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_text_stands_out_from_its_ground(theme):
    blocks = re.findall(r"color-scheme:(?:light|dark);([^}]*)}", palette.css())
    colours = dict(rule.split(":") for rule in blocks[theme].split(";") if rule)
    for ink in ("--ink", "--muted", "--s0"):
        assert contrast(colours[ink], colours["--surface"]) >= 4.5
        assert contrast(colours[ink], colours["--shade"]) >= 4.5
    pale = _mixed(colours["--shade"], colours["--surface"])
    for tone in ("--good", "--bad", "--warn", "--muted"):
        assert contrast(colours[tone], colours["--surface"]) >= 4.5
        assert contrast(colours[tone], pale) >= 4.5


def _mixed(one, other):
    return "#" + "".join(f"{(int(one[place:place + 2], 16) + int(other[place:place + 2], 16)) // 2:02x}" for place in (1, 3, 5))


# ── hostile text ─────────────────────────────────────────────────────────────────────────────────────────────────────────

TEMPTING = HOSTILE + "\"' onload=alert(1) --> ]]> </style></script></title><svg/onload=alert(1)> {{ 7*7 }} {% raw %} &amp; \x00 \ufeff javascript:alert(1)"


def shape(root):
    """Every element of a page with the names of its attributes: what text must not change."""
    return [(element.tag, tuple(sorted(element.facts))) for element in root.all() if element.facts.get("class") not in {"en", "zh"}]


@pytest.mark.parametrize("place", test_faces.PLACES)
def test_hostile_text_stays_text(place):
    hostile, tame = findings_of(test_faces.haunted_run(place, TEMPTING)), findings_of(test_faces.haunted_run(place, "tame"))
    shown = undrawn(hostile)
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert shape(read(shown)) == shape(read(undrawn(tame)))
    assert "49 " not in shown


@pytest.mark.parametrize("place", ["title", "error"])
def test_hostile_text_stays_text_in_pictures(place):
    run = test_faces.haunted_run(place, TEMPTING)
    found = findings_of(run)
    shown = to_html(found, plots_of(run, found), "en")
    root = read(shown)
    assert list(root.all("figure"))
    assert len(list(root.all("script"))) == 1
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []


@pytest.mark.parametrize("place", ["server", "case", "reason"])
def test_hostile_text_of_a_server_stays_text(place):
    hostile, tame = findings_of(test_load_faces.haunted(place, TEMPTING)), findings_of(test_load_faces.haunted(place, "tame"))
    shown = undrawn(hostile)
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert len(list(read(shown).all("script"))) == 1
    assert {tag for tag, _ in shape(read(shown))} == {tag for tag, _ in shape(read(undrawn(tame)))}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(min_size=1, max_size=60))
def test_no_text_changes_the_page(text):
    found, _ = judged("run-clean")
    changed = replace(found, identity={**found.identity, "model": text, "engine": text}, plan_name=text, run_id=text, created=text, texts={"0": text},
                      reproduce=(text,), environment={"fact": text})
    usual = replace(changed, identity={**found.identity, "model": "m", "engine": "e"}, plan_name="p", run_id="r", created="c", texts={"0": "t"},
                    reproduce=("r",), environment={"fact": "f"})
    shown = undrawn(changed)
    assert {tag for tag, _ in shape(read(shown))} == {tag for tag, _ in shape(read(undrawn(usual)))}
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_megabytes_of_junk_do_not_swell_the_page():
    found, _ = judged("run-clean")
    junk = "x<" * 2_000_000
    small = undrawn(found)
    large = undrawn(replace(found, identity={**found.identity, "model": junk}, texts={"0": junk}, environment={"fact": junk}))
    assert len(large) < len(small) + 150_000
    assert len(list(read(large).all("script"))) == 1


# ── what is passed on ────────────────────────────────────────────────────────────────────────────────────────────────────


def served_at(base_url):
    found = findings_of(test_load_faces.one_case())
    identity = {**found.identity, "base_url": base_url}
    return replace(found, identity=identity, reproduce=(f"touchstone load -c runs/x/plan.yaml --base-url {base_url} --model small",),
                   environment={"proxy": f"via {base_url}/x"})


@pytest.mark.parametrize(("base_url", "host"), [
    ("http://10.20.30.40:8000", "10.20.30.40"), ("https://gpu-7.lab.corp.example:8443/v1", "gpu-7.lab.corp.example"),
    ("http://[fd00::12:7]:8000", "fd00::12:7"), ("http://me:secret@inference:8000", "inference"),
])
def test_the_host_of_a_server_is_masked(base_url, host):
    found = served_at(base_url)
    shown = undrawn(masked(found))
    assert host in undrawn(found)
    assert host not in shown.replace("LLM inference", "")
    assert "secret" not in shown
    assert MASK in shown


def test_a_host_is_masked_outside_addresses_too_and_only_as_a_whole():
    found = replace(served_at("http://10.20.30.4:8000"), environment={"peer": "seen at 10.20.30.4, not 10.20.30.40 or 110.20.30.4"})
    assert masked(found).environment["peer"] == f"seen at {MASK}, not 10.20.30.40 or 110.20.30.4"


def test_a_name_that_is_a_word_is_masked_in_addresses_only():
    found = replace(served_at("http://tokens:8000"), plan_name="tokens per second")
    shown = masked(found)
    assert shown.identity["base_url"] == f"http://{MASK}:8000"
    assert MASK in shown.reproduce[0]
    assert shown.plan_name == "tokens per second"
    assert shown.definitions == found.definitions


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000", "http://localhost:9", "http://[::1]:8000", None, "", "http://[", "no address"])
def test_an_address_of_this_host_or_none_is_left_as_it_is(base_url):
    found = served_at(base_url)
    assert masked(found) == found


def test_masking_changes_nothing_else():
    found = served_at("http://10.20.30.40:8000")
    shown = masked(found)
    assert replace(shown, identity=found.identity, reproduce=found.reproduce, environment=found.environment) == found
    assert shown.trust is Trust(found.trust)


def test_templates_escape_by_default():
    environment = page_module._templates()
    assert environment.autoescape is True
    assert environment.from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(page_module.__file__).parent.glob("templates/*.j2"))
    assert "safe" not in re.findall(r"\|\s*(\w+)", sources)
    assert sorted(re.findall(r"\|\s*(drawing|swatch)", sources)) == ["drawing", "swatch"]


def test_nothing_is_drawn_of_a_clean_run_that_was_not_measured():
    assert clean_run().trials
    found, _ = judged("run-unloaded")
    assert found.cases == () or all(case.ok == 0 for case in found.cases)
    assert not list(tree("run-unloaded").all("figure"))
