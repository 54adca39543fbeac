"""The fixed words of the pages, by the name that templates know them by."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

from touchstone.message import Message, Translate, say

WORDS: Mapping[str, Message] = {
    "accepted": say("as the text says"),
    "anyway": say("Compare anyway"),
    "audit": say("Audit a table"),
    "audit_button": say("Audit it"),
    "audit_hint": say("Paste a table in Markdown, CSV or HTML, an article with tables, or a results file of another tool. It stays on this machine."),
    "case": say("Case"),
    "compare": say("Compare"),
    "compare_hint": say("A is the old one, B the new one."),
    "row": say("Row"),
    "devices": say("Devices"),
    "done": say("Done"),
    "dtype": say("Dtype"),
    "ended": say("The run has ended."),
    "failed": say("Failed"),
    "files": say("Files"),
    "filter": say("Filter"),
    "follow": say("follow"),
    "hardware": say("Hardware"),
    "in_flight": say("In flight"),
    "last_heard": say("Last heard"),
    "live": say("Live"),
    "model": say("Model"),
    "whole": say("the whole run"),
    "next": say("next"),
    "no_events": say("This run has written no events yet."),
    "no_script": say("Without JavaScript this page is loaded again every few seconds."),
    "none_found": say("No run has all of these words."),
    "plan": say("Plan"),
    "previous": say("previous"),
    "reasons": say("Reasons"),
    "report": say("Report"),
    "runs": say("All runs"),
    "silent": say("Nothing has been heard for a while: the run may have been killed."),
    "skip": say("Go to the content"),
    "sort": say("Order"),
    "sort_created": say("newest first"),
    "sort_name": say("by path"),
    "sort_trust": say("most believable first"),
    "stage": say("Stage"),
    "table": say("Table"),
    "verdict": say("Verdict"),
    "verdicts": say("Verdicts"),
    "warnings": say("Warnings"),
}
STAGES: Mapping[str, Message] = {
    "loading": say("loading"), "verifying": say("verifying"), "pilot": say("pilot"), "warming up": say("warming up"), "measuring": say("measuring"),
    "calibrating": say("calibrating"), "preparing": say("preparing"),
}


def words_in(translate: Translate) -> SimpleNamespace:
    """Every word in one language; a template that asks for another fails."""
    return SimpleNamespace(**{name: message.render(translate) for name, message in WORDS.items()})
