"""The fixed words of the page, by the name that templates know them by."""

from __future__ import annotations

from collections.abc import Mapping

from touchstone.message import Message, say
from touchstone.report.table import COLON

WORDS: Mapping[str, Message] = {
    "all": say("all"),
    "audit_link": say("all verdicts"),
    "automatic": say("automatic"),
    "colon": COLON,
    "contents": say("Contents"),
    "copied": say("copied"),
    "copy_markdown": say("Copy as Markdown"),
    "copy_picture": say("Copy picture"),
    "copy_text": say("Copy"),
    "dark": say("dark"),
    "definition": say("definition"),
    "download_csv": say("Download CSV"),
    "evidence": say("evidence"),
    "figures": say("Key figures"),
    "footer": say("Made by touchstone. This is one file; it asks nothing of any network."),
    "language": say("Language"),
    "light": say("light"),
    "not_charts": say("The pictures are left out because vl-convert is not installed: pip install 'llm-touchstone[charts]'. Their numbers stand in tables."),
    "not_shown": say("Not shown"),
    "save_png": say("Save as PNG"),
    "select_copy": say("The browser forbids copying here: the text is selected, press Ctrl+C."),
    "show": say("Show"),
    "skip": say("Skip to the results"),
    "table": say("Numbers of this picture"),
    "theme": say("Colours"),
    "verdict": say("Verdict"),
}
