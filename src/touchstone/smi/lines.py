"""Lines as the tool printed them, out of a terminal's, a log's or a page's, and the cells and numbers in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_LINE = 4096
_LONGEST_PREFIX = 160
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?")
_QUOTE = re.compile(r"\s*(?:>\s?)+")
_STAMP = re.compile(r"\[?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[0-9.,]*(?:Z|[+-][0-9]{2}:?[0-9]{2})?\]?\s"
                    r"|[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} \S+ \S+: ")
_COMMAND = re.compile(r"(?:^|[\s$#/;(])(npu|nvidia)-smi((?:\s+[^|<>;&]*)?)(?:$|[|<>;&])")
_PROMPT = re.compile(r"\s*(?:\([^()\s]{1,40}\)\s*)?(?:\[?[\w.-]+@[\w.-]+[^#$]{0,80}[#$]|\$)\s")
_OPTION = re.compile(r"-([ic])\s+([0-9]{1,9})(?!\S)")
_QUERY = re.compile(r"--query-(?:gpu|compute-apps)[= ]\s*[\"']?([\w.]+(?:\s*,\s*[\w.]+)*)")
_TOKEN = re.compile(r"N/A|/|[^\s/]+")
_INTEGER = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,6})?")
_BUS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{1,3}:[0-9A-Fa-f]{1,3}\.[0-9A-Fa-f]{1,2}")
NOTHING = frozenset({"", "-", "--", "NA", "N/A", "[N/A]", "[NOT SUPPORTED]", "NOT SUPPORTED", "NOT SUPPORT", "[UNKNOWN ERROR]",
                     "UNKNOWN ERROR", "[NOT FOUND]", "[INSUFFICIENT PERMISSIONS]", "ERR!", "[GPU IS LOST]", "[GPU REQUIRES RESET]"})
"""What the tools print, in capitals, for what they do not know."""


@dataclass(frozen=True)
class Command:
    """A command line of either tool; of other commands only that there was one (``tool`` is empty)."""

    tool: str = ""
    npu_id: int | None = None
    chip_id: int | None = None
    columns: tuple[str, ...] = ()


class Reader:
    """Knows one kind of output."""

    def takes(self, line: str) -> bool:
        """Whether the line is of this kind; then it has been read."""
        raise NotImplementedError

    def asked(self, command: Command) -> None:  # noqa: ARG002 - for those who can use what was asked
        """A command stands in the text: what follows it is another output."""
        self.forget()

    def forget(self) -> None:
        """What comes next does not belong to what was read."""

    def end(self) -> None:
        """The text is over."""


def cleaned(text: str) -> Iterator[str]:
    """The lines without colours, quotation marks, time stamps and control characters."""
    for raw in _ESCAPE.sub("", text).replace("\ufeff", "").replace("\u00a0", " ").splitlines():
        if len(raw) <= _LONGEST_LINE:
            line = raw if raw.isprintable() else "".join(one if one.isprintable() else "  " for one in raw)
            line = _QUOTE.sub("", line, count=1) if _QUOTE.match(line) else line
            yield line[stamp.end():] if (stamp := _STAMP.match(line)) else line


def command_of(line: str) -> Command | None:
    """The command that was typed in ``line``, if that is what it is."""
    found = _COMMAND.search(line) if "-smi" in line else None
    if found is None or "|" in (line.lstrip()[:1], line.rstrip()[-1:]) or " : " in line[:found.start()]:
        return Command() if _PROMPT.match(line) else None
    options = {name: int(number) for name, number in _OPTION.findall(found[2])}
    query = _QUERY.search(found[2])
    columns = tuple(name.strip() for name in query[1].split(",")) if query else ()
    return Command(found[1], options.get("i"), options.get("c"), columns)


def cells(line: str) -> list[str] | None:
    """The cells of a row of a box, None for another line. A cell that is not closed was cut, so it is left out."""
    start = line.find("|")
    if not 0 <= start <= _LONGEST_PREFIX:
        return None
    return [cell.strip() for cell in line[start + 1:].rstrip().split("|")[:-1]]


def is_border(line: str) -> bool:
    """Whether a line only divides a table."""
    rest = line[-min(len(line), 80):].strip()
    return len(rest) >= 3 and not rest.strip("+-=|") and ("--" in rest or "==" in rest)


def values(cell: str) -> tuple[list[str], list[tuple[str, str]]]:
    """What stands alone in ``cell``, and what stands as ``a / b``."""
    tokens = _TOKEN.findall(cell)
    alone: list[str] = []
    pairs: list[tuple[str, str]] = []
    place = 0
    while place < len(tokens):
        if place + 2 < len(tokens) and tokens[place + 1] == "/" and "/" not in (tokens[place], tokens[place + 2]):
            pairs.append((tokens[place], tokens[place + 2]))
            place += 3
        else:
            alone.append(tokens[place])
            place += 1
    return alone, pairs


def integer(text: str) -> int | None:
    """A whole number of at most nine digits, or None."""
    return int(text) if _INTEGER.fullmatch(text) else None


def number(text: str) -> float | None:
    """A decimal number, or None."""
    return float(text) if _NUMBER.fullmatch(text) else None


def mebibytes(text: str) -> int | None:
    """A whole number of MiB (``MB`` to npu-smi), in bytes."""
    size = integer(text)
    return None if size is None else size << 20


def memory(pair: tuple[str, str]) -> dict[str, int | None]:
    """``used / total``. A total of 0 is no memory but one that could not be read."""
    used, total = map(mebibytes, pair)
    return {"memory_used_bytes": used if total != 0 else None, "memory_total_bytes": total or None}


def word(text: str) -> str | None:
    """A name as printed, or None."""
    return None if text.upper() in NOTHING else text


def bus(text: str) -> str | None:
    """A PCI address as printed, or None."""
    return text if _BUS.fullmatch(text) else None
