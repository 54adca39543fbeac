"""The troubleshooting pages are those of the table, and every failure is on them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from touchstone.failures import FAILURES

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "troubleshooting_page.py"))


@pytest.mark.parametrize("lang", TOOL["TROUBLESHOOTING"])
def test_the_page_is_up_to_date(lang):
    assert TOOL["TROUBLESHOOTING"][lang].read_text(encoding="utf-8") == TOOL["troubleshooting"](lang), "run make docs"


@pytest.mark.parametrize("lang", TOOL["TROUBLESHOOTING"])
def test_every_failure_has_its_place(lang):
    page = TOOL["troubleshooting"](lang)
    assert re.findall(r"^### (\S+)", page, re.MULTILINE) == [row.id for row in FAILURES]
    assert page.count("```") == 2 * len(FAILURES)
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == list(dict.fromkeys(row.area for row in FAILURES))


def test_sentences_are_shown_letter_by_letter():
    assert "PYTORCH\\_NPU\\_ALLOC\\_CONF=expandable\\_segments:True" in TOOL["troubleshooting"]("en")
