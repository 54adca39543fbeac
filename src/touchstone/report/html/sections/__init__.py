"""The sections below the first screen, in the order of the page. A section is a function and a row; one without blocks is left out."""

from __future__ import annotations

from collections.abc import Callable

from touchstone.finding import Findings
from touchstone.message import Message, say
from touchstone.report.both import both
from touchstone.report.html.blocks import Block, Section
from touchstone.report.html.figures import PICTURES, Gallery, unseen
from touchstone.report.html.sections.advice import advice
from touchstone.report.html.sections.audit import audit
from touchstone.report.html.sections.conduct import definitions, environment, reproduction, texts
from touchstone.report.html.sections.measured import devices, latencies, memory, serving

BlocksOf = Callable[[Findings], tuple[Block, ...]]


def _nothing(_findings: Findings) -> tuple[Block, ...]:
    return ()


_SECTIONS: tuple[tuple[str, Message, BlocksOf], ...] = (
    ("advice", say("Advice"), advice),
    ("operating", say("Operating points"), _nothing),
    ("serving", say("Load and service levels"), serving),
    ("latency", say("Latency"), latencies),
    ("time", say("Over time"), _nothing),
    ("roofline", say("Roofline"), _nothing),
    ("memory", say("Memory"), memory),
    ("audit", say("Audit"), audit),
    ("repetitions", say("Repetitions"), _nothing),
    ("stability", say("Stability"), devices),
    ("texts", say("Text produced"), texts),
    ("environment", say("Environment"), environment),
    ("reproduce", say("Reproduction"), reproduction),
    ("definitions", say("Definitions"), definitions),
)


def sections_of(findings: Findings, gallery: Gallery) -> tuple[Section, ...]:
    """Every section that has something to show. Reasons for missing pictures stand where the pictures would, or together at the end."""
    made = []
    left = dict(gallery.missing)
    for name, title, blocks_of in _SECTIONS:
        blocks: tuple[Block, ...] = (*gallery.figures.get(name, ()), *blocks_of(findings))
        if blocks:
            reasons = {field: left.pop(field) for field in [*left] if field in PICTURES.get(name, ())}
            made.append(Section(name, both(title), (*blocks, *unseen(reasons, gallery))))
    if left:
        made.append(Section("missing", both(say("Not shown")), unseen(left, gallery, titled=True)))
    return tuple(made)
