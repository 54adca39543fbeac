"""What a reader sees of marked-up text: Markdown and HTML inside a cell become plain words."""

from __future__ import annotations

import html
import re

_MARKED = re.compile(r"[*_`\[<&~\\$\x00-\x1f\u00a0\u3000]|  ")
_BREAK = re.compile(r"<br\s{0,9}/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_FOOTNOTE = re.compile(r"\[\^[^\[\]]*\]")
_EMPHASIS = re.compile(r"(\*{1,3})(?=\S)([^*]+)(?<=\S)\1|(?<!\w)(_{1,3})(?=\S)([^_]+)(?<=\S)\3(?!\w)|~~(?=\S)([^~]+)~~")
_CODE = re.compile(r"(`+)([^`]+)\1")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_LONG_REFERENCE = re.compile(r"&#x?[0-9a-f]{9,};?", re.IGNORECASE)


def plain(cell: str) -> str:
    """One line of plain text: no emphasis, links, code marks, tags or entities, and single spaces."""
    if not _MARKED.search(cell):
        return cell.strip()
    cell = _TAG.sub("", _BREAK.sub(" ", cell))
    cell = _CODE.sub(r"\2", _LINK.sub(r"\1", _FOOTNOTE.sub("", cell)))
    cell = _EMPHASIS.sub(lambda found: found[2] or found[4] or found[5], cell)
    return " ".join(_ESCAPED.sub(r"\1", unescaped(cell)).split())


def unescaped(text: str) -> str:
    """``text`` with its HTML entities as characters; a reference to no character is the mark for an unknown one."""
    # int() refuses thousands of digits, which a hostile page may well write.
    return html.unescape(_LONG_REFERENCE.sub("\ufffd", text)) if "&" in text else text
