"""The report on paper: A4, light, without controls, no figure or row over the edge of a page."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from eyes import boxes, faint

pytestmark = pytest.mark.slow
PAPER = {"width": 703, "height": 1017}
"""What the margins leave of A4, in CSS pixels: 186 mm by 269 mm."""


@pytest.fixture(params=[("six", "en"), ("six", "zh"), ("load", "zh"), ("rejected", "en"), ("hostile", "en")], ids="-".join)
def printed(request, report):
    """A report as it is about to be printed, from the dark theme."""
    page = report(*request.param, "dark", viewport=PAPER)
    page.emulate_media(media="print")
    return page


def test_paper_is_light_and_has_no_controls(printed):
    for control in (".switches", "nav", "button", ".what", ".filter", ".skip", ".trust > a"):
        assert printed.locator(f"{control}:visible").count() == 0, control
    assert printed.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert faint(printed) == set()


def test_nothing_is_wider_than_the_paper_and_no_figure_is_longer(printed):
    wide = [box for box in boxes(printed, ".page *:not(.unseen, .unseen *, svg *)") if box[2] > PAPER["width"] + 1]
    assert wide == []
    for part in ("figure", ".card", ".trust", ".sentence"):
        assert [box for box in boxes(printed, part) if box[3] - box[1] > PAPER["height"]] == [], part
        assert set(printed.locator(part).evaluate_all("(all) => all.map((one) => getComputedStyle(one).breakInside)")) <= {"avoid"}, part


def test_it_prints_in_both_languages_with_every_figure_on_one_page(report, tmp_path):
    for lang, name in (("en", "six"), ("zh", "load")):
        page = report(name, lang)
        figures = page.evaluate("""() => [...document.querySelectorAll('figure')].filter((one) => one.checkVisibility()).map((one) => [one.querySelector('h3').innerText,
            [...one.querySelectorAll('svg.chart text')].filter((text) => text.checkVisibility() && !/rotate/.test(text.getAttribute('transform'))).map((text) => text.textContent).filter((text) => text.length > 12)])""")
        content = page.pdf(format="A4", prefer_css_page_size=True)
        count = len(re.findall(rb"/Type\s*/Page\b", content))
        assert 4 <= count <= 25
        if shutil.which("pdftotext") is None:
            continue
        (tmp_path / "report.pdf").write_bytes(content)
        done = subprocess.run(["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, check=True)
        sheets = ["".join(sheet.split()) for sheet in done.stdout.split("\f")[:-1]]
        assert len(sheets) == count
        assert len(figures) > 5
        for heading, labels in figures:
            here = [sheet for sheet in sheets if "".join(heading.split()) in sheet]
            words = [word for label in labels for word in re.findall(r"[A-Za-z]{3,}|[\u4e00-\u9fff]{2,}", label)]
            assert any(all(word in sheet for word in words) for sheet in here), (heading, labels)
